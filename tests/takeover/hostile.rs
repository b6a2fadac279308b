//! The shell with a front that was taken over: it seals itself as ours does, and then does what its first line says.
//!
//! It speaks with whatever the front has: the one socket to the guard, and the system calls that are left. What came of it, it prints.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

#[path = "hostile/calls.rs"]
mod calls;
#[path = "hostile/kernel.rs"]
mod kernel;

use std::process::ExitCode;

use postern::shell::desk::Desk;
use postern::shell::{main_with, seal};

fn main() -> ExitCode {
    main_with(hostile)
}

fn hostile(desk: Desk) -> u8 {
    let attack = asked();
    let Desk::Across(channel) = desk else { return 99 };
    let (kind, name) = attack.split_once(' ').unwrap_or((&attack, ""));
    let neighbours = (kind == "kernel").then(kernel::Neighbours::found);
    neighbours.iter().for_each(|neighbours| kernel::attempt("before", neighbours));
    seal().unwrap();
    match neighbours {
        Some(neighbours) => kernel::take_over(channel, &neighbours),
        None => calls::make(channel, name),
    }
    0
}

/// What our front would take for a line: the argument of `-c`, or of sshd's forced command what the client asked for.
fn asked() -> String {
    let line = std::env::args().nth(2).unwrap_or_default();
    if line == "posternsh --forced" { std::env::var("SSH_ORIGINAL_COMMAND").unwrap_or_default() } else { line }
}
