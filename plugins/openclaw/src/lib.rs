//! Starts a run of an OpenClaw agent for each event (`/hooks/agent`), or wakes its main session (`/hooks/wake`).
//!
//! The event is a prompt (`gateway_plugin_sdk::prompt`) after the operator's `instructions`. Its id is the idempotency key, by
//! which OpenClaw recognises a retry. Its subject determines the session, so that related events share a conversation.
//! OpenClaw acknowledges the event at once; the result of the run does not come back to the gateway. So its status is enough: a
//! retry because of a body that breaks off would only ask for the same run again.

use gateway_plugin_sdk::agent::{Answer, Delivered, Delivery, Failure, HttpRequest, accepted};
use gateway_plugin_sdk::prompt::MAX_PAYLOAD;
use gateway_plugin_sdk::{Response, export_agent};
use serde_json::{Map, Value};

export_agent!(include_str!("../manifest.json"), deliver);

/// The largest body that OpenClaw accepts.
const MAX_BODY: usize = 256 << 10;

/// The longest session key.
const MAX_SESSION: usize = 200;

/// Sends the event and returns OpenClaw's response as the answer.
pub fn deliver(delivery: &Delivery) -> Delivered {
    let sent = delivery.notify(&request(delivery)?);
    // The session has changed meanwhile, or accepts no work right now. OpenClaw recognises the retry of an accepted event by its
    // key and answers 200.
    let conflict = sent.as_ref().ok().filter(|response| response.status == 409);
    let after = conflict.map(|response| response.header("retry-after").map(str::to_owned));
    let response = accepted(sent, reason).map_err(|failure| match (failure, after) {
        (Failure::Reject(refusal), Some(after)) => Failure::retry("busy", refusal.message, after),
        (failure, _) => failure,
    })?;
    let run = response.json()["runId"].as_str().map(str::to_owned);
    let content_type = response.header("content-type").unwrap_or("application/octet-stream").to_owned();
    let answer = Answer { content_type, body: response.body, attributes: Vec::new() };
    Ok(answer.with_attribute("runid", run))
}

/// Builds the request from the settings. If the request would be too large, it shows less of the event's data.
fn request(delivery: &Delivery) -> Result<HttpRequest, Failure> {
    let hook = delivery.choice("hook", &["agent", "wake"])?;
    let url = format!("{}/{hook}", delivery.required_setting("url")?.trim_end_matches('/'));
    let mut shown = delivery.size("max_payload")?.unwrap_or(MAX_PAYLOAD).min(MAX_BODY);
    loop {
        let body = body(delivery, hook, shown)?;
        let size = body.to_string().len();
        if size <= MAX_BODY {
            return delivery.post(url, &body);
        }
        if shown == 0 {
            let message =
                format!("the request has {size} bytes without the event's data, OpenClaw accepts at most {MAX_BODY}");
            return Err(Failure::reject("too-large", message));
        }
        // JSON escapes make the size unpredictable, so it is found by trial.
        shown /= 2;
    }
}

/// The request's body with at most `shown` bytes of the event's data.
fn body(delivery: &Delivery, hook: &str, shown: usize) -> Result<Value, Failure> {
    let prompt = delivery.prompt_within(shown)?;
    let text = match delivery.setting("instructions") {
        Some(instructions) => format!("{instructions}\n\n{prompt}"),
        None => prompt,
    };
    let mut body = Map::new();
    if hook == "wake" {
        body.insert(String::from("text"), text.into());
    } else {
        body.insert(String::from("message"), text.into());
        body.insert(String::from("name"), delivery.kind().into());
        body.insert(String::from("idempotencyKey"), delivery.id().into());
        if delivery.choice("session", &["subject", "none"])? == "subject" {
            body.insert(String::from("sessionKey"), delivery.session_key(MAX_SESSION).into());
            // Without this, each run has a session of its own in spite of the key.
            body.insert(String::from("sessionMode"), "persistent".into());
        }
    }
    delivery.extend("extra", &mut body)?;
    Ok(Value::Object(body))
}

/// The message of an error: `{"error":".."}` or `{"error":{"message":".."}}`.
fn reason(response: &Response) -> Option<String> {
    let error = &response.json()["error"];
    error.as_str().or(error["message"].as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
