//! The machine that `tests/sandbox` makes for one test binary, and loud skips outside of it.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Exists inside the sandbox only; root's, and readable by all.
pub const ROOT: &str = "/run/postern-test";

/// Says loudly that a test did not run. Not through `println!`, which the test harness swallows. `tests/run` counts these lines.
pub fn skip(why: &str) {
    let _ = writeln!(io::stderr().lock(), "SKIPPED: {why}");
}

/// Whether accounts, policies and daemons may be made here.
pub fn entered() -> bool {
    let inside = Path::new(ROOT).is_dir();
    if !inside {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        skip(&format!("{test}: it would change this machine, and is not inside tests/sandbox; tests/run puts it there"));
    }
    inside
}

/// Waits until something is there, up to half a minute: long enough for a loaded machine, and a failure names what was awaited.
pub fn await_some<T, W: Display>(what: impl Fn() -> W, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "still waiting for {}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until something holds.
pub fn await_that<W: Display>(what: impl Fn() -> W, mut holds: impl FnMut() -> bool) {
    await_some(what, || holds().then_some(()));
}
