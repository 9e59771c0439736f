//! Subscriptions over HTTP: streams of events, pages of them, and consumers, below one prefix; and the endpoint for MCP. Below the
//! same prefix services emit events, and agents say what became of incidents.

pub(crate) mod access;
mod alias;
mod consumers;
mod emit;
mod events;
mod kinds;
mod mcp;
mod outcomes;
pub(crate) mod parameters;
pub(crate) mod problems;
mod sse;
pub(crate) mod stream;
mod tickets;
mod websocket;

use std::sync::Arc;

use hyper::body::Incoming;

pub(crate) use self::alias::stats;

use super::answer::Response;
use super::authority::is_addressed_to;
use super::refusal::Refusal;
use super::route::{self, Route, RouteRequest};
use super::shared::{RequestContext, Shared};
use super::surface::Surface;

/// What follows the prefix.
pub(crate) const TABLE: &[&[Route]] = &[
    stream::ROUTES,
    events::ROUTES,
    emit::ROUTES,
    outcomes::ROUTES,
    consumers::ROUTES,
    tickets::ROUTES,
    kinds::ROUTES,
];

/// Answers a request below the prefix, at an alias or at the endpoint for MCP; `None` if the path is none of them, or nobody may
/// subscribe, emit or speak for an agent.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    context: &RequestContext,
    body: &mut Incoming,
) -> Option<Result<Response, Refusal>> {
    let services = &shared.services;
    let settings = services.subscriptions.settings();
    if !settings.is_on() && !services.ingest.has_emitters() && !services.dispatch.has_callers() {
        return None;
    }
    let path = context.head.uri.path();
    let is_here = is_addressed_to(&context.live.settings.hosts, &context.head);
    if let Some(alias) = settings.aliases.iter().find(|alias| alias.path == path) {
        return Some(if is_here { stream::open(shared, context, alias.form).await } else { Err(Refusal::Misdirected) });
    }
    if settings.is_on() && settings.mcp.path == path {
        return Some(if is_here { mcp::answer(shared, context, body).await } else { Err(Refusal::Misdirected) });
    }
    let rest = path.strip_prefix(settings.prefix.as_str()).filter(|rest| rest.starts_with('/'))?;
    let table = TABLE.iter().copied().flatten();
    let Some(found) = route::find(table, Surface::Public, &context.head.method, rest) else {
        let is_stats = settings.aliases.iter().any(|alias| alias.stats.as_deref() == Some(path));
        return (!is_stats).then_some(Err(Refusal::NotFound));
    };
    if !is_here {
        return Some(Err(Refusal::Misdirected));
    }
    if let Some(methods) = found.other_methods {
        return Some(Err(Refusal::Method(methods)));
    }
    let request = RouteRequest { shared, context, id: found.id, body };
    Some(found.route.answer(request).await)
}
