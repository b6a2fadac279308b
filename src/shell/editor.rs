//! The line editor at the prompt of a person.
//!
//! A terminal is a stranger: it types what a web page put on the clipboard, and answers questions that nobody here asked. So:
//!
//! - What is typed passes `screen::keyboard` first, which takes out the answers, ends pastes, and lets through the keys of a fixed table.
//! - A paste never runs anything. Bracketed paste is on; what is pasted is inserted as it is, and a line with a newline or a control
//!   character in it is refused by the parser, which shows why. Once something was pasted, Enter counts only after a pause that bytes of a
//!   paste do not make and a hand does.
//! - What is neither text nor a key stands in the line as one character that is shown, and is refused there, at its place (`words::typed`).
//! - No key inserts raw characters, suspends the shell, starts an editor or reads a file; history is in memory.
//!
//! The editor blocks in read(2) and may hold half a line: `sys::prompt` tells how the clocks of a session end it all the same.

use std::borrow::Cow;
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustyline::completion::{Candidate, Completer};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{
    Behavior, Cmd, ColorMode, CompletionType, ConditionalEventHandler, Config, Context, EditMode, Editor, Event, EventContext,
    EventHandler, Helper, KeyCode, KeyEvent, Modifiers, RepeatCount,
};

use super::clock::{Clock, Ending};
use super::complete::{self, Desktop, Suggestion};
use super::input::{Input, woken_by};
use crate::sys::prompt::{self, Wake};
use crate::words::escape::{Hazard, hazard};
use crate::words::limits::HISTORY_LINES;
use crate::words::typed::{self, Notice};

/// How long a hand takes from a paste to Enter at least.
const PASTE_PAUSE: Duration = Duration::from_millis(100);
/// Terminals that rustyline cannot edit on, as it names them.
const PLAIN_TERMINALS: [&str; 3] = ["dumb", "cons25", "emacs"];

