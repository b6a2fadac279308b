//! Whose files are taken for a policy. Tests that give files to other users need root; without it they fail and say so.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use postern::sys::file::{FileError, Owner, read_goldens, read_tree};

/// An empty directory of this test's own that others may not write.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("files-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a directory");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    path
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("a mode");
}

/// A sound tree: a main file and one part.
fn tree(name: &str) -> PathBuf {
    let path = directory(name);
    write(&path.join("policy.yaml"), "main");
    fs::create_dir(path.join("policy.d")).expect("a directory");
    fs::set_permissions(path.join("policy.d"), fs::Permissions::from_mode(0o755)).expect("a mode");
    write(&path.join("policy.d/10-db.yaml"), "part");
    path
}

fn names(path: &Path) -> Vec<String> {
    read_tree(path, Owner::Caller).expect("a tree").into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_tree_is_the_main_file_and_the_parts_in_name_order() {
    let path = tree("order");
    for name in ["20.yaml", "05.yaml", "notes.txt", ".hidden.yaml", "10-db.yaml~", "#10-db.yaml#", ".10-db.yaml.swp", "10-db.yaml.bak"] {
        write(&path.join("policy.d").join(name), "x");
    }
    assert_eq!(names(&path), ["policy.yaml", "policy.d/05.yaml", "policy.d/10-db.yaml", "policy.d/20.yaml"]);
    assert_eq!(read_tree(&path, Owner::Caller).expect("a tree")[2].1, b"part");
    assert_eq!(names(&path.join("policy.yaml")), ["policy.yaml"], "one file alone");
    fs::remove_dir_all(path.join("policy.d")).expect("removed");
    assert_eq!(names(&path), ["policy.yaml"]);
    fs::remove_file(path.join("policy.yaml")).expect("removed");
    assert!(read_tree(&path, Owner::Caller).is_err_and(|error| error.is_missing()));
}

#[test]
fn parts_stand_alone_but_not_beside_a_policy_d() {
    let path = directory("alone");
    write(&path.join("10-db.yaml"), "part");
    write(&path.join("10-db.golden"), "golden");
    assert_eq!(names(&path), ["files-alone/10-db.yaml"]);
    assert_eq!(read_goldens(&path, Owner::Anyone).expect("goldens").len(), 1);
    fs::create_dir(path.join("policy.d")).expect("a directory");
    for read in [read_tree, read_goldens] {
        let error = read(&path, Owner::Anyone).expect_err("a policy.d without its main file").to_string();
        let place = path.display();
        assert_eq!(error, format!("{place} has a policy.d and no policy.yaml; write one, or name {place}/policy.d for the parts alone"));
    }
    write(&path.join("policy.yaml"), "main");
    assert_eq!(names(&path), ["policy.yaml"], "positive control");
}

#[test]
fn what_others_may_write_is_refused_with_the_command_that_mends_it() {
    for (place, mode, mend) in [
        ("", 0o775, "g-w"),
        ("", 0o757, "o-w"),
        ("policy.yaml", 0o664, "g-w"),
        ("policy.yaml", 0o666, "go-w"),
        ("policy.d", 0o777, "go-w"),
        ("policy.d/10-db.yaml", 0o646, "o-w"),
    ] {
        let path = tree("writable");
        fs::set_permissions(path.join(place), fs::Permissions::from_mode(mode)).expect("a mode");
        let error = read_tree(&path, Owner::Caller).expect_err(place);
        let culprit = if place.is_empty() { path.clone() } else { path.join(place) };
        assert!(error.to_string().ends_with(&format!("run `chmod {mend} {}`", culprit.display())), "{error}");
        assert!(read_tree(&path, Owner::Anyone).is_ok(), "positive control");
    }
}

#[test]
fn what_others_own_is_refused_with_the_command_that_mends_it() {
    for place in ["", "policy.yaml", "policy.d", "policy.d/10-db.yaml"] {
        let path = tree("owned");
        assert_eq!(names(&path).len(), 2, "positive control");
        chown(path.join(place), Some(65534), None).expect("this test needs root");
        let error = read_tree(&path, Owner::Caller).expect_err(place);
        assert!(matches!(&error, FileError::Owner { uid: 65534, .. }) && error.to_string().contains("run `chown root "), "{error}");
    }
}

#[test]
fn a_directory_above_counts_and_no_link_leads_round_it() {
    let above = directory("above");
    fs::create_dir(above.join("etc")).expect("a directory");
    write(&above.join("etc/policy.yaml"), "main");
    let elsewhere = directory("elsewhere");
    symlink(above.join("etc"), elsewhere.join("link")).expect("a link");
    symlink("link", elsewhere.join("second")).expect("a link");
    assert_eq!(names(&above.join("etc")), ["policy.yaml"]);
    assert_eq!(names(&elsewhere.join("second")), ["policy.yaml"], "a link to what is trusted is followed");
    assert_eq!(names(&elsewhere.join("../files-above/etc")), ["policy.yaml"]);
    fs::set_permissions(&above, fs::Permissions::from_mode(0o777)).expect("a mode");
    for path in [above.join("etc"), elsewhere.join("second"), elsewhere.join("../files-above/etc")] {
        let error = read_tree(&path, Owner::Caller).expect_err("writable above");
        assert!(matches!(error, FileError::Writable { .. }), "{error}");
    }
}

#[test]
fn links_fifos_and_devices_are_no_policy_files() {
    let outside = directory("outside");
    write(&outside.join("evil.yaml"), "evil");
    for place in ["policy.yaml", "policy.d/10-db.yaml"] {
        let path = tree("links");
        fs::remove_file(path.join(place)).expect("removed");
        symlink(outside.join("evil.yaml"), path.join(place)).expect("a link");
        let error = read_tree(&path, Owner::Caller).expect_err(place);
        assert!(error.to_string().ends_with("is a symbolic link, not a file"), "{error}");
    }
    let path = tree("links");
    fs::remove_dir_all(path.join("policy.d")).expect("removed");
    symlink(&outside, path.join("policy.d")).expect("a link");
    assert!(read_tree(&path, Owner::Caller).is_err(), "policy.d is a link");

    let path = tree("fifo");
    fs::remove_file(path.join("policy.yaml")).expect("removed");
    assert!(Command::new("mkfifo").args(["-m", "644"]).arg(path.join("policy.yaml")).status().expect("mkfifo").success());
    let error = read_tree(&path, Owner::Caller).expect_err("a FIFO, and no hang");
    assert!(error.to_string().ends_with("is a FIFO, not a file"), "{error}");

    let path = directory("circle");
    symlink("b", path.join("a")).expect("a link");
    symlink("a", path.join("b")).expect("a link");
    assert!(matches!(read_tree(&path.join("a/x"), Owner::Caller), Err(FileError::Links { .. })));
}

#[test]
fn a_directory_that_everyone_may_write_holds_no_policy_of_root() {
    // The path of this test's own directory may lie below such a one; this path does for certain.
    let error = read_tree(Path::new("/tmp/postern-nothing/here"), Owner::Root).expect_err("below /tmp");
    assert!(matches!(error, FileError::Shared { .. }), "{error}");
}

#[test]
fn too_many_files_are_refused_and_a_large_one_is_not_read_whole() {
    let path = tree("many");
    fs::write(path.join("policy.d/10-db.yaml"), vec![b'a'; 10 << 20]).expect("a file");
    assert_eq!(read_tree(&path, Owner::Caller).expect("a tree")[1].1.len(), (4 << 20) + 1);
    for number in 0..300 {
        write(&path.join(format!("policy.d/{number}.yaml")), "x");
    }
    assert!(matches!(read_tree(&path, Owner::Caller), Err(FileError::TooMany { .. })));
}
