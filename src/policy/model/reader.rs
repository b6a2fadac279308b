//! Takes values out of a file's tree. What does not fit is reported and left out, so that one pass finds every mistake.

use crate::policy::findings::{Findings, Mistake};
use crate::policy::load::{Document, Entry, Kind, Node, Value};
use crate::words::{Safe, Span, suggest};

/// A text and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub value: String,
    pub span: Span,
}

/// Reads one document.
pub struct Reader<'a> {
    pub document: &'a Document,
    pub findings: &'a mut Findings,
    /// The key and the reason by which the policy says that warnings are meant; they are counted then.
    pub accepts: Option<(String, String)>,
}

impl Reader<'_> {
    pub fn error(&mut self, span: Span, mistake: Mistake) {
        self.findings.error(self.document, span, mistake);
    }

    pub fn warning(&mut self, span: Span, mistake: Mistake) {
        match &self.accepts {
            None => self.findings.warning(self.document, span, mistake),
            Some((key, reason)) => self.findings.accepted(key, reason),
        }
    }

    /// The entries of a map whose keys are known; others are reported with the nearest known one.
    pub fn map<'n>(&mut self, node: &'n Node, what: &str, keys: &[&str]) -> Vec<&'n Entry> {
        let (known, unknown): (Vec<_>, Vec<_>) =
            self.free_map(node, what).into_iter().partition(|entry| keys.contains(&entry.key.as_str()));
        for entry in unknown {
            let mistake = Mistake::new(format!("unknown key `{}` in {what}", Safe(entry.key.as_bytes())));
            let near = if self.findings.shows_more() { suggest::nearest(&entry.key, keys.iter().copied()) } else { None };
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known keys: {}", keys.join(", ")),
            };
            self.error(entry.key_span, mistake.with_help(help));
        }
        known
    }

    /// The entries of a map with keys of the policy's own.
    pub fn free_map<'n>(&mut self, node: &'n Node, what: &str) -> Vec<&'n Entry> {
        match &node.value {
            Value::Map(entries) if entries.is_empty() => self.error(node.span, empty(what)),
            Value::Map(entries) => return entries.iter().collect(),
            _ => self.mismatch(node, what, "a map of `key: value`"),
        }
        Vec::new()
    }

    /// The items of a list, which has at least one.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) if items.is_empty() => self.error(node.span, empty(what)),
            Value::List(items) => return items,
            Value::Scalar(Kind::Text | Kind::Number, text) => {
                let help = format!("write it as a list: [{}]", Safe(text.as_bytes()));
                self.error(node.span, Mistake::new(format!("{what} must be a list")).with_help(help));
            }
            _ => self.mismatch(node, what, "a list"),
        }
        &[]
    }

    /// One line of text that is not empty.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<Text> {
        let text = self.lines(node, what)?;
        let mistake = match text.value.as_str() {
            "" => empty(what),
            value if value.contains('\n') => {
                Mistake::new(format!("{what} must be one line")).with_help("use >- for text over several lines")
            }
            _ => return Some(text),
        };
        self.error(node.span, mistake);
        None
    }

    /// Text, perhaps of several lines, perhaps empty.
    pub fn lines(&mut self, node: &Node, what: &str) -> Option<Text> {
        match &node.value {
            Value::Scalar(Kind::Text, text) => Some(Text { value: text.clone(), span: node.span }),
            _ => {
                self.mismatch(node, what, "text");
                None
            }
        }
    }

    /// One value in a notation of its own.
    pub fn value<T>(&mut self, node: &Node, what: &str, parse: impl Fn(&str) -> Result<T, Mistake>) -> Option<T> {
        let text = self.text(node, what)?;
        parse(&text.value).map_err(|mistake| self.error(node.span, mistake.about(what))).ok()
    }

    /// One value in a notation that takes bare numbers too.
    pub fn measure<T>(&mut self, node: &Node, what: &str, parse: impl Fn(&str) -> Result<T, Mistake>) -> Option<T> {
        match &node.value {
            Value::Scalar(Kind::Number, number) => parse(number).map_err(|mistake| self.error(node.span, mistake.about(what))).ok(),
            _ => self.value(node, what, parse),
        }
    }

    /// A list of values in a notation of their own; those that fit.
    pub fn values<T>(&mut self, node: &Node, what: &str, parse: impl Fn(&str) -> Result<T, Mistake>) -> Vec<T> {
        self.list(node, what).iter().filter_map(|item| self.value(item, what, &parse)).collect()
    }

    /// One value, or a list of them.
    pub fn value_or_values<T>(&mut self, node: &Node, what: &str, parse: impl Fn(&str) -> Result<T, Mistake>) -> Vec<T> {
        match node.value {
            Value::List(_) => self.values(node, what, parse),
            _ => self.value(node, what, parse).into_iter().collect(),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        match &node.value {
            Value::Scalar(Kind::Boolean, text) if text == "true" => return Some(true),
            Value::Scalar(Kind::Boolean, text) if text == "false" => return Some(false),
            _ => self.mismatch(node, what, "true or false"),
        }
        None
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, node: &Node, what: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        let found = choices.iter().find(|(word, _)| *word == text.value).map(|(_, choice)| *choice);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let help = match suggest::nearest(&text.value, words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of: {}", words.join(", ")),
            };
            self.error(node.span, Mistake::new(format!("{what} cannot be `{}`", Safe(text.value.as_bytes()))).with_help(help));
        }
        found
    }

    /// Reports a value of the wrong kind.
    pub fn mismatch(&mut self, node: &Node, what: &str, expected: &str) {
        let (found, help) = match &node.value {
            Value::Refused => return,
            Value::Scalar(Kind::Null, _) if node.span.start == node.span.end => return self.error(node.span, empty(what)),
            Value::Scalar(Kind::Null, _) => ("null", None),
            Value::Scalar(Kind::Number, text) => ("a number", Some(text)),
            Value::Scalar(Kind::Boolean, text) => ("a boolean", Some(text)),
            Value::Scalar(Kind::Text, _) => ("text", None),
            Value::List(_) => ("a list", None),
            Value::Map(_) => ("a map", None),
        };
        let mistake = Mistake::new(format!("{what} must be {expected}, not {found}"));
        let quoted = help.filter(|_| expected == "text").map(|text| format!("quote it: \"{}\"", Safe(text.as_bytes())));
        self.error(node.span, mistake.with_help_if(quoted));
    }
}

fn empty(what: &str) -> Mistake {
    Mistake::new(format!("{what} is empty")).with_help("fill it in, or leave it out")
}
