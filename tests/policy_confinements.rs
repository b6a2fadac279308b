//! What a policy's confinements and its `confinement:` come to, and what is said of those that give away too much.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use postern::policy::Rule;
use postern::policy::compile::{Compiled, Source, compile};
use postern::policy::confinement::{Base, Confinement, Processes};
use postern::policy::settings::Strength;
use postern::words::Diagnostic;

/// A main file and further ones.
fn tree(files: &[&str]) -> Vec<Source> {
    let name = |index: usize| if index == 0 { "policy.yaml".to_owned() } else { format!("policy.d/{index}.yaml") };
    files.iter().enumerate().map(|(index, text)| Source::from((name(index), text.as_bytes().to_vec()))).collect()
}

fn compiled(text: &str) -> Compiled {
    compile(&tree(&[text])).unwrap_or_else(|findings| panic!("{}", lines(&findings).join("\n")))
}

/// The first line of each finding: `file:line:column: severity: message`.
fn lines(findings: &[Diagnostic]) -> Vec<String> {
    findings.iter().map(|finding| finding.to_string().lines().next().unwrap_or_default().to_owned()).collect()
}

fn first_allowed<'a>(compiled: &'a Compiled, command: &str) -> &'a Rule {
    compiled.rules.get(command).and_then(|rules| rules.allow.first()).expect("a rule")
}

#[test]
fn what_happens_on_a_lesser_kernel_is_one_setting_of_the_main_file() {
    let strength = |text: &str| compiled(&format!("postern: 1\n{text}allow: [ls]\n")).settings.strength;
    let required = Strength::Require(vec!["reads".to_owned(), "one_exec".to_owned()]);
    for (text, expected, requires_limits) in [
        ("", Strength::All, true),
        ("confinement: all\n", Strength::All, true),
        ("confinement: best-effort\n", Strength::BestEffort, false),
        ("confinement: { require: [reads, one_exec] }\n", required, false),
    ] {
        let found = strength(text);
        assert_eq!((found.requires("limits"), &found), (requires_limits, &expected), "{text:?}");
    }
    assert!(strength("confinement: { require: [reads] }\n").requires("reads"));
    for (text, error, help) in [
        ("confinement: best-efort\n", "2:14: error: `confinement` cannot be `best-efort`", "did you mean `best-effort`?"),
        ("confinement: inspect\n", "2:14: error: `confinement` cannot be `inspect`", "one of: all, best-effort"),
        ("confinement: { require: [read] }\n", "2:26: error: `require`: no protection `read`", "did you mean `reads`?"),
        ("confinement: { require: [] }\n", "2:25: error: `require` is empty", "fill it in, or leave it out"),
        ("confinement: { base: open }\n", "2:16: error: unknown key `base` in `confinement`", "known keys: require"),
        ("confinement: [reads]\n", "2:14: error: `confinement` must be text, not a list", ""),
    ] {
        let findings = compile(&tree(&[&format!("postern: 1\n{text}allow: [ls]\n")])).err().expect("an error");
        assert_eq!(lines(&findings), [format!("policy.yaml:{error}")], "{text:?}");
        assert_eq!(findings[0].help.as_deref().unwrap_or_default(), help);
    }
    let part = tree(&["postern: 1\nallow: [ls]\n", "postern: 1\nconfinement: all\nallow: [df]\n"]);
    let findings = compile(&part).err().expect("an error");
    assert_eq!(lines(&findings), ["policy.d/1.yaml:2:1: error: `confinement` concerns the whole host"]);
}

