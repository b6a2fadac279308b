//! A document in GitHub-flavoured Markdown. What the policy holds is escaped: it makes no markup of its own, and no HTML.

use super::model::{Block, Document, Inline, Section, Text};
use crate::words::Safe;

/// The whole document.
pub fn write(document: &Document) -> String {
    let mut out = format!("# {}\n\n", escaped(&document.title));
    document.lead.iter().for_each(|block| block_markdown(&mut out, block));
    for section in &document.sections {
        out.push_str(&format!("- [{}](#{})\n", words(&section.title), section.id));
    }
    out.push('\n');
    document.sections.iter().for_each(|section| section_markdown(&mut out, section, 2));
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn section_markdown(out: &mut String, section: &Section, depth: usize) {
    out.push_str(&format!("<a id=\"{}\"></a>\n{} {}\n\n", section.id, "#".repeat(depth.min(6)), words(&section.title)));
    section.blocks.iter().for_each(|block| block_markdown(out, block));
    section.sections.iter().for_each(|section| section_markdown(out, section, depth + 1));
}

fn block_markdown(out: &mut String, block: &Block) {
    match block {
        Block::Paragraph(text) => out.push_str(&format!("{}\n", words(text))),
        Block::List(items) => items.iter().for_each(|item| out.push_str(&format!("- {}\n", words(item)))),
        Block::Definitions(definitions) => definitions.iter().for_each(|(term, said)| {
            let said: Vec<String> = said.iter().map(words).collect();
            out.push_str(&format!("- {}: {}\n", words(term), said.join("; ")));
        }),
        Block::Synopsis(forms) => {
            let lines: Vec<String> = forms.iter().map(|form| Safe(form.join(" ").as_bytes()).to_string()).collect();
            let fence = fence(&lines);
            out.push_str(&format!("{fence}text\n{}\n{fence}\n", lines.join("\n")));
        }
    }
    out.push('\n');
}

/// A fence that no line closes.
fn fence(lines: &[String]) -> String {
    let longest = lines.iter().map(|line| longest_run(line)).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// The longest run of backticks.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

fn words(text: &Text) -> String {
    text.iter().map(inline).collect()
}

fn inline(inline: &Inline) -> String {
    match inline {
        Inline::Plain(text) => escaped(text),
        Inline::Code(text) => code(&Safe(text.as_bytes()).to_string()),
        Inline::Strong(text) => format!("**{}**", escaped(text)),
        Inline::Quote(text) => format!("*“{}”*", escaped(text)),
        Inline::Link { to, text } => format!("[{}](#{to})", escaped(text)),
    }
}

fn code(text: &str) -> String {
    let ticks = "`".repeat(longest_run(text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// Text that is nothing but text. Addresses make links of themselves (GitHub Flavored Markdown, "Autolinks (extension)"): those of the web by
/// `://` and `www.`, and those of mail by `@`, which no backslash stops, so that an empty comment keeps it from the name before it.
fn escaped(text: &str) -> String {
    let safe = Safe(text.as_bytes()).to_string();
    let mut out = String::new();
    for (at, character) in safe.char_indices() {
        let (before, after) = (safe.get(..at).unwrap_or_default(), safe.get(at + character.len_utf8()..).unwrap_or_default());
        let www = || before.len() >= 3 && before.bytes().rev().take(3).all(|byte| byte.eq_ignore_ascii_case(&b'w'));
        match character {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' => out.push('\\'),
            ':' if after.starts_with('/') => out.push('\\'),
            '.' if www() => out.push('\\'),
            '@' => out.push_str("<!-- -->"),
            _ => {}
        }
        out.push(character);
    }
    out
}
