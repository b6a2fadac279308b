//! The size of the window.

use super::pty::HAND;
use super::support::*;

#[test]
fn a_command_has_the_size_of_the_window_and_hears_of_another_one() {
    let house = plain_house();
    let mut terminal = sized_session(&house, 30, 100);
    terminal.run("sh -c 'stty size'", "\n30 100\n");
    terminal.line("freely -e '$SIG{WINCH} = sub { system q(stty size); exit }; $| = 1; print qq(ready\\n); sleep 1 while 1'");
    terminal.expect("\nready\n");
    terminal.resize(20, 60);
    terminal.expect("20 60\n");
    terminal.expect("> ");
    terminal.resize(43, 132);
    terminal.read_until_silent(HAND);
    terminal.run("sh -c 'stty size'", "\n43 132\n");
    leave(&mut terminal);
    let recording = recording(&house);
    let header = recording.header();
    assert_eq!((&header["width"], &header["height"]), (&100.into(), &30.into()));
    assert_eq!(recording.data("r"), ["60x20", "132x43"]);
}

#[test]
fn a_long_line_is_drawn_again_in_another_window() {
    let house = plain_house();
    let mut terminal = session(&house);
    let long = format!("echo begin {} end", "x".repeat(90));
    terminal.send(&long);
    terminal.expect("begin");
    terminal.read_until_silent(HAND);
    let before = terminal.raw().len();
    terminal.resize(24, 50);
    terminal.read_until_silent(HAND);
    let drawn = String::from_utf8_lossy(&terminal.raw()[before..]).into_owned();
    assert!(drawn.contains("begin") && drawn.contains("end"), "{drawn:?}");
    terminal.line("");
    terminal.expect(&format!("\nbegin {} end\n", "x".repeat(90)));
}
