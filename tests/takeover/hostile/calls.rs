//! Everything that a front can say to its guard, and much that none says.

use std::path::PathBuf;
use std::time::Duration;

use postern::record::Decision;
use postern::shell::channel::Channel;
use postern::shell::clock::Ending;
use postern::shell::desk::{Call, Reply, Way};
use postern::shell::guard::Outcome;
use postern::shell::names::Question;
use postern::shell::wire::{VERSION, encode};
use postern::syntax::{Argument, Connector, Item, Redirect, RedirectKind, Request, Stage};
use postern::words::Span;
use postern::words::limits::{LINE_WORDS, MESSAGE_BYTES};

fn argument(text: &str) -> Argument {
    Argument { text: text.to_owned(), span: Span::default() }
}

/// One command, under a line that may say anything.
fn request(line: &str, words: &[&str]) -> Request {
    let argv = words.iter().map(|word| argument(word)).collect();
    let item = Item { connector: Connector::Always, negated: false, stages: vec![Stage { argv, redirects: Vec::new() }] };
    Request { line: line.to_owned(), items: vec![item] }
}

fn command(words: &[&str]) -> Request {
    request(&words.join(" "), words)
}

fn redirected(words: &[&str], kind: RedirectKind) -> Request {
    let mut request = command(words);
    request.items[0].stages[0].redirects.push(Redirect { kind, span: Span::default() });
    request
}

fn output(file: &str, append: bool) -> RedirectKind {
    RedirectKind::Output { file: argument(file), append }
}

fn submit_in(directory: &str, request: Request) -> Call {
    Call::Submit { request, directory: PathBuf::from(directory), confirmed: Vec::new() }
}

fn submit(request: Request) -> Call {
    submit_in("/", request)
}

fn run(words: &[&str]) -> Call {
    submit(command(words))
}

fn builtin(words: &[&str]) -> Call {
    let argv = words.iter().map(|word| (*word).to_owned()).collect();
    Call::Builtin { line: words.join(" ").into_bytes(), argv, directory: "/".into() }
}

fn refuse(line: &[u8], decision: Decision, reason: &str) -> Call {
    Call::Refuse { line: line.to_vec(), decision, status: 0, reason: reason.to_owned(), directory: "/".into() }
}

fn start(way: Way, term: Option<&str>) -> Call {
    Call::Start { way, interactive: false, term: term.map(str::to_owned) }
}

/// Asks, and prints what was asked for under which name, and what was answered.
fn say(channel: &mut Channel, name: &str, call: &Call) -> Option<Reply> {
    let reply = channel.ask(call);
    match &reply {
        Ok(Reply::Outcome(Outcome { status, accepted, .. })) => println!("{name}: {status} {accepted}"),
        Ok(reply) => println!("{name}: {reply:?}"),
        Err(_) => println!("{name}: the guard is gone"),
    }
    reply.ok()
}

pub fn make(mut channel: Channel, name: &str) {
    if name == "nothing" {
        return;
    }
    if !["garbage-first", "submit-first", "abort-long"].contains(&name) {
        let (way, term) = match name {
            "term" => (Way::Login, Some("xterm\x1b]0;x\x07")),
            _ => (Way::Login, Some("xterm")),
        };
        let begun = channel.ask(&start(way, term));
        assert!(matches!(begun, Ok(Reply::Started { .. })), "{begun:?}");
    }
    match name {
        "words" => words(&mut channel),
        "names" => names(&mut channel),
        "confirm" => confirm(&mut channel),
        "bytes half" => half_a_message(&mut channel),
        "bytes deaf" => while channel.send_raw(&encode(&Call::About).unwrap()).is_ok() {},
        "close in-command" => channel.send_raw(&encode(&run(&["sleep", "1000"])).unwrap()).unwrap(),
        _ => sequence(&mut channel, name),
    }
}

/// Calls one after the other, each of which may be the last one answered.
fn sequence(channel: &mut Channel, name: &str) {
    if let Some(bytes) = bytes(name) {
        let _ = channel.send_raw(&bytes);
    }
    for (number, call) in calls(name).iter().enumerate() {
        say(channel, &format!("{name} {number}"), call);
    }
}

fn calls(name: &str) -> Vec<Call> {
    let long = "x".repeat(MESSAGE_BYTES / 2);
    let end = |ending| vec![run(&["true"]), Call::End(ending), run(&["echo", "after"])];
    let ran = || run(&["echo", "after"]);
    match name {
        "second-start" => vec![start(Way::Login, None), ran()],
        "abort" => vec![Call::Abort("nothing happened".to_owned()), ran()],
        "abort-long" => vec![Call::Abort(long)],
        "submit-first" => vec![ran()],
        "builtin-of-a-program" => vec![builtin(&["cat", "/etc/shadow"]), ran()],
        "builtin-of-nothing" => vec![builtin(&[]), ran()],
        "builtin-twice" => vec![builtin(&["pwd"]), builtin(&["pwd"]), ran()],
        "submit-in-builtin" => vec![builtin(&["pwd"]), ran()],
        "end-of-no-builtin" => vec![Call::EndBuiltin { status: 3 }, Call::End(Ending::Exit(0))],
        "relative-directory" => vec![submit_in("etc", command(&["true"])), ran()],
        "long-line" => vec![submit(request(&long, &["true"])), ran()],
        "long-reason" => vec![refuse(b"x", Decision::Invalid, &long), ran()],
        "long-directory" => vec![submit_in(&format!("/{long}"), command(&["true"])), ran()],
        "strikes" => vec![run(&["id"]), run(&["id"]), ran()],
        "end-max" => end(Ending::Max(Duration::from_secs(7))),
        "end-strikes" => end(Ending::Strikes(9)),
        "end-idle" => end(Ending::Idle(Duration::from_secs(7))),
        "end-exit" => end(Ending::Exit(0)),
        "strikes-exit" => vec![run(&["id"]), run(&["id"]), Call::End(Ending::Exit(0))],
        "refuse-allow" => vec![refuse(b"cat /etc/shadow\xff", Decision::Allow, "it ran, and root said so"), Call::End(Ending::Exit(0))],
        "term" => vec![run(&["printenv", "TERM"]), Call::End(Ending::Exit(0))],
        "close" => vec![run(&["true"])],
        _ => Vec::new(),
    }
}

