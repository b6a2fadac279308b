//! Calls and replies as bytes.
//!
//! The guard reads here what somebody may have written who has taken over the front. So there is nothing to interpret: numbers of a fixed
//! size, little end first; a text, a list or bytes behind its length, which is checked against what is there before anything is allocated;
//! a choice as one byte. Nothing refers to anything else, nothing nests in itself, nothing may be left over. What a request then says is
//! checked as a whole ([`Request::check`]) before it is looked at.
//!
//! | message | |
//! |---|---|
//! | 1 byte | [`VERSION`] |
//! | 4 bytes | the length of what follows, at most [`MESSAGE_BYTES`] |
//! | | the call or the reply |

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use super::clock::Ending;
use super::desk::{Call, Reply, View, Way};
use super::guard::Outcome;
use crate::policy::decide::Candidate;
use crate::record::Decision;
use crate::syntax::{Argument, Connector, Item, Redirect, RedirectKind, Request, Stage};
use crate::words::Span;
use crate::words::limits::MESSAGE_BYTES;

/// Both ends are of one program, so that another version is a defect or an attack.
pub const VERSION: u8 = 1;
/// Bytes before the call or the reply.
pub const HEADER: usize = 5;

/// Bytes that no front and no guard writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a malformed message")]
pub struct Malformed;

/// Something that travels.
pub trait Wire: Sized {
    fn put(&self, to: &mut Vec<u8>);
    fn take(from: &mut &[u8]) -> Result<Self, Malformed>;
}

/// A whole message.
pub fn encode(message: &impl Wire) -> Result<Vec<u8>, Malformed> {
    let mut bytes = vec![0; HEADER];
    message.put(&mut bytes);
    let length = u32::try_from(bytes.len() - HEADER).ok().filter(|length| *length as usize <= MESSAGE_BYTES).ok_or(Malformed)?;
    let header = [&[VERSION][..], &length.to_le_bytes()].concat();
    bytes.splice(..HEADER, header);
    Ok(bytes)
}

/// The length of what is behind a header.
pub fn length([version, length @ ..]: [u8; HEADER]) -> Result<usize, Malformed> {
    let length = u32::from_le_bytes(length) as usize;
    if version == VERSION && length <= MESSAGE_BYTES { Ok(length) } else { Err(Malformed) }
}

/// What is behind a header: one call or reply, and nothing else.
pub fn decode<T: Wire>(mut bytes: &[u8]) -> Result<T, Malformed> {
    let message = T::take(&mut bytes)?;
    if bytes.is_empty() { Ok(message) } else { Err(Malformed) }
}

fn split<'a>(from: &mut &'a [u8], count: usize) -> Result<&'a [u8], Malformed> {
    let (taken, rest) = from.split_at_checked(count).ok_or(Malformed)?;
    *from = rest;
    Ok(taken)
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl Wire for $number {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
            fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
                let bytes = split(from, size_of::<$number>())?;
                Ok(<$number>::from_le_bytes(bytes.try_into().map_err(|_| Malformed)?))
            }
        }
    )+};
}

numbers!(u8, u32, u64);

impl Wire for bool {
    fn put(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
}

/// As many as it says, each of at least one byte.
impl<T: Wire> Wire for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        (self.len() as u32).put(to);
        self.iter().for_each(|item| item.put(to));
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let count = u32::take(from)? as usize;
        if count > from.len() {
            return Err(Malformed);
        }
        (0..count).map(|_| T::take(from)).collect()
    }
}

impl Wire for String {
    fn put(&self, to: &mut Vec<u8>) {
        (self.len() as u32).put(to);
        to.extend_from_slice(self.as_bytes());
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let count = u32::take(from)? as usize;
        String::from_utf8(split(from, count)?.to_vec()).map_err(|_| Malformed)
    }
}

impl Wire for PathBuf {
    fn put(&self, to: &mut Vec<u8>) {
        let bytes = self.as_os_str().as_bytes();
        (bytes.len() as u32).put(to);
        to.extend_from_slice(bytes);
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let count = u32::take(from)? as usize;
        Ok(OsString::from_vec(split(from, count)?.to_vec()).into())
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        self.iter().for_each(|item| item.put(to));
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        bool::take(from)?.then(|| T::take(from)).transpose()
    }
}

