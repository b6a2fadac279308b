//! Recordings as files: whole and opened by others, on full and limited disks, beside what is planted.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use postern::record::recording::Header;
use postern::record::{Encoder, Recording};

use crate::support::*;

const HEADER: Header<'static> =
    Header { columns: 80, rows: 24, timestamp: 1_795_230_764, title: "breakglass@db-3", term: Some("xterm-256color") };
const LONG: Duration = Duration::from_secs(20);

fn open(directory: &TempDir) -> Recording {
    Recording::open(&directory.path, "id", &HEADER).unwrap()
}

/// Writes to a pipe that does not block, until all is written or nobody reads it.
fn write(mut pipe: &fs::File, mut bytes: &[u8]) -> Result<(), ErrorKind> {
    let patience = Instant::now() + LONG;
    while !bytes.is_empty() && Instant::now() < patience {
        match pipe.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error.kind()),
        }
    }
    assert!(bytes.is_empty(), "the pipe is stuck");
    Ok(())
}

/// Screens with everything that needs care in JSON.
fn screens() -> String {
    let line = |number: u32| format!("\x1b[3{}mline {number}\x1b[m \"quoted\\\" é€😀\t|\r\n", number % 8);
    (0..5000).map(line).collect()
}

/// Records these screens with a chapter before them and a resize behind, and returns the chapter's offset.
fn record(recording: &mut Recording, screens: &str) -> u64 {
    let pipe = fs::File::from(recording.writer().unwrap());
    assert!(recording.writer().is_none(), "handed out once");
    let mut encoder = Encoder::new(recording.header_length());
    let mut out = vec![0; 8192];
    let at = Duration::from_millis;
    let offset = encoder.offset();
    let written = encoder.marker(at(1), b"journalctl -n 5000 \x1b", &mut out);
    write(&pipe, &out[..written]).unwrap();
    for (time, piece) in (2..).zip(screens.as_bytes().chunks(777)) {
        let mut rest = piece;
        while !rest.is_empty() {
            let progress = encoder.output(at(time), rest, &mut out);
            write(&pipe, &out[..progress.written]).unwrap();
            rest = &rest[progress.taken..];
        }
    }
    let written = encoder.resize(at(60_000), 132, 43, &mut out);
    write(&pipe, &out[..written]).unwrap();
    offset
}

#[test]
fn a_recording_is_what_was_seen() {
    let directory = TempDir::new();
    let mut recording = open(&directory);
    let path = directory.join("id.cast");
    assert_eq!(recording.path(), path);
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(), 0o600);
    let screens = screens();
    let offset = record(&mut recording, &screens);
    assert_eq!((recording.failure(), recording.finish(LONG)), (None, None));
    assert_eq!(mode(), 0o440, "nobody is to write to it");

    let text = fs::read_to_string(&path).unwrap();
    let header = text.lines().next().unwrap();
    assert_eq!(
        header,
        r#"{"version":2,"width":80,"height":24,"timestamp":1795230764,"title":"breakglass@db-3","env":{"TERM":"xterm-256color"}}"#
    );
    let marker = text[usize::try_from(offset).unwrap()..].lines().next().unwrap();
    assert_eq!(marker, r#"[0.001000, "m", "journalctl -n 5000 ^["]"#);
    assert_eq!(text.lines().last().unwrap(), r#"[60.000000, "r", "132x43"]"#);

    let parse = "import json, sys\nfor line in open(sys.argv[1], encoding='utf-8'): json.loads(line)\n";
    succeeded(&Command::new("python3").args(["-c", parse]).arg(&path).output().unwrap());
    match played(&path) {
        Some(seen) => assert!(seen == screens.as_bytes(), "{} bytes of {}", seen.len(), screens.len()),
        None => skipped("no asciinema: no other player was tried"),
    }
}

/// All output of a recording, as asciinema has it, which wants a terminal.
fn played(recording: &Path) -> Option<Vec<u8>> {
    Command::new("asciinema").arg("--version").stdout(Stdio::null()).status().ok()?;
    let seen = recording.with_extension("seen");
    let play = format!("asciinema cat {} > {}", recording.display(), seen.display());
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &play, "/dev/null"]).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    succeeded(&command.output().unwrap());
    Some(fs::read(seen).unwrap())
}

