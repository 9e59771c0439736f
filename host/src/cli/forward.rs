//! Events posted to a program: CloudEvents in binary mode, the data as the body and the rest in headers `ce-*` (CloudEvents 1.0,
//! HTTP binding).

use std::time::Instant;

use ::http::{HeaderValue, Method};
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::client::{Client, NoAnswer};
use super::failure::Failure;
use super::list::shown;
use super::output;
use super::tail::time_of_day;

/// One event on its way, and where it goes.
pub(super) struct Forward {
    path: String,
    headers: Vec<(String, HeaderValue)>,
    body: Vec<u8>,
    /// Time, kind and subject.
    about: String,
}

impl Forward {
    /// An event of the admin API.
    pub(super) fn of(event: &Value, path: &str) -> anyhow::Result<Self> {
        let mut headers = Vec::new();
        let mut add = |name: String, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.push((name, value));
            }
        };
        for header in event["headers"].as_array().into_iter().flatten() {
            let name = shown(&header[0]);
            if name != "content-type" {
                add(name, &shown(&header[1]));
            }
        }
        add("content-type".to_owned(), &shown(&event["content_type"]));
        add("ce-specversion".to_owned(), "1.0");
        add("ce-source".to_owned(), &format!("/channels/{}", shown(&event["channel"])));
        for (name, member) in
            [("ce-id", "id"), ("ce-type", "kind"), ("ce-subject", "subject"), ("ce-time", "received_at")]
        {
            let text = shown(&event[member]);
            if !text.is_empty() {
                add(name.to_owned(), &encoded(&text));
            }
        }
        for (name, value) in event["attributes"].as_object().into_iter().flatten() {
            add(format!("ce-{name}"), &encoded(&shown(value)));
        }
        let is_json = shown(&event["content_type"]).contains("json");
        let body = match (&event["data_base64"], &event["data"]) {
            (Value::String(text), _) => STANDARD.decode(text).context("the gateway sent data that is not base64")?,
            (_, Value::String(text)) if !is_json => text.clone().into_bytes(),
            (_, Value::Null) if !is_json => Vec::new(),
            (_, json) => json.to_string().into_bytes(),
        };
        let parts = [time_of_day(&shown(&event["received_at"])), shown(&event["kind"]), shown(&event["subject"])];
        let about = output::clean(parts.join("  ").trim_end(), false);
        Ok(Self { path: path.to_owned(), headers, body, about })
    }

    /// A CloudEvent of a subscription, which has no headers of a request.
    pub(super) fn of_cloud_event(event: &Value) -> anyhow::Result<Self> {
        const OWN: [&str; 9] =
            ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "data_base64"];
        let attributes = event.as_object().into_iter().flatten().filter(|(name, _)| !OWN.contains(&name.as_str()));
        let attributes: Map<_, _> = attributes.map(|(name, value)| (name.clone(), value.clone())).collect();
        let channel = shown(&event["source"]).trim_start_matches("/channels/").to_owned();
        let row = json!({
            "id": event["id"], "channel": channel, "kind": event["type"], "subject": event["subject"],
            "received_at": event["time"], "content_type": event["datacontenttype"], "attributes": attributes,
            "data": event["data"], "data_base64": event["data_base64"],
        });
        Self::of(&row, "")
    }

    /// Posts the event and prints what came of it. A program that is not there is no reason to stop: it may be restarting.
    pub(super) async fn post(&self, program: &Client) -> Result<(), Failure> {
        let (Ok(outcome) | Err(outcome)) = self.send(program).await;
        output::text(&format!("{}  {outcome}\n", self.about))
    }

    /// Posts the event. Returns the status and the time that it took; the error is the same for another status than 2xx.
    pub(super) async fn send(&self, program: &Client) -> Result<String, String> {
        let started = Instant::now();
        let reply = program.send(Method::POST, &self.path, self.headers.clone(), self.body.clone().into()).await;
        let is_taken = reply.as_ref().is_ok_and(|reply| reply.status.is_success());
        let outcome = match reply {
            Ok(reply) => reply.status.as_u16().to_string(),
            Err(NoAnswer::Refused(_)) => "nothing listens".to_owned(),
            Err(NoAnswer::Failed(error)) => output::clean(&format!("{error:#}"), false),
        };
        let outcome = format!("{outcome}  {} ms", started.elapsed().as_millis());
        if is_taken { Ok(outcome) } else { Err(outcome) }
    }
}

/// A text in a header `ce-*`: what is not visible ASCII is percent-encoded, and so are `"` and `%` (CloudEvents, 3.1.3.2).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'%' | 0..=0x1f | 0x7f.. => encoded.push_str(&format!("%{byte:02X}")),
            visible => encoded.push(char::from(visible)),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_becomes_a_request() {
        let event = json!({
            "id": "0198", "channel": "github", "kind": "github.push", "subject": "acme/höhe", "request_id": "r",
            "received_at": "2026-01-31T12:00:01.500Z", "content_type": "application/json",
            "attributes": {"severity": "high"}, "headers": [["x-github-event", "push"]], "data": {"ref": "main"},
        });

        let forward = Forward::of(&event, "/hook").unwrap();

        let headers: Vec<_> =
            forward.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        assert_eq!(
            headers,
            [
                "x-github-event: push",
                "content-type: application/json",
                "ce-specversion: 1.0",
                "ce-source: /channels/github",
                "ce-id: 0198",
                "ce-type: github.push",
                "ce-subject: acme/h%C3%B6he",
                "ce-time: 2026-01-31T12:00:01.500Z",
                "ce-severity: high",
            ]
        );
        assert_eq!(forward.body, br#"{"ref":"main"}"#);
        assert_eq!(forward.about, "12:00:01Z  github.push  acme/höhe");
    }
}
