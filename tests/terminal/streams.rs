//! Without a terminal.

use std::io::Read;
use std::process::Stdio;
use std::thread;

use super::support::*;

#[test]
fn output_and_error_stay_apart_and_are_the_same_bytes() {
    let house = plain_house();
    let every = r"print map chr, 0..255; print STDERR map chr, reverse 0..255; print qq(\e]52;c;eA==\a\e[6n); print STDERR qq(\xff\r\n)";
    let output = house.run(&format!("freely -e '{every}'"));
    let all: Vec<u8> = (0..=255).collect();
    let reversed: Vec<u8> = (0..=255).rev().collect();
    assert!(output.stdout == [&all[..], b"\x1b]52;c;eA==\x07\x1b[6n"].concat(), "{:?}", output.stdout);
    assert!(output.stderr == [&reversed[..], b"\xff\r\n"].concat(), "{:?}", output.stderr);
    assert_eq!(output.status.code(), Some(0));
    let end = &house.events("command.end")[0];
    assert_eq!((&end["bytes_out"], &end["bytes_err"]), (&272.into(), &259.into()), "{end}");
    assert!(end.get("screen").is_none(), "data is not filtered: {end}");
}

/// What both streams repeat: all bytes, at lengths that no buffer has.
fn block() -> Vec<u8> {
    (0..9973_usize).map(|index| (index * 7 + index / 256) as u8).collect()
}

const BLOCKS: usize = 5014;

#[test]
fn fifty_megabytes_pass_a_pipe_unchanged() {
    let house = plain_house();
    let path = file(&house, "block", block());
    let script = file(&house, "many.pl", "local $/; $block = <>; for (1..5014) { print $block; print STDERR $block if $_ % 50 == 0 }");
    let line = format!("freely {} {}", script.display(), path.display());
    for line in [line.clone(), format!("{line} | cat")] {
        let mut shell = house.shell(&["-c", &line]);
        let mut child = shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let errors = thread::spawn(move || count_blocks(&mut errors));
        assert_eq!(count_blocks(&mut child.stdout.take().unwrap()), BLOCKS, "{line}");
        assert_eq!(errors.join().unwrap(), BLOCKS / 50);
        assert!(child.wait().unwrap().success());
    }
}

/// How many blocks there are, and nothing else.
fn count_blocks(stream: &mut dyn Read) -> usize {
    let (block, mut read, mut count) = (block(), Vec::new(), 0);
    loop {
        read.resize(block.len(), 0);
        let mut length = 0;
        while length < block.len() {
            match stream.read(&mut read[length..]).unwrap() {
                0 => {
                    assert_eq!(length, 0, "half a block behind {count}");
                    return count;
                }
                more => length += more,
            }
        }
        assert!(read == block, "block {count}");
        count += 1;
    }
}
