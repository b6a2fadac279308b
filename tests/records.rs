//! Records in the real places, whole and broken: a real rsyslog, full and hung disks, planted files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use postern::record::{Event, Recorder, Unrecorded, join};

#[path = "records/support.rs"]
mod support;
use support::*;

#[path = "records/recording.rs"]
mod recording;

const START: Event<'static> = Event::SessionStart {
    way: "login",
    version: "0.1.0",
    install: "root",
    auid: Some(1001),
    ses: Some(7),
    policy: "abc123",
    observe: false,
    protections: &["one_exec"],
    recording: Some("/var/log/postern/id.cast"),
};
const CHANGE: Event<'static> = Event::PolicyChange { before: "a", policy: "b", observe: false };

/// Writes an event, and waits until the file has it too.
fn put(recorder: &mut Recorder, event: &Event<'_>) -> Result<(), Unrecorded> {
    let taken = recorder.write(event);
    recorder.settle();
    taken
}

#[test]
fn rsyslog_has_every_record_unaltered() {
    let directory = TempDir::new();
    let Some(rsyslog) = Rsyslog::start(&directory) else { return };
    let audit = directory.audit(Some(&rsyslog.socket()));
    let mut recorder = Recorder::open(&audit, session());
    put(&mut recorder, &START).unwrap();
    start(&mut recorder, b"tail \x1b[2J\xff#011%m\n", "\u{202e}\u{1f600}\u{7f}\\").unwrap();
    start(&mut recorder, &[0xff; 4096], &"é\"".repeat(4000)).unwrap();
    put(&mut recorder, &Event::PolicyDamage { reason: "bad checksum", policy: "abc123" }).unwrap();
    assert_eq!(recorder.notices(), [""; 0]);

    let text = fs::read_to_string(file_of(&audit, &recorder)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let messages = rsyslog.messages(lines.len());
    assert!(lines.len() > 20, "the long record is in many parts");
    assert_eq!(messages.iter().map(|(_, json)| json.as_str()).collect::<Vec<_>>(), lines);
    assert_eq!(messages[0].0, "authpriv.info posternsh");
    assert_eq!(messages.last().unwrap().0, "authpriv.alert posternsh");
    let records = join(messages.iter().map(|(_, json)| json.as_str())).unwrap();
    assert_eq!(postern::record::json::bytes(records[1]["line"].as_str().unwrap()), b"tail \x1b[2J\xff#011%m\n");
    assert_eq!(postern::record::json::bytes(records[2]["line"].as_str().unwrap()), [0xff; 4096]);
    assert_eq!(records[2]["stages"][0]["argv"][1], "é\"".repeat(4000));
}

#[test]
fn a_restarted_rsyslog_gets_the_rest() {
    let directory = TempDir::new();
    let Some(mut rsyslog) = Rsyslog::start(&directory) else { return };
    let audit = directory.audit(Some(&rsyslog.socket()));
    let mut recorder = Recorder::open(&audit, session());
    put(&mut recorder, &CHANGE).unwrap();
    rsyslog.messages(1);
    rsyslog.restart();
    put(&mut recorder, &CHANGE).unwrap();
    assert_eq!(recorder.notices(), [""; 0], "nobody needs to know");
    // What still waits in the socket when its reader ends is lost.
    rsyslog.messages(2);
    rsyslog.stop();
    put(&mut recorder, &CHANGE).unwrap();
    put(&mut recorder, &CHANGE).unwrap();
    assert!(recorder.notices().join("\n").starts_with("records do not reach syslog at "));
    rsyslog.restart();
    put(&mut recorder, &CHANGE).unwrap();
    assert!(recorder.notices().join("\n").ends_with(" again"));

    let messages = rsyslog.messages(3);
    let records = join(messages.iter().map(|(_, json)| json.as_str())).unwrap();
    assert_eq!(sequence(&records), [1, 2, 5]);
    assert_eq!(sequence(&in_file(&audit, &recorder)), [1, 2, 3, 4, 5]);
}

#[test]
fn a_socket_that_appears_later_is_used() {
    let directory = TempDir::new();
    let path = directory.join("log");
    let audit = directory.audit(Some(&path));
    let mut recorder = Recorder::open(&audit, session());
    put(&mut recorder, &CHANGE).unwrap();
    put(&mut recorder, &CHANGE).unwrap();
    assert_eq!(recorder.notices(), [format!("records do not reach syslog at {}: No such file or directory (os error 2)", path.display())]);
    let socket = UnixDatagram::bind(&path).unwrap();
    put(&mut recorder, &CHANGE).unwrap();
    put(&mut recorder, &CHANGE).unwrap();
    assert_eq!(recorder.notices(), [format!("records reach syslog at {} again", path.display())]);
    assert_eq!(received(&socket).len(), 2);
    assert_eq!(sequence(&in_file(&audit, &recorder)), [1, 2, 3, 4]);
}

#[test]
fn a_socket_that_nobody_reads_costs_one_wait_and_no_local_record() {
    let directory = TempDir::new();
    let path = directory.join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    let audit = directory.audit(Some(&path));
    let mut recorder = Recorder::open(&audit, session());
    let queue: usize = fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap().trim().parse().unwrap();
    let writes = queue + 1 + 60;
    let before = Instant::now();
    (0..writes).for_each(|_| put(&mut recorder, &CHANGE).unwrap());
    // Sixty times the deadline would be twelve seconds.
    assert!(before.elapsed() < Duration::from_secs(6), "{:?}", before.elapsed());
    assert_eq!(recorder.notices(), [format!("records do not reach syslog at {}: its queue stays full", path.display())]);
    assert_eq!(sequence(&in_file(&audit, &recorder)).len(), writes);

    assert_eq!(received(&socket).len(), queue + 1, "it did take what fits");
    put(&mut recorder, &CHANGE).unwrap();
    assert_eq!(received(&socket).len(), 1, "and takes more as soon as there is room");
    assert_eq!(recorder.notices().len(), 1);
}

#[test]
fn a_policy_that_moves_the_socket_is_followed() {
    let directory = TempDir::new();
    let (one, other) = (directory.join("one"), directory.join("other"));
    let (first, second) = (UnixDatagram::bind(&one).unwrap(), UnixDatagram::bind(&other).unwrap());
    let audit = directory.audit(Some(&one));
    let mut recorder = Recorder::open(&audit, session());
    put(&mut recorder, &CHANGE).unwrap();
    recorder.reconfigure(&directory.audit(Some(&other)));
    put(&mut recorder, &CHANGE).unwrap();
    recorder.reconfigure(&directory.audit(None));
    put(&mut recorder, &CHANGE).unwrap();
    assert_eq!((received(&first).len(), received(&second).len()), (1, 1));
    assert_eq!(sequence(&in_file(&audit, &recorder)), [1, 2, 3]);
    assert_eq!(recorder.notices(), [""; 0]);
}

#[test]
fn the_file_is_private_while_it_grows_and_read_only_after() {
    let directory = TempDir::new();
    let audit = directory.audit(None);
    let mut recorder = Recorder::open(&audit, session());
    put(&mut recorder, &CHANGE).unwrap();
    let file = file_of(&audit, &recorder);
    let open = fs::metadata(&file).unwrap();
    assert_eq!(open.permissions().mode() & 0o7777, 0o600);
    assert!(open.blocks() * 512 >= 32 << 10, "space is reserved: {} blocks", open.blocks());
    drop(recorder);
    let closed = fs::metadata(&file).unwrap();
    assert_eq!(closed.permissions().mode() & 0o7777, 0o440);
    assert!(closed.blocks() * 512 <= 4 << 10, "and given back: {} blocks", closed.blocks());
}

#[test]
fn in_the_directory_of_somebody_else_the_file_is_its_owners_to_write_and_not_to_read() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("only root can make a directory of somebody else");
    }
    let directory = TempDir::new();
    let audit = directory.audit(None);
    std::os::unix::fs::chown(&audit.dir, Some(12345), None).unwrap();
    let mut recorder = Recorder::open(&audit, session());
    put(&mut recorder, &CHANGE).unwrap();
    let file = file_of(&audit, &recorder);
    let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(), 0);
    put(&mut recorder, &CHANGE).unwrap();
    assert_eq!(in_file(&audit, &recorder).len(), 2, "the open descriptor keeps its access");
    drop(recorder);
    assert_eq!(mode(), 0, "closed");
}

