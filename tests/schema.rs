//! `policies/policy.schema.json` says what the loader says: the same keys, and the same verdict on documents as far as a schema can see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use postern::policy::compile::{Source, compile};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn schema() -> Value {
    serde_json::from_str(&std::fs::read_to_string(root().join("policies/policy.schema.json")).unwrap()).unwrap()
}

fn source(text: &str) -> Source {
    Source { name: "policy.yaml".to_owned(), bytes: text.as_bytes().to_vec(), main: true }
}

/// A key that is near no other, so that the loader lists those that it knows.
const UNKNOWN: &str = "zzqqxx";

/// A map of the policy with [`UNKNOWN`] in it, and where the schema describes that map.
const MAPS: &[(&str, &str)] = &[
    ("zzqqxx: 1", "/properties"),
    ("defaults: { accept: { zzqqxx: x } }", "/properties/defaults/properties/accept/properties"),
    ("defaults: { zzqqxx: 1 }", "/properties/defaults/properties"),
    ("audit: { zzqqxx: 1 }", "/properties/audit/properties"),
    ("record: { zzqqxx: 1 }", "/properties/record/oneOf/1/properties"),
    ("session: { zzqqxx: 1 }", "/properties/session/properties"),
    ("confinement: { zzqqxx: 1 }", "/properties/confinement/oneOf/1/properties"),
    ("types: { t: { zzqqxx: 1 } }", "/$defs/type/properties"),
    ("confinements: { c: { zzqqxx: 1 } }", "/$defs/confinement/properties"),
    ("confinements: { c: { limits: { zzqqxx: 1 } } }", "/$defs/limits/properties"),
    ("confinements: { c: { accept: { zzqqxx: x } } }", "/$defs/confinement/properties/accept/properties"),
    ("allow: [{ zzqqxx: 1 }]", "/$defs/allow/oneOf/1/properties"),
    ("allow: [{ run: a, accept: { zzqqxx: x } }]", "/$defs/allow/oneOf/1/properties/accept/properties"),
    ("deny: [{ zzqqxx: 1 }]", "/$defs/deny/oneOf/1/properties"),
];

#[test]
fn the_schema_has_the_keys_of_the_loader() {
    let schema = schema();
    for (map, pointer) in MAPS {
        let findings = compile(&[source(&format!("postern: 1\n{map}\n"))]).err().unwrap();
        let about = findings.iter().find(|finding| finding.message.contains(UNKNOWN)).unwrap_or_else(|| panic!("{map}: {}", findings[0]));
        let known = about.help.as_deref().unwrap().split_once(": ").unwrap().1;
        let loader: BTreeSet<&str> = known.split(", ").collect();
        let described = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}")).as_object().unwrap();
        assert_eq!(loader, described.keys().map(String::as_str).collect(), "{map}");
        let owner = schema.pointer(pointer.rsplit_once('/').unwrap().0).unwrap();
        assert_eq!(owner["additionalProperties"], Value::Bool(false), "{map}");
    }
}

