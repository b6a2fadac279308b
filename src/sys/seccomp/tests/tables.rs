//! The table of calls, held against the kernel's headers, and the tree against the table.

use std::collections::HashMap;
use std::fs;

use super::super::filter::{ALLOW, KILL, NOT_PERMITTED, NOT_THERE, NOTIFY};
use super::super::table::{Class, LAST};
use super::super::{Assembler, Label, TooFar, Word};
use super::*;
use crate::words::skip;

const MACHINES: [Machine; 2] = [Machine::X86_64, Machine::Aarch64];

/// The classes of a number: one, or none where the machine has no such call.
fn classes(machine: Machine, number: u16) -> Vec<Class> {
    CALLS.iter().filter(|call| call.number(machine) == Some(number)).map(|call| call.class).collect()
}

/// Numbers that stand for nothing, or on aarch64 for calls of machines of 32 bits.
fn is_hole(machine: Machine, number: u16) -> bool {
    match machine {
        Machine::X86_64 => matches!(number, 337..=423 | 470..),
        Machine::Aarch64 => matches!(number, 244..=259 | 295..=423 | 470..),
    }
}

#[test]
fn each_number_is_in_one_class_or_not_there() {
    for machine in MACHINES {
        for number in 0..=550 {
            assert_eq!(classes(machine, number).len(), usize::from(!is_hole(machine, number)), "{number} of {machine:?}");
        }
    }
    assert!(CALLS.iter().all(|call| call.number(Machine::X86_64).is_some_and(|number| number <= LAST)));
}

#[test]
fn the_names_have_the_numbers_of_the_kernels_headers() {
    let headers =
        [(Machine::X86_64, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), (Machine::Aarch64, "/usr/include/asm-generic/unistd.h")];
    for (machine, header) in headers {
        let Ok(text) = fs::read_to_string(header) else {
            skip(&format!("there is no {header} to hold the table against"));
            continue;
        };
        let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let defined = words.filter_map(|words| match words[..] {
            ["#define", name, number] => {
                let name = name.strip_prefix("__NR3264_").or(name.strip_prefix("__NR_"))?;
                // The one that has another name where it is called.
                Some((if name == "fstatat" { "newfstatat" } else { name }.to_owned(), number.parse::<u16>().ok()?))
            }
            _ => None,
        });
        let defined: HashMap<String, u16> = defined.collect();
        assert!(defined.len() > 300, "{header}");
        // What a header does not have is newer than it, and is only by its number.
        let known = CALLS.iter().filter_map(|call| Some((call.name, call.number(machine)?, *defined.get(call.name)?)));
        let wrong: Vec<_> = known.clone().filter(|(_, ours, theirs)| ours != theirs).collect();
        assert_eq!(wrong, []);
        assert!(known.count() > 300);
        let unknown = defined.into_iter().filter(|&(_, number)| !is_hole(machine, number) && classes(machine, number).is_empty());
        assert_eq!(unknown.collect::<Vec<_>>(), []);
    }
}

/// Every number by its class, whatever else a filter holds; and the same below every tree, so that no range is cut wrongly.
#[test]
fn each_number_has_the_answer_of_its_class() {
    for machine in MACHINES {
        for calls in every_calls() {
            let filter = Filter::for_machine(machine, &calls, Some(COOKIE.into())).unwrap();
            let plain = |number| answer(&filter, machine, number, [0; 6]);
            for number in 0..=550 {
                let expected = match classes(machine, number as u16)[..] {
                    [Class::Plain] => ALLOW,
                    [Class::Refused] => NOT_PERMITTED,
                    [Class::Missing] | [] => NOT_THERE,
                    _ => continue,
                };
                assert_eq!(plain(number), expected, "{number} of {machine:?} under {calls:?}");
            }
            for number in [u32::from(LAST) + 1, 1000, 0x4000_0000, 0x4000_0000 | 59, 0x4000_0000 | 520, u32::MAX] {
                assert_eq!(plain(number), NOT_THERE, "{number:#x} under {calls:?}");
            }
        }
    }
}

