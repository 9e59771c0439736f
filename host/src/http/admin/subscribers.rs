//! `/admin/subscribers`: who is connected, and the same stream of events for an operator.

use ::http::StatusCode;
use serde::Serialize;

use crate::http::answer::{Response, with_json};
use crate::http::route::{Route, RouteRequest};
use crate::http::subscriptions::stream;
use crate::subscribe::{ConnectionStatus, Totals};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/subscribers", |request| Box::pin(async move { Ok(list(&request)) })),
    Route::get("/admin/subscribe", |request| {
        Box::pin(async move { stream::open_for_operator(request.shared, request.context).await })
    })
    .with_query(),
];

#[derive(Clone, Debug, Serialize)]
struct SubscriberList {
    active: usize,
    #[serde(flatten)]
    totals: Totals,
    /// Oldest first.
    connections: Vec<ConnectionStatus>,
}

fn list(request: &RouteRequest<'_>) -> Response {
    let subscriptions = &request.shared.services.subscriptions;
    let (connections, totals) = (subscriptions.connections(), subscriptions.totals());
    with_json(StatusCode::OK, &SubscriberList { active: connections.len(), totals, connections })
}
