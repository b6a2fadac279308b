//! Looking at a host without trusting it: bounded reads that no FIFO holds up, and programs that are killed when they hang.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;

use super::finding::Finding;

/// Bytes read of one file, or of what a program prints.
const BYTES: u64 = 1 << 20;
/// Names read of one directory.
const NAMES: usize = 10_000;
/// How long a program may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    Missing,
    /// Only root can.
    Privilege,
    Other(String),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Unread {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Unread::Missing,
            ErrorKind::PermissionDenied => Unread::Privilege,
            _ => Unread::Other(error.to_string()),
        }
    }
}

impl Unread {
    /// What is not known because of it.
    pub fn skipped(&self, path: impl AsRef<Path>) -> Finding {
        let path = path.as_ref().display().to_string();
        match self {
            Unread::Missing => Finding::skipped(path, "it is not there"),
            Unread::Privilege => Finding::skipped(path, "only root can look at it"),
            Unread::Other(reason) => Finding::skipped(path, reason.clone()),
        }
    }
}

/// The text of a regular file in a place that is root's, through symbolic links; what is not UTF-8 is replaced. For nothing below the home
/// directory of an account.
pub fn text(path: impl AsRef<Path>) -> Result<String, Unread> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Unread::Other("it is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same, where what is not there says as much as what is empty.
pub fn text_or_empty(path: impl AsRef<Path>) -> Result<String, Unread> {
    match text(path) {
        Err(Unread::Missing) => Ok(String::new()),
        other => other,
    }
}

/// The names in a directory, sorted; none where there is no such directory.
pub fn names(path: impl AsRef<Path>) -> Result<Vec<String>, Unread> {
    let entries = match fs::read_dir(path).map_err(Unread::from) {
        Err(Unread::Missing) => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.take(NAMES).map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

/// What a path is, not following a symbolic link at its end; `None` where it is not there.
pub fn status(path: impl AsRef<Path>) -> Result<Option<Metadata>, Unread> {
    match fs::symlink_metadata(path).map_err(Unread::from) {
        Err(Unread::Missing) => Ok(None),
        other => other.map(Some),
    }
}

/// The lines of a configuration file: without comments, blank ones left out, those that end in a backslash joined with the next.
pub fn lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let bare = joined.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    bare.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// What a program printed, and how it ended.
pub struct Output {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

/// Runs a program with an empty input and environment, for at most [`LIMIT`]; then it is killed. The error is in words.
pub fn run(program: &str, arguments: &[&str]) -> Result<Output, String> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let end = Instant::now() + LIMIT;
    let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    let (out, err) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{program} gave no answer within {LIMIT:?}"));
            }
        }
    };
    // What it left running may hold the pipes open.
    let text = |stream: Receiver<String>| stream.recv_timeout(end.saturating_duration_since(Instant::now())).unwrap_or_default();
    Ok(Output { status, out: text(out), err: text(err) })
}

/// Reads a stream to its end in a thread of its own.
fn collect(stream: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            let _ = stream.take(BYTES).read_to_end(&mut bytes);
        }
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read_and_a_fifo_holds_nothing_up() {
        let directory = std::env::temp_dir().join(format!("postern-doctor-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let fifo = directory.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(text(&fifo), Err(Unread::Other("it is no regular file".to_owned())));
        assert_eq!(text(directory.join("missing")), Err(Unread::Missing));
        assert_eq!(text_or_empty(directory.join("missing")), Ok(String::new()));
        assert_eq!(names(directory.join("missing")), Ok(Vec::new()));
        assert_eq!(names(&directory), Ok(vec!["fifo".to_owned()]));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn lines_are_joined_and_bare() {
        assert_eq!(lines("# head\n\na b # why\nc \\\n  d\n"), ["a b", "c    d"]);
    }

    #[test]
    fn a_program_is_run_to_its_end_or_killed() {
        let output = run("/bin/sh", &["-c", "echo out; echo err >&2; exit 3"]).unwrap();
        assert_eq!((output.status.code(), output.out.as_str(), output.err.as_str()), (Some(3), "out\n", "err\n"));
        let start = Instant::now();
        assert_eq!(run("/bin/sleep", &["60"]).err().unwrap(), "/bin/sleep gave no answer within 5s");
        assert!(start.elapsed() < Duration::from_secs(30));
        assert!(run("/nonexistent", &[]).is_err());
    }
}
