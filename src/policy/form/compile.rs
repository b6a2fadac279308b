//! From the tree of a form to its variants.

use super::name::{Name, NameKind, Style};
use super::tree::{Node, NodeKind, RawPiece, RawWord, is_dash, is_slot_first, is_text, optional_word, redirect_of, single_words};
use super::word::Words;
use super::{Catalog, Choice, Form, FormError, Operand, OptionGroup, Pattern, Piece, Segment, Slot, Variant};
use crate::policy::types::Judge;
use crate::words::{Span, limits};

/// What a row of nodes comes to, its branches taken apart.
#[derive(Clone, Debug)]
enum Item {
    Options(OptionGroup),
    Keyword(Vec<Pattern>),
    Operand(Operand),
    Any,
    Terminator,
}

type Row = Vec<Item>;

/// Operands of one segment, at most: matching keeps a set of places among them in one word.
const OPERANDS: usize = 30;

/// Compiles a parsed form.
pub fn compile(text: &str, nodes: &[Node], catalog: &Catalog<'_>, exact: bool) -> Result<Form, Vec<FormError>> {
    let mut compiler = Compiler { words: Words::new(catalog), redirects: [None, None, None] };
    let whole = Span::new(0, text.len());
    let Some((command, rest)) = nodes.split_first() else {
        return Err(vec![FormError { span: whole, message: "an empty form".to_owned(), help: Some("write a command word".to_owned()) }]);
    };
    let command = compiler.command(command);
    let rest = compiler.take_redirects(rest);
    let rows = compiler.row(&rest);
    let variants: Vec<Variant> = rows.into_iter().map(|row| compiler.variant(row, whole)).collect();
    if variants.len() > limits::FORM_VARIANTS {
        let message = format!("the branches of this form mean {} variants; at most {} are matched", variants.len(), limits::FORM_VARIANTS);
        compiler.words.fail(whole, message, Some("split it into several forms, or make optional words options: [word <slot>]"));
    }
    if !compiler.words.errors.is_empty() {
        return Err(once_each(compiler.words.errors));
    }
    let names = |variant: &Variant| variant.segments.iter().any(|segment| names_of(segment).any(|(_, name)| name.forbids_clusters()));
    let exact = exact || variants.iter().any(names);
    let [input, output, append] = compiler.redirects;
    Ok(Form { text: text.to_owned(), filled: None, command, types: compiler.words.types, variants, input, output, append, exact })
}

/// A node is tried as one thing and then as another, so that its mistake may have been found more than once.
fn once_each(errors: Vec<FormError>) -> Vec<FormError> {
    let mut unique: Vec<FormError> = Vec::new();
    for error in errors {
        if !unique.contains(&error) {
            unique.push(error);
        }
    }
    unique
}

/// Every option name of a segment with its choice.
fn names_of(segment: &Segment) -> impl Iterator<Item = (&Choice, &Name)> {
    segment.options.iter().flat_map(|group| &group.choices).flat_map(|choice| choice.names.iter().map(move |name| (choice, name)))
}

struct Compiler<'a> {
    words: Words<'a>,
    /// `<`, `>`, `>>`.
    redirects: [Option<Slot>; 3],
}

