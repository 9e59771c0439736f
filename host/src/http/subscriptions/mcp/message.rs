//! A message of JSON-RPC 2.0, and what its headers must say of it.

use ::http::HeaderName;
use ::http::header::HeaderMap;
use serde_json::{Map, Value, json};

use super::discovery::REVISION;
use crate::subscribe::McpError;

pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(super) const METHOD: HeaderName = HeaderName::from_static("mcp-method");

/// Keys of `_meta` that every request has (2026-07-28, "Per-request protocol fields").
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";

/// Bytes of an id that is a text: each notification of a stream repeats it.
const LONGEST_ID: usize = 256;

#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Call(Call),
    Notification,
}

/// A request.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    /// A text or a number.
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
}

/// A message that is none.
#[derive(Debug, PartialEq)]
pub(super) struct Malformed {
    /// If it could be read.
    pub(super) id: Option<Value>,
    pub(super) error: McpError,
}

impl Message {
    /// Reads the body of a request: one message.
    ///
    /// # Errors
    /// It is not JSON, or no request and no notification.
    pub(super) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let malformed = |id, code, text: String| Malformed { id, error: McpError::new(code, text) };
        let value = serde_json::from_slice(body)
            .map_err(|error| malformed(None, McpError::PARSE_ERROR, format!("Parse error: {error}")))?;
        let invalid = |id, text: &str| malformed(id, McpError::INVALID_REQUEST, format!("Invalid request: {text}"));
        let mut message = match value {
            Value::Object(message) => message,
            Value::Array(_) => return Err(invalid(None, "expected one message, batches are not supported")),
            _ => return Err(invalid(None, "expected an object")),
        };
        let has_id = message.contains_key("id");
        let id = message.remove("id").filter(|id| match id {
            Value::String(text) => text.len() <= LONGEST_ID,
            Value::Number(number) => number.is_i64() || number.is_u64(),
            _ => false,
        });
        if has_id && id.is_none() {
            return Err(invalid(None, "expected a whole number or a short text as `id`"));
        }
        if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(invalid(id, "expected `\"jsonrpc\": \"2.0\"`"));
        }
        let Some(Value::String(method)) = message.remove("method") else {
            return Err(invalid(id, "expected a `method`, which responses have not"));
        };
        let Some(id) = id else { return Ok(Self::Notification) };
        match message.remove("params") {
            None => Ok(Self::Call(Call { id, method, params: Map::new() })),
            Some(Value::Object(params)) => Ok(Self::Call(Call { id, method, params })),
            Some(_) => Err(malformed(
                Some(id),
                McpError::INVALID_PARAMS,
                "Invalid params: expected an object as `params`".to_owned(),
            )),
        }
    }
}

impl Call {
    /// Checks what the request says of itself, in its headers and in `_meta`.
    ///
    /// # Errors
    /// `UnsupportedProtocolVersion`, `HeaderMismatch`, and invalid params without a required key.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), McpError> {
        // Older clients begin so, and show what they are answered to people.
        if self.method == "initialize" {
            return Err(unsupported(self.params.get("protocolVersion")));
        }
        let version = header(headers, &PROTOCOL_VERSION)?;
        if version != REVISION {
            return Err(unsupported(Some(&Value::from(version))));
        }
        let method = header(headers, &METHOD)?;
        if method != self.method {
            return Err(mismatch(format!("the header is `{method}` and the method `{}`", self.method)));
        }
        let meta = self.params.get("_meta");
        let field = |key: &str| meta.and_then(|meta| meta.get(key));
        let missing =
            |key| McpError::new(McpError::INVALID_PARAMS, format!("Invalid params: expected `{key}` in `_meta`"));
        match field(VERSION_KEY) {
            Some(Value::String(own)) if own == version => {}
            Some(Value::String(own)) => {
                return Err(mismatch(format!("the header is `{version}` and `{VERSION_KEY}` `{own}`")));
            }
            _ => return Err(missing(VERSION_KEY)),
        }
        if !field(CAPABILITIES_KEY).is_some_and(Value::is_object) {
            return Err(missing(CAPABILITIES_KEY));
        }
        Ok(())
    }
}

