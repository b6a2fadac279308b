//! Starts this test binary once more as the shell: it plans and runs one line on its own descriptors, and reports the outcome in a file.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, IntoRawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use postern::access::Person;
use postern::confine::{Confiner, Kernel, Rulesets};
use postern::exec::{Ended, Host, LineOutcome, PipelineTerms, PlanContext, Relayer, StageEnd, StageOutcome, Terminal, plan_terms, run};
use postern::policy::confinement::{Confinement, Exec};
use postern::policy::settings::Strength;
use postern::policy::{DecidedRedirect, Facts, RuleRef, Terms};
use postern::syntax::{Argument, Connector, RedirectKind};
use postern::sys::pty::Held;
use postern::words::Span;
use serde::{Deserialize, Serialize};

/// What libtest prints before the shell runs.
const PREAMBLE: &[u8] = b"\nrunning 1 test\n";

/// A command of a line.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Stage {
    argv: Vec<String>,
    redirects: Vec<String>,
    timeout: Option<u64>,
    output: Option<u64>,
    /// May start other programs: the positive control of attacks.
    free: bool,
    run_as: Option<String>,
    /// `None`: files are free, so that tests of processes may have their own.
    confine: Option<Confinement>,
}

pub fn command(argv: &[&str]) -> Stage {
    Stage { argv: argv.iter().map(|word| (*word).to_owned()).collect(), ..Stage::default() }
}

/// `perl -e`, the one interpreter that every Debian has; a program that a policy would not allow.
pub fn perl(program: &str) -> Stage {
    command(&["perl", "-e", program])
}

impl Stage {
    /// As the shell writes them: `2>&1`, `</dev/null`, `>/dev/null`, `2>/dev/null`, `<FILE`, `>FILE`, `>>FILE`.
    pub fn with(mut self, redirect: &str) -> Stage {
        self.redirects.push(redirect.to_owned());
        self
    }
    pub fn into(self, file: &Path) -> Stage {
        self.with(&format!(">{}", file.display()))
    }
    pub fn timeout(self, milliseconds: u64) -> Stage {
        Stage { timeout: Some(milliseconds), ..self }
    }
    pub fn output(self, bytes: u64) -> Stage {
        Stage { output: Some(bytes), ..self }
    }
    pub fn free(self, free: bool) -> Stage {
        Stage { free, ..self }
    }
    pub fn run_as(self, user: &str) -> Stage {
        Stage { run_as: Some(user.to_owned()), ..self }
    }
    pub fn confined(self, confine: Confinement) -> Stage {
        Stage { confine: Some(confine), ..self }
    }

    pub fn argument(mut self, word: &str) -> Stage {
        self.argv.push(word.to_owned());
        self
    }

    fn is_unscoped(&self) -> bool {
        self.confine.as_ref().is_some_and(Confinement::is_unscoped)
    }

    fn terms(self) -> Terms {
        Terms {
            program: self.argv[0].clone(),
            argv: self.argv,
            redirects: self.redirects.iter().map(|text| redirect(text)).collect(),
            run_as: self.run_as,
            confine: self.confine.unwrap_or_else(|| Confinement {
                exec: if self.free { Exec::Any } else { Exec::None },
                read: vec!["/".to_owned()],
                write: vec!["/".to_owned()],
                unhide: vec!["/**".to_owned()],
                ..Confinement::default()
            }),
            timeout: self.timeout,
            output: self.output,
            account_home: false,
            rule: RuleRef { source: "test".to_owned(), line: 1 },
            form: String::new(),
            note: None,
            slots: Vec::new(),
            confirm: false,
            witness: None,
        }
    }
}

/// A redirection as it would be decided now.
fn redirect(text: &str) -> DecidedRedirect {
    let leads = |name: &str| Host::new("/").resolve(name, None).ok().map(|found| found.path.display().to_string());
    let file = |name: &str| Argument { text: name.to_owned(), span: Span::default() };
    let (kind, leads) = match text {
        "2>&1" => (RedirectKind::ErrorToOutput, None),
        "</dev/null" => (RedirectKind::Null(0), None),
        ">/dev/null" => (RedirectKind::Null(1), None),
        "2>/dev/null" => (RedirectKind::Null(2), None),
        other => match (other.strip_prefix('<'), other.strip_prefix(">>"), other.strip_prefix('>')) {
            (Some(name), ..) => (RedirectKind::Input(file(name)), leads(name)),
            (_, Some(name), _) => (RedirectKind::Output { file: file(name), append: true }, leads(name)),
            (.., Some(name)) => (RedirectKind::Output { file: file(name), append: false }, leads(name)),
            _ => panic!("{other}"),
        },
    };
    DecidedRedirect { kind, leads }
}

/// A line: pipelines with what stands before them, `;`, `&&`, `||`, and a `!`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Line(Vec<(String, bool, Vec<Stage>)>);

