//! An HTTP server in the place of a user's agent: it remembers what it received.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};

/// A delivery that an agent received.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Delivered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The data of the event in the envelope, which must be a text.
    pub(crate) fn data(&self) -> String {
        self.json()["event"]["data"].as_str().unwrap().to_owned()
    }
}

type Answer = dyn Fn(usize, Delivered) -> BoxFuture<'static, Response<Full<Bytes>>> + Send + Sync;

/// An HTTP server in the role of an agent, which records its deliveries.
pub(crate) struct RemoteAgent {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Delivered>>>,
}

impl RemoteAgent {
    /// Answers every request with 200 and `{"ok":true}`.
    pub(crate) async fn start() -> Self {
        Self::answering(|_, _| {
            Response::builder().header("content-type", "application/json").body(Full::from("{\"ok\":true}")).unwrap()
        })
        .await
    }

    /// Answers each request with the result of `answer`, which gets the number of the request, from 0, and its content.
    pub(crate) async fn answering(
        answer: impl Fn(usize, &Delivered) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self::answering_later(move |number, delivered| std::future::ready(answer(number, &delivered))).await
    }

    /// As [`answering`](Self::answering), with an asynchronous `answer`.
    pub(crate) async fn answering_later<F>(answer: impl Fn(usize, Delivered) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        Self::serving(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer)
    }

    /// Begins to listen on a socket that has an address already, and answers every request with 200.
    pub(crate) fn on(socket: TcpSocket) -> Self {
        Self::serving(socket.listen(128).unwrap(), |_, _| std::future::ready(Response::new(Full::default())))
    }

    fn serving<F>(listener: TcpListener, answer: impl Fn(usize, Delivered) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Answer> = Arc::new(move |number, delivered| answer(number, delivered).boxed());
        let log = Arc::clone(&received);
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                tokio::spawn(async move {
                    let serve = service_fn(move |request| receive(request, Arc::clone(&log), Arc::clone(&answer)));
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), serve).await;
                });
            }
        });
        Self { address, received }
    }

    /// All deliveries so far, in order.
    pub(crate) fn received(&self) -> Vec<Delivered> {
        self.received.lock().unwrap().clone()
    }
}

async fn receive(
    request: Request<Incoming>,
    log: Arc<Mutex<Vec<Delivered>>>,
    answer: Arc<Answer>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let (method, path) = (head.method, head.uri.path().to_owned());
    let delivered = Delivered { method, path, query, headers: head.headers, body };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(delivered.clone());
        log.len() - 1
    };
    Ok(answer(number, delivered).await)
}
