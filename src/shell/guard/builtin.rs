//! What the front does by itself, on record as any command: words and no program.

use std::path::Path;
use std::time::Instant;

use super::super::ledger;
use super::{Guard, Outcome, Stop};
use crate::record::{CommandRecord, Decision, Event, StageRecord, StageStatus};

/// A builtin that was started.
pub(super) struct Builtin {
    command: u64,
    line: Vec<u8>,
    argv: Vec<String>,
    directory: String,
    started: Instant,
}

impl Builtin {
    /// Words and no program: nothing is started.
    fn record<'a>(&'a self, policy: &'a str) -> CommandRecord<'a> {
        let mut record = ledger::record(self.command, &self.line, Decision::Allow, &self.directory, policy);
        record.stages = vec![StageRecord { rule: Some("builtin".to_owned()), ..ledger::stage(self.argv.clone()) }];
        record
    }
}

impl Guard {
    /// Puts the start of a builtin on record. The error is the outcome of one that may not start without.
    pub fn builtin(&mut self, line: &[u8], argv: Vec<String>, directory: &Path) -> Result<(), Outcome> {
        self.forgo();
        let builtin = Builtin {
            command: self.ledger.number(),
            line: line.to_vec(),
            argv,
            directory: directory.to_string_lossy().into_owned(),
            started: Instant::now(),
        };
        let digest = self.policy().digest().to_owned();
        match self.ledger.write(&Event::CommandStart(&builtin.record(&digest))) {
            Ok(()) => {
                self.builtin = Some(builtin);
                Ok(())
            }
            Err(unrecorded) => Err(self.stopped(&Stop::Unrecorded(unrecorded), &mut builtin.record(&digest))),
        }
    }

    /// Puts the end of a builtin on record. Returns what the person is told.
    pub fn end_builtin(&mut self, status: u8) -> Vec<String> {
        let Some(builtin) = self.builtin.take() else { return Vec::new() };
        let digest = self.policy().digest().to_owned();
        let mut record = builtin.record(&digest);
        record.duration_ms = Some(ledger::milliseconds(builtin.started.elapsed()));
        record.stages.iter_mut().for_each(|stage| stage.status = Some(StageStatus::Exit(i32::from(status))));
        self.ledger.note(&Event::CommandEnd(&record));
        self.ledger.notices()
    }
}
