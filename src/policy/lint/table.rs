//! What programs do besides what they are run for: the tables `programs.tsv` and `needs.tsv`, made from manuals, and their reader.
//!
//! A line has four columns: `program<TAB>effect<TAB>spellings<TAB>what`. A program may be several, `a,b`, which share the line. The
//! spellings, with blanks between them, are of options (`-x`, `--long`, `-name`, `+x`; with a value `-x=V`, `--long=V`, with one that may be
//! left out `--long[=V]`), of subcommands (`exec`, and with `_` between the words of several: `netns_exec`), of the operand that does it
//! (`@2=V`), or `*`, for whatever the arguments are; `word_-x=V` is an option behind that word, and `!-x` takes it all back where
//! that word is on the line. V is a value to try it with. The effect `needs` lists programs that it starts in any case, `*` for none. The last column completes "`-exec` of find: it ...".

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The shipped tables.
pub static SHIPPED: LazyLock<Table> = LazyLock::new(|| {
    let (table, _mistakes) = Table::read(&[include_str!("programs.tsv"), include_str!("needs.tsv")]);
    table
});

/// What a spelling leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    Runs,
    Writes,
    Reads,
    Loads,
    Network,
    Changes,
    Listens,
    Secrets,
}

impl Effect {
    const ALL: [Effect; 8] =
        [Effect::Runs, Effect::Writes, Effect::Reads, Effect::Loads, Effect::Network, Effect::Changes, Effect::Listens, Effect::Secrets];

    /// As the table, `accept` and findings name it.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Runs => "runs",
            Effect::Writes => "writes",
            Effect::Reads => "reads",
            Effect::Loads => "loads",
            Effect::Network => "network",
            Effect::Changes => "changes",
            Effect::Listens => "listens",
            Effect::Secrets => "secrets",
        }
    }
}

/// One way to spell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// Whatever the arguments.
    Always,
    /// `-x`, `--long`, `-name`, `+x`, under the name with its sign; behind these first words only, if there are any.
    Option { behind: Vec<String>, name: String, value: Value },
    /// A subcommand of one word or several.
    Words(Vec<String>),
    /// The operand at this place, from 1.
    Operand { at: usize, value: String },
}

/// Whether an option takes a value, and one to try it with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    None,
    Optional(String),
    Required(String),
}

/// One line of the table, for one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub effect: Effect,
    pub spellings: Vec<Spelling>,
    /// Words with which the program only looks.
    pub unless: Vec<String>,
    /// What it does: "starts a program".
    pub what: String,
}

/// The rows by program, and the programs that each has to start in order to work.
#[derive(Debug, Default)]
pub struct Table {
    rows: BTreeMap<String, Vec<Row>>,
    needs: BTreeMap<String, Vec<String>>,
}

impl Table {
    /// Reads tables; lines that cannot be read are left out and named.
    pub fn read(texts: &[&str]) -> (Table, Vec<String>) {
        let (mut table, mut mistakes) = (Table::default(), Vec::new());
        let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        for line in lines {
            if table.add(line).is_none() {
                mistakes.push(line.to_owned());
            }
        }
        (table, mistakes)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let columns: Vec<&str> = line.split('\t').collect();
        let [programs, effect, spellings, what] = columns.as_slice() else { return None };
        let (programs, spellings) = (programs.split(',').map(str::trim), spellings.split_whitespace());
        if *effect == "needs" {
            programs.for_each(|program| {
                self.needs.entry(program.to_owned()).or_default().extend(spellings.clone().filter(|path| *path != "*").map(str::to_owned))
            });
            return Some(());
        }
        let effect = Effect::ALL.into_iter().find(|known| known.name() == *effect)?;
        let (unless, spellings): (Vec<&str>, Vec<&str>) = spellings.partition(|spelling| spelling.starts_with('!'));
        let unless = unless.iter().map(|word| word.trim_start_matches('!').to_owned()).collect();
        let spellings: Vec<Spelling> = spellings.into_iter().map(spelling).collect::<Option<_>>()?;
        let row = Row { effect, spellings, unless, what: (*what).trim().to_owned() };
        if row.spellings.is_empty() || row.what.is_empty() {
            return None;
        }
        programs.for_each(|program| self.rows.entry(program.to_owned()).or_default().push(row.clone()));
        Some(())
    }

