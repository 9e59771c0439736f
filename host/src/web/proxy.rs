//! One request, passed on to a backend.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, CONTENT_LENGTH, UPGRADE};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming};
use prometheus_client::metrics::gauge::Gauge;

use super::backends::{Backend, Endpoint, Lease};
use super::body::Body;
use super::caller::{CallerLeft, Departure, WebCaller};
use super::cors::Cors;
use super::error::{Bound, Failure, WebError};
use super::gate::{Gate, Pass};
use super::headers::{self, Framing, Outgoing};
use super::relayed::{FIRST_LOOK, Held, Relayed};
use super::route::Route;
use super::tunnel::Tunnel;
use super::upload::{Progress, Upload};

/// A request to a site.
pub struct WebRequest<'a> {
    pub head: &'a Parts,
    /// Taken when it is passed on, unless it is empty.
    pub body: &'a mut Option<Incoming>,
    /// Whom the request is addressed to.
    pub host: &'a Authority,
    pub caller: WebCaller,
}

/// What a backend answers.
pub enum Answer {
    Response {
        response: Response<Body>,
        /// Whether the caller is still sending. What it sends after the answer is dropped.
        is_early: bool,
    },
    /// It has agreed to speak WebSocket.
    Tunnel { response: Response<Body>, tunnel: Tunnel },
}

/// The bound of all tunnels, and how many there are.
#[derive(Clone)]
pub(super) struct Tunnels {
    pub(super) gate: Arc<Gate>,
    pub(super) open: Gauge,
    pub(super) idle: Duration,
}

/// Why an attempt brought no answer.
enum Miss {
    /// It was not begun, and here is its body.
    NotSent(Upload, Failure),
    /// A connection that had served before ended without a byte of an answer.
    Stale(Failure),
    Final(WebError),
}

/// A request on its way.
struct Passage<'a> {
    route: &'a Route,
    backend: &'a Arc<Backend>,
    head: &'a Parts,
    host: &'a Authority,
    caller: &'a WebCaller,
    is_websocket: bool,
}

/// Passes the request on, and once more if that is safe.
pub(super) async fn pass_on(
    route: &Route,
    backend: &Arc<Backend>,
    tunnels: &Tunnels,
    request: WebRequest<'_>,
) -> Result<Answer, WebError> {
    let began = Instant::now();
    let WebRequest { head, body, host, caller } = request;
    let settings = &route.settings;
    check_length(&head.headers, settings.max_body)?;
    let passes = [enter(&route.gate, Bound::Route)?, enter(&backend.gate, Bound::Backend)?];
    let is_websocket = settings.websocket && is_websocket(head);
    let place = if is_websocket { Some(enter(&tunnels.gate, Bound::Tunnels)?) } else { None };
    let passage = Passage { route, backend, head, host, caller: &caller, is_websocket };
    let mut upload = None;
    let mut tried: Option<Arc<Endpoint>> = None;
    let (lease, answer, progress) = loop {
        let down = || WebError::Down { backend: backend.settings.name.clone() };
        let endpoint = backend.pick(tried.as_ref()).ok_or_else(down)?;
        let failure = match endpoint.lease(backend.settings.connect_timeout).await {
            Ok(mut lease) => {
                let sent = upload.take().unwrap_or_else(|| match body.take_if(|body| !body.is_end_stream()) {
                    Some(body) => Upload::new(body, settings.max_body, backend.settings.idle_timeout),
                    None => Upload::EMPTY,
                });
                let progress = sent.progress();
                match passage.send(&mut lease, sent, progress.as_deref()).await {
                    Ok(answer) => break (lease, answer, progress),
                    Err(Miss::NotSent(unsent, failure)) => {
                        upload = Some(unsent);
                        failure
                    }
                    Err(Miss::Stale(failure)) if progress.is_none() && is_idempotent(&head.method) => failure,
                    Err(Miss::Stale(failure)) => return Err(passage.failed(failure)),
                    Err(Miss::Final(error)) => return Err(error),
                }
            }
            Err(failure) => {
                endpoint.failed(failure.to_string(), false);
                failure
            }
        };
        if tried.is_some() {
            return Err(passage.failed(failure));
        }
        backend.metrics.fail(failure.as_str());
        backend.metrics.retries.inc();
        tried = Some(endpoint);
    };
    backend.metrics.duration.observe(began.elapsed().as_secs_f64());
    backend.metrics.count(answer.status());
    let held = Held { lease, upload: progress, backend: Arc::clone(backend), _passes: passes };
    passage.answer(answer, held, place, tunnels)
}

pub(super) fn enter(gate: &Arc<Gate>, bound: Bound) -> Result<Pass, WebError> {
    gate.enter().ok_or(WebError::Busy(bound))
}

fn check_length(headers: &HeaderMap, limit: u64) -> Result<(), WebError> {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) { Err(WebError::TooLarge { limit }) } else { Ok(()) }
}

