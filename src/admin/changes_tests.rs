use super::*;
use crate::policy::compile::Source;

fn policy(files: &[(&str, &str)]) -> Applied {
    let files = files.iter().map(|(name, text)| Source::from(((*name).to_owned(), format!("postern: 1\n{text}").into_bytes())));
    Applied::from_sources(&files.collect::<Vec<_>>()).unwrap().0
}

/// What differs, in short.
fn between(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
    let changes = Changes::between(Some(&policy(old)), &policy(new)).unwrap();
    let fields = |fields: &[Field]| {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_default();
        fields.iter().map(|field| format!("{}: {}>{}", field.name, or_none(&field.before), or_none(&field.after))).collect::<Vec<_>>()
    };
    let rules = changes.rules.iter().map(|rule| {
        let sign = match (&rule.before, &rule.after) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        };
        format!("{sign}{:?} {} {}", rule.kind, rule.form, fields(&rule.terms).join(" ")).trim_end().to_owned()
    });
    let files = changes.files.iter().map(|file| format!("{} {}", file.file, fields(&file.terms).join(" ")));
    let observing = (!changes.reordered_observing.is_empty()).then(|| format!("observing {}", changes.reordered_observing.join(" ")));
    rules.chain(changes.reordered.clone()).chain(observing).chain(files).chain(fields(&changes.settings)).collect()
}

#[test]
fn what_only_moved_is_no_change() {
    let old = [("policy.yaml", "allow: [id, ls]\n"), ("policy.d/a.yaml", "hosts: [x]\nallow: [df]\n")];
    for new in [
        &[("policy.yaml", "# more\n\nallow: [id, ls]\n"), ("policy.d/a.yaml", "hosts: [x]\n\nallow: [df]\n")][..],
        &[("policy.yaml", "allow: [id, ls]\n"), ("policy.d/b.yaml", "hosts: [x]\nallow: [df]\n")],
    ] {
        assert_eq!(between(&old, new), [""; 0], "{new:?}");
    }
}

#[test]
fn each_change_is_named_once() {
    for (old, new, expected) in [
        ("allow: [id]\n", "allow: [id, ls]\n", vec!["+Allow ls"]),
        ("allow: [id, ls]\n", "allow: [id]\n", vec!["-Allow ls"]),
        ("allow: [id]\n", "allow: [id]\ndeny: ['id **']\n", vec!["+Deny id **"]),
        ("allow: [id]\n", "allow: [{ run: id, as: web }]\n", vec!["~Allow id as: >web"]),
        ("allow: [id]\n", "allow: [{ run: id, timeout: 5s }]\n", vec!["~Allow id timeout: >5s"]),
        (
            "types: { n: { int: 1..2 } }\nallow: ['head <n>']\n",
            "types: { n: { int: 1..3 } }\nallow: ['head <n>']\n",
            vec!["~Allow head <n> what its words take: >another type or part"],
        ),
        ("hosts: [a, b]\nallow: [id, ls]\n", "hosts: [b, c]\nallow: [id, ls]\n", vec!["policy.yaml hosts: a>c"]),
        ("allow: [{ run: id, as: web }, { run: id, as: db }]\n", "allow: [{ run: id, as: db }, { run: id, as: web }]\n", vec!["id"]),
        ("allow: [{ run: id, as: web }, id]\n", "allow: [id, { run: id, as: db }]\n", vec!["~Allow id as: web>db", "id"]),
        ("allow: [ls -l, ls <file>]\n", "allow: [ls <file>, ls -l, ls -a]\n", vec!["+Allow ls -a", "ls"]),
        ("allow: [id]\n", "env: { A: b }\nallow: [id]\n", vec!["policy.yaml env.A: >b"]),
        ("allow: [id]\n", "audit: { syslog: none }\nredact: none\nallow: [id]\n", vec!["audit.syslog: /dev/log>", "redact: files>none"]),
        ("allow: [ls -l, ls <file>]\n", "allow: [ls <file>, ls -l]\n", vec!["ls"]),
    ] {
        assert_eq!(between(&[("policy.yaml", old)], &[("policy.yaml", new)]), expected, "{new}");
    }
}

