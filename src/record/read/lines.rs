//! Lines of a bounded length.

use std::io::{self, BufRead};

/// A line without its newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Whole(&'a [u8]),
    /// Longer than any line that is read.
    TooLong,
}

/// Reads lines. What stands behind the last newline is no line yet: it is kept until the rest of it comes.
pub struct Lines<R> {
    reader: R,
    limit: usize,
    line: Vec<u8>,
    too_long: bool,
    /// Whether `line` was handed out.
    done: bool,
    offset: u64,
}

impl<R: BufRead> Lines<R> {
    /// Lines of at most `limit` bytes, from where the reader stands: `offset`.
    pub fn new(reader: R, limit: usize, offset: u64) -> Lines<R> {
        Lines { reader, limit, line: Vec::new(), too_long: false, done: true, offset }
    }

    /// The next line; `None` where there is none, perhaps yet.
    pub fn read_next(&mut self) -> io::Result<Option<Line<'_>>> {
        if std::mem::take(&mut self.done) {
            self.line.clear();
            self.too_long = false;
        }
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            if available.is_empty() {
                return Ok(None);
            }
            let newline = available.iter().position(|byte| *byte == b'\n');
            let part = available.get(..newline.unwrap_or(available.len())).unwrap_or_default();
            self.too_long |= self.line.len() + part.len() > self.limit;
            if !self.too_long {
                self.line.extend_from_slice(part);
            }
            let taken = part.len() + usize::from(newline.is_some());
            self.reader.consume(taken);
            self.offset += taken as u64;
            if newline.is_some() {
                self.done = true;
                return Ok(Some(if self.too_long { Line::TooLong } else { Line::Whole(&self.line) }));
            }
        }
    }

    /// Bytes up to here: behind the last line.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether something stands behind the last line.
    pub fn is_torn(&self) -> bool {
        !self.done && (self.too_long || !self.line.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn lines_are_whole_and_bounded_however_they_come() {
        let text = b"one\n\ntwo long\nthree\nhalf";
        for room in [1, 2, 7, 100] {
            let mut lines = Lines::new(BufReader::with_capacity(room, &text[..]), 5, 0);
            let mut found = Vec::new();
            while let Some(line) = lines.read_next().unwrap() {
                let line = match line {
                    Line::Whole(line) => String::from_utf8(line.to_vec()).unwrap(),
                    Line::TooLong => "!".to_owned(),
                };
                found.push((line, lines.offset()));
            }
            let expected = [("one", 4), ("", 5), ("!", 14), ("three", 20)].map(|(line, offset)| (line.to_owned(), offset));
            assert_eq!(found, expected, "{room} bytes at a time");
            assert!(lines.is_torn());
        }
    }
}
