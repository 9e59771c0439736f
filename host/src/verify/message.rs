//! The message that a signature covers.

use serde::{Deserialize, Serialize};

use super::timestamp::{TimestampRule, TimestampSource};
use super::{Header, Signed, VerifyError, pointer};

/// A part of the signed message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The body as received.
    Body,
    /// The timestamp, as written in the headers.
    Timestamp,
    /// The value of a header.
    Header(Header),
    /// A constant text.
    Literal(String),
}

/// Passes the signed bytes to `sink`, piece by piece and in order. `timestamp` is set if a part needs it.
pub(super) fn feed(
    parts: &[Part],
    request: &Signed<'_>,
    timestamp: Option<&[u8]>,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), VerifyError> {
    for part in parts {
        match part {
            Part::Body => sink(request.body),
            Part::Timestamp => {
                sink(timestamp.ok_or_else(|| VerifyError::Missing { what: "the timestamp".to_owned() })?);
            }
            Part::Header(header) => sink(header.only(request.headers)?),
            Part::Literal(text) => sink(text.as_bytes()),
        }
    }
    Ok(())
}

/// Checks that the parts and the timestamp fit together.
pub(super) fn check(parts: &[Part], timestamp: Option<&TimestampRule>) -> Result<(), String> {
    if parts.iter().all(|part| matches!(part, Part::Literal(_))) {
        return Err("`signed` needs `body` or another part of the request".to_owned());
    }
    let names_timestamp = parts.contains(&Part::Timestamp);
    match timestamp.map(|rule| &rule.from) {
        None if names_timestamp => Err("`signed` names `timestamp`, but the key `timestamp` is missing".to_owned()),
        None => Ok(()),
        Some(TimestampSource::Pointer(path)) => {
            if !pointer::is_valid(path) {
                Err(format!("expected a JSON pointer such as `/created_at`, found `{path}`"))
            } else if names_timestamp {
                Err("`signed` names `timestamp`, but the timestamp is in the body".to_owned())
            } else if parts.contains(&Part::Body) {
                Ok(())
            } else {
                Err("the timestamp is in the body, but `signed` does not name `body`".to_owned())
            }
        }
        Some(TimestampSource::ListKey(key)) if key.is_empty() => Err("`list_key` is empty".to_owned()),
        Some(TimestampSource::Header(header)) if parts.contains(&Part::Header(header.clone())) => Ok(()),
        Some(_) if names_timestamp => Ok(()),
        Some(_) => Err("an unsigned timestamp protects nothing: add `timestamp` to `signed`".to_owned()),
    }
}
