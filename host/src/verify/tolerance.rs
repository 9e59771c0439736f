//! Units of timestamps, and their tolerance.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::event::Timestamp;

/// The unit of a timestamp since 1970.
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
    pub(super) const fn is_seconds(&self) -> bool {
        matches!(self, Self::Seconds)
    }

    pub(super) const fn of(self, moment: Timestamp) -> i64 {
        match self {
            Self::Seconds => moment.as_secs(),
            Self::Milliseconds => moment.as_millis(),
        }
    }
}

/// The maximum distance between a timestamp and the host's clock, in both directions. Longer than zero.
///
/// Written with a unit, such as `300s` or `5m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tolerance(Duration);

impl Tolerance {
    /// What most providers recommend.
    pub const FIVE_MINUTES: Self = Self(Duration::from_secs(300));

    /// A realistic difference between the clocks of two hosts.
    pub const ONE_MINUTE: Self = Self(Duration::from_secs(60));

    /// The tolerance itself.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// In whole seconds, rounded up, so that a comparison of seconds never has a tolerance of zero.
    pub(super) fn seconds(self) -> i64 {
        i64::try_from(self.0.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
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
}
