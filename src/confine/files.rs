//! Which files a command can read and write: Landlock rulesets, made once for all commands that they fit.
//!
//! Names and metadata are visible everywhere, because `df`, `du`, `find` and `ls -l` are of no use else, and because Landlock has no say in
//! stat(2) anyway; contents only in the places of the confinement, and there not where it hides them (`holes` says how). What is asked of
//! whom, and what is not held:
//!
//! - /proc is granted as a whole: directories of processes come and go. The environment, memory, descriptors and directories of other
//!   processes are closed by Landlock itself, whose domains cannot trace what is outside, and kcore and kmsg by the capabilities that are
//!   missing; for root too, unless its rule lists them, of which policies are warned.
//! - Patterns that could match anywhere (`/**/.ssh`) are looked for in /etc and in what the policy names; see `places`.
//! - A file that is given another name, or a device node, in /usr, /run, /var/log or /sys by root while nothing hidden is known there is
//!   read there. Of what is looked through (/etc and what the policy names), neither is.
//! - A ruleset is as the file system was when it was made. inotify(7) and the table of mounts tell when that is no longer so; then it is
//!   made anew for the next command. One that runs keeps its own.
//!
//! Execution is handled only for a list of programs: without one seccomp lets none start, and a ruleset serves every program.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::unistd::{Uid, ttyname};

use super::holes::{Walk, Who};
use super::index::{self, Index};
use super::links::OtherNames;
use super::mounts::Mounts;
use super::namespace::TABLE_BYTES;
use super::patterns::Patterns;
use super::places::{self, Place, READ, places, resolve};
use super::plan::Plan;
use super::programs;
use super::scout::Scout;
use crate::policy::Confinement;
use crate::policy::confinement::{Base, DEVICES, Exec};
use crate::sys::deadline::{Answer, answer_with};
use crate::sys::descriptor;
use crate::sys::identity::Identity;
use crate::sys::landlock::{Rights, Ruleset};
use crate::sys::rights;
use crate::sys::watch::{self, Watch};
use crate::words::limits;

/// The devices that every command writes.
const WRITABLE: [&str; 4] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/tty"];
/// Times that a walk may show names of hidden files that have to be hidden too.
const ROUNDS: usize = 8;
const MOUNTS: &str = "/proc/thread-self/mountinfo";

/// Rulesets that were made, those used last at the end.
#[derive(Debug, Default)]
pub struct Rulesets {
    made: Vec<(Request, Rc<OwnedFd>)>,
    freshness: Freshness,
    known: Known,
}

/// What is known of /etc.
#[derive(Debug, Default)]
enum Known {
    #[default]
    Nothing,
    /// What an index in that directory says, if there is one.
    In(PathBuf),
    /// What this one says, if anything.
    Read(Option<Rc<Index>>),
}

/// How rulesets that were made are known to be up to date.
#[derive(Debug, Default)]
enum Freshness {
    /// They are used at once.
    #[default]
    Momentary,
    /// It is not known: each is made for one use.
    Unknown,
    /// The kernel tells.
    Watched(Box<Watched>),
}

#[derive(Debug)]
struct Watched {
    watch: Watch,
    table: File,
    mounts: Mounts,
}

/// For whom a ruleset is made, and what else it depends on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The program that will run.
    pub program: &'a Path,
    /// `None`: the ids of this process.
    pub identity: Option<&'a Identity>,
    /// The account's home directory, for `~` in hidden paths.
    pub home: &'a str,
    /// The terminal that the command may open by name, as [`terminal`] finds it.
    pub terminal: Option<&'a Path>,
}

/// Why there is no ruleset. In words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FilesError(pub String);

/// All that a ruleset depends on but the file system.
#[derive(Debug)]
struct Request {
    confinement: Confinement,
    abi: u32,
    scope: bool,
    identity: Option<Identity>,
    home: String,
    terminal: Option<PathBuf>,
    /// Where the program is, if it matters.
    program: Option<PathBuf>,
}

/// The path of this process's terminal: of the first of the descriptors 0 to 2 that is one.
pub fn terminal() -> Option<PathBuf> {
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    [input.as_fd(), output.as_fd(), error.as_fd()].into_iter().find_map(|fd| ttyname(fd).ok())
}

