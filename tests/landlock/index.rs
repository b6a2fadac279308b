//! With an index of /etc and without, a command reads the same: after every kind of change that a stat of a directory shows, or does not.

use super::*;

use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, chown as own};

const STATE: &str = "/run/postern-index";
const INDEX: &str = "/run/postern-index/index";

/// A tree of plain files, hidden ones, and such as nobody may list.
fn lay_out() {
    let _ = fs::remove_dir_all("/etc/tree");
    let _ = fs::remove_dir_all("/etc/moved");
    for (path, mode) in [
        ("/etc/tree/plain/a", 0o644),
        ("/etc/tree/plain/deep/b", 0o644),
        ("/etc/tree/secret/x.key", 0o644),
        ("/etc/tree/secret/beside", 0o644),
        ("/etc/tree/closed/x.key", 0o600),
        ("/etc/tree/closed/beside", 0o644),
        ("/etc/tree/unlisted/known", 0o644),
        ("/etc/tree/shut/inside/a", 0o644),
        ("/etc/tree/links/one", 0o644),
        ("/etc/tree/openvpn/x", 0o644),
        ("/run/postern-spare/dir/y.key", 0o644),
        ("/run/postern-spare/dir/plain", 0o644),
    ] {
        put(path, mode);
    }
    fs::hard_link("/etc/tree/links/one", "/etc/tree/links/two").unwrap();
    open_up("/etc/tree/unlisted", 0o711);
    open_up("/etc/tree/shut", 0o700);
}

/// Every file below /etc/tree and /etc/moved.
fn files() -> Vec<String> {
    let found = Command::new("find").args(["/etc/tree", "/etc/moved", "-type", "f"]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn write_index() {
    fs::create_dir_all(STATE).unwrap();
    open_up(STATE, 0o755);
    fs::write(INDEX, postern::confine::index::make().unwrap()).unwrap();
    open_up(INDEX, 0o644);
}

/// What an account reads of the tree under a fresh ruleset.
fn readable(rulesets: &mut Rulesets, confinement: &Confinement) -> Vec<String> {
    let account = Identity { uid: ACCOUNT, gid: ACCOUNT, groups: vec![ACCOUNT] };
    let plan = Plan::of(confinement, &kernel(landlock::abi()));
    let subject = Subject { program: Path::new("/bin/cat"), identity: Some(&account), home: "/nonexistent", terminal: None };
    let ruleset = rulesets.ruleset(&plan, subject).unwrap().unwrap();
    files().into_iter().filter(|path| reads_under(&ruleset, Some(&account), path)).collect()
}

/// The same with the index, for a line and for a session, and without.
fn compare(name: &str, confinement: &Confinement) -> Vec<String> {
    let state = Some(Path::new(STATE));
    let listed = readable(&mut Rulesets::for_one_line(None), confinement);
    assert_eq!(readable(&mut Rulesets::for_one_line(state), confinement), listed, "{name}");
    assert_eq!(readable(&mut Rulesets::for_session(state), confinement), listed, "{name}, in a session");
    listed
}

/// Until what was changed is old enough to be written down.
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(2100));
}

fn set_times(path: &str, times: &fs::Metadata) {
    use std::os::unix::fs::MetadataExt;
    let (read, written) = (TimeSpec::new(times.atime(), times.atime_nsec()), TimeSpec::new(times.mtime(), times.mtime_nsec()));
    utimensat(nix::fcntl::AT_FDCWD, path, &read, &written, UtimensatFlags::NoFollowSymlink).unwrap();
}

fn in_index(path: &str) -> bool {
    fs::read(INDEX).unwrap().windows(path.len() + 4).any(|window| window[4..] == *path.as_bytes() && window[0] as usize == path.len())
}

