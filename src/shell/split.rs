//! The shell in two halves: where it was started with more privilege than its caller has, and where there is a terminal, of which the front is
//! to have another.
//!
//! ```text
//!  sshd, su
//!    │ starts
//!    ▼
//!  guard ─────────────────────────────── front
//!  root, or the user postern             the account, for good: no capability, no file, no socket,
//!  who it is, from where, the policy,    no other program, nothing of the kernel but a list of calls
//!  decision, records, processes          the editor, the prompt, parsing
//!    │         ◀── words, one socket ──    │ a terminal of its own
//!    │                                     │
//!    ├─ relay ─────────────────────────────┘
//!    │           the account; a shorter list of calls; has the person's terminal: passes what is shown and typed, and what is recorded
//!    ├─ helper   the account, or the rule's user: looks at names, opens files, connects; one question, then its end
//!    └─ command  the rule's user and capabilities, its confinement; see `confine`
//! ```
//!
//! The guard splits before it has read a byte of the person's, the arguments and SSH_ORIGINAL_COMMAND included. It reads calls from the
//! front ([`super::wire`]) and nothing else that somebody without privilege writes: no line, no terminal, no file of theirs. What it opens by
//! itself it opens with the account's rights (`sys::rights`). A front that is wholly taken over is a person who types: it can say which words
//! a line has, and be refused. What it says the line looked like is in the record as that; who it is, from where, in which session, when and
//! what became of the words, the record has from the guard.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::arguments::Origin;
use super::channel::{Channel, ChannelError, Incoming};
use super::clock::Ending;
use super::desk::{Call, Desk, Reply};
use super::guard::recorded::Recorded;
use super::guard::{Guard, Outcome};
use super::opening::{self, Opening};
use super::terminal::{self, Terminal};
use super::{StartError, fail_closed};
use crate::exec::Relayer;
use crate::sys::code;
use crate::sys::half::Half;
use crate::sys::prompt::{self, Wake};
use crate::sys::rights;
use crate::sys::start::{Inherited, cleanse};
use crate::words::limits::{self, FAREWELL, FRONT_GRACE, RELAY_DEADLINE, START_DEADLINE};

/// A front: what it does with its end of the channel, in a process of its own, until its end.
pub type Front = fn(Desk) -> u8;

/// What the two begin with.
struct Beginning<'a> {
    origin: &'a Origin,
    inherited: Inherited,
    terminal: Option<Terminal>,
}

/// What is left of the environment: what the terminal is, and what sshd says of the connection and of the line to run.
const KEPT: [&str; 3] = ["TERM", "SSH_CONNECTION", "SSH_ORIGINAL_COMMAND"];

/// Splits where this was started with privilege, and is the guard. The exit status is the session's.
pub fn run(front: Front) -> Result<u8, StartError> {
    let inherited = cleanse(&KEPT)?;
    // While it belongs to nobody whom the account's other processes are: those cannot open the front's terminal.
    let terminal = Terminal::find().map_err(StartError::Terminal)?;
    rights::settle()?;
    fail_closed();
    split(Beginning { origin: &Origin::Applied, inherited, terminal }, front)
}

/// Splits because there is a terminal, of which the front is to have another, and is the guard.
pub fn run_on_terminal(origin: &Origin, front: impl FnOnce(Desk) -> u8) -> Result<u8, StartError> {
    let terminal = Terminal::find().map_err(StartError::Terminal)?;
    split(Beginning { origin, inherited: Inherited::default(), terminal }, front)
}

fn split(beginning: Beginning<'_>, front: impl FnOnce(Desk) -> u8) -> Result<u8, StartError> {
    let Beginning { origin, inherited, terminal } = beginning;
    let (ours, theirs) = Channel::pair()?;
    let for_front = terminal.as_ref().map(|terminal| terminal.for_front().as_fd());
    let mut half = Half::split_off(theirs.as_fd(), for_front, |kept| front(Desk::Across(Channel::from(kept))))?;
    drop(theirs);
    prompt::watch(true)?;
    prompt::go_on_in_the_background()?;
    let mut opening = Opening::prepare(origin, inherited, terminal)?;
    half.hold()?;
    // While the front seals itself.
    opening.read_index();
    let relayer = opening.relayer();
    Ok(Served {
        channel: ours,
        front: half,
        opening: Some(Box::new(opening)),
        guard: None,
        relayer,
        recorded: None,
        due: None,
        since: Instant::now(),
        rests: false,
    }
    .serve())
}

/// The guard at work.
struct Served {
    channel: Channel,
    front: Half,
    opening: Option<Box<Opening>>,
    guard: Option<Box<Guard>>,
    relayer: Option<Relayer>,
    /// What is left of the guard when it has done its work.
    recorded: Option<Recorded>,
    /// Why the session is over, of which the front has been told: it is to say goodbye, and nothing else.
    due: Option<Due>,
    /// When the front was split off.
    since: Instant,
    /// Whether nothing was asked for a while, and what is used in between let go of.
    rests: bool,
}

/// An ending, and until when the front may take its time.
#[derive(Clone, Copy)]
struct Due {
    ending: Ending,
    until: Option<Instant>,
}

/// How it went on after a call.
enum Next {
    Again,
    /// The front has ended the session.
    Ended(Ending),
    /// The session is over without the front.
    Over(Ending),
    /// There never was one.
    NotBegun,
}

