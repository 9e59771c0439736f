//! From a webhook request to its answer.

pub(crate) mod admission;
pub(crate) mod body;
pub(crate) mod metrics;
pub(crate) mod rate_limit;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, EXPECT, HeaderMap, PROXY_AUTHENTICATE, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use ::http::{HeaderName, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;
use serde::{Serialize, Serializer};

use crate::caller;
use crate::dispatch::{OnTimeout, SyncOutcome, Watch};
use crate::egress;
use crate::event::{EventId, RequestId, Timestamp};
use crate::ingest::{Coding, Mount, Open, Received, ReceivedEvent, WebhookRequest};
use crate::plugin;

use self::body::Limits;
use self::rate_limit::Rated;
use super::access_log::Visit;
use super::encoding;
use super::payload::Payload;
use super::refusal::Refusal;
use super::respond::{Answer, X_REQUEST_ID, with_body, with_json};
use super::shared::{Call, Front, WEBHOOKS};

/// Names the event in the answer of an agent.
const GATEWAY_EVENT_ID: HeaderName = HeaderName::from_static("gateway-event-id");

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What a plugin or an agent wrote may be shown by a browser at the address of the admin API: it gets no script, no
/// form and an origin of its own.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Answers a request to a channel and counts it.
pub(super) async fn answer(front: &Arc<Front>, call: Call, body: Incoming) -> Answer {
    let Call { id, started, client, .. } = call;
    let path = call.head.uri.path();
    let mount = front.services.ingest.mount(path);
    let figures = mount.as_ref().map(|mount| front.figures.of(mount.channel.name()));
    let figures = figures.as_deref().unwrap_or_else(|| front.figures.of_strangers());
    let bucket = mount.as_ref().and_then(|mount| mount.channel.bucket());
    // Where the channel is mounted: what is below stays out of the log.
    let visited = mount.as_ref().filter(|_| front.logs_access());
    let visited = visited.map(|mount| path.strip_suffix(&*mount.rest).unwrap_or(path).to_owned());
    let mut rated = Rated::default();
    let mut caller = None;
    let result = match &mount {
        _ if !front.is_addressed(&call.head) => Err(Refusal::Misdirected),
        Some(mount) if !admits_address(mount, client) => Err(Refusal::Address),
        mount => {
            rated = front.rates.take(client, bucket, &front.metrics);
            match (rated.wait(), mount) {
                (Some(wait), mount) => Err(rate_limited(front, mount.as_ref(), wait)),
                (None, None) if path.starts_with(WEBHOOKS) => Err(Refusal::UnknownChannel),
                (None, None) => Err(Refusal::NotFound),
                (None, Some(mount)) => receive(front, mount, call, body, &mut caller).await,
            }
        }
    };
    let mut answer = result.unwrap_or_else(|refusal| front.refuse(id, &refusal));
    figures.count(answer.status(), started);
    rated.write(answer.headers_mut());
    if let (Some(mount), Some(path)) = (mount, visited) {
        let channel = mount.channel.name().clone();
        answer.extensions_mut().insert(Visit { path, channel, caller });
    }
    answer
}

fn admits_address(mount: &Mount, client: IpAddr) -> bool {
    mount.channel.access().from.as_ref().is_none_or(|from| from.contains(client))
}

fn rate_limited(front: &Front, mount: Option<&Mount>, wait: Duration) -> Refusal {
    let status = match mount.map(|mount| front.services.ingest.open(mount)) {
        Some(Ok(open)) => open.overload_status(),
        // A channel that waits cannot say what its sender understands; 503 is what it would be answered anyway.
        Some(Err(_)) => StatusCode::SERVICE_UNAVAILABLE,
        None => StatusCode::TOO_MANY_REQUESTS,
    };
    Refusal::RateLimited { wait, status }
}

/// On which terms a body is read.
pub(super) struct Terms {
    pub(super) coding: Option<Coding>,
    /// Bytes of it, as it is sent and as it is decoded.
    pub(super) max: usize,
}

/// Refuses what the head of a request is enough to refuse.
pub(super) fn terms(front: &Front, open: &Open, method: &Method, headers: &HeaderMap) -> Result<Terms, Refusal> {
    open.check_head(method, headers)?;
    open.admits()?;
    let coding = encoding::of_request(headers, open.codings())?;
    Ok(Terms { coding, max: open.max_body().min(front.settings.max_body) })
}

/// Reads the request and has it made durable; tells as soon as it is known who `caller` is.
async fn receive(
    front: &Arc<Front>,
    mount: &Mount,
    call: Call,
    body: Incoming,
    caller: &mut Option<String>,
) -> Result<Answer, Refusal> {
    let Call { id, head, certificate, .. } = call;
    let received_at = Timestamp::now();
    let services = &front.services;
    services.ingest.admits()?;
    let place = front.admission.enter().await?;
    let open = services.ingest.open(mount)?;
    let known = caller::identify(&mount.channel.access().callers, &head.headers, certificate.as_deref());
    *caller = known.map_err(Refusal::Caller)?.map(|known| known.name.clone());
    let Terms { coding, max } = terms(front, &open, &head.method, &head.headers)?;
    let limits = Limits { max, time: front.settings.body_timeout };
    let (body, share) = body::read(body, limits, &front.budget, head.headers.contains_key(EXPECT)).await?;
    let channel = mount.channel.name();
    let watch = services.dispatch.may_wait(channel).then(|| services.dispatch.watch(id));
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
    let verified = services.ingest.verify(&open, request)?;
    let (verified, decoded) = encoding::decode_request(coding, verified, max, &front.budget).await?;
    let received = services.ingest.receive(&open, verified).await?;
    drop((share, decoded));
    if let Some(response) = received.response {
        return plugin_answer(response);
    }
    if let (Some(watch), [event]) = (watch, received.events.as_slice())
        && !event.duplicate
        && let Some(mode) = services.dispatch.sync_mode(channel, &event.kind)
    {
        // An agent may take its time; the event is stored, and the place is for another one.
        drop(place);
        return Ok(agent_answer(front, id, &received, event.id, watch, mode).await);
    }
    Ok(accepted(id, &received.events))
}

async fn agent_answer(
    front: &Front,
    id: RequestId,
    received: &Received,
    event: EventId,
    mut watch: Watch,
    mode: crate::dispatch::SyncMode,
) -> Answer {
    let name_event = |answer: &mut Answer| {
        let name = HeaderValue::try_from(event.to_string()).expect("a UUID may stand in a header");
        answer.headers_mut().insert(GATEWAY_EVENT_ID, name);
    };
    let outcome = match front.answers.try_acquire() {
        Ok(_waits) => tokio::time::timeout(mode.timeout, watch.outcome()).await.ok(),
        // Too many wait already; the delivery goes on as after a timeout.
        Err(_) => None,
    };
    match (outcome, mode.on_timeout) {
        (Some(SyncOutcome::Delivered(plugin::Answer { content_type, body, .. })), _) => {
            let content_type = HeaderValue::try_from(content_type).ok().filter(|text| !text.is_empty());
            let mut answer = with_body(StatusCode::OK, content_type.unwrap_or(OCTETS), body);
            disarm(answer.headers_mut());
            name_event(&mut answer);
            answer
        }
        (Some(SyncOutcome::Dead { code, message }), _) => {
            front.refuse_with(id, &Refusal::Undelivered { code, message }, name_event)
        }
        (None, OnTimeout::GatewayTimeout) => front.refuse_with(id, &Refusal::AgentTimeout(mode.timeout), name_event),
        (None, OnTimeout::Accepted) => accepted(id, &received.events),
    }
}

/// 202, or 200 when nothing is new.
fn accepted(request_id: RequestId, events: &[ReceivedEvent]) -> Answer {
    let is_new = events.iter().any(|event| !event.duplicate);
    let status = if is_new { StatusCode::ACCEPTED } else { StatusCode::OK };
    with_json(status, &Accepted { request_id, events: Events(events) })
}

#[derive(Serialize)]
struct Accepted<'a> {
    request_id: RequestId,
    events: Events<'a>,
}

