//! What the schemes promise together: official signatures pass, everything near them does not.

mod jwt;
mod refusals;
mod round_trip;
mod shape;
mod vectors;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::{Draft, Recipe, Secret, Signed, VerifyError};
use crate::event::Timestamp;

/// A request as a test writes it.
#[derive(Clone, Default)]
struct Request {
    headers: Vec<(String, Vec<u8>)>,
    path: String,
    query: String,
    body: Vec<u8>,
}

impl Request {
    fn new(body: &[u8], headers: impl IntoIterator<Item = (String, String)>) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        Self { headers, path: "/webhooks/any".to_owned(), query: String::new(), body: body.to_vec() }
    }

    fn verify(&self, recipe: &Recipe, secrets: &[Secret], now: Timestamp) -> Result<(), VerifyError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let signed =
            Signed { method: &Method::POST, path: &self.path, headers: &headers, query: &self.query, body: &self.body };
        recipe.verify(secrets, &signed, now)
    }

    fn header(&mut self, name: &str) -> &mut Vec<u8> {
        let found = self.headers.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name));
        &mut found.unwrap().1
    }
}

/// A request with this body and no query, to be signed.
fn draft(body: &[u8]) -> Draft<'_> {
    Draft { method: &Method::POST, path: "/webhooks/any", query: "", id: None, body }
}

fn recipe(schemes: Value) -> Recipe {
    serde_json::from_value(schemes).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec()).unwrap()
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn github() -> Value {
    json!([{"scheme": "hmac", "algorithm": "sha256", "header": "X-Hub-Signature-256", "prefix": "sha256=",
            "encoding": "hex", "signed": ["body"]}])
}

fn slack() -> Value {
    json!([{"scheme": "hmac", "algorithm": "sha256", "header": "x-slack-signature", "prefix": "v0=", "encoding": "hex",
            "signed": [{"literal": "v0:"}, "timestamp", {"literal": ":"}, "body"],
            "timestamp": {"from": {"header": "x-slack-request-timestamp"}, "tolerance": "300s"}}])
}

fn jira() -> Value {
    json!([{"scheme": "hmac", "algorithm": "sha256", "header": "x-hub-signature", "prefix": "sha256=",
            "encoding": "hex", "signed": ["body"]}])
}

fn grafana() -> Value {
    json!([{"scheme": "hmac", "algorithm": "sha256", "header": "x-grafana-alerting-signature", "encoding": "hex",
            "signed": ["body"]}])
}

fn grafana_with_timestamp() -> Value {
    json!([{"scheme": "hmac", "algorithm": "sha256", "header": "x-grafana-alerting-signature", "encoding": "hex",
            "signed": ["timestamp", {"literal": ":"}, "body"],
            "timestamp": {"from": {"header": "x-timestamp"}, "tolerance": "5m"}}])
}

fn sentry() -> Value {
    json!([{"scheme": "hmac", "algorithm": "sha256", "header": "sentry-hook-signature", "encoding": "hex",
            "signed": ["body"]}])
}

fn standard_webhooks() -> Value {
    json!([{"scheme": "standard-webhooks"}])
}

fn stripe() -> Value {
    json!([{"scheme": "hmac", "algorithm": "sha256", "header": "stripe-signature", "prefix": "v1=", "separator": ",",
            "encoding": "hex", "signed": ["timestamp", {"literal": "."}, "body"],
            "timestamp": {"from": {"list_key": "t"}, "tolerance": "300s"}}])
}

fn linear() -> Value {
    json!([{"scheme": "hmac", "algorithm": "sha256", "header": "linear-signature", "encoding": "hex", "signed": ["body"],
            "timestamp": {"from": {"pointer": "/webhookTimestamp"}, "unit": "ms", "tolerance": "60s"}}])
}

fn discord() -> Value {
    json!([{"scheme": "ed25519", "header": "x-signature-ed25519", "signed": ["timestamp", "body"],
            "timestamp": {"from": {"header": "x-signature-timestamp"}, "tolerance": "5m"}}])
}

fn pagerduty() -> Value {
    json!([{"scheme": "hmac", "algorithm": "sha256", "header": "x-pagerduty-signature", "prefix": "v1=",
            "separator": ",", "encoding": "hex", "signed": ["body"]}])
}

/// Atlassian Connect.
fn connect() -> Value {
    json!([{"scheme": "jwt", "algorithm": "HS256", "prefix": "JWT ", "query": "jwt", "query_hash": true}])
}

fn token(place: &str, name: Option<&str>) -> Value {
    let mut scheme = json!({"scheme": "token", "in": place});
    if let Some(name) = name {
        scheme["name"] = Value::from(name);
    }
    json!([scheme])
}
