//! Where an event does not match its schema.

use serde::Serialize;

/// An event that does not match.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {index} of kind `{kind}` does not match its schema: {}", .violations.first().map(ToString::to_string).unwrap_or_default())]
pub struct Mismatch {
    /// Its place in the request.
    pub index: usize,
    pub kind: String,
    /// Up to 10, never none.
    pub violations: Vec<Violation>,
}

/// A place that breaks a rule. It holds nothing of the payload but names of members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// A JSON Pointer as a URI fragment (RFC 6901, section 6), `#` for the whole.
    pub pointer: String,
    pub detail: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.pointer, self.detail)
    }
}

impl Violation {
    pub(super) fn of_all(detail: String) -> Self {
        Self { pointer: "#".to_owned(), detail }
    }
}

impl Mismatch {
    /// How many places are named.
    pub(super) const LISTED: usize = 10;
    /// Bytes of a summary.
    const SUMMARY: usize = 1024;

    pub(super) fn failed(detail: &str) -> Self {
        let violations = vec![Violation::of_all(format!("cannot be checked: {detail}"))];
        Self { index: 0, kind: String::new(), violations }
    }

    /// All places on one line.
    pub fn summary(&self) -> String {
        let violations: Vec<_> = self.violations.iter().map(ToString::to_string).collect();
        let mut summary = violations.join("; ");
        summary.truncate(summary.floor_char_boundary(Self::SUMMARY));
        summary
    }
}
