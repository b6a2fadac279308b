//! Capabilities, and processes that others started: programs of diagnosis get what their rule says, with a control that they would not without,
//! and hostile ones get no more.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postern::policy::confinement::{Base, Confinement, Processes};
use postern::sys::capability::Capabilities;

use crate::attacks::compile;
use crate::harness::{Report, Scratch, Shell, Stage, command, is_root, line, report};

const NOBODY: u32 = 65534;

fn names(capabilities: &[&str]) -> Vec<String> {
    capabilities.iter().map(|name| format!("CAP_{name}")).collect()
}

fn having(base: Base, capabilities: &[&str]) -> Confinement {
    Confinement { capabilities: names(capabilities), ..Confinement::built_in(base) }
}

fn seeing(processes: Processes, capabilities: &[&str]) -> Confinement {
    Confinement { processes, ..having(Base::Inspect, capabilities) }
}

/// Runs a command as nobody: its report, and all that it printed.
fn run(stage: Stage, confine: Confinement) -> (Report, String) {
    let (report, output) = Shell::new(line(&[stage.run_as("nobody").confined(confine).timeout(60_000)])).run();
    assert_eq!(report.refused, None);
    (report, String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// A process of somebody else's, ended with the test.
struct Bystander(Child);

impl Bystander {
    fn new(uid: u32, program: &str, arguments: &[&str]) -> Bystander {
        let mut command = Command::new(program);
        command.args(arguments).uid(uid).gid(uid).env_clear().env("SECRET", "in the environment");
        Bystander(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn sleeping(uid: u32) -> Bystander {
        Bystander::new(uid, "/usr/bin/sleep", &["120"])
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The five sets of `cat /proc/self/status`: inheritable, permitted, effective, bounding, ambient.
fn sets(stage: Stage) -> [String; 5] {
    let scratch = Scratch::new();
    let outcome = report(line(&[stage.into(&scratch.path("status"))]));
    assert_eq!((outcome.refused.as_deref(), outcome.status), (None, 0), "{outcome:?}");
    let status = scratch.read("status");
    ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|set| {
        let line = status.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(":\t")).unwrap();
        Capabilities::of_bits(u64::from_str_radix(line, 16).unwrap()).names().join(" ")
    })
}

#[test]
fn a_command_has_exactly_the_listed_capabilities_whoever_it_is() {
    if !is_root() {
        return;
    }
    let status = || command(&["cat", "/proc/self/status"]);
    for user in [None, Some("nobody"), Some("root")] {
        for base in [Base::Inspect, Base::Open] {
            for listed in [&["NET_RAW"][..], &["NET_ADMIN", "SYSLOG", "CHECKPOINT_RESTORE"], &["SETPCAP"], &["SETUID", "SYS_ADMIN"], &[]] {
                let stage = status().confined(having(base, listed));
                let expected = names(listed).join(" ");
                let found = sets(user.into_iter().fold(stage, Stage::run_as));
                assert_eq!(found, std::array::from_fn(|_| expected.clone()), "as {user:?} under {base}");
            }
        }
    }
}

#[test]
fn what_is_listed_is_named_as_a_protection_and_in_place_of_none() {
    if !is_root() {
        return;
    }
    let protections = |confine| report(line(&[command(&["true"]).confined(confine)])).protections.concat().concat();
    let with = protections(having(Base::Inspect, &["SYSLOG"]));
    assert_eq!(with[..3], ["no_new_privs", "listed_capabilities", "no_core"]);
    assert_eq!(protections(having(Base::Inspect, &[]))[..3], ["no_new_privs", "no_capabilities", "no_core"]);
    // What it makes of packets is not held, so it is not claimed.
    assert!(with.iter().any(|name| name == "network"));
    assert!(!protections(having(Base::Inspect, &["NET_RAW"])).iter().any(|name| name == "network"));
}

/// A program that is marked has, of what is listed, what it is marked with.
#[test]
fn a_marked_program_has_what_is_both_its_marks_and_listed() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::private();
    let program = scratch.path("marked");
    fs::copy("/usr/bin/cat", &program).unwrap();
    assert!(Command::new("setcap").arg("cap_net_raw,cap_sys_time+ep").arg(&program).status().unwrap().success());
    let stage = command(&[program.to_str().unwrap(), "/proc/self/status"]);
    let confine = Confinement { read: vec!["/opt".to_owned()], ..having(Base::Inspect, &["NET_RAW", "SYSLOG"]) };
    let [inheritable, permitted, effective, _, ambient] = sets(stage.run_as("nobody").confined(confine));
    assert_eq!([permitted, effective, ambient], ["CAP_NET_RAW", "CAP_NET_RAW", ""]);
    assert_eq!(inheritable, "CAP_NET_RAW CAP_SYSLOG");
}

#[test]
fn an_install_without_privilege_says_that_it_cannot_give_any() {
    if !is_root() {
        return;
    }
    let mut shell = Shell::new(line(&[command(&["true"]).confined(having(Base::Inspect, &["SYSLOG"]))]));
    shell.command.uid(NOBODY).gid(NOBODY).stdout(Stdio::null());
    assert_eq!(shell.command.status().unwrap().code(), Some(126));
    let reason = "true: cannot give CAP_SYSLOG: this install runs without privilege (posternsh is not set-user-ID root)";
    assert_eq!(shell.report().refused.as_deref(), Some(reason));
}

/// The shell itself, under a policy: what it records, and that it keeps itself from nothing that its rules let others see.
#[test]
fn the_shell_gives_records_and_refuses_by_its_policy() {
    if !is_root() {
        return;
    }
    let (scratch, bystander) = (Scratch::private(), Bystander::sleeping(NOBODY));
    let (audit, policy, link) = (scratch.path("audit"), scratch.path("policy.yaml"), format!("/proc/{}/exe", bystander.0.id()));
    fs::create_dir(&audit).unwrap();
    let run = |settings: &str, line: &str| {
        let head = format!("postern: 1\naudit: {{ syslog: none, dir: {} }}\n{settings}", audit.display());
        let rules = "allow:\n  - { run: 'cat <file>', confine: { capabilities: [syslog] } }\n  - { run: 'readlink <path>', as: nobody, confine: { processes: look } }\n";
        fs::write(&policy, head + rules).unwrap();
        let shell = Command::new(env!("CARGO_BIN_EXE_posternsh")).arg("--policy").arg(&policy).args(["-c", line]).output().unwrap();
        let records = fs::read_dir(&audit).unwrap().flatten().map(|file| {
            let text = fs::read_to_string(file.path()).unwrap();
            fs::remove_file(file.path()).unwrap();
            text
        });
        let said = String::from_utf8_lossy(&shell.stdout).into_owned() + &String::from_utf8_lossy(&shell.stderr);
        (shell.status.code(), said, records.collect::<String>())
    };
    let (status, said, records) = run("", "cat /proc/self/status");
    assert!(status == Some(0) && said.contains("CapEff:\t0000000400000000\n"), "{said}");
    assert_eq!(records.matches("\"confine\":\"inspect+\",\"capabilities\":[\"CAP_SYSLOG\"]").count(), 2, "start and end: {records}");
    assert!(records.contains("\"listed_capabilities\"") && !records.contains("\"no_capabilities\",\"no_core\",\"one_exec\""), "{records}");

    let (status, said, records) = run("", &format!("readlink {link}"));
    assert_eq!(status, Some(126), "{said}");
    assert!(said.contains("cannot hold it to: masks; that needs the session's own mount namespace"), "{said}");
    assert!(!records.contains("\"capabilities\""), "{records}");
    let (status, said, records) = run("confinement: best-effort\n", &format!("readlink {link}"));
    assert!(status == Some(0) && said.starts_with("/usr/bin/sleep\n"), "{said}");
    assert!(records.contains("\"missing\":[\"masks\"]") && !records.contains("\"reads\""), "{records}");
}

/// What a tool says without its capability, and what it shows with it.
#[test]
fn tools_of_diagnosis_work_with_their_capability_and_not_without() {
    if !is_root() {
        return;
    }
    // Somebody sends, so that there is something to see.
    static DONE: AtomicBool = AtomicBool::new(false);
    let chatter = std::thread::spawn(|| {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for _ in 0..600 {
            let _ = socket.send_to(b"postern", (Ipv4Addr::LOCALHOST, 9));
            std::thread::sleep(Duration::from_millis(100));
            if DONE.load(Ordering::Relaxed) {
                break;
            }
        }
    });
    let table = [
        (&["dmesg"][..], "SYSLOG", Base::Inspect, ""),
        (&["ping", "-n", "-c1", "127.0.0.1"], "NET_RAW", Base::Network, "1 received"),
        (&["tcpdump", "-n", "-c1", "-i", "lo"], "NET_RAW", Base::Inspect, "1 packet captured"),
        (&["nft", "list", "ruleset"], "NET_ADMIN", Base::Inspect, ""),
    ];
    for (argv, capability, base, shown) in table {
        if argv[0] == "dmesg" && fs::read_to_string("/proc/sys/kernel/dmesg_restrict").unwrap().trim() == "0" {
            let _ = writeln!(std::io::stderr().lock(), "SKIPPED: kernel.dmesg_restrict is 0: everybody reads the kernel's messages");
            continue;
        }
        let (with, text) = run(command(argv), having(base, &[capability]));
        assert_eq!(with.status, 0, "{argv:?}: {text}");
        assert!(text.contains(shown), "{argv:?}: {text}");
        // The control: another capability instead.
        let (without, text) = run(command(argv), having(base, &["IPC_OWNER"]));
        assert!(without.status != 0, "{argv:?} without: {text}");
        assert!(shown.is_empty() || !text.contains(shown), "{argv:?} without: {text}");
    }
    DONE.store(true, Ordering::Relaxed);
    chatter.join().unwrap();
}

/// Where to read is not to command: a disk answers whom its rule lets command it.
#[test]
fn a_disk_answers_who_may_command_it() {
    if !is_root() {
        return;
    }
    let disks = fs::read_dir("/sys/block").unwrap().flatten().map(|disk| Path::new("/dev").join(disk.file_name()));
    let Some(disk) = disks.into_iter().find(|disk| fs::File::open(disk).is_ok()) else {
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED: there is no disk here to ask");
        return;
    };
    let name = vec![disk.display().to_string()];
    for (capabilities, answers) in [(&["SYS_RAWIO"][..], true), (&["SYS_ADMIN"], true), (&["SYSLOG"], false), (&[], false)] {
        let confine = Confinement { read: name.clone(), unhide: name.clone(), ..having(Base::Inspect, capabilities) };
        let scratch = Scratch::new();
        let ask = command(&["blockdev", "--getsize64", &name[0]]).with("2>/dev/null").into(&scratch.path("size"));
        let outcome = report(line(&[ask.confined(confine).run_as("root")]));
        assert_eq!((outcome.refused.as_deref(), outcome.status == 0), (None, answers), "{capabilities:?}: {outcome:?}");
        assert_eq!(scratch.read("size").trim().parse::<u64>().is_ok(), answers, "{capabilities:?}");
    }
}

#[test]
fn who_looks_sees_the_processes_of_others_and_who_does_not_does_not() {
    if !is_root() {
        return;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, own) = (listener.local_addr().unwrap().port(), std::process::id());
    let (filter, process, pid) = (format!("sport = :{port}"), format!("pid={own},"), own.to_string());
    let lsof = ["lsof", "-n", "-P", "-w", "-a", "-iTCP", "-p", &pid];
    let everything = ["SYS_PTRACE", "DAC_READ_SEARCH"];
    for (argv, shown) in [(&["ss", "-Htlnp", &filter][..], process), (&lsof[..], format!("127.0.0.1:{port} (LISTEN)"))] {
        for (processes, capabilities, sees) in [
            (Processes::Look, &everything[..], true),
            (Processes::Trace, &everything, true),
            (Processes::Own, &everything, false),
            (Processes::Look, &[], false),
        ] {
            let (_, text) = run(command(argv), seeing(processes, capabilities));
            assert_eq!(text.contains(&shown), sees, "{argv:?} under {processes:?} with {capabilities:?}: {text}");
        }
    }
    // Those of its own user it sees without.
    let bystander = Bystander::sleeping(NOBODY);
    let link = format!("/proc/{}/exe", bystander.0.id());
    for (processes, sees) in [(Processes::Own, false), (Processes::Look, true), (Processes::Trace, true)] {
        let (_, text) = run(command(&["readlink", &link]), seeing(processes, &[]));
        assert_eq!(text.trim() == "/usr/bin/sleep", sees, "{processes:?}: {text}");
    }
}

#[test]
fn who_traces_sees_the_calls_of_a_process_of_its_user() {
    if !is_root() {
        return;
    }
    for (processes, traces) in [(Processes::Trace, true), (Processes::Look, false), (Processes::Own, false)] {
        // It ends by itself, and strace with it.
        let bystander = Bystander::new(NOBODY, "/usr/bin/perl", &["-e", "for (1 .. 40) { select undef, undef, undef, 0.1; getppid }"]);
        let pid = bystander.0.id().to_string();
        let (report, text) = run(command(&["strace", "-f", "-y", "-p", &pid]), seeing(processes, &[]));
        assert_eq!(text.contains("getppid()"), traces, "{processes:?}: {text}");
        assert_eq!(report.status == 0, traces, "{processes:?}: {text}");
    }
}

/// The tries of `capable.c` that work.
fn worked(attack: &Path, confine: Confinement) -> Vec<String> {
    let (scratch, bystander) = (Scratch::new(), Bystander::sleeping(NOBODY));
    let argv = [attack.to_str().unwrap(), &prepared(&scratch), &bystander.0.id().to_string()];
    let read = vec![scratch.0.display().to_string(), attack.parent().unwrap().display().to_string()];
    let (report, text) = run(command(&argv), Confinement { read, ..confine });
    assert_eq!(report.stages, [["exit 0"]], "{text}");
    text.lines().map(str::to_owned).collect()
}

/// The directory of files to try, which everybody may change.
fn prepared(scratch: &Scratch) -> String {
    for name in ["file", "spare"] {
        fs::write(scratch.path(name), "precious\n").unwrap();
        fs::set_permissions(scratch.path(name), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        std::os::unix::fs::chown(scratch.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    scratch.0.display().to_string()
}

fn hostile() -> (Scratch, PathBuf) {
    let scratch = Scratch::private();
    let attack = compile("capable.c", &scratch);
    (scratch, attack)
}

#[test]
fn hostile_code_gets_no_further_than_its_rule() {
    if !is_root() {
        return;
    }
    let (_programs, attack) = hostile();
    // What every command may have: a file that is open for nothing, and devices that hold nothing.
    let always = ["neither", "detour"];
    let traces = ["environ", "seize", "peek", "readv"];
    for (confine, works) in [
        (having(Base::Inspect, &["NET_RAW"]), &always[..]),
        (having(Base::Inspect, &["SYS_PTRACE", "DAC_READ_SEARCH", "KILL"]), &always),
        (having(Base::Inspect, &["SETPCAP", "SYS_ADMIN", "SYS_CHROOT", "CHOWN", "FOWNER", "DAC_OVERRIDE"]), &always),
        (having(Base::Inspect, &["SETUID"]), &["neither", "detour", "setuid"]),
        (seeing(Processes::Look, &[]), &["environ"]),
        (seeing(Processes::Look, &["SYS_PTRACE", "DAC_OVERRIDE", "KILL"]), &["environ"]),
        (Confinement { base: Base::Service, ..seeing(Processes::Look, &[]) }, &["environ"]),
        (seeing(Processes::Trace, &[]), &traces),
        (seeing(Processes::Trace, &["SYS_PTRACE", "DAC_OVERRIDE"]), &traces),
    ] {
        let what = format!("{:?} with {:?}", confine.processes, confine.capabilities);
        // Linux lets whom has it read environments, as policies are warned; the kernels of some hosts do not.
        let told = confine.capabilities.iter().any(|name| name == "CAP_SYS_ADMIN");
        let found: Vec<String> = worked(&attack, confine).into_iter().filter(|name| !(told && name == "environ")).collect();
        assert_eq!(found, works, "{what}");
    }
}

/// The control: with nothing in their way, all tries work; as root, whose they are to give.
#[test]
fn each_hostile_try_works_where_nothing_is_held() {
    if !is_root() {
        return;
    }
    let (_programs, attack) = hostile();
    let (scratch, bystander) = (Scratch::new(), Bystander::sleeping(NOBODY));
    let output = Command::new(&attack).arg(prepared(&scratch)).arg(bystander.0.id().to_string()).output().unwrap();
    let worked = String::from_utf8(output.stdout).unwrap();
    let source = include_str!("capable.c");
    let (_, table) = source.split_once("tries[] = {").unwrap();
    let all: Vec<&str> = table.split("{ \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(all.len() > 30, "{all:?}");
    // Becoming root again from another user is for no one, root it was included.
    let expected: Vec<&str> = all.into_iter().filter(|name| *name != "setuid").collect();
    assert_eq!(worked.lines().collect::<Vec<_>>(), expected);
}
