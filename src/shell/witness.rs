//! `witness:`: what a line changes, seen before and after.
//!
//! The guard runs a rule's witness by itself, as the rule's user and in the rule's confinement, before the line's commands start and after
//! they have ended, and puts what it says on record. It is the operator's word, so no rule allows it; its program is checked like any other.

use crate::exec::{self, PlanContext};
use crate::policy::{Allowed, Terms};
use crate::record::StageRecord;
use crate::words::Safe;

/// The witnesses of a line: for each of its commands the terms of one, if its rule names one.
pub struct Witnesses(Vec<Option<Terms>>);

impl Witnesses {
    pub fn of_line(allowed: &[Vec<Allowed>]) -> Witnesses {
        Witnesses(allowed.iter().flatten().map(|allowed| allowed.terms().of_witness()).collect())
    }

    /// Sees how things are before. The first witness that fails is an error, in words: what is changed unseen is not changed.
    pub fn before(&self, records: &mut [StageRecord], context: &PlanContext<'_>) -> Result<(), String> {
        for (record, terms) in self.with(records) {
            record.before = Some(said(terms, context)?);
        }
        Ok(())
    }

    /// Sees how things are after. What cannot be seen is said in the record's place, and told.
    pub fn after(&self, records: &mut [StageRecord], context: &PlanContext<'_>) -> Vec<String> {
        let mut told = Vec::new();
        for (record, terms) in self.with(records) {
            record.before = None;
            record.after = Some(said(terms, context).unwrap_or_else(|reason| {
                told.push(format!("how things are now is not on record: {reason}"));
                format!("error: {reason}").into_bytes()
            }));
        }
        told
    }

    fn with<'a>(&'a self, records: &'a mut [StageRecord]) -> impl Iterator<Item = (&'a mut StageRecord, &'a Terms)> {
        records.iter_mut().zip(&self.0).filter_map(|(record, terms)| Some((record, terms.as_ref()?)))
    }
}

/// What a witness says, without the newline behind it.
fn said(terms: &Terms, context: &PlanContext<'_>) -> Result<Vec<u8>, String> {
    let named = |reason| format!("{}: {}", Safe(terms.argv.join(" ").as_bytes()), Safe(String::as_bytes(&reason)));
    let captured = exec::capture(terms, context).map_err(named)?;
    Ok(captured.output.trim_ascii_end().to_vec())
}
