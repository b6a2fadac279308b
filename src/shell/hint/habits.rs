//! What people type out of habit, and what there is in its place.
//!
//! Where a line is named, it is proposed only if the policy allows it; a note stands for itself.

use super::draft::{Draft, Word};

/// What there is in place of a habit.
pub struct Habit {
    pub note: Option<String>,
    /// The first that is allowed is proposed.
    pub lines: Vec<Draft>,
    /// Whether what is left is the person's own command, so that its refusal is worth telling.
    pub wraps: bool,
}

const AS_WHOM: &str = "leave it out: a rule says by itself as whom its command runs";
const AGAIN: &str = "run it again with the up arrow and Enter";
const WRITES: &str = "a file is written only where a rule takes `> FILE`; `ssh HOST 'LINE' > FILE` keeps the output where you are";
const HERE: &str = "this is the shell: give the line itself; `|`, `&&`, `||` and `;` are there";
const SCRIPTS: &str = "programs and scripts of your own do not run here; `help` shows what does";
const VARIABLES: &str = "the policy sets the environment of commands; nothing is set here";
const LEAVES: &str = "`exit` leaves, and so does Ctrl-D";
const ENDS: &str = "a command ends with its line; a second session runs a second command";
const LIMITS: &str = "`explain LINE` shows the limits of a line; they are the policy's";
const ALIASES: &str = "there are no aliases: write the command out; the up arrow brings lines back";
const OTHERS: &str = "what would be run for each name is written out here, or the names are given as a glob";

/// What is told of a command that nothing replaces.
const NOTES: &[(&[&str], &str)] = &[
    (&["h", "hist", "fc"], "`history` shows the lines of this session, the up arrow brings them back"),
    (&["clear", "cls", "reset"], "Ctrl-L clears the screen"),
    (&["alias", "unalias"], ALIASES),
    (&["export", "unset", "set", "env", "printenv", "declare", "typeset", "setenv"], VARIABLES),
    (&["bash", "sh", "zsh", "dash", "ksh", "fish", "ash", "csh", "tcsh"], HERE),
    (&["python", "python3", "python2", "perl", "ruby", "node", "php", "lua", "source", ".", "eval", "expect"], SCRIPTS),
    (&["quit", "bye", "q", ":q", ":q!", ":wq"], LEAVES),
    (&["jobs", "fg", "bg", "disown", "wait", "screen", "tmux", "byobu", "at", "batch"], ENDS),
    (&["ulimit", "umask", "prlimit"], LIMITS),
    (&["tee", "dd", "split", "script"], WRITES),
    (&["xargs", "parallel"], OTHERS),
    (&["..", "cd..", "..."], "`cd ..` goes up"),
    (&["su", "login", "newgrp"], "nobody becomes another account here: a rule says by itself as whom its command runs"),
];

/// Commands that show what another is.
const MANUALS: [&str; 10] = ["man", "info", "which", "type", "whereis", "whatis", "apropos", "tldr", "hash", "where"];

/// Commands that run another: the letters of options with a value, how many operands are before the other command, and what is told.
const WRAPPERS: &[(&str, &str, usize, &str)] = &[
    ("sudo", "ughpCrtUTDR", 0, AS_WHOM),
    ("doas", "uC", 0, AS_WHOM),
    ("pkexec", "", 0, AS_WHOM),
    ("runuser", "ugGs", 0, AS_WHOM),
    ("watch", "nq", 0, AGAIN),
    ("nice", "n", 0, "leave it out"),
    ("ionice", "cn", 0, "leave it out"),
    ("nohup", "", 0, "leave it out: a command ends with its session"),
    ("setsid", "", 0, "leave it out: a command ends with its session"),
    ("stdbuf", "ioe", 0, "leave it out"),
    ("unbuffer", "", 0, "leave it out"),
    ("timeout", "ks", 1, "leave it out: Ctrl-C ends a command, and rules have time limits"),
    ("env", "uCS", 0, "leave it out: the policy sets the environment of commands"),
    ("command", "", 0, "leave it out"),
    ("builtin", "", 0, "leave it out"),
    ("exec", "a", 0, "leave it out"),
    ("busybox", "", 0, "leave it out"),
    ("time", "fo", 0, "leave it out: the record of a command says how long it took"),
];

/// Options by which those that change the user only ask, or edit: what stands behind is not run.
const ASKS: &[(&str, &str, &[&str])] =
    &[("sudo", "leKvVh", &["--list", "--edit", "--remove-timestamp", "--validate", "--version", "--help"]), ("doas", "CL", &[])];

