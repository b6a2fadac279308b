//! What the words between `<` and `>` stand for.

mod builtin;
mod programs;
mod sample;

use std::cell::OnceCell;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::words::{Safe, limits};

pub use builtin::BUILT_IN;

/// An own type as the policy writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawType {
    pub matches: Option<String>,
    pub path: Vec<String>,
    /// `LOW..HIGH`, either may be left out.
    pub int: Option<String>,
    pub one_of: Vec<String>,
    pub except: Option<String>,
    pub dash: Option<bool>,
}

/// A compiled type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeDef {
    /// As policies name it; `None` of one that stands in a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    kind: Kind,
    /// What a match must not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    except: Option<Pattern>,
    /// Whether an option's value may begin with a dash.
    dash: bool,
}

/// What a type takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A built-in type that needs no fact.
    Lexical(builtin::Lexical),
    Int {
        low: Option<i64>,
        high: Option<i64>,
    },
    OneOf(Vec<String>),
    Match(Pattern),
    /// Metadata only: any name.
    Path,
    /// Contents: judged by what it resolves to.
    Contents {
        standard_input: bool,
    },
    /// Contents, at or below one of these globs.
    Below(Vec<String>),
}

/// Answers what only the host knows; a closure over [`super::Facts`], the rule's confinement and its run-as user.
pub trait Judge {
    /// The absolute path that `path` leads to, if its contents are not hidden; the error is a reason in words.
    fn leads(&self, path: &str) -> Result<String, String>;
    /// Whether the second door lets the command read there; the error is a reason in words. Own path types are places of their own.
    fn reaches(&self, leads: &str) -> Result<(), String>;
    /// The account's home directory.
    fn home(&self) -> &str;
}

impl TypeDef {
    /// A built-in type.
    pub fn built_in(name: &str) -> Option<TypeDef> {
        let kind = match name {
            "int" => Kind::Int { low: None, high: None },
            "path" => Kind::Path,
            "file" => Kind::Contents { standard_input: true },
            "dir" => Kind::Contents { standard_input: false },
            _ => Kind::Lexical(builtin::Lexical::by_name(name)?),
        };
        Some(TypeDef { name: Some(name.to_owned()), kind, except: None, dash: matches!(name, "int" | "number" | "time") })
    }

    /// An inline range, `1..100`; either end may be left out.
    pub fn range(text: &str) -> Result<TypeDef, String> {
        let wrong = || format!("`{text}` is no range: write LOW..HIGH, such as 1..100");
        let (low, high) = text.split_once("..").ok_or_else(wrong)?;
        let bound = |text: &str| if text.is_empty() { Ok(None) } else { text.parse::<i64>().map(Some).map_err(|_| wrong()) };
        let (low, high) = (bound(low)?, bound(high)?);
        match (low, high) {
            (None, None) => Err(wrong()),
            (Some(a), Some(b)) if a > b => Err(format!("the range `{text}` is empty")),
            _ => Ok(TypeDef { name: None, kind: Kind::Int { low, high }, except: None, dash: true }),
        }
    }

    /// An inline choice, `debug|info`.
    pub fn one_of(words: Vec<String>) -> TypeDef {
        TypeDef { name: None, kind: Kind::OneOf(words), except: None, dash: false }
    }

