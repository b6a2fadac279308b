//! Control strings (OSC, DCS, APC, PM, SOS, and the title of screen and tmux): all of them are swallowed, and this tells what they were for.
//!
//! Sources: xterm's ctlseqs; the documentation of iTerm2, kitty, ConEmu, mintty, mlterm, urxvt, Konsole, VS Code, and `console_codes(4)`.

use super::Class;

/// Bytes of a string that are swallowed before it is taken for an end that never comes.
const LIMIT: u16 = 4096;
/// Bytes of the beginning, which say what it is.
const HEAD: usize = 32;

/// What introduced the string: the byte behind ESC.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// OSC, `]`.
    Command,
    /// DCS, `P`.
    Device,
    /// APC, `_`.
    Application,
    /// PM, `^`, and SOS, `X`.
    Other,
    /// `k` of screen and tmux.
    Title,
}

impl Kind {
    /// The string that `ESC byte` begins.
    pub fn begun_by(byte: u8) -> Option<Kind> {
        Some(match byte {
            b']' => Kind::Command,
            b'P' => Kind::Device,
            b'_' => Kind::Application,
            b'^' | b'X' => Kind::Other,
            b'k' => Kind::Title,
            _ => return None,
        })
    }
}

/// A string on its way.
#[derive(Clone, Copy)]
pub(super) struct Swallowed {
    kind: Kind,
    head: [u8; HEAD],
    length: u16,
    last: u8,
    /// A value that is `?` was seen: the terminal is asked for what it has.
    asks: bool,
}

impl Swallowed {
    pub fn new(kind: Kind) -> Swallowed {
        Swallowed { kind, head: [0; HEAD], length: 0, last: 0, asks: false }
    }

    /// Takes a byte of the string; `false` when there were too many.
    pub fn take(&mut self, byte: u8) -> bool {
        if let Some(place) = self.head.get_mut(usize::from(self.length)) {
            *place = byte;
        }
        self.asks |= byte == b'?' && matches!(self.last, b';' | b'=');
        self.last = byte;
        self.length = self.length.saturating_add(1);
        self.length < LIMIT
    }

    /// Whether it ends here by itself: the palette of the Linux console has no terminator (`ESC ] P nrrggbb`, `ESC ] R`).
    pub fn is_whole(&self) -> bool {
        self.kind == Kind::Command && matches!((self.head.first(), self.length), (Some(b'P'), 8) | (Some(b'R'), 1))
    }

    pub fn class(&self) -> Class {
        let head = self.head.get(..usize::from(self.length).min(HEAD)).unwrap_or_default();
        match self.kind {
            Kind::Command => self.operating_system_command(head),
            Kind::Device => device_control(head),
            Kind::Application => application(head),
            Kind::Title => Class::Title,
            Kind::Other => Class::String,
        }
    }

    fn operating_system_command(&self, head: &[u8]) -> Class {
        let digits = head.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = head.split_at_checked(digits).unwrap_or_default();
        let rest = rest.strip_prefix(b";").unwrap_or(rest);
        let class = match number {
            b"" => letter(rest),
            b"0" | b"1" | b"2" | b"30" => Class::Title,
            b"52" | b"5522" => Class::Clipboard,
            b"46" | b"55" => Class::Print,
            b"8" => Class::Link,
            b"9" => nine(rest),
            b"99" | b"440" => Class::Notify,
            b"777" if rest.starts_with(b"notify") => Class::Notify,
            b"777" | b"51" | b"5379" | b"5380" | b"5383" | b"5113" => Class::Command,
            b"1337" => iterm(rest),
            b"60" | b"61" | b"701" | b"702" => Class::Query,
            b"3" | b"7" | b"133" | b"633" => Class::String,
            _ => Class::Palette,
        };
        match class {
            Class::Palette | Class::String if self.asks => Class::Query,
            class => class,
        }
    }
}

/// An OSC that begins with a letter: of Sun's and dtterm's titles, or the Linux console's palette.
fn letter(rest: &[u8]) -> Class {
    match rest.first() {
        Some(b'l' | b'L' | b'I') => Class::Title,
        Some(b'P' | b'R') => Class::Palette,
        _ => Class::String,
    }
}

