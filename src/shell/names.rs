//! What the front asks of the file system: names for globs and completion, and where a `cd` leads.
//!
//! The front may open nothing. What it asks is answered by a process of its own that has the account's ids and nothing else, made for the one
//! question; the guard hands on question and answer, and looks into neither.

use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, access};
use serde::{Deserialize, Serialize};

use crate::exec::walk::walk;
use crate::syntax::glob;
use crate::sys::deadline::{Answer, answer_within};
use crate::sys::identity::Identity;
use crate::words::escape::hazard;
use crate::words::limits::{GLOB_ENTRIES, GLOB_NAMES, NAMES_BYTES, PATH_DEADLINE};

/// A question about names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// What the globs of a line match, as `syntax` asks it.
    Globs(String),
    /// Where a path leads, if it is a directory that may be entered.
    Enter { directory: PathBuf, target: String },
    /// The names in a directory that go on as `prefix` does.
    List { directory: PathBuf, prefix: String },
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name {
    pub text: String,
    pub is_directory: bool,
}

impl Question {
    /// As it travels.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Has a question answered with the rights of `identity` (`None`: of this process) within the deadline. The error is a reason in words.
pub fn ask(question: &[u8], identity: Option<&Identity>) -> Result<Vec<u8>, String> {
    let work = || Answer { bytes: answer(question), descriptor: None };
    let bytes = answer_within(PATH_DEADLINE, identity, work).map_err(|elapsed| elapsed.to_string())?.bytes;
    if bytes.len() > NAMES_BYTES { Err(format!("an answer of more than {NAMES_BYTES} bytes")) } else { Ok(bytes) }
}

/// The answer to an encoded question; of nothing for what is no question.
fn answer(question: &[u8]) -> Vec<u8> {
    match serde_json::from_slice(question) {
        Ok(Question::Globs(question)) => glob::answer(question.as_bytes()),
        Ok(Question::Enter { directory, target }) => serde_json::to_vec(&enter(&directory, &target)).unwrap_or_default(),
        Ok(Question::List { directory, prefix }) => serde_json::to_vec(&list(&directory, &prefix)).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// Where a path leads. The error is a reason in words.
fn enter(directory: &Path, target: &str) -> Result<PathBuf, String> {
    let found = walk(&directory.join(target), &|_, _| Ok(())).map_err(|error| error.to_string())?;
    let leads = found.full();
    let opened = open(&leads, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    opened.and_then(|_| access(&leads, AccessFlags::X_OK)).map_err(|errno| errno.desc().to_lowercase())?;
    match leads.to_str() {
        Some(_) => Ok(leads),
        None => Err("its name is not UTF-8".to_owned()),
    }
}

/// Names that a line could hold.
fn list(directory: &Path, prefix: &str) -> Vec<Name> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().take(GLOB_ENTRIES).flatten();
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    let offered = named.filter(|(name, _)| is_offered(name, prefix)).take(GLOB_NAMES);
    offered.map(|(text, path)| Name { text, is_directory: path.is_dir() }).collect()
}

fn is_offered(name: &str, prefix: &str) -> bool {
    name.starts_with(prefix) && (!name.starts_with('.') || prefix.starts_with('.')) && !name.chars().any(|c| hazard(c).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<T: for<'a> Deserialize<'a>>(question: &Question) -> T {
        serde_json::from_slice(&ask(&question.encode(), None).unwrap()).unwrap()
    }

    #[test]
    fn a_directory_that_may_be_entered_is_found() {
        for (directory, target, expected) in [
            ("/proc", "sys/kernel/../fs", Ok("/proc/sys/fs")),
            ("/", "/", Ok("/")),
            ("/", "etc/hostname", Err("not a directory")),
            ("/", "/nowhere", Err("no such file or directory")),
        ] {
            let found: Result<PathBuf, String> = asked(&Question::Enter { directory: directory.into(), target: target.to_owned() });
            assert_eq!(found, expected.map(PathBuf::from).map_err(str::to_owned), "{target}");
        }
    }

    #[test]
    fn the_account_sees_what_the_account_may() {
        if !nix::unistd::geteuid().is_root() {
            return crate::words::skip("only root can ask for another");
        }
        let question = Question::Enter { directory: "/".into(), target: "/root".to_owned() }.encode();
        let nobody = Identity { uid: 65534, gid: 65534, groups: vec![65534] };
        let found = |identity| serde_json::from_slice::<Result<PathBuf, String>>(&ask(&question, identity).unwrap()).unwrap();
        assert!(found(None).is_ok());
        assert_eq!(found(Some(&nobody)), Err("permission denied".to_owned()));
    }

    #[test]
    fn names_that_no_line_could_hold_are_not_offered() {
        for (name, prefix, offered) in [
            ("syslog", "sys", true),
            (".hidden", "", false),
            (".hidden", ".", true),
            ("a\x1bb", "", false),
            ("a\nb", "", false),
            ("x", "y", false),
        ] {
            assert_eq!(is_offered(name, prefix), offered, "{name:?} {prefix:?}");
        }
    }

    #[test]
    fn a_real_directory_is_listed() {
        let list = |directory: &str, prefix: &str| -> Vec<Name> {
            asked(&Question::List { directory: directory.into(), prefix: prefix.to_owned() })
        };
        let names = list("/proc/self", "f");
        assert!(names.contains(&Name { text: "fd".to_owned(), is_directory: true }));
        assert!(names.iter().all(|name| name.text.starts_with('f')));
        assert!(list("/nonexistent", "").is_empty());
    }

    #[test]
    fn what_is_no_question_has_no_answer() {
        for bytes in [&b""[..], b"{", b"\xff\xfe", br#"{"Globs":"x"}"#, br#"{"Open":"/etc/shadow"}"#] {
            assert_eq!(ask(bytes, None), Ok(Vec::new()), "{bytes:?}");
        }
    }
}
