//! Webhook requests: who may send one, how it is read, and its response. `ingest` does the rest.

mod accepted;
pub(crate) mod admission;
pub(crate) mod body;
pub(crate) mod failures;
mod handshake;
pub(crate) mod metrics;
mod plugin_response;
pub(crate) mod rate_limit;
mod sync_mode;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use hyper::body::Incoming;

use self::accepted::accepted;
use self::body::BodyLimits;
use self::handshake::handshake;
use self::plugin_response::plugin_response;
use self::rate_limit::RateStatus;
use self::sync_mode::agent_answer;
use super::access_log::WebhookEntry;
use super::answer::Response;
use super::authority::is_addressed_to;
use super::problem::HttpProblem;
use super::refusal::Refusal;
use super::shared::{RequestContext, Shared};
use crate::caller;
use crate::event::Timestamp;
use crate::ingest::{Mount, Outcome, WebhookRequest};

/// Where channels are mounted unless their paths say otherwise.
pub(crate) const WEBHOOKS: &str = "/webhooks/";

/// Answers a request to a channel and counts it.
pub(crate) async fn answer(shared: &Arc<Shared>, context: RequestContext, body: &mut Incoming) -> Response {
    let RequestContext { id, started, client, .. } = context;
    let live = Arc::clone(&context.live);
    let path = context.head.uri.path();
    let mount = shared.services.ingest.mount(path);
    let metrics = mount.as_ref().map(|mount| shared.webhook_metrics.of(mount.channel.name()));
    let metrics = metrics.as_deref().unwrap_or_else(|| shared.webhook_metrics.unmatched());
    let bucket = mount.as_ref().and_then(|mount| mount.channel.bucket());
    // The path of the channel alone is logged: some providers can carry a secret nowhere but below it.
    let logged = mount.as_ref().filter(|_| shared.logs_access());
    let logged = logged.map(|mount| path.strip_suffix(&*mount.rest).unwrap_or(path).to_owned());
    let mut rate = RateStatus::default();
    let mut caller = None;
    let result = match &mount {
        _ if !is_addressed_to(&live.settings.hosts, &context.head) => Err(Refusal::Misdirected),
        Some(mount) if !admits_address(mount, client) => Err(Refusal::Address),
        mount => {
            rate = live.rate_limits.take(client, bucket, &shared.metrics);
            match (rate.wait(), mount) {
                (Some(wait), mount) => Err(rate_limited(shared, mount.as_ref(), wait)),
                (None, None) if path.starts_with(WEBHOOKS) => Err(Refusal::UnknownChannel),
                (None, None) => Err(Refusal::NotFound),
                (None, Some(mount)) => receive(shared, mount, context, body, &mut caller).await,
            }
        }
    };
    let mut response = result.unwrap_or_else(|refusal| {
        let problem = HttpProblem::from(&refusal);
        metrics.failures.note(&problem);
        shared.refuse_with(id, &refusal, &problem)
    });
    metrics.count(response.status(), started);
    rate.write(response.headers_mut());
    if let (Some(mount), Some(path)) = (mount, logged) {
        let channel = mount.channel.name().clone();
        response.extensions_mut().insert(WebhookEntry { path, channel, caller });
    }
    response
}

fn admits_address(mount: &Mount, client: IpAddr) -> bool {
    mount.channel.access().from.as_ref().is_none_or(|from| from.contains(client))
}

fn rate_limited(shared: &Shared, mount: Option<&Mount>, wait: Duration) -> Refusal {
    let status = match mount.map(|mount| shared.services.ingest.open(mount)) {
        Some(Ok(channel)) => channel.overload_status(),
        // A channel that waits cannot say what its sender understands; 503 is what it would be answered anyway.
        Some(Err(_)) => StatusCode::SERVICE_UNAVAILABLE,
        None => StatusCode::TOO_MANY_REQUESTS,
    };
    Refusal::RateLimited { wait, status }
}

/// Reads the request and has `ingest` store its events. `caller` is set as soon as it is known.
async fn receive(
    shared: &Arc<Shared>,
    mount: &Mount,
    context: RequestContext,
    body: &mut Incoming,
    caller: &mut Option<String>,
) -> Result<Response, Refusal> {
    let RequestContext { id, head, peer, live, .. } = context;
    let received_at = Timestamp::now();
    let services = &shared.services;
    services.ingest.admits()?;
    let place = live.admission.enter().await?;
    let channel = services.ingest.open(mount)?;
    if let Some(response) = handshake(&channel, &head) {
        return Ok(response);
    }
    let callers = &mount.channel.access().callers;
    let known = caller::identify(callers, &head.headers, peer.certificate.as_deref(), &services.key_sets).await;
    *caller = known.map_err(Refusal::Caller)?.map(|known| known.name.clone());
    let policy = channel.check_head(&head.method, &head.headers)?.at_most(live.settings.max_body);
    let limits = BodyLimits { max: policy.max(), time: live.settings.body_timeout };
    let (body, share) = body::read(body, limits, &live.body_budget).await?;
    let name = mount.channel.name();
    let watch = services.dispatch.may_wait(name).then(|| services.dispatch.watch(id));
    let query = head.uri.query().unwrap_or_default().to_owned();
    let request = WebhookRequest {
        method: head.method,
        full_path: head.uri.path().to_owned(),
        path: mount.rest.clone(),
        query,
        headers: head.headers,
        body,
        received_at,
        id,
    };
    let received = services.ingest.receive(&channel, policy, request, &live.body_budget).await?;
    drop(share);
    if let Some(response) = received.response {
        return plugin_response(response);
    }
    if let (Some(watch), [event]) = (watch, received.events.as_slice())
        && event.outcome == Outcome::Accepted
        && let Some(mode) = event.wait
    {
        // An agent may take its time; the event is stored, and the place is for another request.
        drop(place);
        return Ok(agent_answer(shared, &live, id, &received, event.id, watch, mode).await);
    }
    Ok(accepted(id, &received.events))
}
