//! The endpoint of the Model Context Protocol: MCP Events, as one more way to subscribe.
//!
//! It speaks the revision 2026-07-28 over Streamable HTTP, which knows no sessions and no handshake, and of it `server/discover` and
//! the extension `io.modelcontextprotocol/events` (SEP-3415, Final; the extension is in beta) with polls and streams. Deliberately
//! absent: webhooks to addresses that a client chooses, tools, and older revisions, for which the extension is not defined.

mod arguments;
mod discovery;
mod events;
mod failure;
mod message;
mod type_catalog;

use std::sync::Arc;

use ::http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE};
use ::http::{HeaderValue, Method, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::Value;

use self::discovery::discover;
use self::failure::Failure;
use self::message::{Call, Message};
use super::access::{check_origin, identify};
use super::sse::with_origin;
use crate::http::answer::{Response, with_json};
use crate::http::payload::Payload;
use crate::http::refusal::Refusal;
use crate::http::shared::{RequestContext, Shared};
use crate::http::webhook::body::{self, BodyLimits};
use crate::subscribe::{Grant, McpError};

/// How long a browser may keep what it is told of other origins.
const PREFLIGHT: HeaderValue = HeaderValue::from_static("600");

/// What a request has in its headers (2026-07-28, "Request Metadata"), and where it has a key.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, api-key, x-api-key, content-type, mcp-protocol-version, mcp-method, mcp-name",
);

/// Answers a request to the endpoint.
///
/// # Errors
/// Of everything before the message is read; what follows is an error of JSON-RPC.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    context: &RequestContext,
    body: &mut Incoming,
) -> Result<Response, Refusal> {
    let origin = check_origin(&shared.services.subscriptions.settings(), context)?;
    let response = match (&context.head.method, origin) {
        (&Method::POST, _) => called(shared, context, body).await,
        (&Method::OPTIONS, Some(_)) => Ok(preflight()),
        // The streams that older revisions open with GET are gone (2026-07-28, "Earlier Streamable HTTP Revisions").
        _ => Err(Refusal::Method(vec![Method::POST])),
    };
    // A page must be able to read why it is refused.
    Ok(with_origin(response.unwrap_or_else(|refusal| shared.refuse(context.id, &refusal)), origin))
}

/// What a browser asks before it sends a request of another origin.
fn preflight() -> Response {
    let mut response = Response::new(Payload::whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT);
    response
}

async fn called(shared: &Arc<Shared>, context: &RequestContext, body: &mut Incoming) -> Result<Response, Refusal> {
    let grant = identify(shared, context).await?;
    let max = shared.services.subscriptions.settings().limits.max_message;
    let limits = BodyLimits { max, time: context.live.settings.body_timeout };
    let message = match body::read(body, limits, &context.live.body_budget).await {
        Ok((body, _share)) => Message::read(&body),
        Err(refusal) => return Ok(Failure::from(refusal).response(shared, context, None)),
    };
    let call = match message {
        Ok(Message::Call(call)) => call,
        // None means anything here: a stream is cancelled by closing it.
        Ok(Message::Notification) => return Ok(accepted()),
        Err(malformed) => return Ok(Failure::from(malformed.error).response(shared, context, malformed.id.as_ref())),
    };
    let id = call.id.clone();
    let answered = match call.check(&context.head.headers) {
        Ok(()) => serve(shared, context, grant, call).await,
        Err(error) => Err(error.into()),
    };
    Ok(answered.unwrap_or_else(|failure| failure.response(shared, context, Some(&id))))
}

/// Serves a call that is as it should be.
async fn serve(shared: &Arc<Shared>, context: &RequestContext, grant: Grant, call: Call) -> Result<Response, Failure> {
    match call.method.as_str() {
        "server/discover" => Ok(reply(&call, &discover())),
        "events/list" => Ok(reply(&call, &events::list(shared, &grant, &call)?)),
        "events/poll" => Ok(reply(&call, &events::poll(shared, grant, &call).await?)),
        "events/stream" => events::stream(shared, context, grant, call).await,
        // To an address that a client chooses the gateway would send whatever somebody wants to be sent there.
        "events/subscribe" | "events/unsubscribe" => Err(McpError::no_delivery("webhook").into()),
        _ => Err(McpError::new(McpError::METHOD_NOT_FOUND, "Method not found").into()),
    }
}

fn reply(call: &Call, result: &impl Serialize) -> Response {
    #[derive(Serialize)]
    struct Reply<'a, T> {
        jsonrpc: &'static str,
        id: &'a Value,
        result: &'a T,
    }
    with_json(StatusCode::OK, &Reply { jsonrpc: "2.0", id: &call.id, result })
}

fn accepted() -> Response {
    let mut response = Response::new(Payload::whole(Bytes::new()));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
