//! What sshd(8) really does for each account: `sshd -T` asked as for a client from afar and for one on this host, so that it is sshd that
//! reads its includes and Match blocks and not a guess of ours.

use std::collections::BTreeMap;
use std::path::Path;

use super::finding::{Check, Finding, Level, quoted};
use super::host::{Account, Host};
use super::reading::{names, run, text};
use super::shell::trusted;
use crate::policy::glob;

pub const CHECKS: &[Check] = &[
    Check { id: "sshd.config", run: config },
    Check { id: "sshd.command", run: |host| each(host, command) },
    Check { id: "sshd.subsystem", run: |host| each(host, subsystem) },
    Check { id: "sshd.forwarding", run: |host| each(host, forwarding) },
    Check {
        id: "sshd.tunnel",
        run: |host| each(host, |view| demand(view, "permittunnel", "no", "it gives a network interface to the client")),
    },
    Check { id: "sshd.rc", run: |host| each(host, |view| demand(view, "permituserrc", "no", "~/.ssh/rc is run before the shell")) },
    Check { id: "sshd.authinfo", run: |host| each(host, authinfo) },
    Check { id: "sshd.keys", run: |host| each(host, keys) },
    Check { id: "sshd.keys_command", run: |host| each(host, keys_command) },
    Check { id: "sshd.certificates", run: |host| each(host, certificates) },
    Check { id: "sshd.environment", run: |host| each(host, environment) },
    Check { id: "sshd.user_environment", run: |host| each(host, user_environment) },
    Check { id: "sshd.tty", run: |host| each(host, tty) },
    Check { id: "sshd.passwords", run: |host| each(host, passwords) },
    Check { id: "sshd.pam", run: |host| each(host, pam) },
    Check { id: "sshd.others", run: |_| others() },
];

const SSHD: &str = "/usr/sbin/sshd";
/// Address and host name of clients to ask for; the first is from RFC 5737, nobody's.
const CLIENTS: [(&str, &str); 2] = [("192.0.2.1", "client.invalid"), ("127.0.0.1", "localhost")];
const SNIPPET: &str = "install packaging/sshd/postern.conf as /etc/ssh/sshd_config.d/00-postern.conf, and reload sshd";

/// What sshd says.
pub enum Sshd {
    /// Why it was not asked.
    Unasked(String),
    /// What is wrong with its configuration, in its own words.
    Broken(String),
    Asked(Vec<View>),
}

/// What holds for one account and one client.
pub struct View {
    account: String,
    home: String,
    uid: u32,
    settings: Settings,
}

/// Keywords in lower case, with the values of each line that has them.
struct Settings(BTreeMap<String, Vec<String>>);

