//! Text forms of URLs for messages.

use url::Url;

/// `host:port`.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Without the query, which may carry tokens.
pub(super) fn without_secrets(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), authority(url), url.path())
}
