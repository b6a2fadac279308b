//! Every construct that this shell leaves out, as it is refused.

use super::super::parse;
use super::settle;
use crate::words::diagnostic::mark;
use crate::words::limits;

/// A line, what stands under it, the message and the help.
type Row = (&'static str, &'static str, &'static str, &'static str);

fn check(rows: &[Row]) {
    for (line, carets, message, help) in rows {
        let refusal = settle(line).expect_err(line);
        let shown = mark(line.as_bytes(), refusal.span).1;
        let found = (shown.as_str(), refusal.message.as_str(), refusal.help.as_deref().unwrap_or(""));
        assert_eq!(found, (*carets, *message, *help), "{line:?}");
    }
}

#[test]
fn expansions_of_other_shells() {
    let substitution = "command substitution is not part of this shell";
    let parameter = "a special parameter other than `$?` is not part of this shell";
    let dollar = "write `\\$` for the character itself";
    check(&[
        ("echo $(id)", "     ^^", substitution, "run the command first, then write what it said"),
        ("echo \"$(id)\"", "      ^^", substitution, "run the command first, then write what it said"),
        ("echo `id`", "     ^", substitution, "'`' in single quotes is the character itself"),
        ("echo \"`id`\"", "      ^", substitution, "'`' in single quotes is the character itself"),
        ("echo $((1))", "     ^^^", "arithmetic is not part of this shell", "write the result"),
        ("echo $[1]", "     ^^", "arithmetic is not part of this shell", "write the result, or `\\$[` for the characters themselves"),
        ("echo ${x}", "     ^^", "`${…}` is not part of this shell", "write `$NAME`"),
        ("echo $'x'", "     ^^", "`$'…'` is not part of this shell", "write `'…'`"),
        ("echo $\"x\"", "     ^^", "`$\"…\"` is not part of this shell", "write `\"…\"`"),
        ("echo $1", "     ^^", parameter, dollar),
        ("echo a$$", "      ^^", parameter, dollar),
        ("echo \"$@\"", "      ^^", parameter, dollar),
        ("echo $# $*", "     ^^", parameter, dollar),
        (
            "cat <(id)",
            "    ^^",
            "process substitution is not part of this shell",
            "run the command first, or give what it says through a pipe",
        ),
        ("cat >(id)", "    ^^", "process substitution is not part of this shell", "a pipe gives output to one command"),
        ("ls {a,b}", "   ^^^^^", "brace expansion is not part of this shell", "write the words out, or quote the braces"),
        ("ls x{1..3}y", "    ^^^^^^", "brace expansion is not part of this shell", "write the words out, or quote the braces"),
        ("ls {'a',b}", "   ^^^^^^^", "brace expansion is not part of this shell", "write the words out, or quote the braces"),
        ("ls {[a,b]}", "   ^^^^^^^", "brace expansion is not part of this shell", "write the words out, or quote the braces"),
    ]);
}

#[test]
fn constants_and_tildes() {
    let unfit = "the value of `$GREETING` is empty, or holds a blank, a backslash or a glob character";
    let empty = "the value of `$EMPTY` is empty, or holds a blank, a backslash or a glob character";
    let tilde = "`~` with anything but `/` behind it is not part of this shell";
    let path = "write the path of that home; `~` and `~/…` are yours, `\\~` is the character itself";
    let corner = "shells differ on an unquoted `~` behind `=` or `:`";
    check(&[
        ("ls $PGDAT", "   ^^^^^^", "there is no constant `$PGDAT`", "did you mean `$PGDATA`?"),
        ("ls $HOME/x", "   ^^^^^", "there is no constant `$HOME`", "write `~`"),
        (
            "ls \"$nothing\"",
            "    ^^^^^^^^",
            "there is no constant `$nothing`",
            "the policy lists constants under `env:`; `\\$` is the character itself",
        ),
        ("ls $GREETING", "   ^^^^^^^^^", unfit, "write `\"$GREETING\"`"),
        ("ls x$EMPTY", "    ^^^^^^", empty, "write `\"$EMPTY\"`"),
        (
            "a; echo $?",
            "        ^^",
            "`$?` is the status of the line before, and known in the first pipeline only",
            "`&&` and `||` test the status of the pipeline before",
        ),
        ("ls ~root/x", "   ^^^^^", tilde, path),
        ("ls ~''/x", "   ^^^", tilde, path),
        ("ls ~+", "   ^^", tilde, path),
        ("ls a=~", "     ^", corner, "write `\\~`, or the path"),
        ("ls a=x:~/y", "       ^", corner, "write `\\~`, or the path"),
        ("ls a[0]+=~", "         ^", corner, "write `\\~`, or the path"),
    ]);
}

