//! The rules of RFC 9111 for a shared cache, as functions of heads and times: nothing here reads a clock or keeps a state.
//!
//! Stricter than the RFC: no heuristic freshness, no `Set-Cookie`, and requests with `Cookie` like those with `Authorization`.

mod cache_control;
mod conditional;
mod fields;
mod freshness;
mod invalidation;
mod passing;
mod stale;
mod storing;
mod vary;

pub(crate) use self::cache_control::{Directives, directives};
pub(crate) use self::conditional::{make_conditional, validators, without_conditions};
pub(crate) use self::fields::{confirms, stored_fields, updated};
pub(crate) use self::freshness::{Exchange, initial_age, lifetime};
pub(crate) use self::invalidation::{contradicts, is_unsafe, outdated};
pub(crate) use self::passing::passes;
pub(crate) use self::stale::{Occasion, forbids_stale, is_failure, may_serve_stale};
pub(crate) use self::storing::{Heads, may_store};
pub(crate) use self::vary::Variant;

/// What to do with a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Fresh,
    /// Now, while it is validated.
    StaleWhileRevalidate,
    Validate,
}

/// What may be done with a stored response of this `age` and `lifetime`. The caller's own wishes for newer ones count only if
/// `honour_reload`, because otherwise every caller could empty the cache (RFC 9111, section 5.2.1).
pub(crate) fn usable(
    stored: &Directives,
    asked: &Directives,
    honour_reload: bool,
    age: std::time::Duration,
    lifetime: std::time::Duration,
) -> Use {
    let reload = honour_reload && (asked.no_cache || asked.max_age.duration().is_some_and(|limit| age >= limit));
    if reload || stored.no_cache {
        return Use::Validate;
    }
    match age.checked_sub(lifetime) {
        None => Use::Fresh,
        Some(staleness) if may_serve_stale(stored, staleness, Occasion::Revalidating) => Use::StaleWhileRevalidate,
        Some(_) => Use::Validate,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use http::header::{CACHE_CONTROL, HeaderMap};

    use super::*;

    fn parsed(text: &'static str) -> Directives {
        directives(&HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(text))]))
    }

    #[test]
    fn a_stored_response_is_fresh_stale_or_validated() {
        for (stored, asked, honour_reload, age, expected) in [
            ("max-age=10", "", false, 9, Use::Fresh),
            ("max-age=10", "", false, 10, Use::Validate),
            ("max-age=10, no-cache", "", false, 1, Use::Validate),
            ("max-age=10, stale-while-revalidate=5", "", false, 9, Use::Fresh),
            ("max-age=10, stale-while-revalidate=5", "", false, 15, Use::StaleWhileRevalidate),
            ("max-age=10, stale-while-revalidate=5", "", false, 16, Use::Validate),
            ("max-age=10, stale-while-revalidate=5, no-cache", "", false, 12, Use::Validate),
            ("max-age=10, stale-if-error=5", "", false, 12, Use::Validate),
            ("max-age=10", "no-cache", false, 1, Use::Fresh),
            ("max-age=10", "no-cache", true, 1, Use::Validate),
            ("max-age=10", "max-age=0", false, 1, Use::Fresh),
            ("max-age=10", "max-age=0", true, 0, Use::Validate),
            ("max-age=10", "max-age=5", true, 4, Use::Fresh),
            ("max-age=10", "max-age=x", true, 4, Use::Validate),
            ("max-age=10", "no-store", true, 4, Use::Fresh),
        ] {
            let found = usable(
                &parsed(stored),
                &parsed(asked),
                honour_reload,
                Duration::from_secs(age),
                Duration::from_secs(10),
            );
            assert_eq!(found, expected, "{stored} {asked} {honour_reload} {age}");
        }
    }
}
