//! Lists of what the shell's own processes may call.

use super::super::allow_list::{Allowed, Check, ListError, Otherwise};
use super::super::filter::{ALLOW, KILL, NOT_PERMITTED};
use super::*;

/// Two that stand side by side on x86_64 (read, write), the first number of all, and calls with arguments.
fn list() -> Vec<Allowed> {
    let mut list = Allowed::all(&["read", "write", "exit_group", "poll"]);
    list.push(Allowed::only("ioctl", [Check::OneOf(1, vec![0x5401, 0x5413])]));
    list.push(Allowed::only("mmap", [Check::Without(2, 4)]));
    list.push(Allowed::only("sendto", [Check::Null(4)]));
    list.push(Allowed::only("socketpair", [Check::OneOf(0, vec![1]), Check::OneOf(1, vec![1])]));
    list
}

#[test]
fn what_is_listed_is_let_through_and_nothing_else() {
    for (otherwise, refused) in [(Otherwise::Refuse, NOT_PERMITTED), (Otherwise::Kill, KILL)] {
        for machine in [Machine::X86_64, Machine::Aarch64] {
            let filter = Filter::allowing_on(machine, &list(), otherwise).unwrap();
            for call in CALLS {
                let Some(number) = call.number(machine).map(u32::from) else { continue };
                let with_zeros = ["read", "write", "exit_group", "poll", "mmap", "sendto"].contains(&call.name);
                let expected = if with_zeros { ALLOW } else { refused };
                assert_eq!(answer(&filter, machine, number, [0; 6]), expected, "{} of {machine:?}", call.name);
            }
            // What nobody knows, x32, and another architecture.
            for number in [470, 5000, 0x4000_0000, 0x4000_0001, u32::MAX] {
                assert_eq!(answer(&filter, machine, number, [0; 6]), refused, "{number:#x}");
            }
            assert_eq!(run(&filter, 0x4000_0003, 1, [0; 6]).0, KILL);
        }
    }
}

#[test]
fn arguments_are_looked_at_as_the_kernel_takes_them() {
    let rows: &[Row] = &[
        ("ioctl", &[0, 0x5401], ALLOW),
        ("ioctl", &[-1, 0x5413 | HIGH], ALLOW),
        ("ioctl", &[0, 0x5412], NOT_PERMITTED),
        ("ioctl", &[0, 0x5412 | HIGH], NOT_PERMITTED),
        ("mmap", &[0, 0, 3], ALLOW),
        ("mmap", &[0, 0, 7], NOT_PERMITTED),
        ("mmap", &[0, 0, 4 | HIGH], NOT_PERMITTED),
        ("sendto", &[3, 1, 1, 0, 0], ALLOW),
        ("sendto", &[3, 1, 1, 0, 1], NOT_PERMITTED),
        ("sendto", &[3, 1, 1, 0, HIGH], NOT_PERMITTED),
        ("socketpair", &[1, 1], ALLOW),
        ("socketpair", &[2, 1], NOT_PERMITTED),
        ("socketpair", &[1, 2], NOT_PERMITTED),
    ];
    for machine in [Machine::X86_64, Machine::Aarch64] {
        let filter = Filter::allowing_on(machine, &list(), Otherwise::Refuse).unwrap();
        for (name, given, expected) in rows {
            let number = number(name, machine).unwrap();
            assert_eq!(answer(&filter, machine, number, arguments(given)), *expected, "{name}{given:x?} of {machine:?}");
        }
    }
}

#[test]
fn a_name_that_does_not_exist_is_no_list() {
    let filter = Filter::allowing(&Allowed::all(&["read", "raed"]), Otherwise::Kill);
    assert_eq!(filter.err(), Some(ListError::Unknown("raed")));
}
