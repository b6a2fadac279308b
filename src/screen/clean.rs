//! Text of our own that holds what others wrote.

use super::filter::{Filter, Output};

/// A whole text as a screen may be sent it: through a filter of its own, and with nothing left set behind it.
pub fn clean(text: &[u8]) -> Vec<u8> {
    let mut filter = Filter::new(0, 0);
    let mut cleaned = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut buffer = [0; 4096];
    while !rest.is_empty() {
        let progress = filter.pass(rest, &mut buffer);
        cleaned.extend_from_slice(buffer.get(..progress.written).unwrap_or_default());
        rest = rest.get(progress.taken..).unwrap_or_default();
    }
    let mut out = Output::new(&mut buffer);
    filter.settle(&mut out);
    let written = out.written();
    cleaned.extend_from_slice(buffer.get(..written).unwrap_or_default());
    cleaned
}