pub fn line(stages: &[Stage]) -> Line {
    Line::default().then(";", stages)
}

impl Line {
    pub fn then(mut self, connector: &str, stages: &[Stage]) -> Line {
        self.0.push((connector.trim_end_matches(" !").to_owned(), connector.ends_with('!'), stages.to_vec()));
        self
    }

    fn terms(self) -> Vec<PipelineTerms> {
        let connector = |text: &str| match text {
            "&&" => Connector::And,
            "||" => Connector::Or,
            _ => Connector::Always,
        };
        let pipeline = |(text, negated, stages): (String, bool, Vec<Stage>)| PipelineTerms {
            connector: connector(&text),
            negated,
            stages: stages.into_iter().map(Stage::terms).collect(),
        };
        self.0.into_iter().map(pipeline).collect()
    }
}

/// What the shell reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub status: u8,
    /// `exit 0`, `signal 9`, `not found`, `failed: why`, `not run`; by pipeline.
    pub stages: Vec<Vec<String>>,
    pub protections: Vec<Vec<Vec<String>>>,
    /// What each stage was stopped from starting.
    pub stopped: Vec<Vec<Vec<String>>>,
    pub bytes: [Option<u64>; 2],
    pub ended: Option<String>,
    pub notices: Vec<String>,
    /// Why the line was refused.
    pub refused: Option<String>,
    /// What a path resolved to.
    pub resolved: Option<String>,
    pub milliseconds: u128,
}

#[derive(Serialize, Deserialize)]
struct Task {
    /// ABI of Landlock and whether there is a listener, of a kernel that is less than this one.
    kernel: Option<(u32, bool)>,
    line: Option<Line>,
    resolve: Option<String>,
    report: PathBuf,
}

/// A directory of this test's own, gone at its end. Others may write to it unless it is [`Scratch::private`].
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        let scratch = Scratch(nix::unistd::mkdtemp(&std::env::temp_dir().join("postern-confined-XXXXXX")).unwrap());
        fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o777)).unwrap();
        scratch
    }

    /// One from which programs may be run: all of its path belongs to root alone.
    pub fn private() -> Scratch {
        let scratch = Scratch(nix::unistd::mkdtemp("/opt/postern-confined-XXXXXX").unwrap());
        fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).unwrap();
        scratch
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A shell that has not been started; redirect and start [`Shell::command`] as the test needs.
pub struct Shell {
    pub command: Command,
    pub scratch: Scratch,
}

impl Shell {
    pub fn new(line: Line) -> Shell {
        Shell::with(Some(line), None, &[], None)
    }

    /// On a kernel that is less than this one: the ABI of its Landlock, and whether a filter can ask the shell.
    pub fn on_kernel(line: Line, landlock: u32, listener: bool) -> Shell {
        Shell::with(Some(line), None, &[], Some((landlock, listener)))
    }

    pub fn resolving(path: &Path) -> Shell {
        Shell::with(None, Some(path.display().to_string()), &[], None)
    }

    /// A shell started through another program, `setsid --ctty` say.
    pub fn through(line: Line, prefix: &[&str]) -> Shell {
        Shell::with(Some(line), None, prefix, None)
    }

    fn with(line: Option<Line>, resolve: Option<String>, prefix: &[&str], kernel: Option<(u32, bool)>) -> Shell {
        let scratch = Scratch::new();
        let task = Task { kernel, line, resolve, report: scratch.path("report") };
        let own = std::env::current_exe().unwrap();
        let mut command = match prefix {
            [] => Command::new(&own),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&own);
                command
            }
        };
        command.args(["--exact", "shell", "--ignored", "--nocapture", "--quiet", "--test-threads=1"]);
        command.env("POSTERN_TEST_TASK", serde_json::to_string(&task).unwrap());
        command.stdin(Stdio::null());
        Shell { command, scratch }
    }

    /// Runs it to its end, its output thrown away.
    pub fn quietly(mut self) -> Report {
        let _ = self.command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        self.report()
    }

    /// Runs it to its end, its output through pipes.
    pub fn run(mut self) -> (Report, Output) {
        let mut output = self.command.output().unwrap();
        output.stdout = without_preamble(&output.stdout);
        (self.report(), output)
    }

    pub fn report(&self) -> Report {
        serde_json::from_str(&self.scratch.read("report")).expect("a report")
    }
}

pub fn without_preamble(output: &[u8]) -> Vec<u8> {
    output.strip_prefix(PREAMBLE).expect("the preamble").to_vec()
}

/// Runs a line and returns its report.
pub fn report(line: Line) -> Report {
    Shell::new(line).run().0
}