impl Passage<'_> {
    fn failed(&self, failure: Failure) -> WebError {
        self.backend.metrics.fail(failure.as_str());
        WebError::Backend { backend: self.backend.settings.name.clone(), failure }
    }

    fn stripped(&self) -> Option<&str> {
        let settings = &self.route.settings;
        Some(settings.prefix.as_str()).filter(|prefix| settings.strip_prefix && *prefix != "/")
    }

    fn request(&self, endpoint: &Endpoint, upload: Upload) -> Result<Request<Upload>, WebError> {
        use super::settings::HostHeader;
        let backend_host = match self.backend.settings.host {
            HostHeader::Keep => None,
            HostHeader::Backend => Some(&endpoint.authority),
        };
        let body = match upload.size_hint().exact() {
            _ if upload.is_empty() => Framing::None,
            Some(_) => Framing::Sized,
            None => Framing::Chunked,
        };
        let outgoing = Outgoing {
            head: self.head,
            caller: self.caller,
            host: self.host,
            backend_host,
            stripped: self.stripped(),
            is_websocket: self.is_websocket,
            body,
            hides: &|name| self.route.settings.access.hides_header(name),
        };
        outgoing.request(upload)
    }

    /// Sends the request, up to the head of its answer.
    async fn send(
        &self,
        lease: &mut Lease,
        upload: Upload,
        progress: Option<&Progress>,
    ) -> Result<Response<Incoming>, Miss> {
        let request = self.request(&lease.endpoint, upload).map_err(Miss::Final)?;
        let received = lease.wire.received();
        let sent = lease.wire.sender.try_send_request(request);
        let departure = self.caller.departure.clone();
        let limit = self.backend.settings.first_byte_timeout;
        match in_time(sent, limit, progress, departure).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(mut error)) => {
                let unsent = error.take_message();
                let failure = Failure::Broken(cause(&error.into_error()));
                if let Some(fault) = progress.and_then(Progress::fault) {
                    return Err(Miss::Final(fault));
                }
                match unsent {
                    Some(unsent) => Err(Miss::NotSent(unsent.into_body(), failure)),
                    None if lease.is_reused && lease.wire.received() == received => Err(Miss::Stale(failure)),
                    None => Err(Miss::Final(self.failed(failure))),
                }
            }
            Err(Ended::Late) => Err(Miss::Final(self.failed(Failure::AnswerTimeout(limit)))),
            Err(Ended::CallerLeft) => Err(Miss::Final(WebError::CallerLeft)),
        }
    }

    fn answer(
        &self,
        answer: Response<Incoming>,
        held: Held,
        place: Option<Pass>,
        tunnels: &Tunnels,
    ) -> Result<Answer, WebError> {
        let status = answer.status();
        if status.is_informational() {
            return match place {
                Some(pass) if status == StatusCode::SWITCHING_PROTOCOLS && is_websocket_answer(answer.headers()) => {
                    Ok(self.tunnel(answer, pass, tunnels))
                }
                _ => Err(self.failed(Failure::Unexpected)),
            };
        }
        let (mut head, body) = answer.into_parts();
        let has_body =
            self.head.method != Method::HEAD && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let authority = held.lease.endpoint.authority.to_str().unwrap_or_default();
        let hosts = [self.host.as_str(), authority];
        headers::Incoming { has_body, stripped: self.stripped(), hosts }.mend(status, &mut head.headers);
        if self.route.cors.is_some() {
            Cors::clean(&mut head.headers);
        }
        head.version = Version::HTTP_11;
        head.extensions.clear();
        let is_early = held.upload.as_ref().is_some_and(|upload| !upload.is_complete());
        let body = if body.is_end_stream() {
            held.finish();
            Body::whole("")
        } else {
            Body::relayed(Relayed::new(body, held, self.caller.departure.clone()))
        };
        Ok(Answer::Response { response: Response::from_parts(head, body), is_early })
    }

    /// The backend has agreed; only now the caller is told so.
    fn tunnel(&self, mut answer: Response<Incoming>, pass: Pass, tunnels: &Tunnels) -> Answer {
        let backend = hyper::upgrade::on(&mut answer);
        let (mut head, _) = answer.into_parts();
        let mend = headers::Incoming { has_body: true, stripped: None, hosts: ["", ""] };
        mend.mend(StatusCode::SWITCHING_PROTOCOLS, &mut head.headers);
        head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.version = Version::HTTP_11;
        head.extensions.clear();
        let tunnel = Tunnel { backend, idle: tunnels.idle, open: tunnels.open.clone(), pass };
        Answer::Tunnel { response: Response::from_parts(head, Body::whole("")), tunnel }
    }
}

/// Why there is no answer.
enum Ended {
    Late,
    CallerLeft,
}

/// The answer, unless it does not begin for `limit` after the last of the upload, or the caller leaves.
async fn in_time<T>(
    answer: impl Future<Output = T>,
    limit: Duration,
    upload: Option<&Progress>,
    departure: Option<Arc<dyn Departure>>,
) -> Result<T, Ended> {
    let began = Instant::now();
    let mut answer = std::pin::pin!(answer);
    let mut look = std::pin::pin!(tokio::time::sleep(FIRST_LOOK.min(limit)));
    let mut left: Option<CallerLeft> = None;
    loop {
        let is_left = async {
            match &mut left {
                Some(left) => left.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = answer.as_mut() => return Ok(answer),
            () = is_left => return Err(Ended::CallerLeft),
            () = look.as_mut() => {}
        }
        let since = upload.map_or(began, Progress::last).max(began);
        if since.elapsed() >= limit {
            return Err(Ended::Late);
        }
        if left.is_none() {
            left = departure.clone().map(Departure::left);
        }
        look.as_mut().reset((since + limit).into());
    }
}

/// Whether sending it twice has the effect of sending it once (RFC 9110, section 9.2.2).
fn is_idempotent(method: &Method) -> bool {
    method.is_safe() || matches!(*method, Method::PUT | Method::DELETE)
}

/// Whether the request asks for a WebSocket connection (RFC 6455, section 4.1).
pub(super) fn is_websocket(head: &Parts) -> bool {
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && has_token(&head.headers, &CONNECTION, "upgrade")
        && is_websocket_answer(&head.headers)
}

fn is_websocket_answer(headers: &HeaderMap) -> bool {
    has_token(headers, &UPGRADE, "websocket")
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|listed| listed.trim().eq_ignore_ascii_case(token))
}

/// What is at the bottom of an error.
fn cause(error: &hyper::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