/// Documents that a schema can judge.
const DOCUMENTS: &[(&str, bool)] = &[
    ("postern: 1\nallow: [uptime]\n", true),
    ("allow: [uptime]\n", false),
    ("postern: 2\nallow: [uptime]\n", false),
    ("postern: 1\nmode: observe\nhosts: ['db-*', '!db-9']\naccounts: [me, '%oncall']\nfrom: [10.0.0.0/8]\nallow: [df]\n", true),
    ("postern: 1\nmode: sometimes\nallow: [df]\n", false),
    ("postern: 1\nalow: [df]\n", false),
    ("postern: 1\nallow: df\n", false),
    ("postern: 1\nallow: ['true', { run: [a, b], as: 'x:y', confine: sealed, timeout: 5m, output: 1MiB, note: n, confirm: true }]\n", true),
    ("postern: 1\nallow: [true]\n", false),
    ("postern: 1\nallow: [{ as: root }]\n", false),
    ("postern: 1\nallow: [{ run: a, timeout: 5 minutes }]\n", false),
    ("postern: 1\nallow: [{ run: a, output: 12 parsecs }]\n", false),
    ("postern: 1\nallow: [{ run: a, options: loose }]\n", false),
    ("postern: 1\nallow: [{ run: a, home: mine }]\n", false),
    ("postern: 1\nallow: [{ run: a, confirm: maybe }]\n", false),
    ("postern: 1\nallow: [a]\ndeny: ['a ** -x', { run: b, note: never }]\n", true),
    ("postern: 1\nallow: [a]\ndeny: [{ run: b, as: root }]\n", false),
    ("postern: 1\ntypes: { t: { match: x } }\nallow: ['a <t>']\n", true),
    ("postern: 1\ntypes: { t: { path: /var/log, except: x, dash: true } }\nallow: ['a <t>']\n", true),
    ("postern: 1\ntypes: { t: { match: x, int: 1..2 } }\nallow: ['a <t>']\n", false),
    ("postern: 1\ntypes: { t: { except: x } }\nallow: ['a <t>']\n", false),
    ("postern: 1\ntypes: { t: { one_of: [a, 'yes'] } }\nallow: ['a <t>']\n", true),
    ("postern: 1\ntypes: { t: { one_of: [1] } }\nallow: ['a <t>']\n", false),
    ("postern: 1\ntypes: { t: { one_of: [true] } }\nallow: ['a <t>']\n", false),
    ("postern: 1\nenv: { N: 1 }\nallow: [a]\n", false),
    ("postern: 1\ntypes: { T: { match: x } }\nallow: [a]\n", false),
    ("postern: 1\nparts: { p: '[-l]' }\nallow: ['ls {p}']\n", true),
    ("postern: 1\nparts: { p: [l] }\nallow: ['ls {p}']\n", false),
    (
        "postern: 1\nconfinements: { c: { base: inspect, read: [/srv], exec: [/usr/bin/grep], network: ['tcp:443', 80], processes: look } }\nallow: [a]\n",
        false,
    ),
    (
        "postern: 1\nconfinements: { c: { base: inspect, read: [/srv], network: ['tcp:443', 80], limits: { cpu: 5s, files: 9 } } }\nallow: [a]\n",
        true,
    ),
    ("postern: 1\nconfinements: { c: { read: [srv] } }\nallow: [a]\n", false),
    ("postern: 1\nconfinements: { c: { exec: some } }\nallow: [a]\n", false),
    ("postern: 1\nconfinements: { c: { processes: all } }\nallow: [a]\n", false),
    ("postern: 1\nconfinements: { c: { limits: { files: 0 } } }\nallow: [a]\n", false),
    ("postern: 1\nconfinements: { c: { accept: { exec: it has to } } }\nallow: [a]\n", true),
    ("postern: 1\nconfinements: { c: { accept: { exec: '' } } }\nallow: [a]\n", false),
    ("postern: 1\naudit: { syslog: none, facility: local3, dir: /var/log/postern, on_failure: continue }\nallow: [a]\n", true),
    ("postern: 1\naudit: { on_failure: ignore }\nallow: [a]\n", false),
    ("postern: 1\nrecord: none\nredact: screen\nallow: [a]\n", true),
    ("postern: 1\nrecord: { max: 2MiB, required: true }\nredact: files\nallow: [a]\n", true),
    ("postern: 1\nrecord: some\nallow: [a]\n", false),
    ("postern: 1\nredact: everything\nallow: [a]\n", false),
    ("postern: 1\nsession: { idle: none, max: 8h, strikes: 3, output: 1GiB, banner: hello }\nallow: [a]\n", true),
    ("postern: 1\nsession: { strikes: many }\nallow: [a]\n", false),
    ("postern: 1\nconfinement: best-effort\nallow: [a]\n", true),
    ("postern: 1\nconfinement: { require: [writes] }\nallow: [a]\n", true),
    ("postern: 1\nconfinement: most\nallow: [a]\n", false),
    ("postern: 1\nenv: { CLUSTER: db }\npath: [/opt/bin]\nallow: [a]\n", true),
    ("postern: 1\npath: [bin]\nallow: [a]\n", false),
];

/// What a schema cannot see, and the loader does: keys that contradict each other, names that stand for nothing.
const BEYOND: &[&str] = &["processes: look"];

/// The verdicts of python3-jsonschema, whose documents are read by another YAML reader than the loader's.
const VALIDATE: &str = "\
import json, sys, yaml
from jsonschema import Draft202012Validator as Validator
schema, documents = json.load(open(sys.argv[1])), json.load(sys.stdin)
Validator.check_schema(schema)
print(json.dumps([Validator(schema).is_valid(yaml.safe_load(text)) for text in documents]))
";

fn verdicts(documents: &[String]) -> Vec<bool> {
    let schema = root().join("policies/policy.schema.json");
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", VALIDATE])
        .arg(schema)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 with python3-jsonschema and python3-yaml");
    python.stdin.take().unwrap().write_all(&serde_json::to_vec(documents).unwrap()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "python3-jsonschema and python3-yaml are needed");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn schema_and_loader_take_the_same_documents() {
    let texts: Vec<String> = DOCUMENTS.iter().map(|(text, _)| (*text).to_owned()).collect();
    for ((text, valid), seen) in DOCUMENTS.iter().zip(verdicts(&texts)) {
        let loaded = compile(&[source(text)]);
        assert_eq!(loaded.is_ok(), *valid, "the loader:\n{text}{}", loaded.err().map_or_else(String::new, |errors| errors[0].to_string()));
        let beyond = BEYOND.iter().any(|part| text.contains(part));
        assert_eq!(seen, *valid || beyond, "the schema:\n{text}");
    }
}

#[test]
fn shipped_policies_fit_the_schema() {
    let mut texts = Vec::new();
    for directory in ["policies", "policies/special"] {
        let Ok(entries) = std::fs::read_dir(root().join(directory)) else { continue };
        let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        texts.extend(files.map(|path| std::fs::read_to_string(path).unwrap()));
    }
    assert!(texts.len() > 5);
    assert!(verdicts(&texts).into_iter().all(|valid| valid));
}
