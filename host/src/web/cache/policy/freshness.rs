//! Freshness and age (RFC 9111, section 4.2).

use std::time::{Duration, Instant, SystemTime};

use http::header::{AGE, DATE, EXPIRES, HeaderMap};

use super::cache_control::{Directives, LONGEST, Seconds, whole_number};
use crate::web::conditions::date;

/// When a response was asked for and received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    pub(crate) requested: Instant,
    pub(crate) received: Instant,
    /// `received` by the clock that `Date` is compared with.
    pub(crate) received_at: SystemTime,
}

/// How long a response is fresh, by what it says itself; `None` when it says nothing. Bad information is no time at all.
pub(crate) fn lifetime(stated: &Directives, headers: &HeaderMap, exchange: &Exchange) -> Option<Duration> {
    let by_directive = match (stated.s_maxage, stated.max_age) {
        (Seconds::Absent, max_age) => max_age,
        (s_maxage, _) => s_maxage,
    };
    by_directive.duration().or_else(|| by_expires(headers, exchange))
}

fn by_expires(headers: &HeaderMap, exchange: &Exchange) -> Option<Duration> {
    let mut lines = headers.get_all(EXPIRES).iter();
    let first = lines.next()?;
    if lines.any(|line| line != first) {
        return Some(Duration::ZERO);
    }
    let from = date(headers, &DATE).unwrap_or(exchange.received_at);
    let until = date(headers, &EXPIRES);
    Some(until.and_then(|until| until.duration_since(from).ok()).unwrap_or_default())
}

/// How old a response was when it was received (section 4.2.3).
pub(crate) fn initial_age(headers: &HeaderMap, exchange: &Exchange) -> Duration {
    let since_date = date(headers, &DATE).and_then(|date| exchange.received_at.duration_since(date).ok());
    // `Date` has no fractions, so less than a second is none.
    let apparent = since_date.map_or(Duration::ZERO, |age| Duration::from_secs(age.as_secs()));
    let delay = exchange.received.saturating_duration_since(exchange.requested);
    apparent.max(stated_age(headers) + delay)
}

/// The first member of `Age`; an invalid one is ignored (section 5.1). From 2^31 on it is older than anything is fresh.
fn stated_age(headers: &HeaderMap) -> Duration {
    let first = headers.get(AGE).and_then(|line| line.as_bytes().split(|byte| *byte == b',').next());
    match first.and_then(|age| whole_number(age.trim_ascii())) {
        None => Duration::ZERO,
        Some(age) if age > LONGEST => Duration::from_secs(u32::MAX.into()),
        Some(age) => Duration::from_secs(age.into()),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::super::cache_control::directives;
    use super::*;

    const RECEIVED: &str = "Sun, 06 Nov 1994 08:50:00 GMT";

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    fn exchange(delay: u64) -> Exchange {
        let requested = Instant::now();
        Exchange {
            requested,
            received: requested + Duration::from_secs(delay),
            received_at: httpdate::parse_http_date(RECEIVED).unwrap(),
        }
    }

    #[test]
    fn the_lifetime_is_the_most_specific_one() {
        const MINUTE_BEFORE: &str = "Sun, 06 Nov 1994 08:49:00 GMT";
        const MINUTE_LATER: &str = "Sun, 06 Nov 1994 08:51:00 GMT";

        for (fields, expected) in [
            (&[][..], None),
            (&[("cache-control", "public")], None),
            (&[("cache-control", "max-age=5")], Some(5)),
            (&[("cache-control", "max-age=0")], Some(0)),
            (&[("cache-control", "max-age=x")], Some(0)),
            (&[("cache-control", "max-age=5, s-maxage=7")], Some(7)),
            (&[("cache-control", "max-age=5, s-maxage=0")], Some(0)),
            (&[("cache-control", "max-age=5, s-maxage=x")], Some(0)),
            (&[("cache-control", "max-age=5, max-age=6")], Some(0)),
            (&[("cache-control", "max-age=5"), ("expires", "0")], Some(5)),
            (&[("cache-control", "max-age=0"), ("expires", MINUTE_LATER)], Some(0)),
            (&[("expires", MINUTE_LATER), ("date", RECEIVED)], Some(60)),
            (&[("expires", MINUTE_LATER), ("date", MINUTE_BEFORE)], Some(120)),
            (&[("expires", MINUTE_LATER), ("date", "today")], Some(60)),
            (&[("expires", MINUTE_LATER)], Some(60)),
            (&[("expires", RECEIVED)], Some(0)),
            (&[("expires", MINUTE_BEFORE)], Some(0)),
            (&[("expires", "0")], Some(0)),
            (&[("expires", "")], Some(0)),
            (&[("expires", "Sunday, 06-Nov-94 08:51:00 GMT")], Some(60)),
            (&[("expires", "Sun Nov  6 08:51:00 1994")], Some(60)),
            (&[("expires", MINUTE_LATER), ("expires", MINUTE_LATER)], Some(60)),
            (&[("expires", MINUTE_LATER), ("expires", RECEIVED)], Some(0)),
        ] {
            let headers = headers(fields);
            let found = lifetime(&directives(&headers), &headers, &exchange(0));
            assert_eq!(found, expected.map(Duration::from_secs), "{fields:?}");
        }
    }

    #[test]
    fn the_age_is_the_larger_of_both_estimates() {
        const TWO_MINUTES_BEFORE: &str = "Sun, 06 Nov 1994 08:48:00 GMT";

        for (fields, delay, expected) in [
            (&[][..], 0, 0),
            (&[], 3, 3),
            (&[("age", "7")], 0, 7),
            (&[("age", "7")], 3, 10),
            (&[("age", " 7 ")], 0, 7),
            (&[("age", "7, 100")], 0, 7),
            (&[("age", "7"), ("age", "100")], 0, 7),
            (&[("age", "x, 100")], 0, 0),
            (&[("age", "-7")], 0, 0),
            (&[("age", "7.5")], 0, 0),
            (&[("age", "7;a=b")], 0, 0),
            (&[("age", "2147483647")], 0, 2_147_483_647),
            (&[("age", "2147483648")], 0, 4_294_967_295),
            (&[("age", "99999999999999999999")], 0, 4_294_967_295),
            (&[("date", RECEIVED)], 0, 0),
            (&[("date", TWO_MINUTES_BEFORE)], 0, 120),
            (&[("date", TWO_MINUTES_BEFORE)], 3, 120),
            (&[("date", TWO_MINUTES_BEFORE), ("age", "200")], 3, 203),
            (&[("date", "Sun, 06 Nov 1994 08:55:00 GMT")], 0, 0),
        ] {
            let found = initial_age(&headers(fields), &exchange(delay));
            assert_eq!(found, Duration::from_secs(expected), "{fields:?} {delay}");
        }
    }
}
