//! Directories, listed with one buffer and no call more than it takes: fdopendir(3) makes four of its own, and a walk lists hundreds.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::raw;

/// Bytes of entries asked for at a time, as the C library does.
const BUFFER: usize = 32 << 10;

/// What an entry is, as far as the directory tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Directory,
    Link,
    File,
    /// A block or character device.
    Device,
    /// A FIFO or socket.
    Other,
    /// The file system does not tell.
    Unknown,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: CString,
    pub kind: Kind,
    pub inode: u64,
}

/// Room to list directories with, one after the other.
pub struct Lister(Vec<u64>);

impl Default for Lister {
    fn default() -> Lister {
        // Words, so that it is aligned as the kernel writes the entries.
        Lister(vec![0; BUFFER / size_of::<u64>()])
    }
}

impl Lister {
    /// The entries of a directory that was opened for reading and not read yet, but for `.` and `..`. Ends when there are more than `most`.
    pub fn list(&mut self, directory: BorrowedFd<'_>, most: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while entries.len() <= most {
            let arguments = [directory.as_raw_fd() as usize, self.0.as_mut_ptr() as usize, BUFFER, 0, 0];
            // SAFETY: the buffer is as long as is said, and nobody else uses it.
            let length = unsafe { raw::call(libc::SYS_getdents64, arguments) }.map_err(io::Error::from_raw_os_error)?;
            if length == 0 {
                break;
            }
            // SAFETY: the kernel has written so many bytes, at most `BUFFER`, into words that live as long as the slice.
            let mut rest = unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast::<u8>(), length.min(BUFFER)) };
            while let Some((entry, behind)) = next(rest) {
                entries.extend(entry);
                rest = behind;
            }
        }
        Ok(entries)
    }
}

/// The first entry, unless it is `.` or `..`, and the rest: inode and offset (8 bytes each), length (2), type (1), name up to a NUL.
fn next(buffer: &[u8]) -> Option<(Option<Entry>, &[u8])> {
    let length = usize::from(u16::from_ne_bytes(buffer.get(16..18)?.try_into().ok()?));
    let name = CStr::from_bytes_until_nul(buffer.get(19..length)?).ok()?;
    let inode = u64::from_ne_bytes(buffer.get(..8)?.try_into().ok()?);
    let kind = match *buffer.get(18)? {
        libc::DT_DIR => Kind::Directory,
        libc::DT_LNK => Kind::Link,
        libc::DT_REG => Kind::File,
        libc::DT_BLK | libc::DT_CHR => Kind::Device,
        libc::DT_FIFO | libc::DT_SOCK => Kind::Other,
        _ => Kind::Unknown,
    };
    let wanted = name != c"." && name != c"..";
    Some((wanted.then(|| Entry { name: name.to_owned(), kind, inode }), buffer.get(length..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn every_entry_is_listed_with_its_kind() {
        let base = nix::unistd::mkdtemp(&std::env::temp_dir().join("postern-directory-XXXXXX")).unwrap();
        fs::create_dir(base.join("directory")).unwrap();
        fs::write(base.join("file"), "").unwrap();
        std::os::unix::fs::symlink("file", base.join("link")).unwrap();
        nix::unistd::mkfifo(&base.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let list = |path: &std::path::Path, most| Lister::default().list(File::open(path).unwrap().as_fd(), most).unwrap();
        let mut found: Vec<_> = list(&base, 100).into_iter().map(|entry| (entry.name.into_string().unwrap(), entry.kind)).collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        let expected = [("directory", Kind::Directory), ("fifo", Kind::Other), ("file", Kind::File), ("link", Kind::Link)];
        assert_eq!(found, expected.map(|(name, kind)| (name.to_owned(), kind)));
        let file = list(&base, 100).into_iter().find(|entry| entry.name == c"file").unwrap();
        assert_eq!(file.inode, fs::metadata(base.join("file")).unwrap().ino());

        for number in 0..3000 {
            fs::write(base.join(format!("directory/{}{number}", "long".repeat(20))), "").unwrap();
        }
        assert_eq!(list(&base.join("directory"), 3000).len(), 3000);
        assert!((101..3000).contains(&list(&base.join("directory"), 100).len()));
        assert!(Lister::default().list(File::open(base.join("file")).unwrap().as_fd(), 1).is_err());
        fs::remove_dir_all(base).unwrap();
    }
}
