//! A recording and a moment in it. Times are milliseconds of the recording; of the clock on the wall it knows nothing.

use std::fs::File;
use std::io::BufReader;

use super::super::Failure;
use super::index::Index;
use super::screen::{CLEAR, Screen};
use crate::record::read::{Cast, CastEvent, Moment};

/// A command that is begun again is gone back from by whoever does so within this time of its start.
const AGAIN: u64 = 1000;

pub struct Player {
    file: File,
    pub index: Index,
    cast: Cast<BufReader<File>>,
    screen: Screen,
    /// The event that comes next.
    next: Option<Moment>,
}

impl Player {
    pub fn open(file: File) -> Result<Player, Failure> {
        let index = Index::read(&file)?;
        let (cast, screen) = index.start.open(&file)?;
        let mut player = Player { file, index, cast, screen, next: None };
        player.advance();
        Ok(player)
    }

    /// When something happens next; `None` at the end.
    pub fn next(&self) -> Option<u64> {
        self.next.as_ref().map(|moment| moment.at)
    }

    /// Whether a command begins next.
    pub fn is_at_command(&self) -> bool {
        matches!(&self.next, Some(Moment { event: CastEvent::Command { .. }, .. }))
    }

    /// What is to be written for the next event.
    pub fn step(&mut self) -> Vec<u8> {
        let shown = match self.next.take().map(|moment| moment.event) {
            Some(CastEvent::Output(text)) => self.screen.pass(&text),
            Some(CastEvent::Resize(columns, rows)) => {
                self.screen.resize((columns, rows));
                Vec::new()
            }
            Some(CastEvent::Command { .. } | CastEvent::Other) | None => Vec::new(),
        };
        self.advance();
        shown
    }

    /// What shows nothing is no step.
    pub fn step_visibly(&mut self) -> (u64, Vec<u8>) {
        let mut at = 0;
        while let Some(next) = self.next() {
            at = next;
            let shown = self.step();
            if !shown.is_empty() {
                return (at, shown);
            }
        }
        (at, Vec::new())
    }

    /// Goes to a moment: hands what the screen then shows to `write`, piece by piece, for as long as that says; whether it came there.
    pub fn seek(&mut self, at: u64, write: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, Failure> {
        let mark = self.index.before(at).unwrap_or(0);
        self.start_at(mark)?;
        write(CLEAR);
        while self.next().is_some_and(|next| next < at) {
            let shown = self.step();
            if !shown.is_empty() && !write(&shown) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Goes on from a mark, on a screen that nothing is known of.
    pub fn start_at(&mut self, mark: usize) -> Result<(), Failure> {
        let Some(mark) = self.index.marks.get(mark) else { return Ok(()) };
        (self.cast, self.screen) = mark.open(&self.file)?;
        self.advance();
        Ok(())
    }

    /// When the command before this moment began, or this one.
    pub fn previous(&self, at: u64) -> u64 {
        let start = |at| self.index.before(at).and_then(|mark| self.index.marks.get(mark)).map_or(0, |mark| mark.at);
        let begun = start(at);
        if at - begun > AGAIN || begun == 0 { begun } else { start(begun - 1) }
    }

    /// When the next command begins; the end where there is none.
    pub fn following(&self, at: u64) -> u64 {
        let next = self.index.before(at).and_then(|mark| self.index.marks.get(mark + 1));
        next.map_or(self.index.length, |mark| mark.at)
    }

    /// What makes the screen as it was before.
    pub fn finish(&mut self) -> Vec<u8> {
        self.screen.finish()
    }

    fn advance(&mut self) {
        // Damage is known from the index.
        self.next = self.cast.read_next().ok().flatten();
    }
}
