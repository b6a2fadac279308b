//! Random lines, the same for the same seed.

/// A small generator (xorshift64*); not for secrets.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn many(&mut self, least: usize, most: usize, from: &[&str]) -> String {
        (0..least + self.below(most - least + 1)).map(|_| self.pick(from)).collect()
    }
}

const CHARACTERS: &[&str] = &[
    "a", "b", "c", " ", " ", " ", "'", "\"", "\\", "|", "&", ";", "<", ">", "#", "$", "~", "*", "?", "[", "]", "=", "1", "2", "0", "{",
    "}", ",", ".", "!", "-", ":", "/", "+", "^", "(", ")", "@", "%", "é",
];

const CHUNKS: &[&str] = &[
    " 2>&1 ",
    "2>&1",
    ">/dev/null",
    " 2>/dev/null",
    "</dev/null",
    " && ",
    " || ",
    " | ",
    " ; ",
    "! ",
    " # ",
    "$X",
    "\"$Y\"",
    "$?",
    "~",
    "~/",
    " a=",
    "{}",
    "..",
    "[a]",
    "[!a]",
    "[a-z]",
    "[[:alpha:]]",
    "if",
    "in",
    "time",
    " >a",
    " >>b",
    " <c",
    "''",
    "\"\"",
    "\\ ",
    "\\\\",
    "1>",
    "0<",
    "a b",
    "c d",
    "a b",
];

/// Characters and whole operators in no order.
pub fn noise(random: &mut Random) -> String {
    let mut line = String::new();
    for _ in 0..1 + random.below(12) {
        let from = if random.below(3) == 0 { CHUNKS } else { CHARACTERS };
        line.push_str(random.pick(from));
    }
    line
}

const WORD_PIECES: &[&str] = &[
    "a", "b", "c", "ab", "1", "2", "-n", "--x=", "=", "'a b'", "\"a  b\"", "''", "\"\"", "\\ ", "\\a", "\\'", "\"\\$\"", "\"\\a\"", "'\\'",
    "#", "$", "~", "/", ".", ",", ":", "*", "?", "[ab]", "[!a]", "{", "}", "{}", "!", "$X", "\"$X\"", "\"$Y\"", "\"$Z\"", "$?", "\"$?\"",
    "'$X'", "'|'", "\";\"", "\\&", "\\>", "%", "@", "+", "^", "]", "é",
];

const NAMES: &[&str] = &["a", "b", "c", "'a'b", "\\a", "a\"\"c", "a#", "=a", "a%", "!a", "2", "a~", "{}", "if\\", "'time'", "a'b c'"];

const REDIRECTIONS: &[&str] = &[
    "2>&1",
    "2>/dev/null",
    ">/dev/null",
    "> /dev/null",
    "</dev/null",
    "0</dev/null",
    "1>/dev/null",
    "2>>/dev/null",
    "2> '/dev/null'",
    ">/dev/null 2>&1",
    "2>&1 >/dev/null",
    ">x",
    "> 'x y'",
    ">>x",
    ">> z",
    "<x",
    "< ~/x",
    ">\"$X\"",
    ">$X",
    "1>>x",
    "0<x",
    ">#",
    "<=",
];

/// Commands as people might write them, with words made of awkward pieces.
pub fn plausible(random: &mut Random) -> String {
    let mut line = String::new();
    for index in 0..1 + random.below(4) {
        if index > 0 {
            line.push_str(random.pick(&["|", " | ", "|", ";", "; ", " && ", "&&", " || ", "||"]));
        }
        line.push_str(random.pick(&["", "", "", "! ", " "]));
        let mut parts = vec![random.pick(NAMES).to_owned()];
        for _ in 0..random.below(4) {
            parts.push(random.many(1, 3, WORD_PIECES));
        }
        for _ in 0..[0, 0, 1, 2][random.below(4)] {
            let place = random.below(parts.len() + 1);
            parts.insert(place, random.pick(REDIRECTIONS).to_owned());
        }
        let blanks = random.pick(&[" ", " ", "  "]);
        line.push_str(&parts.join(blanks));
    }
    line.push_str(random.pick(&["", "", "", ";", " # c", " ;"]));
    line
}

const GLOB_PIECES: &[&str] = &[
    "/",
    "/",
    "/",
    "*/",
    "*/",
    "d/",
    "./",
    "../",
    "*",
    "*",
    "*",
    "?",
    "[",
    "]",
    "!",
    "-",
    ".",
    "/",
    "a",
    "b",
    "d",
    "A",
    "1",
    "^",
    "[a-c]",
    "[!a]",
    "[]]",
    "[!]]",
    "[[]",
    "[.a]",
    "[[:alpha:]]",
    "[![:digit:]]",
    "[a-]",
    "[*]",
    "\\*",
    "'*'",
    "\\[",
    "\"]\"",
    "\\",
    "' '",
    "\\\\",
    "{",
    "~/",
    "..",
    "[a:]",
    "[:",
    ":]",
    "[=",
    "[a=]",
];

/// One command with globs.
pub fn globs(random: &mut Random) -> String {
    let words: Vec<String> = (0..1 + random.below(2)).map(|_| random.many(1, 5, GLOB_PIECES)).collect();
    format!("a {}", words.join(" "))
}

/// Words, quotes and backslashes only.
pub fn quotes(random: &mut Random) -> String {
    let line = random.many(1, 12, &["a", "b", "é", " ", " ", "'", "\"", "\\", "\\\\", "''", "\"\"", "#", "-", "{"]);
    format!("a{line}")
}
