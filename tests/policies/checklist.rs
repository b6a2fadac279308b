//! The ten commands of the first sixty seconds on a slow host (Gregg and others, 2015), typed as they are written, on a terminal.

use super::host::host;
use super::pty::Terminal;

/// The line, what it shows, and whether it goes on until it is stopped.
const CHECKLIST: [(&str, &str, bool); 10] = [
    ("uptime", "load average", false),
    ("dmesg | tail", "", false),
    ("vmstat 1", "procs", true),
    ("mpstat -P ALL 1", "%usr", true),
    ("pidstat 1", "%CPU", true),
    ("iostat -xz 1", "Device", true),
    ("free -m", "Mem:", false),
    ("sar -n DEV 1", "IFACE", true),
    ("sar -n TCP,ETCP 1", "active/s", true),
    ("top", "load average", true),
];

#[test]
fn the_first_sixty_seconds_run_as_they_are_written() {
    let Some(host) = host() else { return };
    let mut terminal = Terminal::sized(host.shell(&[]), 40, 120);
    terminal.expect("> ");
    for (line, shows, goes_on) in CHECKLIST {
        terminal.line(line);
        terminal.expect(line);
        terminal.expect(shows);
        if goes_on {
            terminal.send("\x03");
        }
        // The prompt carries the status where that is not 0; a refusal would be 126, a missing program 127.
        // What a command prints may hold `> ` too.
        let before = terminal.expect("oncall@") + &terminal.expect("> ");
        assert!(!["[126]", "[127]", "[125]", "[2]", "not allowed"].iter().any(|bad| before.contains(bad)), "{line}: {before}");
    }
    terminal.line("exit");
    terminal.end();
}
