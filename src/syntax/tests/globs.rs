//! Globs, on a real directory of odd names.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{settle_in, words};
use crate::words::limits;

/// A directory of its own for one test, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn with(names: &[&[u8]]) -> Scratch {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let unique = format!("postern-globs-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(unique);
        fs::create_dir_all(&directory).unwrap();
        for name in names {
            let path = directory.join(OsStr::from_bytes(name));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        Scratch(directory)
    }

    fn names(&self, glob: &str) -> Vec<String> {
        let request = settle_in(&self.0, &format!("a {glob}")).unwrap_or_else(|refusal| panic!("{glob}: {refusal}"));
        words(&request)[0].iter().skip(1).map(|name| (*name).to_owned()).collect()
    }

    fn refusal(&self, glob: &str) -> String {
        settle_in(&self.0, &format!("a {glob}")).expect_err(glob).message
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn globs_become_names_in_byte_order() {
    let scratch =
        Scratch::with(&[b"b.log", b"a.log", b"B.log", b"x y", b"a*", b".hidden", "é".as_bytes(), b"d/one", b"d/two", b"e-/one", b"e/one"]);
    for (glob, names) in [
        ("*.log", &["B.log", "a.log", "b.log"][..]),
        ("[!a-z]*", &["B.log", "é"]),
        ("[[:upper:]]*", &["B.log"]),
        ("?", &["d", "e", "é"]),
        ("?' '*", &["x y"]),
        ("a\\*", &["a*"]),
        ("*'*'", &["a*"]),
        (".h*", &[".hidden"]),
        (".[!.]*", &[".hidden"]),
        ("*/one", &["d/one", "e-/one", "e/one"]),
        ("d/*", &["d/one", "d/two"]),
        ("./d/t*", &["./d/two"]),
        ("d//o*", &["d//one"]),
        ("d//*/../t*", &["d//*/../t*"]),
        ("*/", &["d/", "e-/", "e/"]),
        ("none*", &["none*"]),
        ("'no ne'*\\?", &["no ne*?"]),
        ("~/*", &["/home/me/*"]),
        ("x[", &["x["]),
    ] {
        assert_eq!(scratch.names(glob), names, "{glob}");
    }
}

#[test]
fn a_dangling_link_is_a_name_too() {
    let scratch = Scratch::with(&[b"d/x"]);
    std::os::unix::fs::symlink("nowhere", scratch.0.join("link")).unwrap();
    assert_eq!(scratch.names("l*"), ["link"]);
    assert_eq!(scratch.names("l*/"), ["l*/"]);
}

#[test]
fn a_name_never_becomes_an_option() {
    let scratch = Scratch::with(&[b"-rf", b"a"]);
    assert_eq!(scratch.refusal("*"), "this glob matches `-rf`, which a command would take for an option");
    assert_eq!(scratch.refusal("-*"), "this glob matches `-rf`, which a command would take for an option");
    assert_eq!(scratch.names("./*"), ["./-rf", "./a"]);
}

#[test]
fn names_that_a_terminal_would_obey_are_refused() {
    for (name, shown) in [(&b"a\x1b[2J"[..], "a^[[2J"), (b"a\nb", "a^Jb"), (b"a\xff", "a<ff>"), ("a\u{202e}b".as_bytes(), "a<U+202E>b")] {
        let scratch = Scratch::with(&[name, b"b"]);
        assert_eq!(scratch.refusal("*"), format!("this glob matches `{shown}`, a name that is not plain text"));
        assert_eq!(scratch.names("b*"), ["b"], "a name that does not match does no harm");
    }
}

#[test]
fn globs_that_shells_read_differently_are_refused() {
    let scratch = Scratch::with(&[b".a"]);
    for glob in [".*", ".?", "..*", "x/.*", ".[.]", "'.'*"] {
        assert_eq!(scratch.refusal(glob), "shells differ on whether this glob means `.` and `..` too", "{glob}");
    }
}

#[test]
fn a_doubled_slash_behind_a_glob_is_refused() {
    let scratch = Scratch::with(&[b"d/x"]);
    for glob in ["*//", "*//x", "?/x//y", "d//*//x"] {
        assert_eq!(scratch.refusal(glob), "shells differ on a doubled `/` behind a glob", "{glob}");
    }
}

#[test]
fn too_many_names_are_refused() {
    let names: Vec<String> = (0..=limits::GLOB_NAMES).map(|number| format!("{number:04}")).collect();
    let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    let scratch = Scratch::with(&names);
    assert_eq!(scratch.refusal("*"), "globs match more than 512 names");
    assert_eq!(scratch.refusal("0000* 0[1-5]* 000[1-9]* 00[1-9]*"), "globs match more than 512 names", "all globs of a line count");
    assert_eq!(scratch.names("00*").len(), 100);
    assert_eq!(settle_in(Path::new("/nonexistent"), "a *").map(|request| words(&request) == [["a", "*"]]), Ok(true));
}

#[test]
fn a_glob_that_reads_too_much_is_refused() {
    let names: Vec<String> = (0..20).flat_map(|a| (0..20).map(move |b| format!("{a}/{b}/x"))).collect();
    let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    let scratch = Scratch::with(&names);
    assert_eq!(scratch.refusal("*/../*/../*/../*/../none*"), "globs read more than 100000 directory entries");
}
