//! `/admin/plugins`, and rollbacks.

use ::http::StatusCode;
use serde::Serialize;

use crate::http::answer::{Response, with_json};
use crate::http::problem::{HttpProblem, shortened};
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};
use crate::plugin::{PluginStatus, RollbackError};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/plugins", |request| Box::pin(async move { Ok(list(&request)) })),
    Route::post("/admin/plugins/{id}/rollback", |request| Box::pin(roll_back(request))),
];

#[derive(Clone, Debug, Serialize)]
struct PluginList {
    /// By file name.
    plugins: Vec<PluginStatus>,
}

fn list(request: &RouteRequest<'_>) -> Response {
    with_json(StatusCode::OK, &PluginList { plugins: request.shared.services.plugins.list() })
}

async fn roll_back(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let done = request.shared.services.plugins.roll_back(request.id).await.map_err(problem)?;
    Ok(with_json(StatusCode::OK, &done))
}

fn problem(error: RollbackError) -> HttpProblem {
    let text = error.to_string().replace("\nhint: ", "; ");
    match error {
        RollbackError::Unknown(name) => HttpProblem::not_found(
            "unknown_plugin",
            "Unknown plugin",
            format!("no plugin `{}` serves", shortened(&name)),
        ),
        RollbackError::NothingBefore(_) => HttpProblem::conflict("nothing_before", "Nothing before", text),
        RollbackError::Load(_) => HttpProblem::conflict("rollback_failed", "Rollback failed", text),
        RollbackError::Busy => {
            HttpProblem::unavailable("overloaded", "Overloaded", "too many rollbacks wait, try again later")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_of_a_rollback_has_its_status_and_code() {
        for (error, status, code) in [
            (RollbackError::Unknown("a".to_owned()), 404, "unknown_plugin"),
            (RollbackError::NothingBefore("a".parse().unwrap()), 409, "nothing_before"),
            (RollbackError::Busy, 503, "overloaded"),
        ] {
            let problem = problem(error);

            assert_eq!((problem.status.as_u16(), problem.code), (status, code));
        }
    }
}
