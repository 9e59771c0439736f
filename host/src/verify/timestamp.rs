//! The timestamp of a request.

use serde::{Deserialize, Serialize};

use super::digits::digits;
use super::tolerance::{Tolerance, Unit};
use super::{Header, Signed, VerifyError, pointer};
use crate::event::Timestamp;

/// The source of a request's timestamp, and its tolerance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampRule {
    pub(super) from: TimestampSource,
    #[serde(default, skip_serializing_if = "Unit::is_seconds")]
    pub(super) unit: Unit,
    pub(super) tolerance: Tolerance,
}

/// The source of a request's timestamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimestampSource {
    /// A header of its own.
    Header(Header),
    /// The entry `key=digits` in the signature header.
    ListKey(String),
    /// A JSON pointer (RFC 6901) into the body.
    Pointer(String),
}

impl TimestampRule {
    /// The timestamp text from the headers, checked against `now`; `None` if it is in the body.
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
        check_age(self.tolerance, value, self.unit, now)?;
        Ok(Some(text))
    }

    /// Checks a timestamp in the body, which must be verified already. Does nothing for other sources.
    pub(super) fn in_body(&self, body: &[u8], now: Timestamp) -> Result<(), VerifyError> {
        let TimestampSource::Pointer(path) = &self.from else { return Ok(()) };
        match pointer::integer(body, path) {
            Ok(Some(value)) => check_age(self.tolerance, value, self.unit, now),
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

/// Compares `value` with `now`. Seconds are compared as whole seconds.
pub(super) fn check_age(tolerance: Tolerance, value: i64, unit: Unit, now: Timestamp) -> Result<(), VerifyError> {
    let apart = u128::from(unit.of(now).abs_diff(value));
    let apart_ms = if unit == Unit::Seconds { apart * 1000 } else { apart };
    if apart_ms <= tolerance.get().as_millis() { Ok(()) } else { Err(VerifyError::Stale { tolerance }) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let result = check_age(Tolerance::FIVE_MINUTES, value, unit, now);

            assert_eq!(result.is_ok(), passes, "{value} {unit:?}");
        }
    }
}
