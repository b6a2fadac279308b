//! A directory in which lines are expanded and run, and the lines that can be compared in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use postern::syntax::{Context, RedirectKind, Request, Script, expand, parse};

/// The constants that lines may name, and the variables of the shells.
pub const CONSTANTS: [(&str, &str); 3] = [("X", "x1"), ("Y", "a  b* $X"), ("Z", "")];
/// The status of "the line before".
pub const STATUS: u8 = 7;

/// Gone when dropped.
pub struct Scratch {
    root: PathBuf,
}

impl Scratch {
    pub fn with(names: &[&str]) -> Scratch {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let unique = format!("postern-oracle-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let scratch = Scratch { root: std::env::temp_dir().join(unique) };
        for directory in ["work", "home", "stubs"] {
            fs::create_dir_all(scratch.root.join(directory)).expect("a directory is made");
        }
        names.iter().for_each(|name| write(&scratch.work().join(name)));
        scratch
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where lines run.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// The last that a shell complained of.
    pub fn errors(&self, shell: &str) -> String {
        let all = fs::read_to_string(self.root.join(shell).with_extension("err")).unwrap_or_default();
        all.lines().rev().take(3).collect::<Vec<_>>().join("\n")
    }

    /// The words of a script here, if it is accepted.
    pub fn settle(&self, script: &Script) -> Option<Request> {
        let constants: BTreeMap<String, String> = CONSTANTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (directory, home) = (self.work(), self.home());
        let context = Context {
            directory: &directory,
            home: home.to_str()?,
            status: STATUS,
            constants: &constants,
            names: &postern::syntax::glob::ask_here,
        };
        expand(script, &context).ok()
    }

    /// The lines that are accepted and can be compared. Every file that one of them redirects to is made before any is expanded for good,
    /// so that globs meet the same names here and in both shells.
    pub fn accept(&self, lines: &[String]) -> Vec<Request> {
        let scripts: Vec<Script> = lines.iter().filter_map(|line| parse(line.as_bytes()).ok()).collect();
        let scripts: Vec<Script> =
            scripts.into_iter().filter(|script| self.settle(script).is_some_and(|request| self.is_comparable(&request))).collect();
        let requests: Vec<Request> = scripts.iter().filter_map(|script| self.settle(script)).collect();
        requests.iter().flat_map(|request| self.files(request)).for_each(|file| write(&file));
        scripts.iter().filter_map(|script| self.settle(script)).filter(|request| self.is_comparable(request)).collect()
    }

    /// The files that a line redirects from or to, each once.
    pub fn files(&self, request: &Request) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let stages = request.items.iter().flat_map(|item| &item.stages);
        for redirect in stages.flat_map(|stage| &stage.redirects) {
            if let RedirectKind::Input(file) | RedirectKind::Output { file, .. } = &redirect.kind {
                let path = self.path(&file.text);
                if !files.contains(&path) {
                    files.push(path);
                }
            }
        }
        files
    }

    /// Where a path of a line is, without `.` and doubled slashes; a directory's slash at the end is kept as a `..`, which no comparable line has.
    pub fn path(&self, text: &str) -> PathBuf {
        let path: PathBuf = self.work().join(text).components().collect();
        if text.ends_with('/') || text.ends_with("/.") { path.join("..") } else { path }
    }

    /// What stands behind the home directory and its slash, or the whole text.
    fn below_home<'a>(&self, text: &'a str) -> &'a str {
        let home = self.home();
        text.strip_prefix(&*home.to_string_lossy()).map_or(text, |rest| rest.trim_start_matches('/'))
    }

    /// A stub can take any bare name except those of a few builtins; files stay in this directory, and have ASCII names,
    /// because `?` is a byte to dash. Words stay below this directory.
    fn is_comparable(&self, request: &Request) -> bool {
        let mut stages = request.items.iter().flat_map(|item| &item.stages);
        let named = stages.all(|stage| {
            let name = stage.argv.first().map_or("", |argument| argument.text.as_str());
            !name.contains('/') && !["", ".", "..", ":", "["].contains(&name)
        });
        let mut words = request.items.iter().flat_map(|item| &item.stages).flat_map(|stage| &stage.argv);
        let stays = words.all(|argument| stays_below(self.below_home(&argument.text)));
        let files = self.files(request);
        let inside = |file: &PathBuf| {
            let ours = file.starts_with(self.work()) || file.starts_with(self.home());
            ours && file.to_str().is_some_and(str::is_ascii)
                && !file.components().any(|part| part.as_os_str() == "..")
                && !file.is_dir()
                && file.parent().is_some_and(Path::is_dir)
        };
        named && stays && files.len() <= 3 && files.iter().all(inside) && !request.items.is_empty()
    }
}

/// Whether a relative path never climbs above where it starts: what is there changes while tests run, and globs would see it.
fn stays_below(path: &str) -> bool {
    let mut depth = 0;
    let climbs = path.split('/').any(|part| {
        depth += match part {
            ".." => -1,
            "" | "." => 0,
            _ => 1,
        };
        depth < 0
    });
    !(climbs || path.starts_with('/') && path.len() > 1)
}

/// Makes a file that is not empty, and the directories that it is in.
fn write(path: &Path) {
    fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("a directory is made");
    fs::write(path, "x").expect("a file is written");
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}
