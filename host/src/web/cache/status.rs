//! `Cache-Status` (RFC 9211).

use std::fmt::{self, Display};

use http::header::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What the cache did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheStatus {
    /// Answered without the backend; `ttl` is below zero when the response was stale.
    Hit { ttl: i64 },
    /// Asked the backend.
    Forwarded { why: Forward, how: Forwarded },
}

/// Why the backend was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forward {
    /// The cache is not for such requests.
    Bypass,
    /// The caller wants it so.
    Request,
    UriMiss,
    VaryMiss,
    Stale,
    /// Only a part was asked for.
    Partial,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarded {
    Passed,
    Stored,
    Revalidated,
    /// An equal request has asked.
    Collapsed,
    /// The stored response was served because the backend failed.
    StaleIfError {
        ttl: i64,
    },
}

impl Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("gateway; ")?;
        match self {
            Self::Hit { ttl } => write!(f, "hit; ttl={ttl}"),
            Self::Forwarded { how: Forwarded::StaleIfError { ttl }, .. } => {
                write!(f, "hit; ttl={ttl}; detail=stale-if-error")
            }
            Self::Forwarded { why, how } => {
                write!(f, "fwd={}", why.name())?;
                match how {
                    Forwarded::Passed | Forwarded::StaleIfError { .. } => Ok(()),
                    Forwarded::Stored => f.write_str("; stored"),
                    Forwarded::Revalidated => f.write_str("; fwd-status=304"),
                    Forwarded::Collapsed => f.write_str("; collapsed"),
                }
            }
        }
    }
}

impl Forward {
    fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Request => "request",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

impl CacheStatus {
    /// Adds itself after what caches nearer to the origin have said.
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        let value = HeaderValue::try_from(self.to_string()).expect("names and numbers are a valid value");
        headers.append(CACHE_STATUS, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_says_what_the_cache_did() {
        let forwarded = |why, how| CacheStatus::Forwarded { why, how };
        for (status, expected) in [
            (CacheStatus::Hit { ttl: 7 }, "gateway; hit; ttl=7"),
            (CacheStatus::Hit { ttl: -7 }, "gateway; hit; ttl=-7"),
            (forwarded(Forward::Bypass, Forwarded::Passed), "gateway; fwd=bypass"),
            (forwarded(Forward::UriMiss, Forwarded::Stored), "gateway; fwd=uri-miss; stored"),
            (forwarded(Forward::Stale, Forwarded::Revalidated), "gateway; fwd=stale; fwd-status=304"),
            (forwarded(Forward::VaryMiss, Forwarded::Collapsed), "gateway; fwd=vary-miss; collapsed"),
            (
                forwarded(Forward::Stale, Forwarded::StaleIfError { ttl: -3 }),
                "gateway; hit; ttl=-3; detail=stale-if-error",
            ),
        ] {
            assert_eq!(status.to_string(), expected);
        }
    }

    #[test]
    fn the_field_follows_that_of_other_caches() {
        let mut headers = HeaderMap::from_iter([(CACHE_STATUS, HeaderValue::from_static("origin; hit"))]);
        CacheStatus::Hit { ttl: 1 }.add_to(&mut headers);
        let lines: Vec<_> = headers.get_all(CACHE_STATUS).iter().collect();
        assert_eq!(lines, ["origin; hit", "gateway; hit; ttl=1"]);
    }
}
