//! Matchers: what the labels of a signal must be, as in Alertmanager.
//!
//! A label that is missing equals the empty text. Regular expressions match a whole value, in linear time, and their size is
//! bounded. They have the syntax of the crate `regex`, which is that of Alertmanager but for rarities: `\Q`, `\C`, and a `{` that
//! stands for itself must be escaped; `\d`, `\s`, `\w` and `\b` know all of Unicode.

mod term;

use std::fmt;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub(super) use self::term::Operator;
use self::term::Term;

// Lower limits than these would leave stored silences unreadable.

/// The most matchers in a list.
pub(super) const MAX_MATCHERS: usize = 64;

/// The most bytes of a list of matchers as text.
pub(super) const MAX_MATCHERS_TEXT: usize = 4096;

/// The most bytes that a regular expression may become when it is compiled.
const MAX_REGEX: usize = 256 * 1024;

/// The most bytes of states that a regular expression keeps to match faster.
const MAX_REGEX_CACHE: usize = 64 * 1024;

/// One condition on one label.
#[derive(Clone, Debug)]
pub struct Matcher {
    term: Term,
    /// The value of an operator that wants one.
    regex: Option<Regex>,
}

/// Conditions that labels must all meet. Labels meet an empty list always.
///
/// It fits into [`MAX_MATCHERS_TEXT`] as text, and reads back from it; in values and JSON it is that text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matchers(Box<[Matcher]>);

/// A text or a list of parts is no list of matchers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    #[error("expected {expected} in matchers, found {}", found_in(found))]
    Syntax { expected: &'static str, found: String },
    #[error("expected the name of a label, found an empty text")]
    NoName,
    #[error("expected a regular expression, found `{value}`: {reason}")]
    NoRegex { value: String, reason: String },
    #[error("expected a regular expression of at most {} KiB when compiled, `{value}` is larger", MAX_REGEX / 1024)]
    LargeRegex { value: String },
    #[error("expected at most {MAX_MATCHERS} matchers, found {found}")]
    TooMany { found: usize },
    #[error("expected matchers of at most {MAX_MATCHERS_TEXT} bytes, found {found}")]
    TooLong { found: usize },
    #[error("expected at least one matcher, found none")]
    Missing,
    #[error("expected at least one matcher that does not match the empty text, found `{0}`")]
    AllEmpty(Matchers),
}

impl Matcher {
    pub fn new(name: &str, operator: Operator, value: &str) -> Result<Self, MatcherError> {
        Term { name: name.to_owned(), operator, value: value.to_owned() }.try_into()
    }

    pub fn name(&self) -> &str {
        &self.term.name
    }

    pub fn operator(&self) -> Operator {
        self.term.operator
    }

    pub fn value(&self) -> &str {
        &self.term.value
    }

    /// Whether a label with this value meets it.
    pub fn matches(&self, value: &str) -> bool {
        self.meets(value) == self.operator().is_equal()
    }

    fn meets(&self, value: &str) -> bool {
        match &self.regex {
            Some(regex) => regex.is_match(value),
            None => self.value() == value,
        }
    }
}

impl TryFrom<Term> for Matcher {
    type Error = MatcherError;

    fn try_from(term: Term) -> Result<Self, MatcherError> {
        if term.name.is_empty() {
            return Err(MatcherError::NoName);
        }
        fits(term.name.len() + term.value.len())?;
        let regex = if term.operator.is_regex() { Some(whole(&term.value)?) } else { None };
        Ok(Self { term, regex })
    }
}

fn fits(length: usize) -> Result<(), MatcherError> {
    if length > MAX_MATCHERS_TEXT { Err(MatcherError::TooLong { found: length }) } else { Ok(()) }
}

/// A regular expression that matches whole values.
fn whole(value: &str) -> Result<Regex, MatcherError> {
    // By itself first: `a)|(b` is none, and would be one between the parentheses.
    compile(value, value).and_then(|_| compile(value, &format!("^(?:{value})$")))
}

