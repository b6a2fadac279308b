//! The filter of a command: what is let through, what is refused, what is asked of the listener.
//!
//! Most calls are answered by their number alone, in a search tree (`tree`); of a few the arguments count, as far as they stand in
//! registers (`arguments`, `sockets`): what a pointer points to could change between the look and the call. Numbers that are not in the
//! table are ENOSYS, so that a command has nothing that nobody thought about. What is refused is EPERM, but for what programs have a better
//! word for: EACCES of other programs and of sockets, EAFNOSUPPORT of address families, ENOSYS where they know another way.
//!
//! A call of another architecture ends the process: i386 has other numbers, and nothing that belongs here makes one. Those of x32 are
//! numbers that are not in the table.

use super::calls::{Exec, Inet, Signals, Unix};
use super::table::{CALLS, Class, LAST, Machine};
use super::{Assembler, Calls, Filter, Label, Test, TooFar, Word};

pub(super) const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
pub(super) const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
pub(super) const NOTIFY: u32 = libc::SECCOMP_RET_USER_NOTIF;
pub(super) const NOT_PERMITTED: u32 = error(libc::EPERM);
pub(super) const NO_ACCESS: u32 = error(libc::EACCES);
pub(super) const NOT_THERE: u32 = error(libc::ENOSYS);
/// The call returns 0, and nothing has been done.
pub(super) const AS_IF_DONE: u32 = error(0);

/// The answer that is an error.
pub(super) const fn error(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno as u32
}

/// What becomes of the calls of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Answer(u32),
    /// That depends on the arguments.
    Inspect(Class),
}

impl Action {
    pub(super) const ALLOW: Action = Action::Answer(ALLOW);
    pub(super) const REFUSE: Action = Action::Answer(NOT_PERMITTED);
}

/// What is let through because nobody else can say it: pointers with exactly these values.
#[derive(Clone, Copy, Debug)]
pub struct Cookie {
    /// The three of the command's own `execve`.
    pub execve: [u64; 3],
    /// The message of the `sendmsg` that hands over the listener, before the `execve`.
    pub sendmsg: u64,
}

impl From<[u64; 3]> for Cookie {
    /// One that hands nothing over.
    fn from(execve: [u64; 3]) -> Cookie {
        Cookie { execve, sendmsg: u64::MAX }
    }
}

impl Filter {
    /// The filter that lets through what `calls` says and the calls with exactly the pointers of the cookie; without one, no `execve` is let
    /// through unless all are.
    pub fn new(calls: &Calls, cookie: Option<Cookie>) -> Result<Filter, TooFar> {
        Filter::for_machine(Machine::NATIVE, calls, cookie)
    }

    pub(super) fn for_machine(machine: Machine, calls: &Calls, cookie: Option<Cookie>) -> Result<Filter, TooFar> {
        let build = |far| Builder { program: Assembler::default(), calls, cookie, answers: Vec::new() }.build(machine, far);
        // Longer by a jump for each look, and good for any distance.
        build(false).or_else(|TooFar| build(true))
    }
}

/// A filter as it grows.
pub(super) struct Builder<'a> {
    pub(super) program: Assembler,
    pub(super) calls: &'a Calls,
    pub(super) cookie: Option<Cookie>,
    /// Answers that are jumped to and have not been placed yet.
    answers: Vec<(u32, Label)>,
}

