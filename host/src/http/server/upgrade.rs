//! Connections that go on in another protocol, such as WebSocket.
//!
//! The future of a connection ends when hyper hands its socket over. What serves the socket from then on runs among the
//! server's tasks, occupies the place of the connection, and hears of the shutdown.

use std::sync::Arc;

use ::http::Request;
use ::http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;

use super::occupancy::Occupancy;

/// The offer of a request to go on in another protocol. Nothing happens to it unless the answer is 101.
#[derive(Clone)]
pub(crate) struct Upgrade {
    socket: OnUpgrade,
    occupancy: Arc<Occupancy>,
}

impl Upgrade {
    /// Leaves the offer in the request, when it makes one.
    pub(crate) fn attach<B>(request: &mut Request<B>, occupancy: &Arc<Occupancy>) {
        if let Some(socket) = request.extensions_mut().remove::<OnUpgrade>() {
            request.extensions_mut().insert(Self { socket, occupancy: Arc::clone(occupancy) });
        }
    }

    /// The offer of a request, if it makes one.
    #[cfg_attr(not(test), expect(dead_code, reason = "the first protocol to go on in is still to come"))]
    pub(crate) fn of(head: &Parts) -> Option<Self> {
        head.extensions.get().cloned()
    }

    /// Has `serve` talk over the socket once the answer is sent. It is told of the end of the server, and is cut off when the
    /// grace after that is over.
    #[cfg_attr(not(test), expect(dead_code, reason = "the first protocol to go on in is still to come"))]
    pub(crate) fn start<F>(self, serve: impl FnOnce(TokioIo<Upgraded>, CancellationToken) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self { socket, occupancy } = self;
        occupancy.tasks.clone().spawn(async move {
            let socket = match socket.await {
                Ok(socket) => TokioIo::new(socket),
                Err(error) => {
                    tracing::debug!("Connection was not upgraded: {error}");
                    return;
                }
            };
            let grace_is_over = async {
                occupancy.stop.cancelled().await;
                tokio::time::sleep(occupancy.grace).await;
            };
            tokio::select! {
                () = serve(socket, occupancy.stop.clone()) => {}
                () = grace_is_over => tracing::debug!("Upgraded connection cut off"),
            }
        });
    }
}