fn compile(value: &str, pattern: &str) -> Result<Regex, MatcherError> {
    let compiled = RegexBuilder::new(pattern).size_limit(MAX_REGEX).dfa_size_limit(MAX_REGEX_CACHE).build();
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => MatcherError::LargeRegex { value: value.to_owned() },
        error => {
            // The lines before the last one draw where in the pattern it is.
            let text = error.to_string();
            let reason = text.lines().next_back().unwrap_or_default().trim_start_matches("error: ").to_owned();
            MatcherError::NoRegex { value: value.to_owned(), reason }
        }
    })
}

impl Matchers {
    pub fn new(matchers: impl ExactSizeIterator<Item = Result<Matcher, MatcherError>>) -> Result<Self, MatcherError> {
        // Before any of them is compiled.
        if matchers.len() > MAX_MATCHERS {
            return Err(MatcherError::TooMany { found: matchers.len() });
        }
        let matchers = Self(matchers.collect::<Result<_, _>>()?);
        fits(matchers.to_string().len())?;
        Ok(matchers)
    }

    /// Reads several texts, each with one matcher or more, as one list.
    pub fn parse_all(texts: &[impl AsRef<str>]) -> Result<Self, MatcherError> {
        fits(texts.iter().map(|text| text.as_ref().len()).sum())?;
        let mut terms = Vec::new();
        for text in texts {
            terms.extend(term::read(text.as_ref())?);
        }
        Self::new(terms.into_iter().map(Matcher::try_from))
    }

    /// Whether labels meet all of them; `label` finds the value of a label by its name.
    pub fn matches<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.iter().all(|matcher| matcher.matches(label(matcher.name()).unwrap_or_default()))
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Matcher> {
        self.0.iter()
    }

    /// The same, if it is not empty.
    pub fn present(self) -> Result<Self, MatcherError> {
        if self.0.is_empty() { Err(MatcherError::Missing) } else { Ok(self) }
    }

    /// The same, if one of them needs a label. As in Alertmanager, one with `!=` or `!~` counts as such.
    pub fn selective(self) -> Result<Self, MatcherError> {
        let matchers = self.present()?;
        let is_empty = |matcher: &Matcher| matcher.operator().is_equal() && matcher.matches("");
        if matchers.iter().all(is_empty) { Err(MatcherError::AllEmpty(matchers)) } else { Ok(matchers) }
    }
}

impl FromStr for Matchers {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, MatcherError> {
        Self::parse_all(&[text])
    }
}

impl From<term::NoTerms> for MatcherError {
    fn from(error: term::NoTerms) -> Self {
        Self::Syntax { expected: error.expected, found: error.found }
    }
}

fn found_in(text: &str) -> String {
    if text.is_empty() { "the end of the text".to_owned() } else { format!("`{text}`") }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.term == other.term
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.term.fmt(f)
    }
}

impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, matcher) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{matcher}")?;
        }
        Ok(())
    }
}

