//! What callers and backends see of the cache.

#![expect(clippy::disallowed_methods, reason = "what is spawned ends with the test's runtime")]

mod collapsing;
mod validating;

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Request as HttpRequest;
use http::header::{HeaderName, HeaderValue};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::metrics::Metrics;

/// No test waits longer than this for what must happen.
const LIMIT: Duration = Duration::from_secs(30);

type BackendBody = UnsyncBoxBody<Bytes, io::Error>;
type Script = Box<dyn FnMut(&http::request::Parts) -> Result<Response<BackendBody>, &'static str> + Send>;
type Fields<'a> = &'a [(&'static str, &'a str)];

/// A backend that answers as its test says, once its gate is open.
#[derive(Clone)]
struct Backend(Arc<Shared>);

struct Shared {
    script: Mutex<Script>,
    /// The heads of all requests.
    requests: watch::Sender<Vec<http::request::Parts>>,
    is_open: watch::Sender<bool>,
}

impl Backend {
    fn new(
        script: impl FnMut(&http::request::Parts) -> Result<Response<BackendBody>, &'static str> + Send + 'static,
    ) -> Self {
        Self(Arc::new(Shared {
            script: Mutex::new(Box::new(script)),
            requests: watch::Sender::default(),
            is_open: watch::Sender::new(true),
        }))
    }

    /// A backend that always answers the same.
    fn always(fields: Fields<'static>, body: &'static str) -> Self {
        Self::new(move |_| Ok(response(200, fields, whole(body))))
    }

    fn shut(self) -> Self {
        self.0.is_open.send_replace(false);
        self
    }

    fn open(&self) {
        self.0.is_open.send_replace(true);
    }

    fn count(&self) -> usize {
        self.0.requests.borrow().len()
    }

    /// Waits until there were so many requests.
    async fn asked(&self, times: usize) {
        let mut requests = self.0.requests.subscribe();
        timeout(LIMIT, requests.wait_for(|requests| requests.len() >= times)).await.unwrap().unwrap();
    }

    /// A field of the newest request.
    fn field(&self, name: &str) -> Option<String> {
        let requests = self.0.requests.borrow();
        Some(requests.last().unwrap().headers.get(name)?.to_str().unwrap().to_owned())
    }
}

impl Fetch for Backend {
    type Body = BackendBody;
    type Error = &'static str;

    async fn fetch(&self, head: http::request::Parts, _: For) -> Result<Response<BackendBody>, &'static str> {
        self.0.requests.send_modify(|requests| requests.push(head.clone()));
        self.0.is_open.subscribe().wait_for(|is_open| *is_open).await.unwrap();
        (self.0.script.lock().unwrap())(&head)
    }
}