/// A name, what stands for it, and whether its arguments go with that. Of several the first that is allowed.
const INSTEAD: &[(&str, &[&str], bool)] = &[
    ("ll", &["ls -l", "ls -la", "ls -lah", "ls"], true),
    ("la", &["ls -la", "ls -a", "ls -l"], true),
    ("l", &["ls -l", "ls"], true),
    ("lt", &["ls -lt", "ls -l"], true),
    ("dir", &["ls -l", "ls"], true),
    ("vdir", &["ls -l"], true),
    ("exa", &["ls", "ls -l"], true),
    ("more", &["less", "cat"], true),
    ("most", &["less", "cat"], true),
    ("pg", &["less", "cat"], true),
    ("bat", &["less", "cat"], true),
    ("egrep", &["grep -E"], true),
    ("fgrep", &["grep -F"], true),
    ("rgrep", &["grep -r"], true),
    ("rg", &["grep -rn", "grep -r"], true),
    ("ag", &["grep -rn", "grep -r"], true),
    ("ack", &["grep -rn", "grep -r"], true),
    ("gawk", &["awk"], true),
    ("mawk", &["awk"], true),
    ("nawk", &["awk"], true),
    ("top", &["top -s", "top -b -n 1", "top -bn1", "ps aux"], false),
    ("htop", &["top -s", "top", "top -b -n 1", "top -bn1", "ps aux"], false),
    ("btop", &["top -s", "top", "top -b -n 1", "top -bn1", "ps aux"], false),
    ("atop", &["top -s", "top", "top -b -n 1", "top -bn1", "ps aux"], false),
    ("nmon", &["top -s", "top", "top -b -n 1", "top -bn1", "vmstat"], false),
    ("glances", &["top -s", "top", "top -b -n 1", "top -bn1"], false),
    ("ifconfig", &["ip addr show", "ip a show", "ip address show"], true),
    ("ifconfig", &["ip a", "ip addr", "ip address"], false),
    ("netstat", &["ss"], true),
    ("netstat", &["ss -tulpn", "ss -tln", "ss -an", "ss"], false),
    ("route", &["ip route", "ip r"], false),
    ("arp", &["ip neigh", "ip n", "ip neighbour"], false),
    ("brctl", &["bridge link"], false),
    ("nslookup", &["dig", "host", "getent hosts"], true),
    ("host", &["dig", "getent hosts"], true),
    ("dig", &["host", "getent hosts"], true),
    ("traceroute", &["tracepath", "mtr -rn"], true),
    ("wget", &["curl -sS", "curl"], true),
    ("chkconfig", &["systemctl list-unit-files"], false),
    ("docker-compose", &["docker compose"], true),
    ("k", &["kubectl"], true),
    ("yum", &["dnf"], true),
    ("lsb_release", &["cat /etc/os-release"], false),
    ("hostname", &["uname -n", "hostnamectl"], false),
    ("whoami", &["id -un", "id"], false),
    ("who", &["w"], false),
    ("w", &["who"], false),
    ("free", &["cat /proc/meminfo"], false),
    ("lscpu", &["cat /proc/cpuinfo"], false),
    ("lsmod", &["cat /proc/modules"], false),
    ("mount", &["findmnt", "cat /proc/mounts"], false),
    ("dmesg", &["journalctl -k --no-pager", "journalctl -k"], false),
];

/// Commands that edit a file.
const EDITORS: [&str; 12] = ["vi", "vim", "nvim", "view", "nano", "pico", "emacs", "ed", "ex", "mcedit", "joe", "micro"];

/// What there is in place of a command; `is_allowed` is whether some rule is for a name.
pub fn of(draft: &Draft, is_allowed: impl Fn(&str) -> bool) -> Option<Habit> {
    let command = draft.word(0)?;
    if MANUALS.contains(&command) || command == "command" && draft.word(1).is_some_and(|option| option.eq_ignore_ascii_case("-v")) {
        return Some(Habit { note: Some(manual(draft, is_allowed)), lines: Vec::new(), wraps: false });
    }
    if EDITORS.contains(&command) {
        return Some(Habit { note: Some("nothing is edited here".to_owned()), lines: shown(draft), wraps: false });
    }
    if command == "service" {
        return Some(service(draft));
    }
    let wrapper = WRAPPERS.iter().find(|(name, ..)| *name == command);
    if let Some((_, values, operands, note)) = wrapper
        && let Some(inner) = inner(draft, values, *operands)
    {
        return Some(Habit { note: Some((*note).to_owned()), lines: vec![inner], wraps: true });
    }
    let lines: Vec<Draft> = INSTEAD.iter().filter(|(name, ..)| *name == command).flat_map(|row| instead(draft, row)).collect();
    let note = NOTES.iter().find(|(names, _)| names.contains(&command)).map(|(_, note)| (*note).to_owned());
    let note = note.or_else(|| wrapper.map(|(.., note)| (*note).to_owned()));
    (note.is_some() || !lines.is_empty()).then_some(Habit { note, lines, wraps: false })
}