#[test]
fn a_rule_that_is_for_others_now_is_changed() {
    let old = [("policy.yaml", "allow: [id]\n"), ("policy.d/a.yaml", "accounts: [ada]\nallow: [df]\n")];
    let new = [("policy.yaml", "allow: [id, df]\n"), ("policy.d/a.yaml", "accounts: [ada]\ndeny: [ls **]\n")];
    assert_eq!(between(&old, &new), ["~Allow df accounts: ada>", "+Deny ls **"]);
}

#[test]
fn each_term_of_observing_counts() {
    let mode = "mode: observe\nallow: [id]\n";
    for (old, new, expected) in [
        ("confine: inspect", "confine: sealed", "observe.confine: inspect>sealed observe.confine.base: inspect>sealed"),
        ("timeout: 5s", "timeout: 6s", "observe.timeout: 5s without a terminal>6s without a terminal"),
        ("output: 1KiB", "output: 2KiB", "observe.output: 1024 bytes without a terminal>2048 bytes without a terminal"),
        ("confine: { base: inspect }", "confine: { base: inspect, write: [/srv] }", "observe.confine.write: >/srv"),
    ] {
        let of = |defaults: &str| format!("defaults: {{ {defaults} }}\n{mode}");
        let found = between(&[("policy.yaml", &of(old))], &[("policy.yaml", &of(new))]);
        assert!(found.contains(&format!("policy.yaml {expected}")), "{found:?}");
    }
    let found = between(&[("policy.yaml", "allow: [id]\n")], &[("policy.yaml", mode)]);
    assert!(found.len() == 1 && found[0].contains(" mode: >observe ") && found[0].contains("observe.confine: >inspect"), "{found:?}");
    assert_eq!(between(&[("policy.yaml", mode)], &[("policy.yaml", &format!("# moved\n\n{mode}"))]), [""; 0]);
}

#[test]
fn files_that_observe_are_gone_through_in_an_order() {
    let file =
        |account: &str, confine: &str| format!("accounts: [{account}]\nmode: observe\ndefaults: {{ confine: {confine} }}\ndeny: [ls **]\n");
    let (ada, bob, oncall) = (file("ada", "inspect"), file("bob", "inspect"), file("'%oncall'", "sealed"));
    let main = ("policy.yaml", "allow: [id]\n");
    for (first, second, expected) in [
        (&ada, &oncall, vec!["observing policy.d/3.yaml policy.d/4.yaml"]),
        // Whoever is among both has the same terms of each.
        (&ada, &bob, vec![]),
    ] {
        let old = [main, ("policy.d/1.yaml", first), ("policy.d/2.yaml", second)];
        assert_eq!(between(&old, &[main, ("policy.d/3.yaml", second), ("policy.d/4.yaml", first)]), expected, "{second}");
        assert_eq!(between(&old, &[main, ("policy.d/3.yaml", first), ("policy.d/4.yaml", second)]), [""; 0], "{second}");
    }
}

#[test]
fn rules_that_say_the_same_can_change_places() {
    let of = |account: &str, terms: &str| format!("accounts: [{account}]\nallow: [{{ run: df, {terms} }}]\n");
    for (one, other, expected) in [("as: web", "as: web", vec![]), ("as: web", "as: db", vec!["df"])] {
        let (one, other) = (of("ada", one), of("'%oncall'", other));
        let old = [("policy.yaml", "allow: [id]\n"), ("policy.d/1.yaml", &one), ("policy.d/2.yaml", &other)];
        let new = [("policy.yaml", "allow: [id]\n"), ("policy.d/3.yaml", &other), ("policy.d/4.yaml", &one)];
        assert_eq!(between(&old, &new), expected, "{other}");
    }
}
