//! What we build on: the crates in Cargo.lock are those of `dependencies.txt`, each with a reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;

const LOCK: &str = include_str!("../Cargo.lock");
const REASONS: &str = include_str!("dependencies.txt");

const REGISTRY: &str = r#"source = "registry+https://github.com/rust-lang/crates.io-index""#;

/// Name and the rest of each package.
fn packages(lock: &str) -> Vec<(&str, &str)> {
    let entries = lock.split("[[package]]\n").skip(1);
    entries.map(|entry| entry.strip_prefix("name = \"").and_then(|entry| entry.split_once("\"\n")).expect(entry)).collect()
}

fn reasons(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once("  ").unwrap_or_else(|| panic!("no reason: {line}"))).map(|(name, why)| (name, why.trim())).collect()
}

/// What is wrong with a lock file, by a list of reasons.
fn objections(lock: &str, list: &str) -> Vec<String> {
    let (packages, reasons) = (packages(lock), reasons(list));
    let mut balance: BTreeMap<&str, i32> = BTreeMap::new();
    packages.iter().for_each(|(name, _)| *balance.entry(name).or_default() += 1);
    reasons.iter().for_each(|(name, _)| *balance.entry(name).or_default() -= 1);
    let counted = balance.into_iter().filter(|(_, count)| *count != 0).map(|(name, count)| match count {
        1.. => format!("{name}: in Cargo.lock more often than in tests/dependencies.txt; why is it there?"),
        _ => format!("{name}: in tests/dependencies.txt more often than in Cargo.lock"),
    });
    let strangers =
        packages.iter().filter(|(name, rest)| *name != "postern" && !(rest.contains(REGISTRY) && rest.contains("checksum = \"")));
    counted.chain(strangers.map(|(name, _)| format!("{name}: not from the registry, or without a checksum"))).collect()
}

#[test]
fn every_crate_has_a_reason() {
    assert_eq!(objections(LOCK, REASONS), [""; 0]);
    let names: Vec<&str> = reasons(REASONS).into_iter().map(|(name, _)| name).collect();
    assert!(names.is_sorted(), "the list is sorted");
}

#[test]
fn a_crate_without_a_reason_is_found() {
    let entry = |name: &str, rest: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\n{rest}\n");
    let known = entry("nix", &format!("{REGISTRY}\nchecksum = \"00\""));
    for (lock, list, objection) in [
        (known.clone(), "nix  system calls", ""),
        (known.clone(), "", "nix: in Cargo.lock more often than in tests/dependencies.txt; why is it there?"),
        (known.clone() + &known, "nix  system calls", "nix: in Cargo.lock more often than in tests/dependencies.txt; why is it there?"),
        (String::new(), "nix  system calls", "nix: in tests/dependencies.txt more often than in Cargo.lock"),
        (entry("nix", "source = \"git+https://example.org/nix\""), "nix  calls", "nix: not from the registry, or without a checksum"),
    ] {
        assert_eq!(objections(&lock, list).join("; "), objection);
    }
}
