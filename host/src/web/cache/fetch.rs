//! One request to a backend for the cache: alone in its task, so that it outlives the caller that has caused it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{AGE, DATE, HeaderMap, SET_COOKIE};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::fill::{Reader, Writer};
use super::flights::{Landing, Ticket};
use super::metrics::CacheMetrics;
use super::policy::{
    Exchange, Heads, Occasion, Variant, confirms, directives, forbids_stale, initial_age, is_failure, lifetime,
    make_conditional, may_serve_stale, may_store, stored_fields, updated, without_conditions,
};
use super::request::{Failed, Fetch, For};
use super::status::Forwarded;
use super::store::Store;
use super::stored::{Head, Stored};
use super::unshared::Unshared;

/// How long the slowest caller of a response that is too large to be stored may hold up the others.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all fetches of a cache share.
pub(crate) struct Ground {
    pub(crate) store: Store,
    pub(crate) unshared: Unshared,
    pub(crate) metrics: CacheMetrics,
    /// Memory for bodies that are being received, in bytes.
    pub(crate) memory: Arc<Semaphore>,
    pub(crate) max_object: usize,
}

/// A request to make.
pub(crate) struct Job<F: Fetch> {
    pub(crate) ground: Arc<Ground>,
    pub(crate) ticket: Ticket,
    pub(crate) head: Parts,
    /// What is to be validated.
    pub(crate) stored: Option<Arc<Stored>>,
    pub(crate) fetch: F,
    /// The right to be one of so many.
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// What the caller gets who has caused it.
pub(crate) enum Led<B> {
    /// A stored response, with the cookies that came with its confirmation: they are for this caller.
    Stored(Arc<Stored>, Forwarded, HeaderMap),
    /// What is being stored.
    Filling(Arc<Head>, Reader),
    /// What is not stored.
    Alone(Response<B>),
}

/// A response, and when it came.
struct Received<B> {
    response: Response<B>,
    exchange: Exchange,
}

pub(super) type Caller<F> = oneshot::Sender<Result<Led<<F as Fetch>::Body>, Failed<<F as Fetch>::Error>>>;

impl<F: Fetch> Job<F> {
    /// Fetches, tells the caller and everybody who waits, and stores the response. Neither needs to be there any more.
    pub(crate) async fn run(mut self, caller: Caller<F>) {
        let stored = self.stored.take();
        let received = match self.exchange(stored.as_deref()).await {
            Ok(received) => received,
            Err(error) => return self.failed(stored, error, caller),
        };
        let Some(stored) = stored else { return self.answered(received, caller).await };
        let status = received.response.status();
        if is_failure(status) && self.serve_stale(&stored) {
            return self.tell_stale(stored, caller);
        }
        if status != StatusCode::NOT_MODIFIED {
            return self.answered(received, caller).await;
        }
        if confirms(received.response.headers(), &stored.head.fields) {
            return self.confirmed(&stored, &received, caller);
        }
        self.ticket.store(|| self.ground.store.remove(self.ticket.key(), self.ticket.request()));
        match self.exchange(None).await {
            Ok(received) => self.answered(received, caller).await,
            Err(error) => self.failed(None, error, caller),
        }
    }

    /// Sends the request, as one that validates `stored` or as one for the whole.
    async fn exchange(&self, stored: Option<&Stored>) -> Result<Received<F::Body>, F::Error> {
        let mut head = self.head.clone();
        head.method = Method::GET;
        match stored {
            Some(stored) => drop(make_conditional(&mut head.headers, &stored.head.fields)),
            None => without_conditions(&mut head.headers),
        }
        let requested = Instant::now();
        let response = self.fetch.fetch(head, For::Cache).await?;
        let exchange = Exchange { requested, received: Instant::now(), received_at: SystemTime::now() };
        Ok(Received { response, exchange })
    }

    fn serve_stale(&self, stored: &Stored) -> bool {
        may_serve_stale(&stored.head.stated, stored.head.staleness(Instant::now()), Occasion::Error)
    }

    fn tell_stale(self, stored: Arc<Stored>, caller: Caller<F>) {
        let ttl = -(stored.head.staleness(Instant::now()).as_secs() as i64);
        let how = Forwarded::StaleIfError { ttl };
        self.ticket.land(Landing::Stored(Arc::clone(&stored), how));
        let _ = caller.send(Ok(Led::Stored(stored, how, HeaderMap::new())));
    }

    fn failed(self, stored: Option<Arc<Stored>>, error: F::Error, caller: Caller<F>) {
        let failed = match stored {
            Some(stored) if self.serve_stale(&stored) => return self.tell_stale(stored, caller),
            Some(stored) if forbids_stale(&stored.head.stated) => Failed::MustRevalidate(error),
            _ => Failed::Fetch(error),
        };
        self.ticket.land(Landing::Failed);
        let _ = caller.send(Err(failed));
    }

    /// The head to store of a response with these fields, if it may be stored.
    fn storable(
        &self,
        status: StatusCode,
        response: &HeaderMap,
        fields: HeaderMap,
        exchange: Exchange,
    ) -> Option<Head> {
        let request = self.ticket.request();
        let stated = directives(response);
        let lifetime = lifetime(&stated, response, &exchange);
        let initial_age = initial_age(response, &exchange);
        let heads = Heads { method: &Method::GET, request, status, response };
        let is_fresh = lifetime.map(|lifetime| initial_age < lifetime);
        may_store(heads, &directives(request), &stated, is_fresh).ok()?;
        let variant = Variant::of(request, response)?;
        Some(Head { status, fields, variant, stated, lifetime: lifetime?, initial_age, exchange })
    }

