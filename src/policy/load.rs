//! YAML to a tree with spans. The only file that names the YAML crate.
//!
//! The tree is built from the parser's events and not through serde, because then every construct that a policy may not use (aliases,
//! anchors, tags, merge keys, duplicate keys) is reported with its place and without hiding the mistakes behind it, a scalar keeps its
//! style, so that a mistake inside a form has its exact column, and nothing is ever coerced: what YAML reads as a number or as null is
//! told apart from text, and the reader of the tree decides.

use std::collections::HashMap;

use serde_yaml::granit_parser::{self, ErrorKind, Event, Parser, ScalarStyle};

use super::compile::Source;
use super::findings::{Findings, Mistake};
use crate::words::diagnostic::Place;
use crate::words::escape;
use crate::words::{Position, Safe, Span, limits};

/// Findings of one kind in a file that is hostile as a whole.
const HAZARDS_SHOWN: usize = 10;

/// Bytes of a line that are kept on each side of a place; more than a message shows.
const EXCERPT: usize = 1000;

/// The text of one source file.
#[derive(Debug)]
pub struct Document {
    /// As messages and records name it.
    pub name: String,
    text: String,
    /// Where each line starts.
    lines: Vec<usize>,
}

/// A value and where it stands.
#[derive(Debug)]
pub struct Node {
    pub span: Span,
    pub value: Value,
}

#[derive(Debug)]
pub enum Value {
    Scalar(Kind, String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Something that a policy may not use; it is reported already.
    Refused,
}

/// What YAML 1.2 (core schema, section 10.3.2) takes a scalar for. Quoted scalars are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Boolean,
    Null,
}

/// One key of a map with its value.
#[derive(Debug)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Node,
}

/// Reads one source. `None` when its bytes or its syntax are such that there is nothing to go on with; the reason is among the findings.
pub fn load(source: &Source, findings: &mut Findings) -> Option<(Document, Node)> {
    if source.bytes.len() > limits::POLICY_BYTES {
        let mistake = Mistake::new(format!("the file is larger than {} MiB", limits::POLICY_BYTES >> 20));
        findings.file_error(&source.name, mistake.with_help("split it into files of policy.d"));
        return None;
    }
    let document = Document::new(source.name.clone(), String::from_utf8_lossy(&source.bytes).into_owned());
    if let Err(invalid) = std::str::from_utf8(&source.bytes) {
        let at = Span::new(invalid.valid_up_to(), invalid.valid_up_to() + char::REPLACEMENT_CHARACTER.len_utf8());
        findings.error(&document, at, Mistake::new("the file is not valid UTF-8").with_help("save it as UTF-8"));
        return None;
    }
    if report_hazards(&document, findings) {
        return None;
    }
    let root = Tree { document: &document, findings, open: Vec::new(), root: None }.build()?;
    Some((document, root))
}

impl Document {
    pub fn new(name: String, text: String) -> Document {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(newline, _)| newline + 1)).collect();
        Document { name, text, lines }
    }

    /// The place of a span, for a message. Of its line it keeps what a message can show, for there may be many places on one long line.
    pub fn place(&self, span: Span) -> Place {
        let number = self.line(span);
        let start = self.lines.get(number as usize - 1).copied().unwrap_or(0);
        let line = self.text.get(start..).unwrap_or("").split('\n').next().unwrap_or("");
        let at = (span.start as usize - start).min(line.len());
        let column = u32::try_from(line.get(..at).unwrap_or("").chars().count() + 1).unwrap_or(u32::MAX);
        let boundary = |at: usize| (0..=at.min(line.len())).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        let from = boundary(at.saturating_sub(EXCERPT));
        let source = line.get(from..boundary(at + EXCERPT)).unwrap_or("").to_owned();
        let end = (span.end as usize).saturating_sub(start + from).min(source.len());
        Place { position: Position { line: number, column }, span: Span::new(at - from, end), source }
    }

    /// The line of a span, from 1.
    pub fn line(&self, span: Span) -> u32 {
        u32::try_from(self.lines.partition_point(|start| *start <= span.start as usize)).unwrap_or(u32::MAX)
    }

    /// Where `part` of a scalar's text stands: exact when the source holds the text as it is, plain or between quotes; else the scalar.
    pub fn part(&self, scalar: Span, text: &str, part: Span) -> Span {
        let source = self.text.get(scalar.start as usize..scalar.end as usize).unwrap_or("");
        let quoted = |quote| source.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
        match (source == text, quoted('"').or_else(|| quoted('\'')) == Some(text)) {
            (true, _) => part.shifted(scalar.start as usize),
            (_, true) => part.shifted(scalar.start as usize + 1),
            _ => scalar,
        }
    }
}

