//! Where the commands of a recording begin: found in one pass, before anything is shown.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};

use super::super::Failure;
use super::screen::Screen;
use crate::record::read::{Cast, CastError, CastEvent};
use crate::words::limits::READ_MARKERS;

/// A place where showing can begin: what came before it left nothing on the screen that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Milliseconds since the start.
    pub at: u64,
    pub offset: u64,
    /// The number of the command that begins there; none at the start of the session.
    pub number: Option<u64>,
    /// Columns and rows.
    pub size: (u16, u16),
}

#[derive(Debug)]
pub struct Index {
    pub start: Mark,
    /// In order; the first is the start.
    pub marks: Vec<Mark>,
    /// When the last event was.
    pub length: u64,
    /// Why it goes no further.
    pub damage: Option<String>,
}

impl Mark {
    /// The recording from there on, and a screen of which nothing is known.
    pub fn open(self, file: &File) -> Result<(Cast<BufReader<File>>, Screen), CastError> {
        Ok((Cast::at(BufReader::new(from(file, self.offset)?), self.offset), Screen::new(self.size)))
    }
}

impl Index {
    /// # Errors
    /// It is no recording.
    pub fn read(file: &File) -> Result<Index, Failure> {
        let (header, mut cast) = Cast::open(BufReader::new(from(file, 0)?))?;
        let start = Mark { at: 0, offset: cast.offset(), number: None, size: header.size() };
        let mut index = Index { start, marks: vec![start], length: 0, damage: None };
        let mut size = start.size;
        loop {
            let moment = match cast.read_next() {
                Ok(Some(moment)) => moment,
                Ok(None) => break,
                Err(error) => {
                    index.damage = Some(error.to_string());
                    break;
                }
            };
            index.length = moment.at;
            match moment.event {
                CastEvent::Resize(columns, rows) => size = (columns, rows),
                CastEvent::Command { number, .. } if index.marks.len() < READ_MARKERS => {
                    index.marks.push(Mark { at: moment.at, offset: moment.offset, number, size });
                }
                _ => {}
            }
        }
        if index.damage.is_none() && cast.is_torn() {
            index.damage = Some("it ends in the middle of an event".to_owned());
        }
        Ok(index)
    }

    /// The last place to begin at or before a moment.
    pub fn before(&self, at: u64) -> Option<usize> {
        self.marks.partition_point(|mark| mark.at <= at).checked_sub(1)
    }

    /// Where a command begins.
    pub fn command(&self, number: u64) -> Option<usize> {
        self.marks.iter().position(|mark| mark.number == Some(number))
    }
}

/// A reader of the same file from there on; there is one at a time.
pub fn from(file: &File, offset: u64) -> Result<File, CastError> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(file)
}
