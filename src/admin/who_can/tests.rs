use super::*;
use crate::policy::compile::Source;

/// What `who-can` says of a line of a tree.
fn said(files: &[(&str, &str)], line: &str) -> String {
    let files = files.iter().map(|(name, text)| Source::from(((*name).to_owned(), format!("postern: 1\n{text}").into_bytes())));
    let (policy, _) = Applied::from_sources(&files.collect::<Vec<_>>()).unwrap();
    report(&policy, line.as_bytes()).unwrap().text(line.as_bytes())
}

const TREE: [(&str, &str); 4] = [
    ("policy.yaml", "allow: [id, 'wc [-l]']\n"),
    (
        "policy.d/20-db.yaml",
        "hosts: [db-*, '!db-x']\naccounts: ['%oncall']\nfrom: [10.0.0.0/8]\nallow:\n  - run: psql <db:word>\n    as: pg\n  - { run: id, confine: sealed }\n",
    ),
    ("policy.d/30-dba.yaml", "accounts: ['%dba']\nallow:\n  - { run: 'psql <db:word>', confine: service }\n"),
    ("policy.d/90-deny.yaml", "from: [10.9.0.0/16]\naccounts: ['%guests']\ndeny: ['psql **']\n"),
];

#[test]
fn each_way_is_said_in_the_words_of_the_files_in_the_order_in_which_they_hold() {
    for (line, expected) in [
        ("id", "everyone: confined by inspect (policy.yaml:2)"),
        (
            "psql shop",
            concat!(
                "%oncall on db-* (but not db-x) from 10.0.0.0/8: as pg, confined by inspect (policy.d/20-db.yaml:6)\n",
                "%dba: confined by service (policy.d/30-dba.yaml:4)\n",
                "but not %guests from 10.9.0.0/16 or from an unknown address: denied by policy.d/90-deny.yaml:4: psql **",
            ),
        ),
        (
            "psql shop | wc -l",
            concat!(
                "%oncall on db-* (but not db-x) from 10.0.0.0/8: psql as pg, confined by inspect (policy.d/20-db.yaml:6); ",
                "wc confined by inspect (policy.yaml:2)\n",
                "%dba: psql confined by service (policy.d/30-dba.yaml:4); wc confined by inspect (policy.yaml:2)\n",
                "but not %guests from 10.9.0.0/16 or from an unknown address: denied by policy.d/90-deny.yaml:4: psql **",
            ),
        ),
        ("help", "everyone: part of the shell"),
        ("reboot", "nobody\nrefused: reboot\n         ^^^^^^ no rule allows `reboot`"),
        ("id $(id)", "nobody\nrefused: id $(id)\n            ^^ command substitution is not part of this shell"),
    ] {
        assert_eq!(said(&TREE, line), expected, "{line}");
    }
}

#[test]
fn of_whom_the_words_of_the_files_do_not_hold_is_listed() {
    // The constant is another file's, so that the rule's own people do not all have it.
    let tree = [
        ("policy.yaml", "accounts: [ada, bob]\nallow: ['ls <path>']\n"),
        ("policy.d/20.yaml", "accounts: [ada]\nenv: { WHERE: /srv }\ndeny: [ls -R]\n"),
    ];
    assert_eq!(said(&tree, "ls $WHERE"), "ada, bob: confined by inspect (policy.yaml:3)\nexcept: bob on host cannot");
}

/// The rules of each command may be in files for different people: it is for those whom all of them are for.
#[test]
fn who_is_among_the_people_of_several_files_is_found() {
    let groups = [
        ("policy.d/1.yaml", "accounts: ['%a']\nallow: [uptime]\n"),
        ("policy.d/2.yaml", "accounts: ['%b']\nallow: [wc]\n"),
        ("policy.d/3.yaml", "accounts: ['%c']\nallow: [sort]\n"),
        ("policy.d/4.yaml", "accounts: ['%d']\ndeny: [sort]\n"),
    ];
    let expected = concat!(
        "%a, who is also %b, who is also %c: uptime confined by inspect (policy.d/1.yaml:3); ",
        "wc confined by inspect (policy.d/2.yaml:3); sort confined by inspect (policy.d/3.yaml:3)\n",
        "but not %d: denied by policy.d/4.yaml:3: sort",
    );
    assert_eq!(said(&groups, "uptime | wc | sort"), expected);
    let hosts = [
        ("policy.d/1.yaml", "hosts: [db*]\nallow: [uptime]\n"),
        ("policy.d/2.yaml", "hosts: ['*prod*']\nallow: [wc]\n"),
        ("policy.d/3.yaml", "hosts: ['*eu']\nallow: [sort]\n"),
    ];
    let found = said(&hosts, "uptime | wc | sort");
    assert!(found.starts_with("everyone on db*, who is also everyone on *prod*, who is also everyone on *eu: uptime"), "{found}");
    assert!(!found.contains('\n'), "{found}");
}

#[test]
fn where_it_cannot_be_decided_that_is_said_and_not_that_nobody_can() {
    let glob = |number: usize| format!("*{}*{number}*", "ab?*".repeat(12));
    let texts: Vec<String> = (0..9).map(|number| format!("hosts: ['{}']\nallow: [c{number}]\n", glob(number))).collect();
    let names: Vec<String> = (0..9).map(|number| format!("policy.d/{number}.yaml")).collect();
    let mut tree: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    tree.push(("policy.d/z.yaml", "hosts: ['c*']\nallow: [wc]\n"));
    let found = said(&tree, "c0 | c1 | c2 | c3 | c4 | c5 | c6 | c7 | c8 | wc");
    assert!(found.starts_with("nobody was found\n") && found.ends_with(BEYOND), "{found}");
}

#[test]
fn to_whom_nothing_is_refused_is_said() {
    let tree = [("policy.yaml", "allow: [uptime]\n"), ("policy.d/1.yaml", "accounts: ['%a']\nmode: observe\nallow: [wc]\n")];
    let observed = "%a: not refused now by policy.d/1.yaml (mode: observe)";
    for (line, expected) in [
        ("reboot", format!("{observed}\nnobody by a rule\nrefused: reboot\n         ^^^^^^ no rule allows `reboot`")),
        ("uptime", "everyone: confined by inspect (policy.yaml:2)".to_owned()),
        (
            "wc -l",
            format!("{observed}\nnobody by a rule\nrefused: wc -l\n            ^^ this option is not allowed here (policy.d/1.yaml:4)"),
        ),
        ("id $(id)", "nobody\nrefused: id $(id)\n            ^^ command substitution is not part of this shell".to_owned()),
    ] {
        assert_eq!(said(&tree, line), expected, "{line}");
    }
}

/// Whoever writes a list of hosts instead of a glob still has an answer at once.
#[test]
fn hundreds_of_patterns_are_gone_through() {
    let list = |from: usize| (from..from + 300).map(|number| format!("'rack-{number}-*'")).collect::<Vec<_>>().join(", ");
    let texts = [format!("hosts: [{}]\nallow: [uptime]\n", list(0)), format!("hosts: [{}]\nallow: [wc]\n", list(299))];
    let began = std::time::Instant::now();
    let found = said(&[("policy.d/1.yaml", &texts[0]), ("policy.d/2.yaml", &texts[1])], "uptime | wc");
    assert!(found.starts_with("everyone on rack-0-*"), "{found}");
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}