impl Served {
    fn serve(mut self) -> u8 {
        loop {
            match self.turn() {
                Next::Again => {}
                Next::Ended(ending) => {
                    self.let_go();
                    return ending.status();
                }
                Next::Over(ending) => return self.end(ending),
                Next::NotBegun => {
                    let status = self.front.wait().unwrap_or(Ending::Failed.status());
                    self.put_back(RELAY_DEADLINE);
                    return status;
                }
            }
        }
    }

    fn turn(&mut self) -> Next {
        // The front ends a session whose time is over, and says so nicely; one that does not is ended.
        let end = match &self.guard {
            Some(guard) => guard.until().and_then(|until| until.checked_add(FRONT_GRACE)),
            None => self.since.checked_add(START_DEADLINE),
        };
        let end = [end, self.due.and_then(|due| due.until)].into_iter().flatten().min();
        if !self.rests && self.channel.is_silent(limits::REST) {
            code::let_go();
            self.rests = true;
        }
        match self.channel.receive(end) {
            Ok(Incoming::Call(call)) => {
                self.rests = false;
                self.answer(*call)
            }
            Ok(Incoming::Wake(Wake::Hangup)) => Next::Over(Ending::Hangup),
            Ok(Incoming::Wake(Wake::Terminate)) => Next::Over(Ending::Terminated),
            Ok(Incoming::Wake(Wake::Alarm | Wake::Interrupt)) => Next::Again,
            Ok(Incoming::Late) => Next::Over(self.known_ending().unwrap_or(Ending::Failed)),
            Ok(Incoming::End) if self.guard.is_none() => Next::NotBegun,
            Ok(Incoming::End) | Err(ChannelError::System(_) | ChannelError::Malformed(_)) => Next::Over(Ending::Failed),
        }
    }

    fn answer(&mut self, call: Call) -> Next {
        let (call, ending) = match (call, self.due) {
            (Call::End(claimed), _) => {
                let ending = self.ending(claimed);
                (Call::End(ending), Some(ending))
            }
            (_, Some(due)) => return Next::Over(due.ending),
            (call, None) => (call, None),
        };
        let Some(reply) = opening::answer(&mut self.opening, &mut self.guard, call) else { return Next::Over(Ending::Failed) };
        let ending = match reply {
            Reply::Ended { ending, .. } => Some(ending),
            _ => ending,
        };
        if let Reply::Outcome(Outcome { ending: Some(ending), .. }) = reply {
            if ending == Ending::Killed {
                // At once: who is not to go on says no goodbye.
                return Next::Over(ending);
            }
            self.due = Some(Due { ending, until: Instant::now().checked_add(FRONT_GRACE) });
        }
        match (self.channel.reply(&reply), ending) {
            (_, Some(ending)) => Next::Ended(ending),
            (Ok(()), None) => Next::Again,
            (Err(_), None) => Next::Over(Ending::Failed),
        }
    }

    /// Why the session is over, as far as the guard knows by itself.
    fn known_ending(&self) -> Option<Ending> {
        self.due.map(|due| due.ending).or_else(|| self.guard.as_ref()?.over())
    }

    /// Why the session is over where the front says so. Whether a person has left, fallen silent or hung up, nobody else can say.
    fn ending(&self, claimed: Ending) -> Ending {
        self.known_ending().unwrap_or(match claimed {
            Ending::Max(_) | Ending::Output(_) | Ending::Strikes(_) => Ending::Failed,
            Ending::Exit(_) | Ending::Hangup | Ending::Terminated | Ending::Killed | Ending::Idle(_) | Ending::Failed => claimed,
        })
    }

    /// Gives the front time to say what is left to say. Meanwhile the kernel takes down the session's mounts, which takes it a while: at the
    /// end of this process, whoever started it would wait for that.
    fn let_go(&mut self) {
        self.recorded = self.guard.take().map(|guard| guard.dissolve());
        let _ = self.channel.receive(Instant::now().checked_add(FRONT_GRACE));
        self.front.kill();
        self.front.wait();
        self.put_back(RELAY_DEADLINE);
    }

    /// Shows the person what the front has left, within so much time, gives the terminal back, and ends the recording.
    fn put_back(&mut self, patience: Duration) {
        if let Some(relayer) = self.relayer.take() {
            relayer.finish(patience);
        }
        terminal::put_back();
        let recorded = self.recorded.take().or_else(|| self.guard.take().map(|guard| guard.dissolve()));
        if let Some(failure) = recorded.and_then(|mut recorded| recorded.end()) {
            terminal::tell_last(&failure);
        }
    }

    /// Ends a session whose front did not, cannot or shall not.
    fn end(&mut self, ending: Ending) -> u8 {
        self.front.kill();
        self.front.wait();
        let lost = (ending == Ending::Failed).then(|| "the front of this shell is gone; the session is over".to_owned());
        if let (Some(lost), Some(opening)) = (&lost, &self.opening) {
            opening.refused(lost);
        }
        let (ending, messages) = self.guard.as_mut().map_or((ending, Vec::new()), |guard| guard.end(ending));
        // Behind the last record: a terminal is the person's, and may hold up whoever touches it.
        self.put_back(if ending == Ending::Killed { FAREWELL } else { RELAY_DEADLINE });
        lost.into_iter().chain(ending.message()).chain(messages).for_each(|message| terminal::tell_last(&message));
        ending.status()
    }
}
