//! `POST /tickets`: a secret for one connection.

use ::http::StatusCode;
use serde::Serialize;

use super::access::{check_origin, count, identify};
use crate::http::answer::{Response, protect, with_json};
use crate::http::refusal::Refusal;
use crate::http::route::{Audience, Route, RouteRequest};
use crate::subscribe::Subscriptions;

pub(crate) const ROUTES: &[Route] =
    &[Route::post("/tickets", |request| Box::pin(create(request))).audience(Audience::Everybody)];

#[derive(Serialize)]
struct Ticket {
    ticket: String,
    /// Seconds.
    expires_in: u64,
}

async fn create(request: RouteRequest<'_>) -> Result<Response, Refusal> {
    let RouteRequest { shared, context, .. } = request;
    check_origin(&shared.services.subscriptions.settings(), context)?;
    let grant = identify(shared, context).await?;
    count(shared, context, Some(&grant.subscriber))?;
    let ticket = shared.services.subscriptions.ticket(grant)?;
    let expires_in = Subscriptions::TICKET_LIFETIME.as_secs();
    let mut response = with_json(StatusCode::CREATED, &Ticket { ticket, expires_in });
    protect(response.headers_mut());
    Ok(response)
}