/// Whether a terminal of this name can be edited on. Both streams must be one.
pub fn is_usable(term: Option<&str>) -> bool {
    use std::io::IsTerminal;
    let plain = term.is_some_and(|term| PLAIN_TERMINALS.iter().any(|plain| plain.eq_ignore_ascii_case(term)));
    !plain && io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Columns of the terminal on standard output; 80 where it has none.
pub fn columns() -> usize {
    prompt::window(io::stdout().as_fd()).map_or(80, |(columns, _)| usize::from(columns))
}

/// The line editor.
pub struct LineEditor {
    editor: Editor<Assistant, MemHistory>,
    keys: Arc<Keys>,
}

impl LineEditor {
    pub fn open(view: Desktop) -> rustyline::Result<LineEditor> {
        let config = Config::builder()
            .max_history_size(HISTORY_LINES)?
            .auto_add_history(false)
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .completion_prompt_limit(usize::MAX)
            .edit_mode(EditMode::Emacs)
            .color_mode(ColorMode::Enabled)
            .behavior(Behavior::Stdio)
            .bracketed_paste(true)
            .build();
        let keys = Arc::new(Keys::new());
        let history = MemHistory::with_config(&config);
        let mut editor = Editor::with_history(config, history)?;
        editor.set_helper(Some(Assistant { view, keys: Arc::clone(&keys) }));
        editor.bind_sequence(Event::Any, EventHandler::Conditional(Box::new(KeyHandler(Arc::clone(&keys)))));
        Ok(LineEditor { editor, keys })
    }

    /// Reads a line. `clock` may end the session meanwhile, and learns when the last key was pressed.
    pub fn read(&mut self, prompt: &str, view: Desktop, clock: &mut Clock) -> Input {
        if let Some(helper) = self.editor.helper_mut() {
            helper.view = view;
        }
        // What came before there was a line to wait for.
        if let Some(wake) = prompt::take() {
            return woken_by(wake, clock);
        }
        self.keys.begin(*clock);
        let read = self.editor.readline(prompt);
        *clock = self.keys.lock().clock;
        let error = match read {
            Ok(line) => {
                prompt::stop();
                let bytes = typed::restored(&line);
                return match self.keys.lock().notice {
                    Some(notice) => Input::NotTaken(bytes, notice),
                    None => Input::Line(bytes),
                };
            }
            Err(error) => error,
        };
        match (error, prompt::take()) {
            (_, Some(wake @ (Wake::Hangup | Wake::Terminate))) => woken_by(wake, clock),
            (ReadlineError::Interrupted | ReadlineError::Signal(_), wake) => woken_by(wake.unwrap_or(Wake::Interrupt), clock),
            (ReadlineError::Eof, _) => Input::End,
            (ReadlineError::Io(error), _) if error.kind() == io::ErrorKind::InvalidData => Input::NotText,
            // read(2) and write(2): the process has lost its terminal.
            (error, _) if is_lost(&error) => Input::Ended(Ending::Hangup),
            (error, _) => Input::Failed(error.to_string()),
        }
    }

    /// Makes a line one that the arrow keys bring back.
    pub fn remember(&mut self, line: &str) {
        // Memory cannot fail; what the editor leaves out (a repetition) it may leave out.
        let _ = self.editor.add_history_entry(line);
    }
}

fn is_lost(error: &ReadlineError) -> bool {
    match error {
        ReadlineError::Io(error) => error.raw_os_error() == Some(nix::errno::Errno::EIO as i32),
        ReadlineError::Errno(errno) => *errno == nix::errno::Errno::EIO,
        _ => false,
    }
}

/// What the keys of the line being edited have done so far.
struct Keys(Mutex<KeyState>);

struct KeyState {
    clock: Clock,
    /// Whether something was pasted into this line.
    pasted: bool,
    /// When the line changed last, or a key came.
    changed: Instant,
    /// Why the line is not to run.
    notice: Option<Notice>,
}

impl Keys {
    fn new() -> Keys {
        let now = Instant::now();
        Keys(Mutex::new(KeyState { clock: Clock::start(now), pasted: false, changed: now, notice: None }))
    }

    fn lock(&self) -> MutexGuard<'_, KeyState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new line: its prompt is a sign of life like a key.
    fn begin(&self, clock: Clock) {
        let now = Instant::now();
        *self.lock() = KeyState { clock, pasted: false, changed: now, notice: None };
        self.alive(now);
    }

    /// Puts off the idle time.
    fn alive(&self, now: Instant) {
        let mut state = self.lock();
        state.clock.touch(now);
        prompt::wake_after(state.clock.remaining(now));
    }

    /// The line is another one now.
    fn changed(&self) {
        self.lock().changed = Instant::now();
    }

    /// A key, and what it does where it does not do what it usually does.
    fn pressed(&self, key: KeyEvent, now: Instant) -> Option<Cmd> {
        self.alive(now);
        let mut state = self.lock();
        let since = now.saturating_duration_since(state.changed);
        state.changed = now;
        match key {
            KeyEvent(KeyCode::BracketedPasteStart, _) => {
                state.pasted = true;
                None
            }
            _ if is_enter(key) && state.pasted && since < PASTE_PAUSE => Some(Cmd::Noop),
            _ if is_enter(key) => Some(Cmd::AcceptLine),
            KeyEvent(KeyCode::Char(character), Modifiers::NONE) if let Some(notice) = typed::notice_of(character) => {
                state.notice = Some(notice);
                Some(Cmd::AcceptLine)
            }
            _ if is_ours(key) => None,
            _ => Some(Cmd::Noop),
        }
    }
}

/// Enter, Ctrl-M and Ctrl-J.
fn is_enter(key: KeyEvent) -> bool {
    matches!(key, KeyEvent(KeyCode::Enter, _) | KeyEvent(KeyCode::Char('J' | 'M'), Modifiers::CTRL))
}

/// Whether a key may do what the editor has it do. The filter of the keyboard knows the same ones.
fn is_ours(KeyEvent(code, modifiers): KeyEvent) -> bool {
    match (code, modifiers) {
        (KeyCode::Char(letter), Modifiers::CTRL) => "ABCDEFGHIKLNPRTUWY".contains(letter),
        (KeyCode::Char(letter), Modifiers::ALT) => "bBdDfF<>".contains(letter),
        (KeyCode::Backspace | KeyCode::Left | KeyCode::Right, Modifiers::ALT) => true,
        (KeyCode::Left | KeyCode::Right, Modifiers::CTRL) => true,
        (KeyCode::Insert | KeyCode::BackTab | KeyCode::F(_), _) => false,
        _ => modifiers == Modifiers::NONE,
    }
}

/// Sees every key first.
struct KeyHandler(Arc<Keys>);

impl ConditionalEventHandler for KeyHandler {
    fn handle(&self, event: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.pressed(*event.get(0)?, Instant::now())
    }
}

/// What the editor asks for while a line is edited.
struct Assistant {
    view: Desktop,
    keys: Arc<Keys>,
}

impl Debug for Assistant {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Assistant")
    }
}

