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
    /// Bytes of a pointer, about.
    const POINTER: usize = 256;

    /// At a JSON Pointer; an empty one is the whole.
    pub(super) fn new(pointer: &str, detail: &str) -> Self {
        let mut fragment = String::from("#");
        for byte in pointer.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => fragment.push(char::from(byte)),
                _ if b"-._~!$&'()*+,;=:@/?".contains(&byte) => fragment.push(char::from(byte)),
                _ => fragment.push_str(&format!("%{byte:02X}")),
            }
            if fragment.len() > Self::POINTER {
                fragment.push_str("...");
                break;
            }
        }
        Self { pointer: fragment, detail: printable(detail) }
    }
}

/// The beginning of a text on one line: names of members are somebody else's.
pub(super) fn printable(text: &str) -> String {
    const MAX: usize = 300;
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.truncate(text.floor_char_boundary(MAX));
    text
}

impl Mismatch {
    /// How many places are named.
    pub(super) const LISTED: usize = 10;
    /// Bytes of a summary.
    const SUMMARY: usize = 1024;

    /// All places on one line.
    pub fn summary(&self) -> String {
        let violations: Vec<_> = self.violations.iter().map(ToString::to_string).collect();
        let mut summary = violations.join("; ");
        summary.truncate(summary.floor_char_boundary(Self::SUMMARY));
        summary
    }
}
