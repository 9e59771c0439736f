use ::http::StatusCode;
use serde::Serialize;

use crate::ingest::ChannelState;

use super::respond::{Answer, with_json, with_json_text};
use super::shared::Front;

/// Whether the gateway should be sent requests, and everything that is wrong.
#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    failing: Vec<Failing>,
}

/// A part that does not do its work.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Failing {
    part: String,
    /// For those who may use the admin API: it names keys of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Whether the gateway is ready only without it.
    required: bool,
}

impl Readiness {
    fn of(failing: Vec<Failing>) -> (StatusCode, Self) {
        let required = failing.iter().any(|part| part.required);
        let (status, word) =
            if required { (StatusCode::SERVICE_UNAVAILABLE, "failing") } else { (StatusCode::OK, "ok") };
        (status, Self { status: word, failing })
    }
}

/// The process serves: whoever reads this knows.
pub(super) fn live() -> Answer {
    with_json_text(StatusCode::OK, "{\"status\":\"ok\"}\n")
}

/// Whether the gateway should be sent requests; why not is for operators.
pub(super) fn ready(front: &Front, is_operator: bool) -> Answer {
    let (status, readiness) = Readiness::of(failing(front, is_operator));
    with_json(status, &readiness)
}

fn failing(front: &Front, is_operator: bool) -> Vec<Failing> {
    let mut failing = Vec::new();
    let mut fails = |part: String, detail: String, required: bool| {
        failing.push(Failing { part, detail: is_operator.then_some(detail), required });
    };
    if front.leaving.is_cancelled() {
        fails("gateway".to_owned(), "the gateway is shutting down".to_owned(), true);
    }
    if let Err(error) = front.services.log.health() {
        fails("eventlog".to_owned(), error.to_string(), true);
    }
    for channel in front.services.ingest.channels() {
        if channel.state == ChannelState::Waiting {
            fails(format!("channel:{}", channel.name), channel.detail.unwrap_or_default(), channel.required);
        }
    }
    for plugin in front.services.plugins.list() {
        if let Some(detail) = plugin.error {
            let name = plugin.name.unwrap_or(plugin.file);
            fails(format!("plugin:{name}"), detail, false);
        }
    }
    failing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_required_part_makes_the_gateway_unready() {
        let part = |required| Failing { part: "channel:github".to_owned(), detail: None, required };
        for (failing, status, word) in
            [(vec![], 200, "ok"), (vec![part(false)], 200, "ok"), (vec![part(false), part(true)], 503, "failing")]
        {
            let listed = failing.len();

            let (found, readiness) = Readiness::of(failing);

            assert_eq!((found.as_u16(), readiness.status), (status, word));
            assert_eq!(readiness.failing.len(), listed);
        }
    }
}
