//! Whatever the bytes: the loader answers, and an applied policy tells the truth or says that it is damaged.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

use postern::policy::Applied;
use postern::policy::applied::encode;
use postern::policy::compile::{Source, compile};
use proptest::prelude::*;

const POLICY: &str = concat!(
    "postern: 1\n",
    "hosts: ['db-*']\n",
    "types: { unit: { match: '[a-z]+' }, log: { path: ['/var/log/**'] }, n: { int: 1..10 } }\n",
    "confinements: { db: { base: service, sockets: [/run/pg], limits: { cpu: 5s } } }\n",
    "defaults: { confine: inspect, timeout: 60s, output: 16MiB }\n",
    "parts: { sc: '[--no-pager]' }\n",
    "env: { PGHOST: /run/pg }\n",
    "allow:\n",
    "  - uptime\n",
    "  - run: ['systemctl {sc} status <unit>...', 'tail [-n <n>] <log>']\n",
    "    confine: db\n",
    "  - 'journalctl [-u|--unit <unit>]... [-n <n>]'\n",
    "deny: ['journalctl ** --vacuum-size **', 'rm **']\n",
);

fn source(bytes: Vec<u8>) -> [Source; 1] {
    [Source::from(("policy.yaml".to_owned(), bytes))]
}

fn applied() -> Vec<u8> {
    encode(&compile(&source(POLICY.into())).expect("a policy")).expect("bytes")
}

/// All that an applied policy says: its digest, settings and scopes, and the rules of every command that matters.
fn answers(bytes: Vec<u8>) -> Result<Vec<String>, String> {
    let policy = Applied::open(Box::new(bytes)).map_err(|damaged| damaged.to_string())?;
    let mut said = vec![policy.digest().to_owned(), format!("{:?} {:?}", policy.settings(), policy.scopes())];
    for command in ["uptime", "systemctl", "tail", "journalctl", "rm", "ls", "id", "cat", "df", "ps", "top"] {
        said.push(format!("{:?}", policy.rules(command).map_err(|damaged| damaged.to_string())?));
    }
    said.push(policy.commands().map_err(|damaged| damaged.to_string())?.join(" "));
    Ok(said)
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = compile(&source(bytes));
    }

    #[test]
    fn random_yaml_never_panics(text in "([a-z]{0,3}[-:{}\\[\\]&*!|>'\"#%@`,?~. \n\t]{0,4}){0,60}") {
        let _ = compile(&source(text.into_bytes()));
    }

    #[test]
    fn mutated_policies_never_panic(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..12)) {
        let mut bytes = POLICY.as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let _ = compile(&source(bytes));
    }

    #[test]
    fn random_bytes_are_no_applied_policy(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(answers(bytes.clone()).is_err());
        let prefixed = [b"postern-applied5".to_vec(), bytes].concat();
        prop_assert!(answers(prefixed).is_err());
    }

    #[test]
    fn a_splice_of_two_policies_is_damaged(at in any::<prop::sample::Index>()) {
        let (one, other) = (applied(), encode(&compile(&source(POLICY.replace("60s", "61s").into())).expect("a policy")).expect("bytes"));
        prop_assert_eq!(one.len(), other.len());
        let at = at.index(one.len());
        let spliced = [&one[..at], &other[at..]].concat();
        if let Ok(said) = answers(spliced.clone()) {
            prop_assert!(said == answers(one).unwrap() || said == answers(other).unwrap());
        }
    }
}

#[test]
fn any_flipped_bit_is_damage_or_makes_no_difference() {
    let sound = applied();
    let truth = answers(sound.clone()).expect("sound");
    let mut damaged = 0;
    for at in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        match answers(bytes.clone()) {
            Ok(said) => assert_eq!(said, truth, "byte {at}"),
            Err(_) => damaged += 1,
        }
        let whole = Applied::open(Box::new(bytes)).and_then(|policy| policy.verify());
        assert!(whole.is_err(), "byte {at}: verify sees everything");
    }
    assert!(damaged * 10 > sound.len() * 9, "the questions cover nearly all of the file: {damaged} of {}", sound.len());
}

#[test]
fn a_cut_or_longer_file_is_damaged() {
    let sound = applied();
    for length in 0..sound.len() {
        assert!(answers(sound[..length].to_vec()).is_err(), "{length} bytes");
    }
    assert!(answers([sound, vec![0]].concat()).is_err());
}

#[test]
fn the_same_sources_give_the_same_bytes_and_others_another_digest() {
    assert_eq!(applied(), applied());
    let digest = |text: &str| Applied::from_sources(&source(text.into())).expect("a policy").0.digest().to_owned();
    assert_eq!(digest(POLICY).len(), 64);
    for (from, to) in
        [("uptime", "uptimes"), ("60s", "61s"), ("db-*", "db-?"), ("inspect", "sealed"), ("rm **", "rm -f **"), ("/run/pg }", "/run/px }")]
    {
        assert_ne!(digest(POLICY), digest(&POLICY.replace(from, to)), "{from} to {to}");
    }
}

#[test]
fn every_command_is_found_however_many_there_are() {
    let forms: String = (0..3000).map(|number| format!("  - cmd{number}\n")).collect();
    let policy = Applied::from_sources(&source(format!("postern: 1\nallow:\n{forms}").into())).expect("a policy").0;
    policy.verify().expect("sound");
    assert_eq!(policy.commands().expect("sound").len(), 3000);
    for number in 0..3000u32 {
        let rules = policy.rules(&format!("cmd{number}")).expect("sound").expect("rules");
        assert_eq!(rules.allow.iter().map(|rule| rule.line).collect::<Vec<_>>(), [number + 3]);
    }
    assert!(policy.rules("cmd3000").expect("sound").is_none());
}
