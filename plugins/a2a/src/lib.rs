//! Sends each event as a message to an agent that speaks A2A, over its JSON-RPC binding: protocol 1.0, or 0.3.
//!
//! The event is a prompt (`gateway_plugin_sdk::prompt`) in a text part, behind a part with the operator's `instructions`.
//! Its id is the id of the message, and its subject that of the context, so that the agent sees what belongs together.
//!
//! | what comes back | what becomes of the delivery |
//! |---|---|
//! | a message, a completed task | delivered; the text of the message or of the artifacts is the answer |
//! | a task that asks for input or a login | delivered; what it asks is the answer, and `taskstate` says so |
//! | a task that is worked on | asked for again for `wait` seconds, then delivered with `taskid` and `taskstate` alone |
//! | a task that cannot be asked for | asked for again when that may pass; otherwise delivered as it was last seen |
//! | a task that failed, was canceled or rejected | dead, with what the agent says |
//! | an error of the message: internal | another attempt |
//! | any other | dead |

mod protocol;
mod reply;

use std::time::Duration;

use gateway_plugin_sdk::agent::{Delivered, Delivery, Failure, HttpRequest, accepted, quoted};
use gateway_plugin_sdk::{Content, Level, Response, export_agent};
use serde_json::{Value, json};

use self::protocol::Version;
use self::reply::{Reply, Task};

export_agent!(include_str!("../manifest.json"), |delivery| deliver(delivery, pause));

/// How long a task is left alone before it is asked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// Seconds that a task is asked for.
const WAIT: u64 = 20;

/// An internal error of JSON-RPC: the one that may pass.
const INTERNAL: i64 = -32603;

/// Where an agent is, and how it is spoken to.
struct Endpoint {
    url: String,
    version: Version,
}

/// Sends the event and waits for what becomes of it; `pause` waits.
pub fn deliver(delivery: &Delivery, pause: impl Fn(Duration)) -> Delivered {
    let endpoint = endpoint(delivery)?;
    let (method, params) = endpoint.version.send(delivery)?;
    let mut reply = Reply::of(endpoint.version, &call(delivery, &endpoint, method, params)?)?;
    let mut pauses = delivery.number("wait")?.unwrap_or(WAIT) / PAUSE.as_secs();
    while let Reply::Task(Task { id, .. }) = &reply
        && reply.is_open()
        && pauses > 0
    {
        pause(PAUSE);
        pauses -= 1;
        let (method, params) = endpoint.version.get(id);
        // The agent has the message: a delivery that failed now would send it again.
        match call(delivery, &endpoint, method, params).and_then(|task| Task::of(&task)) {
            Ok(task) => reply = Reply::Task(task),
            Err(Failure::Retry(_)) => {}
            Err(Failure::Reject(refusal)) => {
                let told = format!("task {id} cannot be asked for any more: {}", refusal.message);
                delivery.host().log(Level::Warn, &told);
                break;
            }
        }
    }
    reply.judge()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the host ends the call when its time is over, and nothing else waits for it"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// What the settings say, or the agent's card.
fn endpoint(delivery: &Delivery) -> Result<Endpoint, Failure> {
    let url = delivery.required_setting("url")?;
    if delivery.choice("discover", &["false", "true"])? == "false" {
        let version = Version::of(delivery.choice("version", &["1.0", "0.3"])?);
        return Ok(Endpoint { url, version });
    }
    let card_url = format!("{}/.well-known/agent-card.json", url.trim_end_matches('/'));
    // The settings' headers are for the agent itself; its card is public, or asks for the credential.
    let request = HttpRequest::new("GET", card_url).with_credential(delivery.setting("credential"));
    let card = json_of(&accepted(delivery.send(&request), reason)?);
    protocol::interface(&card)
        .map(|(url, version)| Endpoint { url: url.to_owned(), version })
        .ok_or_else(|| Failure::reject("card", "the agent's card names no JSON-RPC interface of protocol 1.x or 0.3"))
}

/// Calls a method and returns its result.
fn call(delivery: &Delivery, endpoint: &Endpoint, method: &str, params: Value) -> Result<Value, Failure> {
    let body = json!({ "jsonrpc": "2.0", "id": delivery.id(), "method": method, "params": params });
    let mut request = delivery.post(&endpoint.url, &body)?;
    if let Some(version) = endpoint.version.header() {
        request = request.with_header("a2a-version", version);
    }
    let response = accepted(delivery.send(&request), reason)?;
    let mut reply = json_of(&response);
    if let Some(told) = error_of(&reply) {
        return Err(match reply["error"]["code"].as_i64() {
            Some(INTERNAL) => Failure::retry("agent", told, None),
            _ => Failure::reject("agent", told),
        });
    }
    match reply["result"].take() {
        Value::Null => {
            let body = response.body.as_ref().map_or(&[][..], Content::as_bytes);
            Err(Failure::reject("answer", format!("answered {} without a result: {}", response.status, quoted(body))))
        }
        result => Ok(result),
    }
}

fn json_of(response: &Response) -> Value {
    response.body.as_ref().and_then(|body| serde_json::from_slice(body.as_bytes()).ok()).unwrap_or_default()
}

/// What a response without a 2xx says.
fn reason(response: &Response) -> Option<String> {
    error_of(&json_of(response))
}

/// The code and message of an error of JSON-RPC.
fn error_of(reply: &Value) -> Option<String> {
    let error = reply["error"].as_object()?;
    let message = error.get("message").and_then(Value::as_str).unwrap_or("no message");
    Some(match error.get("code").and_then(Value::as_i64) {
        Some(code) => format!("{} ({code})", quoted(message.as_bytes())),
        None => quoted(message.as_bytes()),
    })
}

#[cfg(test)]
mod tests;
