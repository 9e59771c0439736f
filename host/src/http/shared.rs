use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ::http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use ::http::request::Parts;
use ::http::{HeaderValue, Method, Request, StatusCode, Version};
use bytes::Bytes;
use hyper::body::{Body, Incoming};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::caller::Certificate;
use crate::event::RequestId;
use crate::metrics::{self, ByReason};

use super::admin::access;
use super::metrics::HttpMetrics;
use super::payload::Payload;
use super::refusal::Refusal;
use super::respond::{Answer, CLOSE, Problem, X_REQUEST_ID, protect, with_body, with_json_text};
use super::route::{self, Endpoint, Surface};
use super::server::connection::{Ends, Origin};
use super::server::connection_limit::Crowd;
use super::webhook::admission::Admission;
use super::webhook::body::Budget;
use super::webhook::metrics::{Figures, Pace};
use super::webhook::rate_limit::{Rates, whole_seconds};
use super::{Services, Settings, admin, encoding, health, webhook};

/// Reads of the event log for the admin API at once: they take a thread each and the disk.
const STORE_READS: usize = 4;

/// Where channels are mounted unless their paths say otherwise.
pub(super) const WEBHOOKS: &str = "/webhooks/";

const ROOT: &str =
    "{\"name\":\"gateway\",\"health\":\"/health\",\"metrics\":\"/metrics\",\"admin\":\"/admin/stats\"}\n";
const OPENMETRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);

/// What all requests share.
pub(super) struct Front {
    pub(super) settings: Settings,
    pub(super) services: Services,
    pub(super) figures: Figures,
    pub(super) metrics: Arc<HttpMetrics>,
    pub(super) admission: Admission,
    /// Callers that may wait for an agent's answer.
    pub(super) answers: Semaphore,
    pub(super) budget: Arc<Budget>,
    pub(super) rates: Rates,
    pub(super) crowd: Arc<Crowd>,
    pub(super) store_reads: Arc<Semaphore>,
    /// Backups under way: they read everything.
    pub(super) backups: Arc<Semaphore>,
    pub(super) retry_after: HeaderValue,
    /// Cancelled when the gateway is not ready any more, because it is about to end.
    pub(super) leaving: CancellationToken,
    pace: Pace,
}

/// One request on its way through the front door.
pub(super) struct Call {
    pub(super) id: RequestId,
    pub(super) started: Instant,
    pub(super) head: Parts,
    /// Where it comes from, as far as trusted proxies tell.
    pub(super) client: IpAddr,
    /// What its caller showed when the connection was encrypted.
    pub(super) certificate: Option<Arc<Certificate>>,
}

impl Front {
    pub(super) fn new(settings: Settings, services: Services) -> Self {
        let seconds = whole_seconds(settings.retry_after).max(1);
        let metrics = Arc::new(HttpMetrics::register(&services.metrics));
        Self {
            figures: Figures::new(Arc::clone(&metrics)),
            metrics,
            answers: Semaphore::new(settings.max_requests.min(Semaphore::MAX_PERMITS)),
            admission: Admission::new(settings.max_requests, settings.max_waiting, settings.turn_timeout),
            budget: Arc::new(Budget::new(settings.max_buffered)),
            store_reads: Arc::new(Semaphore::new(STORE_READS)),
            backups: Arc::new(Semaphore::new(1)),
            crowd: Crowd::new(settings.max_connections_per_address),
            rates: Rates::new(settings.rate_limit, settings.address_limit),
            retry_after: HeaderValue::from(seconds),
            leaving: CancellationToken::new(),
            pace: Pace::new(),
            settings,
            services,
        }
    }

    /// Logs what an operator should know of, within reason.
    pub(super) fn log_failure(&self, message: fmt::Arguments<'_>) {
        if self.pace.allows() {
            tracing::warn!("{message}");
        } else {
            tracing::debug!("{message}");
        }
    }

    /// Answers one request.
    pub(super) async fn serve(self: Arc<Self>, request: Request<Incoming>, surface: Surface, ends: Ends) -> Answer {
        let (head, body) = request.into_parts();
        let client = match ends.origin {
            Origin::Named => self.settings.trusted_proxies.client(ends.peer.ip(), &head.headers),
            // What a proxy that speaks the PROXY protocol passes on was written by its caller.
            Origin::Unnamed => ends.peer.ip().to_canonical(),
        };
        let certificate = ends.certificate.clone();
        let call = Call { id: RequestId::new(), started: Instant::now(), head, client, certificate };
        let (id, started) = (call.id, call.started);
        let is_head = call.head.method == Method::HEAD;
        let is_http1 = call.head.version < Version::HTTP_2;
        let noted = self.noted(&call.head);
        let mut answer = match self.answer(call, body, surface, ends).await {
            Ok(answer) => answer,
            Err(refusal) => self.refuse(id, &refusal),
        };
        let name = HeaderValue::try_from(id.to_string()).expect("a UUID may stand in a header");
        answer.headers_mut().insert(X_REQUEST_ID, name);
        if is_http1 && self.leaving.is_cancelled() {
            answer.headers_mut().insert(CONNECTION, CLOSE);
        }
        if is_head {
            without_body(&mut answer);
        }
        if let Some(noted) = noted {
            self.log_access(&noted, id, client, started, &answer);
        }
        answer
    }