/// Bytes that are no call.
fn bytes(name: &str) -> Option<Vec<u8>> {
    let header = |version: u8, length: u32| [&[version][..], &length.to_le_bytes()].concat();
    Some(match name {
        "bytes garbage" | "garbage-first" => (0..4096_u32).map(|number| (number * 37 % 251) as u8).collect(),
        "bytes version" => [header(VERSION + 1, 1), vec![1]].concat(),
        "bytes 4-gib" => header(VERSION, u32::MAX),
        "bytes choice" => [header(VERSION, 1), vec![200]].concat(),
        "bytes over" => [header(VERSION, 2), vec![1, 0]].concat(),
        _ => return None,
    })
}

/// Says half of something, and then nothing more.
fn half_a_message(channel: &mut Channel) {
    let whole = encode(&run(&["echo", "after"])).unwrap();
    channel.send_raw(&whole[..whole.len() / 2]).unwrap();
    loop {
        std::thread::sleep(Duration::from_secs(1000));
    }
}

/// A whole session of words that no line of ours has, or that no rule allows.
fn words(channel: &mut Channel) {
    let many = vec!["a"; LINE_WORDS + 1];
    let null = |place| redirected(&["true"], RedirectKind::Null(place));
    let mut outside = command(&["true"]);
    outside.items[0].stages[0].argv[0].span = Span::new(3, 4000);
    let mut hanging = command(&["true"]);
    hanging.items[0].connector = Connector::Or;
    let empty = Request { line: "x".to_owned(), items: Vec::new() };
    let attempts = [
        ("not allowed", run(&["rm", "-rf", "/var/precious"])),
        ("a file out of reach", run(&["cat", "/var/precious/root"])),
        ("a hidden file", run(&["cat", "/etc/shadow"])),
        ("input of a hidden file", submit(redirected(&["cat"], RedirectKind::Input(argument("/etc/shadow"))))),
        ("input through a link", submit(redirected(&["cat"], RedirectKind::Input(argument("/proc/self/environ"))))),
        ("output", submit(redirected(&["echo", "x"], output("/var/precious/root", false)))),
        ("output behind", submit(redirected(&["echo", "x"], output("/var/precious/anybody", true)))),
        ("descriptor 7", submit(null(7))),
        ("descriptor 2", submit(null(2))),
        ("NUL", run(&["echo", "a\0b"])),
        ("an escape", run(&["echo", "a\x1b[2J"])),
        ("a newline", run(&["echo", "a\nb"])),
        ("a long word", run(&["echo", &"x".repeat(5000)])),
        ("a long line", submit(request(&"x".repeat(5000), &["true"]))),
        ("many words", submit(request("echo", &many))),
        ("a place outside the line", submit(outside)),
        ("nothing to hang on", submit(hanging)),
        ("nothing", submit(empty)),
        ("no word", submit(request("x", &[]))),
        ("a directory out of reach", submit_in("/var/precious/closed", command(&["echo", "in-closed"]))),
        ("a file for a directory", submit_in("/etc/passwd", command(&["echo", "in-file"]))),
        ("another line than words", submit(request("uptime", &["echo", "what-ran"]))),
        ("forged answers", Call::Submit { request: command(&["sync"]), directory: "/".into(), confirmed: vec!["sync".to_owned()] }),
    ];
    for (name, call) in attempts {
        say(channel, name, &call);
    }
    say(channel, "end", &Call::End(Ending::Exit(0)));
}

/// Questions about names, and many of them.
fn names(channel: &mut Channel) {
    let enter = |target: &str| Question::Enter { directory: "/".into(), target: target.to_owned() };
    let list = |directory: &str| Question::List { directory: directory.into(), prefix: String::new() };
    let mut ask = |name: &str, question: Vec<u8>| match channel.ask(&Call::Names(question)) {
        Ok(Reply::Names(Ok(answer))) => println!("{name}: {}", String::from_utf8_lossy(&answer)),
        other => println!("{name}: {other:?}"),
    };
    ask("enter", enter("/var/precious").encode());
    ask("enter closed", enter("/var/precious/closed").encode());
    ask("enter through closed", enter("/var/precious/closed/inner").encode());
    ask("list", list("/var/precious").encode());
    ask("list closed", list("/var/precious/closed").encode());
    ask("globs closed", Question::Globs(r#"{"directory":"/","patterns":["/var/precious/closed/*"]}"#.to_owned()).encode());
    ask("garbage", vec![b'{'; MESSAGE_BYTES - 16]);
    (0..300).for_each(|number| ask(&format!("flood {number}"), enter("/etc").encode()));
    say(channel, "end", &Call::End(Ending::Exit(0)));
}

/// Says what a person would have typed.
fn confirm(channel: &mut Channel) {
    say(channel, "asked", &run(&["sync"]));
    let answered = Call::Submit { request: command(&["sync"]), directory: "/".into(), confirmed: vec!["sync".to_owned()] };
    say(channel, "answered", &answered);
    say(channel, "end", &Call::End(Ending::Exit(0)));
}
