//! `postern init`: writes a policy to begin with, of the shipped parts that the host has use for.
//!
//! What the flags leave open is asked where somebody is there to answer; elsewhere the defaults hold. Everything is compiled before a byte is
//! written, and `policy.yaml`, without which the rest is no policy, comes last.

use std::ffi::OsStr;
use std::io::{BufRead, IsTerminal, Write, stdin, stdout};
use std::path::{Path, PathBuf};

use super::arguments::Arguments;
use super::output::{count, say};
use super::{Failure, Status, golden};
use crate::policy::Applied;
use crate::policy::applied::encode;
use crate::policy::compile::{Compiled, Source, compile};
use crate::policy::golden::{ENDING, read_all};
use crate::policy::shipped::{self, PARTS, Part};
use crate::sys::file::{Directory, Owner};
use crate::words::paths;

/// Where programs are looked for, as sessions do.
const SEARCH: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// What the policy is to say.
struct Plan {
    accounts: Vec<String>,
    hosts: Vec<String>,
    from: Vec<String>,
    observe: bool,
    parts: Vec<&'static Part>,
}

/// `postern init [--account A]... [--host H]... [--from N]... [--part P]... [--observe] [DIR]`.
pub fn init(arguments: &Arguments) -> Result<Status, Failure> {
    let directory = arguments.path(paths::POLICY_DIR);
    refuse_another_policy(&directory)?;
    let plan = Plan::of(arguments)?;
    let files = plan.files();
    let sources = files.iter().map(|(name, text)| Source::from((name.clone(), text.clone().into_bytes())));
    let (goldens, sources): (Vec<Source>, Vec<Source>) = sources.partition(|source| source.name.ends_with(ENDING));
    let compiled = compile(&sources).map_err(Failure::Policy)?;
    hold_against(&compiled, &goldens)?;
    write(&directory, &files)?;
    let shown = directory.display();
    let parts: Vec<&str> = plan.parts.iter().map(|part| part.name).collect();
    say(format_args!(
        "wrote {shown}: {} of {}: {}",
        count(compiled.all_rules().count(), "rule"),
        count(parts.len(), "part"),
        parts.join(", ")
    ));
    say(format_args!("next: read {shown}/policy.yaml, then `postern lint {shown}`, `postern test {shown}`, `postern apply {shown}`"));
    Ok(Status::Done)
}

/// Nothing is written whose golden lines are decided otherwise than they expect.
fn hold_against(compiled: &Compiled, goldens: &[Source]) -> Result<(), Failure> {
    let bytes = encode(compiled).map_err(|error| Failure::Other(error.to_string()))?;
    let policy = Applied::open(Box::new(bytes)).map_err(|damaged| Failure::Other(damaged.to_string()))?;
    let reports = golden::run(&policy, &read_all(goldens).map_err(Failure::Policy)?)?;
    golden::complain_of(&reports);
    match golden::failed(&reports) {
        0 => Ok(()),
        _ => Err(Failure::Other(format!("nothing was written: the golden tests do not pass ({})", golden::summary(&reports)))),
    }
}

/// Somebody's policy is never written over.
fn refuse_another_policy(directory: &Path) -> Result<(), Failure> {
    let parts = directory.join(paths::POLICY_PARTS);
    let main = directory.join(paths::POLICY_FILE);
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let holds = std::fs::read_dir(&parts).is_ok_and(|mut entries| entries.next().is_some());
    match is_there(&main) || holds {
        true => {
            Err(Failure::Other(format!("there is a policy in {} already; name another directory, or move it away", directory.display())))
        }
        false => Ok(()),
    }
}

impl Plan {
    /// By the flags, and the answers to what they leave open.
    fn of(arguments: &Arguments) -> Result<Plan, Failure> {
        let values = |name: &str| -> Vec<String> { arguments.all(name).map(|value| value.to_string_lossy().into_owned()).collect() };
        let mut plan = Plan {
            accounts: values("account"),
            hosts: values("host"),
            from: values("from"),
            observe: arguments.flag("observe").is_some(),
            parts: parts_named(&values("part"))?,
        };
        let asks = plan.accounts.is_empty() && stdin().is_terminal() && stdout().is_terminal();
        if plan.parts.is_empty() {
            plan.parts = PARTS.iter().filter(|part| has_use_for(part)).collect();
            if asks {
                plan.ask_for_parts()?;
            }
        }
        if asks {
            plan.accounts = words(&ask("Accounts, and %groups, that it is for", "breakglass")?);
            plan.from = words(&ask("Client addresses or networks that they come from (any)", "")?);
            plan.observe = ask("Only observe at first, and refuse nothing? (y/n)", "n")?.starts_with(['y', 'Y']);
        }
        if plan.accounts.is_empty() {
            plan.accounts = vec!["breakglass".to_owned()];
        }
        Ok(plan)
    }

    fn ask_for_parts(&mut self) -> Result<(), Failure> {
        say("Parts, with * before those that this host has a use for:");
        for part in &PARTS {
            let mark = if self.parts.iter().any(|chosen| chosen.name == part.name) { '*' } else { ' ' };
            say(format_args!(" {mark} {:12} {}", part.name, part.about));
        }
        let names: Vec<&str> = self.parts.iter().map(|part| part.name).collect();
        self.parts = parts_named(&words(&ask("Parts", &names.join(" "))?))?;
        Ok(())
    }

