//! `postern help`, `--help` and `--version`.

use super::arguments::{self, Arguments};
use super::output::say;
use super::{Failure, SUBCOMMANDS, Status, Subcommand};

/// `postern help [COMMAND]`.
pub fn help(arguments: &Arguments) -> Result<Status, Failure> {
    match arguments.operands.first() {
        None => say(overview()),
        Some(word) if word == "--version" => say(format_args!("postern {}", env!("CARGO_PKG_VERSION"))),
        Some(name) => say(page(arguments::find(name)?)),
    }
    Ok(Status::Done)
}

/// The usage line of a subcommand.
pub fn usage(command: &Subcommand) -> String {
    let flags = command.flags.iter().map(|flag| match flag.value {
        Some(value) => format!("[--{} {value}]", flag.name),
        None => format!("[--{}]", flag.name),
    });
    let operands = Some(command.operands.to_owned()).filter(|operands| !operands.is_empty());
    let words: Vec<String> = ["postern".to_owned(), command.name.to_owned()].into_iter().chain(flags).chain(operands).collect();
    words.join(" ")
}

fn overview() -> String {
    let width = SUBCOMMANDS.iter().map(|command| command.name.len() + command.operands.len() + 1).max().unwrap_or(0);
    let row = |command: &Subcommand| format!("  {:width$}  {}", format!("{} {}", command.name, command.operands), command.about);
    let rows: Vec<String> = SUBCOMMANDS.iter().map(row).collect();
    format!("usage: postern COMMAND [ARGUMENT...]\n\n{}\n\n`postern help COMMAND` shows more.", rows.join("\n"))
}

fn page(command: &Subcommand) -> String {
    let mut page = format!("usage: {}\n\n{}.", usage(command), capitalised(command.about));
    if !command.details.is_empty() {
        page.push_str(&format!("\n\n{}", wrap(command.details)));
    }
    for flag in command.flags {
        let value = flag.value.map_or_else(String::new, |value| format!(" {value}"));
        page.push_str(&format!("\n\n  --{}{value}\n      {}", flag.name, flag.about));
    }
    page
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// Breaks text into lines of at most 80 columns.
fn wrap(text: &str) -> String {
    let (mut wrapped, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > 0 {
            let fits = column + 1 + width <= 80;
            wrapped.push(if fits { ' ' } else { '\n' });
            column = if fits { column + 1 } else { 0 };
        }
        wrapped.push_str(word);
        column += width;
    }
    wrapped
}
