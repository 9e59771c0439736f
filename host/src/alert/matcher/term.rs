//! A matcher as text: the name of a label, an operator and a value, as in Alertmanager.
//!
//! Alertmanager has two grammars and takes, unless it is told otherwise, what one of them understands. So does this one, for each
//! term: a term whose name is a classic one (`[a-zA-Z_:][a-zA-Z0-9_:]*`, without quotes) follows the classic grammar, which
//! knows the escapes `\"`, `\\` and `\n` and takes every other backslash as it stands. Any other term follows the grammar for
//! UTF-8, which knows the escapes of Go, and no reserved characters outside of quotes.
//! What is written here, both grammars read alike.

use std::fmt;

/// How a label is compared with the value of a matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

/// A matcher that was read, and not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) name: String,
    pub(super) operator: Operator,
    pub(super) value: String,
}

/// A text is no list of terms.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoTerms {
    pub(super) expected: &'static str,
    /// What stands there instead, up to the end of the text.
    pub(super) found: String,
}

impl Operator {
    /// The longer ones first, because one is the start of another.
    const ALL: [Self; 4] = [Self::Regex, Self::NotRegex, Self::NotEqual, Self::Equal];

    /// The operator of Alertmanager's `isRegex` and `isEqual`.
    pub fn new(is_regex: bool, is_equal: bool) -> Self {
        match (is_regex, is_equal) {
            (false, true) => Self::Equal,
            (false, false) => Self::NotEqual,
            (true, true) => Self::Regex,
            (true, false) => Self::NotRegex,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }

    pub fn is_regex(self) -> bool {
        matches!(self, Self::Regex | Self::NotRegex)
    }

    /// Whether a label must match the value, and not the opposite.
    pub fn is_equal(self) -> bool {
        matches!(self, Self::Equal | Self::Regex)
    }
}

/// Reads terms with commas between them. The braces around them may be left out, and one more comma may follow the last.
pub(super) fn read(text: &str) -> Result<Vec<Term>, NoTerms> {
    let text = text.trim();
    let mut rest = match (text.strip_prefix('{'), text.strip_suffix('}')) {
        (Some(_), Some(_)) => text[1..text.len() - 1].trim_start(),
        (None, None) => text,
        (Some(_), None) => return Err(expected("a `}` for the `{` at the start", "")),
        (None, Some(_)) => return Err(expected("a `{` at the start, or quotes around the last value", "}")),
    };
    let mut terms = Vec::new();
    while !rest.is_empty() {
        let term;
        (term, rest) = read_term(rest)?;
        terms.push(term);
    }
    Ok(terms)
}

/// The first term, and what follows its comma.
fn read_term(text: &str) -> Result<(Term, &str), NoTerms> {
    let (name, is_classic, rest) = read_name(text)?;
    let rest = rest.trim_start();
    let operator = Operator::ALL.into_iter().find(|operator| rest.starts_with(operator.as_str()));
    let operator = operator.ok_or_else(|| expected("one of `=`, `!=`, `=~`, `!~`", rest))?;
    let (value, rest) = read_value(rest[operator.as_str().len()..].trim_start(), is_classic)?;
    let term = Term { name, operator, value };
    match rest.strip_prefix(',') {
        Some(rest) => Ok((term, rest.trim_start())),
        None if rest.is_empty() => Ok((term, rest)),
        None => Err(expected("a comma or the end", rest)),
    }
}

/// A name, whether its term is a classic one, and what follows.
fn read_name(text: &str) -> Result<(String, bool, &str), NoTerms> {
    let (name, is_quoted, rest) = match text.strip_prefix('"') {
        Some(quoted) => {
            let (name, rest) = read_quoted(quoted)?;
            (unescape_as_go(name).ok_or_else(|| expected(ESCAPE, name))?, true, rest)
        }
        None => {
            let (name, rest) = text.split_at(text.find(is_reserved).unwrap_or(text.len()));
            (name.to_owned(), false, rest)
        }
    };
    if name.is_empty() {
        return Err(expected("the name of a label", text));
    }
    let is_classic = !is_quoted && is_classic_name(&name);
    Ok((name, is_classic, rest))
}

/// A value, and what follows it without the space between.
fn read_value(text: &str, is_classic: bool) -> Result<(String, &str), NoTerms> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, rest) = read_quoted(quoted)?;
        let value = if is_classic { Some(unescape(value)) } else { unescape_as_go(value) };
        return Ok((value.ok_or_else(|| expected(ESCAPE, quoted))?, rest.trim_start()));
    }
    let (value, rest) = text.split_at(text.find(',').unwrap_or(text.len()));
    let value = value.trim_end();
    let is_readable =
        if is_classic { first_quote(value).is_none() } else { !value.is_empty() && !value.contains(is_reserved) };
    if is_readable { Ok((unescape(value), rest)) } else { Err(expected("a value in quotes", text)) }
}

