//! The methods of MCP Events (SEP-3415).

use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use ::http::header::{ACCEPT, HeaderMap};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::arguments::{Wanted, text};
use super::discovery::meta;
use super::failure::Failure;
use super::message::Call;
use super::type_catalog::{EventType, TypeCatalog};
use crate::eventlog::Cursor;
use crate::http::answer::Response;
use crate::http::problem::HttpProblem;
use crate::http::refusal::Refusal;
use crate::http::shared::{RequestContext, Shared};
use crate::http::subscriptions::access::count;
use crate::http::subscriptions::events::PAGE_BYTES;
use crate::http::subscriptions::{sse, stream};
use crate::subscribe::{
    Asked, Form, Grant, McpError, McpSubscription, OnGap, PageLimits, ReadEvents, named_occurrence,
};

/// Types of a page.
const TYPES: usize = 200;

/// The result of `events/poll`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Polled {
    result_type: &'static str,
    events: Vec<Box<RawValue>>,
    cursor: Cursor,
    /// Whether there may have been events that are not there.
    truncated: bool,
    has_more: bool,
    next_poll_ms: u64,
    #[serde(rename = "_meta")]
    meta: Value,
}

/// The types of which the subscriber may read events.
pub(super) fn list(shared: &Shared, grant: &Grant, call: &Call) -> Result<Value, McpError> {
    // The name of the last type before: what is added or gone in between does not matter.
    let after = text(call.params.get("cursor"), "cursor")?;
    let types = TypeCatalog::of(shared);
    let kinds = EventType::of_catalog(&shared.services.catalog);
    let (page, more) = types.page(kinds, &grant.filter, after.as_deref(), TYPES);
    let events: Vec<_> = page.iter().map(EventType::described).collect();
    let mut result = json!({"resultType": "complete", "events": events, "_meta": meta()});
    if more && let Some(EventType { name, .. }) = page.last() {
        result["nextCursor"] = json!(name);
    }
    Ok(result)
}

/// A page of events after a cursor.
pub(super) async fn poll(shared: &Shared, grant: Grant, call: &Call) -> Result<Polled, Failure> {
    let wanted = Wanted::read(&call.params, &grant.filter, &TypeCatalog::of(shared))?;
    let subscriptions = &shared.services.subscriptions;
    let settings = subscriptions.settings();
    let page = if wanted.cursor.is_some() {
        let limits = PageLimits { events: wanted.max_events, bytes: PAGE_BYTES, payload: settings.limits.max_payload };
        let (since, grant) = (wanted.since(), Grant { filter: wanted.filter, ..grant });
        subscriptions.read(grant, since, Form::Mcp, limits, Duration::ZERO).await?
    } else {
        // Nothing before now, and a place to go on from.
        ReadEvents { events: Vec::new(), cursor: subscriptions.head(), more: false, gap: None }
    };
    Ok(Polled {
        result_type: "complete",
        events: page.events.iter().map(|event| named_occurrence(&wanted.name, event)).collect(),
        cursor: page.cursor,
        truncated: page.gap.is_some(),
        has_more: page.more,
        next_poll_ms: u64::try_from(settings.mcp.poll.as_millis()).unwrap_or(u64::MAX),
        meta: meta(),
    })
}

/// A stream of events after a cursor, and of those that come.
pub(super) async fn stream(
    shared: &Arc<Shared>,
    context: &RequestContext,
    grant: Grant,
    call: Call,
) -> Result<Response, Failure> {
    let wanted = Wanted::read(&call.params, &grant.filter, &TypeCatalog::of(shared))?;
    accepts_stream(&context.head.headers)?;
    stream::check_leaving(shared)?;
    count(shared, context, Some(&grant.subscriber))?;
    let asked = Asked {
        patterns: Default::default(),
        since: Some(wanted.since()),
        grant: Grant { filter: wanted.filter, ..grant },
        consumer: None,
        on_gap: OnGap::Continue,
        form: Form::Mcp,
        transport: "mcp",
        remote: context.client,
    };
    let session = shared.services.subscriptions.open(asked).await?;
    let subscription = McpSubscription { id: call.id, name: wanted.name };
    Ok(sse::notifications(session, subscription, &context.head))
}

/// A client that names what it takes must take streams (2026-07-28, "Sending Messages").
fn accepts_stream(headers: &HeaderMap) -> Result<(), Refusal> {
    let takes = |range: &str| [stream::EVENT_STREAM, "text/*", "*/*"].contains(&range);
    if !headers.contains_key(ACCEPT) || stream::accepted(headers).any(|range| takes(&range)) {
        return Ok(());
    }
    let detail = "expected `accept: application/json, text/event-stream`";
    Err(HttpProblem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", "Not acceptable", detail).into())
}
