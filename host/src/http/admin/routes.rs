//! `/admin/routes`

use ::http::StatusCode;
use serde::Serialize;

use crate::dispatch::RouteStatus;
use crate::http::answer::{Response, with_json};
use crate::http::route::{Route, RouteRequest};

pub(crate) const ROUTES: &[Route] =
    &[Route::get("/admin/routes", |request| Box::pin(async move { Ok(list(&request)) }))];

#[derive(Clone, Debug, Serialize)]
struct RouteList {
    /// In the order of the configuration.
    routes: Vec<RouteStatus>,
}

fn list(request: &RouteRequest<'_>) -> Response {
    with_json(StatusCode::OK, &RouteList { routes: request.shared.services.dispatch.routes() })
}