#[test]
fn operators_of_other_shells() {
    let duplicate = "duplicating a descriptor is not part of this shell";
    let instead = "`2>&1` is the only such redirection, and `> FILE 2>&1` sends both to a file";
    let background = "running in the background is not part of this shell";
    let session = "a command ends with its line; use a second session to run two at once";
    let descriptors = "`<` is for descriptor 0, `>` for 1, and `2>` for /dev/null alone";
    check(&[
        ("a &", "  ^", background, session),
        ("a & b", "  ^", background, session),
        ("a |& b", "  ^^", "`|&` is not part of this shell", "write `2>&1 |`"),
        ("a ;; b", "  ^^", "`;;` is not part of this shell", ""),
        ("a ;& b", "  ^^", "`;&` is not part of this shell", ""),
        ("a ;;& b", "  ^^^", "`;;&` is not part of this shell", ""),
        ("a &> b", "  ^^", "`&>` is not part of this shell", "write `> FILE 2>&1`"),
        ("a &>> b", "  ^^^", "`&>>` is not part of this shell", "write `>> FILE 2>&1`"),
        ("a >| b", "  ^^", "`>|` is not part of this shell", "write `>`"),
        ("a <> b", "  ^^", "`<>` is not part of this shell", "write `<` to read"),
        ("a << b", "  ^^", "a here-document is not part of this shell", "`printf TEXT | COMMAND` gives it to the command"),
        ("a <<- b", "  ^^", "a here-document is not part of this shell", "`printf TEXT | COMMAND` gives it to the command"),
        ("a <<< b", "  ^^^", "a here-string is not part of this shell", "`echo TEXT | COMMAND` gives it to the command"),
        ("a >& b", "  ^^", duplicate, instead),
        ("a >&2", "  ^^", duplicate, instead),
        ("a 1>&2", "  ^^^", duplicate, instead),
        ("a 2>&-", "  ^^^", duplicate, instead),
        ("a 3>&1", "  ^^^", duplicate, instead),
        ("a <&3", "  ^^", duplicate, ""),
        ("a 2>&1word", "  ^^^^", "nothing may touch `2>&1`", "put a space behind it"),
        ("a 2>&1>b", "  ^^^^", "nothing may touch `2>&1`", "put a space behind it"),
        ("a 2>b", "  ^^^", "`2>` goes to /dev/null only", "write `> FILE 2>&1` to keep the errors with the output"),
        ("a 3>b", "  ^^", "descriptor 3 cannot be redirected so", descriptors),
        ("a 12>b", "  ^^^", "descriptor 12 cannot be redirected so", descriptors),
        ("a 0>b", "  ^^", "descriptor 0 cannot be redirected so", descriptors),
        ("a 1<b", "  ^^", "descriptor 1 cannot be redirected so", descriptors),
        ("a {x}>b", "  ^^^", "a descriptor's name before a redirection is not part of this shell", "put a space between the two"),
        ("a >*", "   ^", "a glob cannot name the file of a redirection", "write the name out, or quote it"),
    ]);
}