#[test]
fn the_thread_that_writes_takes_no_signals() {
    let directory = TempDir::new();
    let mut recorder = Recorder::open(&directory.audit(None), session());
    put(&mut recorder, &CHANGE).unwrap();
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let statuses: Vec<String> = tasks.filter_map(|task| fs::read_to_string(task.join("status")).ok()).collect();
    let blocked: Vec<u64> = statuses
        .iter()
        .filter(|status| status.contains("Name:\trecords\n"))
        .map(|status| status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap())
        .map(|mask| u64::from_str_radix(mask, 16).unwrap())
        .collect();
    assert!(!blocked.is_empty());
    for (name, number) in [("HUP", 1), ("INT", 2), ("TERM", 15), ("CHLD", 17), ("XFSZ", 25), ("WINCH", 28)] {
        assert!(blocked.iter().all(|mask| mask & (1 << (number - 1)) != 0), "SIG{name}");
    }
    let own = statuses.iter().find(|status| !status.contains("Name:\trecords\n")).unwrap();
    assert!(own.contains("SigBlk:\t0000000000000000"), "the shell's own mask is as it was: {own}");
}

#[test]
fn a_full_disk_leaves_syslog() {
    let elsewhere = TempDir::new();
    let Some(directory) = elsewhere.mounted("disk", &["-t", "tmpfs", "-o", "size=64k", "tmpfs"]) else { return };
    let socket = UnixDatagram::bind(elsewhere.join("log")).unwrap();
    assert!(fs::write(directory.join("ballast"), [0; 128 << 10]).is_err(), "the disk is full");
    let audit = directory.audit(Some(&elsewhere.join("log")));
    let mut recorder = Recorder::open(&audit, session());
    put(&mut recorder, &CHANGE).unwrap();
    put(&mut recorder, &CHANGE).unwrap();
    assert_eq!(received(&socket).len(), 2);
    let notices = recorder.notices();
    assert!(notices.len() == 1 && notices[0].contains("No space left on device"), "{notices:?}");
    fs::remove_file(directory.join("ballast")).unwrap();
    put(&mut recorder, &CHANGE).unwrap();
    assert_eq!(recorder.notices().len(), 1);
    assert_eq!(sequence(&in_file(&audit, &recorder)), [3]);
}