/// Reports characters that no policy may hold, in comments too; whether there were any. A tab may separate, but not stand in a value.
fn report_hazards(document: &Document, findings: &mut Findings) -> bool {
    let hazards = document.text.char_indices().filter(|(_, character)| !matches!(character, '\n' | '\t'));
    let hazards = hazards.filter_map(|(at, character)| escape::hazard(character).map(|hazard| (at, character, hazard)));
    let mut found = false;
    for (at, character, hazard) in hazards.take(HAZARDS_SHOWN) {
        found = true;
        let mistake = match character {
            '\u{feff}' if at == 0 => Mistake::new("the file begins with a byte order mark").with_help("save it as UTF-8 without one"),
            '\r' => Mistake::new("a carriage return").with_help("save the file with Unix line ends"),
            _ => Mistake::new(hazard.to_string()).with_help("remove it; policies hold printable text only"),
        };
        findings.error(document, Span::new(at, at + character.len_utf8()), mistake);
        if character == '\r' {
            break;
        }
    }
    found
}

/// A tree under construction.
struct Tree<'a> {
    document: &'a Document,
    findings: &'a mut Findings,
    open: Vec<Open>,
    root: Option<Node>,
}

/// A list or a map that is not complete yet.
enum Open {
    List(Span, Vec<Node>),
    Map { start: Span, entries: Vec<Entry>, key: Option<Key>, seen: HashMap<String, u32> },
}

/// A key that waits for its value; `None` when it is reported already.
type Key = Option<(String, Span)>;