struct Events<'a>(&'a [ReceivedEvent]);

impl Serialize for Events<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row<'a> {
            id: EventId,
            kind: &'a str,
            status: &'static str,
        }
        serializer.collect_seq(self.0.iter().map(|event| Row {
            id: event.id,
            kind: &event.kind,
            status: if event.duplicate { "duplicate" } else { "accepted" },
        }))
    }
}

/// The plugin's own answer, without what is not the plugin's to say.
fn plugin_answer(response: egress::Response) -> Result<Answer, Refusal> {
    let egress::Response { status, headers, body } = response;
    // Senders follow no redirects, and take 410 for the wish that they never call again.
    let status = match StatusCode::from_u16(status) {
        Ok(StatusCode::GONE) => return Err(Refusal::PluginResponse { status }),
        Ok(valid) if matches!(status, 200..300 | 400..600) => valid,
        _ => return Err(Refusal::PluginResponse { status }),
    };
    let has_body = status != StatusCode::NO_CONTENT;
    let mut answer = Answer::new(Payload::whole(if has_body { body } else { Bytes::new() }));
    *answer.status_mut() = status;
    let connection = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(CONNECTION.as_str()));
    let named: Vec<String> =
        connection.flat_map(|(_, value)| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
    for (name, value) in headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else { continue };
        if !is_the_hosts(&name)
            && !named.iter().any(|own| own == name.as_str())
            && answer.headers_mut().try_append(name, value).is_err()
        {
            return Err(Refusal::PluginResponse { status: status.as_u16() });
        }
    }
    if has_body && !answer.headers().contains_key(CONTENT_TYPE) {
        answer.headers_mut().insert(CONTENT_TYPE, OCTETS);
    }
    disarm(answer.headers_mut());
    Ok(answer)
}