#[test]
fn a_confinement_that_gives_away_more_than_it_seems_is_an_error_or_a_warning() {
    for (text, finding) in [
        ("write: [/]", "1: error: `write`: whoever can write /usr decides what the host runs"),
        ("write: [/srv, /etc]", "7: error: `write`: whoever can write /etc decides what the host runs"),
        ("write: [/usr]", "1: error: `write`: whoever can write /usr decides what the host runs"),
        ("write: [/etc/postern]", "1: error: `write`: /etc/postern would open /etc/postern to the command, which is postern's own"),
        ("write: [/var]", "1: error: `write`: /var would open /var/lib/postern to the command, which is postern's own"),
        ("write: [/var/log]", "1: error: `write`: /var/log would open /var/log/postern to the command, which is postern's own"),
        (
            "write: [/var/lib/postern/home]",
            "1: error: `write`: /var/lib/postern/home would open /var/lib/postern to the command, which is postern's own",
        ),
        ("write: [/etc/nginx, /var/log/nginx, /srv/out]", ""),
        ("read: [/]", "1: warning: everything but the hidden list can be read: customers' data and homes too"),
        ("read: [/srv]", ""),
        ("unhide: ['/**']", "1: warning: `/**` shows all that is hidden: keys, passwords, other processes' memory"),
        (
            "unhide: ['/etc/sudo*', /etc/doas.conf, /run/sudo]",
            "0: warning: this shows all of a group that is hidden: who may become root, and how",
        ),
        ("unhide: ['/etc/sudo*', /run/sudo]", ""),
        ("hide: [/srv, /proc/cpuinfo]", "7: error: `hide`: /proc/cpuinfo cannot be held, /proc is shown as a whole"),
        ("hide: ['/proc/*/environ', /process]", ""),
        ("exec: any", "0: warning: `exec: any` lets the command start whatever its user can start, shells too"),
        (
            "exec: [/lib64/ld-linux-x86-64.so.2]",
            "1: error: `exec`: /lib64/ld-linux-x86-64.so.2 is an ELF loader, which runs any program; it is never started by name",
        ),
        (
            "exec: [/lib/ld-musl-x86_64.so.1]",
            "1: error: `exec`: /lib/ld-musl-x86_64.so.1 is an ELF loader, which runs any program; it is never started by name",
        ),
        (
            "exec: [/lib/ld-2.31.so]",
            "1: error: `exec`: /lib/ld-2.31.so is an ELF loader, which runs any program; it is never started by name",
        ),
        ("exec: [/usr/bin/python3.11]", "1: warning: `exec`: /usr/bin/python3.11 does whatever its arguments say, within this confinement"),
        ("exec: [/bin/sh]", "1: warning: `exec`: /bin/sh does whatever its arguments say, within this confinement"),
        (
            "exec: [/usr/bin/env]",
            "1: warning: `exec`: /usr/bin/env starts what its arguments name: any program of this list, with any arguments",
        ),
        ("exec: [/usr/bin/less, /usr/bin/ld]", ""),
        ("sockets: [/dev/log]", "1: warning: `sockets`: /dev/log: it takes log records, so that the command can forge them"),
        (
            "sockets: [/var/run/docker.sock]",
            "1: warning: `sockets`: /var/run/docker.sock: whoever can talk to it is root; the second door does not bind a server",
        ),
        (
            "sockets: [/run/systemd/journal]",
            "1: warning: `sockets`: /run/systemd/journal, which holds /run/systemd/journal/dev-log: it takes log records, \
             so that the command can forge them",
        ),
        (
            "sockets: [/run/systemd/journal/stdout]",
            "1: warning: `sockets`: /run/systemd/journal/stdout: it takes log records, so that the command can forge them",
        ),
        (
            "sockets: [/tmp/tmux-0/default]",
            "1: warning: `sockets`: /tmp/tmux-0/default: it starts programs that no door holds, or signs with somebody's keys",
        ),
        ("sockets: [/run/postgresql]", ""),
        ("capabilities: [syslog, dac_read_search]", ""),
        (
            "capabilities: [syslog, sys_admin]",
            "9: warning: `capabilities`: CAP_SYS_ADMIN is as good as root: it commands disks, and reads the environments of other processes",
        ),
        (
            "capabilities: [CAP_SYS_MODULE]",
            "1: warning: `capabilities`: CAP_SYS_MODULE is for what stays closed to every command but those under `open`",
        ),
        ("capabilities: [net_ray]", "1: error: `capabilities`: no capability `net_ray`"),
        ("processes: look", ""),
        ("processes: trace", ""),
        ("processes: any", "0: error: `processes` cannot be `any`"),
    ] {
        let source = format!("postern: 1\nallow: [{{ run: ls, confine: {{ {text} }} }}]\n");
        let found = match compile(&tree(&[&source])) {
            Ok(policy) => lines(&policy.warnings),
            Err(findings) => lines(&findings),
        };
        // A finding stands so many columns behind the beginning of the value.
        let value = 31 + text.find(": ").expect("a key") + 2;
        let expected = finding.split_once(": ").map(|(behind, rest)| {
            let behind: usize = behind.parse().expect("a number");
            format!("policy.yaml:2:{}: {rest}", value + behind)
        });
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{text:?}");
    }
}

