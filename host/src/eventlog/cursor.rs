//! Positions as others keep them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Epoch;
use crate::event::Seq;

/// A position in one log, written `<epoch>.<seq>`: everything up to it is done with. A cursor of another log names other events, so
/// it says which log it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub epoch: Epoch,
    pub seq: Seq,
}

/// A text that is not a cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: expected 16 hexadecimal digits, a dot and a number")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (epoch, seq) = text.split_once('.').ok_or(CursorError)?;
        let is_number = seq.bytes().all(|byte| byte.is_ascii_digit());
        let seq = seq.parse().ok().filter(|_| is_number).ok_or(CursorError)?;
        Ok(Self { epoch: epoch.parse().map_err(|_| CursorError)?, seq: Seq(seq) })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_what_it_writes() {
        let cursor = Cursor { epoch: "00abcdef01234567".parse().unwrap(), seq: Seq(1840) };

        assert_eq!(cursor.to_string(), "00abcdef01234567.1840");
        assert_eq!("00abcdef01234567.1840".parse(), Ok(cursor));
        for text in ["", "1840", "00abcdef01234567", "00abcdef01234567.", "00abcdef01234567.+1", "00ABCDEF01234567.1"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }
}
