//! A whole line, planned: programs found and checked, files opened, argv, environment and confinement allocated. Nothing runs yet.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::pipe2;

use super::environment::{self, Setting};
use super::identity::RunAs;
use super::limit;
use super::open;
use super::program::{ProgramError, find_program};
use super::redirect::{Creation, Redirection};
use super::relay::Relayer;
use super::script::{self, Executable};
use super::streams::Streams;
use crate::access::Person;
use crate::confine::{Confiner, Lacking, Oversight, Plan, Protection, Subject};
use crate::policy::confinement::{Base, Confinement, Limits};
use crate::policy::{Allowed, Terms};
use crate::syntax::{Connector, Request};
use crate::sys::capability::{self, Capabilities};
use crate::sys::descriptor;
use crate::sys::process::{Prepared, Spec};
use crate::sys::pty::Pty;
use crate::sys::start::Inherited;
use crate::sys::{rights, signal};
use crate::words::limits::PIPELINES_ON_TERMINAL;

/// What a plan depends on besides the line and its terms.
pub struct PlanContext<'a> {
    pub person: &'a Person,
    /// The session's directory, which the children start in.
    pub directory: &'a std::path::Path,
    /// Constants of the policy, for the children's environment.
    pub constants: &'a BTreeMap<String, String>,
    /// Directories that the policy adds to the fixed PATH.
    pub search: &'a [String],
    /// What the client said its terminal is; only a known name is passed on.
    pub term: Option<&'a str>,
    pub confiner: &'a Confiner,
    /// What the login had, for commands to have no more.
    pub inherited: &'a Inherited,
    /// What passes output on, where standard output or error is one that needs it.
    pub relayer: Option<&'a Relayer>,
    /// What the line is in the recording, where there is one.
    pub chapter: Option<Chapter>,
    /// Bytes that the session may still show and write out.
    pub output_left: Option<u64>,
    /// Whether a prompt follows.
    pub is_prompt_next: bool,
}

/// A line as a chapter of the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    pub label: String,
    /// How much of each pipeline's output is recorded, in bytes: of one without a terminal, and of one with one.
    pub limit: u64,
    pub limit_on_terminal: u64,
    /// Whether nothing runs that is not recorded.
    pub required: bool,
}

impl PlanContext<'_> {
    fn open_directory(&self) -> Result<OwnedFd, PlanError> {
        open::directory(self.directory).map_err(|reason| PlanError::File { path: self.directory.display().to_string(), reason })
    }
}

/// Why an allowed line cannot be planned. Each is a refusal of the whole line (126), but for `System`, where the shell itself failed (125).
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("{program} is not safe to run: {reason}")]
    UnsafeProgram { program: String, reason: String },
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    #[error("{program}: {lacking}")]
    Unconfined { program: String, lacking: Lacking },
    #[error("{program}: cannot give {}: {reason}", .capabilities.join(", "))]
    Capability { program: String, capabilities: Vec<String>, reason: &'static str },
    #[error("{pipelines} pipelines in one line; on a terminal, a line has at most {PIPELINES_ON_TERMINAL}")]
    TooMany { pipelines: usize },
    #[error("cannot run as {user}: {reason}")]
    RunAs { user: String, reason: String },
    #[error("{0}")]
    System(String),
}

/// One pipeline, with the terms of each of its commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineTerms {
    pub connector: Connector,
    /// `!` before it.
    pub negated: bool,
    pub stages: Vec<Terms>,
}

/// A planned line.
pub struct LinePlan {
    pub(super) pipelines: Vec<PipelinePlan>,
    pub(super) streams: Streams,
    pub(super) signals: signal::Pipe,
    pub(super) chapter: Option<Chapter>,
    pub(super) output_left: Option<u64>,
    pub(super) is_prompt_next: bool,
    /// Whether a signal to all reaches nothing but what this process started.
    pub(super) apart: bool,
}