fn headers(fields: Fields<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn response(status: u16, fields: Fields<'_>, body: BackendBody) -> Response<BackendBody> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = headers(fields);
    response
}

fn whole(body: impl Into<Bytes>) -> BackendBody {
    Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body of unknown length that is made by the test.
fn made() -> (mpsc::Sender<io::Result<Bytes>>, BackendBody) {
    let (sender, receiver) = mpsc::channel(1);
    let pieces = stream::unfold(receiver, |mut receiver: mpsc::Receiver<io::Result<Bytes>>| async {
        let piece = receiver.recv().await?;
        Some((piece.map(Frame::data), receiver))
    });
    (sender, StreamBody::new(pieces).boxed_unsync())
}

/// A body of unknown length that is all there.
fn pieces(pieces: Vec<io::Result<Bytes>>) -> BackendBody {
    StreamBody::new(stream::iter(pieces.into_iter().map(|piece| piece.map(Frame::data)))).boxed_unsync()
}

fn cache(settings: Settings) -> Cache {
    Cache::new(settings, CacheMetrics::register(&Metrics::new()))
}

/// More patient than a test.
fn patient() -> Settings {
    Settings { max_wait: 2 * LIMIT, ..Settings::default() }
}

fn request(method: Method, path: &str, fields: Fields<'_>) -> Request {
    let (mut head, ()) = HttpRequest::builder().method(method).uri(path).body(()).unwrap().into_parts();
    head.headers = headers(fields);
    Request { key: Key::new("http", "h", path), head, honour_reload: false }
}

struct Answered {
    status: u16,
    headers: HeaderMap,
    body: io::Result<String>,
}

impl Answered {
    async fn of(response: Response<Body<BackendBody>>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.map(|body| String::from_utf8(body.to_bytes().into()).unwrap());
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }

    fn body(&self) -> &str {
        self.body.as_ref().unwrap()
    }

    fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn get(cache: &Cache, backend: &Backend, fields: Fields<'_>) -> Answered {
    let request = request(Method::GET, "/", fields);
    Answered::of(timeout(LIMIT, cache.answer(request, backend.clone())).await.unwrap().unwrap()).await
}

async fn failure(cache: &Cache, backend: &Backend, fields: Fields<'_>) -> Failed<&'static str> {
    let request = request(Method::GET, "/", fields);
    match timeout(LIMIT, cache.answer(request, backend.clone())).await.unwrap() {
        Ok(response) => panic!("answered {}", response.status()),
        Err(failed) => failed,
    }
}

fn counted(cache: &Cache) -> HashMap<&'static str, u64> {
    cache.requests().into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Waits until the store has something, or nothing.
async fn stored(cache: &Cache, something: bool) {
    timeout(LIMIT, async {
        while (cache.size() > 0) != something {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

const FRESH: Fields<'static> = &[("cache-control", "max-age=60"), ("etag", "\"a\"")];

/// Waits until no body is being received.
async fn memory_is_free(cache: &Cache) -> bool {
    let all = cache.0.settings.max_size;
    timeout(LIMIT, async {
        while cache.0.ground.memory.available_permits() < all {
            tokio::task::yield_now().await;
        }
    })
    .await
    .is_ok()
}

#[tokio::test]
async fn a_stored_response_is_served_without_the_backend() {
    let (cache, backend) = (cache(patient()), Backend::always(FRESH, "body"));
    let first = get(&cache, &backend, &[]).await;
    assert_eq!((first.status, first.body()), (200, "body"));
    assert_eq!((first.field("cache-status"), first.field("age")), ("gateway; fwd=uri-miss; stored", ""));
    stored(&cache, true).await;

    let second = get(&cache, &backend, &[]).await;
    assert_eq!((second.status, second.body(), second.field("age")), (200, "body", "0"));
    assert!(second.field("cache-status").starts_with("gateway; hit; ttl="), "{}", second.field("cache-status"));
    assert_eq!(backend.count(), 1);
    assert_eq!(counted(&cache), [("miss", 1), ("hit", 1)].into());
}

#[tokio::test]
async fn conditions_parts_and_heads_are_made_of_what_is_stored() {
    let (cache, backend) = (cache(patient()), Backend::always(FRESH, "0123456789"));
    get(&cache, &backend, &[]).await;
    stored(&cache, true).await;
    for (method, fields, status, body, length) in [
        (Method::GET, &[("if-none-match", "\"a\"")][..], 304, "", ""),
        (Method::GET, &[("if-none-match", "\"b\"")], 200, "0123456789", ""),
        (Method::GET, &[("range", "bytes=2-4")], 206, "234", ""),
        (Method::GET, &[("range", "bytes=2-4"), ("if-range", "\"a\"")], 206, "234", ""),
        (Method::GET, &[("range", "bytes=2-4"), ("if-range", "\"b\"")], 200, "0123456789", ""),
        (Method::GET, &[("range", "bytes=20-")], 416, "", ""),
        (Method::HEAD, &[], 200, "", "10"),
        (Method::HEAD, &[("if-none-match", "\"a\"")], 304, "", ""),
        (Method::GET, &[("cache-control", "no-cache")], 200, "0123456789", ""),
        (Method::GET, &[("cache-control", "only-if-cached")], 200, "0123456789", ""),
    ] {
        let request = request(method.clone(), "/", fields);
        let answered = Answered::of(cache.answer(request, backend.clone()).await.unwrap()).await;
        assert_eq!((answered.status, answered.body()), (status, body), "{method} {fields:?}");
        assert_eq!(answered.field("content-length"), length, "{method} {fields:?}");
        assert_eq!(answered.field("etag"), "\"a\"", "{method} {fields:?}");
    }
    assert_eq!(backend.count(), 1);
}

#[tokio::test]
async fn requests_that_the_cache_is_not_for_go_on_as_they_are() {
    let (cache, backend) = (cache(patient()), Backend::always(FRESH, "body"));
    for (method, name, value) in [
        (Method::GET, "if-match", "\"a\""),
        (Method::GET, "range", "bytes=0-1"),
        (Method::GET, "cache-control", "no-store"),
        (Method::HEAD, "if-none-match", "\"b\""),
    ] {
        let request = request(method.clone(), "/", &[(name, value)]);
        let answered = Answered::of(cache.answer(request, backend.clone()).await.unwrap()).await;
        assert_eq!(answered.status, 200, "{name}");
        assert_eq!(backend.field(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!((cache.size(), backend.count()), (0, 4));
    assert!(matches!(failure(&cache, &backend, &[("cache-control", "only-if-cached")]).await, Failed::OnlyIfCached));
    assert_eq!(backend.count(), 4);
}

#[tokio::test]
async fn a_newer_response_can_be_asked_for_where_that_is_honoured() {
    let (cache, backend) = (cache(patient()), Backend::always(FRESH, "body"));
    get(&cache, &backend, &[]).await;
    stored(&cache, true).await;
    let asks = request(Method::GET, "/", &[("cache-control", "no-cache")]);
    let asks = Request { honour_reload: true, ..asks };
    cache.answer(asks, backend.clone()).await.unwrap();
    assert_eq!((backend.count(), backend.field("if-none-match").as_deref()), (2, Some("\"a\"")));
}

#[tokio::test]
async fn a_change_removes_what_it_makes_outdated_also_on_its_way() {
    let (cache, backend) = (cache(patient()), Backend::always(FRESH, "body"));
    let changed = headers(&[("location", "/")]);
    let other = Key::new("http", "h", "/other");
    get(&cache, &backend, &[]).await;
    stored(&cache, true).await;
    cache.exchanged(&other, &Method::GET, StatusCode::CREATED, &changed);
    assert!(cache.size() > 0);
    cache.exchanged(&other, &Method::POST, StatusCode::CREATED, &changed);
    assert_eq!(cache.size(), 0);

    let backend = backend.shut();
    let caller = tokio::spawn({
        let (cache, backend) = (cache.clone(), backend.clone());
        async move { get(&cache, &backend, &[]).await.status }
    });
    backend.asked(2).await;
    assert_eq!(cache.purge("/"), 0);
    backend.open();
    assert_eq!(caller.await.unwrap(), 200);
    cache.stop().await;
    assert_eq!(cache.size(), 0);
}

#[tokio::test]
async fn purging_removes_by_prefix_and_counts() {
    let (cache, backend) = (cache(patient()), Backend::always(FRESH, "body"));
    for path in ["/a/1", "/a/2", "/b"] {
        Answered::of(cache.answer(request(Method::GET, path, &[]), backend.clone()).await.unwrap()).await;
    }
    assert!(memory_is_free(&cache).await);
    assert_eq!((cache.purge("/a/"), cache.purge("http://h/"), cache.size()), (2, 1, 0));
}

#[tokio::test]
async fn a_head_that_contradicts_removes_what_is_stored() {
    let (cache, backend) = (cache(patient()), Backend::always(FRESH, "body"));
    get(&cache, &backend, &[]).await;
    stored(&cache, true).await;
    let other = Backend::always(&[("etag", "\"b\"")], "");
    // Fresh, so that only one which must be answered by the backend gets there.
    let head = request(Method::HEAD, "/", &[("if-match", "\"a\"")]);
    cache.answer(head, other).await.unwrap();
    assert_eq!(cache.size(), 0);
}
