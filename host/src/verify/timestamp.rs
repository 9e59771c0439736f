use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Header, Signed, VerifyError, pointer};
use crate::event::Timestamp;

/// Where the time of a request stands, and how far it may be from the host's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampRule {
    pub(super) from: TimestampSource,
    #[serde(default, skip_serializing_if = "Unit::is_seconds")]
    pub(super) unit: Unit,
    pub(super) tolerance: Tolerance,
}

/// Where the time of a request stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestampSource {
    /// In a header of its own.
    Header(Header),
    /// In the signature header, as the entry `key=digits`.
    ListKey(String),
    /// In the JSON body, at this pointer (RFC 6901).
    Pointer(String),
}

/// What a timestamp counts since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Seconds.
    #[default]
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
}

impl Unit {
    const fn is_seconds(&self) -> bool {
        matches!(self, Self::Seconds)
    }

    pub(super) const fn of(self, moment: Timestamp) -> i64 {
        match self {
            Self::Seconds => moment.as_secs(),
            Self::Milliseconds => moment.as_millis(),
        }
    }
}

impl TimestampRule {
    /// The timestamp as it is written in the headers, checked against `now`; none when it stands in the body.
    pub(super) fn in_headers<'a>(
        &self,
        request: &Signed<'a>,
        signature: &'a [u8],
        separator: &str,
        now: Timestamp,
    ) -> Result<Option<&'a [u8]>, VerifyError> {
        let text = match &self.from {
            TimestampSource::Header(header) => header.only(request.headers)?,
            TimestampSource::ListKey(key) => list_entry(signature, key, separator)?,
            TimestampSource::Pointer(_) => return Ok(None),
        };
        let value = digits(text).ok_or_else(|| self.malformed())?;
        self.tolerance.check(value, self.unit, now)?;
        Ok(Some(text))
    }

    /// Checks a timestamp that stands in the body; nothing to do for the others. The body is verified by then.
    pub(super) fn in_body(&self, body: &[u8], now: Timestamp) -> Result<(), VerifyError> {
        let TimestampSource::Pointer(path) = &self.from else { return Ok(()) };
        match pointer::integer(body, path) {
            Ok(Some(value)) => self.tolerance.check(value, self.unit, now),
            Ok(None) => Err(VerifyError::Missing { what: self.what() }),
            Err(pointer::NotAnInteger) => Err(self.malformed()),
        }
    }

    fn malformed(&self) -> VerifyError {
        VerifyError::Malformed { what: self.what(), expected: "an integer in ASCII digits" }
    }

    fn what(&self) -> String {
        match &self.from {
            TimestampSource::Header(header) => header.to_string(),
            TimestampSource::ListKey(key) => list_entry_name(key),
            TimestampSource::Pointer(path) => format!("`{path}` in the body"),
        }
    }
}

fn list_entry<'a>(value: &'a [u8], key: &str, separator: &str) -> Result<&'a [u8], VerifyError> {
    let text = std::str::from_utf8(value)
        .map_err(|_| VerifyError::Malformed { what: list_entry_name(key), expected: "ASCII text" })?;
    let mut entries =
        text.split(separator).filter_map(|entry| entry.trim_matches([' ', '\t']).strip_prefix(key)?.strip_prefix('='));
    let entry = entries.next().ok_or_else(|| VerifyError::Missing { what: list_entry_name(key) })?;
    match entries.next() {
        None => Ok(entry.as_bytes()),
        Some(_) => Err(VerifyError::Duplicate { what: list_entry_name(key) }),
    }
}

fn list_entry_name(key: &str) -> String {
    format!("`{key}` in the signature header")
}

/// The number that `text` writes, if it consists of ASCII digits and fits.
pub(super) fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// How far a timestamp may be from the host's clock, in both directions. Longer than zero.
///
/// Written with a unit, such as `300s` or `5m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tolerance(Duration);

impl Tolerance {
    /// What most providers advise.
    pub const FIVE_MINUTES: Self = Self(Duration::from_secs(300));

    /// What clocks of two hosts may differ by.
    pub const ONE_MINUTE: Self = Self(Duration::from_secs(60));

    /// The tolerance itself.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// In whole seconds, rounded up: where only seconds are compared, less than one would be none.
    pub(super) fn seconds(self) -> i64 {
        i64::try_from(self.0.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
    }

    /// Whether `value` in `unit` is near enough to `now`; seconds are compared as whole seconds.
    pub(super) fn check(self, value: i64, unit: Unit, now: Timestamp) -> Result<(), VerifyError> {
        let apart = u128::from(unit.of(now).abs_diff(value));
        let apart_ms = if unit == Unit::Seconds { apart * 1000 } else { apart };
        if apart_ms <= self.0.as_millis() { Ok(()) } else { Err(VerifyError::Stale { tolerance: self }) }
    }
}

impl FromStr for Tolerance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("expected a duration with a unit such as `300s`, found `{text}`");
        let duration: SignedDuration = text.parse().map_err(|_| wrong())?;
        match Duration::try_from(duration) {
            Ok(duration) if duration > Duration::ZERO => Ok(Self(duration)),
            _ => Err(format!("expected a duration longer than zero, found `{text}`")),
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = SignedDuration::try_from(self.0).expect("it was read from a signed duration");
        write!(f, "{duration:#}")
    }
}

impl Serialize for Tolerance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tolerance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_has_a_unit_and_is_positive() {
        for (text, expected) in [
            ("300s", Some("5m")),
            ("5m", Some("5m")),
            ("1h30m", Some("1h 30m")),
            ("250ms", Some("250ms")),
            ("300", None),
            ("0s", None),
            ("-5m", None),
            ("", None),
            ("soon", None),
        ] {
            let shown = text.parse::<Tolerance>().ok().map(|tolerance| tolerance.to_string());

            assert_eq!(shown.as_deref(), expected, "{text:?}");
            if let Some(shown) = shown {
                assert_eq!(shown.parse::<Tolerance>(), text.parse::<Tolerance>());
            }
        }
    }

    #[test]
    fn a_timestamp_may_be_as_far_away_as_the_tolerance_in_both_directions() {
        let now = Timestamp::from_millis(1_000_000_900);
        for (value, unit, passes) in [
            (1_000_000, Unit::Seconds, true),
            (999_700, Unit::Seconds, true),
            (999_699, Unit::Seconds, false),
            (1_000_300, Unit::Seconds, true),
            (1_000_301, Unit::Seconds, false),
            (0, Unit::Seconds, false),
            (i64::MAX, Unit::Seconds, false),
            (i64::MAX, Unit::Milliseconds, false),
            (999_700_900, Unit::Milliseconds, true),
            (999_700_899, Unit::Milliseconds, false),
            (1_000_300_900, Unit::Milliseconds, true),
            (1_000_300_901, Unit::Milliseconds, false),
        ] {
            let result = Tolerance::FIVE_MINUTES.check(value, unit, now);

            assert_eq!(result.is_ok(), passes, "{value} {unit:?}");
        }
    }

    #[test]
    fn a_timestamp_consists_of_ascii_digits_that_fit() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1700000000", Some(1_700_000_000)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("+1", None),
            ("-1", None),
            (" 1", None),
            ("1.0", None),
            ("1e9", None),
            ("0x10", None),
            ("NaN", None),
            ("١", None),
            ("", None),
        ] {
            assert_eq!(digits(text.as_bytes()), expected, "{text:?}");
        }
    }
}
