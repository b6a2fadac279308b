//! The records of one file, whole.

use std::io::{self, BufRead};

use serde_json::{Map, Value};

use super::{Line, Lines};
use crate::record::parts::Joiner;
use crate::words::limits;

/// Reads records, joined as [`crate::record::join`] does, and counts the lines that are none.
pub struct Records<R> {
    lines: Lines<R>,
    joiner: Joiner,
    bad: u64,
    first_bad: Option<u64>,
    number: u64,
}

impl<R: BufRead> Records<R> {
    pub fn new(reader: R) -> Records<R> {
        let lines = Lines::new(reader, limits::READ_RECORD_BYTES, 0);
        Records { lines, joiner: Joiner::default(), bad: 0, first_bad: None, number: 0 }
    }

    /// The next record of a format that is known.
    pub fn read_next(&mut self) -> io::Result<Option<Map<String, Value>>> {
        while let Some(line) = self.lines.read_next()? {
            self.number += 1;
            let text = match line {
                Line::Whole(line) => std::str::from_utf8(line).ok(),
                Line::TooLong => None,
            };
            match text.map(|text| self.joiner.take(text)) {
                Some(Ok(Some(record))) if record.get("v").and_then(Value::as_u64) == Some(1) => return Ok(Some(record)),
                Some(Ok(None)) => {}
                _ => {
                    self.bad += 1;
                    self.first_bad.get_or_insert(self.number);
                }
            }
        }
        Ok(None)
    }

    /// How many lines so far were no records, and the number of the first; what is behind the last newline is one.
    pub fn bad(&self) -> Option<(u64, u64)> {
        let torn = self.lines.is_torn();
        let first = self.first_bad.or(torn.then_some(self.number + 1))?;
        Some((self.bad + u64::from(torn), first))
    }
}
