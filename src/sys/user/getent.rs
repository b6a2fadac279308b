//! Sources that only the C library's modules know (NSS), asked through getent(1).
//!
//! Why not in this process: those modules (sssd, LDAP, winbind) are code of others, which would be loaded into the process that holds the
//! privilege; and a program that is linked statically, as posternsh is for packages, cannot load them reliably.
//!
//! The child has given up everything before it executes: capabilities, environment, descriptors, and, where there is privilege, its user. A
//! privileged shell's becomes `nobody` and not the account, whose processes could then stop it, or trace it and put an answer into its mouth; and it
//! has a group that nobody has, because tracing asks for the same groups too (ptrace(2)): so no other service that runs as `nobody` can
//! either. A shell that can become nobody else has it run as the user that its program file belongs to, not as the account.
//!
//! No answer (in time, whole, of a program that ended well) is an error and never an absent user: rules that deny a group count on it.
//! What getent itself cannot tell apart, a source that is down and a name that it lacks, this cannot either.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, pipe2};

use super::UserError;
use crate::sys::capability::Capabilities;
use crate::sys::file::{Directory, Owner};
use crate::sys::identity::{self, Identity};
use crate::sys::process::{self, Change, Group, Prepared, Spec};
use crate::sys::{caller, deadline, descriptor};
use crate::words::limits;

const DIRECTORY: &str = "/usr/bin";
const NAME: &str = "getent";

/// The user of the child where there is privilege. The group is one that no account has.
const NOBODY: Identity = Identity { uid: 65534, gid: 65533, groups: Vec::new() };

/// Statuses of getent(1).
const FOUND: i32 = 0;
const SOME_MISSING: i32 = 2;
const NO_ENUMERATION: i32 = 3;

/// What a database says of some keys, each entry as its file would have it; of all entries, where there are no keys and the sources list
/// them. At most `limit` bytes.
pub(super) fn ask(database: &str, keys: &[String], limit: usize) -> Result<Vec<u8>, UserError> {
    let words = [NAME, database, "--"].into_iter().map(str::to_owned);
    let argv: Vec<String> = words.chain(keys.iter().cloned()).collect();
    let asked = || [&[database.to_owned()], keys].concat().join(" ");
    let failed = |reason| UserError::NoAnswer { asked: asked(), reason };
    match run(&argv, limit).map_err(failed)? {
        (Change::Exited(FOUND | SOME_MISSING | NO_ENUMERATION), answer) => Ok(answer),
        (Change::Exited(status), _) => Err(failed(format!("{NAME} exited with {status}"))),
        (Change::Killed(signal) | Change::Stopped(signal), _) => Err(failed(format!("{NAME} was ended by signal {signal}"))),
    }
}

/// Runs getent: how it ended and what it said. The error is a reason in words.
fn run(argv: &[String], limit: usize) -> Result<(Change, Vec<u8>), String> {
    // Nobody but root may change what is executed.
    Directory::open(Path::new(DIRECTORY), Owner::Root).and_then(|directory| directory.open_file(NAME, Owner::Root)).map_err(in_words)?;
    if deadline::many_are_left() {
        return Err("too many helpers hang".to_owned());
    }
    let end = Instant::now() + limits::USER_DEADLINE;
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(in_words)?;
    let child = prepare(argv, writer).map_err(in_words)?.spawn(Group::New, None).map_err(in_words)?;
    let answer = read(reader, end, limit).and_then(|answer| Ok((ended(child.pid, end)?, answer)));
    answer.map_err(|error| {
        deadline::leave(child.pid);
        match error.kind() {
            io::ErrorKind::TimedOut => deadline::Elapsed(limits::USER_DEADLINE).to_string(),
            _ => error.to_string(),
        }
    })
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn prepare(argv: &[String], output: OwnedFd) -> io::Result<Prepared> {
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    let null = Rc::new(descriptor::copy_above_standard(null)?);
    let output = Rc::new(descriptor::copy_above_standard(output)?);
    let spec = Spec {
        program: &Path::new(DIRECTORY).join(NAME),
        argv,
        environment: &[],
        directory: Rc::new(open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?),
        descriptors: [Rc::clone(&null), output, null],
        identity: Some(nobody()?),
        namespace: None,
        capabilities: Capabilities::default(),
        calls: None,
        ruleset: None,
        limits: Vec::new(),
    };
    Prepared::new(spec).map_err(io::Error::other)
}

/// As whom the child runs.
fn nobody() -> nix::Result<Identity> {
    if identity::can_switch() { Ok(NOBODY) } else { Identity::saved() }
}

/// All that is said before the other end is closed.
fn read(pipe: OwnedFd, end: Instant, limit: usize) -> io::Result<Vec<u8>> {
    let mut pipe = File::from(pipe);
    let (mut answer, mut chunk) = (Vec::new(), [0; 16 << 10]);
    loop {
        deadline::wait(&pipe, end)?;
        match pipe.read(&mut chunk)? {
            0 => return Ok(answer),
            count => answer.extend_from_slice(chunk.get(..count).unwrap_or_default()),
        }
        if answer.len() > limit {
            return Err(io::Error::other(format!("more than {limit} bytes")));
        }
    }
}

/// How the child ended.
fn ended(child: Pid, end: Instant) -> io::Result<Change> {
    let handle = caller::open_pid(child, 0)?;
    loop {
        deadline::wait(&handle, end)?;
        match process::change(child)? {
            Some(change @ (Change::Exited(_) | Change::Killed(_))) => return Ok(change),
            Some(Change::Stopped(_)) | None => {}
        }
    }
}
