//! `/admin/types`: which kinds of events there are, with their schemas; `/admin/schemas/{id}`: the text of a version.

use ::http::{HeaderValue, StatusCode};
use bytes::Bytes;
use serde::Serialize;

use super::read::blocking;
use crate::catalog::KindStatus;
use crate::http::answer::{Response, with_body, with_json};
use crate::http::problem::{HttpProblem, shortened};
use crate::http::refusal::Refusal;
use crate::http::route::{Route, RouteRequest};
use crate::schema::SchemaStatus;

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/types", |request| Box::pin(async move { Ok(list(&request)) })),
    Route::get("/admin/schemas/{id}", |request| Box::pin(version(request))),
];

/// The media type of a schema (JSON Schema draft 2020-12, core, section 14).
const SCHEMA_JSON: HeaderValue = HeaderValue::from_static("application/schema+json");

#[derive(Serialize)]
struct TypeList {
    /// By name.
    types: Vec<KindStatus>,
    /// Events of kinds that are not counted apart, because there are too many.
    other_events: u64,
    /// In the order of the configuration.
    schemas: Vec<SchemaStatus>,
}

fn list(request: &RouteRequest<'_>) -> Response {
    let catalog = &request.shared.services.catalog;
    let list = TypeList {
        types: catalog.kinds(),
        other_events: catalog.other_events(),
        schemas: catalog.schemas().statuses(),
    };
    with_json(StatusCode::OK, &list)
}

/// The text of the version that the path names.
pub(crate) async fn version(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let (version, schemas) = (request.id.to_owned(), request.shared.services.catalog.schemas().clone());
    let text = blocking(request.shared, move |_| schemas.version(&version)).await?;
    let unknown = || {
        let detail = format!("there is no version `{}` of a schema", shortened(request.id));
        HttpProblem::not_found("unknown_schema", "Unknown schema", detail)
    };
    let text = text.ok_or_else(unknown)?;
    Ok(with_body(StatusCode::OK, SCHEMA_JSON, Bytes::copy_from_slice(text.as_bytes())))
}
