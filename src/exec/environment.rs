//! The environment of a command, built from nothing.
//!
//! HOME and the XDG directories are empty and root-owned, so that no file of the account configures a command; pagers are `cat`, because
//! a command starts no other program; SHELL is one that runs nothing, for programs that offer an escape to it. What the policy lists
//! under `env:` comes last and wins: it is root's word.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::identity::RunAs;
use super::program::SEARCH;
use crate::words::paths;

/// HOME where the empty one is not there.
const NO_HOME: &str = "/nonexistent";

/// Terminals whose names are passed on.
const TERMINALS: [&str; 26] = [
    "alacritty",
    "ansi",
    "dumb",
    "foot",
    "gnome-256color",
    "konsole",
    "konsole-256color",
    "linux",
    "putty",
    "putty-256color",
    "rxvt",
    "rxvt-unicode",
    "rxvt-unicode-256color",
    "screen",
    "screen-256color",
    "st-256color",
    "tmux",
    "tmux-256color",
    "vt100",
    "vt220",
    "vte-256color",
    "xterm",
    "xterm-256color",
    "xterm-color",
    "xterm-ghostty",
    "xterm-kitty",
];

/// What the environment depends on besides the policy's constants.
pub(super) struct Setting<'a> {
    pub user: &'a RunAs,
    pub search: &'a [String],
    /// What the client said its terminal is.
    pub term: Option<&'a str>,
    /// Whether HOME is the user's own.
    pub account_home: bool,
}

/// The environment as `NAME=value`, sorted.
pub(super) fn build(setting: &Setting<'_>, constants: &BTreeMap<String, String>) -> Vec<String> {
    let path: Vec<&str> = SEARCH.into_iter().chain(setting.search.iter().map(String::as_str)).collect();
    let path = path.join(":");
    let term = setting.term.filter(|term| TERMINALS.contains(term)).unwrap_or("dumb");
    let user = setting.user.name.as_str();
    let home = empty_home();
    let mut variables = BTreeMap::from([
        ("PATH", path.as_str()),
        ("TERM", term),
        ("LANG", "C.UTF-8"),
        ("USER", user),
        ("LOGNAME", user),
        ("SHELL", "/usr/sbin/nologin"),
        ("PAGER", "cat"),
        ("MANPAGER", "cat"),
        ("GIT_PAGER", "cat"),
        ("SYSTEMD_PAGER", "cat"),
        ("SYSTEMD_PAGERSECURE", "1"),
        ("LESSSECURE", "1"),
    ]);
    if setting.account_home {
        variables.insert("HOME", &setting.user.home);
    } else {
        let names = ["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"];
        variables.extend(names.map(|name| (name, home.as_str())));
    }
    variables.extend(constants.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn empty_home() -> String {
    let only_root_writes =
        |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == 0 && found.mode() & 0o022 == 0);
    let home = Path::new(paths::STATE_DIR).join(paths::EMPTY_HOME);
    if home.ancestors().all(only_root_writes) { home.display().to_string() } else { NO_HOME.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(term: Option<&str>, account_home: bool, constants: &[(&str, &str)]) -> Vec<String> {
        let user = RunAs { name: "web".to_owned(), home: "/home/web".to_owned(), identity: None };
        let constants = constants.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        build(&Setting { user: &user, search: &["/opt/db/bin".to_owned()], term, account_home }, &constants)
    }

    #[test]
    fn the_environment_is_built_from_nothing() {
        let home = empty_home();
        let expected = [
            "GIT_PAGER=cat".to_owned(),
            format!("HOME={home}"),
            "LANG=C.UTF-8".to_owned(),
            "LESSSECURE=1".to_owned(),
            "LOGNAME=web".to_owned(),
            "MANPAGER=cat".to_owned(),
            "PAGER=cat".to_owned(),
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/opt/db/bin".to_owned(),
            "SHELL=/usr/sbin/nologin".to_owned(),
            "SYSTEMD_PAGER=cat".to_owned(),
            "SYSTEMD_PAGERSECURE=1".to_owned(),
            "TERM=xterm-256color".to_owned(),
            "USER=web".to_owned(),
            format!("XDG_CACHE_HOME={home}"),
            format!("XDG_CONFIG_HOME={home}"),
            format!("XDG_DATA_HOME={home}"),
            format!("XDG_STATE_HOME={home}"),
        ];
        assert_eq!(environment(Some("xterm-256color"), false, &[]), expected);
    }

    #[test]
    fn what_differs_is_what_was_said() {
        let has = |environment: &[String], variable: &str| environment.iter().any(|is| is == variable);
        for term in [None, Some(""), Some("../../evil"), Some("XTERM"), Some("dumb")] {
            assert!(has(&environment(term, false, &[]), "TERM=dumb"), "{term:?}");
        }
        let home = environment(None, true, &[]);
        assert!(has(&home, "HOME=/home/web") && !home.iter().any(|variable| variable.starts_with("XDG_")));
        let constants = environment(None, false, &[("PGHOST", "/run/postgresql"), ("LANG", "C")]);
        assert!(has(&constants, "PGHOST=/run/postgresql") && has(&constants, "LANG=C") && !has(&constants, "LANG=C.UTF-8"));
    }
}
