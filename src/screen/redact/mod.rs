//! Secrets in what is shown and recorded, replaced by the name of the pattern and a fingerprint: `[redacted jwt 3f9a1c2e]`.
//!
//! A courtesy against accidents, no boundary: whoever wants a secret out writes it in another way (`base64`, `cut -c`, `tr`), and no pattern has
//! it. What keeps secrets in are the doors: exact commands, hidden files, no network.
//!
//! Redaction is a function of the text, not of the writes that it came in. Nothing here allocates, so that the relay can use it; an own
//! matcher does without the regex engine, whose caches grow at run time. What is held back is less than [`HELD`] bytes: from where a secret may
//! begin until it is known. A secret that is longer is swallowed while its digest runs.
//!
//! Not seen: secrets that a full-screen program wraps over lines or addresses by the cursor; encoded ones (a Kubernetes secret's `data`);
//! passwords behind no name, and those that read as prose.
//!
//! | file | what it is |
//! |---|---|
//! | `set` | sets of bytes |
//! | `hmac` | the fingerprint |
//! | `pattern` | how patterns are written and matched |
//! | `patterns` | secrets known by how they begin |
//! | `key` | secrets known by their name |
//! | `value` | whether what a name names is a secret |
//! | `block` | key material over many lines |
//! | `scan` | where anything may begin, fast |
//! | `window` | what is held, and its text without styles |
//! | `found` | counts |

mod block;
mod found;
mod hmac;
mod key;
mod pattern;
mod patterns;
mod scan;
mod set;
mod value;
mod window;

use std::fmt::{self, Debug, Formatter};
use std::io;

use super::Progress;
use crate::sys::random;
pub use found::Found;
use hmac::Hmac;
use pattern::{Place, REACH, Secret, Verdict};
use set::Set;
use window::{RAW, Sequence, Window, sequence};

/// Bytes that a [`Redactor`] holds back at most.
pub const HELD: usize = RAW;
/// How many times longer than the text the redacted one may be: a password of a few bytes becomes a fingerprint.
pub const GROWTH: usize = 8;

/// Bytes of one replacement.
const MARK: usize = 64;
/// Bytes that are held before they are looked at again.
const STEP: usize = 32;

/// What fingerprints are made with. Without it nobody can try passwords on them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; Key::BYTES]);

impl Key {
    pub const BYTES: usize = 32;

    /// A key for one session.
    ///
    /// # Errors
    /// What `getrandom(2)` says.
    pub fn random() -> io::Result<Key> {
        Ok(Key(random::bytes()?))
    }

    pub fn from_bytes(bytes: [u8; Key::BYTES]) -> Key {
        Key(bytes)
    }

    /// For another process of the same session.
    pub fn bytes(&self) -> &[u8; Key::BYTES] {
        &self.0
    }
}

impl Debug for Key {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Takes the secrets out of a stream of text.
pub struct Redactor {
    fresh: Hmac,
    mode: Mode,
    /// Text that is not decided on.
    window: Window,
    /// The end of the text before it.
    gone: Gone,
    /// What is decided and not written.
    ready: Ready,
    found: Found,
}

enum Mode {
    Text,
    /// In a secret that goes on as long as these bytes do.
    Secret(&'static str, &'static Set, Hmac),
    Block(Block),
}

struct Block {
    id: &'static str,
    digest: Hmac,
    /// Whether any of it was key.
    has_begun: bool,
    /// Whether the last byte was in a word that is key.
    in_word: bool,
}

/// Why what is held is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// More is there.
    Now,
    /// No more came for a while.
    Pause,
    /// No more will come.
    End,
}

impl Debug for Redactor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("found", &self.found).finish_non_exhaustive()
    }
}

impl Redactor {
    /// Some five kilobytes, and no more later.
    pub fn new(key: &Key) -> Redactor {
        let fresh = Hmac::new(&key.0);
        Redactor { fresh, mode: Mode::Text, window: Window::new(), gone: Gone::new(), ready: Ready::new(), found: Found::default() }
    }

    /// Passes a piece of text on, without its secrets. What may be a part of one is held.
    pub fn pass(&mut self, input: &[u8], out: &mut [u8]) -> Progress {
        let mut progress = Progress::default();
        loop {
            let rest = out.get_mut(progress.written..).unwrap_or_default();
            progress.written += self.ready.drain(rest);
            if !self.ready.is_empty() {
                return progress;
            }
            if self.settle(When::Now) {
                continue;
            }
            let rest = input.get(progress.taken..).unwrap_or_default();
            if rest.is_empty() {
                return progress;
            }
            if matches!(self.mode, Mode::Text) && self.window.is_empty() {
                let room = out.get_mut(progress.written..).unwrap_or_default();
                let count = self.skim(rest, room);
                let is_full = count == room.len();
                progress.taken += count;
                progress.written += count;
                if is_full {
                    return progress;
                }
            }
            progress.taken += self.fill(input.get(progress.taken..).unwrap_or_default());
        }
    }

