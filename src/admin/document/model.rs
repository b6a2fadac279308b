//! A document: what text, Markdown and HTML are written from.

/// A whole document.
#[derive(Debug, Default)]
pub struct Document {
    pub title: String,
    /// Blocks before the first section.
    pub lead: Vec<Block>,
    pub sections: Vec<Section>,
}

/// A heading and what stands below it.
#[derive(Debug, Default)]
pub struct Section {
    /// Links lead here; unique, of `a-z0-9_-`.
    pub id: String,
    pub title: Text,
    pub blocks: Vec<Block>,
    pub sections: Vec<Section>,
}

#[derive(Debug)]
pub enum Block {
    Paragraph(Text),
    List(Vec<Text>),
    /// A term, and what is said of it.
    Definitions(Vec<(Text, Vec<Text>)>),
    /// Forms, one an entry, each in its words at which a line may be broken.
    Synopsis(Vec<Vec<String>>),
}

/// A run of text.
pub type Text = Vec<Inline>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inline {
    Plain(String),
    /// As it is typed, or as the policy writes it.
    Code(String),
    Strong(String),
    /// What a person wrote, word for word.
    Quote(String),
    /// A link to a section.
    Link {
        to: String,
        text: String,
    },
}

/// Plain text.
pub fn plain(text: impl Into<String>) -> Text {
    vec![Inline::Plain(text.into())]
}

/// Pieces with `between` between them.
pub fn joined(pieces: impl IntoIterator<Item = Inline>, between: &str) -> Text {
    let mut text = Text::new();
    for piece in pieces {
        if !text.is_empty() {
            text.push(Inline::Plain(between.to_owned()));
        }
        text.push(piece);
    }
    text
}

impl Section {
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Section {
        Section { id: id.into(), title: plain(title), ..Section::default() }
    }

    pub fn with(mut self, blocks: impl IntoIterator<Item = Block>) -> Section {
        self.blocks.extend(blocks);
        self
    }
}

/// A name as an id, `a-z0-9_-`: what else it holds stands there as its number, so that no two names have one id.
pub fn id(prefix: &str, name: &str) -> String {
    let letter = |c: char| match c {
        'a'..='z' | '0'..='9' | '-' => c.to_string(),
        _ => format!("_{:x}_", u32::from(c)),
    };
    format!("{prefix}-{}", name.chars().map(letter).collect::<String>())
}
