//! Time in milliseconds.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment on the host's clock in whole milliseconds since 1970, UTC.
///
/// Shown to people and in JSON as RFC 3339 with three decimals, stored in the log as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last moment that can be written as text.
    const LAST: Self = Self(253_402_207_199_999);

    /// The current time of the host's clock.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// The moment `millis` after the start of 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the start of 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the start of 1970, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// A later moment, at most the last one that can be written as text.
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)).min(Self::LAST.0))
    }

    /// An earlier moment, saturating.
    pub fn before(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The duration since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.parse::<jiff::Timestamp>()?.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

/// Parses a duration with units, such as `500ms`, `1h30m` or `7d`; a day has 24 hours. `None` for any other text.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (days, rest) = match text[digits..].strip_prefix('d') {
        Some(rest) if digits > 0 && !rest.starts_with(|c: char| c.is_alphabetic()) => {
            (text[..digits].parse().ok()?, rest)
        }
        _ => (0_u64, text),
    };
    let days = Duration::from_secs(days.checked_mul(24 * 60 * 60)?);
    if rest.trim().is_empty() && !text.is_empty() {
        return Some(days);
    }
    days.checked_add(Duration::try_from(rest.parse::<jiff::SignedDuration>().ok()?).ok()?)
}

/// A duration as [`parse_duration`] reads it.
pub fn duration_text(duration: Duration) -> String {
    match jiff::SignedDuration::try_from(duration) {
        Ok(duration) => format!("{duration:#}").replace(' ', ""),
        Err(_) => format!("{duration:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_may_have_days() {
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
        for (text, expected) in [
            ("72h", hours(72)),
            ("7d", hours(168)),
            ("1d12h", hours(36)),
            ("1h30m", Some(Duration::from_secs(5400))),
            ("5", None),
            ("d", None),
            ("-1h", None),
            ("", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
        assert_eq!(duration_text(Duration::from_secs(8640)), "2h24m");
    }

    #[test]
    fn a_timestamp_reads_back_what_it_writes() {
        let written = Timestamp::from_millis(1_700_000_000_123).to_string();

        assert_eq!(written, "2023-11-14T22:13:20.123Z");
        assert_eq!(written.parse::<Timestamp>().unwrap(), Timestamp::from_millis(1_700_000_000_123));
    }

    #[test]
    fn the_longest_wait_ends_at_a_time_that_can_be_written() {
        let last = Timestamp::from_millis(1_700_000_000_123).after(Duration::MAX);

        assert_eq!(last.to_string(), "9999-12-30T21:59:59.999Z");
        assert_eq!(last.to_string().parse::<Timestamp>().unwrap(), last);
    }

    #[test]
    fn the_time_since_a_later_moment_is_zero() {
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
    }
}