impl Builder<'_> {
    /// All of it; `far` where looks at arguments are too long for the jumps of tests.
    fn build(mut self, machine: Machine, far: bool) -> Result<Filter, TooFar> {
        let foreign = self.to(KILL);
        self.program.load(Word::Architecture);
        self.program.jump_unless(Test::Equal(machine.architecture()), foreign);
        self.program.load(Word::Number);
        let mut looks = self.decide_by_number(machine);
        self.place_answers();
        if far {
            self.lead_on(&mut looks);
        }
        for (class, label) in looks {
            self.program.place(label);
            self.inspect(class);
            if far {
                self.place_answers();
            }
        }
        self.place_answers();
        self.program.finish()
    }

    /// Where an answer stands, of which there is one for all who jump to it.
    pub(super) fn to(&mut self, answer: u32) -> Label {
        if let Some(&(_, label)) = self.answers.iter().find(|(known, _)| *known == answer) {
            return label;
        }
        let label = self.program.label();
        self.answers.push((answer, label));
        label
    }

    fn place_answers(&mut self) {
        for (answer, label) in std::mem::take(&mut self.answers) {
            self.program.place(label);
            self.program.answer(answer);
        }
    }

    /// The tree over the numbers. Gives the classes that it leads to, and by which labels.
    fn decide_by_number(&mut self, machine: Machine) -> Vec<(Class, Label)> {
        let mut looks: Vec<(Class, Label)> = Vec::new();
        let mut ranges = Vec::new();
        for (first, action) in self.ranges(machine) {
            let label = match action {
                Action::Answer(answer) => self.to(answer),
                Action::Inspect(class) => match looks.iter().find(|(known, _)| *known == class) {
                    Some(&(_, label)) => label,
                    None => {
                        let label = self.program.label();
                        looks.push((class, label));
                        label
                    }
                },
            };
            ranges.push((first, label));
        }
        self.program.decide(&ranges);
        looks
    }

    /// The first number of each range that is treated alike.
    fn ranges(&self, machine: Machine) -> Vec<(u32, Action)> {
        let mut classes = [Class::Missing; LAST as usize + 2];
        for call in CALLS {
            if let Some(class) = call.number(machine).and_then(|number| classes.get_mut(usize::from(number))) {
                *class = call.class;
            }
        }
        let mut ranges: Vec<_> = (0..).zip(classes.map(|class| self.action(class))).collect();
        ranges.dedup_by_key(|(_, action)| *action);
        ranges
    }

    /// Has the tree lead to jumps that reach any distance.
    fn lead_on(&mut self, looks: &mut [(Class, Label)]) {
        for (_, label) in looks {
            self.program.place(*label);
            *label = self.program.label();
            self.program.go(*label);
        }
    }

    /// The answer of the listener, or a refusal where there is none.
    pub(super) fn asked(&self, otherwise: u32) -> u32 {
        if self.calls.listener { NOTIFY } else { otherwise }
    }

    /// Lets a call go on, past the listener where that keeps a log.
    pub(super) fn noted(&self) -> u32 {
        if self.calls.log_files { self.asked(ALLOW) } else { ALLOW }
    }

    fn action(&self, class: Class) -> Action {
        let calls = self.calls;
        let free = |free: bool, otherwise: u32| Action::Answer(if free { ALLOW } else { otherwise });
        if let Some(action) = self.by_capability(class) {
            return action;
        }
        match class {
            Class::Plain | Class::Adjtimex => Action::ALLOW,
            Class::Refused | Class::Perf => Action::REFUSE,
            Class::Missing => Action::Answer(NOT_THERE),
            Class::Execve if calls.exec == Exec::Any => Action::Answer(ALLOW),
            Class::Execve if self.cookie.is_none() => Action::Answer(self.asked(NO_ACCESS)),
            Class::Execveat => match calls.exec {
                Exec::Once => Action::Answer(self.asked(NO_ACCESS)),
                Exec::Asked => Action::Answer(NO_ACCESS),
                Exec::Any => Action::Answer(ALLOW),
            },
            Class::Fork => free(!calls.count_processes, self.asked(NOT_PERMITTED)),
            Class::Connect => match (calls.unix, calls.inet) {
                (Unix::Asked, _) | (_, Inet::Asked { .. }) => Action::Answer(self.asked(NO_ACCESS)),
                // There is nothing to connect, but for a socket that came with the standard descriptors.
                (Unix::Pairs, Inet::Idle) => Action::Answer(NO_ACCESS),
                _ => Action::Answer(ALLOW),
            },
            Class::Accept => free(calls.inet == Inet::Any, NO_ACCESS),
            Class::Sendto | Class::Sendmsg | Class::Sendmmsg if !matches!(calls.inet, Inet::Asked { .. }) => Action::Answer(ALLOW),
            Class::Setsockopt if matches!(calls.inet, Inet::Outbound | Inet::Any) => Action::Answer(ALLOW),
            Class::Signal => match calls.signals {
                Signals::Free => Action::Answer(ALLOW),
                Signals::Asked => Action::Answer(self.asked(NOT_PERMITTED)),
                Signals::NotTo(_) => Action::Inspect(class),
            },
            Class::Ptrace if !calls.trace => Action::REFUSE,
            Class::ReadMemory => free(calls.trace, NOT_PERMITTED),
            Class::Prctl if !calls.log_files => Action::ALLOW,
            Class::Mknod | Class::Mknodat if calls.guard_set_ids && !calls.read_only => Action::Inspect(class),
            Class::Change | Class::Mknod | Class::Mknodat => free(!calls.read_only, NO_ACCESS),
            Class::Creat if calls.guard_set_ids && !calls.read_only => Action::Inspect(class),
            Class::Name | Class::Creat => Action::Answer(if calls.read_only { NO_ACCESS } else { self.noted() }),
            // A name in the file system, if there are sockets that have such. Which socket it is, is out of sight.
            Class::Bind => free(!calls.read_only || calls.unix == Unix::Pairs, NO_ACCESS),
            Class::MemoryFile => free(!calls.count_memory, NOT_THERE),
            Class::Truncate if calls.read_only => Action::Answer(NO_ACCESS),
            Class::Truncate => Action::Answer(if calls.guard_truncation { NOT_PERMITTED } else { self.noted() }),
            Class::Open | Class::Openat if !calls.guard_truncation && !calls.guard_set_ids && !calls.read_only => {
                Action::Answer(self.noted())
            }
            // Its flags and its mode are in memory.
            Class::Openat2 if calls.guard_truncation || calls.guard_set_ids || calls.read_only => Action::Answer(NOT_THERE),
            Class::Openat2 => Action::Answer(self.noted()),
            _ => Action::Inspect(class),
        }
    }
}
