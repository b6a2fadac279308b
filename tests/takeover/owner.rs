//! Whose records they are, and as whom commands run, in the install that is owned by postern.

use std::os::unix::fs::MetadataExt;

use crate::process::run;
use crate::world::{BOTH, Install, of, world};

const AUDIT: &str = "/var/log/postern";

#[test]
fn records_and_datagrams_are_the_owners_and_out_of_the_accounts_reach() {
    for install in BOTH {
        let Some(world) = world(install) else { return };
        let owner = if install == Install::Root { 0 } else { world.owner };
        assert_eq!(world.line("true").status, 0);
        let entry = std::fs::read_dir(AUDIT).unwrap().next().unwrap().unwrap();
        let (path, metadata) = (entry.path(), entry.metadata().unwrap());
        assert_eq!((metadata.uid(), metadata.mode() & 0o007), (owner, 0), "{install:?}");
        for (test, of) in [("-r", &path), ("-w", &path), ("-w", &AUDIT.into()), ("-r", &AUDIT.into()), ("-x", &AUDIT.into())] {
            let tried = run(world.account.command("test".as_ref()).arg(test).arg(of), b"");
            assert_eq!(tried.status, 1, "{install:?}: {test} {}", of.display());
        }
        for script in ["rm -rf /var/log/postern/*", "mv /var/log/postern /tmp/", "ln -s /etc/passwd /var/log/postern/x"] {
            let tried = run(world.account.command("sh".as_ref()).args(["-c", &format!("{script}; test -e /var/log/postern/x")]), b"");
            assert_ne!(tried.status, 0, "{script}");
        }
        let records = world.session(None);
        let datagrams = world.datagrams();
        assert_eq!(datagrams.len(), records.len(), "{datagrams:?}");
        assert!(datagrams.iter().all(|(uid, _)| *uid == owner), "{install:?}: {datagrams:?}");
    }
}

/// The control: a datagram of the account's own is known as that.
#[test]
fn a_forged_datagram_says_who_sent_it() {
    let Some(world) = world(Install::Postern) else { return };
    let forge =
        "use IO::Socket; IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => '/run/postern-test/log')->send('<86>posternsh: @cee:{}')";
    let forged = run(world.account.command("perl".as_ref()).args(["-e", forge]), b"");
    assert_eq!(forged.status, 0, "{}", forged.err());
    crate::sandbox::await_that(|| "a datagram", || !world.datagrams().is_empty());
    assert_eq!(world.datagrams()[0].0, world.uid);
}

#[test]
fn other_users_and_capabilities_are_refused_with_the_reason_where_the_install_cannot_give_them() {
    let as_other = "this install runs commands as the account only (posternsh is owned by postern, not root)";
    let capable = "cannot give CAP_NET_RAW: this install runs without privilege";
    for (line, reason) in [("whoami", as_other), ("ping -c 1 127.0.0.1", capable)] {
        let Some(world) = world(Install::Postern) else { return };
        let refused = world.line(line);
        assert_eq!((refused.status, refused.err().contains(reason)), (126, true), "{line}: {}", refused.err());
        let records = world.session(None);
        assert!(of(&records, "command.deny")[0]["reason"].as_str().unwrap().contains(reason), "{line}");
    }
    let Some(world) = world(Install::Root) else { return };
    assert_eq!(world.line("whoami").out(), "nobody\n", "the control");
    world.session(None);
}
