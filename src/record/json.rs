//! ASCII JSON (RFC 8259), and any bytes inside it.
//!
//! Only ASCII without control characters leaves here, because log daemons rewrite or recode the rest. A command line may be any bytes
//! and none may be lost, so [`text`] gives every byte that is not UTF-8 a character of its own: byte `b` becomes U+10FF00 + `b`, in JSON
//! `\udbff\udfXX` with the byte in the last two digits. A character that already is one of these (U+10FF80 to U+10FFFF, private use)
//! counts as such bytes itself, so that [`bytes`] has one answer.

use std::fmt::Write;

/// Where bytes that are not UTF-8 begin: only bytes from 0x80 on can be invalid.
const STANDS_FOR_BYTE: std::ops::RangeInclusive<char> = '\u{10ff80}'..='\u{10ffff}';

/// Any bytes as text; [`bytes`] takes it back.
pub fn text(bytes: &[u8]) -> String {
    let stand_in = |byte: &u8| char::from_u32(0x10_ff00 + u32::from(*byte)).unwrap_or(char::REPLACEMENT_CHARACTER);
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if STANDS_FOR_BYTE.contains(&character) {
                text.extend(character.encode_utf8(&mut [0; 4]).as_bytes().iter().map(stand_in));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().map(stand_in));
    }
    text
}

/// The bytes that [`text`] was given, from a string of a record.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        if STANDS_FOR_BYTE.contains(&character) {
            bytes.push((character as u32 & 0xff) as u8);
        } else {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    bytes
}

/// A member of an object, its value already JSON.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub name: &'static str,
    pub json: String,
}

impl Field {
    pub fn number(name: &'static str, value: impl Into<i128>) -> Field {
        Field { name, json: value.into().to_string() }
    }

    pub fn boolean(name: &'static str, value: bool) -> Field {
        Field { name, json: value.to_string() }
    }

    pub fn string(name: &'static str, value: &[u8]) -> Field {
        Field { name, json: string(value) }
    }

    pub fn strings<'a>(name: &'static str, values: impl IntoIterator<Item = &'a str>) -> Field {
        Field { name, json: array(values.into_iter().map(|value| string(value.as_bytes()))) }
    }

    /// What is not known, or does not apply, as `null`.
    pub fn or_null(name: &'static str, field: Option<Field>) -> Field {
        field.unwrap_or_else(|| Field { name, json: "null".to_owned() })
    }

    /// Bytes in an object, with its comma.
    pub fn length(&self) -> usize {
        self.name.len() + self.json.len() + r#""":,"#.len()
    }
}

/// A string, quoted.
pub(super) fn string(bytes: &[u8]) -> String {
    let mut json = String::with_capacity(bytes.len() + 2);
    json.push('"');
    text(bytes).chars().for_each(|character| escape(&mut json, character));
    json.push('"');
    json
}

fn escape(json: &mut String, character: char) {
    match character {
        '"' | '\\' => json.extend(['\\', character]),
        ' '..='~' => json.push(character),
        other => other.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
            // Writing to a String cannot fail.
            let _ = write!(json, "\\u{unit:04x}");
        }),
    }
}

pub(super) fn array(values: impl IntoIterator<Item = String>) -> String {
    let values: Vec<String> = values.into_iter().collect();
    format!("[{}]", values.join(","))
}

pub(super) fn object<'a>(fields: impl IntoIterator<Item = &'a Field>) -> String {
    let mut json = String::from("{");
    for field in fields {
        if json.len() > 1 {
            json.push(',');
        }
        json.extend(["\"", field.name, "\":", &field.json]);
    }
    json.push('}');
    json
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strings_are_ascii_and_bytes_can_be_read_off() {
        for (bytes, json) in [
            (&b"plain"[..], r#""plain""#),
            (b"a\"b\\c/d", r#""a\"b\\c/d""#),
            (b"\x1b[2J\n\x7f", r#""\u001b[2J\u000a\u007f""#),
            ("é€😀".as_bytes(), r#""\u00e9\u20ac\ud83d\ude00""#),
            (b"a\xffb\x80", r#""a\udbff\udfffb\udbff\udf80""#),
            ("\u{10ff80}".as_bytes(), r#""\udbff\udff4\udbff\udf8f\udbff\udfbe\udbff\udf80""#),
            ("\u{10ff7f}".as_bytes(), r#""\udbff\udf7f""#),
        ] {
            assert_eq!(string(bytes), json);
            assert_eq!(self::bytes(&serde_json::from_str::<String>(json).unwrap()), bytes);
        }
    }

    /// Bytes that are often nearly UTF-8, or nearly stand-ins.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            any::<char>().prop_map(|character| character.to_string().into_bytes()),
            (0x10_ff70..=0x10_ffffu32).prop_map(|code| char::from_u32(code).unwrap().to_string().into_bytes()),
            Just(b"\xf4\x8f\xbf".to_vec()),
        ];
        prop::collection::vec(piece, 0..64).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in hostile()) {
            let json = string(&bytes);
            prop_assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{json}");
            let read: String = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(self::bytes(&read), bytes);
        }
    }
}
