//! `<awk>` and `<sed>`: programs that cannot run another program, write a file or open one.
//!
//! These are recognisers, not parsers of the two languages: what they are not sure of, they refuse. Where it is unclear whether a `/` divides
//! or begins a regular expression, or where implementations differ on where one ends (a `/` inside brackets), the program is refused, so that
//! no code can hide in what is taken for text. Sources: awk(1p), gawk(1), mawk(1); sed(1p) and the GNU sed manual.

/// Checks an awk program.
pub fn check_awk(program: &str) -> Result<(), String> {
    /// Names that reach outside the program, wherever they stand.
    const FORBIDDEN: [&str; 9] = ["system", "getline", "ARGV", "ARGC", "ARGIND", "SYMTAB", "FUNCTAB", "PROCINFO", "ENVIRON"];
    let characters: Vec<char> = program.chars().collect();
    let mut names = program.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    if let Some(name) = names.find(|name| FORBIDDEN.contains(name)) {
        return Err(format!("an awk program may not use `{name}`"));
    }
    let mut awk = Awk { rest: &characters, parentheses: Vec::new(), condition: false, printing: false, slash: Slash::Regex };
    while let [first, rest @ ..] = awk.rest {
        awk.rest = rest;
        awk.token(*first)?;
    }
    Ok(())
}

/// What a `/` would mean after the token just read.
#[derive(Clone, Copy, PartialEq)]
enum Slash {
    Divides,
    Regex,
    Unclear,
}

struct Awk<'a> {
    rest: &'a [char],
    /// The open parentheses and brackets, inside which `>` compares; `true` for that of an if, while or for.
    parentheses: Vec<bool>,
    /// The last token was if, while or for.
    condition: bool,
    /// Inside the arguments of print or printf, where `>` writes.
    printing: bool,
    slash: Slash,
}