#[test]
fn compound_commands_and_assignments() {
    let quote = "quote the whole word";
    let environment = "leave it out: the policy sets the environment of commands";
    check(&[
        ("(ls)", "^", "a subshell is not part of this shell", "leave the parentheses out"),
        ("((1))", "^^", "arithmetic is not part of this shell", ""),
        ("f() x", " ^", "defining a function is not part of this shell", "write its commands out; `&&`, `||` and `;` join them"),
        ("f ( ) x", "  ^", "defining a function is not part of this shell", "write its commands out; `&&`, `||` and `;` join them"),
        ("grep -E (a|b)", "        ^", "an unquoted `(` is not part of this shell", quote),
        ("ls )", "   ^", "an unquoted `)` is not part of this shell", quote),
        ("a=b", "^^", "assignment is not part of this shell", environment),
        ("a=b ls", "^^", "assignment is not part of this shell", environment),
        ("a+=b ls", "^^^", "assignment is not part of this shell", environment),
        ("a[0]=b", "^^^^^", "assignment is not part of this shell", environment),
        ("a=(b c)", "^^", "assignment is not part of this shell", environment),
        (">/dev/null a=b ls", "           ^^", "assignment is not part of this shell", environment),
        ("%1", "^^", "job control is not part of this shell", ""),
        (
            "export A=b",
            "^^^^^^",
            "`export` sets a shell's own state, and this shell has none",
            "the policy sets the environment of commands",
        ),
        (
            "alias",
            "^^^^^",
            "`alias` sets a shell's own state, and this shell has none",
            "write the command out; the up arrow brings lines back",
        ),
    ]);
}

#[test]
fn keywords_where_a_command_is_expected() {
    for keyword in "if then else elif fi do done case esac while until for in { } [[ ]] function select time coproc".split(' ') {
        for line in [format!("{keyword} x"), format!("a; {keyword}"), format!("a | {keyword} b"), format!("</dev/null {keyword}")] {
            let refusal = parse(line.as_bytes()).expect_err(&line);
            assert!(refusal.message.starts_with(&format!("`{keyword}` is a keyword")), "{line}: {refusal}");
            assert_eq!(&line[refusal.span.start as usize..refusal.span.end as usize], keyword);
        }
    }
}

#[test]
fn operators_with_nothing_beside_them() {
    let once = "`!` may stand once, at the start of a pipeline";
    check(&[
        ("| a", "^", "no command stands before `|`", ""),
        ("&& a", "^^", "no command stands before `&&`", ""),
        ("; a", "^", "no command stands before `;`", ""),
        ("a |", "  ^", "no command stands behind `|`", ""),
        ("a &&  ", "  ^^", "no command stands behind `&&`", ""),
        ("a || # b", "  ^^", "no command stands behind `||`", ""),
        ("a | | b", "    ^", "no command stands before `|`", ""),
        ("a && ; b", "     ^", "no command stands before `;`", ""),
        ("a ; ; b", "    ^", "no command stands before `;`", ""),
        ("!", "^", "no command stands behind `!`", ""),
        ("! ! a", "  ^", once, ""),
        ("a | ! b", "    ^", once, ""),
        ("a >", "  ^", "no file stands behind `>`", ""),
        ("a 2> | b", "  ^^", "no file stands behind `2>`", ""),
        ("a > > b", "  ^", "no file stands behind `>`", ""),
        ("> b", "^^^", "a redirection without a command does nothing", ""),
        ("a | < b", "    ^^^", "a redirection without a command does nothing", ""),
    ]);
}

#[test]
fn quotes_that_do_not_end() {
    check(&[
        ("a 'b", "  ^", "this ' is never closed", "close it, or write `\\'` for the character itself"),
        ("a x\"b'", "   ^", "this \" is never closed", "close it, or write `\\\"` for the character itself"),
        ("it's", "  ^", "this ' is never closed", "close it, or write `\\'` for the character itself"),
        ("a \\", "  ^", "nothing follows this backslash", "`\\\\` is a backslash"),
    ]);
}