    async fn answer(
        self: &Arc<Self>,
        call: Call,
        body: Incoming,
        surface: Surface,
        ends: Ends,
    ) -> Result<Answer, Refusal> {
        check_host(&call.head)?;
        let path = call.head.uri.path();
        if surface.has_webhooks() && path.starts_with(WEBHOOKS) {
            return Ok(webhook::answer(self, call, body).await);
        }
        let Some(found) = route::find(surface, path) else {
            return if surface.has_webhooks() {
                Ok(webhook::answer(self, call, body).await)
            } else {
                Err(Refusal::NotFound)
            };
        };
        let Parts { method, uri, headers, .. } = &call.head;
        let permitted = || access::check(self.settings.admin.token.as_ref(), &ends, method, uri, headers);
        if !found.endpoint.is_admin() {
            return match found.refuses(method) {
                Some(methods) => Err(Refusal::Method(methods)),
                None => {
                    let answer = self.open_answer(found.endpoint, || permitted().is_ok());
                    Ok(encoding::of_answer(headers, answer).await)
                }
            };
        }
        let mut answer = match permitted() {
            Err(refusal) => self.refuse(call.id, &refusal),
            Ok(()) => match found.refuses(method) {
                Some(methods) => self.refuse(call.id, &Refusal::Method(methods)),
                None => match admin::answer(self, &call, found.endpoint, found.id, body).await {
                    Ok(answer) => answer,
                    Err(refusal) => self.refuse(call.id, &refusal),
                },
            },
        };
        protect(answer.headers_mut());
        Ok(encoding::of_answer(headers, answer).await)
    }

    /// What everybody is answered.
    fn open_answer(&self, endpoint: Endpoint, is_operator: impl FnOnce() -> bool) -> Answer {
        match endpoint {
            Endpoint::Ready => health::ready(self, is_operator()),
            Endpoint::Metrics => with_body(StatusCode::OK, OPENMETRICS, self.services.metrics.encode().into()),
            Endpoint::Root => with_json_text(StatusCode::OK, ROOT),
            _ => health::live(),
        }
    }

    /// Whether the request names one of the gateway's own names, where those are configured.
    pub(super) fn is_addressed(&self, head: &Parts) -> bool {
        let hosts = &self.settings.hosts;
        let named = || access::authority(&head.uri, &head.headers);
        hosts.is_empty()
            || named().is_some_and(|named| hosts.iter().any(|host| host.eq_ignore_ascii_case(named.host())))
    }

    /// Tells the caller what it may know, and the log the rest.
    pub(super) fn refuse(&self, id: RequestId, refusal: &Refusal) -> Answer {
        let problem = Problem::from(refusal);
        if let Some(shortage) = refusal.shortage() {
            self.metrics.refused.get_or_create(&ByReason::new(shortage.as_str())).inc();
        }
        let internal = problem.internal.as_deref();
        if problem.status.is_server_error() && self.pace.allows() {
            tracing::warn!(request_id = %id, code = problem.code, status = problem.status.as_u16(), internal, "Request failed");
        } else {
            tracing::debug!(request_id = %id, code = problem.code, status = problem.status.as_u16(), internal, "Request refused");
        }
        problem.answer(id, &self.retry_after)
    }

    /// The answer to a refusal that has headers of its own.
    pub(super) fn refuse_with(&self, id: RequestId, refusal: &Refusal, headers: impl FnOnce(&mut Answer)) -> Answer {
        let mut answer = self.refuse(id, refusal);
        headers(&mut answer);
        answer
    }
}

/// One `Host`, as HTTP/1.1 asks for (RFC 9112, section 3.2): with two, two readers could take the request for two things.
fn check_host(head: &Parts) -> Result<(), Refusal> {
    match (head.headers.get_all(HOST).iter().count(), head.version) {
        (0, Version::HTTP_11) => Err(Refusal::Host("`host` is missing")),
        (0 | 1, _) => Ok(()),
        _ => Err(Refusal::Host("`host` is given more than once")),
    }
}

/// `HEAD`: the length stays, the body goes.
fn without_body(answer: &mut Answer) {
    if let Some(length) = answer.body().size_hint().exact() {
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    *answer.body_mut() = Payload::whole(Bytes::new());
}
