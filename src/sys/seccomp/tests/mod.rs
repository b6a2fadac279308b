//! What the filters answer: by the rules of BPF, of the kernel itself, and to programs.

mod allow_list;
mod answers;
mod capable;
mod cost;
mod kernel;
mod programs;
mod sockets;
mod tables;

use super::calls::{Exec, Inet, Signals, Unix};
use super::table::{CALLS, Machine};
use super::{Calls, Filter};
use crate::sys::capability::Capabilities;

const COOKIE: [u64; 3] = [0x1234_5678_9abc, 0x2345_6789_abc0, 0x3456_789a_bcd8];

/// What a filter answers, by the rules of BPF, and after how many instructions. The kernel cannot be asked about a call that is wrong in
/// one word of the cookie only, or of another machine.
fn run(filter: &Filter, architecture: u32, number: u32, arguments: [u64; 6]) -> (u32, usize) {
    let (mut at, mut loaded, mut kept, mut steps) = (0, 0, 0, 0);
    loop {
        let libc::sock_filter { code, jt, jf, k } = filter.0[at];
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        steps += 1;
        at += 1 + match u32::from(code) {
            0x20 => {
                loaded = match k {
                    0 => number,
                    4 => architecture,
                    _ => (arguments[(k as usize - 16) / 8] >> (8 * (k % 8))) as u32,
                };
                0
            }
            0x54 => {
                loaded &= k;
                0
            }
            0x07 => {
                kept = loaded;
                0
            }
            0x05 => k as usize,
            0x15 => jump(loaded == k),
            0x1d => jump(loaded == kept),
            0x35 => jump(loaded >= k),
            0x45 => jump(loaded & k != 0),
            0x06 => return (k, steps),
            other => panic!("instruction {other:#x}"),
        };
    }
}

/// What a filter answers to a call of a machine.
fn answer(filter: &Filter, machine: Machine, number: u32, arguments: [u64; 6]) -> u32 {
    run(filter, machine.architecture(), number, arguments).0
}

/// The number of a call by its name.
fn number(name: &str, machine: Machine) -> Option<u32> {
    CALLS.iter().find(|call| call.name == name).unwrap_or_else(|| panic!("{name}")).number(machine).map(u32::from)
}

/// Arguments, the rest 0. Negative numbers are as an `int` in a register may be: with the high half set.
fn arguments(given: &[i64]) -> [u64; 6] {
    std::array::from_fn(|index| given.get(index).copied().unwrap_or(0).cast_unsigned())
}

/// Filters of all kinds. Of the switches, which do not depend on each other, some combinations.
fn every_calls() -> Vec<Calls> {
    let mut all = Vec::new();
    for exec in [Exec::Once, Exec::Asked, Exec::Any] {
        for unix in [Unix::Pairs, Unix::Asked, Unix::Any] {
            for inet in [Inet::Idle, Inet::Asked { datagrams: false }, Inet::Asked { datagrams: true }, Inet::Outbound, Inet::Any] {
                for signals in [Signals::Free, Signals::Asked, Signals::NotTo(vec![100, 200])] {
                    for switches in [0b0000, 0b0001, 0b1110, 0b1111] {
                        let [listener, count_memory, guard_truncation, count_processes] = [1, 2, 4, 8].map(|bit| switches & bit != 0);
                        let signals = signals.clone();
                        let guards = Calls { guard_truncation, guard_set_ids: guard_truncation, ..Calls::default() };
                        let switched = Calls { listener, count_processes, count_memory, ..guards };
                        let held = Calls { exec, unix, inet, signals, ..switched };
                        let logged = Calls { log_files: true, ..held.clone() };
                        let capable = Calls { capabilities: opening(), read_only: true, trace: true, ..held.clone() };
                        all.extend([held, logged, capable]);
                    }
                }
            }
        }
    }
    all
}

/// All that open something.
fn opening() -> Capabilities {
    Capabilities::NET_RAW | Capabilities::NET_ADMIN | Capabilities::SYS_NICE | Capabilities::PERFMON | Capabilities::SYS_ADMIN
}

/// A bit that the kernel does not see in an `int`.
const HIGH: i64 = 1 << 40;

/// A call, its arguments and the answer.
type Row<'a> = (&'a str, &'a [i64], u32);

/// Both machines answer so, where they have the call.
fn check(calls: &Calls, rows: &[Row<'_>]) {
    for machine in [Machine::X86_64, Machine::Aarch64] {
        let filter = Filter::for_machine(machine, calls, Some(COOKIE.into())).unwrap();
        for (name, given, expected) in rows {
            let Some(number) = number(name, machine) else { continue };
            let found = answer(&filter, machine, number, arguments(given));
            assert_eq!(found, *expected, "{name}{given:x?} of {machine:?} under {calls:?}: {found:#x}, not {expected:#x}");
        }
    }
}

fn strictest() -> Calls {
    Calls::default()
}

fn listening() -> Calls {
    Calls { listener: true, ..Calls::default() }
}
