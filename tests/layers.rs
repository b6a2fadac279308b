//! The structure of the source, held to the table in `src/lib.rs`: who may use whom, and where `unsafe` and `libc` may stand.
//!
//! The compiler holds `unsafe` itself; what it cannot see is that nobody takes the lint away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// The layers from the top down, as the table names them.
fn layers() -> Vec<String> {
    let text = fs::read_to_string(source().join("lib.rs")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split_once("`]"));
    let layers: Vec<String> = rows.map(|(name, _)| name.to_owned()).collect();
    let modules: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(layers, modules, "the table has the modules in their order");
    assert!(layers.len() > 5);
    layers
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file of a layer: its path as messages name it, its text.
fn files(layer: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut places = vec![source().join(layer)];
    while let Some(place) = places.pop() {
        if place.is_dir() {
            places.extend(fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()));
        } else if place.extension().is_some_and(|extension| extension == "rs") {
            let name = place.strip_prefix(source()).unwrap().display().to_string();
            files.push((name, fs::read_to_string(&place).unwrap()));
        }
    }
    assert!(!files.is_empty(), "no file in {layer}");
    files
}

/// The code of a file: without comments, line by line.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The words that code names, in order: identifiers, `::`, and braces.
fn words(code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let identifier = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = match identifier {
            0 if rest.starts_with("::") => 2,
            0 => first.len_utf8(),
            length => length,
        };
        let (word, behind) = rest.split_at(length);
        if !word.trim().is_empty() {
            words.push(word);
        }
        rest = behind;
    }
    words
}

/// The layers that code names: behind each `prefix`, the words that lead to the crate itself, alone or in a group `{…}`.
fn uses<'a>(words: &[&'a str], prefix: &[&str]) -> Vec<&'a str> {
    let starts_a_path = |at: usize| at == 0 || words[at - 1] != "::";
    let ends = (0..words.len()).filter(|at| starts_a_path(*at) && words[*at..].starts_with(prefix)).map(|at| at + prefix.len());
    ends.flat_map(|end| match words[end..].first() {
        Some(&"{") => group(&words[end + 1..]),
        Some(name) => vec![*name],
        None => Vec::new(),
    })
    .collect()
}

/// The first word of each path in a group, up to its closing brace.
fn group<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let (mut found, mut depth, mut first) = (Vec::new(), 0, true);
    for word in words {
        match *word {
            "{" => depth += 1,
            "}" if depth == 0 => break,
            "}" => depth -= 1,
            "," if depth == 0 => first = true,
            word if first => {
                found.push(word);
                first = false;
            }
            _ => {}
        }
    }
    found
}

/// How many `super` lead from a file to the crate: `record/mod.rs` 1, `record/file.rs` 2.
fn depth(name: &str) -> usize {
    Path::new(name).with_extension("").components().filter(|part| part.as_os_str() != "mod").count()
}

/// What is wrong with a file of a layer.
fn objections(layers: &[String], layer: &str, name: &str, text: &str) -> Vec<String> {
    let code = code(text);
    let words = words(&code);
    let place = |name: &str| layers.iter().position(|layer| layer == name);
    let to_the_crate = ["super", "::"].repeat(depth(name));
    let used = uses(&words, &["crate", "::"]).into_iter().chain(uses(before_tests(&words), &to_the_crate));
    let below = used.filter(|used| place(used).is_some_and(|used| Some(used) > place(layer)));
    let mut objections: Vec<String> = below.map(|used| format!("{name} uses {used}, which is below {layer}")).collect();
    for word in ["unsafe", "libc"] {
        if layer != "sys" && words.contains(&word) {
            objections.push(format!("{name} names {word}, which only sys may"));
        }
    }
    if name == format!("{layer}/mod.rs") && layer != "sys" && !code.contains("#![forbid(unsafe_code)]") {
        objections.push(format!("{name} does not forbid unsafe code"));
    }
    objections
}

/// Inside `mod tests`, one `super` more is needed.
fn before_tests<'a, 'b>(words: &'b [&'a str]) -> &'b [&'a str] {
    let tests = words.windows(2).position(|pair| pair == ["mod", "tests"]).unwrap_or(words.len());
    &words[..tests]
}

