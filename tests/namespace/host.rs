//! The host, and sessions on it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::thread;

use postern::confine::{Namespace, Shape};

use crate::sandbox;

/// Stands in every file that must not be read.
pub const SECRET: &str = "c0ffee-and-keys";
pub const HOME: &str = "/home/namespace";

/// Whether this is the sandbox, with a state directory.
pub fn ready() -> bool {
    static READY: Once = Once::new();
    let inside = sandbox::entered();
    if inside {
        READY.call_once(|| {
            // These are not the sandbox's own.
            for directory in ["/home", "/root"] {
                mount(&["-t", "tmpfs", "-o", "mode=755", "test", directory]);
            }
            for directory in ["/var/lib/postern/home", "/var/log/postern", HOME] {
                fs::create_dir_all(directory).unwrap();
            }
        });
    }
    inside
}

/// Writes a secret that everybody may read, with the directories above it.
pub fn secret(path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, SECRET).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    path.to_owned()
}

pub fn shape() -> Shape {
    Shape { home: HOME.to_owned(), records: "/var/log/postern".into(), ..Shape::default() }
}

/// Does something in a thread of its own, and returns what it says.
pub fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Does something in a session.
pub fn session<T: Send>(shape: impl FnOnce() -> Shape + Send, work: impl FnOnce(&mut Namespace) -> T + Send) -> T {
    apart(|| work(&mut Namespace::enter(shape()).unwrap()))
}

/// Whether the secret can be read there.
pub fn leaks(path: impl AsRef<Path>) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.contains(SECRET))
}

/// What writing a file says: `None` if it was written.
pub fn refused(path: impl AsRef<Path>) -> Option<i32> {
    fs::OpenOptions::new().append(true).create(true).open(path).err().and_then(|error| error.raw_os_error())
}

pub fn mount(arguments: &[&str]) {
    run("mount", arguments);
}

pub fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

/// The lines of the table of mounts of the calling thread.
pub fn table() -> Vec<String> {
    fs::read_to_string("/proc/thread-self/mountinfo").unwrap().lines().map(str::to_owned).collect()
}
