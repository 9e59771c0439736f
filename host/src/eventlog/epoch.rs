//! The identity of a log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::EventLogError;

/// Tells a log from every other one, also from the one whose backup it was made of: positions of one mean nothing in the
/// other. Written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of a log that is made now.
    ///
    /// # Errors
    /// `Io` while the system has no random numbers.
    pub(crate) fn new() -> Result<Self, EventLogError> {
        getrandom::u64().map(Self).map_err(|error| EventLogError::Io(format!("no random numbers: {error}")))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that is not an epoch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the epoch of a log: expected 16 hexadecimal digits in lower case")]
pub struct EpochError(String);

impl FromStr for Epoch {
    type Err = EpochError;

    fn from_str(text: &str) -> Result<Self, EpochError> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let number = u64::from_str_radix(text, 16).ok().filter(|_| digits && text.len() == 16);
        number.map(Self).ok_or_else(|| EpochError(text.to_owned()))
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_reads_back_what_it_writes() {
        let epoch = Epoch(0x00ab_cdef_0123_4567);

        assert_eq!(epoch.to_string(), "00abcdef01234567");
        assert_eq!("00abcdef01234567".parse(), Ok(epoch));
        for text in ["", "00ABCDEF01234567", "+0abcdef01234567", "0abcdef01234567", "000abcdef01234567"] {
            assert_eq!(text.parse::<Epoch>(), Err(EpochError(text.to_owned())));
        }
    }
}
