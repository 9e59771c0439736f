//! `/admin/agents`

use ::http::StatusCode;
use serde::Serialize;

use crate::dispatch::AgentStatus;
use crate::http::answer::{Response, with_json};
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] =
    &[Route::get("/admin/agents", |request| Box::pin(async move { Ok(list(&request)) }))];

#[derive(Clone, Debug, Serialize)]
struct AgentList {
    /// By name.
    agents: Vec<AgentStatus>,
}

fn list(request: &RouteRequest<'_>) -> Response {
    with_json(StatusCode::OK, &AgentList { agents: request.shared.services.dispatch.agents() })
}
