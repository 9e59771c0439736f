//! A webhook request, before and after its verification.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method};

use crate::event::{RequestId, Timestamp};

/// A request, read in full.
#[derive(Clone)]
pub struct WebhookRequest {
    pub method: Method,
    /// The whole path as received: some senders sign it.
    pub full_path: String,
    /// The path below the mount point; starts with `/`.
    pub path: String,
    /// Without `?`, undecoded.
    pub query: String,
    /// As received.
    pub headers: HeaderMap,
    /// As received.
    pub body: Bytes,
    /// When its first byte arrived.
    pub received_at: Timestamp,
    pub id: RequestId,
}

impl WebhookRequest {
    /// The same request with its body decoded, and without the headers of the encoded one.
    pub(super) fn with_decoded(mut self, body: Bytes) -> Self {
        self.headers.remove(CONTENT_ENCODING);
        self.headers.remove(CONTENT_LENGTH);
        self.body = body;
        self
    }
}

/// The media type of a body; bytes of an unnamed type are just bytes (RFC 9110, section 8.3).
pub(super) fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or("application/octet-stream").to_owned()
}
