//! The agent that records deliveries.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use crate::journal::Journal;
use crate::support::Client;
use crate::verdict::Arrival;

/// An agent that records all deliveries. It runs outside the process under test and outlives it.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    journal: Arc<Journal>,
    policy: Box<Policy>,
    run: AtomicU32,
    clean: Mutex<BTreeSet<u32>>,
    records: Mutex<Vec<Record>>,
}

type Policy = dyn Fn(&Record) -> Answer + Send + Sync;

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) arrival: Arrival,
    /// The path of the request.
    pub(crate) path: String,
    pub(crate) at: Instant,
    /// When the response was ready; `None` if there was none.
    pub(crate) answered: Option<Instant>,
}

/// The behaviour of the agent.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Status(u16),
    /// 429, with these seconds in `Retry-After`.
    Throttled(u64),
    /// The status after this time.
    Late(Duration, u16),
    /// No response, while the connection stays open.
    Hang,
    /// Resets the connection.
    Reset,
}

impl Recorder {
    /// An agent that accepts every event.
    pub(crate) async fn start(journal: &Arc<Journal>) -> Self {
        Self::answering(journal, |_| Answer::Status(200)).await
    }

    /// An agent that behaves by `policy`.
    pub(crate) async fn answering(
        journal: &Arc<Journal>,
        policy: impl Fn(&Record) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            journal: Arc::clone(journal),
            policy: Box::new(policy),
            run: AtomicU32::new(0),
            clean: Mutex::default(),
            records: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        #[expect(clippy::disallowed_methods, reason = "it ends with the runtime of the scenario")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Data from a killed gateway belongs to its run, even if it is read later.
                let run = serving.run.load(Ordering::SeqCst);
                tokio::spawn(serve(stream, run, Arc::clone(&serving)));
            }
        });
        Self { address, shared }
    }

    /// Starts the next run, after the gateway has ended: new connections belong to it. `clean` means that the gateway had the time
    /// to record every outcome.
    pub(crate) async fn next_run(&self, clean: bool) {
        // Connections are accepted in order, so all before this one belong to the old run.
        Client::new(self.address).get("/").await;
        let run = self.shared.run.fetch_add(1, Ordering::SeqCst);
        if clean {
            self.shared.clean.lock().unwrap().insert(run);
        }
    }

    /// All records so far, in order.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.shared.records.lock().unwrap().clone()
    }

    /// Forgets all records so far, once they have been judged. No request may be in progress.
    pub(crate) fn forget(&self) {
        self.shared.records.lock().unwrap().clear();
    }

    /// The number of requests so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.records.lock().unwrap().len()
    }

    /// The runs that ended cleanly.
    pub(crate) fn clean(&self) -> BTreeSet<u32> {
        self.shared.clean.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, run: u32, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    // An early end of the connection is a reset.
    let _ = stream.set_zero_linger();
    let service = service_fn(move |request| receive(request, run, Arc::clone(&shared)));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn receive(request: Request<Incoming>, run: u32, shared: Arc<Shared>) -> io::Result<Response<Full<Bytes>>> {
    if request.method() == "GET" {
        return Ok(Response::default());
    }
    let path = request.uri().path().to_owned();
    let key = request.headers().get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let arrival = read(&body, key, run, &shared.journal);
    let record = Record { arrival, path, at: Instant::now(), answered: None };
    let answer = (shared.policy)(&record);
    let index = {
        let mut records = shared.records.lock().unwrap();
        records.push(record);
        records.len() - 1
    };
    let status = match answer {
        Answer::Reset => return Err(io::Error::other("reset by the policy")),
        Answer::Hang => std::future::pending().await,
        Answer::Late(wait, status) => {
            tokio::time::sleep(wait).await;
            status
        }
        Answer::Throttled(_) => 429,
        Answer::Status(status) => status,
    };
    let record = &mut shared.records.lock().unwrap()[index];
    record.answered = Some(Instant::now());
    record.arrival.accepted = (200..300).contains(&status);
    let mut response = Response::builder().status(status);
    if let Answer::Throttled(seconds) = answer {
        response = response.header("retry-after", seconds);
    }
    Ok(response.body(Full::from("{\"ok\":true}")).unwrap())
}

/// Parses the envelope. A malformed one counts as never sent.
fn read(body: &[u8], event: String, run: u32, journal: &Journal) -> Arrival {
    let envelope: Value = serde_json::from_slice(body).unwrap_or_default();
    let inner = &envelope["event"];
    let data = inner["data"].as_str().unwrap_or_default();
    let id = data.split(' ').next().unwrap_or_default();
    let is_id = id.split_once('-').is_some_and(|(_, number)| number.parse::<usize>().is_ok());
    Arrival {
        whole: is_id && inner["id"] == event.as_str() && data == journal.body(id),
        id: id.to_owned(),
        event,
        subject: inner["subject"].as_str().unwrap_or_default().to_owned(),
        seq: inner["seq"].as_u64().or_else(|| inner["seq"].as_str()?.parse().ok()).unwrap_or_default(),
        attempt: envelope["attempt"].as_u64().unwrap_or_default() as u32,
        run,
        accepted: false,
    }
}
