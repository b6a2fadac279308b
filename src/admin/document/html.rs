//! A document in HTML: one file without scripts, fonts or anything from elsewhere, for light and dark screens and for paper.

use super::model::{Block, Document, Inline, Section, Text};
use crate::words::Safe;

const STYLE: &str = include_str!("document.css");

/// The whole document. It is well-formed XML too.
pub fn write(document: &Document) -> String {
    let title = escaped(&document.title);
    let mut body = String::new();
    document.lead.iter().for_each(|block| block_html(&mut body, block));
    body.push_str(&contents(document));
    document.sections.iter().for_each(|section| section_html(&mut body, section, 2));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// The table of contents. What a section holds stands at its own beginning: of commands there are hundreds.
fn contents(document: &Document) -> String {
    let item = |section: &Section| format!("<li><a href=\"#{}\">{}</a></li>\n", section.id, words(&section.title));
    let items: String = document.sections.iter().map(item).collect();
    format!("<nav aria-label=\"Contents\">\n<ol>\n{items}</ol>\n</nav>\n")
}

fn section_html(out: &mut String, section: &Section, depth: usize) {
    let level = depth.min(6);
    out.push_str(&format!("<section id=\"{}\">\n<h{level}>{}</h{level}>\n", section.id, words(&section.title)));
    section.blocks.iter().for_each(|block| block_html(out, block));
    if !section.sections.is_empty() {
        let entry = |section: &Section| format!("<a href=\"#{}\">{}</a>", section.id, words(&section.title));
        let entries: Vec<String> = section.sections.iter().map(entry).collect();
        out.push_str(&format!("<p class=\"entries\">{}</p>\n", entries.join(" ")));
    }
    section.sections.iter().for_each(|section| section_html(out, section, depth + 1));
    out.push_str("</section>\n");
}

fn block_html(out: &mut String, block: &Block) {
    match block {
        Block::Paragraph(text) => out.push_str(&format!("<p>{}</p>\n", words(text))),
        Block::List(items) => {
            let items: String = items.iter().map(|item| format!("<li>{}</li>\n", words(item))).collect();
            out.push_str(&format!("<ul>\n{items}</ul>\n"));
        }
        Block::Definitions(definitions) => {
            out.push_str("<dl>\n");
            for (term, said) in definitions {
                let said: String = said.iter().map(|text| format!("<dd>{}</dd>\n", words(text))).collect();
                out.push_str(&format!("<dt>{}</dt>\n{said}", words(term)));
            }
            out.push_str("</dl>\n");
        }
        Block::Synopsis(forms) => {
            let word = |word: &String| format!("<span>{}</span>", escaped(word));
            let form = |form: &Vec<String>| format!("<p><code>{}</code></p>\n", form.iter().map(word).collect::<Vec<_>>().join(" "));
            out.push_str(&format!("<div class=\"synopsis\">\n{}</div>\n", forms.iter().map(form).collect::<String>()));
        }
    }
}

fn words(text: &Text) -> String {
    text.iter().map(inline).collect()
}

fn inline(inline: &Inline) -> String {
    match inline {
        Inline::Plain(text) => escaped(text),
        Inline::Code(text) => format!("<code>{}</code>", escaped(text)),
        Inline::Strong(text) => format!("<strong>{}</strong>", escaped(text)),
        Inline::Quote(text) => format!("<q>{}</q>", escaped(text)),
        Inline::Link { to, text } => format!("<a href=\"#{to}\">{}</a>", escaped(text)),
    }
}

/// Text that is nothing but text, in HTML, in an attribute, and on whatever shows it.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in Safe(text.as_bytes()).to_string().chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}