#[test]
fn a_recording_can_be_watched() {
    let directory = TempDir::new();
    let mut recording = open(&directory);
    let pipe = fs::File::from(recording.writer().unwrap());
    let path = directory.join("id.cast");
    for count in 1..=20 {
        write(&pipe, b"[0.1, \"o\", \"x\"]\n").unwrap();
        eventually("the event is in the file", || fs::read_to_string(&path).unwrap().lines().count() == count + 1);
    }
}

#[test]
fn a_recording_ends_with_a_whole_line() {
    let directory = TempDir::new();
    let mut recording = open(&directory);
    write(&fs::File::from(recording.writer().unwrap()), b"[0.1, \"o\", \"whole\"]\n[0.2, \"o\", \"ha").unwrap();
    assert_eq!(recording.finish(LONG), None);
    let text = fs::read_to_string(directory.join("id.cast")).unwrap();
    assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), [r#"[0.1, "o", "whole"]"#]);
    assert!(text.ends_with('\n'));
}

#[test]
fn nobody_is_waited_for_longer_than_is_said() {
    let directory = TempDir::new();
    let mut recording = open(&directory);
    let _writer: OwnedFd = recording.writer().unwrap();
    let before = Instant::now();
    assert_eq!(recording.finish(Duration::from_millis(50)).unwrap(), "no answer from the disk within 50ms");
    assert!(before.elapsed() < LONG);
}

#[test]
fn what_is_planted_at_the_name_of_a_recording_is_left_alone() {
    let directory = TempDir::new();
    type Plant = fn(victim: &Path, name: &Path);
    let plants: [(&str, Plant); 4] = [
        ("a file", |_, name| fs::write(name, "another session's").unwrap()),
        ("a link to a file", |victim, name| symlink(victim, name).unwrap()),
        ("a dangling link", |victim, name| symlink(victim.with_extension("new"), name).unwrap()),
        ("a pipe", |_, name| assert!(Command::new("mkfifo").arg(name).status().unwrap().success())),
    ];
    fs::write(directory.join("victim"), "precious").unwrap();
    for (what, plant) in plants {
        plant(&directory.join("victim"), &directory.join("id.cast"));
        let error = Recording::open(&directory.path, "id", &HEADER).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{what}");
        assert_eq!(fs::read_to_string(directory.join("victim")).unwrap(), "precious", "{what}");
        assert!(!directory.join("victim.new").exists(), "{what}");
        fs::remove_file(directory.join("id.cast")).unwrap();
    }
    let error = Recording::open(&directory.join("absent"), "id", &HEADER).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_recording_in_the_directory_of_somebody_else_is_not_to_be_read() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("only root can make a directory of somebody else");
    }
    let directory = TempDir::new();
    std::os::unix::fs::chown(&directory.path, Some(12345), None).unwrap();
    let mode = || fs::metadata(directory.join("id.cast")).unwrap().permissions().mode() & 0o7777;
    let mut recording = open(&directory);
    assert_eq!(mode(), 0);
    record(&mut recording, &screens());
    assert_eq!(recording.finish(LONG), None);
    assert_eq!(mode(), 0, "closed");
}