impl Awk<'_> {
    fn token(&mut self, first: char) -> Result<(), String> {
        let next = self.rest.first().copied();
        let condition = std::mem::take(&mut self.condition);
        self.slash = match first {
            ' ' => {
                self.condition = condition;
                self.slash
            }
            '"' => self.skip_to('"', false)?,
            '/' if self.slash == Slash::Regex => self.skip_to('/', true)?,
            '/' if self.slash == Slash::Unclear => return Err("it is unclear what `/` means here: use parentheses".to_owned()),
            '@' => return Err("an awk program may not use `@`: it loads code and calls by name".to_owned()),
            '\\' => return Err("an awk program may not use `\\` outside strings and regular expressions".to_owned()),
            '|' if next == Some('|') => self.skip_one(Slash::Regex),
            '|' => return Err("an awk program may not use `|`: it runs another program".to_owned()),
            '>' if next == Some('>') => return Err("an awk program may not append to a file".to_owned()),
            '>' if self.printing && self.parentheses.is_empty() => {
                return Err("an awk program may not print to a file; a comparison needs parentheses here".to_owned());
            }
            '+' | '-' if next == Some(first) => self.skip_one(Slash::Unclear),
            '(' | '[' => {
                self.parentheses.push(condition && first == '(');
                Slash::Regex
            }
            ')' | ']' if self.parentheses.pop() == Some(true) => Slash::Regex,
            ')' | ']' => Slash::Divides,
            '{' | '}' | ';' => {
                self.parentheses.retain(|condition| *condition);
                self.printing = false;
                Slash::Regex
            }
            '#' => {
                self.rest = &[];
                Slash::Regex
            }
            '0'..='9' | '.' => self.number(),
            _ if is_name(first) => self.name(first),
            _ => Slash::Regex,
        };
        Ok(())
    }

    fn skip_one(&mut self, slash: Slash) -> Slash {
        self.rest = self.rest.get(1..).unwrap_or_default();
        slash
    }

    /// A number. What follows one without a blank may be a name to some: `1e` is `1 e`.
    fn number(&mut self) -> Slash {
        let length = self.rest.iter().take_while(|c| c.is_ascii_digit() || **c == '.').count();
        self.rest = self.rest.get(length..).unwrap_or_default();
        Slash::Divides
    }

    /// A name or a keyword.
    fn name(&mut self, first: char) -> Slash {
        let length = self.rest.iter().take_while(|c| is_name(**c)).count();
        let (name, rest) = self.rest.split_at(length);
        let name: String = std::iter::once(&first).chain(name).collect();
        self.rest = rest;
        self.printing |= matches!(name.as_str(), "print" | "printf");
        self.condition = matches!(name.as_str(), "if" | "while" | "for");
        match name.as_str() {
            "print" | "printf" | "return" | "in" | "else" | "do" | "exit" => Slash::Regex,
            // A function without parentheses, and keywords to some that are variables to others.
            "length" | "case" | "switch" | "default" | "func" | "function" | "delete" | "next" | "nextfile" => Slash::Unclear,
            _ => Slash::Divides,
        }
    }

    /// Skips to the closing quote of a string or slash of a regular expression.
    fn skip_to(&mut self, close: char, regex: bool) -> Result<Slash, String> {
        let length = text_length(self.rest, close, regex)?;
        self.rest = self.rest.get(length + 1..).unwrap_or_default();
        Ok(Slash::Divides)
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// How many characters stand before the unescaped `close`. Where this is a regular expression, every reading of its brackets must agree
/// that it ends there.
fn text_length(text: &[char], close: char, regex: bool) -> Result<usize, String> {
    let mut escaped = false;
    let end = text.iter().position(|&character| {
        let here = character == close && !escaped;
        escaped = character == '\\' && !escaped;
        here
    });
    let end = end.ok_or_else(|| format!("there is no `{close}` at the end"))?;
    if regex && !plain_brackets(text.get(..end).unwrap_or_default()) {
        return Err(format!("brackets must be plain here: no `[]…]`, no `\\[` or `{close}` in them, every one closed"));
    }
    Ok(end)
}

/// Whether every bracket expression is closed by the first `]` in it, but for classes such as `[:space:]`, and holds no bracket else.
fn plain_brackets(regex: &[char]) -> bool {
    let mut rest = regex;
    loop {
        rest = match rest {
            [] => return true,
            ['\\', _, after @ ..] => after,
            ['[', '^', after @ ..] | ['[', after @ ..] => match members(after) {
                Some(behind) => behind,
                None => return false,
            },
            [_, after @ ..] => after,
        };
    }
}

/// The text behind a bracket expression whose members begin here; `None` for one that is not plain.
fn members(text: &[char]) -> Option<&[char]> {
    let mut rest = text;
    let mut empty = true;
    loop {
        rest = match rest {
            [']', behind @ ..] if !empty => return Some(behind),
            ['[', ':', class @ ..] => {
                let length = class.iter().take_while(|c| c.is_ascii_lowercase()).count();
                match class.split_at(length).1 {
                    [':', ']', behind @ ..] if length > 0 => behind,
                    _ => return None,
                }
            }
            [] | ['[' | ']', ..] | ['\\', '[' | ']', ..] => return None,
            ['\\', _, behind @ ..] | [_, behind @ ..] => behind,
        };
        empty = false;
    }
}

/// Checks a sed script.
pub fn check_sed(script: &str) -> Result<(), String> {
    let characters: Vec<char> = script.chars().collect();
    let mut sed = Sed { rest: &characters };
    while sed.command()? {}
    Ok(())
}

struct Sed<'a> {
    rest: &'a [char],
}

