//! What a filter costs: `cargo test --release --lib seccomp::tests::cost -- --ignored --nocapture`.

use std::io::Write;
use std::time::{Duration, Instant};

use super::super::install;
use super::*;

const ROUNDS: usize = 400;

/// How long the kernel takes to install a filter, in a child that ends.
fn installation(filter: &Filter) -> Duration {
    let program = filter.program();
    let mut ends = [0; 2];
    // SAFETY: the child makes system calls only, on what was there before the fork; both pipe ends are ours.
    unsafe {
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            let start = Instant::now();
            let installed = install(&program);
            let nanoseconds = start.elapsed().as_nanos() as u64;
            libc::write(ends[1], std::ptr::from_ref(&nanoseconds).cast(), 8);
            libc::_exit(i32::from(installed.is_err()));
        }
        let (mut nanoseconds, mut status) = (0_u64, 0);
        assert_eq!(libc::read(ends[0], std::ptr::from_mut(&mut nanoseconds).cast(), 8), 8);
        libc::waitpid(child, &mut status, 0);
        libc::close(ends[0]);
        libc::close(ends[1]);
        assert_eq!(status, 0);
        Duration::from_nanos(nanoseconds)
    }
}

fn median(mut times: Vec<Duration>) -> (u128, u128) {
    times.sort();
    (times[0].as_micros(), times[times.len() / 2].as_micros())
}

#[test]
#[ignore = "a measurement"]
fn cost_of_a_filter() {
    let service = Calls { listener: true, unix: Unix::Asked, signals: Signals::Free, ..Calls::default() };
    let busiest = Calls {
        listener: true,
        exec: Exec::Asked,
        unix: Unix::Asked,
        inet: Inet::Asked { datagrams: true },
        signals: Signals::NotTo(vec![100, 200]),
        guard_truncation: true,
        guard_set_ids: true,
        count_processes: true,
        count_memory: true,
        ..Calls::default()
    };
    let filters = [
        ("inspect", Filter::new(&Calls { listener: true, signals: Signals::Free, ..Calls::default() }, Some(COOKIE.into()))),
        (
            "inspect, no listener, old Landlock",
            Filter::new(
                &Calls { signals: Signals::NotTo(vec![100, 200]), guard_truncation: true, ..Calls::default() },
                Some(COOKIE.into()),
            ),
        ),
        ("service", Filter::new(&service, Some(COOKIE.into()))),
        ("all that can be asked for", Filter::new(&busiest, Some(COOKIE.into()))),
    ];
    let filters = filters.map(|(name, filter)| (name, filter.unwrap()));
    let mut times = [const { Vec::new() }; 5];
    for _ in 0..ROUNDS {
        for (times, (_, filter)) in times.iter_mut().zip(&filters) {
            times.push(installation(filter));
        }
    }
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| drop(std::hint::black_box(Filter::new(&busiest, Some(COOKIE.into())))));
    let building = start.elapsed() / ROUNDS as u32;
    let mut out = std::io::stderr().lock();
    for ((name, filter), times) in filters.iter().zip(times) {
        let steps: usize = (0..470).map(|number| run(filter, Machine::NATIVE.architecture(), number, [0; 6]).1).sum();
        let (minimum, median) = median(times);
        let _ = writeln!(
            out,
            "{name:36} {:3} instructions, {:2} on the way on average; installed in {minimum} us at least, {median} us median",
            filter.0.len(),
            steps / 470
        );
    }
    let _ = writeln!(out, "built in {} us", building.as_micros());
}
