//! The lines that clients send, as `policies/special/transfer.yaml` decides them. Of scp of OpenSSH 9.2 and rsync 3.5; older ones leave letters out.

use std::process::Command;

use super::host::Account;
use super::process::run;
use super::scene::{INCOMING, OUTGOING, scene};

const ALLOWED: [&str; 22] = [
    "scp -t IN",
    "scp -r -t IN",
    "scp -v -t IN/new",
    "scp -d -t IN",
    "scp -t -- IN",
    "scp -f OUT/file",
    "scp -r -p -f OUT",
    "internal-sftp",
    "internal-sftp -f AUTH -l ERROR",
    "sftp-server",
    "/usr/lib/openssh/sftp-server",
    "rsync --server -e.LsfxCIvu . IN/",
    "rsync --server -vlrcze.iLsfxCIvu . IN/",
    "rsync --server -e.LsfxCIvu --log-format=X --partial . IN/",
    "rsync --server -lre.iLsfxCIvu --log-format=%i --delete-after . IN/",
    "rsync --server -lre.iLsfxCIvu --max-size=10485760 . IN/",
    "rsync --server -be.LsfxCIvu --size-only . IN/",
    "rsync --server -lrRe.iLsfxCIvu . IN",
    "rsync --server --sender -vlogDtpre.iLsfxC . OUT",
    "rsync --server --sender -lHogDtpAXre.iLsfxCIvu --numeric-ids . OUT/file OUT/more",
    "rsync --server --sender -e.LsfxCIvu --compress-choice=zstd . OUT/file",
    "rsync --server --sender -vlogDtprze.iLsfxCIvu --bwlimit=100 . IN/file",
];

const REFUSED: [&str; 19] = [
    "scp -p -t IN",
    "scp -t OUT/file",
    "scp -t IN/../../../etc/cron.d",
    "scp -f /etc/passwd",
    "scp -S /bin/sh -f OUT/file",
    "scp OUT/file IN/file",
    "sftp-server -h",
    "sftp-server -u 0",
    "internal-sftp -u 0",
    "rsync --server -logDtpre.iLsfxCIvu . IN/",
    "rsync --server -e.LsfxCIvu . /etc",
    "rsync --server -e.LsfxCIvu --rsh=x . IN",
    "rsync --server -e sh . IN",
    "rsync --server -e.LsfxCIvu --temp-dir /etc . IN",
    "rsync --server --sender -e.LsfxCIvu --remove-source-files . OUT/file",
    "rsync --server --sender -se.LsfxCIvu",
    "rsync --server --sender -e.LsfxCIvu . /etc/passwd",
    "rsync --server --daemon .",
    "rsync OUT/file IN/file",
];

#[test]
fn the_lines_of_clients_are_taken_and_others_are_not() {
    let Some(scene) = scene() else { return };
    let account = Account::new("lines", &scene.host.shell);
    for (lines, status) in [(&ALLOWED[..], 0), (&REFUSED[..], 1)] {
        for line in lines {
            let line = line.replace("IN", INCOMING).replace("OUT", OUTGOING);
            let said = run(Command::new(env!("CARGO_BIN_EXE_postern")).args(["explain", "--account", &account.name, &line]), b"");
            assert_eq!(said.status, status, "{line}: {}{}", said.out(), said.err());
        }
    }
}
