//! Globs for names, kinds and values.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

use super::ChannelName;

/// A glob. `*` matches any text, including dots.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    matcher: Matcher,
}

#[derive(Clone)]
enum Matcher {
    All,
    Exact,
    Glob(GlobMatcher),
}

#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a valid pattern: {reason}")]
pub struct PatternError {
    text: String,
    reason: String,
}

impl Pattern {
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let unreadable =
            |error: globset::Error| PatternError { text: text.to_owned(), reason: error.kind().to_string() };
        let matcher = match text {
            "*" => Matcher::All,
            _ => Matcher::Glob(
                GlobBuilder::new(text).literal_separator(false).build().map_err(unreadable)?.compile_matcher(),
            ),
        };
        Ok(Self { text: text.to_owned(), matcher })
    }

    /// What matches nothing but this text.
    pub fn exact(text: &str) -> Self {
        Self { text: text.to_owned(), matcher: Matcher::Exact }
    }

    pub fn matches(&self, name: &str) -> bool {
        match &self.matcher {
            Matcher::All => true,
            Matcher::Exact => name == self.text,
            Matcher::Glob(matcher) => matcher.is_match(name),
        }
    }

    /// Whether the channel is meant: one of the gateway itself only by its name.
    pub fn matches_channel(&self, channel: &ChannelName) -> bool {
        if channel.is_built_in() { self.text == channel.as_str() } else { self.matches(channel.as_str()) }
    }

    /// The original text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches nothing but its own text.
    pub fn is_exact(&self) -> bool {
        !self.text.contains(['*', '?', '[', '{', '\\'])
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl Default for Pattern {
    fn default() -> Self {
        Self { text: "*".to_owned(), matcher: Matcher::All }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// Whether a text can match both patterns. True as well where that cannot be told: of alternatives and classes of characters.
pub fn patterns_may_meet(one: &str, other: &str) -> bool {
    let is_hard = |pattern: &str| pattern.contains(['[', '{', '\\']);
    is_hard(one) || is_hard(other) || patterns_meet(one, other)
}

/// Whether `kind` is the one that is named; with a `*` at the end of the name, whether it starts so.
pub fn names_kind(name: &str, kind: &str) -> bool {
    name.strip_suffix('*').map_or(name == kind, |start| kind.starts_with(start))
}

/// Whether a text matches both patterns, which have no other special characters than `*` and `?`.
pub fn patterns_meet(one: &str, other: &str) -> bool {
    let (one, other): (Vec<_>, Vec<_>) = (one.chars().collect(), other.chars().collect());
    // Row by row of `one`: whether its characters so far and the first ones of `other` have a text in common.
    let mut before = vec![true];
    for there in &other {
        before.push(*there == '*' && before.last() == Some(&true));
    }
    for here in one {
        let mut now = vec![here == '*' && before[0]];
        for (index, there) in other.iter().enumerate() {
            let is_star = here == '*' || *there == '*';
            let is_same = here == '?' || *there == '?' || *there == here;
            now.push(is_star && (before[index + 1] || now[index]) || is_same && before[index]);
        }
        before = now;
    }
    before.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "github.push", true),
            ("github.*", "github.issue_comment.created", true),
            ("github.push", "github.push", true),
            ("github.push", "github.pushed", false),
            ("git{hub,lab}.*", "gitlab.push", true),
            ("*.created", "github.issues.created", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(text), expected, "{pattern} {text}");
        }
        assert!(Pattern::new("a[").is_err());
        assert!(Pattern::exact("a[").matches("a[") && !Pattern::exact("a*").matches("ab"));
    }

    #[test]
    fn a_built_in_channel_must_be_named() {
        for (pattern, expected) in [("*", false), ("g*", false), ("{gateway,github}", false), ("gateway", true)] {
            let channel = "gateway".parse().unwrap();
            assert_eq!(Pattern::new(pattern).unwrap().matches_channel(&channel), expected, "{pattern}");
        }
    }

    #[test]
    fn patterns_meet_where_a_text_matches_both() {
        for (one, other, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("a.*", "a.b.*", true),
            ("*.b", "a.*", true),
            ("a.b*", "a.c*", false),
            ("*", "", true),
            ("a", "", false),
            ("a*c", "ab*", true),
            ("?.b", "a.b", true),
            ("a.?", "a.", false),
            ("*.created", "github.issue_comment.*", true),
            ("github.isue.*", "github.issue.*", false),
            ("a**", "*b", true),
        ] {
            assert_eq!(patterns_meet(one, other), expected, "{one} {other}");
            assert_eq!(patterns_meet(other, one), expected, "{other} {one}");
        }
    }
}