#[test]
fn other_architectures_end_the_process() {
    for calls in every_calls() {
        let filter = Filter::new(&calls, Some(COOKIE.into())).unwrap();
        for architecture in [0x4000_0003, 0x4000_0028, 0xc000_00f3, 0] {
            for number in [0, 11, 59, 221, 358] {
                assert_eq!(run(&filter, architecture, number, COOKIE_ARGUMENTS).0, KILL, "{number} of {architecture:#x}");
            }
        }
    }
}

const COOKIE_ARGUMENTS: [u64; 6] = [COOKIE[0], COOKIE[1], COOKIE[2], 0, 0, 0];

#[test]
fn nothing_is_asked_where_nobody_listens() {
    for calls in every_calls().into_iter().filter(|calls| !calls.listener) {
        let filter = Filter::new(&calls, Some(COOKIE.into())).unwrap();
        assert!(filter.0.iter().all(|instruction| instruction.k != NOTIFY), "{calls:?}");
    }
}

#[test]
fn a_tree_leads_each_number_to_its_range() {
    // Ranges of all widths, and a label for each third of them.
    let firsts: Vec<u32> = (0..60_u32).scan(0, |first, step| Some(std::mem::replace(first, *first + 1 + (step * 7) % 5))).collect();
    for count in 1..firsts.len() {
        let mut program = Assembler::default();
        let labels: [Label; 3] = std::array::from_fn(|_| program.label());
        let ranges: Vec<_> = firsts[..count].iter().enumerate().map(|(index, &first)| (first, labels[index * index % 3])).collect();
        program.load(Word::Number);
        program.decide(&ranges);
        for (value, label) in (1..).zip(labels) {
            program.place(label);
            program.answer(value);
        }
        let filter = program.finish().unwrap();
        for number in (0..200).chain([u32::MAX]) {
            let index = firsts[..count].iter().rposition(|&first| first <= number).unwrap();
            assert_eq!(run(&filter, 0, number, [0; 6]).0, 1 + (index * index % 3) as u32, "{number} of {count} ranges");
        }
    }
}

#[test]
fn a_jump_that_bpf_cannot_make_is_an_error() {
    let long = |jump: fn(&mut Assembler, Label)| {
        let mut program = Assembler::default();
        let end = program.label();
        jump(&mut program, end);
        (0..300).for_each(|_| program.load(Word::Number));
        program.place(end);
        program.answer(ALLOW);
        program.finish().err()
    };
    assert_eq!(long(|program, end| program.jump_if(super::super::Test::Equal(1), end)), Some(TooFar));
    assert_eq!(long(|program, end| program.jump_unless(super::super::Test::Equal(1), end)), Some(TooFar));
    assert_eq!(long(Assembler::go), None);
}

/// What cannot be built direct is built with jumps that go far; what even those cannot do is an error, not another filter.
#[test]
fn many_processes_to_keep_from_fit_or_are_an_error() {
    for (count, fits) in [(2, true), (50, true), (100, true), (1000, false)] {
        let calls = Calls { signals: Signals::NotTo((1000..1000 + count).collect()), ..Calls::default() };
        let filter = Filter::new(&calls, Some(COOKIE.into()));
        assert_eq!(filter.is_ok(), fits, "{count}");
        let Ok(filter) = filter else { continue };
        let kill = number("kill", Machine::NATIVE).unwrap();
        let last = i64::from(1000 + count - 1);
        for (pid, expected) in [(last, NOT_PERMITTED), (-last, NOT_PERMITTED), (last + 1, ALLOW)] {
            assert_eq!(answer(&filter, Machine::NATIVE, kill, arguments(&[pid, 9])), expected, "{pid} of {count}");
        }
    }
}
