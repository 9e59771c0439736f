//! `/admin/reload`: reads the configuration again, and shows what became of that.

use ::http::StatusCode;

use crate::http::answer::{Response, with_json};
use crate::http::problem::HttpProblem;
use crate::http::refusal::Refusal;
use crate::http::reload::{Reload, ReloadOutcome};
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/reload", |request| Box::pin(async move { Ok(last(&request)) })),
    Route::post("/admin/reload", |request| Box::pin(reload(request))),
];

fn last(request: &RouteRequest<'_>) -> Response {
    with_json(StatusCode::OK, &request.shared.services.reload.last())
}

async fn reload(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    match request.shared.services.reload.ask().await {
        Some(Reload { outcome: ReloadOutcome::Refused, problem, .. }) => Err(refused(problem.unwrap_or_default())),
        Some(reload) => Ok(with_json(StatusCode::OK, &reload)),
        None => {
            Err(HttpProblem::unavailable("reload_busy", "Reload busy", "too many callers wait for a reload already")
                .into())
        }
    }
}

fn refused(problem: String) -> Refusal {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    HttpProblem::new(status, "configuration_refused", "Configuration refused", problem).into()
}
