//! `gateway listen`: what channels accept, posted to a program on this machine, for whoever develops one.
//!
//! The gateway is only asked for its events, so nothing is left behind there, and a gateway elsewhere will do. A request is a
//! CloudEvent in binary mode: the data as the body, the rest in headers `ce-*` (CloudEvents 1.0, HTTP binding).

use std::io::{self, BufRead};
use std::thread;
use std::time::Instant;

use ::http::{HeaderValue, Method};
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::sync::mpsc;

use super::arguments::listen::ListenArguments;
use super::client::{Client, NoAnswer};
use super::connection::{Connection, Origin};
use super::failure::Failure;
use super::follow::{Follower, is_selected};
use super::list::shown;
use super::output;
use super::tail::time_of_day;

/// One event on its way, and where it goes.
struct Forward {
    path: String,
    headers: Vec<(String, HeaderValue)>,
    body: Vec<u8>,
    /// Time, kind and subject.
    about: String,
}

/// Forwards events until Ctrl-C.
pub(super) async fn run(connection: &Connection, arguments: ListenArguments) -> Result<(), Failure> {
    tokio::select! {
        forwarded = forward_all(connection, &arguments) => forwarded,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted.map_err(anyhow::Error::from)?),
    }
}

async fn forward_all(connection: &Connection, arguments: &ListenArguments) -> Result<(), Failure> {
    let gateway = Client::admin(connection)?;
    let program = Origin::parse(&format!("http://127.0.0.1:{}", arguments.port)).map_err(anyhow::Error::msg)?;
    let program = Client::webhooks(connection, Some(&program))?;
    let mut follower = Follower::start(&gateway, None, &arguments.select).await?;
    output::note(&format!("forwarding to {}{}, Enter repeats the last event", program.origin(), arguments.path));
    let mut enter = enter();
    let mut last: Option<Forward> = None;
    loop {
        tokio::select! {
            rows = follower.next() => {
                for row in rows.iter().filter(|row| row["again"] != true && is_selected(row, &arguments.select)) {
                    let id = shown(&row["id"]);
                    match gateway.get(&format!("/admin/events/{id}")).await {
                        Ok(event) => {
                            let forward = Forward::of(&event, &arguments.path)?;
                            forward.post(&program).await?;
                            last = Some(forward);
                        }
                        Err(reason) => {
                            let reason = anyhow::Error::from(reason).to_string();
                            output::note(&format!("event {id} was not forwarded: {reason}"));
                        }
                    }
                }
            }
            Some(()) = enter.recv() => match &last {
                Some(forward) => forward.post(&program).await?,
                None => output::note("no event yet"),
            }
        }
    }
}

/// Hears of each press of Enter. What is pressed while an event is on its way counts once.
fn enter() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            if line.is_err() || matches!(sender.try_send(()), Err(mpsc::error::TrySendError::Closed(()))) {
                break;
            }
        }
    });
    receiver
}

impl Forward {
    fn of(event: &Value, path: &str) -> anyhow::Result<Self> {
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

    /// Posts the event and prints what came of it. A program that is not there is no reason to stop: it may be restarting.
    async fn post(&self, program: &Client) -> Result<(), Failure> {
        let started = Instant::now();
        let reply = program.send(Method::POST, &self.path, self.headers.clone(), self.body.clone().into()).await;
        let outcome = match reply {
            Ok(reply) => reply.status.as_u16().to_string(),
            Err(NoAnswer::Refused(_)) => "nothing listens".to_owned(),
            Err(NoAnswer::Failed(error)) => output::clean(&format!("{error:#}"), false),
        };
        output::text(&format!("{}  {outcome}  {} ms\n", self.about, started.elapsed().as_millis()))
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
    use serde_json::json;

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
