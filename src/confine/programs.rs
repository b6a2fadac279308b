//! What the kernel opens besides a program when it starts it: the interpreter of a script, and the loader of an ELF file.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::places::resolve;

/// Scripts that interpret scripts (`BINPRM_MAX_RECURSION` of the kernel, and the program itself).
const DEPTH: usize = 5;
/// Bytes of a `#!` line that the kernel reads (`BINPRM_BUF_SIZE`).
const LINE: usize = 256;
/// `PT_INTERP` of elf(5).
const INTERPRETER: u32 = 3;

/// A program and all that is opened with it, as handles (`O_PATH`) with their paths. What is not there is left out, and so is the
/// interpreter of a program that cannot be read.
pub(super) fn with_interpreters(program: &Path) -> Vec<(OwnedFd, PathBuf)> {
    let mut found = Vec::new();
    let mut next = Some(program.to_owned());
    while let Some((handle, path)) = next.take().and_then(|path| resolve(&path).ok()) {
        next = interpreter(&handle).filter(|_| found.len() < DEPTH);
        found.push((handle, path));
    }
    found
}

fn interpreter(program: &OwnedFd) -> Option<PathBuf> {
    let path = format!("/proc/self/fd/{}", program.as_raw_fd());
    // A FIFO or a device in its place must not hold this up.
    let file = OpenOptions::new().read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits()).open(path).ok()?;
    let mut head = [0; LINE];
    let length = file.read_at(&mut head, 0).ok()?;
    let head = head.get(..length)?;
    match head.strip_prefix(b"#!") {
        Some(line) => script(line),
        None => elf(&file, head),
    }
}

/// `#! /path argument`.
fn script(line: &[u8]) -> Option<PathBuf> {
    let line = line.split(|byte| *byte == b'\n').next()?;
    let name = line.split(|byte| matches!(byte, b' ' | b'\t' | 0)).find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(name)))
}

/// Of a 64-bit little-endian file; others are not run here.
fn elf(file: &File, head: &[u8]) -> Option<PathBuf> {
    head.strip_prefix(b"\x7fELF\x02\x01")?;
    let (offset, size, count) = (long(head, 0x20)?, short(head, 0x36)?, short(head, 0x38)?);
    let mut headers = vec![0; size.checked_mul(count)?];
    file.read_exact_at(&mut headers, offset).ok()?;
    let header = headers.chunks_exact(size.max(1)).find(|header| header.starts_with(&INTERPRETER.to_le_bytes()))?;
    let mut path = vec![0; usize::try_from(long(header, 0x20)?).ok().filter(|length| *length <= 4096)?];
    file.read_exact_at(&mut path, long(header, 0x08)?).ok()?;
    let path = path.split(|byte| *byte == 0).next()?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn scripts_have_interpreters_and_those_have_loaders() {
        let base = nix::unistd::mkdtemp(&std::env::temp_dir().join("postern-programs-XXXXXX")).unwrap();
        let put = |name: &str, text: &[u8]| fs::write(base.join(name), text).unwrap();
        put("plain", b"#!/bin/sh\n");
        put("spaced", b"#! \t/bin/sh -e x\n");
        put("nested", format!("#!{}\n", base.join("plain").display()).as_bytes());
        put("loop", format!("#!{}\n", base.join("loop").display()).as_bytes());
        put("empty", b"");
        put("cut", b"\x7fELF\x02\x01");
        put("mad", &[&b"\x7fELF\x02\x01"[..], &[0xff; 200]].concat());
        let shell = fs::canonicalize("/bin/sh").unwrap();
        let names = |path: &Path| with_interpreters(path).into_iter().map(|(_, path)| path).collect::<Vec<_>>();
        let loader = names(&shell);
        assert!(matches!(&loader[..], [own, loader] if *own == shell && loader.display().to_string().contains("/ld-")), "{loader:?}");
        for (name, before) in [("plain", 1), ("spaced", 1), ("nested", 2)] {
            assert_eq!(names(&base.join(name))[before..], loader, "{name}");
        }
        for (name, count) in [("empty", 1), ("cut", 1), ("mad", 1), ("none", 0), ("loop", DEPTH + 1)] {
            assert_eq!(names(&base.join(name)).len(), count, "{name}");
        }
        fs::remove_dir_all(base).unwrap();
    }
}
