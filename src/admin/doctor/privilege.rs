//! Which of the three installs the shell is, and whether owner, group and mode of its file are those of that install.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::finding::{Finding, quoted};
use super::host::{GROUP, Owners};
use crate::access::Install;
use crate::admin::install::Program;

const SET_GROUP_ID: u32 = 0o2000;
/// The mode of the postern install.
const POSTERN_MODE: u32 = 0o4511;

/// What each install gives.
pub fn gives(install: Install) -> &'static str {
    match install {
        Install::Root => {
            "the root install: rules run as any user with the capabilities that they list, and records are out of the accounts' reach"
        }
        Install::Postern => {
            "the postern install: commands run as the account, `as:` and capabilities are refused; no process of the account can signal or \
             trace the shell, and records are out of its reach"
        }
        Install::Plain => {
            "the plain install: commands run as the account, `as:` and capabilities are refused, and its records are in the account's reach"
        }
    }
}

/// Judges the file of a shell.
pub fn judge(program: &Program, owners: Owners) -> Vec<Finding> {
    let path = program.path.display().to_string();
    let mut found = Vec::new();
    if program.mode & SET_GROUP_ID != 0 {
        let message = format!("mode {:o}: set-group-ID, which no install is, so it starts no session", program.mode);
        found.push(Finding::problem(&path, message).command(["chmod", "g-s", &path]));
    }
    found.extend(match program.install() {
        Install::Root => root(program, &path, owners),
        Install::Postern => postern(program, &path, owners),
        Install::Plain if !found.is_empty() => Vec::new(),
        Install::Plain => {
            let fix = format!("for the root install: {}; the audit directory then has to be root's alone", make_root(&path, owners));
            vec![Finding::note(&path, gives(Install::Plain)).fix(fix)]
        }
    });
    if found.is_empty() { vec![Finding::ok(path, gives(program.install()))] } else { found }
}

/// For `root:postern`, mode 4750. That nobody but root can write to it `shell.owner` looks at.
fn root(program: &Program, path: &str, owners: Owners) -> Vec<Finding> {
    let mode = program.mode;
    let open = (mode & 0o001 != 0).then(|| {
        format!("set-user-ID root, mode {mode:o}: anybody on this host can start a process of root's with it, not group {GROUP} alone")
    });
    let group = match owners.group {
        None => Some(format!("set-user-ID root, and there is no group {GROUP} that may start it")),
        Some(gid) if gid != program.gid => {
            Some(format!("set-user-ID root of gid {}: that group can start it, and not group {GROUP}", program.gid))
        }
        Some(_) => None,
    };
    let shut = (mode & 0o010 == 0).then(|| format!("set-user-ID root, mode {mode:o}: group {GROUP} cannot start it, so nobody gets in"));
    let problem = |message: String| Finding::problem(path, message).script(make_root(path, owners));
    [open, group, shut].into_iter().flatten().map(problem).collect()
}

/// For owner `postern`, mode 4511.
fn postern(program: &Program, path: &str, owners: Owners) -> Vec<Finding> {
    let mode = program.mode & !SET_GROUP_ID;
    let problem = |message: String| Finding::problem(path, message).script(make_postern(path, owners));
    let owner = match owners.user {
        None => Some(problem(format!("set-user-ID of uid {}, and there is no user postern that it could be", program.uid))),
        Some(uid) if uid != program.uid => {
            Some(problem(format!("set-user-ID of uid {}, whose processes could then signal, trace and replace it", program.uid)))
        }
        Some(_) => None,
    };
    let readable = mode & 0o044 != 0 && mode & !0o044 == POSTERN_MODE;
    let wrong = match mode {
        POSTERN_MODE => None,
        _ if readable => Some(
            Finding::note(path, format!("mode {mode:o}: who can read the file may trace what it starts before that forbids it by itself"))
                .script(make_postern(path, owners)),
        ),
        _ => Some(problem(format!("set-user-ID of postern, mode {mode:o}, and it has to be {POSTERN_MODE:o}"))),
    };
    owner.into_iter().chain(wrong).collect()
}

/// chown(2) takes the bits away, so chmod comes behind it.
fn make_root(path: &str, owners: Owners) -> String {
    let group = if owners.group.is_none() { format!("groupadd --system {GROUP} && ") } else { String::new() };
    format!("{group}chown root:{GROUP} {path} && chmod 4750 {path}", path = quoted(path))
}

/// The user is in no group of the accounts': whoever is in that is one of them.
fn make_postern(path: &str, owners: Owners) -> String {
    let user = match owners.user {
        None => "useradd --system --no-user-group --home-dir /nonexistent --shell /usr/sbin/nologin postern && ",
        Some(_) => "",
    };
    format!("{user}chown postern {path} && chmod {POSTERN_MODE:o} {path}", path = quoted(path))
}

/// What the kernel loads before a program that is set-user-ID.
pub fn linking(program: &Program) -> Finding {
    let path = program.path.display().to_string();
    if program.install() == Install::Plain {
        return Finding::ok(path, "not set-user-ID: nothing that it loads has more rights than its caller");
    }
    match interpreter(&program.path) {
        Ok(Some(loader)) => Finding::note(
            path,
            format!("linked dynamically: {loader} and the libraries have its rights before it does anything; they have to be root's too"),
        ),
        Ok(None) => Finding::ok(path, "linked statically: nothing is loaded before it"),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Finding::skipped(path, "only root can look at it"),
        Err(error) => Finding::skipped(path, error.to_string()),
    }
}

