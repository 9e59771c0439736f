//! Sends each event as a message to an agent that speaks A2A, over the JSON-RPC binding of protocol 1.0 or 0.3.
//!
//! The event is a prompt (`gateway_plugin_sdk::prompt`) in a text part, after a part with the operator's `instructions`.
//! The event's id is the message id. Its subject determines the context id, so that the agent sees related events together.
//!
//! | reply | delivery |
//! |---|---|
//! | a message, a completed task | delivered; the text of the message or of the artifacts is the answer |
//! | a task that requires input or a login | delivered; its question is the answer, `taskstate` is its state |
//! | a running task | polled for `wait` seconds, then delivered with only `taskid` and `taskstate` |
//! | a poll that fails | polled again after a transient failure; otherwise delivered in the last known state |
//! | a task that failed, was canceled or rejected | dead, with the agent's message |
//! | an internal error in reply to the message | retried |
//! | any other error | dead |

mod clock;
mod protocol;
mod reply;

use std::time::Duration;

use gateway_plugin_sdk::agent::{Delivered, Delivery, Failure, HttpRequest, accepted, quoted};
use gateway_plugin_sdk::{Content, Level, Response, export_agent};
use serde_json::{Value, json};

use self::clock::pause;
use self::protocol::Version;
use self::reply::{Reply, Task};

export_agent!(include_str!("../manifest.json"), |delivery| deliver(delivery, pause));

/// The pause before each poll of a task.
const PAUSE: Duration = Duration::from_secs(1);

/// The default of `wait`: seconds to poll a task.
const WAIT: u64 = 20;

/// JSON-RPC's internal error, the only transient one.
const INTERNAL: i64 = -32603;

/// The agent's URL and protocol version.
struct Endpoint {
    url: String,
    version: Version,
}

/// Sends the event and polls its task; `pause` waits between the polls.
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
        // The agent has the message: a failure here would send it again.
        match call(delivery, &endpoint, method, params).and_then(|task| Task::of(&task)) {
            Ok(task) => reply = Reply::Task(task),
            Err(Failure::Retry(_)) => {}
            Err(Failure::Reject(refusal)) => {
                let message = format!("Task {id} can no longer be polled: {}", refusal.message);
                delivery.host().log(Level::Warn, &message);
                break;
            }
        }
    }
    reply.into_delivered()
}

/// The endpoint from the settings, or from the agent's card.
fn endpoint(delivery: &Delivery) -> Result<Endpoint, Failure> {
    let url = delivery.required_setting("url")?;
    if delivery.choice("discover", &["false", "true"])? == "false" {
        let version = Version::of(delivery.choice("version", &["1.0", "0.3"])?);
        return Ok(Endpoint { url, version });
    }
    let card_url = format!("{}/.well-known/agent-card.json", url.trim_end_matches('/'));
    // The settings' headers are for the agent itself. Its card is public, or needs the credential.
    let request = HttpRequest::new("GET", card_url).with_credential(delivery.setting("credential"));
    let card = accepted(delivery.send(&request), reason)?.json();
    protocol::interface(&card)
        .map(|(url, version)| Endpoint { url: url.to_owned(), version })
        .ok_or_else(|| Failure::reject("card", "the agent's card has no JSON-RPC interface of protocol 1.x or 0.3"))
}

/// Calls a method and returns its result.
fn call(delivery: &Delivery, endpoint: &Endpoint, method: &str, params: Value) -> Result<Value, Failure> {
    let body = json!({ "jsonrpc": "2.0", "id": delivery.id(), "method": method, "params": params });
    let mut request = delivery.post(&endpoint.url, &body)?;
    if let Some(version) = endpoint.version.header() {
        request = request.with_header("a2a-version", version);
    }
    let response = accepted(delivery.send(&request), reason)?;
    let mut reply = response.json();
    if let Some(message) = error_of(&reply) {
        return Err(match reply["error"]["code"].as_i64() {
            Some(INTERNAL) => Failure::retry("agent", message, None),
            _ => Failure::reject("agent", message),
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

/// The error message in a response that is not a 2xx.
fn reason(response: &Response) -> Option<String> {
    error_of(&response.json())
}

/// The code and message of a JSON-RPC error.
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