impl Rulesets {
    /// For the commands of one line, which are planned in one go: a ruleset is made once. Costs a third of one that is watched over, and the
    /// end of the process does not wait for the kernel to take watches down, which takes it some milliseconds.
    ///
    /// `state` is the state directory in which `postern apply` may have left an index of /etc; without one all of that is listed.
    pub fn for_one_line(state: Option<&Path>) -> Rulesets {
        Rulesets { known: state.map_or(Known::Nothing, |state| Known::In(state.to_owned())), ..Rulesets::default() }
    }

    /// For a session: rulesets are kept, and made anew when something changed. `state` as in [`Rulesets::for_one_line`].
    pub fn for_session(state: Option<&Path>) -> Rulesets {
        let freshness = match (Watch::new(), mounts()) {
            (Ok(watch), Ok((table, mounts))) => Freshness::Watched(Box::new(Watched { watch, table, mounts })),
            _ => Freshness::Unknown,
        };
        Rulesets { freshness, ..Rulesets::for_one_line(state) }
    }

    /// With an index that is there already: in a session's mount namespace, the state directory cannot be seen.
    pub fn with_index(self, index: Option<Rc<Index>>) -> Rulesets {
        Rulesets { known: Known::Read(index), ..self }
    }

    /// The ruleset for a plan, as the file system is now; `None` where the plan has none.
    ///
    /// # Errors
    /// There is more to look through than [`limits::HIDDEN_ENTRIES`], a file system does not answer within [`limits::RULESET_DEADLINE`], or
    /// the kernel has no descriptors or memory.
    pub fn ruleset(&mut self, plan: &Plan, subject: Subject<'_>) -> Result<Option<Rc<OwnedFd>>, FilesError> {
        if !plan.files {
            return Ok(None);
        }
        self.refresh().map_err(FilesError)?;
        let program = program_that_matters(&plan.confinement, subject.program);
        if let Some(at) = self.made.iter().position(|(request, _)| request.fits(plan, subject, program.as_deref())) {
            let made = self.made.remove(at);
            let ruleset = Rc::clone(&made.1);
            self.made.push(made);
            return Ok(Some(ruleset));
        }
        self.make(Request::new(plan, subject, program)).map(Some).map_err(FilesError)
    }

    /// Forgets what may be out of date.
    fn refresh(&mut self) -> Result<(), String> {
        match &mut self.freshness {
            Freshness::Momentary => {}
            Freshness::Unknown => self.made.clear(),
            Freshness::Watched(watched) if !watch::changed(&watched.watch, watched.table.as_fd()) => {}
            Freshness::Watched(watched) => {
                self.made.clear();
                watched.watch.drain();
                (watched.table, watched.mounts) = mounts()?;
            }
        }
        Ok(())
    }

    fn make(&mut self, request: Request) -> Result<Rc<OwnedFd>, String> {
        let (ruleset, watched) = match &self.freshness {
            Freshness::Watched(watched) => request.build_in_time(&watched.mounts, Some(&watched.watch), &self.known)?,
            _ => request.build_in_time(&mounts()?.1, None, &self.known)?,
        };
        let ruleset = Rc::new(ruleset);
        if watched || !matches!(self.freshness, Freshness::Watched(_)) {
            if self.made.len() >= limits::RULESETS {
                self.made.remove(0);
            }
            self.made.push((request, Rc::clone(&ruleset)));
        }
        Ok(ruleset)
    }
}

/// The table of mounts, open so that it tells of changes, and what it says.
fn mounts() -> Result<(File, Mounts), String> {
    let failed = |error: io::Error| format!("{MOUNTS}: {error}");
    let mut table = File::open(MOUNTS).map_err(failed)?;
    let mut text = Vec::with_capacity(TABLE_BYTES);
    table.read_to_end(&mut text).map_err(failed)?;
    Ok((table, Mounts::parse(&text)))
}

/// Where a program is, if that makes a difference: if it may be executed by name only, or is not in a place that the base reads.
fn program_that_matters(confinement: &Confinement, program: &Path) -> Option<PathBuf> {
    let own = descriptor::open_cached(program).ok();
    let own = own.and_then(|handle| std::fs::read_link(format!("/proc/self/fd/{}", handle.as_raw_fd())).ok());
    let path = own.or_else(|| std::fs::canonicalize(program).ok())?;
    let read = confinement.base != Base::Sealed && confinement.base.roots().iter().any(|root| path.starts_with(root));
    (!read || matches!(confinement.exec, Exec::Paths(_))).then_some(path)
}

