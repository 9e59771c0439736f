//! `/admin/plugins`

use ::http::StatusCode;
use serde::Serialize;

use crate::http::answer::{Response, with_json};
use crate::http::route::{Route, RouteRequest};
use crate::plugin::PluginStatus;

pub(crate) const ROUTES: &[Route] =
    &[Route::get("/admin/plugins", |request| Box::pin(async move { Ok(list(&request)) }))];

#[derive(Clone, Debug, Serialize)]
struct PluginList {
    /// By file name.
    plugins: Vec<PluginStatus>,
}

fn list(request: &RouteRequest<'_>) -> Response {
    with_json(StatusCode::OK, &PluginList { plugins: request.shared.services.plugins.list() })
}
