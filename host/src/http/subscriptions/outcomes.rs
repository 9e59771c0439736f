//! `POST /incidents/{id}/outcome`: what an agent says of an incident, with the key of one of its callers.

use std::sync::Arc;

use ::http::StatusCode;

use super::access::with_bearer;
use crate::alert::IncidentId;
use crate::caller::{self, Caller};
use crate::event::AgentName;
use crate::http::admin::consumers::read;
use crate::http::admin::incidents::{Said, answer, unknown_incident};
use crate::http::admin::query::no_parameters;
use crate::http::answer::Response;
use crate::http::problem::{Hint, HttpProblem};
use crate::http::refusal::Refusal;
use crate::http::route::{Audience, Route, RouteRequest};

pub(crate) const ROUTES: &[Route] =
    &[Route::post("/incidents/{id}/outcome", |request| Box::pin(say(request))).audience(Audience::Everybody)];

async fn say(mut request: RouteRequest<'_>) -> Result<Response, Refusal> {
    no_parameters(request.query())?;
    let agent = agent(&request).await?;
    let _place = request.context.live.admission.enter().await?;
    let Said { outcome, note } = read(&mut request).await?;
    let id: IncidentId = request.id.parse().map_err(|_| unknown_incident(request.id))?;
    request.shared.services.alerts.hear(id, outcome, agent.to_string(), note).await?;
    tracing::info!(incident = %id, %agent, outcome = outcome.as_str(), "Outcome of an incident said");
    answer(&request, StatusCode::OK, id).await
}

/// The agent that the caller speaks for.
async fn agent(request: &RouteRequest<'_>) -> Result<AgentName, Refusal> {
    let RouteRequest { shared, context, .. } = request;
    let services = &shared.services;
    let headers = with_bearer(&context.head.headers);
    let certificate = context.peer.certificate.as_deref();
    let knows = async |callers: &[Arc<Caller>]| {
        let known = caller::identify(callers, &headers, certificate, &services.key_sets).await;
        known.is_ok_and(|known| known.is_some())
    };
    for (agent, callers) in services.dispatch.callers() {
        if knows(&callers).await {
            return Ok(agent);
        }
    }
    super::access::count(shared, context, None)?;
    let subscriptions = services.subscriptions.settings();
    let subscribers = subscriptions.subscribers.values().flat_map(|subscriber| subscriber.callers.iter().cloned());
    let emitters = services.ingest.emitters().into_iter().flat_map(|channel| channel.access().callers.clone());
    if knows(&subscribers.chain(emitters).collect::<Vec<_>>()).await {
        return Err(Refusal::Forbidden("the caller speaks for no agent"));
    }
    let detail = "expected the key of a caller of an agent, as `authorization: Bearer`, `api-key` or `x-api-key`";
    let problem = HttpProblem::new(StatusCode::UNAUTHORIZED, "unknown_caller", "Unknown caller", detail);
    Err(problem.hint(Hint::Authenticate).into())
}