    /// Decides on what is held as if the text ended: after a command, and where a file ends. To be called until it writes nothing.
    pub fn flush(&mut self, out: &mut [u8]) -> Progress {
        self.settle_all(When::End, out)
    }

    /// Decides on what is held because nothing came for a while, for a screen: a secret that has begun stays hidden to its end. To be called
    /// until it writes nothing.
    pub fn pause(&mut self, out: &mut [u8]) -> Progress {
        self.settle_all(When::Pause, out)
    }

    /// Whether there is anything that [`pause`](Redactor::pause) would write.
    pub fn is_holding(&self) -> bool {
        !self.ready.is_empty() || matches!(self.mode, Mode::Text) && !self.window.is_empty()
    }

    /// What was replaced since this was last asked.
    pub fn take_found(&mut self) -> Found {
        std::mem::take(&mut self.found)
    }

    fn settle_all(&mut self, when: When, out: &mut [u8]) -> Progress {
        let mut written = 0;
        loop {
            written += self.ready.drain(out.get_mut(written..).unwrap_or_default());
            if !self.ready.is_empty() || !self.settle(when) {
                return Progress { taken: 0, written };
            }
        }
    }

    /// Copies text in which nothing begins; how much.
    fn skim(&mut self, input: &[u8], out: &mut [u8]) -> usize {
        let run = input.get(..out.len()).unwrap_or(input);
        let mut done = 0;
        while let Some(rest) = run.get(done..).filter(|rest| !rest.is_empty()) {
            // What is behind a sequence is looked at where sequences are told apart.
            let text = window::plain(rest);
            let hit = scan::find(Place { gone: self.gone.bytes(), here: text, at: 0, end: false });
            let plain = hit.unwrap_or(text.len());
            self.gone.push(text.get(..plain).unwrap_or_default());
            done += plain;
            let rest = run.get(done..).unwrap_or_default();
            if hit.is_some() {
                break;
            }
            if rest.first() != Some(&window::ESCAPE) {
                continue;
            }
            match sequence(rest) {
                Sequence::Style(length) => done += length,
                Sequence::Other(length) => {
                    self.gone.push(b"\x1b");
                    done += length;
                }
                Sequence::Partial => break,
            }
        }
        if let (Some(to), Some(from)) = (out.get_mut(..done), run.get(..done)) {
            to.copy_from_slice(from);
        }
        done
    }

    /// Holds a little of the input; how much.
    fn fill(&mut self, input: &[u8]) -> usize {
        let mut count = 0;
        for byte in input.iter().take(STEP) {
            if self.window.is_full() {
                break;
            }
            self.window.push(*byte);
            count += 1;
        }
        count
    }

    /// Decides on a part of what is held. Whether it could.
    fn settle(&mut self, when: When) -> bool {
        if when != When::Now && matches!(self.mode, Mode::Text) || when == When::End {
            self.window.close();
        }
        if self.window.is_styles() && !self.window.is_empty() {
            self.release(0);
            return true;
        }
        match &mut self.mode {
            Mode::Text => self.settle_text(when),
            Mode::Secret(..) => self.settle_secret(when),
            Mode::Block(_) => self.settle_block(when),
        }
    }

    fn settle_text(&mut self, when: When) -> bool {
        if self.window.text().is_empty() {
            return false;
        }
        let place = Place { gone: self.gone.bytes(), here: self.window.text(), at: 0, end: when != When::Now };
        match scan::verdict(place) {
            Verdict::Yes(secret) => {
                self.begin(secret);
                let goes_on = when == When::Pause && self.window.is_empty() && *secret.rest != Set::NONE;
                if !goes_on {
                    self.finish();
                }
            }
            Verdict::Block(id, length) => {
                self.release(length);
                self.mode = Mode::Block(Block { id, digest: self.fresh.clone(), has_begun: false, in_word: false });
            }
            Verdict::More(_) if !self.window.is_full() => return false,
            Verdict::More(Some(secret)) => self.begin(secret),
            Verdict::More(None) | Verdict::No => {
                let next = scan::find(Place { at: 1, ..place });
                self.release(next.unwrap_or(place.here.len()));
            }
        }
        true
    }

    fn settle_secret(&mut self, when: When) -> bool {
        let Mode::Secret(_, rest, _) = &self.mode else { return false };
        let count = rest.span(self.window.text());
        self.absorb(count);
        if !self.window.text().is_empty() || when == When::End {
            self.finish();
            return true;
        }
        count > 0
    }

    fn settle_block(&mut self, when: When) -> bool {
        let Mode::Block(state) = &mut self.mode else { return false };
        let text = self.window.text();
        if state.in_word {
            let count = block::MATERIAL.span(text);
            state.in_word = count == text.len() && when != When::End;
            let is_over = !state.in_word;
            self.absorb(count);
            return count > 0 || is_over;
        }
        match block::next(text, when == When::End) {
            block::Next::More if !self.window.is_full() => return false,
            block::Next::More | block::Next::Ended => self.finish(),
            block::Next::Key(from, to) => self.absorb_key(from, to),
            block::Next::Announced(from, to) => {
                if from < to {
                    self.absorb_key(from, to);
                }
                self.finish();
            }
        }
        true
    }

