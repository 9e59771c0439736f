//! Chromium's WebSocket and its EventSource (SUB2): while the gateway is killed, ends and is overloaded, they lose no event, and see
//! none again that was acknowledged.
//!
//! The page of `examples/subscribers` reads a consumer over a WebSocket. An EventSource knows nothing but the id of the last event.
//! Without Chromium, which `.ci/run` installs, the test is skipped with a message.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![expect(clippy::print_stderr, reason = "the test runner shows it for a failed test")]

use std::collections::HashSet;
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::examples::example;
use crate::subscriber_examples::{configuration, store};
use crate::support::{KEY, Setup, TestGateway, WebSocket, built_in, wait_for};

/// The ways of `fixtures/subscribers.html`.
const WEBSOCKET: &str = "websocket";
const RELAYED: &str = "relayed";
const DIRECT: &str = "direct";

/// More than the three of the browser.
const PLACES: usize = 4;

#[tokio::test]
async fn chromium_survives_a_kill_a_shutdown_and_an_overload() {
    let page = Page::start().await;
    let origin = format!("http://{}", page.address);
    let Some(_browser) = Browser::open(&origin) else {
        eprintln!("skipped: chromium is not installed");
        return;
    };
    let limits = format!("max_connections = {PLACES}\nattempts = {{ rate = \"1000/s\", burst = 1000 }}\n");
    let setup = Setup::new().plugin(built_in::DUMMY).env("GATEWAY_API_KEY", KEY);
    let setup = setup.config(&configuration().replace("http://127.0.0.1:9000", &origin)).config(&limits);
    let gateway = setup.start().await;
    let address = gateway.client.address();
    let mut posted = Vec::new();
    page.let_in(address);
    page.told("all are connected", |told| told.connected()).await;
    store(&gateway, 20, &mut posted).await;
    page.told("the first event", |told| told.count(WEBSOCKET, "acked") > 0).await;
    store(&gateway, 60, &mut posted).await;

    let gateway = gateway.kill().env("GATEWAY__HTTP__LISTEN", &address.to_string()).start().await;
    store(&gateway, 20, &mut posted).await;
    page.told("all events, over the kill", |told| told.have(&posted)).await;

    page.hold_back();
    gateway.terminate();
    let gateway = gateway.ended().await.setup.start().await;
    let crowd = crowd(&gateway).await;
    store(&gateway, 20, &mut posted).await;
    page.let_in(address);
    page.told("all are refused", |told| {
        assert_eq!(told.count(RELAYED, "ended"), 0, "an EventSource has given up");
        let is_refused = |way| told.count(way, "refused") > 0;
        is_refused(RELAYED) && is_refused(DIRECT) && told.states().any(|state| state.contains("ended with 1006"))
    })
    .await;
    drop(crowd);
    store(&gateway, 20, &mut posted).await;
    page.told("all events, over the shutdown and the overload", |told| told.have(&posted)).await;

    page.told("the last acknowledgement", |told| told.acknowledged().len() == posted.len()).await;
    let told = page.all_told();
    for way in [RELAYED, DIRECT] {
        assert_eq!(told.events(way), posted, "{way}: each once and in order");
    }
    told.none_again();
    assert!(told.states().any(|state| state.contains("ended with 1000")), "the connection was closed");
    let after_refusal = told.0.iter().skip_while(|said| said.as_str() != "direct refused");
    assert_eq!(after_refusal.filter(|said| *said == "direct ended").count(), 0, "it comes back by itself");
}

/// Takes all places of subscribers.
async fn crowd(gateway: &TestGateway) -> Vec<WebSocket> {
    let mut crowd = Vec::new();
    while crowd.len() < PLACES {
        crowd.push(WebSocket::connect(gateway.client.address(), "/api/subscribe").await);
    }
    crowd
}

/// A browser with one page. Killed with all its processes when dropped.
struct Browser {
    child: Child,
    _profile: TempDir,
}

impl Browser {
    fn open(url: &str) -> Option<Self> {
        const FLAGS: &str = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run \
                             --disable-background-networking --disable-component-update --disable-sync --disable-breakpad";
        let profile = tempfile::tempdir().unwrap();
        let mut chromium = Command::new("chromium");
        chromium.args(FLAGS.split_whitespace()).arg(format!("--user-data-dir={}", profile.path().display())).arg(url);
        chromium.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Some(Self { child: chromium.spawn().ok()?, _profile: profile })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

/// The server of the page: it has the key, and hears what the page tells.
struct Page {
    address: SocketAddr,
    shared: Arc<PageState>,
}

struct PageState {
    told: Mutex<Told>,
    /// Where the gateway is; `None` while the browser is held back.
    gateway: watch::Sender<Option<SocketAddr>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;
type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl Page {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let shared = Arc::new(PageState { told: Mutex::default(), gateway: watch::Sender::new(None), client });
        let page = Self { address, shared: Arc::clone(&shared) };
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    // An error ends the connection: for a browser the server is then out of reach.
                    let serve = service_fn(|request| shared.answer(request));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
                });
            }
        });
        page
    }

    fn let_in(&self, gateway: SocketAddr) {
        self.shared.gateway.send_replace(Some(gateway));
    }

    fn hold_back(&self) {
        self.shared.gateway.send_replace(None);
    }

    fn all_told(&self) -> Told {
        self.shared.told.lock().unwrap().clone()
    }

    /// Waits until the page has told enough.
    async fn told(&self, what: &str, is_enough: impl Fn(&Told) -> bool) {
        wait_for(what, || is_enough(&self.all_told()).then_some(())).await;
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the page has told: {:#?}", self.all_told().0);
        }
    }
}