impl Settings {
    fn parse(text: &str) -> Settings {
        let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines() {
            let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
            settings.entry(keyword.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
        }
        Settings(settings)
    }

    /// Every value of a keyword.
    fn all(&self, keyword: &str) -> &[String] {
        self.0.get(keyword).map_or(&[], Vec::as_slice)
    }

    fn one(&self, keyword: &str) -> Option<&str> {
        self.all(keyword).first().map(String::as_str)
    }

    fn is(&self, keyword: &str, value: &str) -> bool {
        self.one(keyword) == Some(value)
    }

    /// Whether a keyword names something: it is there, and not `none`.
    fn names(&self, keyword: &str) -> Option<&str> {
        self.one(keyword).filter(|value| !value.is_empty() && *value != "none")
    }
}

impl Sshd {
    /// Asks sshd, which tells root only: it reads its keys.
    pub fn read(accounts: &[Account]) -> Sshd {
        if !Path::new(SSHD).exists() {
            return Sshd::Unasked("sshd is not installed".to_owned());
        }
        if !nix::unistd::geteuid().is_root() {
            return Sshd::Unasked("only root can ask sshd what holds for an account".to_owned());
        }
        if accounts.is_empty() {
            return Sshd::Unasked("there is no account to ask sshd about".to_owned());
        }
        let mut views = Vec::new();
        for (account, (address, client)) in accounts.iter().flat_map(|account| CLIENTS.iter().map(move |client| (account, client))) {
            let who = format!("user={},host={client},addr={address},laddr={address},lport=22", account.name());
            match run(SSHD, &["-T", "-C", &who]) {
                Err(reason) => return Sshd::Unasked(reason),
                Ok(output) if output.status.success() => views.push(View {
                    account: account.name().to_owned(),
                    home: account.user.home.to_string_lossy().into_owned(),
                    uid: account.user.uid.as_raw(),
                    settings: Settings::parse(&output.out),
                }),
                // Its run-time directory is made when it starts.
                Ok(output) if output.err.contains("privilege separation directory") => {
                    return Sshd::Unasked(format!("{}; ask again when sshd runs", output.err.trim()));
                }
                Ok(output) => return Sshd::Broken(output.err.lines().next().unwrap_or("it does not say why").to_owned()),
            }
        }
        Sshd::Asked(views)
    }
}

fn config(host: &Host) -> Vec<Finding> {
    vec![match &host.sshd {
        Sshd::Unasked(reason) => Finding::skipped("sshd", reason.clone()),
        Sshd::Broken(reason) => {
            Finding::problem("sshd", format!("it does not accept its configuration: {reason}")).fix("`sshd -t` shows what is wrong")
        }
        Sshd::Asked(_) => Finding::ok("sshd", "it accepts its configuration"),
    }]
}

/// A check of every account as every client sees it; what is the same for both is said once, and what is well for one only not at all.
fn each(host: &Host, check: impl Fn(&View) -> Finding) -> Vec<Finding> {
    let views = match &host.sshd {
        Sshd::Unasked(reason) => return vec![Finding::skipped("sshd", reason.clone())],
        Sshd::Broken(_) => return vec![Finding::skipped("sshd", "it does not accept its configuration")],
        Sshd::Asked(views) => views,
    };
    let mut worst: BTreeMap<&str, Finding> = BTreeMap::new();
    for view in views {
        let finding = check(view);
        let known = worst.entry(&view.account).or_insert_with(|| finding.clone());
        if finding.level < known.level {
            *known = finding;
        }
    }
    worst.into_values().collect()
}

/// One setting that has to have one value.
fn demand(view: &View, keyword: &str, value: &str, otherwise: &str) -> Finding {
    match view.settings.one(keyword) {
        Some(set) if set == value => Finding::ok(&view.account, format!("{keyword} {value}")),
        set => Finding::problem(&view.account, format!("{keyword} {}: {otherwise}", set.unwrap_or("not set"))).fix(SNIPPET),
    }
}

fn is_forced(settings: &Settings) -> bool {
    settings.is("forcecommand", "posternsh --forced")
}

fn command(view: &View) -> Finding {
    demand(view, "forcecommand", "posternsh --forced", "what sshd runs by itself passes the shell by")
}

fn subsystem(view: &View) -> Finding {
    let internal = view.settings.all("subsystem").iter().any(|value| value.contains("internal-sftp"));
    match (internal, is_forced(&view.settings)) {
        (true, false) => {
            Finding::problem(&view.account, "internal-sftp serves files from inside sshd, without asking the shell").fix(SNIPPET)
        }
        _ => Finding::ok(&view.account, "subsystems come to the shell as lines, like everything else"),
    }
}

/// Before OpenSSH 10.0 `disableforwarding` left agent and X11 forwarding open (CVE-2025-32728), so these are asked for as well.
fn forwarding(view: &View) -> Finding {
    let wanted = [("disableforwarding", "yes"), ("allowagentforwarding", "no"), ("x11forwarding", "no")];
    let open: Vec<String> = wanted
        .iter()
        .filter(|(keyword, value)| !view.settings.is(keyword, value))
        .map(|(keyword, _)| format!("{keyword} {}", view.settings.one(keyword).unwrap_or("not set")))
        .collect();
    match open[..] {
        [] => Finding::ok(&view.account, "nothing is forwarded"),
        _ => Finding::problem(&view.account, format!("{}: sshd makes connections without asking the shell", open.join(", "))).fix(SNIPPET),
    }
}

fn authinfo(view: &View) -> Finding {
    demand(
        view,
        "exposeauthinfo",
        "yes",
        "a client whose AcceptEnv is wide can claim any key, and the shell does not know by which one it came in",
    )
}

/// Every file that sshd takes keys from is root's, with all above it, and not in a home directory.
fn keys(view: &View) -> Finding {
    let files: Vec<&str> = view.settings.all("authorizedkeysfile").iter().flat_map(|value| value.split_whitespace()).collect();
    let mut read = Vec::new();
    for file in files.iter().filter(|file| **file != "none") {
        let path = expand(file, view);
        if !file.starts_with('/') || file.contains("%h") || Path::new(&path).starts_with(&view.home) {
            return Finding::problem(&view.account, format!("authorizedkeysfile {file}: the account can add keys of its own")).fix(SNIPPET);
        }
        match trusted(Path::new(&path)) {
            Ok(()) => read.push(path),
            Err(error) if error.is_missing() => {}
            Err(error) => return Finding { subject: path, ..Finding::distrust(&error) },
        }
    }
    match &read[..] {
        [] => Finding::note(&view.account, format!("no file has a key for it: {}", files.join(" ")))
            .fix(format!("install -m 644 THEIR_KEY.pub /etc/postern/authorized_keys/{}", view.account)),
        read => Finding::ok(&view.account, format!("keys are in {}, which is root's", read.join(", "))),
    }
}

/// The tokens of `AuthorizedKeysFile`, sshd_config(5).
fn expand(file: &str, view: &View) -> String {
    let (uid, percent) = (view.uid.to_string(), "\u{0}");
    let expanded = file.replace("%%", percent).replace("%u", &view.account).replace("%U", &uid).replace("%h", &view.home);
    expanded.replace(percent, "%")
}

fn keys_command(view: &View) -> Finding {
    match view.settings.names("authorizedkeyscommand") {
        None => Finding::ok(&view.account, "no program gives keys"),
        Some(command) => {
            Finding::note(&view.account, format!("authorizedkeyscommand {command}: whoever can change what it says can let anybody in"))
        }
    }
}

fn certificates(view: &View) -> Finding {
    let Some(file) = view.settings.names("trustedusercakeys") else { return Finding::ok(&view.account, "no certificate lets in") };
    match trusted(Path::new(file)) {
        Err(error) if !error.is_missing() => Finding::distrust(&error),
        _ => {
            let principals =
                ["authorizedprincipalsfile", "authorizedprincipalscommand"].iter().find_map(|keyword| view.settings.names(keyword));
            let whom = principals.map_or_else(|| "to the account of that name".to_owned(), |principals| format!("by {principals}"));
            Finding::note(&view.account, format!("trustedusercakeys {file}: whom these authorities sign for is let in, {whom}"))
        }
    }
}

/// Variables that reach into the shell, or into the loader that loads it, before it can clear them.
const REACHING: [&str; 7] =
    ["SSH_ORIGINAL_COMMAND", "SSH_USER_AUTH", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GLIBC_TUNABLES", "MALLOC_PERTURB_"];

fn environment(view: &View) -> Finding {
    let accepted: Vec<&str> = view.settings.all("acceptenv").iter().flat_map(|value| value.split_whitespace()).collect();
    // sshd tells upper from lower case, and the match here does not; so it takes more for dangerous, not less.
    let reaching: Vec<&str> = REACHING.into_iter().filter(|name| accepted.iter().any(|pattern| glob::name(pattern, name))).collect();
    if !reaching.is_empty() {
        let message = format!("acceptenv {}: a client can set {}", accepted.join(" "), reaching.join(", "));
        return Finding::problem(&view.account, message)
            .fix(format!("{SNIPPET}; and have no AcceptEnv in a Match block behind it, which adds"));
    }
    match accepted.iter().find(|pattern| **pattern != "POSTERN_ACCEPTS_NONE") {
        Some(_) => {
            Finding::note(&view.account, format!("acceptenv {}: none of these configures the shell", accepted.join(" "))).fix(SNIPPET)
        }
        None => Finding::ok(&view.account, "a client can set no variable"),
    }
}

/// In force for every account, whoever it is asked for.
fn user_environment(view: &View) -> Finding {
    let mut finding = demand(view, "permituserenvironment", "no", "~/.ssh/environment and keys can preload a library into any login shell");
    if finding.level == Level::Problem {
        finding = finding.fix("PermitUserEnvironment no in front of all Match blocks, as the shipped snippet has it");
    }
    finding
}

fn tty(view: &View) -> Finding {
    match view.settings.is("permittty", "no") {
        true => Finding::warning(&view.account, "permittty no: sessions have no terminal, so no editor and no prompt")
            .fix("PermitTTY yes, as the shipped snippet has it"),
        false => Finding::ok(&view.account, "sessions can have a terminal"),
    }
}

fn passwords(view: &View) -> Finding {
    if view.settings.is("permitemptypasswords", "yes") {
        return Finding::problem(&view.account, "permitemptypasswords yes: an account without a password is open")
            .fix("PermitEmptyPasswords no");
    }
    let asking = ["passwordauthentication", "kbdinteractiveauthentication"].into_iter().find(|keyword| view.settings.is(keyword, "yes"));
    match asking {
        Some(keyword) => Finding::note(&view.account, format!("{keyword} yes: a password may let in, and no key then says who it was"))
            .fix("PasswordAuthentication no and KbdInteractiveAuthentication no for Group postern"),
        None => Finding::ok(&view.account, "passwords do not let in"),
    }
}

fn pam(view: &View) -> Finding {
    match view.settings.is("usepam", "yes") {
        true => Finding::ok(&view.account, "sessions go through PAM"),
        false => Finding::note(&view.account, "usepam no: neither the limits of pam_limits nor a lock by PAM hold for sessions")
            .fix("UsePAM yes"),
    }
}

/// Other ways in that run, by the names of processes: servers with rules of their own, and sshds with another configuration.
fn others() -> Vec<Finding> {
    // Under hidepid (proc(5)) others' processes are not there, process 1 among them.
    if !matches!(text("/proc/1/comm"), Ok(name) if !name.is_empty()) {
        return vec![Finding::skipped("processes", "only root can see all of them")];
    }
    let processes = match names("/proc") {
        Ok(names) => names.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())),
        Err(unread) => return vec![unread.skipped("/proc")],
    };
    let mut found: Vec<Finding> =
        processes.filter_map(|pid| other(&text(format!("/proc/{pid}/comm")).ok()?, &text(format!("/proc/{pid}/cmdline")).ok()?)).collect();
    found.dedup();
    if found.is_empty() { vec![Finding::ok("processes", "no other ssh server runs")] } else { found }
}

fn other(name: &str, arguments: &str) -> Option<Finding> {
    let name = name.trim();
    // sshd shows its arguments as words of one title.
    let words: Vec<&str> = arguments.split(['\0', ' ']).collect();
    match name {
        "dropbear" | "tinysshd" => Some(Finding::note(name, "this ssh server runs, and what is checked here does not hold for it")),
        "tailscaled" => Some(Finding::note(
            name,
            "it runs; with `tailscale up --ssh` it starts login shells itself, and what is checked here does not hold then",
        )),
        "sshd" => {
            let given = words.iter().position(|word| *word == "-f").and_then(|at| words.get(at + 1))?;
            (*given != "/etc/ssh/sshd_config").then(|| {
                Finding::note(format!("sshd -f {given}"), "this sshd has another configuration, which is not checked here")
                    .fix(format!("see what holds with `sshd -T -f {} -C user=ACCOUNT,host=localhost,addr=127.0.0.1`", quoted(given)))
            })
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "sshd_tests.rs"]
mod tests;
