//! A process that takes a ruleset on and tries things, so that the test itself stays free.

use super::*;

/// Who tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Who {
    Account,
    /// With all capabilities, as no command has them.
    Root,
    RootWithout,
}

/// For setpriv(1).
const WITHOUT_CAPABILITIES: [&str; 4] = ["--securebits", "+noroot,+noroot_locked", "--bounding-set=-all", "--inh-caps=-all"];

pub const WHO: [Who; 3] = [Who::Account, Who::Root, Who::RootWithout];

impl Who {
    pub fn uid(self) -> u32 {
        if self == Who::Account { ACCOUNT } else { 0 }
    }
}

#[derive(Serialize, Deserialize)]
pub struct Task {
    who: Who,
    abi: u32,
    confinement: Confinement,
    held: bool,
    attempts: Vec<(String, String)>,
    argv: Vec<String>,
}

impl Task {
    pub fn new(who: Who) -> Task {
        let confinement = Confinement::built_in(Base::Inspect);
        Task { who, abi: landlock::abi(), confinement, held: true, attempts: Vec::new(), argv: Vec::new() }
    }
    pub fn free(self) -> Task {
        Task { held: false, ..self }
    }
    pub fn abi(self, abi: u32) -> Task {
        Task { abi, ..self }
    }
    pub fn confine(self, confinement: &Confinement) -> Task {
        Task { confinement: confinement.clone(), ..self }
    }
    pub fn attempt(self, attempts: &[(&str, String)]) -> Task {
        Task { attempts: attempts.iter().map(|(way, path)| ((*way).to_owned(), path.clone())).collect(), ..self }
    }

    /// What became of each attempt, by path.
    pub fn run(self) -> BTreeMap<String, String> {
        let output = self.command().output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let answer = text.lines().find_map(|line| line.strip_prefix("OUTCOME "));
        serde_json::from_str(answer.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))).unwrap()
    }

    /// Starts a program under the ruleset.
    pub fn start(mut self, argv: &[&str]) -> Child {
        self.argv = argv.iter().map(|word| (*word).to_owned()).collect();
        self.command().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        if self.who == Who::RootWithout {
            command.args(WITHOUT_CAPABILITIES);
        }
        command.arg("--").arg(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env("POSTERN_TEST_TASK", serde_json::to_string(self).unwrap()).stdin(Stdio::null());
        command
    }
}

/// A kernel with that ABI of Landlock, and all else.
pub fn kernel(abi: u32) -> Kernel {
    Kernel { landlock: abi, filter: true, listener: true, namespace: false }
}

pub fn be_the_child() {
    let Ok(task) = std::env::var("POSTERN_TEST_TASK") else { return };
    let task: Task = serde_json::from_str(&task).unwrap();
    let identity = (task.who == Who::Account).then(|| Identity { uid: ACCOUNT, gid: ACCOUNT, groups: vec![ACCOUNT] });
    let program = task.argv.first().map_or("/bin/cat".to_owned(), |name| format!("/usr/bin/{name}"));
    let plan = Plan::of(&task.confinement, &kernel(task.abi));
    let subject = Subject { program: Path::new(&program), identity: identity.as_ref(), home: "/nonexistent", terminal: None };
    let ruleset = Rulesets::for_one_line(None).ruleset(&plan, subject).unwrap().unwrap();
    if let Some(identity) = identity {
        identity.assume().unwrap();
        // As a program that was executed would be: it can look at its own /proc.
        nix::sys::prctl::set_dumpable(true).unwrap();
    }
    if task.held {
        landlock::restrict_self(std::os::fd::AsFd::as_fd(&*ruleset)).unwrap();
    }
    if let [name, arguments @ ..] = &task.argv[..] {
        let error = std::os::unix::process::CommandExt::exec(Command::new(name).args(arguments));
        panic!("{name}: {error}");
    }
    let outcomes: BTreeMap<&str, String> = task.attempts.iter().map(|(way, path)| (path.as_str(), attempt(way, path))).collect();
    let outcomes = serde_json::to_string(&outcomes).unwrap();
    writeln!(std::io::stdout().lock(), "\nOUTCOME {outcomes}").unwrap();
    std::process::exit(0);
}