fn instead<'a>(draft: &'a Draft, (_, lines, takes_arguments): &'a (&str, &[&str], bool)) -> impl Iterator<Item = Draft> + 'a {
    let start = if *takes_arguments { 1 } else { draft.words.len() };
    lines.iter().map(move |line| draft.behind(line.split(' '), start))
}

/// What `help` says of the command that somebody looks for.
fn manual(draft: &Draft, is_allowed: impl Fn(&str) -> bool) -> String {
    let mut names = draft.words.iter().skip(1).map(|word| word.text.as_str()).filter(|word| !word.starts_with('-'));
    match names.find(|name| !name.chars().all(|character| character.is_ascii_digit())) {
        Some(name) if is_allowed(name) => format!("`help {name}` shows what of it you may run"),
        Some(name) => format!("no rule is for `{name}`; `help` shows what you may run"),
        None => "`help` shows what you may run, `help COMMAND` more of one".to_owned(),
    }
}

/// The files of an editor, to be looked at.
fn shown(draft: &Draft) -> Vec<Draft> {
    let is_file = |word: &&Word| !word.text.starts_with(['-', '+']);
    let files: Vec<Word> = draft.words.iter().skip(1).filter(is_file).cloned().collect();
    let show = |program: &str| draft.with(std::iter::once(Word::new(program)).chain(files.iter().cloned()).collect());
    if files.is_empty() { Vec::new() } else { vec![show("less"), show("cat")] }
}

/// `service X status` as systemctl has it.
fn service(draft: &Draft) -> Habit {
    let lines = match draft.words.get(1) {
        Some(unit) if !unit.text.starts_with('-') => {
            vec![draft.with(["systemctl", "status"].into_iter().map(Word::new).chain([unit.clone()]).collect())]
        }
        _ => ["systemctl list-units --type=service", "systemctl list-units", "systemctl"]
            .map(|line| draft.behind(line.split(' '), draft.words.len()))
            .to_vec(),
    };
    Habit { note: None, lines, wraps: false }
}

/// The command that a wrapper runs. One in quotes is taken apart only where nothing in it would mean anything to a shell.
fn inner(draft: &Draft, values: &str, operands: usize) -> Option<Draft> {
    let command = draft.word(0)?;
    let asks = ASKS.iter().find(|(name, ..)| *name == command);
    let mut at = 1;
    while let Some(word) = draft.word(at) {
        let letters = word.strip_prefix('-').filter(|letters| !letters.is_empty());
        match letters {
            Some("-") => {
                at += 1;
                break;
            }
            Some(letters) if asks.is_some_and(|asks| is_question(word, letters, values, asks)) => return None,
            Some(letters) => at += if letters.len() == 1 && values.contains(letters) { 2 } else { 1 },
            None if is_assignment(word) => at += 1,
            None => break,
        }
    }
    at += operands;
    let first = draft.word(at)?;
    if draft.words.len() == at + 1 && first.contains(' ') {
        let is_plain = |character: char| character.is_ascii_alphanumeric() || " _./:=,+@%-".contains(character);
        return first.chars().all(is_plain).then(|| draft.behind(first.split_whitespace(), draft.words.len()));
    }
    Some(draft.behind([], at))
}

/// Whether an option of a wrapper, `letters` behind its dash, is one by which it only asks.
fn is_question(word: &str, letters: &str, values: &str, (_, short, long): &(&str, &str, &[&str])) -> bool {
    let is_long = letters.starts_with('-');
    // Behind the letter of an option with a value stands that.
    let mut own = letters.chars().take_while(|letter| short.contains(*letter) || !values.contains(*letter));
    if is_long { long.contains(&word) } else { own.any(|letter| short.contains(letter)) }
}

fn is_assignment(word: &str) -> bool {
    let name = |name: &str| !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    word.split_once('=').is_some_and(|(variable, _)| name(variable))
}