#[test]
fn layers_use_only_those_above_them() {
    let layers = layers();
    let objections: Vec<String> = layers
        .iter()
        .flat_map(|layer| files(layer).into_iter().map(move |(name, text)| (layer, name, text)))
        .flat_map(|(layer, name, text)| objections(&layers, layer, &name, &text))
        .collect();
    assert_eq!(objections, [""; 0]);
}

#[test]
fn every_source_file_belongs_to_a_layer() {
    let layers = layers();
    let binaries = ["bin", "lib.rs"];
    for entry in fs::read_dir(source()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(binaries.contains(&name.as_str()) || layers.iter().any(|layer| layer == module), "src/{name} is in no layer");
    }
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    assert!(code(&lib).contains("#![deny(unsafe_code)]"));
}

/// What asks the C library for users, groups or hosts, which loads modules of others into the process, or does not work in a static one.
/// `initgroups` is also a word of ours, so it counts behind the name of a library only.
fn asks_the_c_library(text: &str) -> Vec<String> {
    const CALLS: [&str; 7] = ["getpw", "setpw", "getgrnam", "getgrgid", "getgrent", "getgrouplist", "getaddrinfo"];
    const NAMES: [&str; 4] = ["gethostbyname", "ToSocketAddrs", "home_dir", "lookup_host"];
    let code = code(text);
    let words = words(&code);
    let libraries = [&["nix", "::", "unistd", "::"][..], &["unistd", "::"], &["libc", "::"]];
    let of_libraries = libraries.into_iter().flat_map(|library| uses(&words, library));
    let of_libraries = of_libraries.filter(|word| ["User", "Group", "initgroups"].contains(word));
    let is_call = |word: &&&str| NAMES.contains(*word) || CALLS.iter().any(|call| word.starts_with(call));
    of_libraries.chain(words.iter().filter(is_call).copied()).map(str::to_owned).collect()
}

#[test]
fn nobody_asks_the_c_library_for_users() {
    let found: Vec<String> = layers()
        .iter()
        .flat_map(|layer| files(layer))
        .flat_map(|(name, text)| asks_the_c_library(&text).into_iter().map(move |word| format!("{name} asks {word}")))
        .collect();
    assert_eq!(found, [""; 0]);
    for (text, found) in [
        ("use nix::unistd::{self, Gid, User};", "User"),
        ("unistd::Group::from_name(name)", "Group"),
        ("unsafe { libc::getpwent() }", "getpwent"),
        ("use nix::unistd::getgrouplist;", "getgrouplist"),
        ("nix::unistd::initgroups(name, gid)", "initgroups"),
        ("fn initgroups(user: User, group: Group) { getgroups() }", ""),
        ("// getpwnam", ""),
    ] {
        assert_eq!(asks_the_c_library(text).join(" "), found, "{text}");
    }
}

#[test]
fn a_breach_is_found() {
    let layers = layers();
    let head = "#![forbid(unsafe_code)]\n";
    for (layer, name, text, objection) in [
        ("policy", "policy/mod.rs", "use crate::words::Span;", ""),
        ("policy", "policy/x.rs", "use crate::exec::run;", "policy/x.rs uses exec, which is below policy"),
        ("policy", "policy/x.rs", "fn f() { crate::exec::run() }", "policy/x.rs uses exec, which is below policy"),
        ("policy", "policy/x.rs", "use crate::{words::{self, Span}, exec};", "policy/x.rs uses exec, which is below policy"),
        ("policy", "policy/x.rs", "use super::super::exec::run;", "policy/x.rs uses exec, which is below policy"),
        ("policy", "policy/mod.rs", "use super::exec;", "policy/mod.rs uses exec, which is below policy"),
        ("policy", "policy/x.rs", "use super::exec; // a module of its own", ""),
        ("policy", "policy/x.rs", "// crate::exec is below", ""),
        ("exec", "exec/x.rs", "use crate::policy::Terms;", ""),
        ("exec", "exec/x.rs", "fn f() { unsafe { g() } }", "exec/x.rs names unsafe, which only sys may"),
        ("exec", "exec/x.rs", "use libc::c_int;", "exec/x.rs names libc, which only sys may"),
        ("sys", "sys/x.rs", "fn f() { unsafe { libc::fork() } }", ""),
    ] {
        assert_eq!(objections(&layers, layer, name, &format!("{head}{text}")).join("; "), objection, "{text}");
    }
    assert_eq!(objections(&layers, "exec", "exec/mod.rs", ""), ["exec/mod.rs does not forbid unsafe code"]);
}
