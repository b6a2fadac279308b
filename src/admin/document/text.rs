//! A document for a terminal: 80 columns, man-like, and nothing a terminal would act on.

use super::model::{Block, Document, Inline, Section, Text};
use crate::words::Safe;

const COLUMNS: usize = 80;

/// The whole document.
pub fn write(document: &Document) -> String {
    let mut out = format!("{}\n{}\n\n", document.title, "=".repeat(document.title.chars().count()));
    document.lead.iter().for_each(|block| block_text(&mut out, block, 0));
    document.sections.iter().for_each(|section| section_text(&mut out, section, 0));
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn section_text(out: &mut String, section: &Section, depth: usize) {
    let title = words(&section.title);
    match depth {
        0 => out.push_str(&format!("{}\n\n", title.to_uppercase())),
        _ => out.push_str(&format!("{}{title}\n", " ".repeat(depth * 3 - 1))),
    }
    section.blocks.iter().for_each(|block| block_text(out, block, (depth + 1) * 3));
    section.sections.iter().for_each(|section| section_text(out, section, depth + 1));
}

fn block_text(out: &mut String, block: &Block, indent: usize) {
    match block {
        Block::Paragraph(text) => wrap(out, words(text).split(' '), indent, indent),
        Block::List(items) => items.iter().for_each(|item| {
            out.push_str(&format!("{}- ", " ".repeat(indent)));
            let start = out.len();
            wrap(out, words(item).split(' '), indent + 2, indent + 2);
            out.replace_range(start..start + indent + 2, "");
        }),
        Block::Definitions(definitions) => definitions.iter().for_each(|(term, said)| {
            wrap(out, words(term).split(' '), indent, indent + 2);
            said.iter().for_each(|text| wrap(out, words(text).split(' '), indent + 4, indent + 4));
        }),
        Block::Synopsis(forms) => forms.iter().for_each(|form| {
            wrap(out, form.iter().map(String::as_str), indent, indent + 8);
        }),
    }
    out.push('\n');
}

/// Words in lines; `first` and `rest` are the columns that lines begin in. A word that is longer than a line has one to itself.
fn wrap<'a>(out: &mut String, words: impl Iterator<Item = &'a str>, first: usize, rest: usize) {
    let (mut line, mut length) = (" ".repeat(first), 0);
    for word in words {
        if length > 0 && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            out.push_str(&line);
            out.push('\n');
            (line, length) = (" ".repeat(rest), 0);
        }
        if length > 0 {
            line.push(' ');
        }
        line.push_str(word);
        length += 1;
    }
    out.push_str(&line);
    out.push('\n');
}

fn words(text: &Text) -> String {
    let word = |inline: &Inline| match inline {
        Inline::Plain(text) | Inline::Code(text) | Inline::Strong(text) | Inline::Link { text, .. } => Safe(text.as_bytes()).to_string(),
        Inline::Quote(text) => format!("\"{}\"", Safe(text.as_bytes())),
    };
    text.iter().map(word).collect()
}
