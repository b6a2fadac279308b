//! What `execve` is given, at addresses that cannot be guessed: path, argv and environment of one command in one mapping of its own.
//!
//! The three addresses are the cookie of [`super::seccomp`]: the mapping lies at a random page below 2^46, and each of the three at a
//! random offset in it, over 70 bits together. It is new for every command and gone once the command has started. The message with which
//! the child hands over the listener of its filter lies there too: a filter that asks about every `sendmsg` lets that one through.

use std::ffi::{CStr, CString, NulError, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use super::{random, raw};

/// The random offsets are below this, in bytes.
const SLACK: usize = 1 << 16;
/// The random addresses are below this, in bits; x86_64 has 47 for user space, aarch64 usually 48.
const ADDRESS_BITS: u32 = 46;
/// Tries to find a free place; a second one is already rare.
const TRIES: usize = 32;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("a NUL byte in the arguments or the environment")]
    Nul(#[from] NulError),
    #[error("no memory for the arguments: {0}")]
    Memory(#[from] io::Error),
}

/// Path, argv and environment, ready for `execve`.
#[derive(Debug)]
pub struct Image {
    base: *mut u8,
    length: usize,
    path: usize,
    argv: usize,
    environment: usize,
    /// A `struct msghdr` with room for one descriptor, and the place of that.
    message: usize,
    descriptor: *mut usize,
}

impl Image {
    /// Lays out the path, the words of argv, and the environment as `NAME=value`.
    pub fn new(path: &Path, argv: &[String], environment: &[String]) -> Result<Image, ImageError> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let argv = strings(argv)?;
        let environment = strings(environment)?;
        let text: usize = argv.iter().chain(&environment).map(|string| string.as_bytes_with_nul().len()).sum();
        let arrays = (argv.len() + environment.len() + 2) * size_of::<usize>();
        let mut image = Image::reserve(text + path.as_bytes_with_nul().len() + arrays + 7 * SLACK)?;
        let mut end = 0;
        image.path = image.store(&mut end, path.as_bytes_with_nul(), below(SLACK)?);
        image.argv = image.array(&mut end, &argv)?;
        image.environment = image.array(&mut end, &environment)?;
        image.compose(&mut end)?;
        Ok(image)
    }

    /// The three arguments of `execve`.
    pub fn pointers(&self) -> [usize; 3] {
        [self.path, self.argv, self.environment]
    }

    /// The path.
    pub(super) fn program(&self) -> &CStr {
        // SAFETY: `new` put a string with its NUL there, in the living image, which nobody changes.
        unsafe { CStr::from_ptr(self.path as *const _) }
    }

    /// The address of the message.
    pub fn message(&self) -> usize {
        self.message
    }

    /// Sends a descriptor through a socket. Async-signal-safe; for the child alone.
    pub(super) fn hand_over(&self, socket: i32, descriptor: i32) -> Result<(), i32> {
        // SAFETY: `compose` made room for the number in our own mapping, and nobody else writes there while a child starts.
        unsafe { self.descriptor.write(descriptor as usize) };
        // SAFETY: the message and all that it refers to are in the living image.
        unsafe { raw::call(libc::SYS_sendmsg, [socket as usize, self.message, libc::MSG_NOSIGNAL as usize, 0, 0]) }.map(drop)
    }

    /// Lays out the message: one byte, and control data as cmsg(3) and `struct cmsghdr` have it on 64-bit little-endian machines.
    fn compose(&mut self, end: &mut usize) -> io::Result<()> {
        const RIGHTS: usize = (libc::SOL_SOCKET as usize) | (libc::SCM_RIGHTS as usize) << 32;
        let byte = self.store(end, &[0], 0);
        let control = self.words(end, &[2 * size_of::<usize>() + size_of::<i32>(), RIGHTS, 0])?;
        let part = self.words(end, &[byte, 1])?;
        self.message = self.words(end, &[0, 0, part, 1, control, 3 * size_of::<usize>(), 0])?;
        self.descriptor = (control + 2 * size_of::<usize>()) as *mut usize;
        Ok(())
    }

    /// A mapping of zeros at a random address.
    fn reserve(length: usize) -> io::Result<Image> {
        let page = raw::page_size()?;
        let length = length.next_multiple_of(page);
        let mut error = io::Error::from_raw_os_error(libc::ENOMEM);
        for _ in 0..TRIES {
            let wanted = below(1 << ADDRESS_BITS)? & !(page - 1);
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
            // SAFETY: a new private mapping that replaces none: NOREPLACE, and before Linux 4.17 without FIXED's meaning.
            let base = unsafe { libc::mmap(wanted as *mut _, length, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
            if base == libc::MAP_FAILED {
                error = io::Error::last_os_error();
                continue;
            }
            let (message, descriptor) = (0, ptr::null_mut());
            let image = Image { base: base.cast(), length, path: 0, argv: 0, environment: 0, message, descriptor };
            if base as usize == wanted {
                return Ok(image);
            }
        }
        Err(error)
    }

    /// Puts strings, then a null-terminated array of their addresses, which it returns.
    fn array(&self, end: &mut usize, strings: &[CString]) -> io::Result<usize> {
        let mut addresses: Vec<usize> = strings.iter().map(|string| self.store(end, string.as_bytes_with_nul(), 0)).collect();
        addresses.push(0);
        self.words(end, &addresses)
    }

    /// Puts words at a random place behind `end`, and returns their address.
    fn words(&self, end: &mut usize, words: &[usize]) -> io::Result<usize> {
        let bytes: Vec<u8> = words.iter().copied().flat_map(usize::to_ne_bytes).collect();
        let aligned = end.next_multiple_of(size_of::<usize>()) - *end;
        Ok(self.store(end, &bytes, aligned + (below(SLACK)? & !(size_of::<usize>() - 1))))
    }

    /// Puts bytes `gap` behind `end` and returns their address.
    fn store(&self, end: &mut usize, bytes: &[u8], gap: usize) -> usize {
        let start = *end + gap;
        *end = start + bytes.len();
        assert!(*end <= self.length, "the mapping was measured for what is put into it");
        // SAFETY: the range was just checked to lie in our own mapping, which nothing else refers to.
        unsafe {
            let place = self.base.add(start);
            ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len());
            place as usize
        }
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: our own mapping; nobody has a reference into it, only addresses.
        unsafe { libc::munmap(self.base.cast(), self.length) };
    }
}

fn strings(words: &[String]) -> Result<Vec<CString>, NulError> {
    words.iter().map(|word| CString::new(OsStr::new(word).as_bytes())).collect()
}

/// A random number below `bound`, a power of two, from the kernel.
fn below(bound: usize) -> io::Result<usize> {
    let bytes = random::bytes()?;
    Ok(usize::from_ne_bytes(bytes) & (bound - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_image_holds_what_execve_wants() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let image = Image::new(Path::new("/bin/echo"), &words(&["echo", "", "a b"]), &words(&["A=1"])).unwrap();
        // SAFETY: the addresses are of NUL-terminated strings and null-terminated arrays in the living image.
        let (string, array) = unsafe {
            let string = |address: usize| std::ffi::CStr::from_ptr(address as *const _).to_str().unwrap().to_owned();
            let array = |address: usize| (0..).map(move |index| *(address as *const usize).add(index)).take_while(|item| *item != 0);
            (string, array)
        };
        let [path, argv, environment] = image.pointers();
        assert_eq!(string(path), "/bin/echo");
        assert_eq!(array(argv).map(string).collect::<Vec<_>>(), ["echo", "", "a b"]);
        assert_eq!(array(environment).map(string).collect::<Vec<_>>(), ["A=1"]);
    }

    #[test]
    fn no_two_images_share_an_address() {
        let images: Vec<Image> = (0..200).map(|_| Image::new(Path::new("/x"), &[], &[]).unwrap()).collect();
        let pages: BTreeSet<usize> = images.iter().map(|image| image.base as usize).collect();
        assert_eq!(pages.len(), images.len());
        // The distance of argv from the path is random too: about 8,000 values, so 200 draws have few repeats.
        let distances: BTreeSet<usize> = images.iter().map(|image| image.argv - image.path).collect();
        assert!(distances.len() > 150, "{}", distances.len());
        assert!(pages.iter().all(|page| *page < 1 << ADDRESS_BITS));
    }

    #[test]
    fn a_nul_is_an_error() {
        assert!(matches!(Image::new(Path::new("/x"), &["a\0b".to_owned()], &[]), Err(ImageError::Nul(_))));
    }
}
