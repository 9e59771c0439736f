//! The cache of the web gateway: a shared cache in memory, as RFC 9111 has it.
//!
//! It answers reads from what backends have said may be stored, and asks them through [`Fetch`]. It knows nothing of servers and
//! connections.
//!
//! # Contract
//! 1. A response is stored only if it says for how long, is complete, and is for everybody.
//! 2. Equal requests at the same time are one request to the backend. As soon as its response turns out to be for one caller only,
//!    the others ask on their own, and the next ones do not wait.
//! 3. What is stored takes at most `max_size` bytes, and what is being received as many again.
//! 4. After an invalidation or a purge, nothing is served that was asked for before it.

mod body;
mod fetch;
mod fill;
mod flights;
mod key;
mod metrics;
mod policy;
mod request;
mod response;
mod settings;
mod status;
mod store;
mod stored;
mod unshared;

use std::sync::Arc;
use std::time::Instant;

use http::header::{AGE, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE};
use http::{Method, Response, StatusCode};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::body::Body;
pub(crate) use self::key::Key;
pub(crate) use self::metrics::CacheMetrics;
pub(crate) use self::request::{Failed, Fetch, For, Request};
pub use self::settings::Settings;

use self::fetch::{Caller, Ground, Job, Led};
use self::flights::{Flights, Joined, Landing, Ticket, landed};
use self::metrics::Outcome;
use self::policy::{Directives, Use, contradicts, directives, is_unsafe, outdated, passes, usable};
use self::response::{Content, made_of, passed};
use self::status::{CacheStatus, Forward, Forwarded};
use self::store::{Found, Store};
use self::stored::Stored;
use self::unshared::Unshared;

/// A cache. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Cache(Arc<Inner>);

