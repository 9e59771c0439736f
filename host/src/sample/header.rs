//! Headers and content types of samples.

use http::{HeaderName, HeaderValue};

/// Parses a header of the form `Name: value`. The value may be a credential: no message should show the text.
pub fn header(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    Some((name.trim().parse().ok()?, HeaderValue::from_str(value.trim()).ok()?))
}

/// The content type of a body without a `content-type` header.
pub fn content_type(body: &[u8]) -> &'static str {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    if is_json { "application/json" } else { "text/plain" }
}
