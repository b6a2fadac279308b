//! What a sealed front can ask of the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Write, pipe};
use std::process::Stdio;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::sandbox::await_some;
use crate::world::{BOTH, world};

const EPERM: i32 = 1;

/// What the front said of each call, before or behind its seal.
fn said(output: &str, when: &str) -> BTreeMap<String, i32> {
    let lines = output.lines().filter_map(|line| line.strip_prefix(when)?.trim().split_once(": "));
    lines.map(|(name, errno)| (name.to_owned(), errno.parse().unwrap())).collect()
}

#[test]
fn a_sealed_front_reaches_no_process_no_file_and_no_socket() {
    for install in BOTH {
        let Some(world) = world(install) else { return };
        let output = world.attack("kernel").out();
        let (before, behind) = (said(&output, "before"), said(&output, "behind"));
        assert!(before.len() > 40 && behind.len() > before.len(), "{output}");
        let let_through: Vec<_> = behind.iter().filter(|(_, errno)| **errno != EPERM).collect();
        assert_eq!(let_through, [], "{install:?}");
        // The control: nearly all of it is let through by the kernel to who has no seal.
        let refused: Vec<_> = before.iter().filter(|(_, errno)| **errno == EPERM).map(|(name, _)| name.as_str()).collect();
        assert!(refused.len() <= 12, "{install:?}: {refused:?}");
        for name in ["kill", "kill the relay", "openat", "socket of unix", "socket of the net", "mmap, executable", "dup"] {
            assert_eq!(before[name], 0, "{install:?}: {name}");
        }
        assert!(output.contains("the guard lives: true"), "{install:?}: {output}");
        assert_eq!(world.session(None).len(), 2, "it began and ended");
    }
}

/// Held up by whoever reads what it prints, long before there is a session.
#[test]
fn a_front_is_sealed_before_it_reads_its_arguments() {
    let seccomp = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.lines().find_map(|line| line.strip_prefix("Seccomp:\t")).unwrap().to_owned()
    };
    for install in BOTH {
        for arguments in [&["--help"][..], &["--version"], &["--policy", "/"], &["--unknown"]] {
            let Some(world) = world(install) else { return };
            let (reader, mut full) = pipe().unwrap();
            fcntl(&full, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
            while full.write(b"x").is_ok() {}
            fcntl(&full, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
            let output = || Stdio::from(full.try_clone().unwrap());
            let mut command = world.shell("posternsh", "");
            let mut shell = command.args(arguments).stdin(Stdio::null()).stdout(output()).stderr(output()).spawn().unwrap();
            let guard = shell.id();
            let held_up = || {
                let children = fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).ok()?;
                let front = children.split_whitespace().next()?.parse().ok()?;
                let waits_in = fs::read_to_string(format!("/proc/{front}/wchan")).ok()?;
                waits_in.contains("pipe_write").then_some(front)
            };
            let front = await_some(|| format!("a front that waits for its reader: {arguments:?}"), held_up);
            assert_eq!((seccomp(front), seccomp(guard)), ("2".to_owned(), "0".to_owned()), "{install:?}: {arguments:?}");
            drop(reader);
            shell.wait().unwrap();
            world.await_nobody();
            let _ = fs::read_dir("/var/log/postern").unwrap().flatten().try_for_each(|entry| fs::remove_file(entry.path()));
        }
    }
}
