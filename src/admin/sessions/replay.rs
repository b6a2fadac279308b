//! `postern replay`: shows a recording, as it was or faster.

use std::time::{Duration, Instant};

use super::super::arguments::Arguments;
use super::super::output::complain;
use super::super::{Failure, Status};
use super::player::Player;
use super::store::Store;
use super::terminal::{Key, Terminal, Woken};
use super::when;

/// How far the arrows go, in milliseconds.
const LEAP: u64 = 5000;
/// What the two keys for speed do, and how far.
const FACTOR: f64 = 2.0;
const SPEEDS: std::ops::RangeInclusive<f64> = 0.0625..=1024.0;

pub fn replay(arguments: &Arguments) -> Result<Status, Failure> {
    let store = Store::of(arguments)?;
    let entry = store.find(arguments.operands.first().map(|id| id.as_os_str()), |entry| store.recording(&entry.id).is_some())?;
    let number = |name: &str| positive(arguments, name);
    let speed = number("speed")?.unwrap_or(1.0);
    if !SPEEDS.contains(&speed) {
        return Err(Failure::Usage(format!("--speed is from {} to {}", SPEEDS.start(), SPEEDS.end())));
    }
    let milliseconds = |seconds: f64| (seconds * 1000.0) as u64;
    let (idle, at) = (number("idle")?.map(milliseconds), number("at")?.map(milliseconds));
    let mut player = Player::open(store.open_recording(&entry.id)?)?;
    let command = command(arguments, &player)?;
    let terminal = Terminal::open(arguments.flag("plain").is_none()).map_err(|error| Failure::Other(format!("the terminal: {error}")))?;
    let shown = if terminal.has_keys() {
        let start = command.and_then(|mark| player.index.marks.get(mark)).map_or(0, |mark| mark.at).max(at.unwrap_or(0));
        Replay { player: &mut player, terminal: &terminal, speed, idle, position: start, since: Instant::now(), paused: false }.run()
    } else {
        plain(&mut player, &terminal, command, at)
    };
    terminal.write(&player.finish());
    drop(terminal);
    shown?;
    match &player.index.damage {
        Some(damage) => {
            complain(format_args!("postern: the recording stops at {}: {damage}", when::clock(player.index.length)));
            Ok(Status::Findings)
        }
        None => Ok(Status::Done),
    }
}

fn positive(arguments: &Arguments, name: &str) -> Result<Option<f64>, Failure> {
    let Some(value) = arguments.flag(name) else { return Ok(None) };
    let number = value.to_str().and_then(|value| value.parse().ok()).filter(|number: &f64| (0.0..1e9).contains(number));
    number.map(Some).ok_or_else(|| Failure::Usage(format!("--{name}: expected a number, such as 2 or 0.5")))
}

/// The mark of `--command`.
fn command(arguments: &Arguments, player: &Player) -> Result<Option<usize>, Failure> {
    let Some(value) = arguments.flag("command") else { return Ok(None) };
    let number =
        value.to_str().and_then(|value| value.parse().ok()).ok_or_else(|| Failure::Usage("--command: expected a number".to_owned()))?;
    let mark = player.index.command(number).ok_or_else(|| Failure::Other(format!("command {number} is not in the recording")))?;
    Ok(Some(mark))
}

/// Writes what there is, or what there is of one command, at once.
fn plain(player: &mut Player, terminal: &Terminal, command: Option<usize>, at: Option<u64>) -> Result<(), Failure> {
    if let Some(mark) = command {
        player.start_at(mark)?;
        terminal.write(&player.step());
    }
    while let Some(next) = player.next() {
        if command.is_some() && player.is_at_command() {
            break;
        }
        let shown = player.step();
        if terminal.is_left() || at.is_none_or(|at| next >= at) && !terminal.write(&shown) {
            break;
        }
    }
    Ok(())
}

/// A recording that is shown to somebody with keys.
struct Replay<'a> {
    player: &'a mut Player,
    terminal: &'a Terminal,
    speed: f64,
    /// No pause is longer than this many milliseconds.
    idle: Option<u64>,
    /// Where in the recording it was, and when that was.
    position: u64,
    since: Instant,
    paused: bool,
}

impl Replay<'_> {
    fn run(mut self) -> Result<(), Failure> {
        if self.position > 0 && !self.go_to(self.position)? {
            return Ok(());
        }
        while let Some(next) = self.player.next() {
            self.skip_idle(next);
            let wait = if self.paused { None } else { Some(self.until(next)) };
            match self.wait(wait)? {
                Woken::Keys(keys) => {
                    for key in keys {
                        if !self.press(key)? {
                            return Ok(());
                        }
                    }
                }
                Woken::Other if !self.paused && self.until(next).is_zero() => {
                    let shown = self.player.step();
                    if !self.terminal.write(&shown) {
                        return Ok(());
                    }
                    self.settle(next.max(self.now()));
                }
                Woken::Other => {}
            }
        }
        Ok(())
    }

    fn wait(&self, time: Option<Duration>) -> Result<Woken, Failure> {
        self.terminal.wait(&[], time).map_err(|error| Failure::Other(format!("the terminal: {error}")))
    }

    /// Whether it goes on.
    fn press(&mut self, key: Key) -> Result<bool, Failure> {
        let now = self.now();
        match key {
            Key::Quit => return Ok(false),
            Key::Pause => {
                self.settle(now);
                self.paused = !self.paused;
            }
            Key::Step => {
                self.paused = true;
                let (at, shown) = self.player.step_visibly();
                self.terminal.write(&shown);
                self.settle(at.max(now));
            }
            Key::Previous => return self.go_to(self.player.previous(now)),
            Key::Next => return self.go_to(self.player.following(now)),
            Key::Back => return self.go_to(now.saturating_sub(LEAP)),
            Key::Forward => return self.go_to((now + LEAP).min(self.player.index.length)),
            Key::Faster | Key::Slower => {
                self.settle(now);
                let speed = if key == Key::Faster { self.speed * FACTOR } else { self.speed / FACTOR };
                self.speed = speed.clamp(*SPEEDS.start(), *SPEEDS.end());
            }
        }
        Ok(true)
    }

    /// Whether it goes on: it can be left on the way to that moment, too.
    fn go_to(&mut self, at: u64) -> Result<bool, Failure> {
        self.terminal.write(&self.player.finish());
        let terminal = self.terminal;
        let arrived = self.player.seek(at, &mut |shown| terminal.write(shown) && !terminal.is_left())?;
        self.settle(at);
        Ok(arrived)
    }

    /// Where in the recording it is now.
    fn now(&self) -> u64 {
        let passed = if self.paused { 0.0 } else { self.since.elapsed().as_secs_f64() * self.speed * 1000.0 };
        self.position.saturating_add(passed as u64)
    }

    fn settle(&mut self, position: u64) {
        (self.position, self.since) = (position, Instant::now());
    }

    fn skip_idle(&mut self, next: u64) {
        if let Some(from) = self.idle.and_then(|idle| next.checked_sub(idle)).filter(|from| *from > self.now()) {
            self.settle(from);
        }
    }

    /// How long it is to a moment of the recording.
    fn until(&self, at: u64) -> Duration {
        Duration::try_from_secs_f64(at.saturating_sub(self.now()) as f64 / 1000.0 / self.speed).unwrap_or(Duration::MAX)
    }
}