    /// Compiles an own type; it may have the name of a built-in one, and then stands in its place. The error says what is wrong.
    pub fn compile(name: &str, raw: &RawType) -> Result<TypeDef, String> {
        let given = [raw.matches.is_some(), !raw.path.is_empty(), raw.int.is_some(), !raw.one_of.is_empty()];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(format!("type `{name}` needs exactly one of match, path, int, one_of"));
        }
        let base = if let Some(range) = &raw.int {
            TypeDef::range(range)?
        } else if let Some(pattern) = &raw.matches {
            TypeDef { name: None, kind: Kind::Match(Pattern::compile(pattern)?), except: None, dash: false }
        } else if raw.path.is_empty() {
            TypeDef::one_of(raw.one_of.clone())
        } else {
            let relative = raw.path.iter().find(|glob| !glob.starts_with('/') && !glob.starts_with("~/"));
            if let Some(glob) = relative {
                return Err(format!("`{glob}` is not an absolute path"));
            }
            TypeDef { name: None, kind: Kind::Below(raw.path.clone()), except: None, dash: false }
        };
        let except = raw.except.as_deref().map(Pattern::compile).transpose()?;
        Ok(TypeDef { name: Some(name.to_owned()), except, dash: raw.dash.unwrap_or(base.dash), ..base })
    }

    /// Whether an option's value may begin with a dash; `-` alone names standard input for `<file>`, and for own path types that say `dash`.
    pub fn takes_dash(&self, word: &str) -> bool {
        match self.kind {
            Kind::Contents { standard_input } => self.dash || (word == "-" && standard_input),
            Kind::Below(_) => self.dash && word == "-",
            _ => self.dash,
        }
    }

    /// Whether what it takes is not the policy's own list or pattern.
    pub fn is_built_in(&self) -> bool {
        matches!(self.kind, Kind::Lexical(_) | Kind::Int { .. })
    }

    /// The globs of an own path type: their contents can be read by the rules that use it. None of any other type.
    pub fn roots(&self) -> &[String] {
        match &self.kind {
            Kind::Below(globs) => globs,
            _ => &[],
        }
    }

    /// Whether words of this type name files.
    pub fn is_path(&self) -> bool {
        matches!(self.kind, Kind::Path | Kind::Contents { .. } | Kind::Below(_))
    }

    /// As policies name it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What it takes, for people: `a whole number, 1 to 100`.
    pub fn words(&self) -> String {
        let kind = match &self.kind {
            Kind::Lexical(lexical) => lexical.words().to_owned(),
            Kind::Int { low, high } => match (low, high) {
                (None, None) => "a whole number".to_owned(),
                (Some(low), None) => format!("a whole number from {low}"),
                (None, Some(high)) => format!("a whole number up to {high}"),
                (Some(low), Some(high)) => format!("a whole number, {low} to {high}"),
            },
            Kind::OneOf(words) => format!("one of {}", words.join(", ")),
            Kind::Match(pattern) => format!("a word that is wholly matched by the regular expression {}", pattern.source),
            Kind::Path => "the name of a file or directory, of which metadata alone are asked for".to_owned(),
            Kind::Contents { standard_input: true } => "a file whose contents its confinement lets be read".to_owned(),
            Kind::Contents { standard_input: false } => "a directory whose contents its confinement lets be read".to_owned(),
            Kind::Below(globs) => format!("a file at or below {}", globs.join(", ")),
        };
        self.except.as_ref().map_or(kind.clone(), |except| format!("{kind}, and not by {}", except.source))
    }

    /// Whether a word is of this type. `Err(None)` is a plain mismatch, `Err(Some)` a reason that the person should read.
    pub fn check(&self, word: &str, judge: &dyn Judge) -> Result<(), Option<String>> {
        let fits = match &self.kind {
            Kind::Lexical(lexical) => lexical.takes(word)?,
            Kind::Int { low, high } => return in_range(word, *low, *high).and_then(|()| self.check_except(word)),
            Kind::OneOf(words) => words.iter().any(|choice| choice == word),
            Kind::Match(pattern) => !word.is_empty() && pattern.matches(word),
            Kind::Path => is_local_name(word),
            Kind::Contents { standard_input: true } if word == "-" => true,
            Kind::Below(_) if self.dash && word == "-" => true,
            Kind::Contents { .. } if !is_local_name(word) => false,
            Kind::Contents { .. } => judge.leads(word).and_then(|leads| judge.reaches(&leads)).map(|()| true).map_err(Some)?,
            Kind::Below(globs) => is_local_name(word) && below(globs, word, judge)?,
        };
        if fits { self.check_except(word) } else { Err(None) }
    }

    fn check_except(&self, word: &str) -> Result<(), Option<String>> {
        match &self.except {
            Some(pattern) if pattern.matches(word) => Err(Some(format!("{} is excepted", Safe(word.as_bytes())))),
            _ => Ok(()),
        }
    }
}

fn in_range(word: &str, low: Option<i64>, high: Option<i64>) -> Result<(), Option<String>> {
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    if digits.is_empty() || digits.len() > 18 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(None);
    }
    let value: i64 = word.parse().map_err(|_| None)?;
    match (low, high) {
        (Some(low), _) if value < low => Err(Some(format!("{value} is below {low}"))),
        (_, Some(high)) if value > high => Err(Some(format!("{value} is above {high}"))),
        _ => Ok(()),
    }
}

/// A name on this host's file systems: not empty, and no `scheme://`, which programs that take both would fetch.
fn is_local_name(word: &str) -> bool {
    let scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b))
    };
    !word.is_empty() && !word.split_once("://").is_some_and(|(before, _)| scheme(before))
}

fn below(globs: &[String], word: &str, judge: &dyn Judge) -> Result<bool, Option<String>> {
    let path = judge.leads(word).map_err(Some)?;
    if globs.iter().any(|glob| super::glob::path_or_below(glob, &path, judge.home())) {
        return Ok(true);
    }
    let leads = if path == word { String::new() } else { format!(", which is {},", Safe(path.as_bytes())) };
    Err(Some(format!("{}{leads} is not below {}", Safe(word.as_bytes()), globs.join(" or "))))
}

/// A regular expression over a whole word: bytes, ASCII classes, compiled when first used.
#[derive(Clone, Debug)]
pub struct Pattern {
    source: String,
    compiled: OnceCell<Option<regex::bytes::Regex>>,
}

impl Pattern {
    /// Checks a pattern; the error is the reason in one line.
    pub fn compile(source: &str) -> Result<Pattern, String> {
        let compiled = build(source).map_err(|error| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or("it does not compile").trim().trim_start_matches("error: ").to_owned();
            format!("the pattern `{source}` does not compile: {reason}")
        })?;
        Ok(Pattern { source: source.to_owned(), compiled: OnceCell::from(Some(compiled)) })
    }

    /// Whether the whole of `word` matches. A pattern that does not compile matches nothing.
    pub fn matches(&self, word: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| build(&self.source).ok());
        compiled.as_ref().is_some_and(|regex| regex.is_match(word.as_bytes()))
    }
}

