//! Messages.
//!
//! Where no datagram port is listed, no socket of the command's can name a stranger in a send: streams have their one peer, idle sockets are shut,
//! and netlink talks to the kernel with the caller's own rights. Then nothing that could change matters and the call goes on, control
//! messages and all. Fast open, the one flag that makes a connection of a send, is refused by its flag, which is a register.
//!
//! Where datagrams are listed, nothing goes on: another thread could put a datagram socket in the place of any other while the call is judged.
//! Every message is copied and sent by a deputy on a copy of the socket, without control messages. A stream takes as much as is copied, as the kernel
//! may; a longer datagram is `EMSGSIZE`.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use super::{Decision, Purpose, Supervisor, Verdict};
use crate::sys::caller::{Memory, Message, Span};
use crate::sys::deputy::Outcome;
use crate::sys::notify::{Answer, Notification};
use crate::sys::socket::{self, Address, Kind};
use crate::words::limits;

/// What is to be sent, copied.
struct Parcel {
    data: Vec<u8>,
    address: Option<Address>,
}

impl Supervisor {
    pub(super) fn send(&mut self, call: &Notification, socket: i32, data: Span, flags: i32, address: Span) -> Decision {
        if let Some(answer) = self.goes_on(flags)? {
            return Ok(answer.into());
        }
        let (copy, kind) = self.sender(call, socket)?;
        let memory = self.memory(call)?;
        let room = limits::SENT_BYTES as u64;
        if data.length > room && !is_stream(kind) {
            return Err(Errno::EMSGSIZE);
        }
        let data = memory.bytes(Span { length: data.length.min(room), ..data })?;
        let address = self.destination(call, kind, address)?;
        self.hand_in(&copy, vec![Parcel { data, address }], flags, Purpose::Result)
    }

    pub(super) fn send_message(&mut self, call: &Notification, socket: i32, message: u64, flags: i32) -> Decision {
        if let Some(answer) = self.goes_on(flags)? {
            return Ok(answer.into());
        }
        let (copy, kind) = self.sender(call, socket)?;
        let parcel = self.parcel(call, &self.memory(call)?, kind, message)?;
        self.hand_in(&copy, vec![parcel], flags, Purpose::Result)
    }

    pub(super) fn send_messages(&mut self, call: &Notification, socket: i32, messages: u64, count: u32, flags: i32) -> Decision {
        if let Some(answer) = self.goes_on(flags)? {
            return Ok(answer.into());
        }
        let (copy, kind) = self.sender(call, socket)?;
        let memory = Memory::of(&self.listener, call, true)?;
        let mut parcels = Vec::new();
        for index in 0..u64::from(count.min(limits::SENT_MESSAGES)) {
            match self.parcel(call, &memory, kind, messages.wrapping_add(index * Message::STRIDE)) {
                Ok(parcel) => parcels.push(parcel),
                // The ones before it go, as with the kernel.
                Err(_) if index > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        self.hand_in(&copy, parcels, flags, Purpose::Messages { memory, address: messages })
    }

    /// The answer where a send need not be judged.
    fn goes_on(&self, flags: i32) -> Result<Option<Answer>, Errno> {
        if socket::connects(flags) {
            return Err(Errno::EPERM);
        }
        let datagrams = self.oversight.network.iter().any(|item| !item.starts_with("tcp:"));
        Ok((!datagrams).then_some(Answer::Continue))
    }

    fn sender(&self, call: &Notification, socket: i32) -> Result<(OwnedFd, Kind), Errno> {
        let copy = self.descriptor(call, socket)?;
        match socket::kind(copy.as_fd())? {
            Kind::Other => Err(Errno::EACCES),
            kind => Ok((copy, kind)),
        }
    }

    fn parcel(&self, call: &Notification, memory: &Memory, kind: Kind, message: u64) -> Result<Parcel, Errno> {
        let message = memory.message(message)?;
        if message.control.length > 0 {
            return Err(Errno::EINVAL);
        }
        let (data, whole) = memory.gather(message.parts, limits::SENT_BYTES)?;
        if !whole && !is_stream(kind) {
            return Err(Errno::EMSGSIZE);
        }
        Ok(Parcel { data, address: self.destination(call, kind, message.name)? })
    }

    /// The address of a message, if its socket sends to addresses.
    fn destination(&self, call: &Notification, kind: Kind, place: Span) -> Result<Option<Address>, Errno> {
        if place.is_null() || is_stream(kind) {
            return Ok(None);
        }
        let address = self.address(call, place)?;
        if kind == Kind::Netlink || self.may_reach(kind, &address) { Ok(Some(address)) } else { Err(Errno::EACCES) }
    }

    fn hand_in(&self, copy: &OwnedFd, parcels: Vec<Parcel>, flags: i32, purpose: Purpose) -> Decision {
        let counted = matches!(purpose, Purpose::Messages { .. });
        let act = |copy: Option<OwnedFd>| copy.map_or(Outcome::error(Errno::EBADF), |copy| send_all(&copy, &parcels, flags, counted));
        let deputy = self.depute(&[copy.as_fd()], |_, held| Ok(held.into_iter().next()), act)?;
        Ok(Verdict::Wait(deputy, purpose))
    }
}

/// Sockets that send to their one peer only.
fn is_stream(kind: Kind) -> bool {
    matches!(kind, Kind::Tcp | Kind::Unix)
}

/// How many bytes, or with `counted` how many messages, and how much of each.
fn send_all(socket: &OwnedFd, parcels: &[Parcel], flags: i32, counted: bool) -> Outcome {
    let mut outcome = Outcome::default();
    for parcel in parcels {
        match socket::send(socket.as_fd(), &parcel.data, parcel.address.as_ref(), flags) {
            Ok(sent) if !counted => return Outcome::value(sent as i64),
            Ok(sent) => {
                outcome.value += 1;
                outcome.text.extend((sent as u32).to_ne_bytes());
            }
            Err(errno) if outcome.value == 0 => return Outcome::error(errno),
            Err(_) => break,
        }
    }
    outcome
}