    /// The backend has confirmed what is stored: it is as good as new, with new fields.
    fn confirmed(self, stored: &Stored, received: &Received<F::Body>, caller: Caller<F>) {
        let news = received.response.headers();
        let mut cookies = HeaderMap::new();
        for cookie in news.get_all(SET_COOKIE) {
            cookies.append(SET_COOKIE, cookie.clone());
        }
        let fields = updated(&stored.head.fields, news);
        // The age is that of the confirmation.
        let mut complete = fields.clone();
        complete.remove(DATE);
        for name in [AGE, DATE] {
            if let Some(value) = news.get(&name) {
                complete.insert(name, value.clone());
            }
        }
        let head = self.storable(stored.head.status, &complete, fields, received.exchange);
        let is_kept = head.is_some();
        let head = head.unwrap_or_else(|| Head {
            status: stored.head.status,
            fields: updated(&stored.head.fields, news),
            variant: stored.head.variant.clone(),
            stated: directives(&complete),
            lifetime: Duration::ZERO,
            initial_age: initial_age(&complete, &received.exchange),
            exchange: received.exchange,
        });
        let renewed = Arc::new(Stored { head, body: stored.body.clone() });
        self.ticket.store(|| {
            if is_kept {
                self.ground.insert(&self.ticket, Arc::clone(&renewed));
            } else {
                self.ground.store.remove(self.ticket.key(), self.ticket.request());
            }
        });
        if is_kept && renewed.head.is_for_many() {
            self.ground.unshared.forget(self.ticket.key());
            self.ticket.land(Landing::Stored(Arc::clone(&renewed), Forwarded::Revalidated));
        } else {
            self.ground.unshared.remember(self.ticket.key());
            self.ticket.land(Landing::Alone);
        }
        let _ = caller.send(Ok(Led::Stored(renewed, Forwarded::Revalidated, cookies)));
    }

    /// There is a new response.
    async fn answered(self, received: Received<F::Body>, caller: Caller<F>) {
        let Received { response, exchange } = received;
        let fields = stored_fields(response.headers(), exchange.received_at);
        let head = self.storable(response.status(), response.headers(), fields, exchange);
        let length = response.body().size_hint().exact();
        let Some((head, permit)) = head.and_then(|head| Some((head, self.reserve(length)?))) else {
            if !is_failure(response.status()) {
                self.ticket.store(|| self.ground.store.remove(self.ticket.key(), self.ticket.request()));
            }
            self.ground.unshared.remember(self.ticket.key());
            self.ticket.land(Landing::Alone);
            let _ = caller.send(Ok(Led::Alone(response)));
            return;
        };

        let head = Arc::new(head);
        let mut writer = Writer::new(length);
        let source = writer.source();
        let reader = source.reader().expect("the beginning of the body is there");
        if head.is_for_many() {
            self.ground.unshared.forget(self.ticket.key());
            self.ticket.land(Landing::Shared(Arc::clone(&head), source));
        } else {
            self.ground.unshared.remember(self.ticket.key());
            self.ticket.land(Landing::Alone);
        }
        let _ = caller.send(Ok(Led::Filling(Arc::clone(&head), reader)));
        if let Some(permit) = permit {
            writer.hold(permit);
        }
        if let Some(body) = self.received(response.into_body(), writer, length.is_some()).await {
            let head = Arc::unwrap_or_clone(head);
            self.ticket.store(|| self.ground.insert(&self.ticket, Arc::new(Stored { head, body })));
        }
    }

    /// Receives a body for all its readers. `None` when it is not complete, too large, or nobody reads what is not stored anyway.
    async fn received(&self, mut body: F::Body, mut writer: Writer, is_reserved: bool) -> Option<bytes::Bytes> {
        let (mut size, mut is_kept) = (0, true);
        while let Some(frame) = body.frame().await {
            let data = match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => data,
                // Trailers may be dropped.
                Ok(Err(_)) => continue,
                Err(error) => {
                    writer.fail(&error.into().to_string());
                    return None;
                }
            };
            size += data.len();
            if is_kept && !is_reserved {
                match self.reserve_more(size, data.len()) {
                    Some(permit) => writer.hold(permit),
                    None => {
                        is_kept = false;
                        self.ground.unshared.remember(self.ticket.key());
                        self.ticket.close();
                        writer.overflow();
                    }
                }
            }
            if !is_kept && writer.room(PATIENCE).await.is_err() {
                return None;
            }
            writer.push(&data);
        }
        writer.finish()
    }

    /// Memory for a body of this length; none yet for one of unknown length.
    fn reserve(&self, length: Option<u64>) -> Option<Option<OwnedSemaphorePermit>> {
        let Some(length) = length else { return Some(None) };
        let length = usize::try_from(length).ok().filter(|length| *length <= self.ground.max_object)?;
        Some(Some(self.acquire(length)?))
    }

    fn reserve_more(&self, size: usize, more: usize) -> Option<OwnedSemaphorePermit> {
        if size <= self.ground.max_object { self.acquire(more) } else { None }
    }

    fn acquire(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.ground.memory).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }
}

impl Ground {
    fn insert(&self, ticket: &Ticket, stored: Arc<Stored>) {
        self.store.insert(ticket.key(), ticket.request(), stored);
        self.metrics.size.set(self.store.size() as i64);
    }
}