/// Writes events until nobody takes them; returns why, and the events in the file.
fn until_it_fails(directory: &TempDir) -> (String, Vec<String>) {
    let mut recording = open(directory);
    let pipe = fs::File::from(recording.writer().unwrap());
    let event = format!("[0.1, \"o\", \"{}\"]\n", "x".repeat(1000));
    let error = (0..10_000).find_map(|_| write(&pipe, event.as_bytes()).err());
    assert_eq!(error, Some(ErrorKind::BrokenPipe), "the writer finds out");
    let failure = recording.failure().unwrap();
    assert_eq!(recording.finish(LONG).as_deref(), Some(failure.as_str()));
    let mut text = String::new();
    fs::File::open(directory.join("id.cast")).unwrap().read_to_string(&mut text).unwrap();
    assert!(text.ends_with('\n') && text.lines().skip(1).all(|line| line == event.trim_end()), "whole events only");
    (failure, text.lines().skip(1).map(str::to_owned).collect())
}

#[test]
fn a_full_disk_ends_a_recording_and_nothing_else() {
    let elsewhere = TempDir::new();
    let Some(directory) = elsewhere.mounted("disk", &["-t", "tmpfs", "-o", "size=64k", "tmpfs"]) else { return };
    let (failure, events) = until_it_fails(&directory);
    assert!(failure.contains("No space left on device"), "{failure}");
    assert!(events.len() > 50 && events.len() < 65, "{}", events.len());
    let mode = fs::metadata(directory.join("id.cast")).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o440, "what there is, is closed");

    let _ = fs::write(directory.join("ballast"), [0; 64 << 10]);
    let error = Recording::open(&directory.path, "other", &HEADER).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert!(!directory.join("other.cast").exists(), "half a header is no recording");
}

#[test]
fn a_file_size_limit_ends_a_recording_and_kills_nobody() {
    if let Some(place) = inside() {
        let (failure, events) = until_it_fails(&TempDir::at(&place));
        assert!(failure.contains("File too large"), "{failure}");
        assert!(events.len() > 5 && events.len() < 11, "{}", events.len());
        return;
    }
    let directory = TempDir::new();
    let test = "recording::a_file_size_limit_ends_a_recording_and_kills_nobody";
    succeeded(&again(test, &["prlimit", "--fsize=10000"], &directory.path).output().unwrap());
    assert!(directory.join("id.cast").exists(), "it ran");
}

/// The disk is frozen as for a snapshot.
#[test]
fn a_hung_disk_holds_up_neither_the_writer_nor_the_end() {
    if let Some(place) = inside() {
        let directory = TempDir::at(&place);
        let freeze = |how: &str| assert!(Command::new("fsfreeze").arg(how).arg(&place).status().unwrap().success());
        let mut recording = open(&directory);
        let mut pipe = fs::File::from(recording.writer().unwrap());
        freeze("--freeze");
        let before = Instant::now();
        let refused = std::iter::repeat_with(|| pipe.write(&[b'x'; 4096])).take(10_000).find_map(Result::err);
        let late = Recording::open(&directory.path, "late", &HEADER).err();
        drop(pipe);
        let finished = recording.finish(Duration::from_millis(100));
        let waited = before.elapsed();
        freeze("--unfreeze");
        assert_eq!(refused.map(|error| error.kind()), Some(ErrorKind::WouldBlock));
        assert_eq!(late.map(|error| error.kind()), Some(ErrorKind::TimedOut));
        assert_eq!(finished.as_deref(), Some("no answer from the disk within 100ms"));
        assert!(waited < Duration::from_secs(4), "{waited:?}");
        let is_closed = |name: &str| fs::metadata(directory.join(name)).is_ok_and(|file| file.permissions().mode() & 0o7777 == 0o440);
        eventually("what was given up on is closed", || is_closed("id.cast") && is_closed("late.cast"));
        return;
    }
    let directory = TempDir::new();
    let Some(disk) = crate::ext4(&directory) else { return };
    let thaw = || Command::new("fsfreeze").arg("--unfreeze").arg(&disk.path).output();
    let test = "recording::a_hung_disk_holds_up_neither_the_writer_nor_the_end";
    succeeded(&ended(again(test, &[], &disk.path), thaw));
}
