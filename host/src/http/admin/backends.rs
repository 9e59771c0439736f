//! `/admin/backends`: where requests to sites go, and which of it is up.

use ::http::StatusCode;
use serde::Serialize;

use crate::http::answer::{Response, with_json};
use crate::http::route::{Route, RouteRequest};
use crate::web::BackendStatus;

pub(crate) const ROUTES: &[Route] =
    &[Route::get("/admin/backends", |request| Box::pin(async move { Ok(list(&request)) }))];

#[derive(Clone, Debug, Serialize)]
struct BackendList {
    /// By name.
    backends: Vec<BackendStatus>,
}

fn list(request: &RouteRequest<'_>) -> Response {
    with_json(StatusCode::OK, &BackendList { backends: request.shared.services.web.backends() })
}
