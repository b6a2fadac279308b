//! What a line means.

use super::super::{Connector, RedirectKind, parse};
use super::{settle, words};
use crate::words::Span;

#[test]
fn words_mean_what_they_mean_to_a_posix_shell() {
    for (line, expected) in [
        (r"a b  c", &["a", "b", "c"][..]),
        (r"a 'b c' 'd'e", &["a", "b c", "de"]),
        (r#"a "b 'c'" '"'"#, &["a", "b 'c'", "\""]),
        (r#"a "\$ \" \\ \a \` '" \b\ c"#, &["a", "$ \" \\ \\a ` '", "b c"]),
        (r#"a '' "" ''"""#, &["a", "", "", ""]),
        (r"a # b", &["a"]),
        (r"a b#c ''# \#", &["a", "b#c", "#", "#"]),
        (r#"a $ b$ $. "$" "x$ y""#, &["a", "$", "b$", "$.", "$", "x$ y"]),
        (r"a ~ ~/x b~ '~' \~ a:~ --x=~", &["a", "/home/me", "/home/me/x", "b~", "~", "~", "a:~", "--x=~"]),
        (r#"a $? "$?" x$?y"#, &["a", "7", "7", "x7y"]),
        (r#"a $PGDATA "$GREETING" "$EMPTY" $PGDATA/x '$X'"#, &["a", "/srv/pg", "a b*", "", "/srv/pg/x", "$X"]),
        (r"find / -exec id {} \;", &["find", "/", "-exec", "id", "{}", ";"]),
        (r"a {} {x} {a,b x{a..b }{ {}, '{a,b}' {a\,b}", &["a", "{}", "{x}", "{a,b", "x{a..b", "}{", "{},", "{a,b}", "{a,b}"]),
        (r"a if x=y { } ! time", &["a", "if", "x=y", "{", "}", "!", "time"]),
        (r"[ -f x ]", &["[", "-f", "x", "]"]),
        (r"\if 'x'=y", &["if", "x=y"]),
        (r"!a b", &["!a", "b"]),
        (r"a é ünï", &["a", "é", "ünï"]),
    ] {
        let request = settle(line).unwrap_or_else(|refusal| panic!("{line}: {refusal}"));
        assert_eq!(words(&request), [expected.to_vec()], "{line}");
    }
}

#[test]
fn lists_and_pipes_keep_their_structure() {
    let request = settle("! a | b 2>&1 && c || d; ! e;").unwrap();
    let shape: Vec<_> = request.items.iter().map(|item| (item.connector, item.negated, item.stages.len())).collect();
    let expected = [(Connector::Always, true, 2), (Connector::And, false, 1), (Connector::Or, false, 1), (Connector::Always, true, 1)];
    assert_eq!(shape, expected);
    assert_eq!(words(&request), [["a"], ["b"], ["c"], ["d"], ["e"]]);
}

#[test]
fn blank_lines_and_comments_ask_for_nothing() {
    for line in ["", "   ", "#", "# ls; rm $(x) `y` '", "  # x"] {
        assert!(settle(line).unwrap().items.is_empty(), "{line}");
    }
}

#[test]
fn redirections_keep_their_order_and_their_files() {
    let request = settle("<in >/dev/null a 2>&1 b >> 'o 1' 2>>/dev/null 0</dev/null 1>~/x").unwrap();
    let stage = &request.items[0].stages[0];
    assert_eq!(words(&request), [["a", "b"]]);
    let shown: Vec<String> = stage.redirects.iter().map(|redirect| show(&redirect.kind)).collect();
    assert_eq!(shown, ["< in", "null 1", "2>&1", ">> o 1", "null 2", "null 0", "> /home/me/x"]);
}

fn show(kind: &RedirectKind) -> String {
    match kind {
        RedirectKind::ErrorToOutput => "2>&1".to_owned(),
        RedirectKind::Null(descriptor) => format!("null {descriptor}"),
        RedirectKind::Input(file) => format!("< {}", file.text),
        RedirectKind::Output { file, append: true } => format!(">> {}", file.text),
        RedirectKind::Output { file, append: false } => format!("> {}", file.text),
    }
}

#[test]
fn spans_point_at_what_was_typed() {
    let request = settle(r#"tail -n "5" 2>/dev/null | x"#).unwrap();
    let stage = &request.items[0].stages[0];
    let spans: Vec<Span> = stage.argv.iter().map(|argument| argument.span).collect();
    assert_eq!(spans, [Span::new(0, 4), Span::new(5, 7), Span::new(8, 11)]);
    assert_eq!(stage.redirects[0].span, Span::new(12, 23));
}

#[test]
fn a_builtin_is_the_first_word_of_a_line_that_is_one_plain_command() {
    for (line, builtin) in [
        ("cd /var/log", Some("cd")),
        ("  'he'lp x # y", Some("help")),
        ("pwd;", Some("pwd")),
        ("! pwd", None),
        ("pwd | cat", None),
        ("cd x && ls", None),
        ("pwd >/dev/null", None),
        ("", None),
    ] {
        assert_eq!(parse(line.as_bytes()).unwrap().builtin().as_deref(), builtin, "{line}");
    }
}

#[test]
fn the_first_pipeline_can_be_taken_off() {
    let script = parse(b"cd /x && ls | wc; id").unwrap();
    let (first, rest) = script.split_first().unwrap();
    assert_eq!(first.builtin().as_deref(), Some("cd"));
    assert_eq!((rest.pipelines.len(), rest.pipelines[0].connector), (2, Connector::And));
    assert_eq!((first.line, rest.line), (script.line.clone(), script.line));
    assert_eq!(parse(b"cd /x").unwrap().split_first(), None);
}
