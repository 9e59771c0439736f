//! Results of plugins, in the form of the sample files.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::egress::Response;
use crate::plugin::{Answer, Failure, Receipt, ReceiptEvent, Rejection, Sent};

/// A receipt in the form of `NAME.expected.json`, without data that equals the body.
pub fn receipt(receipt: &Receipt, body: &[u8]) -> Value {
    let events: Vec<_> = receipt.events.iter().map(|each| event(each, body)).collect();
    let mut json = json!({ "events": events });
    if let Some(own) = &receipt.response {
        json["response"] = response(own);
    }
    json
}

fn event(event: &ReceiptEvent, body: &[u8]) -> Value {
    let mut json = Map::new();
    json.insert("kind".to_owned(), json!(event.kind));
    let texts = [
        ("subject", &event.subject),
        ("delivery_id", &event.delivery_id),
        ("key", &event.key),
        ("content_type", &event.content_type),
    ];
    put_texts(&mut json, texts);
    json.insert("attributes".to_owned(), pairs(&event.attributes));
    if let Some(data) = event.data.as_ref().filter(|data| data[..] != *body) {
        put_bytes(&mut json, "data", data);
    }
    json.into()
}

fn response(response: &Response) -> Value {
    let mut json = Map::new();
    json.insert("status".to_owned(), json!(response.status));
    let lower: Vec<_> = response.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    json.insert("headers".to_owned(), pairs(&lower));
    put_bytes(&mut json, "body", &response.body);
    json.into()
}

/// A rejection in the form of `NAME.expected.json`.
pub fn rejection(rejection: &Rejection) -> Value {
    json!({"status": rejection.status, "detail": rejection.detail})
}

/// The result of a delivery in the form of `NAME.delivery.json`.
pub(super) fn delivered(result: &Result<Answer, Failure>) -> Value {
    match result {
        Ok(Answer { content_type, body, attributes, .. }) => {
            let mut json = Map::new();
            json.insert("content_type".to_owned(), json!(content_type));
            put_bytes(&mut json, "body", body);
            json.insert("attributes".to_owned(), pairs(attributes));
            json!({ "answer": json })
        }
        Err(Failure { retry, code, message, after, .. }) => {
            let mut json = Map::new();
            json.insert("code".to_owned(), json!(code));
            json.insert("message".to_owned(), json!(message));
            put_texts(&mut json, [("after", after)]);
            if *retry { json!({ "retry": json }) } else { json!({ "reject": json }) }
        }
    }
}

/// A request of an agent plugin in the form of `NAME.delivery.json`.
pub(super) fn sent(sent: &Sent) -> Value {
    let mut json = Map::new();
    json.insert("method".to_owned(), json!(sent.method));
    json.insert("url".to_owned(), json!(sent.url));
    json.insert("headers".to_owned(), pairs(&sent.headers));
    put_bytes(&mut json, "body", &sent.body);
    put_texts(&mut json, [("credential", &sent.credential)]);
    json.into()
}

/// Adds bytes as JSON, as text, or in base64 as `NAME_base64`. Empty bytes add nothing.
pub(super) fn put_bytes(json: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let (name, value) = match (serde_json::from_slice(bytes), std::str::from_utf8(bytes)) {
        (Ok(value), _) => (name.to_owned(), value),
        (Err(_), Ok(text)) => (name.to_owned(), json!(text)),
        (Err(_), Err(_)) => (format!("{name}_base64"), json!(STANDARD.encode(bytes))),
    };
    json.insert(name, value);
}

fn put_texts<const N: usize>(json: &mut Map<String, Value>, texts: [(&str, &Option<String>); N]) {
    for (name, text) in texts {
        if let Some(text) = text {
            json.insert(name.to_owned(), json!(text));
        }
    }
}

/// Pairs as an object. Values of the same name are joined, as in a header.
fn pairs(pairs: &[(String, String)]) -> Value {
    let mut json = Map::new();
    for (name, value) in pairs {
        let joined = match json.get(name) {
            Some(Value::String(before)) => format!("{before}, {value}"),
            _ => value.clone(),
        };
        json.insert(name.clone(), joined.into());
    }
    json.into()
}