/// What stands before the closing quote, and after it.
fn read_quoted(text: &str) -> Result<(&str, &str), NoTerms> {
    let end = first_quote(text).ok_or_else(|| expected("a closing quote", text))?;
    Ok((&text[..end], &text[end + 1..]))
}

/// The first quote that no backslash escapes.
fn first_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_quote = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_quote
    })
}

const ESCAPE: &str = r"only escapes of Go (`\\` is a backslash), and text that is UTF-8";

fn expected(expected: &'static str, found: &str) -> NoTerms {
    NoTerms { expected, found: found.to_owned() }
}

fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

fn is_classic_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.chars().all(allowed) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some(next @ ('\\' | '"' | 'n'))) => {
                plain.push(if next == 'n' { '\n' } else { next });
                chars.next();
            }
            _ => plain.push(c),
        }
    }
    plain
}

/// The text of a string literal of Go (<https://go.dev/ref/spec#String_literals>). None if it is not one, or no UTF-8.
fn unescape_as_go(text: &str) -> Option<String> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.extend(before.as_bytes());
        let kind = escape.bytes().next()?;
        let single = [b"a\x07", b"b\x08", b"f\x0c", b"n\n", b"r\r", b"t\t", b"v\x0b", b"\\\\", b"\"\""];
        if let Some([_, byte]) = single.into_iter().find(|[name, _]| *name == kind) {
            plain.push(*byte);
            rest = &escape[1..];
            continue;
        }
        let (start, end, radix) = match kind {
            b'x' => (1, 3, 16),
            b'u' => (1, 5, 16),
            b'U' => (1, 9, 16),
            b'0'..=b'7' => (0, 3, 8),
            _ => return None,
        };
        let digits = escape.get(start..end).filter(|digits| !digits.starts_with('+'))?;
        let number = u32::from_str_radix(digits, radix).ok()?;
        match kind {
            b'u' | b'U' => plain.extend(char::from_u32(number)?.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => plain.push(u8::try_from(number).ok()?),
        }
        rest = &escape[end..];
    }
    plain.extend(rest.as_bytes());
    String::from_utf8(plain).ok()
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_classic_name(&self.name) { f.write_str(&self.name) } else { write_quoted(f, &self.name) }?;
        f.write_str(self.operator.as_str())?;
        write_quoted(f, &self.value)
    }
}

