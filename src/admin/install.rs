//! What the installed shell is, by its file; that decides whether rules mean what they say on this host.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::output::count;
use crate::access::Install;
use crate::policy::Rule;
use crate::policy::compile::{Compiled, Source};
use crate::words::diagnostic::Place;
use crate::words::{Diagnostic, Position, Span};

/// The set-user-ID bit of a mode, inode(7).
const SET_USER_ID: u32 = 0o4000;

/// An installed `posternsh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    pub uid: u32,
    pub gid: u32,
    /// Without the type of the file.
    pub mode: u32,
}

impl Program {
    /// The program at a path, through symbolic links.
    ///
    /// # Errors
    /// It is not there, or not to be looked at.
    pub fn at(path: &Path) -> io::Result<Program> {
        let found = std::fs::metadata(path)?;
        Ok(Program { path: path.to_owned(), uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o7777 })
    }

    /// The `posternsh` beside the running program, if there is one.
    pub fn beside_this_one() -> Option<Program> {
        Program::at(&std::env::current_exe().ok()?.with_file_name("posternsh")).ok()
    }

    /// Which install it is. Whether it is one as it should be, `postern doctor` tells.
    pub fn install(&self) -> Install {
        match (self.mode & SET_USER_ID, self.uid) {
            (0, _) => Install::Plain,
            (_, 0) => Install::Root,
            _ => Install::Postern,
        }
    }

    /// Whether the mode lets a user with these groups start it.
    pub fn can_be_started_by(&self, uid: u32, gids: &[u32]) -> bool {
        let class = match () {
            () if uid == self.uid => 0o100,
            () if gids.contains(&self.gid) => 0o010,
            () => 0o001,
        };
        self.mode & class != 0
    }
}

/// A warning for the first rule whose terms this install cannot give; it says how many there are.
pub fn beyond(compiled: &Compiled, sources: &[Source]) -> Option<Diagnostic> {
    let install = Program::beside_this_one()?.install();
    if install == Install::Root {
        return None;
    }
    let mut rules: Vec<&Rule> = compiled.all_rules().filter(|rule| rule.needs_privilege()).collect();
    rules.sort_by_key(|rule| (rule.scope, rule.line));
    let first = rules.first()?;
    let source = compiled.scopes.get(first.scope as usize)?.source.as_str();
    let what = first.run_as.as_ref().map_or_else(|| "capabilities".to_owned(), |user| format!("`as: {user}`"));
    let message = format!("{what} needs the root install of posternsh, and on this host it is {}", described(install));
    let help = format!(
        "{} give way here to one without privilege, or are refused with that reason; posternsh(1), INSTALLATION",
        count(rules.len(), "rule")
    );
    let bytes = sources.iter().find(|candidate| candidate.name == source).map(|source| source.bytes.as_slice());
    let place = bytes.and_then(|bytes| place(&String::from_utf8_lossy(bytes), first.line));
    Some(Diagnostic::warning(source, place, message).with_help(help))
}

fn described(install: Install) -> &'static str {
    match install {
        Install::Root => "the root install",
        Install::Postern => "the postern install, which runs commands as the account alone",
        Install::Plain => "the plain install, without the set-user-ID bit",
    }
}

/// A whole line of a source.
pub fn place(text: &str, line: u32) -> Option<Place> {
    let source = text.lines().nth(line.checked_sub(1)? as usize)?.to_owned();
    let indent = source.len() - source.trim_start().len();
    let position = Position { line, column: u32::try_from(indent).ok()?.checked_add(1)? };
    Some(Place { position, span: Span::new(indent, source.len()), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_and_the_owner_say_which_install_it_is_and_who_may_start_it() {
        // Of the three that may start it or not: its owner, who is in its group, and anybody else.
        for (uid, mode, install, starts) in [
            (0, 0o4750, Install::Root, [true, true, false]),
            (0, 0o4755, Install::Root, [true, true, true]),
            (0, 0o4700, Install::Root, [true, false, false]),
            (990, 0o4511, Install::Postern, [true, true, true]),
            (0, 0o755, Install::Plain, [true, true, true]),
            (990, 0o511, Install::Plain, [true, true, true]),
            (0, 0o2755, Install::Plain, [true, true, true]),
            (0, 0o601, Install::Plain, [false, false, true]),
        ] {
            let program = Program { path: "/usr/bin/posternsh".into(), uid, gid: 50, mode };
            assert_eq!(program.install(), install, "{uid} {mode:o}");
            let who = [(uid, vec![50]), (7, vec![7, 50]), (7, vec![7])];
            assert_eq!(who.map(|(uid, gids)| program.can_be_started_by(uid, &gids)), starts, "{uid} {mode:o}");
        }
    }
}
