//! Requests before they are checked, and responses as plugins see them.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use super::error::EgressError;

/// A request as its caller asks for it; the host checks it and adds credentials.
pub(crate) struct EgressRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) credential: Option<String>,
    /// Becomes `webhook-id` when the credential signs: the id of the event or of the answer.
    pub(crate) id: String,
    pub(crate) timeout: Duration,
}

impl EgressRequest {
    /// Its URL and method, when both are valid.
    pub(crate) fn target(&self) -> Result<(Url, Method), EgressError> {
        let url = parse_url(&self.url)?;
        let method = self.method.parse().map_err(|_| EgressError::invalid("method", &self.method))?;
        Ok((url, method))
    }

    /// Its headers without those that belong to the connection, which the host sets.
    pub(crate) fn headers(&self) -> Result<HeaderMap, EgressError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().map_err(|_| EgressError::invalid("header name", name))?;
            let value: HeaderValue =
                value.parse().map_err(|_| EgressError::invalid("value of header", name.as_str()))?;
            if !belongs_to_connection(&name) {
                headers.append(name, value);
            }
        }
        Ok(headers)
    }
}

/// An HTTP response as a plugin sees or makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// In order; names may repeat.
    pub headers: Vec<(String, String)>,
    /// Empty when there is no body.
    pub body: Bytes,
}

/// The URL in its canonical form: octal, hexadecimal and short forms of an address become the address they mean.
fn parse_url(text: &str) -> Result<Url, EgressError> {
    let url = Url::parse(text).map_err(|error| EgressError::Protocol(format!("`url` is not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(EgressError::Protocol("`url` must be http or https with a host".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EgressError::Denied("`url` must hold no user or password; name a credential".to_owned()));
    }
    Ok(url)
}

fn belongs_to_connection(name: &HeaderName) -> bool {
    [HOST, CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || name.as_str() == "keep-alive"
        || name.as_str().starts_with("proxy-")
}