impl PageState {
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, AnyError> {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/") => {
                let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/it/fixtures");
                Ok(file("text/html", &fixtures.join("subscribers.html")))
            }
            (&Method::GET, "/browser.html") => Ok(file("text/html", &example("subscribers/browser.html"))),
            (&Method::GET, "/browser.js") => Ok(file("text/javascript", &example("subscribers/browser.js"))),
            (&Method::POST, "/told") => {
                let text = String::from_utf8(request.into_body().collect().await?.to_bytes().to_vec())?;
                self.told.lock().unwrap().0.push(text);
                Ok(whole(StatusCode::OK, "text/plain", ""))
            }
            (&Method::POST, "/ticket") => self.ticket().await,
            (&Method::GET, "/stream") => self.stream(request).await,
            _ => Ok(whole(StatusCode::NOT_FOUND, "text/plain", "")),
        }
    }

    async fn gateway(&self) -> SocketAddr {
        self.gateway.subscribe().wait_for(Option::is_some).await.unwrap().unwrap()
    }

    /// As `page.mjs` does.
    async fn ticket(&self) -> Result<Answer, AnyError> {
        let gateway = self.gateway().await;
        let request = Request::post(format!("http://{gateway}/api/tickets")).header(AUTHORIZATION, bearer());
        let Ok(answer) = self.client.request(request.body(Full::default())?).await else {
            return Ok(whole(StatusCode::BAD_GATEWAY, "text/plain", ""));
        };
        if !answer.status().is_success() {
            return Ok(answer.map(BodyExt::boxed));
        }
        let ticket: Value = serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?;
        let ticket = ticket["ticket"].as_str().unwrap();
        let url = json!({"url": format!("ws://{gateway}/api/subscribe?consumer=audit&ticket={ticket}")});
        Ok(whole(StatusCode::OK, "application/json", url.to_string()))
    }

    /// The stream of the gateway, whatever it is.
    async fn stream(&self, request: Request<Incoming>) -> Result<Answer, AnyError> {
        let gateway = self.gateway().await;
        let query = request.uri().query().unwrap_or_default();
        let mut relayed = Request::get(format!("http://{gateway}/api/subscribe?{query}"));
        for name in ["accept", "last-event-id"] {
            if let Some(value) = request.headers().get(name) {
                relayed = relayed.header(name, value);
            }
        }
        let answer = self.client.request(relayed.header(AUTHORIZATION, bearer()).body(Full::default())?).await?;
        Ok(answer.map(BodyExt::boxed))
    }
}

fn bearer() -> String {
    format!("Bearer {KEY}")
}

fn file(kind: &str, path: &Path) -> Answer {
    whole(StatusCode::OK, &format!("{kind}; charset=utf-8"), fs::read(path).unwrap())
}

fn whole(status: StatusCode, kind: &str, body: impl Into<Bytes>) -> Answer {
    let body = Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed();
    Response::builder().status(status).header(CONTENT_TYPE, kind).body(body).unwrap()
}

/// What the page has told: the way, what happened, and to which event.
#[derive(Clone, Debug, Default)]
struct Told(Vec<String>);

impl Told {
    /// What happened on a way, and to which event.
    fn of(&self, way: &str) -> impl Iterator<Item = (&str, &str)> {
        let said = self.0.iter().filter_map(move |said| said.strip_prefix(way)?.strip_prefix(' '));
        said.map(|said| said.split_once(' ').unwrap_or((said, "")))
    }

    fn count(&self, way: &str, what: &str) -> usize {
        self.of(way).filter(|(happened, _)| *happened == what).count()
    }

    /// What the example has shown of its connection.
    fn states(&self) -> impl Iterator<Item = &str> {
        self.of(WEBSOCKET).filter_map(|(what, state)| (what == "state").then_some(state))
    }

    fn connected(&self) -> bool {
        let is_connected = |way| self.count(way, "connected") > 0;
        is_connected(RELAYED) && is_connected(DIRECT) && self.states().any(|state| state == "active")
    }

    fn events(&self, way: &str) -> Vec<&str> {
        self.of(way).filter_map(|(what, id)| (what == "event").then_some(id)).collect()
    }

    /// Whether all of them have come on each way.
    fn have(&self, ids: &[String]) -> bool {
        let has = |way| {
            let events: HashSet<_> = self.events(way).into_iter().collect();
            ids.iter().all(|id| events.contains(id.as_str()))
        };
        [WEBSOCKET, RELAYED, DIRECT].into_iter().all(has)
    }

    fn acknowledged(&self) -> HashSet<&str> {
        self.of(WEBSOCKET).filter_map(|(what, id)| (what == "acked").then_some(id)).collect()
    }

    /// Panics if an event came again after it was acknowledged.
    fn none_again(&self) {
        let mut acknowledged = HashSet::new();
        for (what, id) in self.of(WEBSOCKET) {
            match what {
                "acked" => drop(acknowledged.insert(id)),
                "event" => assert!(!acknowledged.contains(id), "{id} came again after it was acknowledged"),
                _ => {}
            }
        }
    }
}
