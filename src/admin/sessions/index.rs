//! Where the commands of a recording begin: found in one pass, before anything is shown.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};

use super::super::Failure;
use crate::record::read::{Cast, CastEvent};
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
    /// In order; the first is the start.
    pub marks: Vec<Mark>,
    /// When the last event was.
    pub length: u64,
    /// Why it goes no further.
    pub damage: Option<String>,
}

impl Index {
    /// # Errors
    /// It is no recording.
    pub fn read(file: &File) -> Result<Index, Failure> {
        let mut cast = Cast::open(BufReader::new(from(file, 0)?)).map_err(|error| Failure::Other(format!("the recording: {error}")))?;
        let start = Mark { at: 0, offset: cast.offset(), number: None, size: cast.size };
        let mut index = Index { marks: vec![start], length: 0, damage: None };
        let mut size = cast.size;
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
pub fn from(file: &File, offset: u64) -> Result<File, Failure> {
    let failed = |error: std::io::Error| Failure::Other(format!("the recording: {error}"));
    let mut file = file.try_clone().map_err(failed)?;
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    Ok(file)
}
