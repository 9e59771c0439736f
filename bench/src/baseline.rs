//! What the gateway is compared with: small servers with the same HTTP library, the same runtime and the same options, and
//! only a part of its work.

mod append_log;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use gateway::event::{RequestId, Timestamp};
use gateway::eventlog::{Appended, EngineKind, EventLog, Identity, NewEvent, Settings};
use gateway::metrics::Metrics;
use hmac::{Hmac, Mac};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use self::append_log::AppendLog;
use crate::webhook::{REPOSITORY, SECRET};

/// How much of the gateway's work a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Baseline {
    /// Reads the body.
    Bare,
    /// Verifies the signature and keeps the body in an append-only log.
    AppendLog,
    /// Verifies the signature and keeps the body in the gateway's event log.
    EventLog,
}

impl Baseline {
    const ALL: [Self; 3] = [Self::Bare, Self::AppendLog, Self::EventLog];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::AppendLog => "append-log",
            Self::EventLog => "event-log",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.name() == name)
    }
}

/// Serves until the process is ended. `dir` is for its files.
pub(crate) fn serve(what: Baseline, dir: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let store = match what {
        Baseline::Bare => Store::None,
        Baseline::AppendLog => Store::AppendLog(AppendLog::create(&dir.join("log"))?),
        Baseline::EventLog => Store::EventLog(open_event_log(dir)?),
    };
    let key = Hmac::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of any length");
    runtime.block_on(accept(Arc::new(Handler { store, key })))
}

/// With the options of the gateway (`http/`).
async fn accept(handler: Arc<Handler>) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("Serving on http://{}/", listener.local_addr()?);
    let connections = TaskTracker::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let handler = Arc::clone(&handler);
        connections.spawn(async move {
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(70))
                .max_buf_size(32 << 10)
                .pipeline_flush(true);
            let serve = service_fn(move |request| Arc::clone(&handler).answer(request));
            if let Err(error) = builder.serve_connection(TokioIo::new(stream), serve).await {
                eprintln!("connection failed: {error}");
            }
        });
    }
}

struct Handler {
    store: Store,
    key: Hmac<Sha256>,
}

enum Store {
    None,
    AppendLog(AppendLog),
    EventLog(EventLog),
}

impl Handler {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let mut answer = Response::new(Empty::new());
        *answer.status_mut() = match self.keep(&head.headers, body).await? {
            true => StatusCode::ACCEPTED,
            false => StatusCode::UNAUTHORIZED,
        };
        Ok(answer)
    }

    /// Whether the request was signed; if so, it is durable.
    async fn keep(&self, headers: &HeaderMap, body: Bytes) -> Result<bool> {
        if let Store::None = self.store {
            return Ok(true);
        }
        if !self.is_signed(headers, &body) {
            return Ok(false);
        }
        let id = headers.get("x-github-delivery").context("no delivery id")?.to_str()?;
        match &self.store {
            Store::None => {}
            Store::AppendLog(log) => log.append(id, &body).await?,
            Store::EventLog(log) => match &*log.commit(vec![new_event(id, 1234, body)?].into()).await?.events {
                [Appended::Accepted(_)] => {}
                other => return Err(anyhow!("unexpected result: {other:?}")),
            },
        }
        Ok(true)
    }

    fn is_signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let signature =
            headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok()?.strip_prefix("sha256="));
        let mut stated = [0; 32];
        let mut mac = self.key.clone();
        mac.update(body);
        signature.is_some_and(|signature| hex::decode_to_slice(signature, &mut stated).is_ok())
            && mac.verify_slice(&stated).is_ok()
    }
}

/// The gateway's log at its defaults, whose commits nobody delivers.
pub(crate) fn open_event_log(dir: &Path) -> Result<EventLog> {
    let engine =
        EngineKind::Sled { dir: dir.join("data"), cache_bytes: 32 << 20, ballast_bytes: 16 << 20, min_free: 0 };
    Ok(EventLog::open(&Settings::new(engine), &Metrics::new(), Vec::new())?)
}

/// An event as large as the one that the gateway makes of the request about `issue`, without a delivery.
pub(crate) fn new_event(delivery: &str, issue: u32, body: Bytes) -> Result<NewEvent> {
    let channel = "github".parse()?;
    let digest = Sha256::digest(&body).into();
    let now = Timestamp::now();
    let attributes = [("action", "opened"), ("sender", "octo-cat"), ("repository", REPOSITORY)];
    Ok(NewEvent {
        plugin: "github".parse()?,
        kind: "github.issues.opened".to_owned(),
        subject: Some(format!("{REPOSITORY}#{issue}")),
        time: now,
        verified_at: Some(now),
        content_type: "application/json".to_owned(),
        data: body,
        attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        headers: Vec::new(),
        request_id: RequestId::new(),
        delivery_id: None,
        traceparent: None,
        statement: None,
        is_imported: false,
        quarantine: None,
        keep_repeat: false,
        repeat_of: None,
        identity: Some(Identity::of_delivery(&channel, delivery, &digest, 0)),
        channel,
        recipients: Vec::new(),
    })
}
