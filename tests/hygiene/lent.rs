//! Privilege that was not lent although the file says so: a shell with less protection than was installed is none.

use std::process::Command;

use super::host::{SHELL, host, in_root};
use super::process::must;

#[test]
fn a_bit_that_was_not_honoured_is_refused_with_its_reason() {
    let Some(host) = host() else { return };
    assert!(host.victim(&[], true).contains("effective 0\n"), "the bit lends root");
    for (attack, reason) in [
        ("no_new_privs", "no_new_privs was set already"),
        ("trace", "traces this one"),
        ("user_namespace", "the caller's user namespace has no such owner"),
        ("mount_namespace", "the caller's user namespace has no such owner"),
        ("share", "the kernel does not say why"),
    ] {
        let found = host.victim(&[attack], true);
        let root_inside = attack.ends_with("namespace");
        let unprivileged = if root_inside { "effective 0\n".to_owned() } else { format!("effective {}\n", host.uid) };
        assert!(found.contains(&unprivileged), "the attack works: {attack}: {found}");
        host.started(&[attack], "id -u").refuses(reason);
    }
}

#[test]
fn a_file_system_without_set_user_id_is_refused() {
    let Some(host) = host() else { return };
    let place = in_root("nosuid");
    std::fs::create_dir(&place).unwrap();
    must(Command::new("mount").args(["-t", "tmpfs", "-o", "nosuid,mode=755", "tmpfs"]).arg(&place));
    must(Command::new("cp").args(["--preserve=all", SHELL]).arg(&place));
    let program = place.join("posternsh").display().to_string();
    host.started_at(&program, "id -u").refuses("its file system is mounted nosuid");
    must(Command::new("umount").arg(&place));
}

#[test]
fn a_program_that_others_may_write_or_that_lends_a_group_is_refused() {
    let Some(host) = host() else { return };
    let program = in_root("other").display().to_string();
    for (mode, reason) in
        [("4770", "may be written by others"), ("4757", "may be written by others"), ("2755", "set-group-ID"), ("6755", "set-group-ID")]
    {
        must(Command::new("install").args(["-o", "root", "-g", "postern", "-m", mode, env!("CARGO_BIN_EXE_posternsh"), &program]));
        host.started_at(&program, "id -u").refuses(reason);
    }
}