    /// Every file of the policy by its name; `policy.yaml` is the last.
    fn files(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for (number, part) in (1..).zip(&self.parts) {
            let name = format!("{}/{:02}-{}", paths::POLICY_PARTS, number * 5, part.name);
            let scope = format!("postern: 1\n\n{}", self.scope());
            files.push((format!("{name}.yaml"), part.policy.replacen("postern: 1\n", &scope, 1)));
            files.push((format!("{name}.golden"), Plan::golden(part, &format!("{name}.yaml"))));
        }
        files.push((paths::POLICY_FILE.to_owned(), self.main()));
        files
    }

    /// Whom a file is for.
    fn scope(&self) -> String {
        let mut text = "# Whom this file is for.\n".to_owned();
        if self.observe {
            text += "# Nothing is refused yet, only put on record; take this line out of every file when the records are as they should be.\nmode: observe\n";
        }
        for (key, values) in [("hosts", &self.hosts), ("accounts", &self.accounts), ("from", &self.from)] {
            if !values.is_empty() {
                text += &format!("{key}: {}\n", list(values));
            }
        }
        text
    }

    /// The golden lines of a part; `file` is the part's new name. Whom they are asked for is left to the file beside them.
    fn golden(part: &Part, file: &str) -> String {
        let golden = part.golden.replace(&format!("rule: {}.yaml", part.name), &format!("rule: {file}"));
        let is_subject = |line: &&str| ["account:", "groups:", "host:", "from:"].iter().any(|key| line.starts_with(key));
        let lines: Vec<&str> = golden.lines().filter(|line| !is_subject(line)).collect();
        lines.join("\n") + "\n"
    }

    fn main(&self) -> String {
        let parts = self.parts.iter().map(|part| format!("#   {:12} {}\n", part.name, part.about)).collect::<String>();
        format!(
            "\
# yaml-language-server: $schema=/usr/share/postern/policy.schema.json
#
# The policy of this host: what accounts with posternsh for a login shell may run. postern-policy(5) explains every key, `postern lint` says what is
# dangerous or useless in it, and `postern apply` puts it in force.
#
# What may be run is in policy.d, one file for a kind of thing, each with its golden lines, which `postern test` and `postern apply` try:
{parts}#
# A rule of your own reads like the SYNOPSIS of a manual page, below `allow:` in any of the files:
#   - systemctl status [--no-pager] <unit>...
#   - {{ run: 'tail [-n <int>] [-f] <file>', confine: {{ base: sealed, read: [/srv/app/log] }} }}
# What must never run, whatever a file allows, is below `deny:` here.
postern: 1

# Where every session and command goes on record: syslog, and a file a session.
audit: {{ syslog: /dev/log, facility: authpriv, dir: /var/log/postern, on_failure: refuse }}

# What the person saw is recorded too. Secrets among it are made unreadable in the files.
record: {{ max: 1MiB }}
redact: files

# A session ends by itself: after so long without a key, and in any case.
session: {{ idle: 30m, max: 8h, banner: This session is recorded. }}
"
        )
    }
}

/// Whether the host has what a part is about.
fn has_use_for(part: &Part) -> bool {
    let is_installed = |program: &&str| SEARCH.iter().any(|place| Path::new(place).join(program).is_file());
    part.programs.is_empty() || part.programs.iter().any(is_installed)
}

fn parts_named(names: &[String]) -> Result<Vec<&'static Part>, Failure> {
    let known = || PARTS.iter().map(|part| part.name).collect::<Vec<_>>().join(", ");
    // In the order in which they are meant to be read, whatever order they are named in.
    if let Some(unknown) = names.iter().find(|name| *name != "all" && shipped::named(name).is_none()) {
        return Err(Failure::Usage(format!("no part `{}`; known ones: {}, or all", crate::words::Safe(unknown.as_bytes()), known())));
    }
    let all = names.iter().any(|name| name == "all");
    Ok(PARTS.iter().filter(|part| all || names.iter().any(|name| name == part.name)).collect())
}

/// Asks on the terminal; an empty answer is the default.
fn ask(question: &str, default: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::Other(format!("cannot ask: {error}"));
    let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
    let mut out = stdout().lock();
    write!(out, "{question}{shown}: ").and_then(|()| out.flush()).map_err(failed)?;
    let mut answer = String::new();
    if stdin().lock().read_line(&mut answer).map_err(failed)? == 0 {
        return Err(Failure::Other("nothing was written: the questions had no end".to_owned()));
    }
    let answer = answer.trim();
    Ok(if answer.is_empty() { default } else { answer }.to_owned())
}

/// Words with blanks or commas between them.
fn words(text: &str) -> Vec<String> {
    text.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A YAML list in one line.
fn list(values: &[String]) -> String {
    format!("[{}]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
}

/// A YAML text, whatever it holds.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Writes the files into a directory, which it makes if need be. On failure what it wrote is taken away again.
fn write(directory: &Path, files: &[(String, String)]) -> Result<(), Failure> {
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = directory.file_name().and_then(OsStr::to_str).ok_or_else(|| Failure::Usage("DIR needs a name".to_owned()))?;
    let top = Directory::open(parent, Owner::Caller)?.make_directory(name, Owner::Caller)?;
    let parts = top.make_directory(paths::POLICY_PARTS, Owner::Caller)?;
    let mut written: Vec<PathBuf> = Vec::new();
    for (name, text) in files {
        let result = match name.strip_prefix(paths::POLICY_PARTS).and_then(|rest| rest.strip_prefix('/')) {
            Some(part) => parts.write_new(part, text.as_bytes()),
            None => top.write_new(name, text.as_bytes()),
        };
        if let Err(error) = result {
            written.iter().for_each(|path| drop(std::fs::remove_file(path)));
            return Err(error.into());
        }
        written.push(directory.join(name));
    }
    Ok(())
}
