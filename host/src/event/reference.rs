//! How people name an event: by more than its id.

use std::fmt;
use std::str::FromStr;

use super::id::{EventId, Seq};

/// What an event is called on a command line or in a path of the admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventName {
    /// `latest`: the last event of the log.
    Latest,
    /// Its position, such as `17`.
    Position(Seq),
    /// Its id.
    Id(EventId),
    /// The beginning of its id.
    Prefix(IdPrefix),
}

/// The beginning of an id, at least one digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdPrefix {
    /// As it was given.
    text: String,
    /// The ids that begin so, both included.
    first: EventId,
    last: EventId,
}

/// A text that names no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an id as listed by `gateway events`, its beginning, its position such as `17`, or `latest`")]
pub struct NoEventName;

impl IdPrefix {
    /// The lowest and the highest id that begin so.
    pub fn bounds(&self) -> (EventId, EventId) {
        (self.first, self.last)
    }
}

impl FromStr for EventName {
    type Err = NoEventName;

    /// An id begins with `0` until the year 2527, so a number without a leading zero is a position.
    fn from_str(text: &str) -> Result<Self, NoEventName> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(|seq| Self::Position(Seq(seq))).map_err(|_| NoEventName);
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if digits.is_empty() || digits.len() > 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NoEventName);
        }
        let filled =
            |with: &str| format!("{digits}{}", with.repeat(32 - digits.len())).parse().map_err(|_| NoEventName);
        Ok(Self::Prefix(IdPrefix { text: text.to_owned(), first: filled("0")?, last: filled("f")? }))
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Position(seq) => seq.fmt(f),
            Self::Id(id) => id.fmt(f),
            Self::Prefix(prefix) => f.write_str(&prefix.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;

    #[test]
    fn an_event_is_named_in_four_ways() {
        let id = EventId::new(Timestamp::from_millis(1_700_000_000_000), Seq(7), 1);
        let parse = |text: &str| text.parse::<EventName>();

        assert_eq!(parse("latest"), Ok(EventName::Latest));
        assert_eq!(parse("17"), Ok(EventName::Position(Seq(17))));
        assert_eq!(parse(&id.to_string()), Ok(EventName::Id(id)));
        for text in ["", "-", "later", "99999999999999999999", "018bcfe5-6800-7000-8000-000000000007-1"] {
            assert_eq!(parse(text), Err(NoEventName), "{text}");
        }
        for length in 1..36 {
            let text = &id.to_string()[..length];
            let EventName::Prefix(prefix) = parse(text).unwrap() else { panic!("{text}") };
            let (first, last) = prefix.bounds();
            assert!(first <= id && id <= last && first < last, "{text}");
            assert!(last.to_string().starts_with(text) && first.to_string().starts_with(text), "{text}");
            assert_eq!(EventName::Prefix(prefix).to_string(), text);
        }
    }
}