struct Inner {
    settings: Settings,
    ground: Arc<Ground>,
    flights: Arc<Flights>,
    fetches: Arc<Semaphore>,
    revalidations: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The response, or why there is none.
type Answer<F> = Result<Response<Body<<F as Fetch>::Body>>, Failed<<F as Fetch>::Error>>;

impl Cache {
    /// An empty cache.
    pub(crate) fn new(settings: Settings, metrics: CacheMetrics) -> Self {
        let ground = Ground {
            store: Store::new(settings.max_size, settings.max_object),
            unshared: Unshared::new(),
            metrics,
            memory: Arc::new(Semaphore::new(settings.max_size.min(Semaphore::MAX_PERMITS))),
            max_object: settings.max_object,
        };
        Self(Arc::new(Inner {
            settings,
            ground: Arc::new(ground),
            flights: Flights::new(),
            fetches: Arc::new(Semaphore::new(settings.max_fetches)),
            revalidations: Arc::new(Semaphore::new(settings.max_revalidations)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    /// Answers a request without a body from the cache, or with what `fetch` gets from the backend.
    ///
    /// It can be dropped at any time; a request that has begun goes on, because others may want its response.
    pub(crate) async fn answer<F: Fetch>(&self, request: Request, fetch: F) -> Answer<F> {
        let now = Instant::now();
        let headers = &request.head.headers;
        if passes(&request.head.method, headers) {
            return self.pass(request, fetch, Forward::Bypass).await;
        }
        let asked = directives(headers);
        let (stored, why) = match self.0.ground.store.find(&request.key, headers) {
            Found::Nothing => (None, Forward::UriMiss),
            Found::OtherVariants => (None, Forward::VaryMiss),
            Found::Stored(stored) => match self.usable(&stored, &asked, &request, now) {
                Use::Fresh => return Ok(self.hit(&stored, &request, Outcome::Hit, now)),
                Use::StaleWhileRevalidate => {
                    let response = self.hit(&stored, &request, Outcome::Stale, now);
                    self.revalidate(request, stored, fetch);
                    return Ok(response);
                }
                Use::Validate => (Some(stored), Forward::Stale),
            },
        };
        if asked.only_if_cached {
            self.count(Outcome::Failed);
            return Err(Failed::OnlyIfCached);
        }
        if asked.no_store || request.head.method == Method::HEAD {
            return self.pass(request, fetch, if asked.no_store { Forward::Request } else { why }).await;
        }
        // The whole may be much larger than what was asked for.
        if stored.is_none() && headers.contains_key(RANGE) {
            return self.pass(request, fetch, Forward::Partial).await;
        }
        let waits = !self.0.ground.unshared.contains(&request.key, now);
        let is_conditional = headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MODIFIED_SINCE);
        if !waits && stored.is_none() && is_conditional {
            return self.pass(request, fetch, why).await;
        }
        self.fetched(request, &asked, stored, fetch, why, waits).await
    }

    fn usable(&self, stored: &Stored, asked: &Directives, request: &Request, now: Instant) -> Use {
        let head = &stored.head;
        usable(&head.stated, asked, request.honour_reload, head.age(now), head.lifetime)
    }

    fn count(&self, outcome: Outcome) {
        self.0.ground.metrics.count(outcome);
    }

    fn hit<B>(&self, stored: &Stored, request: &Request, outcome: Outcome, now: Instant) -> Response<Body<B>> {
        self.count(outcome);
        let head = &stored.head;
        let ttl = head.lifetime.as_secs() as i64 - head.age(now).as_secs() as i64;
        made_of(head, Content::Whole(stored.body.clone()), &request.head, CacheStatus::Hit { ttl }, now)
    }

    /// Sends the request as it is and stores nothing.
    async fn pass<F: Fetch>(&self, request: Request, fetch: F, why: Forward) -> Answer<F> {
        let Request { key, head, .. } = request;
        let (method, headers) = (head.method.clone(), head.headers.clone());
        let response = fetch.fetch(head, For::Caller).await.map_err(|error| {
            self.count(Outcome::Failed);
            Failed::Fetch(error)
        })?;
        self.count(Outcome::Bypass);
        if method == Method::HEAD
            && let Found::Stored(stored) = self.0.ground.store.find(&key, &headers)
            && contradicts(response.status(), response.headers(), &stored.head.fields, stored.body.len())
        {
            self.invalidate(&key);
        }
        Ok(passed(response, &headers, false, CacheStatus::Forwarded { why, how: Forwarded::Passed }))
    }

    /// Asks the backend, or waits for the response to an equal request.
    async fn fetched<F: Fetch>(
        &self,
        request: Request,
        asked: &Directives,
        stored: Option<Arc<Stored>>,
        fetch: F,
        why: Forward,
        mut waits: bool,
    ) -> Answer<F> {
        let deadline = tokio::time::Instant::now() + self.0.settings.max_wait;
        let headers = &request.head.headers;
        loop {
            let known = self.0.ground.store.known_variant(&request.key);
            let find = || match self.0.ground.store.find(&request.key, headers) {
                Found::Stored(found) if self.usable(&found, asked, &request, Instant::now()) == Use::Fresh => {
                    Some(found)
                }
                _ => None,
            };
            let landing = match self.0.flights.join(&request.key, headers, waits, known.as_ref(), find) {
                Joined::Lead(ticket) => return self.lead(request, stored, fetch, why, ticket).await,
                Joined::Stored(found) => return Ok(self.hit(&found, &request, Outcome::Hit, Instant::now())),
                Joined::Follow(landing) => match landed(landing, deadline).await {
                    Some(landing) => landing,
                    None => return self.pass(request, fetch, why).await,
                },
            };
            let collapsed = CacheStatus::Forwarded { why, how: Forwarded::Collapsed };
            match landing {
                Landing::Shared(head, source) if head.variant.includes(headers) => {
                    if let Some(reader) = source.reader() {
                        self.count(Outcome::Collapsed);
                        let content = Content::Filling(reader);
                        return Ok(made_of(&head, content, &request.head, collapsed, Instant::now()));
                    }
                    waits = false;
                }
                Landing::Stored(found, how) if found.head.variant.includes(headers) => {
                    self.count(Outcome::Collapsed);
                    let status = match how {
                        Forwarded::StaleIfError { .. } => CacheStatus::Forwarded { why, how },
                        _ => collapsed,
                    };
                    let content = Content::Whole(found.body.clone());
                    return Ok(made_of(&found.head, content, &request.head, status, Instant::now()));
                }
                // For another variant: the next one may be for this.
                Landing::Shared(..) | Landing::Stored(..) | Landing::Pending => {}
                Landing::Alone => waits = false,
                Landing::Failed => {
                    self.count(Outcome::Failed);
                    return Err(Failed::Waited);
                }
            }
        }
    }

    async fn lead<F: Fetch>(
        &self,
        request: Request,
        stored: Option<Arc<Stored>>,
        fetch: F,
        why: Forward,
        ticket: Ticket,
    ) -> Answer<F> {
        let Ok(permit) = Arc::clone(&self.0.fetches).try_acquire_owned() else {
            ticket.land(Landing::Alone);
            return self.pass(request, fetch, why).await;
        };
        let (caller, led) = oneshot::channel();
        let ground = Arc::clone(&self.0.ground);
        let job = Job { ground, ticket, head: request.head.clone(), stored, fetch, _permit: permit };
        self.start(job, caller);
        let led = led.await.unwrap_or(Err(Failed::Stopped)).inspect_err(|_| self.count(Outcome::Failed))?;

        let now = Instant::now();
        Ok(match led {
            Led::Stored(stored, how, cookies) => {
                self.count(if how == Forwarded::Revalidated { Outcome::Revalidated } else { Outcome::Stale });
                let content = Content::Whole(stored.body.clone());
                let status = CacheStatus::Forwarded { why, how };
                let mut response = made_of(&stored.head, content, &request.head, status, now);
                response.headers_mut().extend(cookies);
                response
            }
            Led::Filling(head, reader) => {
                self.count(Outcome::Miss);
                let status = CacheStatus::Forwarded { why, how: Forwarded::Stored };
                let mut response = made_of(&head, Content::Filling(reader), &request.head, status, now);
                if head.initial_age.as_secs() == 0 {
                    // It comes from the backend itself.
                    response.headers_mut().remove(AGE);
                }
                response
            }
            Led::Alone(response) => {
                self.count(Outcome::Uncacheable);
                let status = CacheStatus::Forwarded { why, how: Forwarded::Passed };
                passed(response, &request.head.headers, true, status)
            }
        })
    }

    /// Validates what was served stale, unless somebody does already.
    fn revalidate<F: Fetch>(&self, request: Request, stored: Arc<Stored>, fetch: F) {
        let Ok(permit) = Arc::clone(&self.0.revalidations).try_acquire_owned() else { return };
        let Some(ticket) = self.0.flights.lead(&request.key, &request.head.headers, &stored.head.variant) else {
            return;
        };
        let ground = Arc::clone(&self.0.ground);
        let job = Job { ground, ticket, head: request.head, stored: Some(stored), fetch, _permit: permit };
        let (caller, _) = oneshot::channel();
        self.start(job, caller);
    }

    fn start<F: Fetch>(&self, job: Job<F>, caller: Caller<F>) {
        self.0.tasks.spawn(self.0.stop.clone().run_until_cancelled_owned(job.run(caller)));
    }

    /// Invalidates what a request past the cache has made outdated. Called with the head of its response.
    pub(crate) fn exchanged(&self, key: &Key, method: &Method, status: StatusCode, response: &HeaderMap) {
        if is_unsafe(method) {
            let all = outdated(key.url(), status, response);
            all.iter().filter_map(|url| key.beside(url)).for_each(|key| self.invalidate(&key));
        }
    }

    fn invalidate(&self, key: &Key) {
        self.0.flights.invalidate(key, || self.0.ground.store.remove_all(key));
        self.resized();
    }

    /// Removes everything whose address begins with `prefix`, or whose path does when `prefix` begins with `/`. Returns how many
    /// responses that were.
    pub(crate) fn purge(&self, prefix: &str) -> usize {
        let purged = self.0.flights.purge(prefix, || self.0.ground.store.purge(prefix));
        self.0.ground.metrics.purged.inc_by(purged as u64);
        self.resized();
        purged
    }

    fn resized(&self) {
        self.0.ground.metrics.size.set(self.size() as i64);
    }

    /// Bytes of everything that is stored.
    pub(crate) fn size(&self) -> u64 {
        self.0.ground.store.size()
    }

    pub(crate) fn max_size(&self) -> usize {
        self.0.settings.max_size
    }

    /// How many requests had which outcome.
    pub(crate) fn requests(&self) -> Vec<(&'static str, u64)> {
        self.0.ground.metrics.requests().collect()
    }

    /// Ends all requests to backends, and waits for them.
    pub(crate) async fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests;
