//! `GET /types`: the kinds of events that a subscriber may read; `GET /schemas/{id}`: the text of a version of a schema.

use ::http::StatusCode;
use serde::Serialize;

use super::access::identify;
use crate::catalog::KindStatus;
use crate::event::{ChannelName, Timestamp};
use crate::http::admin::kinds;
use crate::http::answer::{Response, with_json};
use crate::http::refusal::Refusal;
use crate::http::route::{Audience, Route, RouteRequest};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/types", |request| Box::pin(list(request))).audience(Audience::Everybody),
    Route::get("/schemas/{id}", |request| Box::pin(schema(request))).audience(Audience::Everybody),
];

#[derive(Serialize)]
struct TypeList {
    /// By name.
    types: Vec<TypeRow>,
}

#[derive(Serialize)]
struct TypeRow {
    #[serde(rename = "type")]
    kind: String,
    channel: ChannelName,
    events: u64,
    last_event_at: Option<Timestamp>,
    /// Where the schema is that is in force.
    dataschema: Option<String>,
}

async fn list(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let grant = identify(request.shared, request.context).await?;
    let prefix = request.shared.services.subscriptions.settings().prefix.clone();
    let row = |status: KindStatus| {
        let KindStatus { kind, channel, events, last_event_at, schema, .. } = status;
        let dataschema = schema.map(|schema| format!("{prefix}/schemas/{}", schema.version));
        TypeRow { kind, channel, events, last_event_at, dataschema }
    };
    let kinds = request.shared.services.catalog.kinds().into_iter();
    let types = kinds.filter(|status| grant.filter.matches_kind(&status.channel, &status.kind)).map(row).collect();
    Ok(with_json(StatusCode::OK, &TypeList { types }))
}

/// The version says which: nobody knows it who has read no event and no list that names it.
async fn schema(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    identify(request.shared, request.context).await?;
    kinds::version(request).await
}