/// Reads until `text` has come.
pub fn await_text(reader: &mut impl Read, text: &str) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 256];
    while !String::from_utf8_lossy(&all).contains(text) {
        let count = reader.read(&mut piece).unwrap();
        assert!(count > 0, "{text:?} never came: {:?}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Processes whose command line holds `marker`.
pub fn living(marker: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(marker) && !line.contains("POSTERN_TEST_TASK")).collect()
}

/// Whether this is root; says so where it is not.
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED: needs root");
    }
    root
}

/// What `main` of the shell does here.
pub fn be_the_shell() {
    let Ok(task) = std::env::var("POSTERN_TEST_TASK") else { return };
    let task: Task = serde_json::from_str(&task).unwrap();
    // Descriptors that a careless caller left open.
    for _ in 0..100 {
        let _ = nix::fcntl::open("/etc/passwd", nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty()).unwrap().into_raw_fd();
    }
    let start = std::time::Instant::now();
    let report = match (task.line, task.resolve) {
        (Some(line), _) => execute(line, task.kernel),
        (_, Some(path)) => {
            let found = Host::new("/").resolve(&path, None);
            Report {
                resolved: found.as_ref().ok().map(|found| found.path.display().to_string()),
                refused: found.err(),
                ..Report::default()
            }
        }
        _ => panic!("nothing to do"),
    };
    let report = Report { milliseconds: start.elapsed().as_millis(), ..report };
    fs::write(&task.report, serde_json::to_string(&report).unwrap()).unwrap();
    std::process::exit(report.status.into());
}

fn execute(line: Line, kernel: Option<(u32, bool)>) -> Report {
    // As the shell does before anything else.
    postern::sys::process::protect_memory().unwrap();
    let person = Person {
        host: "test".to_owned(),
        account: "tester".to_owned(),
        uid: nix::unistd::getuid().as_raw(),
        gid: nix::unistd::getgid().as_raw(),
        gids: nix::unistd::getgroups().unwrap().into_iter().map(nix::unistd::Gid::as_raw).collect(),
        groups: Vec::new(),
        home: "/".to_owned(),
        from: None,
        tty: None,
    };
    let directory = std::env::temp_dir();
    // Nothing here makes a namespace, which commands that look at other processes want.
    let unscoped = line.0.iter().flat_map(|(_, _, stages)| stages).any(Stage::is_unscoped);
    let (host, strength) = (Kernel::of_host(), if kernel.is_some() || unscoped { Strength::BestEffort } else { Strength::All });
    let less = kernel.map(|(landlock, listener)| Kernel { landlock, listener, ..host.clone() });
    let mut confiner = Confiner::new(less.unwrap_or(host), strength, Rulesets::for_one_line(None));
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    let held = Held::of([input.as_fd(), output.as_fd(), error.as_fd()]).unwrap();
    let terminal = held.map(|held| {
        held.make_raw().unwrap();
        Terminal { held, front: None }
    });
    let modes = terminal.as_ref().map(|terminal| terminal.held.try_clone().unwrap());
    let relayer = Relayer::start(None, terminal).unwrap();
    if !unscoped {
        confiner.set_apart();
    }
    let context = PlanContext {
        person: &person,
        directory: &directory,
        constants: &BTreeMap::new(),
        search: &[],
        term: None,
        confiner: &confiner,
        inherited: &postern::sys::start::Inherited::default(),
        relayer: relayer.as_ref(),
        chapter: None,
        output_left: None,
        is_prompt_next: false,
    };
    let plan = match plan_terms(line.terms(), &context) {
        Ok(plan) => plan,
        Err(error) => return Report { status: 126, refused: Some(error.to_string()), ..Report::default() },
    };
    let words = |stage: &postern::exec::plan::StageFacts| stage.protections.iter().map(|protection| protection.name().to_owned()).collect();
    let protections = plan.stages().iter().map(|stages| stages.iter().map(words).collect()).collect();
    let LineOutcome { status, stages, bytes_out, bytes_err, ended, notices, .. } = run(plan, None, &mut || false);
    if let Some(relayer) = relayer {
        relayer.finish(postern::words::limits::RELAY_DEADLINE);
    }
    if let Some(held) = modes {
        held.put_back();
    }
    Report {
        status,
        stages: stages.iter().map(|stages| stages.iter().map(shown).collect()).collect(),
        stopped: stages.into_iter().map(|stages| stages.into_iter().map(|end| end.stopped).collect()).collect(),
        protections,
        bytes: [bytes_out, bytes_err],
        ended: ended.map(|ended: Ended| format!("{ended:?}")),
        notices,
        ..Report::default()
    }
}

fn shown(stage: &StageEnd) -> String {
    match &stage.outcome {
        StageOutcome::NotRun => "not run".to_owned(),
        StageOutcome::NotFound => "not found".to_owned(),
        StageOutcome::NotExecutable(reason) | StageOutcome::Failed(reason) => format!("failed: {reason}"),
        StageOutcome::Exited { code, .. } => format!("exit {code}"),
        StageOutcome::Killed { signal, .. } => format!("signal {signal}"),
    }
}