    /// Hides key material; what stands before the first of it stays.
    fn absorb_key(&mut self, from: usize, to: usize) {
        let Mode::Block(block) = &mut self.mode else { return };
        block.in_word = true;
        let plain = if block.has_begun { 0 } else { from };
        block.has_begun = true;
        self.release(plain);
        self.absorb(to - plain);
    }

    fn begin(&mut self, secret: Secret) {
        self.release(secret.from);
        self.mode = Mode::Secret(secret.id, secret.rest, self.fresh.clone());
        self.absorb(secret.to - secret.from);
    }

    /// Takes text as a part of the secret; styles in it stay, so that the terminal is in the state that it should be in.
    fn absorb(&mut self, count: usize) {
        let text = self.window.text().get(..count).unwrap_or_default();
        match &mut self.mode {
            Mode::Text => {}
            Mode::Secret(_, _, digest) => digest.update(text),
            // However its lines are broken and indented, a key has one fingerprint.
            Mode::Block(block) => text.split(|byte| !block::MATERIAL.has(*byte)).for_each(|word| block.digest.update(word)),
        }
        self.window.styles(count).for_each(|byte| self.ready.push(&[byte]));
        self.window.drop_first(count);
    }

    /// Ends a secret.
    fn finish(&mut self) {
        let (id, digest) = match std::mem::replace(&mut self.mode, Mode::Text) {
            Mode::Secret(id, _, digest) => (id, digest),
            Mode::Block(Block { id, digest, has_begun: true, .. }) => (id, digest),
            Mode::Block(_) | Mode::Text => return,
        };
        self.ready.push(b"[redacted ");
        self.ready.push(id.as_bytes());
        self.ready.push(b" ");
        for byte in digest.finish().iter().take(4) {
            self.ready.push(&[byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' - 10 + digit }));
        }
        self.ready.push(b"]");
        // No word, and no end of a name.
        self.gone.push(b"*");
        self.found.add(id);
    }

    /// Lets text through.
    fn release(&mut self, count: usize) {
        self.ready.push(self.window.first(count));
        self.gone.push(self.window.text().get(..count).unwrap_or_default());
        self.window.drop_first(count);
    }
}

/// The last bytes of text that went by.
struct Gone {
    bytes: [u8; REACH],
    length: usize,
}

impl Gone {
    const fn new() -> Gone {
        Gone { bytes: [0; REACH], length: 0 }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(REACH - self.length..).unwrap_or_default()
    }

    fn push(&mut self, text: &[u8]) {
        let text = text.get(text.len().saturating_sub(REACH)..).unwrap_or_default();
        self.bytes.copy_within(text.len().., 0);
        if let Some(end) = self.bytes.get_mut(REACH - text.len()..) {
            end.copy_from_slice(text);
        }
        self.length = (self.length + text.len()).min(REACH);
    }
}

/// What waits for room: at most what was held, and one replacement.
struct Ready {
    bytes: [u8; RAW + MARK],
    from: usize,
    to: usize,
}

impl Ready {
    const fn new() -> Ready {
        Ready { bytes: [0; RAW + MARK], from: 0, to: 0 }
    }

    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(space) = self.bytes.get_mut(self.to..self.to + bytes.len()) {
            space.copy_from_slice(bytes);
            self.to += bytes.len();
        }
    }

    fn drain(&mut self, out: &mut [u8]) -> usize {
        let waiting = self.bytes.get(self.from..self.to).unwrap_or_default();
        let count = waiting.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), waiting.get(..count)) {
            to.copy_from_slice(from);
        }
        self.from += count;
        if self.is_empty() {
            (self.from, self.to) = (0, 0);
        }
        count
    }
}

/// A whole text without its secrets.
pub fn redact(key: &Key, text: &[u8]) -> (Vec<u8>, Found) {
    let mut redactor = Redactor::new(key);
    let (mut clean, mut taken, mut out) = (Vec::with_capacity(text.len()), 0, [0; 1024]);
    loop {
        let rest = text.get(taken..).unwrap_or_default();
        let step = if rest.is_empty() { redactor.flush(&mut out) } else { redactor.pass(rest, &mut out) };
        clean.extend(out.iter().take(step.written));
        taken += step.taken;
        if rest.is_empty() && step.written == 0 {
            return (clean, redactor.take_found());
        }
    }
}

/// The words of an argument list without their secrets: what a word means may stand in the one before it (`--password`, `curl`).
pub fn redact_words<W: AsRef<[u8]>>(key: &Key, words: &[W]) -> (Vec<Vec<u8>>, Found) {
    let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
    // No word has a NUL, and no secret.
    let (clean, found) = redact(key, &words.join(&0));
    let clean = if words.is_empty() { Vec::new() } else { clean.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect() };
    (clean, found)
}