impl Request {
    fn new(plan: &Plan, subject: Subject<'_>, program: Option<PathBuf>) -> Request {
        Request {
            confinement: plan.confinement.clone(),
            abi: plan.kernel.landlock,
            scope: plan.calls.is_some(),
            identity: subject.identity.cloned(),
            home: subject.home.to_owned(),
            terminal: subject.terminal.map(Path::to_owned),
            program,
        }
    }

    fn fits(&self, plan: &Plan, subject: Subject<'_>, program: Option<&Path>) -> bool {
        let files = |of: &Confinement| {
            let lists = [&of.read, &of.roots, &of.write, &of.hide, &of.unhide, &of.capabilities].map(Clone::clone);
            (of.base, of.exec.clone(), lists)
        };
        let same = self.confinement == plan.confinement || files(&self.confinement) == files(&plan.confinement);
        let host = (self.abi, self.scope, self.identity.as_ref()) == (plan.kernel.landlock, plan.calls.is_some(), subject.identity);
        let place = (self.home.as_str(), self.terminal.as_deref(), self.program.as_deref()) == (subject.home, subject.terminal, program);
        same && host && place
    }

    /// The ruleset, and whether all that it depends on is watched. One of whom this thread has not the rights, and one for which a file system
    /// is asked that may hang, is made by a helper.
    fn build_in_time(&self, mounts: &Mounts, watch: Option<&Watch>, known: &Known) -> Result<(OwnedFd, bool), String> {
        let own = [&self.confinement.read, &self.confinement.roots, &self.confinement.write];
        let at_hand = own.into_iter().all(Vec::is_empty) && !mounts.any_below(Path::new(index::TOP));
        if at_hand {
            let build = || self.build(mounts, watch, known);
            let built = match &self.identity {
                None => Some(build()),
                Some(identity) => rights::as_account(identity, build).map_err(|errno| errno.desc().to_owned())?,
            };
            if let Some(built) = built {
                return built;
            }
        }
        // One byte, whether it is watched; or the reason.
        let work = |kept: Option<OwnedFd>| match self.build(mounts, kept.map(Watch::from).as_ref(), known) {
            Ok((ruleset, watched)) => Answer { bytes: vec![u8::from(watched)], descriptor: Some(ruleset) },
            Err(reason) => Answer { bytes: reason.into_bytes(), descriptor: None },
        };
        let answer = answer_with(limits::RULESET_DEADLINE, self.identity.as_ref(), watch.map(Watch::as_fd), work);
        let answer = answer.map_err(|elapsed| format!("looking for what is to be hidden: {elapsed}"))?;
        let reason = || String::from_utf8_lossy(&answer.bytes).into_owned();
        Ok((answer.descriptor.ok_or_else(reason)?, answer.bytes == [1]))
    }

    fn build(&self, mounts: &Mounts, watch: Option<&Watch>, known: &Known) -> Result<(OwnedFd, bool), String> {
        let mut scout = Scout::new(watch);
        let mut patterns = Patterns::hidden(&self.confinement, &self.home)?;
        let places = places(&self.confinement, &self.home, &mut scout)?;
        let of_interest = places.iter().any(|place| place.directory && place.path.starts_with(index::TOP));
        let opened = match known {
            Known::In(state) if of_interest => Index::open(state),
            _ => None,
        };
        scout.index = match known {
            Known::Read(index) => index.as_deref(),
            _ => opened.as_ref(),
        };
        let (mut links, mut denied) = (OtherNames::default(), HashSet::new());
        for _ in 0..ROUNDS {
            let ruleset = self.ruleset(&mut scout)?;
            scout.refill(limits::HIDDEN_ENTRIES);
            let mut walk = Walk::new(&patterns, mounts, &ruleset, &mut scout, self.who());
            places.iter().try_for_each(|place| walk.place(place))?;
            let (holes, seen) = (walk.holes, walk.links);
            let mut more = links.leaks(&seen, &denied, &places, mounts)?;
            more.extend(mounts.leaks(&directories(&places), |path| is_readable(path, &places, &holes)));
            more.retain(|path| denied.insert(path.clone()));
            if more.is_empty() {
                return Ok((ruleset.into_fd(), scout.watched));
            }
            more.iter().for_each(|path| patterns.hide(path));
        }
        Err("what is hidden has too many other names".to_owned())
    }

