//! How a session ends, and the two clocks that end one by themselves.

use std::time::{Duration, Instant};

use super::message;

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The person left, or there is no more input; with this exit status.
    Exit(u8),
    /// The terminal is gone.
    Hangup,
    /// The shell was told to end: SIGTERM.
    Terminated,
    /// An operator has ended it: SIGTERM, and an order beside the records.
    Killed,
    /// No key for this long.
    Idle(Duration),
    /// The session lasted this long.
    Max(Duration),
    /// This many bytes of output.
    Output(u64),
    /// This many refusals.
    Strikes(u32),
    /// The shell could not go on.
    Failed,
}

impl Ending {
    /// As records name it.
    pub fn reason(self) -> &'static str {
        match self {
            Ending::Exit(_) => "exit",
            Ending::Hangup => "hangup",
            Ending::Terminated => "terminated",
            Ending::Killed => "killed",
            Ending::Idle(_) => "idle",
            Ending::Max(_) => "max",
            Ending::Output(_) => "output",
            Ending::Strikes(_) => "strikes",
            Ending::Failed => "error",
        }
    }

    /// The exit status of the shell: 124 for a limit, 125 for a failure of its own, 126 for refusals, 128 + N for signal N.
    pub fn status(self) -> u8 {
        match self {
            Ending::Exit(status) => status,
            Ending::Hangup => 129,
            Ending::Terminated => 143,
            Ending::Killed | Ending::Idle(_) | Ending::Max(_) | Ending::Output(_) => 124,
            Ending::Strikes(_) => 126,
            Ending::Failed => 125,
        }
    }

    /// What the person is told, if there is anything to tell and anyone to tell it to.
    pub fn message(self) -> Option<String> {
        match self {
            Ending::Exit(_) | Ending::Hangup | Ending::Terminated | Ending::Killed | Ending::Failed => None,
            Ending::Idle(time) => Some(format!("session ended: no key for {}", message::duration(time))),
            Ending::Max(time) => Some(format!("session ended: it may last {}", message::duration(time))),
            Ending::Output(bytes) => Some(format!("session ended: its commands may print {bytes} bytes")),
            Ending::Strikes(count) => Some(format!("session ended: {count} refusals")),
        }
    }
}

/// The idle and the maximum time of a session.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    idle: Option<Duration>,
    max: Option<Duration>,
    started: Instant,
    key: Instant,
}

impl Clock {
    /// A session that starts `now`.
    pub fn start(now: Instant) -> Clock {
        Clock { idle: None, max: None, started: now, key: now }
    }

    /// The same clock with these two times.
    pub fn with(self, idle: Option<Duration>, max: Option<Duration>) -> Clock {
        Clock { idle, max, ..self }
    }

    /// A key was pressed, or a prompt shown.
    pub fn touch(&mut self, now: Instant) {
        self.key = now;
    }

    /// For lines that nobody types: there is no key to wait for.
    pub fn without_keys(self) -> Clock {
        Clock { idle: None, ..self }
    }

    /// How long the session has lasted.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// When the session is over whatever happens; `None` for never.
    pub fn until(&self) -> Option<Instant> {
        self.started.checked_add(self.max?)
    }

    /// The time until one of the clocks runs out if no key is pressed; `None` for never.
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        let left = |limit: Option<Duration>, since: Instant| Some(limit?.saturating_sub(now.saturating_duration_since(since)));
        let (idle, max) = (left(self.idle, self.key), left(self.max, self.started));
        [idle, max].into_iter().flatten().min()
    }

    /// The end that is due, if one is. The maximum comes first: it is the one that no key can put off.
    pub fn over(&self, now: Instant) -> Option<Ending> {
        let reached = |limit: Option<Duration>, since: Instant| limit.filter(|limit| now.saturating_duration_since(since) >= *limit);
        reached(self.max, self.started).map(Ending::Max).or_else(|| reached(self.idle, self.key).map(Ending::Idle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Idle 30 s, at most 100 s.
    fn clock(start: Instant) -> Clock {
        let mut clock = Clock::start(start);
        clock = clock.with(Some(Duration::from_secs(30)), Some(Duration::from_secs(100)));
        clock
    }

    #[test]
    fn a_key_puts_off_idle_but_never_the_maximum() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let (idle, max) = (Ending::Idle(Duration::from_secs(30)), Ending::Max(Duration::from_secs(100)));
        for (key, now, over, remaining) in [
            (0, 0, None, 30),
            (0, 29, None, 1),
            (0, 30, Some(idle), 0),
            (20, 30, None, 20),
            (90, 95, None, 5),
            (99, 100, Some(max), 0),
            (0, 200, Some(max), 0),
        ] {
            let mut clock = clock(start);
            clock.touch(at(key));
            assert_eq!(clock.over(at(now)), over, "key at {key}, now {now}");
            assert_eq!(clock.remaining(at(now)), Some(Duration::from_secs(remaining)), "key at {key}, now {now}");
        }
    }

    #[test]
    fn without_limits_a_session_never_ends_by_itself() {
        let start = Instant::now();
        let clock = Clock::start(start);
        let later = start + Duration::from_secs(1 << 30);
        assert_eq!((clock.over(later), clock.remaining(later)), (None, None));
    }
}