#[test]
fn an_index_makes_no_difference() {
    let Some(_alone) = alone() else { return };
    lay_out();
    settle();
    write_index();
    let inspect = Confinement::built_in(Base::Inspect);
    assert!(in_index("/etc/tree/plain/deep") && in_index("/etc/tree/secret"), "the index is of use");
    assert!(!in_index("/etc/tree/unlisted") && !in_index("/etc/tree/shut/inside"), "what not everybody may list is not told");
    let before = compare("nothing", &inspect);
    let reads = |path: &str, of: &[String]| of.iter().any(|read| read == path);
    assert!(reads("/etc/tree/secret/beside", &before) && !reads("/etc/tree/secret/x.key", &before));

    let hidden: [(&str, &str, &dyn Fn()); 10] = [
        ("a new file", "/etc/tree/plain/new.key", &|| put("/etc/tree/plain/new.key", 0o644)),
        ("one renamed in", "/etc/tree/plain/in.key", &|| fs::rename("/etc/tree/links/one", "/etc/tree/plain/in.key").unwrap()),
        ("one renamed", "/etc/tree/plain/a.key", &|| fs::rename("/etc/tree/plain/a", "/etc/tree/plain/a.key").unwrap()),
        ("rights of a hidden file", "/etc/tree/closed/x.key", &|| open_up("/etc/tree/closed/x.key", 0o644)),
        ("a link to it", "/etc/tree/plain/link", &|| fs::hard_link("/etc/tree/secret/x.key", "/etc/tree/plain/link").unwrap()),
        ("a plain file linked to a hidden name", "/etc/tree/plain/deep/b", &|| {
            put("/etc/tree/more/x", 0o644);
            fs::hard_link("/etc/tree/plain/deep/b", "/etc/tree/more/b.key").unwrap();
        }),
        ("a directory replaced", "/etc/tree/plain/deep/b.key", &|| {
            let times = fs::metadata("/etc/tree/plain/deep").unwrap();
            fs::remove_dir_all("/etc/tree/plain/deep").unwrap();
            put("/etc/tree/plain/deep/b.key", 0o644);
            set_times("/etc/tree/plain/deep", &times);
        }),
        ("two directories exchanged", "/etc/tree/plain/x.key", &|| {
            fs::rename("/etc/tree/plain", "/etc/tree/third").unwrap();
            fs::rename("/etc/tree/secret", "/etc/tree/plain").unwrap();
            fs::rename("/etc/tree/third", "/etc/tree/secret").unwrap();
        }),
        ("a directory moved in, with times of long ago", "/etc/moved/y.key", &|| {
            assert!(Command::new("cp").args(["-a", "/run/postern-spare/dir", "/etc/moved"]).status().unwrap().success());
            assert!(Command::new("touch").args(["-d", "2001-01-01", "/etc/moved", "/etc"]).status().unwrap().success());
        }),
        ("a name taken from under its times", "/etc/tree/plain/late.key", &|| {
            let times = fs::metadata("/etc/tree/plain").unwrap();
            put("/etc/tree/plain/late.key", 0o644);
            set_times("/etc/tree/plain", &times);
        }),
    ];
    for (name, path, change) in hidden {
        lay_out();
        settle();
        write_index();
        let before = compare(name, &inspect);
        change();
        let after = compare(name, &inspect);
        assert!(!reads(path, &after) && fs::metadata(path).is_ok(), "{name}: {path} is there and hidden");
        assert!(before.len() > 4 && after.len() > 3, "{name}: {after:?}");
    }
    let _ = fs::remove_dir_all("/etc/moved");

    let shown: [(&str, &str, &dyn Fn()); 5] = [
        ("a new plain file", "/etc/tree/secret/new", &|| put("/etc/tree/secret/new", 0o644)),
        ("a hidden one removed", "/etc/tree/secret/beside", &|| fs::remove_file("/etc/tree/secret/x.key").unwrap()),
        ("a directory opened", "/etc/tree/shut/inside/a", &|| open_up("/etc/tree/shut", 0o755)),
        ("one that may be listed", "/etc/tree/unlisted/known", &|| open_up("/etc/tree/unlisted", 0o755)),
        ("a directory closed", "/etc/tree/plain/a", &|| open_up("/etc/tree/secret", 0o700)),
    ];
    for (name, path, change) in shown {
        lay_out();
        settle();
        write_index();
        change();
        assert!(reads(path, &compare(name, &inspect)), "{name}: {path}");
    }
}

#[test]
fn an_index_serves_every_policy() {
    let Some(_alone) = alone() else { return };
    lay_out();
    settle();
    write_index();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let inspect = Confinement::built_in(Base::Inspect);
    for (confinement, missing) in [
        (Confinement { hide: words(&["/etc/tree/plain/[ab]"]), ..inspect.clone() }, "/etc/tree/plain/a"),
        (Confinement { hide: words(&["/etc/tree/plain"]), ..inspect.clone() }, "/etc/tree/plain/deep/b"),
        (Confinement { unhide: words(&["/etc/tree/secret/**"]), ..inspect.clone() }, "/etc/tree/closed/x.key"),
        (Confinement { read: words(&["/etc/tree"]), ..Confinement::built_in(Base::Sealed) }, "/etc/tree/secret/x.key"),
        (Confinement { read: words(&["/etc/tree/*/deep", "/etc/tree/links"]), ..Confinement::built_in(Base::Sealed) }, "/etc/tree/plain/a"),
    ] {
        let read = compare(&format!("{confinement:?}"), &confinement);
        assert!(!read.is_empty() && read.iter().all(|path| path != missing), "{read:?}");
    }
}

#[test]
fn a_mount_does_not_show_and_counts_all_the_same() {
    let Some(_alone) = alone() else { return };
    lay_out();
    settle();
    put("/run/postern-spare/two", 0o644);
    let _ = fs::hard_link("/run/postern-spare/two", "/run/postern-spare/three");
    let inspect = Confinement::built_in(Base::Inspect);
    let mounts = [("/run/postern-spare/dir", "/etc/tree/plain/deep"), ("/run/postern-spare/two", "/etc/tree/plain/a")];
    for (from, to) in mounts {
        write_index();
        compare(to, &inspect);
        mount(from, to);
        compare(to, &inspect);
        // And the other way round.
        write_index();
        compare(to, &inspect);
        unmount(to);
        compare(to, &inspect);
    }
}