impl Tree<'_> {
    fn build(mut self) -> Option<Node> {
        let options = granit_parser::options! {
            disallow_directives: true,
            emit_unresolved_aliases: true,
            flow_nesting_limit: limits::POLICY_DEPTH,
            block_nesting_limit: limits::POLICY_DEPTH,
        };
        let mut documents = 0;
        for event in Parser::new_from_str_with_options(&self.document.text, options) {
            let (event, at) = match event {
                Ok((event, at)) => (event, at),
                Err(error) => {
                    self.syntax_error(&error);
                    return None;
                }
            };
            let bytes = |at: granit_parser::Span| Span::new(at.start.byte_offset().unwrap_or(0), at.end.byte_offset().unwrap_or(0));
            let span = bytes(at);
            documents += usize::from(matches!(event, Event::DocumentStart(..)));
            if documents > 1 {
                self.error(span, Mistake::new("a second YAML document").with_help("give it a file of its own in policy.d"));
                return None;
            }
            self.event(event, span, at.tag_span().map(bytes));
        }
        Some(self.root.unwrap_or(Node { span: Span::default(), value: Value::Scalar(Kind::Null, String::new()) }))
    }

    fn event(&mut self, event: Event<'_>, span: Span, tag: Option<Span>) {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let clean = self.plain_node(span, anchor, tag);
                let value = if clean { self.scalar(text.into_owned(), style, span) } else { Value::Refused };
                self.add(Node { span, value });
            }
            Event::SequenceStart(_, anchor, _) => {
                self.plain_node(span, anchor, tag);
                self.open.push(Open::List(span, Vec::new()));
            }
            Event::MappingStart(_, anchor, _) => {
                self.plain_node(span, anchor, tag);
                self.open.push(Open::Map { start: span, entries: Vec::new(), key: None, seen: HashMap::new() });
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(start, items)) => self.add(Node { span: start.to(span), value: Value::List(items) }),
                Some(Open::Map { start, entries, .. }) => self.add(Node { span: start.to(span), value: Value::Map(entries) }),
                None => {}
            },
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let mistake = Mistake::new("aliases are not part of policies");
                self.error(span, mistake.with_help("quote a word that begins with *; put text that forms share under `parts:`"));
                self.add(Node { span, value: Value::Refused });
            }
            _ => {}
        }
    }

    /// Reports an anchor or a tag; whether there was neither.
    fn plain_node(&mut self, span: Span, anchor: usize, tag: Option<Span>) -> bool {
        if anchor != 0 {
            let mistake = Mistake::new("anchors are not part of policies");
            self.error(span, mistake.with_help("quote a word that begins with &; put text that forms share under `parts:`"));
        }
        if let Some(tag) = tag {
            let mistake = Mistake::new("tags are not part of policies");
            self.error(tag, mistake.with_help("quote a word that begins with !, as in \"!db-canary\""));
        }
        anchor == 0 && tag.is_none()
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, span: Span) -> Value {
        let mut characters = text.chars().filter(|character| *character != '\n');
        if let Some((character, hazard)) = characters.find_map(|character| Some((character, escape::hazard(character)?))) {
            let what = if character == '\t' { "a tab".to_owned() } else { hazard.to_string() };
            self.error(span, Mistake::new(format!("{what} in a value")).with_help("values hold printable text only"));
            return Value::Refused;
        }
        Value::Scalar(if style == ScalarStyle::Plain { kind(&text) } else { Kind::Text }, text)
    }

    /// Puts a complete node where it belongs.
    fn add(&mut self, node: Node) {
        match self.open.pop() {
            None => self.root = Some(node),
            Some(Open::List(start, mut items)) => {
                items.push(node);
                self.open.push(Open::List(start, items));
            }
            Some(Open::Map { start, mut entries, key, mut seen }) => {
                let key = match key {
                    None => Some(self.key(node, &mut seen)),
                    Some(key) => {
                        entries.extend(key.map(|(key, key_span)| Entry { key, key_span, value: node }));
                        None
                    }
                };
                self.open.push(Open::Map { start, entries, key, seen });
            }
        }
    }

    /// Takes a node as a key of a map.
    fn key(&mut self, node: Node, seen: &mut HashMap<String, u32>) -> Key {
        let (mistake, span) = match node.value {
            Value::Refused => return None,
            Value::Scalar(Kind::Text, text) if text == "<<" => (Mistake::new("merge keys are not part of policies"), node.span),
            Value::Scalar(Kind::Text, text) => match seen.insert(text.clone(), node.span.start) {
                None => return Some((text, node.span)),
                Some(first) => {
                    let line = self.document.line(Span::new(first as usize, first as usize));
                    let mistake = Mistake::new(format!("duplicate key `{}`", Safe(text.as_bytes())));
                    (mistake.with_help(format!("it is in line {line} already")), node.span)
                }
            },
            Value::Scalar(..) => (Mistake::new("a key must be a word").with_help("quote it"), node.span),
            Value::List(_) | Value::Map(_) => {
                (Mistake::new("a key must be a word, not a list or a map").with_help("quote a form that begins with [ or {"), node.span)
            }
        };
        self.error(span, mistake);
        None
    }

    fn syntax_error(&mut self, error: &granit_parser::ScanError) {
        let at = error.marker().byte_offset().unwrap_or(self.document.text.len());
        let mistake = match error.kind() {
            ErrorKind::RecursionLimitExceeded => Mistake::new(format!("nested deeper than {} levels", limits::POLICY_DEPTH)),
            ErrorKind::DirectiveDisallowed => {
                Mistake::new("directives are not part of policies").with_help("quote a word that begins with %, as in \"%oncall\"")
            }
            _ => Mistake::new(format!("not YAML: {}", error.info()))
                .with_help("quote text that holds a colon and a space, or begins with one of % @ ` [ { * & ! | > ' \""),
        };
        self.error(Span::new(at, at), mistake);
    }

    fn error(&mut self, span: Span, mistake: Mistake) {
        self.findings.error(self.document, span, mistake);
    }
}

/// What a plain scalar is in the core schema.
fn kind(text: &str) -> Kind {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |digits: Option<&str>, radix| digits.is_some_and(|d| !d.is_empty() && d.chars().all(|c| c.is_digit(radix)));
    let decimal = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') && unsigned.parse::<f64>().is_ok();
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Kind::Boolean,
        ".nan" | ".NaN" | ".NAN" => Kind::Number,
        _ if decimal || matches!(unsigned, ".inf" | ".Inf" | ".INF") => Kind::Number,
        _ if digits(text.strip_prefix("0x"), 16) || digits(text.strip_prefix("0o"), 8) => Kind::Number,
        _ => Kind::Text,
    }
}