/// The interpreter that an ELF file of 64 bits asks for in a program header of type PT_INTERP; elf(5).
fn interpreter(path: &Path) -> io::Result<Option<String>> {
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "it is no ELF file of 64 bits with the least byte first");
    let file = File::open(path)?;
    let at = |offset: u64, length: usize| -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    };
    let head = at(0, 64)?;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return Err(strange());
    }
    let (table, size, count) = (number(&head, 32, 8), number(&head, 54, 2), number(&head, 56, 2));
    for index in 0..count {
        let header = at(table.checked_add(index * size).ok_or_else(strange)?, 56)?;
        if number(&header, 0, 4) == PT_INTERP {
            // No path is longer than PATH_MAX.
            let length = usize::try_from(number(&header, 32, 8).min(4096)).map_err(|_| strange())?;
            let name = at(number(&header, 8, 8), length)?;
            return Ok(Some(String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned()));
        }
    }
    Ok(None)
}

const PT_INTERP: u64 = 3;

/// A number of some bytes, the least first; bytes that are not there are 0.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let bytes = bytes.get(at..at + length).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Fix, Level};
    use super::*;

    const OWNERS: Owners = Owners { group: Some(50), user: Some(990) };

    fn program(uid: u32, gid: u32, mode: u32) -> Program {
        Program { path: "/usr/bin/posternsh".into(), uid, gid, mode }
    }

    #[test]
    fn each_install_has_its_owner_group_and_mode() {
        use Level::{Note, Ok, Problem};
        let none = Owners { group: None, user: None };
        for (uid, gid, mode, owners, levels) in [
            (0, 50, 0o4750, OWNERS, &[Ok][..]),
            (0, 50, 0o4710, OWNERS, &[Ok]),
            (0, 50, 0o4755, OWNERS, &[Problem]),
            (0, 0, 0o4750, OWNERS, &[Problem]),
            (0, 0, 0o4755, OWNERS, &[Problem, Problem]),
            (0, 50, 0o4700, OWNERS, &[Problem]),
            (0, 50, 0o4750, none, &[Problem]),
            (0, 50, 0o6750, OWNERS, &[Problem]),
            (990, 0, 0o4511, OWNERS, &[Ok]),
            (990, 0, 0o4555, OWNERS, &[Note]),
            (990, 0, 0o4755, OWNERS, &[Problem]),
            (990, 0, 0o4510, OWNERS, &[Problem]),
            (991, 0, 0o4511, OWNERS, &[Problem]),
            (990, 0, 0o4511, none, &[Problem]),
            (990, 0, 0o6511, OWNERS, &[Problem]),
            (0, 0, 0o755, OWNERS, &[Note]),
            (0, 0, 0o2755, OWNERS, &[Problem]),
        ] {
            let found = judge(&program(uid, gid, mode), owners);
            assert_eq!(found.iter().map(|finding| finding.level).collect::<Vec<_>>(), levels, "{uid}:{gid} {mode:o}: {found:#?}");
            assert!(found.iter().all(|finding| finding.level == Ok || finding.fix.is_some()), "{found:#?}");
        }
    }

    #[test]
    fn a_fix_makes_the_group_and_the_user_that_are_not_there() {
        let fix = |uid, owners| judge(&program(uid, 1, 0o4755), owners).pop().and_then(|finding| finding.fix);
        let none = Owners { group: None, user: None };
        let chown = "chown root:postern /usr/bin/posternsh && chmod 4750 /usr/bin/posternsh";
        assert_eq!(fix(0, OWNERS), Some(Fix::Command(chown.to_owned())));
        assert_eq!(fix(0, none), Some(Fix::Command(format!("groupadd --system postern && {chown}"))));
        let chown = "chown postern /usr/bin/posternsh && chmod 4511 /usr/bin/posternsh";
        assert_eq!(fix(990, OWNERS), Some(Fix::Command(chown.to_owned())));
        let user = "useradd --system --no-user-group --home-dir /nonexistent --shell /usr/sbin/nologin postern";
        assert_eq!(fix(990, none), Some(Fix::Command(format!("{user} && {chown}"))));
    }

    #[test]
    fn the_interpreter_is_read_from_the_header() {
        // This test is linked as the shell is: an interpreter, or none, but never an error.
        let own = interpreter(Path::new("/proc/self/exe")).unwrap();
        assert!(own.is_none_or(|loader| loader.starts_with("/lib")));
        let sh = interpreter(Path::new("/bin/sh")).unwrap().unwrap();
        assert!(sh.starts_with('/') && Path::new(&sh).exists(), "{sh}");
        let directory = std::env::temp_dir().join(format!("postern-elf-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let cut = &std::fs::read("/bin/sh").unwrap()[..100];
        // Without program headers: as a program that is linked statically has none of this type.
        let none = [&cut[..56], &[0; 8]].concat();
        for (name, bytes, expected) in
            [("script", b"#!/bin/sh\n".as_slice(), None), ("text", &[b'x'; 80], None), ("cut", cut, None), ("none", &none, Some(None))]
        {
            let path = directory.join(name);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(interpreter(&path).ok(), expected, "{name}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
