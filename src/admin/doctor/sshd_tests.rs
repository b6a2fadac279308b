use super::*;

/// What sshd says with the shipped snippet, but for the file of keys.
const GOOD: [&str; 15] = [
    "forcecommand posternsh --forced",
    "disableforwarding yes",
    "allowagentforwarding no",
    "x11forwarding no",
    "permittunnel no",
    "permituserrc no",
    "permittty yes",
    "exposeauthinfo yes",
    "authorizedkeysfile none",
    "permituserenvironment no",
    "acceptenv POSTERN_ACCEPTS_NONE",
    "subsystem sftp internal-sftp",
    "passwordauthentication no",
    "kbdinteractiveauthentication no",
    "usepam yes",
];

/// The good settings with those of one keyword replaced.
fn view(changed: &[&str]) -> View {
    let keyword = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let kept = GOOD.iter().filter(|line| changed.iter().all(|changed| keyword(changed) != keyword(line)));
    let text: Vec<&str> = kept.chain(changed).copied().collect();
    View { account: "bg".to_owned(), home: "/home/bg".to_owned(), uid: 77, settings: Settings::parse(&text.join("\n")) }
}

#[test]
fn settings_are_judged_one_by_one() {
    type Judge = fn(&View) -> Finding;
    let tunnel: Judge = |view| demand(view, "permittunnel", "no", "");
    let rc: Judge = |view| demand(view, "permituserrc", "no", "");
    for (judge, changed, level) in [
        (command as Judge, "forcecommand none", Level::Problem),
        (command, "forcecommand /usr/bin/posternsh --forced", Level::Problem),
        (subsystem, "forcecommand none", Level::Problem),
        (forwarding, "disableforwarding no", Level::Problem),
        (forwarding, "allowagentforwarding yes", Level::Problem),
        (forwarding, "x11forwarding yes", Level::Problem),
        (tunnel, "permittunnel yes", Level::Problem),
        (rc, "permituserrc yes", Level::Problem),
        (authinfo, "exposeauthinfo no", Level::Problem),
        (keys, "authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2", Level::Problem),
        (keys, "authorizedkeysfile %h/.ssh/authorized_keys", Level::Problem),
        (keys, "authorizedkeysfile /home/%u/keys", Level::Problem),
        (keys, "authorizedkeysfile none", Level::Note),
        (keys, "authorizedkeysfile /nonexistent/%u", Level::Note),
        (keys, "authorizedkeysfile /etc/passwd", Level::Ok),
        (keys, "authorizedkeysfile /tmp/%u", Level::Problem),
        (keys_command, "authorizedkeyscommand none", Level::Ok),
        (keys_command, "authorizedkeyscommand /usr/bin/keys %u", Level::Note),
        (certificates, "trustedusercakeys none", Level::Ok),
        (certificates, "trustedusercakeys /etc/passwd", Level::Note),
        (environment, "acceptenv *", Level::Problem),
        (environment, "acceptenv SSH_*", Level::Problem),
        (environment, "acceptenv LD_?RELOAD", Level::Problem),
        (environment, "acceptenv LANG", Level::Note),
        (user_environment, "permituserenvironment BG_*", Level::Problem),
        (tty, "permittty no", Level::Warning),
        (passwords, "passwordauthentication yes", Level::Note),
        (passwords, "kbdinteractiveauthentication yes", Level::Note),
        (passwords, "permitemptypasswords yes", Level::Problem),
        (pam, "usepam no", Level::Note),
    ] {
        assert_eq!(judge(&view(&[changed])).level, level, "{changed}");
    }
    for judge in [command, subsystem, forwarding, tunnel, rc, authinfo, keys_command, certificates, environment, user_environment, tty] {
        assert_eq!(judge(&view(&[])).level, Level::Ok, "{}", judge(&view(&[])).message);
    }
}

#[test]
fn an_accept_env_that_is_added_counts() {
    let finding = environment(&view(&["acceptenv POSTERN_ACCEPTS_NONE", "acceptenv LANG LD_*"]));
    assert_eq!(finding.level, Level::Problem);
    assert!(finding.message.contains("can set LD_PRELOAD, LD_LIBRARY_PATH, LD_AUDIT"), "{}", finding.message);
}

#[test]
fn tokens_are_those_of_sshd() {
    assert_eq!(expand("/k/%u/%U/%%u", &view(&[])), "/k/bg/77/%u");
}

#[test]
fn other_servers_are_known_by_their_names() {
    for (name, arguments, subject) in [
        ("dropbear\n", "/usr/sbin/dropbear\0-F\0", Some("dropbear")),
        ("tailscaled\n", "/usr/sbin/tailscaled\0", Some("tailscaled")),
        ("sshd\n", "/usr/sbin/sshd\0-D\0", None),
        ("sshd\n", "/usr/sbin/sshd\0-f\0/etc/ssh/sshd_config\0", None),
        ("sshd\n", "/usr/sbin/sshd\0-f\0/etc/ssh/other\0", Some("sshd -f /etc/ssh/other")),
        ("sshd\n", "sshd: /usr/sbin/sshd -f /etc/ssh/other [listener] 0 of 10-100 startups\0", Some("sshd -f /etc/ssh/other")),
        ("sshd\n", "sshd: bg@pts/0\0", None),
        ("bash\n", "bash\0", None),
    ] {
        assert_eq!(other(name, arguments).map(|finding| finding.subject).as_deref(), subject, "{name}");
    }
}
