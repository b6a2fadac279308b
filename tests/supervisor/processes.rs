use std::process::{Command, Stdio};

use postern::confine::Oversight;

use crate::acts::Say;
use crate::harness::{Act, alone, told};

const SIGNALS: [i64; 5] = [libc::SYS_kill, libc::SYS_tkill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];

/// Signal 0 to each of the words, by each call; then to processes of its own, groups, and all.
pub fn signal(words: &[String], say: Say<'_>) {
    let info = [0_u64; 16];
    let mut queued = info;
    // si_code SI_QUEUE.
    queued[1] = 0xffff_ffff;
    for word in words {
        let pid: i32 = word.parse().unwrap();
        for result in unsafe {
            [
                libc::syscall(libc::SYS_kill, pid, 0),
                libc::syscall(libc::SYS_tkill, pid, 0),
                libc::syscall(libc::SYS_tgkill, pid, pid, 0),
                libc::syscall(libc::SYS_rt_sigqueueinfo, pid, 0, queued.as_ptr()),
                libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, pid, 0, queued.as_ptr()),
            ]
        } {
            say(told(result));
        }
    }
    let mut own = Command::new("sleep").arg("30").spawn().unwrap();
    let mut kill = |pid: i32, signal: i32| say(told(unsafe { libc::kill(pid, signal) }.into()));
    kill(own.id() as i32, 0);
    kill(unsafe { libc::getpid() }, 0);
    kill(0, 0);
    kill(-unsafe { libc::getpgrp() }, 0);
    kill(-1, 0);
    kill(i32::MIN, 0);
    // Into the shell's own group, and then all of that.
    let shell = std::env::var("POSTERN_TEST_SHELL").unwrap().parse().unwrap();
    assert_eq!(unsafe { libc::setpgid(0, libc::getpgid(shell)) }, 0);
    kill(0, 0);
    kill(own.id() as i32, libc::SIGKILL);
    say(own.wait().unwrap().to_string());
}

#[test]
fn signals_reach_what_the_command_started_and_nothing_else() {
    let _alone = alone();
    // In a process namespace the group may be one from outside, which has no number here.
    if nix::unistd::getpgrp().as_raw() == 0 {
        nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0)).unwrap();
    }
    let mut stranger = Command::new("sleep").arg("30").stdout(Stdio::null()).spawn().unwrap();
    let (shell, other, parent) = (std::process::id().to_string(), stranger.id().to_string(), nix::unistd::getppid().as_raw().to_string());
    let words = [shell.as_str(), &other, &parent, "1"];
    let control = Act::new("signal", &words[..2], &[], Oversight::default()).run();
    assert_eq!(control.lines[..10], ["ok"; 10]);
    let run = Act::new("signal", &words, &SIGNALS, Oversight::default()).run();
    assert_eq!(run.lines[..20], ["EPERM"; 20]);
    assert_eq!(run.lines[20..], ["ok", "ok", "ok", "ok", "EPERM", "EPERM", "EPERM", "ok", "signal: 9 (SIGKILL)"]);
    assert!(stranger.try_wait().unwrap().is_none());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

/// Forks until it cannot, half of them from daemons; says how many there were.
pub fn start_many(words: &[String], say: Say<'_>) {
    let wanted: i32 = words[0].parse().unwrap();
    let mut pipe = [0; 2];
    unsafe { libc::pipe(pipe.as_mut_ptr()) };
    let mut started = 0;
    let mut failed = "ok".to_owned();
    for _ in 0..wanted {
        match unsafe { libc::fork() } {
            0 => {
                // Until the command has ended.
                unsafe { libc::close(pipe[1]) };
                unsafe { libc::setsid() };
                unsafe { libc::read(pipe[0], [0_u8].as_mut_ptr().cast(), 1) };
                unsafe { libc::_exit(0) };
            }
            -1 => {
                failed = told(-1);
                break;
            }
            _ => started += 1,
        }
    }
    say(format!("{started} {failed}"));
}

#[test]
fn there_are_no_more_processes_than_the_limit() {
    let _alone = alone();
    let forks = if cfg!(target_arch = "x86_64") { vec![libc::SYS_clone, 57, 58] } else { vec![libc::SYS_clone] };
    let with = |limit: Option<u64>| {
        let oversight = Oversight { processes: limit, ..Oversight::default() };
        let run = Act::new("start many", &["40"], &forks, oversight).run();
        (run.lines[0].clone(), run.too_many)
    };
    assert_eq!(with(None), ("40 ok".to_owned(), false));
    assert_eq!(with(Some(100)), ("40 ok".to_owned(), false));
    // The command itself is one of them.
    assert_eq!(with(Some(20)), ("19 EAGAIN".to_owned(), true));
    assert_eq!(with(Some(1)), ("0 EAGAIN".to_owned(), true));
}
