//! `postern apply` and `postern rollback`: which policy is in force.

use std::path::Path;

use super::arguments::Arguments;
use super::changes::Changes;
use super::output::{complain, report, say};
use super::state::State;
use super::{Failure, Status, golden, install};
use crate::confine::index;
use crate::policy::Applied;
use crate::policy::applied::encode;
use crate::policy::compile::{Source, compile};
use crate::policy::golden::read_all;
use crate::sys::file::{Directory, Owner, read_goldens, read_tree};
use crate::words::paths;

/// `postern apply [DIR]`.
pub fn apply(arguments: &Arguments) -> Result<Status, Failure> {
    let path = arguments.path(paths::POLICY_DIR);
    let (state, owner) = state(arguments)?;
    // One file in place of the directory would quietly drop what policy.d denies.
    Directory::open(&path, owner)?;
    let (tree, goldens) = (read_tree(&path, owner)?, read_goldens(&path, owner)?);
    let sources: Vec<Source> = tree.iter().cloned().map(Source::from).collect();
    let mut compiled = compile(&sources).map_err(Failure::Policy)?;
    compiled.warnings.extend(install::beyond(&compiled, &sources));
    report(&compiled.warnings);
    let bytes = encode(&compiled).map_err(|error| Failure::Other(error.to_string()))?;
    let policy = Applied::open(Box::new(bytes.clone())).map_err(|damaged| Failure::Other(damaged.to_string()))?;
    if !is_as_expected(&goldens, &policy)? {
        return Ok(Status::Findings);
    }
    // Golden tests may take long, so the state is held from here on only; what is put in force is what stands in the files now, so that of
    // two at once the one that read later wins.
    let state = State::open(state, owner)?;
    if read_tree(&path, owner)? != tree || read_goldens(&path, owner)? != goldens {
        return Err(Failure::Other("nothing has changed: the files were written to while they were tested; apply them again".to_owned()));
    }
    if owner == Owner::Root {
        write_index(&state);
        make_fingerprint_key(&state);
    }
    let before = state.applied();
    if before.as_ref().is_some_and(|before| before.digest() == policy.digest()) {
        say(format_args!("nothing has changed: policy {} is in force already", policy.digest()));
        return Ok(Status::Done);
    }
    let changes = Changes::between(before.as_ref(), &policy).map_err(|damaged| Failure::Other(damaged.to_string()))?;
    state.replace(&bytes)?;
    say(format_args!("policy {} is in force", policy.digest()));
    say(changes.counts());
    changes.of_host().iter().for_each(say);
    Ok(Status::Done)
}

/// Runs the policy's golden tests, and says what is decided otherwise than they expect.
fn is_as_expected(goldens: &[(String, Vec<u8>)], policy: &Applied) -> Result<bool, Failure> {
    let sources: Vec<Source> = goldens.iter().cloned().map(Source::from).collect();
    let reports = golden::run(policy, &read_all(&sources).map_err(Failure::Policy)?)?;
    golden::complain_of(&reports);
    let failed = golden::failed(&reports);
    if failed > 0 {
        complain(format_args!("postern: nothing has changed: the golden tests do not pass ({})", golden::summary(&reports)));
    }
    Ok(failed == 0)
}

/// Writes down what there is in /etc of this host, which the policy does not depend on.
fn write_index(state: &State) {
    if let Err(error) = index::make().and_then(|bytes| Ok(state.set_index(&bytes)?)) {
        complain(format_args!("postern: warning: no index of /etc, without which the first command of a session starts later: {error}"));
    }
}

/// A key of the host's own, for fingerprints that are the same in all sessions.
fn make_fingerprint_key(state: &State) {
    if let Err(error) = state.make_fingerprint_key() {
        complain(format_args!("postern: warning: no key of fingerprints, which differ from session to session then: {error}"));
    }
}

/// `postern rollback`.
pub fn rollback(arguments: &Arguments) -> Result<Status, Failure> {
    let (state, owner) = state(arguments)?;
    let policy = State::open(state, owner)?.roll_back()?;
    say(format_args!("policy {} is in force", policy.digest()));
    Ok(Status::Done)
}

/// The state directory, and whose files are trusted: on a host root's only.
fn state(arguments: &Arguments) -> Result<(&Path, Owner), Failure> {
    Ok(match arguments.state()? {
        Some(path) => (path, Owner::Caller),
        None => (Path::new(paths::STATE_DIR), Owner::Root),
    })
}