/// Anchored at both ends, whatever alternatives the source has; without Unicode, so that `\d` and `\w` are ASCII.
fn build(source: &str) -> Result<regex::bytes::Regex, regex::Error> {
    // Checked alone first, so that an unbalanced parenthesis cannot escape the anchors.
    regex::bytes::RegexBuilder::new(source).unicode(false).size_limit(limits::REGEX_BYTES).build()?;
    regex::bytes::RegexBuilder::new(&format!(r"\A(?:{source})\z")).unicode(false).size_limit(limits::REGEX_BYTES).build()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        Ok(Pattern { source: String::deserialize(deserializer)?, compiled: OnceCell::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Host;

    impl Judge for Host {
        fn leads(&self, path: &str) -> Result<String, String> {
            match path {
                "/link" => Ok("/etc/shadow".to_owned()),
                "/etc/shadow" => Err("/etc/shadow is hidden".to_owned()),
                "/dead" => Err("no answer within 1s".to_owned()),
                _ => Ok(path.to_owned()),
            }
        }
        fn reaches(&self, leads: &str) -> Result<(), String> {
            if leads.starts_with("/srv") { Err(format!("{leads} is out of reach")) } else { Ok(()) }
        }
        fn home(&self) -> &str {
            "/home/me"
        }
    }

    fn own(raw: RawType) -> TypeDef {
        TypeDef::compile("own", &raw).unwrap()
    }

    fn takes(definition: &TypeDef, word: &str) -> bool {
        definition.check(word, &Host).is_ok()
    }

    #[test]
    fn own_types() {
        let pattern = own(RawType { matches: Some("a|b+".into()), ..RawType::default() });
        let below = own(RawType { path: vec!["/var/log/**".into(), "~/x".into(), "/srv/**".into()], ..RawType::default() });
        let except = own(RawType { matches: Some(".*".into()), except: Some("sec.*".into()), ..RawType::default() });
        for (definition, word, yes) in [
            (&pattern, "bb", true),
            (&pattern, "abb", false),
            (&pattern, "b\n", false),
            (&below, "/var/log/x", true),
            (&below, "/home/me/x", true),
            (&below, "/srv/x", true),
            (&below, "/etc/passwd", false),
            (&below, "/link", false),
            (&below, "/dead", false),
            (&except, "public", true),
            (&except, "secret", false),
            (&except, "", false),
        ] {
            assert_eq!(takes(definition, word), yes, "{word}");
        }
    }

    #[test]
    fn a_type_that_cannot_work_is_refused_with_a_reason() {
        for (raw, reason) in [
            (RawType::default(), "exactly one of"),
            (RawType { matches: Some("a)|(b".into()), ..RawType::default() }, "does not compile"),
            (RawType { matches: Some("(a|b){1,1000}{1,1000}".into()), ..RawType::default() }, "does not compile"),
            (RawType { int: Some("9..1".into()), ..RawType::default() }, "is empty"),
            (RawType { int: Some("x..".into()), ..RawType::default() }, "no range"),
            (RawType { path: vec!["var/log".into()], ..RawType::default() }, "not an absolute path"),
        ] {
            let error = TypeDef::compile("own", &raw).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn paths_are_judged_by_what_they_resolve_to() {
        let (file, dir, path) = (TypeDef::built_in("file").unwrap(), TypeDef::built_in("dir").unwrap(), TypeDef::built_in("path").unwrap());
        for (definition, word, yes) in [
            (&file, "/etc/passwd", true),
            (&file, "/etc/shadow", false),
            (&file, "/srv/x", false),
            (&dir, "/srv/x", false),
            (&path, "/srv/x", true),
            (&file, "-", true),
            (&dir, "-", true),
            (&file, "http://x/", false),
            (&file, "a+b.c-d://x", false),
            (&file, "./a://x", true),
            (&path, "/etc/shadow", true),
            (&path, "file:///etc/passwd", false),
            (&path, "", false),
        ] {
            assert_eq!(takes(definition, word), yes, "{word}");
        }
        assert!(file.takes_dash("-") && !dir.takes_dash("-") && !file.takes_dash("-x"));
        assert_eq!(file.check("/dead", &Host), Err(Some("no answer within 1s".to_owned())));
        assert_eq!(file.check("/srv/x", &Host), Err(Some("/srv/x is out of reach".to_owned())));
    }

    #[test]
    fn ranges_take_what_lies_in_them() {
        let range = TypeDef::range("1..100").unwrap();
        for (word, yes) in [
            ("1", true),
            ("100", true),
            ("+5", true),
            ("0", false),
            ("101", false),
            ("1e1", false),
            ("", false),
            ("9999999999999999999", false),
        ] {
            assert_eq!(takes(&range, word), yes, "{word}");
        }
        assert!(takes(&TypeDef::range("-5..").unwrap(), "-5"));
    }
}
