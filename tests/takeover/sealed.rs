//! What a sealed front can ask of the kernel.

use std::collections::BTreeMap;

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