/// Headers that speak of the connection or of the host, not of the response.
fn is_the_hosts(name: &HeaderName) -> bool {
    [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_AUTHENTICATE,
        PROXY_CONNECTION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
        CONTENT_LENGTH,
        X_REQUEST_ID,
    ]
    .contains(name)
}

fn disarm(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, SANDBOX);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
}

#[cfg(test)]
mod tests {
    use crate::event::Seq;

    use super::*;

    fn event(duplicate: bool) -> ReceivedEvent {
        let id = EventId::new(Timestamp::from_millis(1_700_000_000_000), Seq(7), 1);
        ReceivedEvent { id, kind: "github.\"push\"".to_owned(), duplicate }
    }

    #[test]
    fn an_answer_is_202_while_something_is_new() {
        for (events, expected) in
            [(vec![], 200), (vec![event(false)], 202), (vec![event(true)], 200), (vec![event(true), event(false)], 202)]
        {
            assert_eq!(accepted(RequestId::new(), &events).status(), expected);
        }
    }

    #[test]
    fn the_json_of_an_answer_is_the_contracts() {
        let id = RequestId::new();
        let events = [event(false), event(true)];

        let json = serde_json::to_value(Accepted { request_id: id, events: Events(&events) }).unwrap();

        let row = |status| serde_json::json!({"id": events[0].id, "kind": "github.\"push\"", "status": status});
        let expected = serde_json::json!({"request_id": id, "events": [row("accepted"), row("duplicate")]});
        assert_eq!(json, expected);
    }

    #[test]
    fn a_plugin_says_what_it_likes_but_not_in_the_hosts_name() {
        let own = |status: u16| {
            let headers = [
                ("content-type", "text/plain"),
                ("x-own", "1"),
                ("x-own", "2"),
                ("Transfer-Encoding", "chunked"),
                ("Connection", "close, X-Named"),
                ("x-named", "by `connection`"),
                ("content-length", "5"),
                ("x-request-id", "forged"),
                ("content-security-policy", "script-src *"),
                ("bad name", "x"),
                ("x-bad-value", "a\nb"),
            ];
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            plugin_answer(egress::Response { status, headers, body: Bytes::from_static(b"hello") })
        };

        let answer = own(200).unwrap();
        let names: Vec<_> =
            answer.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let sandbox = SANDBOX;
        assert_eq!(
            names,
            [
                ("content-type", "text/plain"),
                ("x-own", "1"),
                ("x-own", "2"),
                ("content-security-policy", sandbox.to_str().unwrap()),
                ("x-content-type-options", "nosniff"),
            ]
        );
        for status in [0, 100, 101, 199, 301, 304, 308, 410, 600, 999] {
            assert!(own(status).is_err(), "{status}");
        }
        assert_eq!(own(204).unwrap().status(), 204);
    }
}
