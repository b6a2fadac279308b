//! The form language by example: forms, the lines that they take and the lines that they do not.

use std::collections::BTreeMap;

use super::*;
use crate::policy::form::Catalog;
use crate::policy::types::{RawType, TypeDef};

struct Host;

impl Judge for Host {
    fn leads(&self, path: &str) -> Result<String, String> {
        if path.starts_with("/etc/shadow") { Err(format!("the contents of {path} are hidden")) } else { Ok(path.to_owned()) }
    }
    fn reaches(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn home(&self) -> &str {
        "/home/me"
    }
}

fn types() -> BTreeMap<String, TypeDef> {
    let raw = |name: &str, raw: RawType| (name.to_owned(), TypeDef::compile(name, &raw).unwrap());
    let matching = |name: &str, pattern: &str| raw(name, RawType { matches: Some(pattern.to_owned()), ..RawType::default() });
    let dashed =
        |name: &str, pattern: &str| raw(name, RawType { matches: Some(pattern.to_owned()), dash: Some(true), ..RawType::default() });
    [
        matching("kind", "[a-z]+(-[a-z]+)*"),
        dashed("boot", r"[+-]?\d+|[0-9a-f]{32}"),
        matching("field", "_{0,2}[A-Z][A-Z0-9_]*"),
        raw(
            "column",
            RawType {
                matches: Some("[+-]?%?[a-z_]+(=.*)?".into()),
                dash: Some(true),
                except: Some(".*environ.*".into()),
                ..RawType::default()
            },
        ),
        matching("bsd", "[aAfgHjlLmrSTuvwxX]+"),
        dashed("num", r"[+-]?\d+[bcwkMG]?"),
        raw("lines", RawType { int: Some("1..10000".into()), ..RawType::default() }),
        raw("log", RawType { path: vec!["/var/log/**".into()], ..RawType::default() }),
    ]
    .into()
}

fn parts() -> BTreeMap<String, String> {
    [
        ("sc", "[--no-pager] [-q|--quiet] [-a|--all] [-l|--full] [-t|--type <kind,...>] [-n|--lines <int>] [-o|--output <kind>] [-p|--property <name,...>]..."),
        ("ip", "[-s[tatistics]]... [-d[etails]] [-o[neline]] [-br[ief]] [-4|-6] [-j[son]]"),
        ("show", "(sh[ow]|l[ist])"),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into()
}

fn parse(text: &str) -> Result<Form, Vec<crate::policy::form::FormError>> {
    Form::parse(text, &Catalog { parts: &parts(), types: &types() }, false)
}

fn takes(form: &Form, line: &str) -> bool {
    let argv = shlex::split(line).unwrap();
    let budget = Budget::default();
    let matcher = Matcher::new(form, &Host, &budget);
    argv.first() == Some(&form.command) && form.variants.iter().any(|variant| matcher.matches(variant, &argv).is_ok())
}

#[track_caller]
fn check(text: &str, taken: &[&str], refused: &[&str]) {
    let form = parse(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    taken.iter().for_each(|line| assert!(takes(&form, line), "{text}\n  should take:   {line}"));
    refused.iter().for_each(|line| assert!(!takes(&form, line), "{text}\n  should refuse: {line}"));
    // What is applied is the form as written out and read again.
    let again: Form = serde_json::from_str(&serde_json::to_string(&form).unwrap()).unwrap();
    assert_eq!(again, form);
}

#[test]
fn a_bare_command_takes_no_arguments() {
    check("uptime", &["uptime"], &["uptime -p", "uptime x", "uptime ''"]);
}

#[test]
fn values_separate_attached_and_optional() {
    check("tail [-n <v:int>]", &["tail -n 5", "tail -n5", "tail -n -5", "tail"], &["tail -n", "tail -n x", "tail -n=5", "tail --n 5"]);
    check(
        "tail [--lines <v:int>]",
        &["tail --lines 5", "tail --lines=5"],
        &["tail --lines", "tail --line 5", "tail --lines5", "tail --lines="],
    );
    check("x [-n<v:int>]", &["x -n5"], &["x -n 5", "x -n"]);
    check("x [--lines=<v:int>]", &["x --lines=5"], &["x --lines 5", "x --lines"]);
    check("x [-n[<v:int>]] [<w:word>]", &["x -n5", "x -n", "x -n a"], &["x -n5 -n5"]);
    check("x [--lines[=<v:int>]]", &["x --lines=5", "x --lines"], &["x --lines 5"]);
    check("x [-b [<boot>]] [<w:word>]", &["x -b", "x -b -1", "x -b-1", "x -b a", "x -b 0 a"], &["x -b -x", "x -b 0 a b"]);
    check("x [-n|--lines=<v:int>]", &["x -n 5", "x -n5", "x --lines=5"], &["x --lines 5", "x -n 5 --lines=5"]);
    check("x [-o (json|yaml)]", &["x -o json", "x -ojson"], &["x -o xml", "x -o", "x json"]);
}

#[test]
fn options_are_a_set() {
    check(
        "ls [-l] [-a] [-h] [<path>...]",
        &["ls -lah /x", "ls /x -l /y -a", "ls -a -l", "ls"],
        &["ls -lal", "ls -z", "ls -lz", "ls --all", "ls -"],
    );
    check("x [-v]... <f:path>", &["x -vvv a", "x a -v -v"], &["x -v"]);
    check("rpm -q [-a]", &["rpm -qa", "rpm -a -q", "rpm -q"], &["rpm -a", "rpm", "rpm -q -q"]);
    check("x [-a <v:int>|-b <v:int>]", &["x -a 1", "x -b 1"], &["x -a 1 -b 1", "x -a"]);
    check("x (-c <v:int>|-d)", &["x -c 1", "x -d"], &["x", "x -c 1 -d"]);
    check(
        "tar [-t] [-v] [-f <file>]",
        &["tar -tvf x", "tar -tf x -v", "tar -tfx"],
        &["tar -ftv x y", "tar -tvf", "tar -f /etc/shadow", "tar -tf/etc/shadow"],
    );
    check(
        "psql -X -d <db:word> -c <query:text>",
        &["psql -X -d a -c 'select 1'", "psql -c '' -da -X"],
        &["psql -d a -c x", "psql -X -d a"],
    );
}

#[test]
fn one_dash_names_forbid_clusters() {
    check(
        "find [<path>...] [-name <n:text>]... [-l] [-s]",
        &["find . -name '*.x'", "find -l -s"],
        &["find -ls", "find . -namex", "find . -name", "find -name=x"],
    );
    let exact = Form::parse("x [-a] [-b]", &Catalog { parts: &parts(), types: &types() }, true).unwrap();
    assert!(takes(&exact, "x -a -b") && !takes(&exact, "x -ab"));
}

#[test]
fn dashes_only_where_they_are_meant() {
    check("cat [-n] <f:file>...", &["cat -", "cat -n - x"], &["cat -- x", "cat -x", "cat --help", "cat"]);
    check("cat [-n] [--] <f:file>...", &["cat -- -x", "cat -n -- -n x"], &["cat -x", "cat --"]);
    check("x -p <f:path>", &["x -p a", "x -p-a"], &["x -p -a", "x -p"]);
    check("x [--since <time>] [<p:text>]", &["x --since -1h", "x --since=-1h"], &["x --since --until", "x -1h"]);
    check("kubectl exec <pod:name> -- df [-h]", &["kubectl exec a -- df -h"], &["kubectl exec a df", "kubectl exec a -- sh"]);
}

#[test]
fn segments_end_at_words() {
    let form = "systemctl {sc} (status|show|cat) {sc} <unit>...";
    check(
        form,
        &["systemctl status a", "systemctl --no-pager status -l a b", "systemctl status a -n 5", "systemctl -n5 status --lines=5 a"],
        &[
            "systemctl restart a",
            "systemctl status",
            "systemctl status --kill-who=x a",
            "systemctl status a restart -x",
            "systemctl --no-pager --no-pager status a",
        ],
    );
}

#[test]
fn words_may_be_shortened_only_where_the_form_says() {
    let form = "ip {ip} l[ink] [{show} [<iface>] [dev <iface>] [up] [type <name>]]";
    check(
        form,
        &["ip l", "ip link", "ip -s -s li sh", "ip -br l show dev eth0 up", "ip link show up dev eth0", "ip -4 link list eth0"],
        &["ip l s", "ip link set eth0 up", "ip link sh eth0 eth1", "ip -4 -6 l", "ip link delete eth0", "ip lx", "ip -batch x l"],
    );
    check(
        "ip {ip} a[ddress] [({show}|s) [<iface>] [dev <iface>] [up] [scope <name>] [to <cidr>]]",
        &["ip a s eth0", "ip a", "ip -br a sh up to 10.0.0.0/8"],
        &["ip a add 10.0.0.1/8 dev eth0", "ip a flush"],
    );
    check(
        "ip {ip} r[oute] [({show}|s) [<cidr>] [t[able] <name>] [dev <iface>] [proto <name>]]",
        &["ip r", "ip r s t main", "ip route show 10.0.0.0/8 dev eth0"],
        &["ip r add default", "ip r get 1.1.1.1"],
    );
}

#[test]
fn what_touches_is_one_word() {
    check("head -<n:1..1000> <f:file>", &["head -20 x"], &["head -0 x", "head -2000 x", "head - x", "head -c x"]);
    check(
        "dd if=<file> [bs=<size>] [count=<int>]",
        &["dd if=/x bs=1M count=1", "dd if=/x"],
        &["dd if=/etc/shadow", "dd of=/x if=/x", "dd if=/x of=/y", "dd bs=1 count=1"],
    );
    check(
        "dig [@<server:host>] [+short] [-t <type:name>] <name:host>",
        &["dig @1.1.1.1 +short a.example", "dig a.example -t MX +short"],
        &["dig @ a", "dig -f x", "dig +trace a", "dig @a/b x"],
    );
    check("x [-p <kind>[..<kind>]]", &["x -p err", "x -p err..warning"], &["x -p err..", "x -p ..err", "x -p err..a..b"]);
    check("x <list:kind,...>", &["x a", "x a,b-c"], &["x a,", "x ,a", "x a,B", "x a b"]);
    check("x --color=(always|never)", &["x --color=always"], &["x --color=auto", "x --color"]);
    check(
        "journalctl [-u|--unit <unit>]... [-b|--boot [<boot>]] [-n|--lines [<int>]] [-p <kind>[..<kind>]] [-S|--since <time>] [-U|--until <time>] [-o|--output <kind>] [-f] [--no-pager] [(<field>=<value:text>|'+')...]",
        &[
            "journalctl -u a -u b -n 5",
            "journalctl -fu a",
            "journalctl -b -1 -p err",
            "journalctl -b",
            "journalctl _PID=1 + _UID=0",
            "journalctl --since -1h --no-pager",
            "journalctl -n",
            "journalctl -fn 20 -u x",
        ],
        &[
            "journalctl --vacuum-size=1M",
            "journalctl --rotate",
            "journalctl x",
            "journalctl --uni a",
            "journalctl pid=1",
            "journalctl -D /x",
        ],
    );
}

#[test]
fn real_programs() {
    check(
        "ps [-A] [-e] [-f] [-p|--pid <pid,...>] [-u <user,...>] [-o|--format <column,...>]... [--sort <column,...>] [k <column,...>] [<bsd>] [<pid>...]",
        &["ps aux", "ps -ef", "ps -eo pid,comm", "ps aux --sort -%mem", "ps k -rss aux", "ps 123 456", "ps -p 1,2", "ps"],
        &["ps eww", "ps -eo environ", "ps -p x", "ps aux -E"],
    );
    check(
        "find [-H|-L|-P] [<start:path>...] [-maxdepth <int>] [-name <text>]... [-type <name,...>]... [-size <num>]... [-mtime <num>]... [-print]... [-prune]... [-o]... ['!']... ['(']... [')']...",
        &["find /var/log -name '*.log' -mtime -1", "find . '(' -name a -o -name b ')' -print", "find / ! -name x -size +10M"],
        &["find . -delete", "find . -exec id ';'", "find . -fprintf /tmp/x a", "find -name x -execdir sh", "find . -ls"],
    );
    check(
        "grep [-i] [-r] [-e <p:text>]... [--] <p:text> [<f:file>...]",
        &["grep -ri x /a", "grep -e x y z", "grep -- -x f"],
        &["grep -f /etc/x y", "grep x /etc/shadow", "grep -x"],
    );
    check("cmd ** foo **", &["cmd foo", "cmd a b foo c", "cmd -x foo"], &["cmd a"]);
    check("x [(a|b)...] [<n:int>]", &["x a b a 5", "x 5"], &["x c"]);
    check("x [<a:word> [<b:word>]]", &["x", "x p", "x p q"], &["x p q r"]);
    check("x <a:word>... to <b:word>", &["x p q to r", "x to to to"], &["x p to", "x to r"]);
}

#[test]
fn mistakes_in_forms_are_found_with_their_place() {
    for (text, message, at) in [
        ("", "empty form", ""),
        ("/bin/ls", "bare name", "/bin/ls"),
        ("<x:word> y", "plain command word", "<x:word>"),
        ("x [a", "never closed", "["),
        ("x a]", "closes nothing", "]"),
        ("x <unti>", "there is no type `unti`", "<unti>"),
        ("x {scc}", "there is no part `scc`", "{scc}"),
        ("x <n:5..1>", "is empty", "<n:5..1>"),
        ("x 'a", "never closed", "'"),
        ("x <a:word><b:word>", "two slots touch", "<a:word><b:word>"),
        ("nmcli connection [show] <id:word>", "optional word `show`", "show"),
        ("nmcli connection [show] [<id:word>]", "optional word `show`", "show"),
        ("x [show [all]] <id:word>", "optional word `show`", "show"),
        ("x [-n <int>] [--lines|-n <int>]", "is there twice", ""),
        ("systemctl {sc} {sc} status", "is there twice", ""),
        ("x [-f <file>...]", "cannot be repeated", "<file>..."),
        ("x (a b)...", "cannot follow a group", "(a b)..."),
        ("x [a b] [c d] [e f] [g h] [i j] [k l] [m n]", "variants", ""),
        ("x []", "nothing in this place", "]"),
        ("x < <file>", "stands in brackets at the end", "< <file>"),
    ] {
        let errors = parse(text).map(|form| format!("{form:?}")).unwrap_err();
        let error = errors.iter().find(|error| error.message.contains(message)).unwrap_or_else(|| panic!("{text}: {errors:?}"));
        if !at.is_empty() {
            assert_eq!(&text[error.span.start as usize..error.span.end as usize], at, "{text}: {error:?}");
        }
    }
    assert!(parse("x <unti>").unwrap_err()[0].help.as_deref().unwrap().contains("<unit>"));
}

#[test]
fn an_optional_word_may_stand_before_a_slot_that_cannot_take_words() {
    check("x [up] <n:int>", &["x up 5", "x 5"], &["x down 5"]);
}

#[test]
fn a_form_may_end_in_redirections() {
    let form = parse("sort [-n] [< <file>] [> <log>] [>> <log>]").unwrap();
    assert!(form.input.is_some() && form.output.is_some() && form.append.is_some());
    assert!(takes(&form, "sort -n") && !takes(&form, "sort '<' x"));
}

#[test]
fn matching_is_bounded_whatever_the_form_and_the_line() {
    let optional = "[<a:text>] ".repeat(29);
    let form = parse(&format!("x {optional} [<p:kind>[..<kind>]] end")).unwrap();
    let line: Vec<String> = std::iter::once("x".to_owned()).chain((0..1000).map(|_| "a".repeat(4))).collect();
    let budget = Budget::default();
    let matcher = Matcher::new(&form, &Host, &budget);
    assert!(form.variants.iter().all(|variant| matcher.matches(variant, &line).is_err()));
    let nested = parse(&format!("x {}", "a[b|c]".repeat(20))).unwrap();
    let word = format!("x {}", "ab".repeat(20));
    assert!(takes(&nested, &word));
    assert!(!takes(&nested, &format!("{word}z")));
}

#[test]
fn a_miss_names_the_word_and_what_was_expected() {
    for (text, line, word, expected, reason) in [
        ("systemctl (status|show|cat) <unit>...", "systemctl restart x", 1, vec!["status", "show", "cat"], None),
        ("systemctl (status|show|cat) <unit>...", "systemctl status", 2, vec!["<unit>"], None),
        ("x <n:1..3>", "x 5", 1, vec!["<n:1..3>"], Some("5 is above 3")),
        ("x <file>", "x /etc/shadow", 1, vec!["<file>"], Some("the contents of /etc/shadow are hidden")),
        ("x -o (json|yaml)", "x -o xml", 2, vec!["json", "yaml"], None),
    ] {
        let form = parse(text).unwrap();
        let argv = shlex::split(line).unwrap();
        let budget = Budget::default();
        let miss = Matcher::new(&form, &Host, &budget).matches(&form.variants[0], &argv).unwrap_err();
        assert_eq!(
            (miss.word, miss.expected, miss.reason.as_deref()),
            (word, expected.into_iter().map(str::to_owned).collect(), reason),
            "{line}"
        );
    }
}

#[test]
fn a_deny_cannot_be_got_round_by_spelling() {
    for (text, denied, not_denied) in [
        (
            "journalctl ** --vacuum-size **",
            &["journalctl --vacuum-size 1M", "journalctl --vacuum-size=1M", "journalctl --vac=1M -u x", "journalctl -u x --vacuum-siz 1M"]
                [..],
            &["journalctl", "journalctl --version", "journalctl -u vacuum-size"][..],
        ),
        ("curl ** -o <t:text> **", &["curl -#o /tmp/x u", "curl --o x", "curl -so/tmp/x u"], &["curl u"]),
        ("tar ** -x **", &["tar -x", "tar -vxf a", "tar a -zx", "tar --x", "tar --x=1"], &["tar -tvf a", "tar x"]),
        ("find ** -delete **", &["find . -delete", "find -delete .", "find . --delete"], &["find . -empty", "find delete"]),
        ("ip ** -b[atch] **", &["ip -b x", "ip -bat x", "ip a -batch x"], &["ip a"]),
        (
            "systemctl ** stop **",
            &["systemctl stop a", "systemctl --no-pager stop a b", "systemctl -n 5 stop"],
            &["systemctl status stopx", "systemctl status a"],
        ),
        (
            "systemctl stop <unit>",
            &["systemctl stop a", "systemctl --no-pager stop a", "systemctl -n 5 stop a", "systemctl stop a -q"],
            &["systemctl stop", "systemctl start a", "systemctl stop a b"],
        ),
        ("rm **", &["rm", "rm -rf /"], &[]),
        ("foo ** -n <n:1000..> **", &["foo -n 1000", "foo -n2K", "foo -n 1e9", "foo -n 0x7fff"], &["foo -n 5"]),
        ("foo ** --host <h:name> **", &["foo --host a/b", "foo --host=a"], &["foo"]),
        ("grep ** <l:log> **", &["grep x /var/log/a", "grep -f/var/log/a x", "grep --file=/var/log/a x"], &["grep x /etc/a"]),
        ("tail ** -n <n:int> **", &["tail -n 5", "tail -n5", "tail -fn5 x"], &["tail x"]),
        ("cat ** <f:file> **", &["cat x"], &["cat"]),
    ] {
        let form = parse(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        let denies = |line: &str| {
            let argv = shlex::split(line).unwrap();
            let budget = Budget::default();
            let matcher = Matcher::new(&form, &Host, &budget);
            form.variants.iter().any(|variant| crate::policy::denying::denies(&matcher, variant, &argv).is_some())
        };
        denied.iter().for_each(|line| assert!(denies(line), "{text} should deny {line}"));
        not_denied.iter().for_each(|line| assert!(!denies(line), "{text} should not deny {line}"));
    }
}

#[test]
fn what_may_come_next() {
    let form = parse("systemctl [--no-pager] (status|show) [-n <lines>] <unit>...").unwrap();
    let budget = Budget::default();
    let matcher = Matcher::new(&form, &Host, &budget);
    let next = |line: &str| -> Vec<String> {
        let argv = shlex::split(line).unwrap();
        let words = matcher.next_words(&form.variants[0], &argv).into_iter();
        words
            .map(|next| {
                if let Next::Word(word) = next {
                    word
                } else if let Next::Slot { slot, .. } = next {
                    slot.text.clone()
                } else {
                    unreachable!()
                }
            })
            .collect()
    };
    assert_eq!(next("systemctl"), ["status", "show", "--no-pager"]);
    assert_eq!(next("systemctl status"), ["<unit>", "-n"]);
    assert_eq!(next("systemctl status -n"), ["<lines>"]);
    assert_eq!(next("systemctl status a"), ["<unit>", "-n"]);
    assert!(next("systemctl restart").is_empty());
}

#[test]
fn every_slot_keeps_its_words() {
    for (form, line, taken) in [
        ("svc restart <unit:kind>", "svc restart web", "unit=web"),
        ("svc restart <unit:kind>...", "svc restart web db", "unit=web unit=db"),
        ("svc [-n|--lines <lines>] [-q] restart [-f] <kind>", "svc --lines=5 -q restart -f web", "lines=5 kind=web"),
        ("svc [-n|--lines <lines>] [-q] <kind>", "svc web -qn7", "kind=web lines=7"),
        ("cp <from:path>... <to:path>", "cp a b c", "from=a from=b to=c"),
        ("cp <from:path> [<also:path>] <to:path>", "cp a b", "from=a to=b"),
        ("dd (if=<in:path>|of=<out:path>)...", "dd of=b if=a", "out=b in=a"),
        ("svc set <key:kind>=<value:text> <unit:kind>", "svc set a=b=c web", "key=a value=b=c unit=web"),
        ("svc (<lines>|all)", "svc all", ""),
        ("svc [<unit:kind>]", "svc", ""),
        ("svc kill <kind,...>", "svc kill a,b", "kind=a,b"),
        ("svc ** ", "svc x y", ""),
    ] {
        let form = parse(form).unwrap();
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let budget = Budget::default();
        let matcher = Matcher::new(&form, &Host, &budget);
        let found = form.variants.iter().find_map(|variant| matcher.matches(variant, &argv).ok());
        let found: Vec<String> = found.unwrap().iter().map(|taken| format!("{}={}", taken.slot, taken.word)).collect();
        assert_eq!(found.join(" "), taken, "{line}");
    }
}