/// OSC 9: a notification of iTerm2; a number behind it makes it one of ConEmu's commands.
fn nine(rest: &[u8]) -> Class {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match rest.split_at_checked(digits).unwrap_or_default() {
        (b"3", [b';', ..]) => Class::Title,
        (b"6" | b"7" | b"8" | b"10", [b';', ..] | []) => Class::Command,
        (b"1" | b"4" | b"5" | b"9" | b"11" | b"12", [b';', ..] | []) => Class::String,
        _ => Class::Notify,
    }
}

fn iterm(rest: &[u8]) -> Class {
    let begins = |names: &[&str]| names.iter().any(|name| rest.starts_with(name.as_bytes()));
    if begins(&["Copy", "EndCopy"]) {
        Class::Clipboard
    } else if begins(&["Report", "Capabilities"]) {
        Class::Query
    } else if begins(&["RequestAttention", "StealFocus"]) {
        Class::Notify
    } else if begins(&["File", "MultipartFile", "FilePart", "FileEnd", "RequestUpload", "OpenURL", "Custom", "Block", "Button"]) {
        Class::Command
    } else {
        Class::String
    }
}

fn device_control(head: &[u8]) -> Class {
    let parameters = head.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b';')).count();
    let (parameters, rest) = head.split_at_checked(parameters).unwrap_or_default();
    match rest {
        [b'$', b'q', ..] | [b'+', b'q' | b'Q', ..] => Class::Query,
        [b'+', b'p', ..] | [b'|', ..] => Class::Keys,
        [b'@', ..] => Class::Command,
        // tmux's control mode is `1000p`; other numbers are ReGIS.
        [b'p', ..] if parameters == b"1000" => Class::Command,
        [b'p' | b'q', ..] => Class::Graphics,
        [b'{', ..] => Class::Charset,
        [b'=', ..] => Class::Mode,
        _ => Class::String,
    }
}

/// Pictures of kitty: `G`; where the medium is a file, the terminal reads it, and may delete it.
fn application(head: &[u8]) -> Class {
    let Some(keys) = head.strip_prefix(b"G") else {
        return Class::String;
    };
    let keys = keys.split(|byte| *byte == b';').next().unwrap_or_default();
    let has = |wanted: &[u8]| keys.split(|byte| *byte == b',').any(|key| key == wanted);
    if has(b"t=f") || has(b"t=t") || has(b"t=s") {
        Class::Command
    } else if has(b"a=q") {
        Class::Query
    } else {
        Class::Graphics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_told_by_how_they_begin() {
        for (text, class) in [
            ("]0;title", Class::Title),
            ("]lSun", Class::Title),
            ("ktmux", Class::Title),
            ("]9;3;ConEmu tab", Class::Title),
            ("]52;c;?", Class::Clipboard),
            ("]1337;CopyToClipboard=", Class::Clipboard),
            ("]4;1;red;2;?", Class::Query),
            ("]4;1;red", Class::Palette),
            ("]11;?", Class::Query),
            ("]21;foreground=?", Class::Query),
            ("]50;?", Class::Query),
            ("]1337;ReportVariable=cGF0aA==", Class::Query),
            ("]8;;http://x", Class::Link),
            ("]9;text", Class::Notify),
            ("]9;4 things", Class::Notify),
            ("]9;6;\"Shell(x)\"", Class::Command),
            ("]777;notify;a;b", Class::Notify),
            ("]777;matcher;select", Class::Command),
            ("]1337;File=name=eA==:", Class::Command),
            ("]55;/root/.ssh/authorized_keys", Class::Print),
            ("]133;A", Class::String),
            ("]P0ffffff", Class::Palette),
            ("P$qm", Class::Query),
            ("P+q544e", Class::Query),
            ("P+p787465726d", Class::Keys),
            ("P0;0|17/726d", Class::Keys),
            ("P1000p%exit", Class::Command),
            ("P@kitty-cmd{}", Class::Command),
            ("P0;0;0q#0", Class::Graphics),
            ("P=1s", Class::Mode),
            ("_Ga=T,f=24;AAAA", Class::Graphics),
            ("_Ga=q,i=31;AAAA", Class::Query),
            ("_Ga=T,t=f;L2V0Yy9wYXNzd2Q=", Class::Command),
            ("^private", Class::String),
        ] {
            let (first, rest) = text.as_bytes().split_first().unwrap();
            let mut string = Swallowed::new(Kind::begun_by(*first).unwrap());
            assert!(rest.iter().all(|byte| string.take(*byte)));
            assert_eq!(string.class(), class, "{text}");
        }
    }
}
