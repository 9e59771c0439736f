//! What failed in an attempt, as one of a few classes.
//!
//! The host saw the request itself: the class comes from what it saw, and from the codes of the contract where the plugin knows
//! more. No text for people is read.

use serde::{Serialize, Serializer};

use crate::egress::EgressError;
use crate::plugin::{CallError, Exchange, Failure};

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The name of the agent has no address.
    Dns,
    /// No connection, or none in time.
    Connect,
    Tls,
    /// No answer in time.
    Timeout,
    /// 429: the agent asks for fewer requests.
    Throttled,
    /// Another status from 400 to 499.
    Refused,
    /// A status from 500 on.
    Faulty,
    /// The plugin trapped or exceeded a limit: the agent is not to blame.
    Plugin,
    /// Anything else: what the plugin said of an answer, invalid HTTP, a host that is not granted.
    Other,
}

impl FailureClass {
    pub const ALL: [Self; 9] = [
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Timeout,
        Self::Throttled,
        Self::Refused,
        Self::Faulty,
        Self::Plugin,
        Self::Other,
    ];

    /// As in JSON, in metrics and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Throttled => "429",
            Self::Refused => "4xx",
            Self::Faulty => "5xx",
            Self::Plugin => "plugin",
            Self::Other => "other",
        }
    }

    /// The class of what a plugin reported.
    pub(super) fn of_failure(failure: &Failure) -> Self {
        match failure.exchange.as_ref().and_then(Self::of_exchange) {
            Some(class) => class,
            // It asked nobody, or got an answer that it calls a failure.
            None => Self::of_code(&failure.code),
        }
    }

    /// The class of a call that brought no result.
    pub(super) fn of_call(error: &CallError) -> Self {
        match error {
            CallError::Limit { limit: "time", .. } => Self::Timeout,
            CallError::Limit { .. } | CallError::Trap(_) => Self::Plugin,
            CallError::Busy => Self::Other,
        }
    }

    pub(super) fn of_egress(error: &EgressError) -> Self {
        match error {
            EgressError::Dns { .. } => Self::Dns,
            EgressError::Connect(_) | EgressError::ConnectTimeout(_) => Self::Connect,
            EgressError::Tls(_) => Self::Tls,
            EgressError::Timeout(_) => Self::Timeout,
            EgressError::Denied(_) | EgressError::TooLarge(_) | EgressError::Protocol(_) => Self::Other,
        }
    }

    /// `None` for a 2xx, and for a status that says nothing of a failure.
    fn of_exchange(exchange: &Exchange) -> Option<Self> {
        match exchange {
            Ok(429) => Some(Self::Throttled),
            Ok(400..=499) => Some(Self::Refused),
            Ok(500..) => Some(Self::Faulty),
            Ok(_) => None,
            Err(error) => Some(Self::of_egress(error)),
        }
    }

    /// The codes of `agent` in `wit/plugin.wit` that name a cause.
    fn of_code(code: &str) -> Self {
        match code {
            "dns" => Self::Dns,
            "connect" => Self::Connect,
            "tls" => Self::Tls,
            "timeout" => Self::Timeout,
            "throttled" => Self::Throttled,
            _ => Self::Other,
        }
    }

    /// Whether nothing of the request has reached the agent.
    pub(super) const fn is_before_request(self) -> bool {
        matches!(self, Self::Dns | Self::Connect | Self::Tls)
    }
}

impl Serialize for FailureClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_class_is_what_the_host_saw_before_what_the_plugin_says() {
        let dns = EgressError::Dns { host: "agent.example".to_owned(), reason: "no such name".to_owned() };
        let text = || "connection refused, timeout, 503".to_owned();
        for (exchange, code, expected) in [
            (Some(Err(dns)), "status", "dns"),
            (Some(Err(EgressError::Connect(text()))), "busy", "connect"),
            (Some(Err(EgressError::ConnectTimeout(Duration::ZERO))), "timeout", "connect"),
            (Some(Err(EgressError::Tls(text()))), "", "tls"),
            (Some(Err(EgressError::Timeout(Duration::ZERO))), "", "timeout"),
            (Some(Err(EgressError::Denied(text()))), "denied", "other"),
            (Some(Err(EgressError::TooLarge(1))), "timeout", "other"),
            (Some(Err(EgressError::Protocol(text()))), "protocol", "other"),
            (Some(Ok(429)), "status", "429"),
            (Some(Ok(400)), "throttled", "4xx"),
            (Some(Ok(408)), "status", "4xx"),
            (Some(Ok(499)), "status", "4xx"),
            (Some(Ok(500)), "status", "5xx"),
            (Some(Ok(503)), "busy", "5xx"),
            (Some(Ok(302)), "status", "other"),
            // The agent said 200, and in its answer that it is overloaded.
            (Some(Ok(200)), "throttled", "429"),
            (Some(Ok(200)), "model_error", "other"),
            (None, "timeout", "timeout"),
            (None, "invalid", "other"),
        ] {
            let failure = Failure { retry: true, code: code.to_owned(), message: text(), after: None, exchange };
            assert_eq!(FailureClass::of_failure(&failure).name(), expected, "{failure:?}");
        }
    }

    #[test]
    fn a_call_without_a_result_is_the_fault_of_the_plugin_unless_it_waited_too_long() {
        let limit = |limit| CallError::Limit { limit, detail: String::new() };
        for (error, expected) in [
            (CallError::Trap("timeout".to_owned()), FailureClass::Plugin),
            (limit("cpu"), FailureClass::Plugin),
            (limit("memory"), FailureClass::Plugin),
            (limit("time"), FailureClass::Timeout),
            (CallError::Busy, FailureClass::Other),
        ] {
            assert_eq!(FailureClass::of_call(&error), expected, "{error:?}");
        }
    }

    #[test]
    fn the_classes_stand_in_the_order_of_their_numbers() {
        for (number, class) in FailureClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, number);
        }
    }
}