/// The one value of a header (2026-07-28, "Server Validation").
fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, McpError> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (Some(Ok(value)), None) => Ok(value),
        (None, _) => Err(mismatch(format!("expected the header `{name}`"))),
        _ => Err(mismatch(format!("expected one text as the header `{name}`"))),
    }
}

fn mismatch(text: String) -> McpError {
    McpError::new(McpError::HEADER_MISMATCH, format!("Header mismatch: {text}"))
}

fn unsupported(requested: Option<&Value>) -> McpError {
    let error = McpError::new(McpError::UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version");
    error.with(json!({"supported": [REVISION], "requested": requested}))
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;

    use super::*;

    #[test]
    fn what_is_no_message_is_told_by_its_code() {
        for (body, id, code) in [
            ("", None, -32700),
            ("{", None, -32700),
            ("\u{feff}{}", None, -32700),
            ("[]", None, -32600),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"server/discover"}]"#, None, -32600),
            ("7", None, -32600),
            ("{}", None, -32600),
            (r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, Some(json!(1)), -32600),
            (r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#, None, -32600),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#, None, -32600),
            (r#"{"jsonrpc":"2.0","id":{},"method":"a"}"#, None, -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, Some(json!(1)), -32600),
            (r#"{"jsonrpc":"2.0","id":"a","result":{}}"#, Some(json!("a")), -32600),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[]}"#, Some(json!(1)), -32602),
        ] {
            let malformed = Message::read(body.as_bytes()).unwrap_err();

            assert_eq!((&malformed.id, malformed.error.code), (&id, code), "{body}");
        }
        let long = json!({"jsonrpc": "2.0", "id": "x".repeat(LONGEST_ID + 1), "method": "a"}).to_string();
        assert_eq!(Message::read(long.as_bytes()).unwrap_err().error.code, -32600);
        let deep = "[".repeat(10_000);
        assert_eq!(Message::read(deep.as_bytes()).unwrap_err().error.code, -32700);

        let notification = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(Message::read(notification), Ok(Message::Notification));
    }

    #[test]
    fn headers_and_meta_say_what_the_body_says() {
        let whole = json!({VERSION_KEY: REVISION, CAPABILITIES_KEY: {}});
        let headers = |pairs: &[(&HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            pairs.iter().for_each(|(name, value)| {
                headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            });
            headers
        };
        let (version, method) = ((&PROTOCOL_VERSION, REVISION), (&METHOD, "a"));
        for (pairs, name, meta, code) in [
            (&[version, method][..], "a", whole.clone(), None),
            (&[method], "a", whole.clone(), Some(-32020)),
            (&[version], "a", whole.clone(), Some(-32020)),
            (&[version, version, method], "a", whole.clone(), Some(-32020)),
            (&[version, (&METHOD, "b")], "a", whole.clone(), Some(-32020)),
            (&[version, (&METHOD, "\u{e9}")], "a", whole.clone(), Some(-32020)),
            (&[(&PROTOCOL_VERSION, "1900-01-01"), method], "a", whole.clone(), Some(-32022)),
            (&[version, method], "a", json!({VERSION_KEY: "1900-01-01", CAPABILITIES_KEY: {}}), Some(-32020)),
            (&[version, method], "a", json!({CAPABILITIES_KEY: {}}), Some(-32602)),
            (&[version, method], "a", json!({VERSION_KEY: REVISION}), Some(-32602)),
            (&[version, method], "a", json!({VERSION_KEY: REVISION, CAPABILITIES_KEY: 7}), Some(-32602)),
            (&[version, method], "a", json!(7), Some(-32602)),
            (&[], "initialize", Value::Null, Some(-32022)),
        ] {
            let params = Map::from_iter([("_meta".to_owned(), meta)]);
            let call = Call { id: json!(1), method: name.to_owned(), params };

            let checked = call.check(&headers(pairs));

            assert_eq!(checked.err().map(|error| error.code), code, "{pairs:?} {call:?}");
        }
    }
}
