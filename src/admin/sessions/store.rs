//! The directory of the records: `<id>.jsonl` of every session, and beside it `<id>.cast` and `<id>.kill`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::super::Failure;
use super::super::arguments::Arguments;
use super::super::output::complain;
use super::when::Since;
use crate::access::in_force::{InForce, NotInForce};
use crate::policy::settings::Audit;
use crate::record::timestamp;
use crate::sys::file::{Owner, open_plain};
use crate::sys::holder::{self, Holder};
use crate::words::{Safe, paths};

/// Bytes of a session's id; ours have 24.
const ID_BYTES: usize = 64;
/// Ids that a message about several of them names.
const NAMED: usize = 5;

/// How the records begin of somebody who watches.
const WATCH: &[u8] = br#""event":"session.watch""#;

pub struct Store {
    pub audit: Audit,
    directory: PathBuf,
}

/// The records of a session, open.
pub struct Entry {
    pub id: String,
    pub records: File,
    /// Whose they were when they were opened.
    pub holder: Holder,
    /// When they were written to last.
    changed: String,
}

impl Entry {
    /// Whether it is a session that has not ended, and not that of somebody who watches one.
    pub fn is_open(&self) -> bool {
        let mut start = [0; 64];
        let read = self.records.read_at(&mut start, 0).unwrap_or(0);
        let watches = start.get(..read).is_some_and(|start| start.windows(WATCH.len()).any(|part| part == WATCH));
        self.holder != Holder::Nobody && !watches
    }

    /// Whether all that is in it is too old.
    pub fn is_before(&self, since: Option<&Since>) -> bool {
        self.holder == Holder::Nobody && since.is_some_and(|since| !since.covers(&self.changed))
    }
}

impl Store {
    /// That of the policy in force, or of `--dir`. Whoever watches a session is on record there too: who has its records then has all of it,
    /// and syslog has it as well.
    pub fn of(arguments: &Arguments) -> Result<Store, Failure> {
        let given = arguments.flag("dir").map(PathBuf::from);
        let audit = match InForce::open(Path::new(paths::STATE_DIR), Owner::Root) {
            Ok(in_force) => in_force.policy.settings().audit.clone(),
            Err(NotInForce::Nothing) => Audit::default(),
            Err(_) if given.is_some() => Audit::default(),
            Err(error) => return Err(Failure::Other(format!("where records are is not known: {error}; --dir names a directory"))),
        };
        let directory = given.unwrap_or_else(|| PathBuf::from(&audit.dir));
        let dir = directory.to_str().ok_or_else(|| Failure::Usage("--dir is not UTF-8".to_owned()))?.to_owned();
        Ok(Store { audit: Audit { dir, ..audit }, directory })
    }

    /// The ids of all sessions, the oldest first. A name that is none of ours is passed over.
    pub fn ids(&self) -> Result<Vec<String>, Failure> {
        let failed = |error: io::Error| Failure::Other(format!("{}: {error}", Safe(self.directory.as_os_str().as_encoded_bytes())));
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            ids.extend(name.to_str().and_then(|name| name.strip_suffix(".jsonl")).filter(|id| is_id(id)).map(str::to_owned));
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// Opens the records of a session.
    pub fn entry(&self, id: &str) -> Result<Entry, Failure> {
        let failed = |error: io::Error| Failure::Other(format!("{id}.jsonl: {error}"));
        let records = open_plain(&self.records(id)).map_err(failed)?;
        let holder = holder::holder(&records).map_err(|errno| failed(errno.into()))?;
        // Rounded up to the second.
        let changed = OffsetDateTime::from_unix_timestamp(records.metadata().map_err(failed)?.mtime().saturating_add(1)).map(timestamp);
        Ok(Entry { id: id.to_owned(), records, holder, changed: changed.unwrap_or_default() })
    }

    /// The one session that an operand names: by its id, by how it begins or ends, or `last`, the newest of those that `last` is asked of.
    pub fn find(&self, operand: Option<&std::ffi::OsStr>, last: impl Fn(&Entry) -> bool) -> Result<Entry, Failure> {
        let name = operand.and_then(|name| name.to_str()).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Failure::Usage("which session? its id, its beginning or end, or `last`".to_owned()))?;
        let ids = self.ids()?;
        if name == "last" {
            let newest = ids.iter().rev().filter_map(|id| self.entry(id).ok()).find(last);
            return newest.ok_or_else(|| Failure::Other("there is no such session".to_owned()));
        }
        let named: Vec<&String> = match ids.iter().find(|id| *id == name) {
            Some(id) => vec![id],
            None => ids.iter().filter(|id| id.starts_with(name) || id.ends_with(name)).collect(),
        };
        match named.as_slice() {
            [id] => self.entry(id),
            [] => Err(Failure::Other(format!("there is no session {}; `postern sessions` lists all", Safe(name.as_bytes())))),
            several => {
                let some: Vec<&str> = several.iter().take(NAMED).map(|id| id.as_str()).collect();
                let more = if several.len() > NAMED { ", …" } else { "" };
                Err(Failure::Other(format!("{} sessions are called so: {}{more}", several.len(), some.join(", "))))
            }
        }
    }

    pub fn records(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.jsonl"))
    }

    /// The recording of a session, if there is one.
    pub fn recording(&self, id: &str) -> Option<PathBuf> {
        let path = self.cast(id);
        path.symlink_metadata().is_ok_and(|found| found.is_file()).then_some(path)
    }

    /// Opens the recording of a session.
    pub fn open_recording(&self, id: &str) -> Result<File, Failure> {
        open_plain(&self.cast(id)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::Other(format!("session {id} has no recording")),
            _ => Failure::Other(format!("{id}.cast: {error}")),
        })
    }

    /// Whether an order to end it was left: its shell did not come to put it on record.
    pub fn is_killed(&self, id: &str) -> bool {
        self.directory.join(format!("{id}.kill")).symlink_metadata().is_ok()
    }

    fn cast(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.cast"))
    }
}

/// The account of `--account`.
pub fn account(arguments: &Arguments) -> Result<Option<String>, Failure> {
    let name = arguments.flag("account").map(|name| name.to_str().map(str::to_owned));
    name.map(|name| name.ok_or_else(|| Failure::Usage("--account is not UTF-8".to_owned()))).transpose()
}

/// Says that a part of the records is not what it should be, and goes on.
pub fn complain_of(id: &str, error: impl std::fmt::Display) {
    complain(format_args!("postern: {id}: {error}"));
}

/// What needs no care when it is shown or made a path of.
fn is_id(id: &str) -> bool {
    (1..=ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') && !id.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_plain_word() {
        for (id, expected) in
            [("20261121-031244-9f3a1c2e", true), ("x", true), ("", false), ("..", false), ("a/b", false), ("-rf", false), ("a\x1b", false)]
        {
            assert_eq!(is_id(id), expected, "{id:?}");
        }
    }
}
