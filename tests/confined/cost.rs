//! What a spawn costs: `cargo test --release --test confined -- --ignored --nocapture cost`.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use postern::sys::descriptor::copy_above_standard;
use postern::sys::process::{Group, Prepared, Spec};

const ROUNDS: usize = 500;

fn ours(directory: &Rc<OwnedFd>, null: &Rc<OwnedFd>, one_exec: bool) -> Duration {
    let start = Instant::now();
    let prepared = Prepared::new(Spec {
        program: Path::new("/bin/true"),
        argv: &["true".to_owned()],
        environment: &["LANG=C".to_owned()],
        directory: Rc::clone(directory),
        descriptors: std::array::from_fn(|_| Rc::clone(null)),
        identity: None,
        one_exec,
    });
    waitpid(prepared.unwrap().spawn(Group::New, None).unwrap(), None).unwrap();
    start.elapsed()
}

/// The standard library's, which is `posix_spawn` and does nothing of what ours does.
fn theirs() -> Duration {
    let start = Instant::now();
    assert!(Command::new("/bin/true").env_clear().status().unwrap().success());
    start.elapsed()
}

#[test]
#[ignore = "a measurement"]
fn cost_of_a_spawn() {
    let directory = Rc::new(open("/", OFlag::O_PATH, Mode::empty()).unwrap());
    let null = Rc::new(copy_above_standard(open("/dev/null", OFlag::O_RDWR, Mode::empty()).unwrap()).unwrap());
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        times[0].push(theirs());
        times[1].push(ours(&directory, &null, false));
        times[2].push(ours(&directory, &null, true));
    }
    for (name, mut times) in ["posix_spawn, bare", "ours, any exec", "ours, one exec"].into_iter().zip(times) {
        times.sort();
        let _ = writeln!(std::io::stderr().lock(), "{name:20} {:>5} us (median of {ROUNDS})", times[ROUNDS / 2].as_micros());
    }
}
