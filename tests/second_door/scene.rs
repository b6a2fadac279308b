//! What an attack on files finds, and whether it left something.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// A directory of one attack: `file`, `other`, `empty`, all the user's own. With its state.
pub fn make(place: &Path, uid: u32) -> (PathBuf, String) {
    let directory = place.join(format!("scene-{}", postern::record::new_session_id()));
    fs::create_dir_all(directory.join("empty")).unwrap();
    for name in ["file", "other"] {
        fs::write(directory.join(name), format!("this is {name}\n")).unwrap();
        fs::set_permissions(directory.join(name), Permissions::from_mode(0o644)).unwrap();
    }
    for name in ["", "file", "other", "empty"] {
        chown(directory.join(name), Some(uid), Some(uid)).unwrap();
    }
    let state = state(&directory);
    (directory, state)
}

/// Names, kinds, modes, owners, times and contents.
pub fn state(directory: &Path) -> String {
    let mut state = String::new();
    let mut names: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    for path in names {
        let found = fs::symlink_metadata(&path).unwrap();
        let contents = if found.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let _ = writeln!(
            state,
            "{} {} {:o} {}:{} {}.{} {:?}",
            path.display(),
            found.ino(),
            found.mode(),
            found.uid(),
            found.gid(),
            found.mtime(),
            found.mtime_nsec(),
            contents
        );
    }
    state
}
