use http::{HeaderName, HeaderValue};

/// A header of the form `Name: value`; none when the text is not one. What stands after the colon may be a credential, so
/// that no message should show the text.
pub fn header(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    Some((name.trim().parse().ok()?, HeaderValue::from_str(value.trim()).ok()?))
}

/// What a body is when no header says it.
pub fn content_type(body: &[u8]) -> &'static str {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    if is_json { "application/json" } else { "text/plain" }
}
