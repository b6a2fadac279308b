//! The recording of the session, as the guard has to do with it: it begins it, says where each command is in it, and ends it.

use time::OffsetDateTime;

use super::super::in_force::InForce;
use super::super::ledger::Ledger;
use crate::exec::{Chapter, Relayer};
use crate::policy::settings::{self, Settings};
use crate::record::Recording;
use crate::record::recording::Header;
use crate::screen::redact::{Key, redact};
use crate::sys::file::{Directory, Owner};
use crate::sys::{random, rights};
use crate::words::{Safe, limits, paths};

/// What the fingerprints of this session are made with: the host's key where this install may read it, as root's may, else one of its own.
pub fn fingerprint_key() -> nix::Result<Key> {
    let read = || Directory::open(paths::STATE_DIR.as_ref(), Owner::Root)?.read(paths::FINGERPRINT_KEY, Owner::Root);
    let of_host = rights::as_root(read)?.ok().and_then(|bytes| bytes.try_into().ok());
    match of_host {
        Some(key) => Ok(Key::from_bytes(key)),
        None => Ok(Key::from_bytes(random::bytes()?)),
    }
}

/// What is recorded of this session.
pub struct Recorded {
    /// `None` where the policy wants none, there is nothing to be recorded, or it could not be begun.
    recording: Option<Recording>,
    /// Why there is none any more, or never was one that should be.
    lost: Option<String>,
    /// What the fingerprints of secrets are made with.
    pub key: Key,
}

impl Recorded {
    /// Begins it. What fails is told by [`Recorded::lost`].
    pub fn begin(policy: &InForce, ledger: &Ledger, relayer: Option<&Relayer>, term: Option<&str>, key: Key) -> Recorded {
        let mut recorded = Recorded { recording: None, lost: None, key };
        if let (Some(_), Some(relayer)) = (policy.settings().record, relayer) {
            match recorded.open(policy, ledger, relayer, term) {
                Ok(recording) => recorded.recording = Some(recording),
                Err(error) => recorded.lost = Some(error.to_string()),
            }
        }
        recorded
    }

    fn open(&self, policy: &InForce, ledger: &Ledger, relayer: &Relayer, term: Option<&str>) -> std::io::Result<Recording> {
        let session = ledger.session();
        let (columns, rows) = relayer.window();
        let title = format!("{}@{}", session.account, session.host);
        let timestamp = u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or(0);
        let header = Header { columns, rows, timestamp, title: &title, term };
        let mut recording = Recording::open(policy.audit().dir.as_ref(), &session.id, &header)?;
        let writer = recording.writer().ok_or_else(|| std::io::Error::other("it has no writer"))?;
        relayer.record(recording.header_length(), policy.settings().redact, self.key, &writer)?;
        Ok(recording)
    }

    /// Where it is, for the first record.
    pub fn path(&self) -> Option<String> {
        self.recording.as_ref().map(|recording| Safe(recording.path().as_os_str().as_encoded_bytes()).to_string())
    }

    /// Why there is none any more, or never was one that should be.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// It has ended before its time.
    pub fn lose(&mut self, reason: String) {
        let reason = self.recording.as_ref().and_then(Recording::failure).unwrap_or(reason);
        self.lost = Some(reason);
    }

    /// A line as a chapter of it.
    pub fn chapter(&self, settings: &Settings, number: u64, line: &str) -> Option<Chapter> {
        let record = settings.record.filter(|_| self.recording.is_some() && self.lost.is_none())?;
        let line = match settings.redact {
            settings::Redact::None => line.as_bytes().to_vec(),
            settings::Redact::Files | settings::Redact::Screen => redact(&self.key, line.as_bytes()).0,
        };
        let label = format!("{number} {}", Safe(&line));
        Some(Chapter { label, limit: record.max, limit_on_terminal: record.terminal, required: record.required })
    }

    /// Ends it; the relay must be gone. Returns what the person is told where it went wrong.
    pub fn end(&mut self) -> Option<String> {
        let failure = self.recording.take()?.finish(limits::DISK_DEADLINE);
        let failure = failure.filter(|_| self.lost.is_none())?;
        Some(format!("the recording of this session is not whole: {}", Safe(failure.as_bytes())))
    }
}