/// What is said of keys that stand together: with the whole confinement, and not again of one that is based on it.
#[test]
fn keys_that_do_not_go_together_are_an_error_or_a_warning() {
    let traced = "warning: `processes: trace` with CAP_SYS_PTRACE is as good as root: it reads the memory of every process, keys and \
                  passwords in it";
    let packets = "warning: CAP_NET_RAW sends any packet anywhere, and shows those of others; `network` does not hold it";
    for (text, finding) in [
        (
            "processes: look, write: [/srv]",
            "error: `write` cannot be held to its places for a command that looks at other processes (`processes`)",
        ),
        (
            "processes: trace, exec: [/bin/ls]",
            "error: a list under `exec` cannot be held for a command that looks at other processes (`processes`)",
        ),
        (
            "processes: look, hide: [/srv/x]",
            "warning: `hide` holds where an argument names it and no further, for a command that looks at other processes (`processes`)",
        ),
        ("capabilities: [sys_ptrace]", "warning: CAP_SYS_PTRACE shows nothing more under `processes: own`"),
        ("processes: look, capabilities: [sys_ptrace]", ""),
        ("processes: trace, capabilities: [sys_ptrace]", traced),
        ("processes: trace, capabilities: [sys_ptrace, dac_read_search]", traced),
        (
            "processes: look, capabilities: [dac_read_search]",
            "warning: with `processes` and a capability that reads all, the command reads every file that is not masked, whatever its mode",
        ),
        (
            "processes: look, capabilities: [dac_read_search, sys_ptrace]",
            "warning: with `processes` and these capabilities the command reads what root reads: environments and memory of all \
             processes, all that is not masked",
        ),
        ("capabilities: [net_raw]", packets),
        ("base: network, capabilities: [net_raw], network: [443]", packets),
        ("base: network, capabilities: [net_raw]", ""),
    ] {
        let alone = format!("postern: 1\nconfinements: {{ c: {{ {text} }} }}\nallow: [{{ run: ls, confine: c }}]\n");
        let based = format!(
            "postern: 1\nconfinements: {{ c: {{ {text} }}, d: {{ base: c, read: [/srv] }} }}\nallow: [{{ run: ls, confine: d }}]\n"
        );
        for source in [alone, based] {
            let found = match compile(&tree(&[&source])) {
                Ok(policy) => lines(&policy.warnings),
                Err(findings) => lines(&findings),
            };
            let expected: Vec<String> = Some(finding)
                .filter(|finding| !finding.is_empty())
                .map(|finding| format!("policy.yaml:2:20: {finding}"))
                .into_iter()
                .collect();
            assert_eq!(found, expected, "{source}");
        }
    }
    // What shows more wins, and what comes together only below is said there.
    let policy =
        compiled("postern: 1\nconfinements: {a: {processes: trace}, b: {base: a, processes: look}}\nallow: [{run: ls, confine: b}]\n");
    assert_eq!(first_allowed(&policy, "ls").confine.processes, Processes::Trace);
    let apart = "postern: 1\nconfinements: {a: {processes: look}, b: {base: a, write: [/srv]}}\nallow: [ls]\n";
    let found = compile(&tree(&[apart])).err().expect("an error");
    assert!(lines(&found)[0].starts_with("policy.yaml:2:41: error: `write` cannot be held"), "{found:?}");
}

#[test]
fn the_paths_of_own_types_are_places_that_the_rule_reads() {
    let policy = compiled(concat!(
        "postern: 1\n",
        "types: { log: { path: [/srv/pg/**, /var/log/pg/**, ~/notes] }, data: { path: [/srv/data] }, unused: { path: [/opt] } }\n",
        "allow:\n",
        "  - tail [-f] <log>...\n",
        "  - cmp <log> [< <data>]\n",
        "  - cat <file>\n",
        "  - { run: head <log>, confine: sealed }\n",
    ));
    // What the base reads already is left out.
    for (command, roots) in [
        ("tail", &["/srv/pg/**", "~/notes"][..]),
        ("cmp", &["/srv/data", "/srv/pg/**", "~/notes"]),
        ("cat", &[]),
        ("head", &["/srv/pg/**", "/var/log/pg/**", "~/notes"]),
    ] {
        assert_eq!(first_allowed(&policy, command).confine.roots, roots, "{command}");
    }
    let tail = &first_allowed(&policy, "tail").confine;
    assert_eq!(*tail, Confinement { roots: tail.roots.clone(), ..Confinement::built_in(Base::Inspect) });
}