impl Sed<'_> {
    /// One command with its addresses; `false` at the end of the script.
    fn command(&mut self) -> Result<bool, String> {
        self.skip(|c| " ;".contains(c));
        self.addresses()?;
        let Some(name) = self.next() else { return Ok(false) };
        match name {
            '{' => return Ok(true),
            '}' | '=' | 'd' | 'D' | 'g' | 'G' | 'h' | 'H' | 'n' | 'N' | 'p' | 'P' | 'x' | 'z' | 'F' => {}
            'q' | 'Q' | 'l' | 'L' => self.skip(|c| c.is_ascii_digit() || c == ' '),
            'b' | 't' | 'T' | ':' => {
                self.skip(|c| c == ' ');
                self.skip(is_name);
            }
            // The rest of the script is text, or a comment.
            'a' | 'i' | 'c' | '#' => self.rest = &[],
            's' => self.substitute()?,
            'y' => {
                let close = self.delimiter()?;
                self.text(close, false)?;
                self.text(close, false)?;
            }
            'w' | 'W' => return Err(format!("a sed script may not use `{name}`: it writes a file")),
            'r' | 'R' => return Err(format!("a sed script may not use `{name}`: it reads a file")),
            'e' => return Err("a sed script may not use `e`: it runs a program".to_owned()),
            other => return Err(format!("a sed script may not use `{other}`")),
        }
        self.skip(|c| c == ' ');
        match self.rest.first() {
            None | Some(';' | '}' | '#') => Ok(true),
            Some(other) => Err(format!("`{other}` is not expected behind `{name}`")),
        }
    }

    /// `1`, `$`, `/x/`, `\,x,`, `1~2`, `/x/,+3`, with flags and `!`.
    fn addresses(&mut self) -> Result<(), String> {
        loop {
            match self.rest.first() {
                Some('0'..='9' | '$' | ',' | '+' | '~' | ' ' | '!') => self.skip(|c| c.is_ascii_digit() || "$,+~ !".contains(c)),
                Some('/' | '\\') => {
                    if self.next() == Some('\\') {
                        let close = self.delimiter()?;
                        self.text(close, true)?;
                    } else {
                        self.text('/', true)?;
                    }
                    self.skip(|c| c == 'I' || c == 'M');
                }
                _ => return Ok(()),
            }
        }
    }

    fn substitute(&mut self) -> Result<(), String> {
        let close = self.delimiter()?;
        self.text(close, true)?;
        self.text(close, false)?;
        let flags = self.rest.iter().take_while(|c| c.is_ascii_alphanumeric()).count();
        if let Some(flag) = self.rest.iter().take(flags).find(|flag| !flag.is_ascii_digit() && !"gpiImM".contains(**flag)) {
            return Err(format!("a sed script may not use the flag `{flag}` of `s`: it runs a program or writes a file"));
        }
        self.rest = self.rest.get(flags..).unwrap_or_default();
        Ok(())
    }

    fn delimiter(&mut self) -> Result<char, String> {
        self.next()
            .filter(|c| c.is_ascii_punctuation() && *c != '\\' && *c != ';')
            .ok_or_else(|| "a sed delimiter must be a sign such as `/`".to_owned())
    }

    fn text(&mut self, close: char, regex: bool) -> Result<(), String> {
        let length = text_length(self.rest, close, regex)?;
        self.rest = self.rest.get(length + 1..).unwrap_or_default();
        Ok(())
    }

    fn next(&mut self) -> Option<char> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip(&mut self, members: impl Fn(char) -> bool) {
        let length = self.rest.iter().take_while(|c| members(**c)).count();
        self.rest = self.rest.get(length..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn awk_programs_that_only_compute_and_print() {
        for program in [
            "{print $1}",
            "$3 > 100 {print $1, $NF}",
            "/error|warn/ {n++} END {print n}",
            r#"{printf "%s > %s|\n", $1, $2}"#,
            "NR>1 && $5+0 > 80",
            "{s+=$1} END {print s/NR}",
            "{print ($1+$2)/2}",
            "{if ($1 ~ /a|b/) print; else print (1 > 2)}",
            "$1 == \"x\" || $2 ~ /y/",
            "!seen[$0]++",
            "{a[$1]+=$2} END {for (k in a) print k, a[k]}",
            "BEGIN {FS=\":\"} {gsub(/[^a-z]/, \"\"); print}",
            "{ if ($1) /x/ }",
            "/[[:space:]]+[^a-z|][0-9.]/ {print $2 / 1.5, .5}",
        ] {
            assert_eq!(check_awk(program), Ok(()), "{program}");
        }
    }

    #[test]
    fn awk_programs_that_reach_outside() {
        for program in [
            r#"BEGIN{system("id")}"#,
            r#"BEGIN{"id" | getline x}"#,
            r#"{print | "sh"}"#,
            r#"{print $1 > "/tmp/x"}"#,
            r#"{print($1) > "/tmp/x"}"#,
            r#"{print $1 >> "/tmp/x"}"#,
            r#"{printf "x" > "/tmp/x"}"#,
            r#"BEGIN{ARGV[1]="/etc/shadow"; ARGC=2}"#,
            r#"BEGIN{SYMTAB["x"]=1}"#,
            r#"BEGIN{f="system"; @f("id")}"#,
            r#"@include "x""#,
            r#"@load "filefuncs""#,
            // A slash that could be read both ways must not hide code in what looks like a string.
            r#"{x++ /"/ ; print | "sh" ; y="/ "}"#,
            r#"{ if (x) /"/ ; print | "sh" #" }"#,
            r#"length /"/ ; print | "sh" #""#,
            r#"/[/]|x/ ; print | "sh""#,
            "BEGIN { \\\n }",
            r#"{print "a}"#,
            r#"BEGIN{print.5 > "/tmp/x"}"#,
            r#"BEGIN{f="x"; y = switch (1) /2; print "x" > f; z=1/ 3}"#,
            r#"BEGIN{f="x"; y = case /2; print "x" > f; z=1/ 3}"#,
            r#"/[]/]"|./{print "a" > "/tmp/x"} #""#,
            r#"/[^]/]"|./{print "a" > "/tmp/x"} #""#,
            r#"/[[:x/]|"/{print "a" > "/tmp/x"} #""#,
            r#"/[\]/]"|./{print "a" > "/tmp/x"} #""#,
            r#"/[a[]/]"|./{print "a" > "/tmp/x"} #""#,
        ] {
            assert!(check_awk(program).is_err(), "{program}");
        }
    }

    #[test]
    fn sed_scripts_that_only_edit_the_stream() {
        for script in [
            "s/a/b/",
            "s/a/b/g;s,x,y,2p",
            "1,10p",
            "/x/,/y/!d",
            r"\,x,Id",
            "$!N;P;D",
            "1~2{p;p}",
            "/x/{s/a/b/;q 3}",
            ":a;N;$!ba;s/x/ /g",
            "y/abc/xyz/",
            "5q",
            "a hello; w /tmp/x",
            "# w /tmp/x",
            "s/e/w/",
            "s/[[:space:]]*$//;s/[^a-z]\\/x/y/",
        ] {
            assert_eq!(check_sed(script), Ok(()), "{script}");
        }
    }

    #[test]
    fn sed_scripts_that_reach_outside() {
        for script in [
            "w /tmp/x",
            "1w/tmp/x",
            "$!{w /tmp/x",
            "r /etc/shadow",
            "R /etc/shadow",
            "W x",
            "1e id",
            "e",
            "s/a/b/e",
            "s/a/id/ge",
            "s/a/b/w /tmp/x",
            "s/a/b/gw /tmp/x",
            r"s/\//x/;w x",
            "s;a;b;e",
            "sxaxbxe",
            "s/[/]/x/w y/",
            "s/[]/]/x/;w y",
            "s/[^]/]/x/w y",
            "/x/w y",
            r"\,x,w y",
            "y/a/b/;e",
            "b w x",
            "p w x",
            "v",
            "s/a/b",
        ] {
            assert!(check_sed(script).is_err(), "{script}");
        }
    }
}
