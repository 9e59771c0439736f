//! What the cache is asked, and what it asks the backend with.

use std::error::Error;

use bytes::Bytes;
use http::request::Parts;
use hyper::body;

use super::key::Key;

/// A request without a body.
pub(crate) struct Request {
    pub(crate) key: Key,
    /// As the backend will see it, but still with the caller's conditions and range.
    pub(crate) head: Parts,
    /// Whether the caller may ask for a newer response than the stored one.
    pub(crate) honour_reload: bool,
}

/// One exchange with a backend.
pub(crate) trait Fetch: Send + Sync + 'static {
    type Body: body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>> + Send> + Send + Unpin + 'static;
    type Error: Send + 'static;

    /// Sends `head` and no body. The head of the response has nothing that is about the connection; its body is streamed. Every wait
    /// in here and in the body has a deadline.
    fn fetch(
        &self,
        head: Parts,
        whom: For,
    ) -> impl Future<Output = Result<http::Response<Self::Body>, Self::Error>> + Send;
}

/// Whom an exchange is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// If the caller leaves, nobody wants it.
    Caller,
    /// For everybody.
    Cache,
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum Failed<E> {
    /// The backend has not answered.
    Fetch(E),
    /// The backend has not answered, and what is stored must not be served stale: 504.
    MustRevalidate(E),
    /// The backend has not answered an equal request that this one waited for.
    Waited,
    /// Nothing is stored that can be used, and the caller wants nothing else: 504.
    OnlyIfCached,
    /// The gateway stops.
    Stopped,
}
