//! Problems of a configuration, as people read them.

use std::error::Error;
use std::fmt;

/// One problem of the configuration. Never shows a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// A key (`http.listen`), an environment variable, a plugin file, or line and column; empty for the whole file.
    pub key: String,
    /// What was expected; the whole sentence if `found` is `None`.
    pub expected: String,
    /// What was found.
    pub found: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        match &self.found {
            Some(found) => write!(f, "expected {}, found {found}", self.expected),
            None => f.write_str(&self.expected),
        }
    }
}

/// All problems of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblems {
    /// The path of the file, as given.
    pub file: String,
    /// Never empty.
    pub problems: Vec<ConfigProblem>,
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "`{}` has {count} problem{}", self.file, if count == 1 { "" } else { "s" })?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        let mut hints = Vec::new();
        for hint in self.problems.iter().filter_map(|problem| problem.hint.as_deref()) {
            if !hints.contains(&hint) {
                write!(f, "\nhint: {hint}")?;
                hints.push(hint);
            }
        }
        Ok(())
    }
}

impl Error for ConfigProblems {}

/// A text in backticks, on one line and of limited length.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut shown: String = text.chars().take(SHOWN).map(clean).collect();
    if shown.is_empty() {
        return "an empty text".to_owned();
    }
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// A list of alternatives in backticks: "`a`, `b` or `c`".
pub(super) fn alternatives(texts: &[&str]) -> String {
    match texts {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [rest @ .., last] => format!("`{}` or `{last}`", rest.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_come_first_and_every_hint_once() {
        let problem = |key: &str, hint: &str| ConfigProblem {
            key: key.to_owned(),
            expected: "`ip:port`".to_owned(),
            found: Some("`8080`".to_owned()),
            hint: Some(hint.to_owned()),
        };
        let problems = ConfigProblems {
            file: "gateway.toml".to_owned(),
            problems: vec![problem("http.listen", "one"), problem("admin.listen", "one")],
        };

        assert_eq!(
            problems.to_string(),
            "`gateway.toml` has 2 problems\n  http.listen: expected `ip:port`, found `8080`\n  \
             admin.listen: expected `ip:port`, found `8080`\nhint: one"
        );
    }

    #[test]
    fn what_is_shown_stays_on_one_line() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), "`a\u{fffd}b\u{fffd}[31m`");
        assert_eq!(quoted(&"x".repeat(100)), format!("`{}…`", "x".repeat(80)));
        assert_eq!(quoted(""), "an empty text");
    }
}
