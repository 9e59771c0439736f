//! When a stale response is served (RFC 9111, section 4.2.4, and RFC 5861).

use std::time::Duration;

use http::StatusCode;

use super::cache_control::{Directives, Seconds};

/// Why a stale response would be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// It is being validated.
    Revalidating,
    /// The validation has failed.
    Error,
}

/// Whether a response that has been stale for `staleness` may be served: only if it says so, and forbids it nowhere.
pub(crate) fn may_serve_stale(stated: &Directives, staleness: Duration, occasion: Occasion) -> bool {
    if forbids_stale(stated) {
        return false;
    }
    let allowed = match occasion {
        Occasion::Revalidating => stated.stale_while_revalidate,
        Occasion::Error => stated.stale_if_error,
    };
    allowed.duration().is_some_and(|allowed| !allowed.is_zero() && staleness <= allowed)
}

/// Whether the response must not be served stale whatever happens.
pub(crate) fn forbids_stale(stated: &Directives) -> bool {
    stated.must_revalidate || stated.proxy_revalidate || stated.no_cache || stated.s_maxage != Seconds::Absent
}

/// Whether a validation with this result has failed (RFC 5861, section 4).
pub(crate) fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502..=504)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{CACHE_CONTROL, HeaderMap};

    use super::super::cache_control::directives;
    use super::*;

    #[test]
    fn stale_responses_are_served_only_as_they_say() {
        use Occasion::{Error, Revalidating};

        for (stated, staleness, occasion, expected) in [
            ("max-age=9", 0, Revalidating, false),
            ("max-age=9", 0, Error, false),
            ("max-age=9, stale-while-revalidate=5", 5, Revalidating, true),
            ("max-age=9, stale-while-revalidate=5", 6, Revalidating, false),
            ("max-age=9, stale-while-revalidate=5", 1, Error, false),
            ("max-age=9, stale-while-revalidate=0", 0, Revalidating, false),
            ("max-age=9, stale-while-revalidate=x", 0, Revalidating, false),
            ("max-age=9, stale-if-error=5", 5, Error, true),
            ("max-age=9, stale-if-error=5", 6, Error, false),
            ("max-age=9, stale-if-error=5", 1, Revalidating, false),
            ("max-age=9, stale-if-error=5, must-revalidate", 1, Error, false),
            ("max-age=9, stale-if-error=5, proxy-revalidate", 1, Error, false),
            ("max-age=9, stale-if-error=5, no-cache", 1, Error, false),
            ("max-age=9, stale-if-error=5, s-maxage=9", 1, Error, false),
            ("max-age=9, stale-while-revalidate=5, s-maxage=9", 1, Revalidating, false),
            ("max-age=9, stale-while-revalidate=5, must-revalidate", 1, Revalidating, false),
        ] {
            let stated_directives =
                directives(&HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(stated))]));
            let found = may_serve_stale(&stated_directives, Duration::from_secs(staleness), occasion);
            assert_eq!(found, expected, "{stated} {staleness} {occasion:?}");
        }
    }

    #[test]
    fn some_responses_are_failures_of_the_backend() {
        for (status, expected) in [
            (200, false),
            (404, false),
            (499, false),
            (500, true),
            (501, false),
            (502, true),
            (503, true),
            (504, true),
            (505, false),
        ] {
            assert_eq!(is_failure(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