#[test]
fn a_disk_that_fills_up_takes_a_running_session_for_a_while() {
    let elsewhere = TempDir::new();
    let Some(directory) = elsewhere.mounted("disk", &["-t", "tmpfs", "-o", "size=64k", "tmpfs"]) else { return };
    let audit = directory.audit(None);
    let mut recorder = Recorder::open(&audit, session());
    put(&mut recorder, &CHANGE).unwrap();
    assert!(fs::write(directory.join("ballast"), [0; 128 << 10]).is_err(), "the disk is full");
    let written = (0..1000).take_while(|_| put(&mut recorder, &CHANGE).is_ok()).count();
    assert!(written > 60, "{written}");
    let records = in_file(&audit, &recorder);
    assert_eq!(records.len(), written + 1, "whole records only");
    let size = fs::metadata(file_of(&audit, &recorder)).unwrap().len();
    assert!(size > 31 << 10 && size <= 36 << 10, "all of the reserve was used: {size}");

    let error = Recorder::open(&audit, session()).write(&CHANGE).unwrap_err().to_string();
    assert!(error.contains("No space left on device") && error.contains("`syslog: none`"), "a new session gets nothing: {error}");
}

#[test]
fn what_no_place_takes_is_an_error_with_both_reasons() {
    let directory = TempDir::new();
    let audit = postern::policy::settings::Audit {
        dir: directory.join("absent").display().to_string(),
        ..directory.audit(Some(&directory.join("nobody")))
    };
    let mut recorder = Recorder::open(&audit, session());
    let error = put(&mut recorder, &CHANGE).unwrap_err();
    assert!(error.file.ends_with(".jsonl: No such file or directory (os error 2)"), "{error}");
    assert!(error.syslog.ends_with("nobody: No such file or directory (os error 2)"), "{error}");
    assert_eq!(recorder.notices().len(), 2);

    fs::create_dir(&audit.dir).unwrap();
    put(&mut recorder, &CHANGE).unwrap();
    assert_eq!(recorder.notices().len(), 1, "the file is in use again");
    assert_eq!(sequence(&in_file(&audit, &recorder)), [2], "and the gap shows that one is missing");
}

#[test]
fn a_directory_that_cannot_be_written_leaves_syslog() {
    if let Some(place) = inside() {
        let audit = TempDir::audit(&TempDir::at(&place), Some(&place.join("log")));
        let mut recorder = Recorder::open(&audit, session());
        put(&mut recorder, &CHANGE).unwrap();
        assert!(recorder.notices()[0].contains("Permission denied"));
        return;
    }
    if !nix::unistd::Uid::effective().is_root() {
        return skipped("only root can become another user");
    }
    let directory = TempDir::new();
    let socket = UnixDatagram::bind(directory.join("log")).unwrap();
    fs::set_permissions(directory.join("log"), fs::Permissions::from_mode(0o666)).unwrap();
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let output = again("a_directory_that_cannot_be_written_leaves_syslog", &nobody, &directory.path).output().unwrap();
    succeeded(&output);
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 4096]).is_ok());
}

