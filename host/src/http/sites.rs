//! Requests to sites: who may send one, and its answer. `web` passes it on.

use std::net::IpAddr;
use std::sync::Arc;

use ::http::{Method, StatusCode};
use hyper::body::Incoming;

use super::answer::{Response, with_json};
use super::authority::authority;
use super::payload::Payload;
use super::refusal::Refusal;
use super::server::activity::Endless;
use super::server::peer::Origin;
use super::server::upgrade::Upgrade;
use super::shared::{RequestContext, Shared};
use super::webhook::rate_limit::RateStatus;
use crate::caller;
use crate::web::{Answer, Found, WebCaller, WebRequest};

/// Marks an answer that came before the end of its request: what the caller still sends is not read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EarlyAnswer;

/// Which backends are up. It answers from what is known, and asks nobody.
pub(crate) fn health(shared: &Shared, method: &Method) -> Result<Response, Refusal> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Refusal::Method(vec![Method::GET, Method::HEAD]));
    }
    let health = shared.services.web.health();
    let status = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut response = with_json(status, &health);
    super::answer::protect(response.headers_mut());
    Ok(response)
}

/// Answers a request to a site.
pub(crate) async fn answer(shared: &Arc<Shared>, context: &RequestContext, body: &mut Option<Incoming>) -> Response {
    let head = &context.head;
    let Some(host) = authority(&head.uri, &head.headers) else {
        return shared.refuse(context.id, &Refusal::Host("`host` is missing or malformed"));
    };
    let found = match shared.services.web.find(head, host.host()) {
        Ok(found) => found,
        Err(error) => return shared.refuse(context.id, &error.into()),
    };
    let mut rate = RateStatus::default();
    let answered = match found.preflight(head) {
        Some(response) => Ok(response.map(Payload::Site)),
        None => match admit(shared, context, &found, &mut rate).await {
            Ok(()) => pass_on(shared, context, &found, &host, body).await,
            Err(refusal) => Err(refusal),
        },
    };
    let mut response = answered.unwrap_or_else(|refusal| {
        let mut response = shared.refuse(context.id, &refusal);
        if body.is_none() {
            response.extensions_mut().insert(EarlyAnswer);
        }
        response
    });
    found.mark(response.headers_mut());
    rate.write(response.headers_mut());
    response
}

/// Whether the caller may call, now.
async fn admit(shared: &Shared, context: &RequestContext, found: &Found, rate: &mut RateStatus) -> Result<(), Refusal> {
    let access = found.access();
    if access.from.as_ref().is_some_and(|from| !from.contains(context.client)) {
        return Err(Refusal::Address);
    }
    *rate = context.live.rate_limits.take(context.client, found.bucket(), &shared.metrics);
    if let Some(wait) = rate.wait() {
        return Err(Refusal::RateLimited { wait, status: StatusCode::TOO_MANY_REQUESTS });
    }
    let (headers, certificate) = (&context.head.headers, context.peer.certificate.as_deref());
    let known = caller::identify(&access.callers, headers, certificate, &shared.services.key_sets).await;
    known.map(drop).map_err(Refusal::Caller)
}

async fn pass_on(
    shared: &Shared,
    context: &RequestContext,
    found: &Found,
    host: &::http::uri::Authority,
    body: &mut Option<Incoming>,
) -> Result<Response, Refusal> {
    let head = &context.head;
    let upgrade = Upgrade::of(head);
    let caller = WebCaller {
        id: context.id,
        client: context.client,
        proxy: trusted_proxy(context),
        is_encrypted: context.peer.is_encrypted,
        departure: Endless::departure(head),
    };
    let request = WebRequest { head, body, host, caller };
    match shared.services.web.answer(found, request).await? {
        Answer::Response { response, is_early } => {
            let mut response = response.map(Payload::Site);
            if is_early {
                response.extensions_mut().insert(EarlyAnswer);
            }
            Ok(response)
        }
        Answer::Tunnel { response, tunnel } => {
            let upgrade = upgrade.ok_or_else(|| Refusal::Internal("the connection cannot be upgraded".to_owned()))?;
            upgrade.start(|socket, stop| tunnel.run(socket, stop));
            Ok(response.map(Payload::Site))
        }
    }
}

/// The proxy that may say where a request comes from.
fn trusted_proxy(context: &RequestContext) -> Option<IpAddr> {
    let remote = context.peer.remote.ip().to_canonical();
    let speaks = context.peer.origin == Origin::Named && context.live.settings.trusted_proxies.trusts(remote);
    speaks.then_some(remote)
}