#[test]
fn command_words_that_are_not_written_out() {
    let plain = "a command's name is written out: no `*`, `?`, `[…]`, `~` or `$` in it";
    check(&[
        ("l* x", " ^", plain, ""),
        ("/bin/l? x", "      ^", plain, ""),
        ("[ab]s", "^^^^", plain, ""),
        ("~/x y", "^", plain, ""),
        ("$PGDATA/x", "^^^^^^^", plain, ""),
        ("\"$?\"", " ^^", plain, ""),
        ("x[ 1 ]", " ^", "a `[` in a command's name must be quoted", "write `\\[`"),
        ("'' x", "^^", "the command's name is empty", ""),
    ]);
}

#[test]
fn brackets_that_shells_read_differently() {
    let quotes = "quotes and `$` cannot stand inside `[…]`";
    let leave = "quote the whole word, or leave the quotes and `$` out of the brackets";
    check(&[
        ("ls [^a]", "   ^^^^", "`[^…]` means different things to different shells", "write `[!…]`"),
        ("ls x['a']", "     ^", quotes, leave),
        ("ls x[\\]]", "     ^", quotes, leave),
        ("ls x[$?]", "     ^", quotes, leave),
        ("ls [a/b]", "     ^", "`/` cannot stand inside `[…]`", ""),
        ("ls [z-a]", "   ^^^^^", "this range runs backwards", ""),
        ("ls [a-c-e]", "   ^^^^^^^", "a `-` inside `[…]` stands first or last", ""),
        ("ls [+--]", "   ^^^^^", "a range inside `[…]` cannot end in `-` or `[`", ""),
        ("ls [[.a.]]", "   ^^^^^^", "only classes such as `[:digit:]` can stand inside `[…]`", ""),
        ("ls [[:foo:]]", "   ^^^^^^^^^", "there is no such character class", ""),
        ("ls [:digit:]", "   ^^^^^^^^^", "a character class stands in a second pair of brackets", "write `[[:digit:]]`"),
        ("ls x[*", "    ^", "shells differ on a `[` that is never closed beside a glob", "write `\\[`"),
        ("ls [é]", "   ^^^", "only ASCII characters can stand inside `[…]`", ""),
    ]);
}

#[test]
fn bytes_that_no_line_may_hold() {
    let line_break = "give one line at a time; `;` joins commands";
    let paste = "type the word instead of pasting it";
    check(&[
        ("a\nb", " ^^", "a line ends at its line break", line_break),
        ("a\r", " ^^", "a line ends at its line break", line_break),
        ("a\tb", " ^^", "a tab is not allowed in a line", "use a space"),
        ("a 'b\tc'", "    ^^", "a tab is not allowed in a line", "use a space"),
        ("a\0b", " ^^", "a NUL is not allowed in a line", ""),
        ("a # \x1b[2J", "    ^^", "a control character is not allowed in a line", ""),
        ("a \u{9b}", "  ^^^^^^^^", "a control character is not allowed in a line", ""),
        ("a x\u{202e}y", "   ^^^^^^^^", "a character that changes the direction of text (U+202E) is not allowed in a line", paste),
        ("l\u{200b}s", " ^^^^^^^^", "an invisible character (U+200B) is not allowed in a line", paste),
        ("ls\u{a0}x", "  ^^^^^^^^", "an invisible character (U+00A0) is not allowed in a line", paste),
    ]);
    let refusal = parse(b"ls \xff\xfe").unwrap_err();
    assert_eq!((refusal.message.as_str(), refusal.span.start, refusal.span.end), ("the line is not valid UTF-8", 3, 4));
}

#[test]
fn lines_beyond_the_caps() {
    let fits = format!("a {}", "b".repeat(limits::LINE_BYTES - 2));
    assert!(parse(fits.as_bytes()).is_ok());
    assert_eq!(parse((fits + "b").as_bytes()).unwrap_err().message, "the line is longer than 4096 bytes");
    let fits = "a ".repeat(limits::LINE_WORDS);
    assert!(parse(fits.as_bytes()).is_ok());
    assert_eq!(parse((fits + "a").as_bytes()).unwrap_err().message, "the line has more than 1024 words");
}