/// With the escapes that both grammars have.
fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a text, and compares the values of what was read: `name operator value` in turn.
    fn check(text: &str, expected: &[(&str, &str, &str)]) {
        let terms = read(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let found: Vec<_> = terms.iter().map(|term| (&*term.name, term.operator.as_str(), &*term.value)).collect();
        assert_eq!(found, expected, "{text}");

        let written: Vec<_> = terms.iter().map(ToString::to_string).collect();
        assert_eq!(read(&written.join(",")).unwrap(), terms, "{text} written as {written:?}");
    }

    /// From the documentation of Alertmanager, and from the tests of both of its grammars.
    #[test]
    fn what_alertmanager_reads_is_read_alike() {
        check("", &[]);
        check("{}", &[]);
        check("foo=bar", &[("foo", "=", "bar")]);
        check("foo=bar,", &[("foo", "=", "bar")]);
        check("{foo=bar,}", &[("foo", "=", "bar")]);
        check("{foo!=bar}", &[("foo", "!=", "bar")]);
        check("foo=~[a-z]+", &[("foo", "=~", "[a-z]+")]);
        check("{foo!~[a-z]+}", &[("foo", "!~", "[a-z]+")]);
        check("foo = bar, dings != bums", &[("foo", "=", "bar"), ("dings", "!=", "bums")]);
        check(r#"{foo = "bar", dings != "bums", }"#, &[("foo", "=", "bar"), ("dings", "!=", "bums")]);
        check(r#"{foo="bar,quux", job="job1"}"#, &[("foo", "=", "bar,quux"), ("job", "=", "job1")]);
        check(r#"alertname=~"Disk.*", severity!="info""#, &[("alertname", "=~", "Disk.*"), ("severity", "!=", "info")]);
        check(r#"statuscode=~"5..""#, &[("statuscode", "=~", "5..")]);
        check(r#"{foo=""}"#, &[("foo", "=", "")]);
        check("job=", &[("job", "=", "")]);
        check("foo=,bar=baz", &[("foo", "=", ""), ("bar", "=", "baz")]);
        check("a:b_c=x", &[("a:b_c", "=", "x")]);
        check(
            "{\n   alertname = \"Watchdog\",\n   severity =~ \"warning|critical\",\n}",
            &[("alertname", "=", "Watchdog"), ("severity", "=~", "warning|critical")],
        );
        check(
            r#"contains_quote != "\"" , contains_comma !~ "foo,bar" , "#,
            &[("contains_quote", "!=", "\""), ("contains_comma", "!~", "foo,bar")],
        );
        check(
            r#"{quote=~"She said: \"Hi, all!( How're you…)?\""}"#,
            &[("quote", "=~", r#"She said: "Hi, all!( How're you…)?""#)],
        );
        // The classic grammar takes reserved characters without quotes, and knows three escapes.
        check("tricky=~~~", &[("tricky", "=~", "~~")]);
        check(r#"trickier==\\=\=\""#, &[("trickier", "=", r#"=\=\=""#)]);
        check("foo=bar baz", &[("foo", "=", "bar baz")]);
        check("foo='", &[("foo", "=", "'")]);
        check(r"{foo=bar\t}", &[("foo", "=", r"bar\t")]);
        check(r"{foo=bar\n}", &[("foo", "=", "bar\n")]);
        check(r"{foo=bar\}", &[("foo", "=", r"bar\")]);
        check(r"{foo=bar\\}", &[("foo", "=", r"bar\")]);
        check("{foo=bar}}", &[("foo", "=", "bar}")]);
        check(r#"foo=~"\d+""#, &[("foo", "=~", r"\d+")]);
        check(r#"qux="\xf0\x9f\x99\x82""#, &[("qux", "=", r"\xf0\x9f\x99\x82")]);
        check(r#"foo="}""#, &[("foo", "=", "}")]);
        // The grammar for UTF-8.
        check("Προμηθεύς=🙂bar", &[("Προμηθεύς", "=", "🙂bar")]);
        check(r#"{"foo"="bar"}"#, &[("foo", "=", "bar")]);
        check(r#""foo"!~"[a-z]+","#, &[("foo", "!~", "[a-z]+")]);
        check(r#"{"foo"=~"\\d+"}"#, &[("foo", "=~", r"\d+")]);
        check(r#""host.name, \"a\"" = "b""#, &[("host.name, \"a\"", "=", "b")]);
        check(r#"{"foo"="\xf0\x9f\x99\x82"}"#, &[("foo", "=", "🙂")]);
        check(r#"{"foo"="\U0001f642 \u00e9 \101\t"}"#, &[("foo", "=", "🙂 é A\t")]);
        check("0day=x", &[("0day", "=", "x")]);
    }

    #[test]
    fn what_is_no_matcher_is_refused_with_what_was_expected() {
        let check = |text: &str, expected: &str, found: &str| {
            let error = read(text).unwrap_err();
            assert_eq!((error.expected, &*error.found), (expected, found), "{text}");
        };

        let (name, operator, value) = ("the name of a label", "one of `=`, `!=`, `=~`, `!~`", "a value in quotes");
        for (text, found) in [(",", ","), ("{,}", ","), ("=bar", "=bar"), ("foo=bar,,", ","), ("{{foo=}}", "{foo=}")] {
            check(text, name, found);
        }
        check(r#"""="a""#, name, r#"""="a""#);
        for (text, found) in [("foo", ""), ("foo bar", "bar"), ("foo!bar", "!bar"), ("a=b,c~d", "~d")] {
            check(text, operator, found);
        }
        for (text, found) in [(r#"a=foo"bar"#, r#"foo"bar"#), (r#""a"="#, ""), (r#""a"=b c, d=e"#, "b c, d=e")] {
            check(text, value, found);
        }
        check(r#"a="b" c"#, "a comma or the end", "c");
        check(r#"a="b"#, "a closing quote", "b");
        check(r#"a="b\""#, "a closing quote", r#"b\""#);
        check(r#""a="#, "a closing quote", "a=");
        check("{a=b", "a `}` for the `{` at the start", "");
        check("a=~b{2}", "a `{` at the start, or quotes around the last value", "}");
        for text in [r"\d", r"\xf0\x9f", r"\x+1", r"\u12", r"\ud800", r"\777", r"\'"] {
            check(&format!("\"a\"=\"{text}\""), ESCAPE, &format!("{text}\""));
        }
    }
}