#[test]
fn what_is_planted_at_the_name_is_left_alone() {
    let directory = TempDir::new();
    let audit = directory.audit(None);
    fs::write(directory.join("victim"), "precious").unwrap();
    type Plant = fn(victim: &Path, name: &Path);
    let plants: [(&str, Plant); 4] = [
        ("a link to a file", |victim, name| symlink(victim, name).unwrap()),
        ("a dangling link", |victim, name| symlink(victim.with_extension("new"), name).unwrap()),
        ("a hard link", |victim, name| fs::hard_link(victim, name).unwrap()),
        ("a pipe", |_, name| assert!(Command::new("mkfifo").arg(name).status().unwrap().success())),
    ];
    for (what, plant) in plants {
        let session = session();
        plant(&directory.join("victim"), &directory.join(&format!("{}.jsonl", session.id)));
        let error = Recorder::open(&audit, session).write(&CHANGE).unwrap_err();
        assert!(error.file.contains("File exists"), "{what}: {error}");
        assert_eq!(fs::read_to_string(directory.join("victim")).unwrap(), "precious", "{what}");
        assert!(!directory.join("victim.new").exists(), "{what}");
    }
}

#[test]
fn a_file_size_limit_neither_kills_nor_cuts() {
    const LIMIT: usize = 10_000;
    if let Some(place) = inside() {
        if place.ends_with("control") {
            let _ = fs::write(place.with_file_name("plain"), [0; LIMIT + 1]);
            return;
        }
        let audit = TempDir::audit(&TempDir::at(&place), None);
        let mut recorder = Recorder::open(&audit, session());
        let written = (0..200).take_while(|_| put(&mut recorder, &CHANGE).is_ok()).count();
        assert!(written > 20 && written < 100, "{written}");
        assert_eq!(in_file(&audit, &recorder).len(), written);
        let error = put(&mut recorder, &CHANGE).unwrap_err();
        assert!(error.file.contains("no room for a whole record") || error.file.contains("File too large"), "{error}");
        return;
    }
    let directory = TempDir::new();
    let test = "a_file_size_limit_neither_kills_nor_cuts";
    let limit = ["prlimit", &format!("--fsize={LIMIT}")];
    succeeded(&again(test, &limit, &directory.path).output().unwrap());
    let control = again(test, &limit, &directory.join("control")).output().unwrap();
    assert_eq!(control.status.signal(), Some(25), "the limit does kill whoever does not look out");
}

/// The file system is frozen as for a snapshot: whoever writes to it waits in the kernel, where no signal reaches.
#[test]
fn a_hung_disk_is_given_up_on() {
    if let Some(place) = inside() {
        let audit = TempDir::audit(&TempDir::at(&place), Some(&place.with_file_name("log")));
        let mut recorder = Recorder::open(&audit, session());
        put(&mut recorder, &CHANGE).unwrap();
        assert!(Command::new("fsfreeze").arg("--freeze").arg(&place).status().unwrap().success());
        let before = Instant::now();
        (0..5).for_each(|_| put(&mut recorder, &CHANGE).unwrap());
        let hung = before.elapsed();
        recorder.reconfigure(&TempDir::audit(&TempDir::at(&place), None));
        let refused = put(&mut recorder, &CHANGE);
        assert!(Command::new("fsfreeze").arg("--unfreeze").arg(&place).status().unwrap().success());
        assert!(hung >= Duration::from_millis(900), "nothing hung, so nothing was tested: {hung:?}");
        assert!(hung < Duration::from_secs(4), "five records waited once: {hung:?}");
        let error = refused.unwrap_err();
        assert!(error.file.contains("no answer from the disk within 1s"), "{error}");
        assert!(recorder.notices()[0].contains("no answer from the disk"));
        eventually("the disk takes records again", || put(&mut recorder, &CHANGE).is_ok());
        let sequence = sequence(&in_file(&audit, &recorder));
        assert_eq!(sequence[..2], [1, 2], "the record that was waited for came through in the end");
        assert!(sequence[2] > 7, "those behind it went to syslog alone: {sequence:?}");
        return;
    }
    let directory = TempDir::new();
    let Some(disk) = ext4(&directory) else { return };
    let socket = UnixDatagram::bind(directory.join("log")).unwrap();
    let thaw = || Command::new("fsfreeze").arg("--unfreeze").arg(&disk.path).output();
    let output = ended(again("a_hung_disk_is_given_up_on", &[], &disk.path), thaw);
    succeeded(&output);
    socket.set_nonblocking(true).unwrap();
    assert_eq!(std::iter::from_fn(|| socket.recv(&mut [0; 4096]).ok()).count(), 6, "syslog has every record that it was to have");
}

/// A small disk of our own.
fn ext4(directory: &TempDir) -> Option<TempDir> {
    let image = directory.join("image");
    fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let made = Command::new("mkfs.ext4").arg("-q").arg(&image).output();
    if !made.is_ok_and(|output| output.status.success()) {
        skipped("no mkfs.ext4: a hung disk was not tried");
        return None;
    }
    directory.mounted("disk", &["-o", "loop", image.to_str().unwrap()])
}