/// A planned pipeline.
pub(super) struct PipelinePlan {
    pub connector: Connector,
    pub negated: bool,
    pub stages: Vec<StagePlan>,
    pub terminal: Option<PipelineTerminal>,
    /// The smallest of its rules'.
    pub timeout: Option<Duration>,
    /// The smallest of its rules', in bytes.
    pub output: Option<u64>,
}

/// The terminal of a pipeline.
pub(super) struct PipelineTerminal {
    pub master: OwnedFd,
    pub slave: Rc<OwnedFd>,
}

/// A planned process.
pub(super) struct StagePlan {
    facts: StageFacts,
    /// `None` where the program is not installed.
    pub child: Option<Prepared>,
    pub oversight: Oversight,
    pub limits: Limits,
    /// Files to be cut to nothing at its turn, and to be created.
    pub cut: Vec<Rc<OwnedFd>>,
    pub created: Vec<Creation>,
}

/// What is known of one process before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageFacts {
    /// Full path; `None` when it is not installed.
    pub program: Option<PathBuf>,
    /// Whom it will run as: `as:` of its rule as it is written there, or the account.
    pub run_as: String,
    pub capabilities: Capabilities,
    pub protections: Vec<Protection>,
    /// What its confinement asks for and this kernel does not have.
    pub missing: Vec<Protection>,
}

impl LinePlan {
    /// What is known of each process, by pipeline and stage.
    pub fn stages(&self) -> Vec<Vec<StageFacts>> {
        let facts = |pipeline: &PipelinePlan| pipeline.stages.iter().map(|stage| stage.facts.clone()).collect();
        self.pipelines.iter().map(facts).collect()
    }
}

/// Plans a line. `allowed` has the permission of each stage, by pipeline.
pub fn plan(request: &Request, allowed: Vec<Vec<Allowed>>, context: &PlanContext<'_>) -> Result<LinePlan, PlanError> {
    let fits = request.items.iter().map(|item| item.stages.len()).eq(allowed.iter().map(Vec::len));
    if !fits {
        return Err(PlanError::System("the permissions do not fit the line".to_owned()));
    }
    let terms = |item: (&crate::syntax::Item, Vec<Allowed>)| PipelineTerms {
        connector: item.0.connector,
        negated: item.0.negated,
        stages: item.1.iter().map(|allowed| allowed.terms().clone()).collect(),
    };
    plan_terms(request.items.iter().zip(allowed).map(terms).collect(), context)
}

/// Plans a line by its terms alone.
pub fn plan_terms(pipelines: Vec<PipelineTerms>, context: &PlanContext<'_>) -> Result<LinePlan, PlanError> {
    Planner::new(context)?.line(pipelines)
}

/// Plans one process that reads nothing, writes to `output`, and has no terminal; what it says on standard error is lost.
pub(super) fn plan_alone(terms: &Terms, output: OwnedFd, context: &PlanContext<'_>) -> Result<StagePlan, PlanError> {
    let mut planner = Planner::new(context)?;
    let null = || Rc::clone(&planner.null);
    let standard = [null(), Rc::new(output), null()];
    planner.stage(terms, standard)
}

/// Whether this process can give the capabilities of a rule, which only one that has them can.
fn givable(wanted: Capabilities, program: &str) -> Result<(), PlanError> {
    let lacking = capability::out_of_reach(wanted);
    if lacking.is_empty() {
        return Ok(());
    }
    let reason = match capability::has_any() {
        true => "this host does not let the shell have it itself",
        false => "this install runs without privilege (posternsh is not set-user-ID root)",
    };
    Err(PlanError::Capability { program: program.to_owned(), capabilities: lacking.names(), reason })
}

fn null() -> nix::Result<OwnedFd> {
    descriptor::copy_above_standard(nix::fcntl::open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?)
}

pub(super) fn system(what: &str, error: impl std::fmt::Display) -> PlanError {
    PlanError::System(format!("{what}: {error}"))
}

