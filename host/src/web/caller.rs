//! Who sends a request, as far as the gateway knows it.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::event::RequestId;

/// Ends when the caller has ended its side of the connection.
pub type CallerLeft = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Can tell when the caller leaves. It is asked only about requests that take a while.
pub trait Departure: Send + Sync {
    fn left(self: Arc<Self>) -> CallerLeft;
}

/// The caller of one request.
#[derive(Clone)]
pub struct WebCaller {
    pub id: RequestId,
    /// The client, as far as trusted proxies report it.
    pub client: IpAddr,
    /// The trusted proxy that the request came through; only it may say what stands in `X-Forwarded-*`.
    pub proxy: Option<IpAddr>,
    pub is_encrypted: bool,
    /// `None` where the protocol cancels requests itself.
    pub departure: Option<Arc<dyn Departure>>,
}