#[test]
fn an_index_that_cannot_be_believed_is_none() {
    let Some(_alone) = alone() else { return };
    lay_out();
    settle();
    write_index();
    let inspect = Confinement::built_in(Base::Inspect);
    // An index that lies: it calls the hidden file of this directory plain, and has the check that fits.
    let lie = |name: &str| {
        let mut bytes = fs::read(INDEX).unwrap();
        // Among what is to be looked at, and among all that there is.
        while let Some(at) = bytes.windows(name.len()).position(|window| window == name.as_bytes()) {
            bytes[at + name.len() - 1] = b'z';
        }
        let check = postern::confine::index::check(&bytes[48..]);
        bytes[16..48].copy_from_slice(&check);
        bytes
    };
    let lying = lie("x.key");
    let secret = "/etc/tree/secret/x.key";
    let reads = || {
        let read = readable(&mut Rulesets::for_one_line(Some(Path::new(STATE))), &inspect);
        assert!(read.iter().any(|path| path == "/etc/tree/plain/a"), "all else is read: {read:?}");
        read.iter().any(|path| path == secret || path == "/etc/tree/closed/x.key")
    };
    let _ = (put(secret, 0o644), open_up("/etc/tree/closed/x.key", 0o644));
    settle();
    fs::write(INDEX, &lying).unwrap();
    assert!(reads(), "the control: an index that is believed is used");

    let put_bytes = |bytes: &[u8]| fs::write(INDEX, bytes).unwrap();
    let damage: [(&str, &dyn Fn()); 10] = [
        ("of another built-in list", &|| {
            let check = <sha2::Sha256 as sha2::Digest>::digest(&lying[48..]);
            put_bytes(&[&lying[..16], &check, &lying[48..]].concat());
        }),
        ("a byte", &|| put_bytes(&[&lying[..500], &[!lying[500]], &lying[501..]].concat())),
        ("its end", &|| put_bytes(&lying[..lying.len() - 1])),
        ("empty", &|| put_bytes(&[])),
        ("its version", &|| put_bytes(&[b"postern-index-00", &lying[16..]].concat())),
        ("too long", &|| put_bytes(&[&lying[..], &vec![0; postern::words::limits::INDEX_BYTES]].concat())),
        ("the account's", &|| own(INDEX, Some(Uid::from_raw(ACCOUNT)), Some(Gid::from_raw(ACCOUNT))).unwrap()),
        ("everybody's to write", &|| open_up(INDEX, 0o666)),
        ("in a directory that is everybody's", &|| open_up(STATE, 0o777)),
        ("a link", &|| {
            fs::rename(INDEX, "/run/postern-index/other").unwrap();
            symlink("other", INDEX).unwrap();
        }),
    ];
    for (name, change) in damage {
        let _ = fs::remove_dir_all(STATE);
        fs::create_dir(STATE).unwrap();
        open_up(STATE, 0o755);
        put_bytes(&lying);
        open_up(INDEX, 0o644);
        assert!(reads(), "{name}: believed before");
        change();
        assert!(!reads(), "{name}");
    }
    let _ = fs::remove_dir_all(STATE);
}

#[test]
fn what_has_just_changed_is_not_written_down() {
    let Some(_alone) = alone() else { return };
    lay_out();
    write_index();
    assert!(!in_index("/etc/tree/plain") && !in_index("/etc/tree"));
    let inspect = Confinement::built_in(Base::Inspect);
    compare("young", &inspect);
    settle();
    compare("young, when it is old", &inspect);
    write_index();
    assert!(in_index("/etc/tree/plain") && in_index("/etc/tree"));
}

#[test]
fn a_policy_that_is_applied_leaves_an_index() {
    let Some(_alone) = alone() else { return };
    put("/run/postern-policy/policy.yaml", 0o644);
    fs::write("/run/postern-policy/policy.yaml", "postern: 1\nallow:\n  - id\n").unwrap();
    let apply = || Command::new(env!("CARGO_BIN_EXE_postern")).args(["apply", "/run/postern-policy"]).output().unwrap();
    let (index, state) = ("/var/lib/postern/index", Path::new("/var/lib/postern"));
    for time in ["first", "second, when nothing has changed"] {
        let _ = fs::remove_file(index);
        let output = apply();
        assert!(output.status.success() && output.stderr.is_empty(), "{time}: {output:?}");
        assert_eq!(fs::metadata(index).unwrap().permissions().mode() & 0o7777, 0o644, "{time}");
        assert!(fs::read(index).unwrap().starts_with(b"postern-index-"), "{time}");
    }
    // Something that cannot be replaced: the policy is in force all the same.
    fs::remove_file(index).unwrap();
    fs::create_dir_all(format!("{index}/full")).unwrap();
    let output = apply();
    assert!(output.status.success() && String::from_utf8_lossy(&output.stderr).contains("warning: no index of /etc"), "{output:?}");
    fs::remove_dir_all(state).unwrap();
}