#[test]
fn a_session_is_told_whether_a_rule_is_held_by_no_domain() {
    for (text, open) in [
        ("allow: [{run: ls, confine: open}]\n", true),
        ("confinements: {o: {base: open}}\nallow: [ls, {run: df, confine: o}]\n", true),
        ("confinements: {o: {base: open}}\nallow: [ls]\n", false),
        ("allow: [{run: ls, confine: {exec: any}}]\n", false),
        ("allow: [ls, {run: lsof, confine: {processes: look}}]\n", true),
        ("allow: [{run: strace, confine: {processes: trace}}]\n", true),
        ("allow: [{run: ls, confine: {processes: own}}]\n", false),
    ] {
        assert_eq!(compiled(&format!("postern: 1\n{text}")).settings.unscoped_rules, open, "{text:?}");
    }
}

#[test]
fn explain_says_what_the_kernel_will_hold_a_command_to() {
    const POLICY: &str = "postern: 1\nallow: [{ run: 'cat <file>', confine: { read: [/srv/data], network: ['tcp:443'] } }]\n";
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("explained");
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
    let file = directory.join("policy.yaml");
    std::fs::write(&file, POLICY).expect("a file");
    let explain = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
        let output = command.args(["explain", "--policy"]).arg(&file).args(arguments).output().expect("postern");
        String::from_utf8(output.stdout).expect("text")
    };

    let text = explain(&["cat /srv/data/x"]);
    for row in ["\n  reads    /usr, /etc, /proc, ", "\n  network  to tcp:443 of any host", "\n  holds    no_new_privs, "] {
        assert!(text.contains(row), "{row:?} in\n{text}");
    }
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");

    assert!(text.contains("\n  runs as  ") && text.contains(" (the account), uid "), "{text}");

    let json: serde_json::Value = serde_json::from_str(&explain(&["--json", "cat /srv/data/x"])).expect("JSON");
    let runs_as = &json["commands"][0]["runs_as"];
    assert_eq!((&runs_as["account"], &runs_as["refused"]), (&true.into(), &serde_json::Value::Null), "{runs_as}");
    assert!(runs_as["user"].is_string() && runs_as["uid"].is_u64() && runs_as["groups"].is_array(), "{runs_as}");
    let plan = json["commands"][0]["plan"].as_array().expect("a plan");
    let network = plan.iter().find(|row| row["label"] == "network").expect("a row");
    assert!(network["text"].as_str().is_some_and(|text| text.starts_with("to tcp:443")), "{network}");

    // The shell beside the tool is of the plain install here.
    std::fs::write(&file, "postern: 1\nallow: [{ run: id, as: daemon }]\n").expect("a file");
    let beyond = explain(&["--account", "nobody", "id"]);
    assert!(
        beyond.replace("\n           ", " ").contains("runs as  daemon, uid 1, group daemon; refused here: the plain install "),
        "{beyond}"
    );
    std::fs::write(&file, POLICY).expect("a file");

    let refused = explain(&["cat /srv/other"]);
    assert!(refused.contains("/srv/other is out of reach of `inspect+`, which reads /usr, ") && !refused.contains("holds"), "{refused}");
}

#[test]
fn a_log_of_files_needs_places_and_a_filter() {
    let rule = |confine: &str| format!("postern: 1\nallow:\n  - run: cat\n    confine: {confine}\n    log_files: true\n");
    for (confine, error) in [
        ("open", "`log_files` cannot be held for a command under `open`, which no filter watches"),
        ("{ read: [/srv], processes: look }", "`log_files` cannot be held for a command that looks at other processes (`processes`)"),
        ("inspect", "`log_files` logs what is in the places that the policy names, and this rule has none"),
    ] {
        let findings = compile(&tree(&[&rule(confine)])).err().expect("an error");
        assert!(lines(&findings).contains(&format!("policy.yaml:5:16: error: {error}")), "{:?}", lines(&findings));
    }
    for (text, logs) in [
        (rule("{ read: [/srv] }"), true),
        (rule("{ base: sealed, write: [/srv] }"), true),
        (rule("{ read: [/srv] }").replace("true", "false"), false),
        ("postern: 1\ntypes: { f: { path: /srv } }\nallow: [ { run: 'cat <f>', log_files: true } ]\n".to_owned(), true),
    ] {
        assert_eq!(first_allowed(&compiled(&text), "cat").confine.log_files, logs, "{text}");
    }
}
