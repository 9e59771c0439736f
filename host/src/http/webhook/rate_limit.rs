//! The rates at which webhooks are received.

use std::net::IpAddr;
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue};

use crate::caller::{AddressLimit, Addresses, Bucket, Rate, Standing};
use crate::http::metrics::{ByScope, HttpMetrics};
use crate::http::problem::whole_seconds;

const RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RATELIMIT_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// The rates that apply to all channels.
pub(crate) struct RateLimits {
    total: Option<Bucket>,
    addresses: Option<Addresses>,
}

/// The rate, of those that a request counts for, that leaves least.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RateStatus {
    tightest: Option<Standing>,
}

impl RateLimits {
    pub(crate) fn new(total: Option<Rate>, addresses: Option<AddressLimit>) -> Self {
        Self { total: total.map(Bucket::new), addresses: addresses.map(Addresses::new) }
    }

    /// Counts one request from `address`: for the address first, so that nobody else pays for one caller's excess.
    pub(crate) fn take(&self, address: IpAddr, channel: Option<&Bucket>, metrics: &HttpMetrics) -> RateStatus {
        let of_address = || {
            let (standing, displaced) = self.addresses.as_ref()?.take(address);
            if displaced {
                metrics.addresses_displaced.inc();
            }
            Some(standing)
        };
        let of_channel = || Some(channel?.take());
        let of_total = || Some(self.total.as_ref()?.take());
        let scopes: [(&str, &dyn Fn() -> Option<Standing>); 3] =
            [("address", &of_address), ("channel", &of_channel), ("total", &of_total)];
        let mut status = RateStatus::default();
        for (scope, take) in scopes {
            let Some(standing) = take() else { continue };
            if standing.is_exceeded() {
                metrics.rate_limited.get_or_create(&ByScope::new(scope)).inc();
                return RateStatus { tightest: Some(standing) };
            }
            if status.tightest.is_none_or(|tightest| standing.remaining < tightest.remaining) {
                status.tightest = Some(standing);
            }
        }
        status
    }
}

impl RateStatus {
    /// How long to wait, when a rate is exceeded.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.tightest.filter(Standing::is_exceeded).map(|standing| standing.wait)
    }

    /// Reports it to the caller (draft-ietf-httpapi-ratelimit-headers-03).
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let Some(Standing { limit, remaining, reset, .. }) = self.tightest else { return };
        headers.insert(RATELIMIT_LIMIT, limit.into());
        headers.insert(RATELIMIT_REMAINING, remaining.into());
        headers.insert(RATELIMIT_RESET, HeaderValue::from(whole_seconds(reset)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn the_tightest_rate_is_reported_and_an_exceeded_one_refuses() {
        let registry = Metrics::new();
        let metrics = HttpMetrics::register(&registry);
        let rates = RateLimits::new(Some(rate("5/s")), Some(AddressLimit { rate: rate("2/s"), addresses: 64 }));
        let channel = Bucket::new(rate("3/s"));
        let take = |address: &str| {
            let status = rates.take(address.parse().unwrap(), Some(&channel), &metrics);
            let mut headers = HeaderMap::new();
            status.write(&mut headers);
            let number = |name: HeaderName| headers[name].to_str().unwrap().parse::<u32>().unwrap();
            (number(RATELIMIT_LIMIT), number(RATELIMIT_REMAINING), status.wait().is_some())
        };

        assert_eq!(take("192.0.2.1"), (2, 1, false));
        assert_eq!(take("192.0.2.1"), (2, 0, false));
        assert_eq!(take("192.0.2.1"), (2, 0, true));
        assert_eq!(take("192.0.2.2"), (3, 0, false), "what an address exceeds counts nowhere else");
        assert_eq!(take("192.0.2.2"), (3, 0, true));
        let text = registry.encode();
        for scope in ["address", "channel"] {
            let line = format!("gateway_rate_limited_total{{scope=\"{scope}\"}} 1");
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn without_limits_nothing_is_reported() {
        let status = RateLimits::new(None, None).take(
            IpAddr::from([192, 0, 2, 1]),
            None,
            &HttpMetrics::register(&Metrics::new()),
        );
        let mut headers = HeaderMap::new();
        status.write(&mut headers);
        assert!(headers.is_empty() && status.wait().is_none());
    }
}