/// `ok`, or the name of the error.
fn attempt(way: &str, path: &str) -> String {
    let beside = |name: &str| Path::new(path).parent().unwrap().join(name);
    let mode = nix::sys::stat::Mode::S_IRWXU;
    let options = |options: &fs::OpenOptions| options.open(path);
    let done: std::io::Result<()> = match way {
        "read" => fs::File::open(path).and_then(|mut file| file.read(&mut [0; 1])).map(drop),
        // Of what a read would take from, or wait for.
        "open" => fs::File::open(path).map(drop),
        "write" => options(fs::OpenOptions::new().write(true)).and_then(|mut file| file.write_all(b"x")),
        "append" => options(fs::OpenOptions::new().append(true)).and_then(|mut file| file.write_all(b"x")),
        "truncate" => nix::unistd::truncate(path, 0).map_err(Into::into),
        "create" => fs::File::create_new(beside("created")).map(drop),
        "link" => fs::hard_link(path, beside("linked")),
        "symlink" => symlink("x", beside("symlinked")),
        "mkdir" => fs::create_dir(beside("made")),
        "fifo" => nix::unistd::mkfifo(&beside("fifo"), mode).map_err(Into::into),
        "socket" => std::os::unix::net::UnixListener::bind(beside("socket")).map(drop),
        "rename" => fs::rename(path, beside("renamed")).and_then(|()| fs::rename(beside("renamed"), path)),
        "move" => fs::rename(path, beside("other/moved")).and_then(|()| fs::rename(beside("other/moved"), path)),
        "rmdir" => fs::remove_dir(beside("other")),
        "unlink" => fs::remove_file(path),
        "list" => fs::read_dir(path).map(drop),
        "stat" => fs::metadata(path).map(drop),
        "signal" => nix::sys::signal::kill(nix::unistd::Pid::from_raw(path.parse().unwrap()), None).map_err(Into::into),
        _ => panic!("{way}"),
    };
    done.map_or_else(|error| name_of(&error), |()| "ok".to_owned())
}

fn name_of(error: &std::io::Error) -> String {
    error.raw_os_error().map_or(error.to_string(), |number| format!("{:?}", nix::errno::Errno::from_raw(number)))
}

/// Whether a path can be read under a ruleset, in a thread that ends with it.
pub fn reads_under(ruleset: &std::os::fd::OwnedFd, identity: Option<&Identity>, path: &str) -> bool {
    let work = |kept: Option<std::os::fd::OwnedFd>| {
        let kept = kept.unwrap();
        let held = landlock::restrict_self(std::os::fd::AsFd::as_fd(&kept));
        let read = held.and_then(|()| fs::read(path));
        postern::sys::deadline::Answer { bytes: vec![u8::from(read.is_ok())], descriptor: None }
    };
    let kept = Some(std::os::fd::AsFd::as_fd(ruleset));
    postern::sys::deadline::answer_with(std::time::Duration::from_secs(10), identity, kept, work).unwrap().bytes == [1]
}

/// A process of that user, with something in its environment.
pub fn sleeping_as(who: Who) -> Child {
    let mut child = Command::new("setpriv");
    let id = who.uid().to_string();
    match who {
        Who::Account => child.args(["--reuid", &id, "--regid", &id, "--clear-groups"]),
        Who::Root => &mut child,
        Who::RootWithout => child.args(WITHOUT_CAPABILITIES),
    };
    let child = child.args(["--", "sleep", "1000"]).env("SECRET", "x").stdin(Stdio::null()).spawn().unwrap();
    // It must have become `sleep`.
    while !fs::read_to_string(format!("/proc/{}/comm", child.id())).is_ok_and(|name| name == "sleep\n") {
        std::thread::yield_now();
    }
    child
}

pub fn mount(from: &str, to: &str) {
    assert!(Command::new("mount").args(["--bind", from, to]).status().unwrap().success(), "{from} on {to}");
}

pub fn unmount(path: &str) {
    assert!(Command::new("umount").arg(path).status().unwrap().success(), "{path}");
}

pub fn await_text(reader: &mut impl Read, text: &str) {
    let mut all = Vec::new();
    let mut piece = [0; 256];
    while !String::from_utf8_lossy(&all).contains(text) {
        let count = reader.read(&mut piece).unwrap();
        assert!(count > 0, "{text:?} never came: {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&piece[..count]);
    }
}

/// One test at a time, in `tests/sandbox` on a kernel with Landlock, /srv and /home empty. Elsewhere it says so, and there is nothing.
pub fn alone() -> Option<MutexGuard<'static, ()>> {
    static ALONE: Mutex<()> = Mutex::new(());
    let why = match (Path::new("/run/postern-test").is_dir(), landlock::abi()) {
        (true, 1..) => None,
        (true, _) => Some("this kernel has no Landlock"),
        (false, _) => Some("not inside tests/sandbox"),
    };
    if let Some(why) = why {
        skipped(why);
        return None;
    }
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for place in ["/srv", "/home"] {
        assert!(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=755", "tmpfs", place]).status().unwrap().success(), "{place}");
    }
    Some(alone)
}

pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED: {why}");
}