impl Compiler<'_> {
    fn command(&mut self, node: &Node) -> String {
        match &node.kind {
            NodeKind::Word(pieces) if !node.repeat => match pieces.as_slice() {
                [RawPiece::Text(name)] if name.contains('/') => {
                    self.words.fail(
                        node.span,
                        "a form begins with the bare name of a program",
                        Some("write its name here and its full path as `path:` of the rule"),
                    );
                }
                [RawPiece::Text(name)] if !name.starts_with('-') => return name.clone(),
                _ => self.words.fail(node.span, "a form begins with a plain command word", None),
            },
            _ => self.words.fail(node.span, "a form begins with a plain command word", None),
        }
        String::new()
    }

    /// Splits `[< <type>]` and its like off the end of a form.
    fn take_redirects(&mut self, nodes: &[Node]) -> Vec<Node> {
        let is_redirect = |node: &&Node| redirect_of(node).is_some();
        let count = nodes.iter().rev().take_while(is_redirect).count();
        let (rest, redirects) = nodes.split_at(nodes.len() - count);
        for (sign, word, span) in redirects.iter().filter_map(redirect_of) {
            let pattern = self.words.pattern(word, span);
            let place = sign as usize;
            match (pattern.pieces.as_slice(), self.redirects.get_mut(place)) {
                ([Piece::Slot(slot)], Some(free @ None)) => *free = Some(slot.clone()),
                ([Piece::Slot(_)], _) => self.words.fail(span, "this redirection is there twice", None),
                _ => self.words.fail(span, "a redirection takes one slot", Some("write [< <file>]")),
            }
        }
        rest.to_vec()
    }

    /// What a row of nodes means: one row of items for each way through its branches.
    fn row(&mut self, nodes: &[Node]) -> Vec<Row> {
        let mut rows: Vec<Row> = vec![Vec::new()];
        let mut optional: Vec<(String, Span)> = Vec::new();
        let mut rest = nodes;
        while let Some((node, behind)) = rest.split_first() {
            rest = behind;
            self.check_optional_words(node, &mut optional);
            let alternatives = match &node.kind {
                NodeKind::Word(pieces) => {
                    let (item, used) = self.word(pieces, node, behind);
                    rest = behind.get(used..).unwrap_or_default();
                    vec![vec![item]]
                }
                NodeKind::Any => vec![vec![Item::Any]],
                NodeKind::Group { optional, branches } => self.group(node, *optional, branches),
                NodeKind::Redirect { .. } => {
                    self.words.fail(node.span, "a redirection stands in brackets at the end of a form", Some("write [< <file>]"));
                    continue;
                }
            };
            rows = product(rows, &alternatives);
        }
        rows
    }

    /// `[show] <id>` takes `delete` as the id: refused where the slot would take the optional word itself.
    fn check_optional_words(&mut self, node: &Node, optional: &mut Vec<(String, Span)>) {
        match &node.kind {
            NodeKind::Word(pieces) if is_slot_first(pieces) => {
                let pattern = self.words.pattern_quietly(pieces);
                let taken = optional.iter().find(|(word, _)| self.takes(&pattern, word)).cloned();
                if let Some((word, span)) = taken {
                    let message =
                        format!("the optional word `{word}` stands before {}, which takes any other word in its place", pattern.text);
                    self.words.fail(span, message, Some(&format!("put the slot into the brackets: [{word} [{}]]", pattern.text)));
                }
            }
            NodeKind::Group { optional: true, branches } => match branches.as_slice() {
                [branch]
                    if branch.len() == 1
                        && branch.first().is_some_and(|inner| matches!(&inner.kind, NodeKind::Word(pieces) if is_slot_first(pieces))) =>
                {
                    branch.iter().for_each(|inner| self.check_optional_words(inner, optional));
                }
                _ => optional.extend(branches.iter().filter_map(|branch| optional_word(branch))),
            },
            NodeKind::Group { optional: false, branches } if branches.len() == 1 => {}
            NodeKind::Word(pieces) if !is_dash(pieces) => optional.clear(),
            NodeKind::Group { optional: false, .. } => optional.clear(),
            _ => {}
        }
    }

    /// Whether a slot-first word would take `word`, paths being judged kindly.
    fn takes(&self, pattern: &Pattern, word: &str) -> bool {
        struct Anywhere;
        impl Judge for Anywhere {
            fn leads(&self, path: &str) -> Result<String, String> {
                Ok(path.to_owned())
            }
            fn reaches(&self, _: &str) -> Result<(), String> {
                Ok(())
            }
            fn home(&self) -> &str {
                "/"
            }
        }
        match pattern.pieces.as_slice() {
            [Piece::Slot(slot)] => {
                self.words.types.get(slot.definition as usize).is_some_and(|definition| definition.check(word, &Anywhere).is_ok())
            }
            _ => false,
        }
    }

    /// A word outside brackets; the number of nodes behind it that it uses up.
    fn word(&mut self, pieces: &[RawPiece], node: &Node, behind: &[Node]) -> (Item, usize) {
        let pattern = self.words.pattern(pieces, node.span);
        if !is_dash(pieces) {
            let operand = |patterns| Item::Operand(Operand { patterns, required: true, repeat: node.repeat });
            return match pattern.is_word() && !node.repeat {
                true => (Item::Keyword(vec![pattern]), 0),
                false => (operand(vec![pattern]), 0),
            };
        }
        let (name, touching) = Name::of(pattern);
        let free = touching.is_none() && name.style == Style::Free && name.kind != NameKind::Shape;
        let next = behind.first().filter(|next| free && !node.repeat && !next.repeat).and_then(|next| self.value(next, false));
        let used = usize::from(next.is_some());
        let values = match touching {
            Some(slot) => vec![slot_operand(slot, name.style == Style::Attached)],
            None => next.into_iter().collect(),
        };
        let choices = vec![Choice { names: vec![name], values }];
        (Item::Options(OptionGroup { choices, required: true, repeat: node.repeat }), used)
    }

    fn group(&mut self, node: &Node, optional: bool, branches: &[Vec<Node>]) -> Vec<Row> {
        if let Some(item) = self.simple_group(node, optional, branches) {
            return vec![vec![item]];
        }
        if node.repeat {
            let help = "only a slot, a word, an option, or a group of single words can be repeated";
            self.words.fail(node.span, "`...` cannot follow a group of several words", Some(help));
        }
        let skipped = optional.then(Vec::new);
        let taken = branches.iter().flat_map(|branch| self.row(branch)).collect::<Vec<Row>>();
        skipped.into_iter().chain(taken).collect()
    }

    /// A group that is one item rather than branches.
    fn simple_group(&mut self, node: &Node, optional: bool, branches: &[Vec<Node>]) -> Option<Item> {
        if let [branch] = branches
            && let [inner] = branch.as_slice()
        {
            match &inner.kind {
                NodeKind::Word(pieces) if optional && is_text(pieces, "--") => return Some(Item::Terminator),
                NodeKind::Any => return Some(Item::Any),
                // `[(a|b)...]` and `[[x]]` are what is inside.
                NodeKind::Group { optional: within, branches } => {
                    let node = Node { repeat: node.repeat || inner.repeat, ..inner.clone() };
                    return self.simple_group(&node, optional || *within, branches);
                }
                _ => {}
            }
        }
        if let Some(group) = self.options(node, optional, branches) {
            return Some(Item::Options(group));
        }
        let (words, repeats) = single_words(branches)?;
        let repeat = node.repeat || repeats;
        let slots = words.iter().any(|(pieces, _)| is_slot_first(pieces));
        let patterns: Vec<Pattern> = words.into_iter().map(|(pieces, span)| self.words.pattern(pieces, span)).collect();
        match (slots || repeat, optional) {
            (true, _) => Some(Item::Operand(Operand { patterns, required: !optional, repeat })),
            (false, false) => Some(Item::Keyword(patterns)),
            (false, true) => None,
        }
    }

    /// A group whose branches are all options: dashed, or in brackets a word with only slots behind it.
    fn options(&mut self, node: &Node, optional: bool, branches: &[Vec<Node>]) -> Option<OptionGroup> {
        let repeats = branches.iter().any(|branch| branch.len() == 1 && branch.iter().any(|inner| inner.repeat));
        let mut choices: Vec<Choice> = Vec::new();
        let mut waiting: Vec<Name> = Vec::new();
        for branch in branches {
            let (names, touching, values) = self.option(branch, optional)?;
            let last_style = names.last().map_or(Style::Free, |name| name.style);
            waiting.extend(names);
            let values = match touching {
                Some(slot) => vec![slot_operand(slot, last_style == Style::Attached)],
                None => values,
            };
            if !values.is_empty() {
                let mut names = std::mem::take(&mut waiting);
                if last_style == Style::AttachedOrNone {
                    names.iter_mut().for_each(|name| name.style = Style::AttachedOrNone);
                }
                choices.push(Choice { names, values });
            }
        }
        if !waiting.is_empty() {
            choices.push(Choice { names: waiting, values: Vec::new() });
        }
        Some(OptionGroup { choices, required: !optional, repeat: node.repeat || repeats })
    }

    /// One branch as an option: its names, the slot that touches the name, and its values.
    fn option(&mut self, branch: &[Node], bare_too: bool) -> Option<(Vec<Name>, Option<Slot>, Vec<Operand>)> {
        let (first, behind) = branch.split_first()?;
        let words: Vec<&[RawPiece]> = match &first.kind {
            NodeKind::Word(pieces) => vec![pieces],
            NodeKind::Group { optional: false, branches } if !first.repeat => {
                single_words(branches)?.0.into_iter().map(|(pieces, _)| pieces).collect()
            }
            _ => return None,
        };
        let dashed = words.iter().all(|pieces| is_dash(pieces));
        let bare = bare_too && words.iter().all(|pieces| !is_dash(pieces) && !is_slot_first(pieces) && !is_text(pieces, "--"));
        if !dashed && !bare || first.repeat && !behind.is_empty() {
            return None;
        }
        let mut values = Vec::new();
        for node in behind {
            if node.repeat && matches!(&node.kind, NodeKind::Word(pieces) if is_slot_first(pieces)) {
                self.words.fail(
                    node.span,
                    "the value of an option cannot be repeated",
                    Some("repeat the option, [-f <file>]..., or set the operands apart, [-f] <file>..."),
                );
                return Some((Vec::new(), None, Vec::new()));
            }
            values.push(self.value(node, dashed).filter(|value| dashed || value.required)?);
        }
        let mut touching = None;
        let mut names = Vec::new();
        for pieces in words {
            let pattern = self.words.pattern(pieces, first.span);
            let (name, slot) = Name::of(pattern);
            touching = touching.or(slot);
            names.push(name);
        }
        if touching.is_some() && !values.is_empty() {
            self.words.fail(first.span, "this option has a value that touches it, and another behind it", None);
        }
        Some((names, touching, values))
    }

    /// A node as the value of an option: a slot, an optional slot, and where `words` a word or several to choose from.
    fn value(&mut self, node: &Node, words: bool) -> Option<Operand> {
        if node.repeat {
            return None;
        }
        let (branches, required) = match &node.kind {
            NodeKind::Word(pieces) if is_slot_first(pieces) || words && !is_dash(pieces) => {
                let pattern = self.words.pattern(pieces, node.span);
                return Some(Operand { patterns: vec![pattern], required: true, repeat: false });
            }
            NodeKind::Group { optional, branches } => (branches, !optional),
            _ => return None,
        };
        let (found, repeats) = single_words(branches)?;
        let fits = |(pieces, _): &RawWord<'_>| is_slot_first(pieces) || words && !is_dash(pieces);
        if repeats || !found.iter().all(fits) {
            return None;
        }
        let patterns = found.into_iter().map(|(pieces, span)| self.words.pattern(pieces, span)).collect();
        Some(Operand { patterns, required, repeat: false })
    }

    /// Cuts a row into segments.
    fn variant(&mut self, row: Row, whole: Span) -> Variant {
        let mut segments = vec![Segment::default()];
        for item in row {
            if let Item::Keyword(keyword) = item {
                segments.push(Segment { keyword, ..Segment::default() });
                continue;
            }
            let Some(segment) = segments.last_mut() else { continue };
            match item {
                Item::Options(group) => segment.options.push(group),
                Item::Operand(operand) => segment.operands.push(operand),
                Item::Any => segment.any = true,
                Item::Terminator => segment.terminator = true,
                Item::Keyword(_) => {}
            }
        }
        for segment in &segments {
            self.check_segment(segment, whole);
        }
        Variant { segments }
    }

    fn check_segment(&mut self, segment: &Segment, whole: Span) {
        if segment.operands.len() > OPERANDS {
            self.words.fail(whole, format!("more than {OPERANDS} operands between two words"), None);
        }
        let names: Vec<(&Choice, &Name)> = names_of(segment).collect();
        for (index, (choice, name)) in names.iter().enumerate() {
            let twice = names
                .iter()
                .skip(index + 1)
                .any(|(other, again)| again.pattern == name.pattern && !(choice.values.is_empty() && other.values.is_empty()));
            if twice {
                let text = &name.pattern.text;
                let help = "an option holds from one word to the next: write it once, with `...` if it may be repeated";
                self.words.fail(whole, format!("`{text}`, which takes a value, is there twice in one segment"), Some(help));
            }
        }
    }
}

/// Every row of the first continued by every row of the second; stops growing once over the cap, which is then an error.
fn product(rows: Vec<Row>, alternatives: &[Row]) -> Vec<Row> {
    let continued = rows.iter().flat_map(|row| alternatives.iter().map(move |alternative| [row.as_slice(), alternative].concat()));
    continued.take(limits::FORM_VARIANTS + 1).collect()
}

fn slot_operand(slot: Slot, required: bool) -> Operand {
    let pattern = Pattern { text: slot.text.clone(), pieces: vec![Piece::Slot(slot)] };
    Operand { patterns: vec![pattern], required, repeat: false }
}
