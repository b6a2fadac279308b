//! The layer as its users see it: lines in, words or refusals out.

mod accepted;
mod globs;
mod refused;

use std::collections::BTreeMap;
use std::path::Path;

use super::{Context, Request, SyntaxError, expand, parse};

/// Parses and expands a line in `directory`, for an account with the home `/home/me`, a last status of 7 and three constants.
fn settle_in(directory: &Path, line: &str) -> Result<Request, SyntaxError> {
    let constants = [("PGDATA", "/srv/pg"), ("GREETING", "a b*"), ("EMPTY", "")];
    let constants: BTreeMap<String, String> = constants.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    expand(
        &parse(line.as_bytes())?,
        &Context { directory, home: "/home/me", status: 7, constants: &constants, names: &crate::syntax::glob::ask_here },
    )
}

fn settle(line: &str) -> Result<Request, SyntaxError> {
    settle_in(Path::new("/"), line)
}

/// The words of each command.
fn words(request: &Request) -> Vec<Vec<&str>> {
    let stages = request.items.iter().flat_map(|item| &item.stages);
    stages.map(|stage| stage.argv.iter().map(|argument| argument.text.as_str()).collect()).collect()
}
