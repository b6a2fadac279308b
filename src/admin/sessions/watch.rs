//! `postern watch`: a session as it happens.
//!
//! The recording is read as it grows: inotify(7) tells of each event as soon as it is written. Who watches is on record before anything is
//! shown, in a session's file of its own; without that nobody watches.

use std::fs::File;
use std::io::BufReader;
use std::os::fd::AsFd;
use std::time::Instant;

use super::super::arguments::Arguments;
use super::super::output::complain;
use super::super::{Failure, Status};
use super::index::Index;
use super::operator::Operator;
use super::screen::Screen;
use super::store::{Entry, Store};
use super::terminal::{Key, Terminal, Woken};
use crate::access;
use crate::record::read::{Cast, CastEvent, Moment};
use crate::record::{Event, Recorder, Session, Unrecorded};
use crate::sys::holder::{self, Holder};
use crate::sys::watch::Watch;

pub fn watch(arguments: &Arguments) -> Result<Status, Failure> {
    let store = Store::of(arguments)?;
    let entry = store.find(arguments.operands.first().map(|id| id.as_os_str()), Entry::is_open)?;
    if entry.holder == Holder::Nobody {
        return Err(Failure::Other(format!("session {0} is not open; `postern replay {0}` shows it", entry.id)));
    }
    let file = store.open_recording(&entry.id)?;
    let operator = Operator::of_this_process();
    let person = access::identify().unwrap_or_else(|_| access::unidentified());
    let mut recorder = Recorder::open(&store.audit, Session::of(&person));
    let started = Instant::now();
    note(&mut recorder, &entry, &operator, None).map_err(|error| Failure::Other(format!("{error}; without a record nobody watches")))?;
    let view = View::open(&entry, &file).and_then(View::show);
    let duration = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if let Err(error) = note(&mut recorder, &entry, &operator, Some(duration)) {
        complain(format_args!("postern: {error}"));
    }
    let message = view?;
    complain(format_args!("postern: {message}"));
    Ok(Status::Done)
}

fn note(recorder: &mut Recorder, entry: &Entry, operator: &Operator, duration_ms: Option<u64>) -> Result<(), Unrecorded> {
    recorder.write(&Event::SessionWatch { watched: &entry.id, by: &operator.name, auid: operator.auid, duration_ms })
}

/// A recording that grows, on the operator's screen.
struct View<'a> {
    entry: &'a Entry,
    cast: Cast<BufReader<File>>,
    screen: Screen,
    growth: Watch,
    terminal: Terminal,
}

impl<'a> View<'a> {
    /// Begins with the last command: what was before it is not on the screen any more.
    fn open(entry: &'a Entry, file: &File) -> Result<View<'a>, Failure> {
        let failed = |error: std::io::Error| Failure::Other(format!("session {}: {error}", entry.id));
        let growth = Watch::new().map_err(failed)?;
        growth.add_growth(file.as_fd()).map_err(failed)?;
        growth.add_growth(entry.records.as_fd()).map_err(failed)?;
        let index = Index::read(file)?;
        let (cast, screen) = index.marks.last().unwrap_or(&index.start).open(file)?;
        let terminal = Terminal::open(true).map_err(failed)?;
        Ok(View { entry, cast, screen, growth, terminal })
    }

    /// Shows what comes until there is no more; why.
    fn show(mut self) -> Result<String, Failure> {
        let message = loop {
            self.growth.drain();
            // Asked before the rest is read: what is written before the end is read then.
            let over = holder::holder(&self.entry.records).is_ok_and(|holder| holder == Holder::Nobody);
            if let Some(reason) = self.catch_up() {
                break reason;
            }
            if over {
                break format!("session {} is over", self.entry.id);
            }
            match self.terminal.wait(&[self.growth.as_fd()], None) {
                Ok(Woken::Keys(keys)) if keys.contains(&Key::Quit) => break self.goes_on(),
                Ok(_) => {}
                Err(error) => break format!("the terminal: {error}"),
            }
        };
        let rest = self.screen.finish();
        self.terminal.write(&rest);
        self.terminal.write(b"\r\n");
        Ok(message)
    }

    /// Shows all that there is by now; why no more, where that is the end.
    fn catch_up(&mut self) -> Option<String> {
        loop {
            match self.cast.read_next() {
                Ok(None) => return None,
                Ok(Some(Moment { event: CastEvent::Output(text), .. })) => {
                    let shown = self.screen.pass(&text);
                    if !self.terminal.write(&shown) {
                        return Some("nobody reads this any more".to_owned());
                    }
                    if self.terminal.is_left() {
                        return Some(self.goes_on());
                    }
                }
                Ok(Some(Moment { event: CastEvent::Resize(columns, rows), .. })) => self.screen.resize((columns, rows)),
                Ok(Some(_)) => {}
                Err(error) => return Some(format!("the recording of session {}: {error}", self.entry.id)),
            }
        }
    }

    fn goes_on(&self) -> String {
        format!("session {} goes on", self.entry.id)
    }
}
