//! Rust source as a list of tokens: names, `::`, and single characters; comments are left out, and literals have no content.

/// One token and the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// What stands for a text or a character in the list.
const LITERAL: &str = "\"";

/// All tokens of a source file.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let (mut rest, mut line) = (text, 1);
    let mut found = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (length, token) = next(rest, first);
        if let Some(token) = token {
            found.push(Token { text: token.to_owned(), line });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// How long the next piece of `rest` is, and the token that it becomes.
fn next(rest: &str, first: char) -> (usize, Option<&str>) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), None);
    }
    if let Some(length) = text_literal(rest) {
        return (length, Some(LITERAL));
    }
    if rest.starts_with("::") {
        return (2, Some("::"));
    }
    if first == '\'' {
        return (quoted(rest), Some(LITERAL));
    }
    if first.is_alphanumeric() || first == '_' {
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        return (length, Some(&rest[..length]));
    }
    let length = first.len_utf8();
    (length, (!first.is_whitespace()).then_some(&rest[..length]))
}

/// Comments within comments count.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a string literal at the start of `rest`, in any of its forms.
fn text_literal(rest: &str) -> Option<usize> {
    let after_prefix = rest.trim_start_matches(['b', 'c']);
    let prefix = rest.len() - after_prefix.len();
    if let Some(raw) = after_prefix.strip_prefix('r') {
        let content = raw.trim_start_matches('#');
        let hashes = raw.len() - content.len();
        if prefix <= 1 && content.starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = prefix + 1 + hashes + 1;
            return Some(rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len()));
        }
    }
    if prefix > 1 || !after_prefix.starts_with('"') {
        return None;
    }
    let mut escaped = false;
    for (at, c) in after_prefix.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(prefix + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// The length of a character or of a lifetime.
fn quoted(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            let end = rest[3..].find('\'').map_or(rest.len(), |at| 3 + at + 1);
            end.min(rest.len())
        }
        Some(_) => match chars.next() {
            Some((end, '\'')) => end + 1,
            // A lifetime.
            _ => rest[1..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(rest.len(), |at| 1 + at),
        },
        None => rest.len(),
    }
}

#[test]
fn names_and_paths_are_found_and_texts_are_not() {
    let check = |text: &str, expected: &[&str]| {
        let found: Vec<_> = tokens(text).into_iter().map(|token| token.text).collect();
        assert_eq!(found, expected, "{text}");
    };

    check("use crate::a;", &["use", "crate", "::", "a", ";"]);
    check("x // crate::a\n/* b /* c */ d */ y", &["x", "y"]);
    check(
        r#"f("crate::a \" b", 'c', '\'', 'é') + z"#,
        &["f", "(", "\"", ",", "\"", ",", "\"", ",", "\"", ")", "+", "z"],
    );
    check(r##"r#"a "b" c"# b"d" br"\" x"##, &["\"", "\"", "\"", "x"]);
    check("fn f<'a>(x: &'a str) {}", &["fn", "f", "<", "\"", ">", "(", "x", ":", "&", "\"", "str", ")", "{", "}"]);
    check("crab + r + b", &["crab", "+", "r", "+", "b"]);
}

#[test]
fn tokens_know_their_lines() {
    let lines: Vec<_> = tokens("a\n/* \n */ b\n\"\n\" c").into_iter().map(|token| token.line).collect();

    assert_eq!(lines, [1, 3, 4, 5]);
}
