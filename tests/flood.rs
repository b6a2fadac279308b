//! A command that shows more than anybody reads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/house.rs"]
#[allow(dead_code)]
mod house;
#[path = "support/pty.rs"]
#[allow(dead_code)]
mod pty;

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use house::House;
use pty::Terminal;

/// What memory may vary by: buffers have one size, and are there from the first time that they are full. The flood is of gigabytes.
const SLACK: u64 = 1 << 20;
/// Bytes that may be on their way when a command ends: in the terminals, and in the relay.
const ON_THE_WAY: usize = 512 << 10;

/// A session with a flood on a slow line.
fn flood() -> (House, Terminal) {
    let house = House::new();
    let mut policy = fs::read_to_string(house.policy()).unwrap();
    policy.push_str("  - 'yes'\n");
    fs::write(house.policy(), policy).unwrap();
    let mut terminal = Terminal::start(house.shell(&[]));
    terminal.expect("> ");
    terminal.line("yes");
    read_slowly(&mut terminal, 10);
    (house, terminal)
}

/// At 100 kB/s, for so many tenths of a second.
fn read_slowly(terminal: &mut Terminal, tenths: usize) {
    for _ in 0..tenths {
        terminal.read(10_000);
        sleep(Duration::from_millis(100));
    }
}

/// All processes of a session.
fn processes(process: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    let below = children.split_whitespace().flat_map(|child| processes(child.parse().unwrap()));
    [process].into_iter().chain(below).collect()
}

/// Memory that only they have, in bytes (proc_pid_smaps(5)); of those that show it.
fn memory(processes: &[u32]) -> u64 {
    let of = |process: &u32| -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().unwrap() << 10)
    };
    processes.iter().filter_map(of).sum()
}

/// Time that they have worked, in clock ticks, hundredths of a second (proc_pid_stat(5)).
fn work(processes: &[u32]) -> u64 {
    let of = |process: &u32| -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
    };
    processes.iter().filter_map(of).sum()
}

#[test]
fn a_flood_costs_constant_memory_and_no_work_while_nobody_reads() {
    let (_house, mut terminal) = flood();
    let processes = processes(terminal.process());
    assert!(processes.len() >= 4, "guard, front, relay and command: {processes:?}");
    let before = memory(&processes);
    read_slowly(&mut terminal, 30);
    let after = memory(&processes);
    assert!(after <= before + SLACK, "{before} bytes became {after}");
    let second = || {
        let before = work(&processes);
        sleep(Duration::from_secs(1));
        work(&processes) - before
    };
    // The first is that in which the last room fills.
    let worked: Vec<u64> = (0..5).map(|_| second()).collect();
    assert!(worked.iter().skip(1).any(|ticks| *ticks <= 2), "ticks of work a second, and nobody reads: {worked:?}");
}

#[test]
fn ctrl_c_ends_a_flood_after_what_was_on_its_way() {
    let (house, mut terminal) = flood();
    let shown = terminal.raw().len();
    terminal.send("\x03");
    terminal.expect(" [130]> ");
    let behind = terminal.raw().len() - shown;
    assert!(behind < ON_THE_WAY, "{behind} bytes");
    let end = &house.events("command.end")[0];
    assert_eq!(end["stages"][0]["status"]["signal"], "INT", "{end}");
    terminal.line("echo goes on");
    terminal.expect("\ngoes on\n");
}
