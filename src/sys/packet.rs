//! Messages with descriptors over a pair of SOCK_SEQPACKET sockets (unix(7)): each arrives whole, or not at all.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair};

/// Descriptors that one message can bring.
pub const DESCRIPTORS: usize = 2;

/// The two ends, closed on exec.
pub fn pair() -> nix::Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// Sends a message with copies of descriptors; never waits, and never a `SIGPIPE`. `WouldBlock` where the other side does not read.
pub fn send_with(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let rights = if numbers.is_empty() { &[] } else { &rights[..] };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], rights, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT, None)?;
    Ok(())
}

/// What a message brought.
#[derive(Debug)]
pub struct Received {
    /// Bytes of it: more than fit are an error.
    pub length: usize,
    pub descriptors: [Option<OwnedFd>; DESCRIPTORS],
}

/// Room for control messages, aligned as the kernel writes them: a header of 16 bytes and two descriptors.
#[repr(align(8))]
struct Control([u8; 64]);

/// The next message, without waiting; `None` where the other side is closed. Allocates nothing.
///
/// # Errors
/// `WouldBlock` where there is none yet, `InvalidData` where it is longer than `bytes` or brings more descriptors than can be taken.
pub fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<Option<Received>> {
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: a message header of zeros is one of nothing.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    message.msg_control = (&raw mut control.0).cast();
    // SAFETY: computes a number. The room ends behind the last descriptor, so that the kernel drops what would be one too many.
    message.msg_controllen = unsafe { libc::CMSG_SPACE((DESCRIPTORS * size_of::<RawFd>()) as libc::c_uint) } as _;
    // SAFETY: the header leads to the two buffers, each as long as is said, and all outlive the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has filled the header and what it leads to.
    let descriptors = unsafe { rights(&message) };
    if message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((length > 0).then_some(Received { length, descriptors }))
}

/// The descriptors that came.
///
/// # Safety
/// `message` must have been filled by recvmsg(2), once: what it brought is owned from here on.
unsafe fn rights(message: &libc::msghdr) -> [Option<OwnedFd>; DESCRIPTORS] {
    let mut found = [const { None }; DESCRIPTORS];
    // SAFETY: the kernel wrote a header that fits, or none; its data are as many descriptors as its length says, made for us.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        if header.is_null() || ((*header).cmsg_level, (*header).cmsg_type) != (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            return found;
        }
        let count = ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize) / size_of::<RawFd>();
        let data = libc::CMSG_DATA(header).cast::<RawFd>();
        for (index, place) in found.iter_mut().enumerate().take(count) {
            *place = Some(OwnedFd::from_raw_fd(data.add(index).read_unaligned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{ErrorKind, Read};
    use std::os::fd::AsFd;

    #[test]
    fn a_message_arrives_whole_with_its_descriptors() {
        let (ours, theirs) = pair().unwrap();
        let file = File::open("/etc/passwd").unwrap();
        let mut bytes = [0; 8];
        assert_eq!(receive(theirs.as_fd(), &mut bytes).unwrap_err().kind(), ErrorKind::WouldBlock);
        for count in 0..=DESCRIPTORS {
            send_with(ours.as_fd(), b"12345678", &vec![file.as_fd(); count]).unwrap();
            let Received { length, descriptors } = receive(theirs.as_fd(), &mut bytes).unwrap().unwrap();
            assert_eq!((length, &bytes, descriptors.iter().flatten().count()), (8, b"12345678", count));
            for descriptor in descriptors.into_iter().flatten() {
                let mut start = [0; 5];
                let mut copy = File::from(descriptor);
                std::io::Seek::rewind(&mut copy).unwrap();
                copy.read_exact(&mut start).unwrap();
                assert_eq!(&start, b"root:");
            }
        }
        drop(ours);
        assert!(receive(theirs.as_fd(), &mut bytes).unwrap().is_none(), "the end");
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_leaves_nothing_open() {
        let (ours, theirs) = pair().unwrap();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        send_with(ours.as_fd(), b"123456789", &[]).unwrap();
        send_with(ours.as_fd(), b"1", &[writer.as_fd(); DESCRIPTORS + 1]).unwrap();
        drop(writer);
        for _ in 0..2 {
            assert_eq!(receive(theirs.as_fd(), &mut [0; 8]).unwrap_err().kind(), ErrorKind::InvalidData);
        }
        assert_eq!(File::from(reader).read(&mut [0; 8]).unwrap(), 0, "all copies of the writer are closed");
    }
}
