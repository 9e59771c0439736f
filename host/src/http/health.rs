//! Whether the gateway lives, and whether it should be sent requests.

use ::http::StatusCode;
use serde::Serialize;

use super::admin::access;
use super::answer::{Response, with_json, with_json_text};
use super::route::{Audience, Route, RouteRequest};
use super::shared::Shared;
use crate::ingest::ChannelState;

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/health", |_| Box::pin(async { Ok(live()) })).audience(Audience::Everybody),
    Route::get("/health/live", |_| Box::pin(async { Ok(live()) })).audience(Audience::Everybody),
    Route::get("/health/ready", |request| Box::pin(async move { Ok(ready(&request)) })).audience(Audience::Everybody),
];

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    failing: Vec<FailingPart>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct FailingPart {
    part: String,
    /// For operators only: it names keys of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Whether the gateway is unready because of it.
    required: bool,
}

impl Readiness {
    fn of(failing: Vec<FailingPart>) -> (StatusCode, Self) {
        let required = failing.iter().any(|part| part.required);
        let (status, word) =
            if required { (StatusCode::SERVICE_UNAVAILABLE, "failing") } else { (StatusCode::OK, "ok") };
        (status, Self { status: word, failing })
    }
}

/// That it answers at all is the answer.
fn live() -> Response {
    with_json_text(StatusCode::OK, "{\"status\":\"ok\"}\n")
}

fn ready(request: &RouteRequest<'_>) -> Response {
    let RouteRequest { shared, context, .. } = request;
    let is_operator = access::check(context.live.settings.admin.token.as_ref(), &context.peer, &context.head).is_ok();
    let (status, readiness) = Readiness::of(failing(shared, is_operator));
    with_json(status, &readiness)
}

fn failing(shared: &Shared, is_operator: bool) -> Vec<FailingPart> {
    let mut failing = Vec::new();
    let mut fails = |part: String, detail: String, required: bool| {
        failing.push(FailingPart { part, detail: is_operator.then_some(detail), required });
    };
    if shared.leaving.is_cancelled() {
        fails("gateway".to_owned(), "the gateway is shutting down".to_owned(), true);
    }
    if let Err(error) = shared.services.log.health() {
        fails("eventlog".to_owned(), error.to_string(), true);
    }
    if let Some(problem) = shared.services.reload.last().problem {
        fails("configuration".to_owned(), format!("the last good one is in force: {problem}"), false);
    }
    if let Some(problem) = shared.services.alerts.problem() {
        fails("alerts".to_owned(), format!("alerts are not processed any more: {problem}"), false);
    }
    for channel in shared.services.ingest.channels() {
        if channel.state == ChannelState::Waiting {
            fails(format!("channel:{}", channel.name), channel.detail.unwrap_or_default(), channel.required);
        }
    }
    for plugin in shared.services.plugins.list() {
        if let Some(detail) = plugin.error {
            let name = plugin.name.unwrap_or(plugin.file);
            fails(format!("plugin:{name}"), detail, false);
        }
    }
    for schema in shared.services.catalog.schemas().statuses() {
        if let Some(problem) = schema.problem {
            let detail = format!("{}: {problem}; the last good version is in force", schema.file);
            fails(format!("schema:{}", schema.kinds.join(",")), detail, false);
        }
    }
    failing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_required_part_makes_the_gateway_unready() {
        let part = |required| FailingPart { part: "channel:github".to_owned(), detail: None, required };
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