impl<T: Wire, E: Wire> Wire for Result<T, E> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_ok().put(to);
        match self {
            Ok(item) => item.put(to),
            Err(error) => error.put(to),
        }
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        Ok(if bool::take(from)? { Ok(T::take(from)?) } else { Err(E::take(from)?) })
    }
}

impl Wire for BTreeMap<String, String> {
    fn put(&self, to: &mut Vec<u8>) {
        (self.len() as u32).put(to);
        self.iter().for_each(|(name, value)| {
            name.put(to);
            value.put(to);
        });
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let count = u32::take(from)? as usize;
        (0..count).map(|_| Ok((String::take(from)?, String::take(from)?))).collect()
    }
}

impl Wire for Duration {
    fn put(&self, to: &mut Vec<u8>) {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX).put(to);
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        u64::take(from).map(Duration::from_millis)
    }
}

impl Wire for Span {
    fn put(&self, to: &mut Vec<u8>) {
        [self.start, self.end].iter().for_each(|at| at.put(to));
    }
    fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
        let (start, end) = (u32::take(from)?, u32::take(from)?);
        if start <= end { Ok(Span { start, end }) } else { Err(Malformed) }
    }
}

/// The fields one after the other.
macro_rules! structs {
    ($($name:ident { $($field:ident),+ })+) => {$(
        impl Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $(self.$field.put(to);)+
            }
            fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
                Ok($name { $($field: Wire::take(from)?),+ })
            }
        }
    )+};
}

/// One byte for which it is, then its fields one after the other.
macro_rules! choices {
    ($($name:ident { $($number:literal $variant:ident $(($item:ident))? $({ $($field:ident),+ })?),+ $(,)? })+) => {$(
        impl Wire for $name {
            fn put(&self, to: &mut Vec<u8>) {
                match self {
                    $($name::$variant $(($item))? $({ $($field),+ })? => {
                        to.push($number);
                        $($item.put(to);)?
                        $($($field.put(to);)+)?
                    })+
                }
            }
            fn take(from: &mut &[u8]) -> Result<Self, Malformed> {
                match u8::take(from)? {
                    $($number => Ok($name::$variant $(({ let $item = Wire::take(from)?; $item }))? $({ $($field: Wire::take(from)?),+ })?),)+
                    _ => Err(Malformed),
                }
            }
        }
    )+};
}

structs! {
    Request { line, items }
    Item { connector, negated, stages }
    Stage { argv, redirects }
    Argument { text, span }
    Redirect { kind, span }
    Outcome { status, accepted, messages, ending, confirm }
    View { account, host, home, constants, programs, banner, demo, idle, max, age, observe }
}

choices! {
    Connector { 0 Always, 1 And, 2 Or }
    RedirectKind { 0 ErrorToOutput, 1 Null(place), 2 Input(file), 3 Output { file, append } }
    Decision { 0 Allow, 1 Deny, 2 Invalid, 3 Observe }
    Way { 0 Login, 1 Command, 2 Forced }
    Ending { 0 Exit(status), 1 Hangup, 2 Terminated, 3 Idle(time), 4 Max(time), 5 Strikes(count), 6 Failed, 7 Killed, 8 Output(bytes) }
    Candidate { 0 Word(word), 1 Slot { text, path } }
    Call {
        0 Start { way, interactive, term }, 1 Refresh, 2 Submit { request, directory, confirmed },
        3 Refuse { line, decision, status, reason, directory }, 4 Builtin { line, argv, directory }, 5 EndBuiltin { status },
        6 Explain { request, directory }, 7 Help { command, width }, 8 About, 9 Commands, 10 Candidates { words, directory }, 11 Names(question),
        12 End(ending), 13 Abort(reason),
    }
    Reply {
        0 Started { view, messages }, 1 Refreshed { view, messages }, 2 Outcome(outcome), 3 Begun, 4 Shown { text, status }, 5 Texts(texts),
        6 Candidates(candidates), 7 Names(answer), 8 NotStarted(reason), 9 Ended { ending, messages },
    }
}
