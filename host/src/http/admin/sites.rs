//! `/admin/sites`: what is served at the address of sites.

use ::http::StatusCode;
use serde::Serialize;

use crate::http::answer::{Response, with_json};
use crate::http::route::{Route, RouteRequest};
use crate::web::SiteStatus;

pub(crate) const ROUTES: &[Route] =
    &[Route::get("/admin/sites", |request| Box::pin(async move { Ok(list(&request)) }))];

#[derive(Clone, Debug, Serialize)]
struct SiteList {
    /// In the order of the configuration.
    sites: Vec<SiteStatus>,
}

fn list(request: &RouteRequest<'_>) -> Response {
    with_json(StatusCode::OK, &SiteList { sites: request.shared.services.web.sites() })
}