impl Serialize for Matchers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Matchers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label<'l>(labels: &[(&str, &'l str)], name: &str) -> Option<&'l str> {
        labels.iter().find(|(label, _)| *label == name).map(|(_, value)| *value)
    }

    #[test]
    fn labels_meet_all_matchers_and_an_absent_one_equals_the_empty_text() {
        let labels = [("alertname", "DiskFull"), ("severity", "critical"), ("team", ""), ("note", "a\nb")];
        for (matchers, expected) in [
            ("", true),
            ("alertname=DiskFull", true),
            ("alertname=diskfull", false),
            ("alertname=DiskFull, severity=critical", true),
            ("alertname=DiskFull, severity=warning", false),
            ("severity!=warning", true),
            ("severity!=critical", false),
            (r#"alertname=~"Disk.*""#, true),
            // A whole value.
            ("alertname=~Disk", false),
            ("alertname=~Full", false),
            ("alertname!~Disk", true),
            (r#"severity=~"warning|critical""#, true),
            (r#"severity=~"warn|crit""#, false),
            (r#"severity!~"warning|critical""#, false),
            (r#"note=~"a.b""#, false),
            (r#"note=~"(?s)a.b""#, true),
            // `$` is the end of the value and not of a line.
            ("note=~a", false),
            // Missing, and there but empty.
            ("cluster=", true),
            ("cluster=a", false),
            ("cluster!=a", true),
            (r#"cluster!="""#, false),
            (r#"cluster=~".*""#, true),
            (r#"cluster=~".+""#, false),
            (r#"cluster!~".+""#, true),
            ("team=", true),
            (r#"team=~".+""#, false),
        ] {
            let matchers: Matchers = matchers.parse().unwrap();
            assert_eq!(matchers.matches(|name| label(&labels, name)), expected, "{matchers}");
        }
    }

    #[test]
    fn what_cannot_be_a_list_of_matchers_is_refused() {
        let check = |texts: &[&str], expected: &str| {
            let error = Matchers::parse_all(texts).unwrap_err().to_string();
            assert_eq!(error, expected, "{texts:?}");
        };

        check(&["a=b", "c"], "expected one of `=`, `!=`, `=~`, `!~` in matchers, found the end of the text");
        check(&["a=b c=\"d\""], "expected a value in quotes in matchers, found `b c=\"d\"`");
        check(&["a=~\"b[\""], "expected a regular expression, found `b[`: unclosed character class");
        check(&["a=~\"a)|(b\""], "expected a regular expression, found `a)|(b`: unopened group");
        check(&["a=~\"(b\\\\1)\""], "expected a regular expression, found `(b\\1)`: backreferences are not supported");
        check(
            &["a=~\"(a{1000}){1000}\""],
            "expected a regular expression of at most 256 KiB when compiled, `(a{1000}){1000}` is larger",
        );
        let many = ["a=b"; MAX_MATCHERS + 1];
        check(&many, "expected at most 64 matchers, found 65");
        check(&[&"a=b,".repeat(MAX_MATCHERS), "a=b"], "expected at most 64 matchers, found 65");
        check(
            &[&format!("a={}", "b".repeat(MAX_MATCHERS_TEXT))],
            "expected matchers of at most 4096 bytes, found 4098",
        );
        // As they are written, which may be longer than they were read.
        check(&[&format!("a={}", "'\\".repeat(2000))], "expected matchers of at most 4096 bytes, found 6004");
        assert_eq!(Matcher::new("", Operator::Equal, "a"), Err(MatcherError::NoName));
        let long = "b".repeat(MAX_MATCHERS_TEXT);
        assert_eq!(Matcher::new("a", Operator::Regex, &long), Err(MatcherError::TooLong { found: 4097 }));
        assert!(Matchers::parse_all(&many[..MAX_MATCHERS]).is_ok());
    }

    /// Nothing of it grows faster than its text.
    #[test]
    fn nested_repetitions_do_not_make_matching_slow() {
        let matchers: Matchers = r#"a=~"(x+x+)+y""#.parse().unwrap();
        let value = "x".repeat(100_000);
        assert!(!matchers.matches(|_| Some(&value)));
    }

    #[test]
    fn matchers_that_any_labels_meet_are_not_selective() {
        for (text, is_selective) in [
            ("", false),
            ("a=", false),
            (r#"a=~".*""#, false),
            (r#"a=, b=~"|c""#, false),
            ("a=b", true),
            ("a=, b=c", true),
            (r#"a=~".+""#, true),
            // As in Alertmanager.
            ("a!=b", true),
            (r#"a!~".+""#, true),
        ] {
            let matchers: Matchers = text.parse().unwrap();
            assert_eq!(matchers.selective().is_ok(), is_selective, "{text}");
        }
        assert_eq!(
            "a=".parse::<Matchers>().unwrap().selective().unwrap_err().to_string(),
            "expected at least one matcher that does not match the empty text, found `a=\"\"`"
        );
    }

    #[test]
    fn matchers_are_stored_as_their_text() {
        let matchers: Matchers = r#"{ "host.name" = "a\"b\\c\nd", severity =~ 'x }"#.parse().unwrap();
        let text = r#""host.name"="a\"b\\c\nd", severity=~"'x""#;

        assert_eq!(matchers.to_string(), text);
        let stored = postcard::to_stdvec(&matchers).unwrap();
        assert_eq!(postcard::from_bytes::<Matchers>(&stored).unwrap(), matchers);
        let json = serde_json::to_value(&matchers).unwrap();
        assert_eq!(json, text);
        assert_eq!(serde_json::from_value::<Matchers>(json).unwrap(), matchers);
    }
}
