//! `/admin/agents`

use ::http::StatusCode;
use serde::Serialize;

use super::query::{BadParameter, each};
use super::replays::{BY, by};
use crate::dispatch::AgentStatus;
use crate::event::AgentName;
use crate::http::answer::{Response, with_json};
use crate::http::problem::{HttpProblem, shortened};
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/agents", |request| Box::pin(async move { Ok(list(&request)) })),
    Route::post("/admin/agents/{id}/retry", |request| Box::pin(change(request, Change::Retry))).with_query(),
    Route::post("/admin/agents/{id}/pause", |request| Box::pin(change(request, Change::Pause))).with_query(),
    Route::post("/admin/agents/{id}/resume", |request| Box::pin(change(request, Change::Resume))).with_query(),
];

#[derive(Clone, Debug, Serialize)]
struct AgentList {
    /// By name.
    agents: Vec<AgentStatus>,
}

/// What an operator does to an agent.
#[derive(Clone, Copy, Debug)]
enum Change {
    Retry,
    Pause,
    Resume,
}

/// `POST /admin/agents/{id}/pause` and its neighbours.
#[derive(Clone, Debug, Serialize)]
struct Changed {
    agent: AgentStatus,
    /// Whether it was paused before.
    was_paused: bool,
    /// Open deliveries to the agent; `None` if they could not be counted in time.
    open: Option<u64>,
}

fn list(request: &RouteRequest<'_>) -> Response {
    with_json(StatusCode::OK, &AgentList { agents: request.shared.services.dispatch.agents() })
}

async fn change(request: RouteRequest<'_>, change: Change) -> Result<Response, Refusal> {
    let who = parse(request.query())?;
    let unknown = || unknown_agent(request.id);
    let name: AgentName = request.id.parse().map_err(|_| unknown())?;
    let services = &request.shared.services;
    let (dispatch, log) = (&services.dispatch, &services.log);
    let was_paused = dispatch.agent(&name).ok_or_else(unknown)?.paused.is_some();
    match change {
        Change::Retry => dispatch.retry(&name, &who),
        Change::Pause => drop(dispatch.pause(log, &name, &who).await?),
        Change::Resume => dispatch.resume(log, &name, &who).await?,
    }
    let agent = dispatch.agent(&name).ok_or_else(unknown)?;
    let open = services.replays.open_to(&name).await.ok();
    Ok(with_json(StatusCode::OK, &Changed { agent, was_paused, open }))
}

/// Reads `by`.
fn parse(query: &str) -> Result<String, BadParameter> {
    let mut who = BY.to_owned();
    each(query, |parameter| {
        match &*parameter.name {
            "by" => who = by(parameter)?,
            _ => return Err(parameter.bad("`by`")),
        }
        Ok(())
    })?;
    Ok(who)
}

fn unknown_agent(id: &str) -> HttpProblem {
    HttpProblem::not_found("unknown_agent", "Unknown agent", format!("there is no agent `{}`", shortened(id)))
}