struct Planner<'a> {
    context: &'a PlanContext<'a>,
    directory: Rc<OwnedFd>,
    streams: Streams,
    null: Rc<OwnedFd>,
    /// The terminal that commands may open by name.
    terminal: Option<PathBuf>,
    /// Users that were looked up for this line.
    users: BTreeMap<Option<String>, RunAs>,
}

impl<'a> Planner<'a> {
    fn new(context: &'a PlanContext<'a>) -> Result<Planner<'a>, PlanError> {
        Ok(Planner {
            context,
            directory: Rc::new(context.open_directory()?),
            streams: Streams::of_shell(context.relayer).map_err(|error| system("standard descriptors", error))?,
            null: Rc::new(null().map_err(|error| system("/dev/null", error))?),
            terminal: None,
            users: BTreeMap::new(),
        })
    }

    fn line(mut self, pipelines: Vec<PipelineTerms>) -> Result<LinePlan, PlanError> {
        if self.streams.has_terminal() && pipelines.len() > PIPELINES_ON_TERMINAL {
            return Err(PlanError::TooMany { pipelines: pipelines.len() });
        }
        let pipelines = pipelines.into_iter().map(|pipeline| self.pipeline(pipeline)).collect::<Result<_, _>>()?;
        let signals = signal::Pipe::new().map_err(|error| system("a pipe", error))?;
        let apart = self.context.confiner.is_apart();
        Ok(LinePlan {
            pipelines,
            streams: self.streams,
            signals,
            chapter: self.context.chapter.clone(),
            output_left: self.context.output_left,
            is_prompt_next: self.context.is_prompt_next,
            apart,
        })
    }

    fn pipeline(&mut self, pipeline: PipelineTerms) -> Result<PipelinePlan, PlanError> {
        let terminal = self.streams.open_pty().map_err(|error| system("a terminal", error))?;
        self.terminal = terminal.as_ref().map(Pty::name).transpose().map_err(|error| system("a terminal", error))?;
        let terminal = terminal.map(|Pty { master, slave }| PipelineTerminal { master, slave: Rc::new(slave) });
        let [first, last_output, error] = self.streams.standard(terminal.as_ref().map(|terminal| &terminal.slave));
        let mut input = Rc::clone(&first);
        let mut stages = Vec::new();
        let last = pipeline.stages.len().saturating_sub(1);
        for (index, terms) in pipeline.stages.iter().enumerate() {
            let (output, next) = if index < last {
                let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(|error| system("a pipe", error))?;
                (Rc::new(writer), Rc::new(reader))
            } else {
                (Rc::clone(&last_output), Rc::clone(&first))
            };
            let standard = [std::mem::replace(&mut input, next), output, Rc::clone(&error)];
            stages.push(self.stage(terms, standard)?);
        }
        Ok(PipelinePlan {
            connector: pipeline.connector,
            negated: pipeline.negated,
            timeout: pipeline.stages.iter().filter_map(|terms| terms.timeout).min().map(Duration::from_millis),
            output: pipeline.stages.iter().filter_map(|terms| terms.output).min(),
            stages,
            terminal,
        })
    }

    /// A process under `open` is in the host's mounts, and so is all that is opened for it.
    fn stage(&mut self, terms: &Terms, standard: [Rc<OwnedFd>; 3]) -> Result<StagePlan, PlanError> {
        let confiner = self.context.confiner;
        match confiner.host_namespace().filter(|_| terms.confine.base == Base::Open) {
            Some(host) => {
                let host = Rc::new(host.try_clone_to_owned().map_err(|error| system("a descriptor", error))?);
                confiner.outside(|| self.stage_in(Some(host), terms, standard)).map_err(|error| system("the host's mounts", error))?
            }
            None => self.stage_in(None, terms, standard),
        }
    }

    fn stage_in(&mut self, namespace: Option<Rc<OwnedFd>>, terms: &Terms, standard: [Rc<OwnedFd>; 3]) -> Result<StagePlan, PlanError> {
        let user = self.user(terms.run_as.as_deref())?;
        let refused = |error| match error {
            ProgramError::Unsafe(reason) => PlanError::UnsafeProgram { program: terms.program.clone(), reason },
            ProgramError::System(reason) => PlanError::System(format!("{}: {reason}", terms.program)),
        };
        // The policy's own programs, wherever they are.
        let found = rights::as_root(|| {
            let program = find_program(&terms.program, self.context.search)?;
            let executable = program.as_deref().map(|program| script::executable(program, &terms.argv, self.context.search));
            Ok((program.clone(), executable.transpose()?))
        });
        let (program, executable) = found.map_err(|errno| system("root's rights", errno))?.map_err(refused)?;
        let directory = match &namespace {
            Some(_) => Rc::new(self.context.open_directory()?),
            None => Rc::clone(&self.directory),
        };
        let redirection =
            Redirection { directory: self.context.directory, null: &self.null, identity: user.identity.as_ref(), namespace: &namespace };
        let descriptors = redirection.apply(&terms.redirects, standard)?;
        let confiner = self.context.confiner;
        let unconfined = |lacking| PlanError::Unconfined { program: terms.program.clone(), lacking };
        let mut plan = confiner.plan(&terms.confine).map_err(unconfined)?;
        givable(plan.capabilities, &terms.program)?;
        // Of what stands for a script only the interpreter is executed.
        let script = program.as_ref().filter(|program| executable.as_ref().is_some_and(|executable| executable.path != **program));
        plan.confinement.read.extend(script.map(|script| script.display().to_string()));
        let is_counted = plan.confinement.base == Base::Open || plan.calls.as_ref().is_some_and(|calls| calls.count_processes);
        let setting = Setting { user: &user, search: self.context.search, term: self.context.term, account_home: terms.account_home };
        let environment = environment::build(&setting, self.context.constants);
        let prepare = |executable: &Executable| {
            let (identity, home) = (user.identity.as_ref(), self.context.person.home.as_str());
            let subject = Subject { program: &executable.path, identity, home, terminal: self.terminal.as_deref() };
            Prepared::new(Spec {
                program: &executable.path,
                argv: &executable.argv,
                environment: &environment,
                directory: Rc::clone(&directory),
                namespace: namespace.clone(),
                descriptors: descriptors.standard,
                identity: user.identity.clone(),
                capabilities: plan.capabilities,
                calls: plan.calls.clone(),
                ruleset: rights::as_root(|| confiner.ruleset(&plan, subject))
                    .map_err(|errno| system("root's rights", errno))?
                    .map_err(|error| system("its files", error))?,
                limits: self.context.inherited.limits_with(limit::resources(&plan.confinement.limits, is_counted)),
            })
            .map_err(|error| system(&terms.program, error))
        };
        let child = executable.as_ref().map(prepare).transpose()?;
        let oversight = plan.oversight(user.identity.as_ref(), &self.context.person.home);
        let Plan { protections, missing, capabilities, confinement: Confinement { limits, .. }, .. } = plan;
        let run_as = terms.run_as.clone().unwrap_or(user.name);
        let facts = StageFacts { program, run_as, capabilities, protections, missing };
        Ok(StagePlan { facts, child, oversight, limits, cut: descriptors.cut, created: descriptors.created })
    }

    /// The user that a command runs as, looked up once a line.
    fn user(&mut self, written: Option<&str>) -> Result<RunAs, PlanError> {
        let key = written.map(str::to_owned);
        if let Some(user) = self.users.get(&key) {
            return Ok(user.clone());
        }
        let refused = |reason| PlanError::RunAs { user: written.unwrap_or(&self.context.person.account).to_owned(), reason };
        let user = RunAs::of(written, self.context.person).map_err(refused)?;
        self.users.insert(key, user.clone());
        Ok(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::open::MOVED;
    use crate::policy::{Confinement, DecidedRedirect, RuleRef};
    use crate::syntax::{Argument, RedirectKind};
    use crate::words::Span;
    use std::fs;

    /// Plans `true` with one redirection whose file was decided to be at `leads`.
    fn plan_at(kind: RedirectKind, leads: &std::path::Path) -> Result<LinePlan, PlanError> {
        let redirect = DecidedRedirect { kind, leads: leads.to_str().map(str::to_owned) };
        let terms = Terms {
            program: "true".to_owned(),
            argv: vec!["true".to_owned()],
            redirects: vec![redirect],
            run_as: None,
            confine: Confinement::default(),
            timeout: None,
            output: None,
            account_home: false,
            rule: RuleRef { source: "test".to_owned(), line: 1 },
            form: "true".to_owned(),
            note: None,
            slots: Vec::new(),
            confirm: false,
            witness: None,
        };
        let person = crate::access::identify().unwrap();
        let directory = std::env::temp_dir();
        let constants = BTreeMap::new();
        let confiner = Confiner::new(
            crate::confine::Kernel::of_host(),
            crate::policy::settings::Strength::BestEffort,
            crate::confine::Rulesets::default(),
        );
        let relayer = Relayer::start(None, None).unwrap();
        let context = PlanContext {
            person: &person,
            directory: &directory,
            constants: &constants,
            search: &[],
            term: None,
            confiner: &confiner,
            inherited: &Inherited::default(),
            relayer: relayer.as_ref(),
            chapter: None,
            output_left: None,
            is_prompt_next: false,
        };
        plan_terms(vec![PipelineTerms { connector: Connector::Always, negated: false, stages: vec![terms] }], &context)
    }

    #[test]
    fn a_file_that_was_swapped_since_it_was_decided_is_not_opened_and_not_created() {
        let base = nix::unistd::mkdtemp(&fs::canonicalize(std::env::temp_dir()).unwrap().join("postern-plan-XXXXXX")).unwrap();
        let (decided, other) = (base.join("decided"), base.join("other"));
        fs::write(&decided, "").unwrap();
        std::os::unix::fs::symlink(&other, base.join("link")).unwrap();
        let file = |name: &str| Argument { text: base.join(name).display().to_string(), span: Span::default() };
        let output = |name: &str| RedirectKind::Output { file: file(name), append: false };

        // The control: what is where it was decided to be is opened.
        assert!(plan_at(RedirectKind::Input(file("decided")), &decided).is_ok());
        assert!(plan_at(output("link"), &other).is_ok());
        fs::write(&other, "other").unwrap();
        for kind in [RedirectKind::Input(file("link")), output("link")] {
            let error = plan_at(kind, &decided).err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.ends_with(MOVED)));
        }

        // The same at the command's turn: planned while it was missing in one place, pointed to another since.
        fs::remove_file(&other).unwrap();
        let planned = plan_at(output("link"), &other).unwrap();
        fs::remove_file(base.join("link")).unwrap();
        std::os::unix::fs::symlink(base.join("elsewhere"), base.join("link")).unwrap();
        let creations: Vec<&Creation> =
            planned.pipelines.iter().flat_map(|pipeline| &pipeline.stages).flat_map(|stage| &stage.created).collect();
        let create = || creations.iter().map(|creation| creation.create()).collect::<Vec<_>>();
        let elsewhere = base.join("elsewhere");
        assert_eq!(create(), [Err(MOVED.to_owned())]);
        assert!(!other.exists() && !elsewhere.exists(), "nothing is created in the wrong place");
        fs::write(&elsewhere, "precious").unwrap();
        assert_eq!(create(), [Err(MOVED.to_owned())]);
        assert_eq!(fs::read(&elsewhere).unwrap(), b"precious", "nothing is emptied in the wrong place");
        fs::remove_dir_all(base).unwrap();
    }
}