    fn who(&self) -> Who {
        let uid = self.identity.as_ref().map_or_else(|| Uid::effective().as_raw(), |identity| identity.uid);
        Who { uid, held: self.confinement.capabilities.is_empty(), changes_modes: !self.scope || self.confinement.writes_anything() }
    }

    /// A ruleset with the rules that do not depend on what is hidden: names, devices, programs.
    fn ruleset(&self, scout: &mut Scout<'_>) -> Result<Ruleset, String> {
        let listed = match &self.confinement.exec {
            Exec::Paths(programs) => Some(programs),
            Exec::None | Exec::Any => None,
        };
        let failed = |error: io::Error| format!("no Landlock ruleset: {error}");
        let ruleset = Ruleset::new(self.abi, listed.is_some(), self.scope).map_err(failed)?;
        let allow = |path: &Path, rights: Rights| match resolve(path) {
            Ok((handle, _)) => ruleset.allow(handle.as_fd(), rights).map_err(failed),
            Err(_) => Ok(()),
        };
        allow(Path::new("/"), Rights::READ_DIR)?;
        let device = |path: &str| if WRITABLE.contains(&path) { WRITE_DEVICE } else { READ_DEVICE };
        DEVICES.iter().try_for_each(|path| allow(Path::new(path), device(path)))?;
        self.terminal.iter().try_for_each(|path| allow(path, WRITE_DEVICE))?;
        let listed = listed.into_iter().flatten().map(Path::new);
        for program in self.program.iter().map(PathBuf::as_path).chain(listed) {
            places::watch_above(program, scout);
            for (handle, _) in programs::with_interpreters(program) {
                ruleset.allow(handle.as_fd(), READ | Rights::EXECUTE).map_err(failed)?;
            }
        }
        Ok(ruleset)
    }
}

const READ_DEVICE: Rights = Rights(Rights::READ_FILE.0 | Rights::IOCTL_DEV.0);
const WRITE_DEVICE: Rights = Rights(READ_DEVICE.0 | Rights::WRITE_FILE.0 | Rights::TRUNCATE.0);

fn directories(places: &[Place]) -> Vec<&Path> {
    places.iter().filter(|place| place.directory).map(|place| place.path.as_path()).collect()
}

/// Whether all of a path is granted.
fn is_readable(path: &Path, places: &[Place], holes: &[PathBuf]) -> bool {
    let granted = places.iter().any(|place| path.starts_with(&place.path));
    granted && !holes.iter().any(|hole| hole.starts_with(path) || path.starts_with(hole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confine::Kernel;
    use crate::sys::landlock;
    use std::time::{Duration, Instant};

    fn plan(confinement: &Confinement) -> Plan {
        Plan::of(confinement, &Kernel { landlock: landlock::abi(), filter: true, listener: true, namespace: false })
    }

    fn subject(program: &str) -> Subject<'_> {
        Subject { program: Path::new(program), identity: None, home: "/nonexistent", terminal: None }
    }

    /// The least and the median.
    fn times(runs: usize, mut once: impl FnMut() -> Duration) -> String {
        let mut times: Vec<Duration> = (0..runs).map(|_| once()).collect();
        times.sort();
        format!("{:?} to {:?}", times[0], times[runs / 2])
    }

    /// `cargo test --release --lib cost_of_rulesets -- --ignored --nocapture`
    #[test]
    #[ignore = "prints times; depends on the machine"]
    #[expect(clippy::print_stdout, reason = "that is what it is for")]
    fn cost_of_rulesets() {
        let account = Identity { uid: 12345, gid: 12345, groups: vec![12345] };
        for (base, identity) in [Base::Inspect, Base::Sealed].into_iter().flat_map(|base| [(base, None), (base, Some(&account))]) {
            let plan = plan(&Confinement::built_in(base));
            let subject = Subject { identity, ..subject("/usr/bin/cat") };
            let time = |rulesets: &mut Rulesets| {
                let start = Instant::now();
                rulesets.ruleset(&plan, subject).unwrap();
                start.elapsed()
            };
            let once = times(200, || time(&mut Rulesets::for_one_line(None)));
            let first = times(50, || time(&mut Rulesets::for_session(None)));
            let mut rulesets = Rulesets::for_session(None);
            time(&mut rulesets);
            let again = times(1000, || time(&mut rulesets));
            println!("{base} for {identity:?}: for one line {once:?}, first of a session {first:?}, again {again:?}");
        }
    }
}