impl Candidate for Suggestion {
    fn display(&self) -> &str {
        &self.shown
    }
    fn replacement(&self) -> &str {
        &self.replacement
    }
}

impl Completer for Assistant {
    type Candidate = Suggestion;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Suggestion>)> {
        let (start, found) = complete::complete(&self.view, line, position);
        let (columns, rows) = prompt::window(io::stdout().as_fd()).unwrap_or((80, 24));
        Ok((start, complete::fitting(found, columns.into(), rows.into())))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    /// Called whenever the line has changed, at the end of a paste too, which is no key.
    fn hint(&self, _: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.keys.changed();
        None
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if line.contains(is_not_shown) { line.chars().filter_map(shown).collect::<String>().into() } else { line.into() }
    }

    fn highlight_char(&self, line: &str, _: usize, _: CmdKind) -> bool {
        line.contains(is_not_shown)
    }
}

/// Whether a character of the line is shown as another one, or not at all.
fn is_not_shown(character: char) -> bool {
    is_unsafe_to_write(character) || typed::byte_of(character).is_some()
}

/// What a character of the line is shown as.
fn shown(character: char) -> Option<char> {
    match typed::byte_of(character) {
        Some(byte) => Some(typed::picture(byte)),
        None => (!is_unsafe_to_write(character)).then_some(character),
    }
}

/// Characters of no width that a terminal acts on; the filter of the keyboard lets none through. A newline is the editor's own.
fn is_unsafe_to_write(character: char) -> bool {
    character != '\n' && matches!(hazard(character), Some(Hazard::Nul | Hazard::Control | Hazard::Bidi))
}

impl Validator for Assistant {}
impl Helper for Assistant {}

#[cfg(test)]
mod tests {
    use super::*;

    const PASTE: KeyEvent = KeyEvent(KeyCode::BracketedPasteStart, Modifiers::NONE);
    const ENTER: KeyEvent = KeyEvent(KeyCode::Enter, Modifiers::NONE);

    fn letter(letter: char) -> KeyEvent {
        KeyEvent(KeyCode::Char(letter), Modifiers::NONE)
    }

    /// What a key does that comes `after` milliseconds.
    fn press(keys: &Keys, now: &mut Instant, key: KeyEvent, after: u64) -> Option<Cmd> {
        *now += Duration::from_millis(after);
        keys.pressed(key, *now)
    }

    #[test]
    fn enter_runs_a_typed_line_however_fast() {
        let (keys, mut now) = (Keys::new(), Instant::now());
        press(&keys, &mut now, letter('l'), 0);
        assert_eq!(press(&keys, &mut now, ENTER, 0), Some(Cmd::AcceptLine));
        assert_eq!(press(&keys, &mut now, KeyEvent::ctrl('J'), 0), Some(Cmd::AcceptLine));
    }

    #[test]
    fn enter_within_a_paste_runs_nothing_and_by_hand_it_does() {
        let (keys, mut now) = (Keys::new(), Instant::now());
        press(&keys, &mut now, PASTE, 5000);
        for _ in 0..3 {
            assert_eq!(press(&keys, &mut now, ENTER, 1), Some(Cmd::Noop), "behind a forged end of the paste");
            assert_eq!(press(&keys, &mut now, letter('x'), 1), None);
        }
        assert_eq!(press(&keys, &mut now, KeyEvent::ctrl('J'), 1), Some(Cmd::Noop));
        assert_eq!(press(&keys, &mut now, ENTER, 100), Some(Cmd::AcceptLine));
    }

    #[test]
    fn keys_that_lead_out_of_the_editor_do_nothing() {
        let (keys, mut now) = (Keys::new(), Instant::now());
        for key in ['Z', 'V', 'Q'] {
            assert_eq!(press(&keys, &mut now, KeyEvent::ctrl(key), 1), Some(Cmd::Noop), "{key}");
        }
        assert_eq!(press(&keys, &mut now, KeyEvent::ctrl('A'), 1), None);
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_echoed() {
        for (line, shown) in [("ls -l", "ls -l"), ("a\u{9b}2Jb", "a2Jb"), ("a\u{202e}b\x07", "ab"), ("a\nb", "a\nb")] {
            assert_eq!(line.replace(is_unsafe_to_write, ""), shown);
        }
    }
}