    /// The rows of a program; `python3.11` has those of `python3` or `python`.
    pub fn rows(&self, program: &str) -> &[Row] {
        look_up(&self.rows, program).map_or(&[], Vec::as_slice)
    }

    /// The programs that a program starts whatever it is told, such as a script those round which it is written.
    pub fn needs(&self, program: &str) -> &[String] {
        look_up(&self.needs, program).map_or(&[], Vec::as_slice)
    }

    /// Every program of the table.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }
}

fn look_up<'a, T>(map: &'a BTreeMap<String, T>, program: &str) -> Option<&'a T> {
    let unversioned = program.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    let major = program.split('.').next().unwrap_or(program);
    [program, major, unversioned].into_iter().find_map(|name| map.get(name))
}

fn spelling(text: &str) -> Option<Spelling> {
    if text == "*" {
        return Some(Spelling::Always);
    }
    if let Some(operand) = text.strip_prefix('@') {
        let (at, value) = operand.split_once('=').unwrap_or((operand, "x"));
        let at = at.parse().ok().filter(|at| *at > 0)?;
        return Some(Spelling::Operand { at, value: value.to_owned() });
    }
    let (behind, text) = match text.split_once("_-").filter(|_| !text.starts_with(['-', '+'])) {
        Some((words, _)) => (words.split('_').map(str::to_owned).collect(), text.get(words.len() + 1..)?),
        None => (Vec::new(), text),
    };
    if !text.starts_with(['-', '+']) {
        return Some(Spelling::Words(text.split('_').map(str::to_owned).collect()));
    }
    let value = |value: &str| if value.is_empty() { "x".to_owned() } else { value.to_owned() };
    let (name, value) = match (text.split_once("[="), text.split_once('=')) {
        (Some((name, rest)), _) => (name, Value::Optional(value(rest.strip_suffix(']')?))),
        (None, Some((name, rest))) => (name, Value::Required(value(rest))),
        (None, None) => (text, Value::None),
    };
    Some(Spelling::Option { behind, name: name.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_program_an_effect_spellings_and_what_it_does() {
        let option = |name: &str, value| Some(Spelling::Option { behind: Vec::new(), name: name.to_owned(), value });
        let v = || "/tmp/x".to_owned();
        for (text, expected) in [
            ("*", Some(Spelling::Always)),
            ("-x", option("-x", Value::None)),
            ("-exec=id", option("-exec", Value::Required("id".to_owned()))),
            ("--out=/tmp/x", option("--out", Value::Required(v()))),
            ("--out[=/tmp/x]", option("--out", Value::Optional(v()))),
            ("+D", option("+D", Value::None)),
            ("netns_exec", Some(Spelling::Words(vec!["netns".to_owned(), "exec".to_owned()]))),
            (
                "config_-o=/tmp/x",
                Some(Spelling::Option { behind: vec!["config".to_owned()], name: "-o".to_owned(), value: Value::Required(v()) }),
            ),
            ("@2=/tmp/x", Some(Spelling::Operand { at: 2, value: v() })),
            ("@0=x", None),
            ("--", option("--", Value::None)),
            ("-o[=x", None),
        ] {
            assert_eq!(spelling(text), expected, "{text}");
        }
    }

    #[test]
    fn lines_that_cannot_be_read_are_named() {
        let text = "# a comment\n\na,b\truns\t-x\tstarts it\nc\tneeds\t/bin/d /bin/e\t\nd\tflies\t-x\tno\ne runs -x no\nf\truns\t\tno\n";
        let (table, mistakes) = Table::read(&[text]);
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
        assert_eq!((table.rows("b").len(), table.rows("c").len(), table.needs("c").len()), (1, 0, 2));
        assert_eq!(table.rows("a1.5").len(), 1);
    }

    #[test]
    fn every_line_of_the_shipped_tables_can_be_read() {
        let (table, mistakes) = Table::read(&[include_str!("programs.tsv"), include_str!("needs.tsv")]);
        assert_eq!(mistakes, [""; 0]);
        assert!(table.programs().count() > 20);
    }
}
