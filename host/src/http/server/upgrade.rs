//! Upgrades of connections to another protocol, such as WebSocket.
//!
//! The future of a connection ends when hyper hands its socket over. The task that serves the socket from then on is tracked by
//! the server, keeps the place of the connection, and is notified of the shutdown.

use std::sync::Arc;

use ::http::Request;
use ::http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;

use super::occupancy::Occupancy;

/// A request for an upgrade, and the socket that it will yield.
#[derive(Clone)]
pub(crate) struct Upgrade {
    socket: OnUpgrade,
    occupancy: Arc<Occupancy>,
}

impl Upgrade {
    /// Puts the upgrade into the extensions of a request that asks for one.
    pub(crate) fn attach<B>(request: &mut Request<B>, occupancy: &Arc<Occupancy>) {
        if let Some(socket) = request.extensions_mut().remove::<OnUpgrade>() {
            request.extensions_mut().insert(Self { socket, occupancy: Arc::clone(occupancy) });
        }
    }

    /// The upgrade that a request asks for.
    pub(crate) fn of(head: &Parts) -> Option<Self> {
        head.extensions.get().cloned()
    }

    /// Runs `serve` on the socket as soon as the response, which must be a 101, is sent. The token is cancelled at the shutdown;
    /// when the grace is over, `serve` is dropped.
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
