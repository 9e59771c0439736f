//! Asks Claude about each event over the Messages API.
//!
//! The event is a prompt (`gateway_plugin_sdk::prompt`), the operator's `instructions` are the system prompt, and the text
//! of the reply is the answer, as Markdown. The reply's metadata becomes attributes of the answer: `model`, `replyid`,
//! `finishreason`, `inputtokens`, `outputtokens`. A truncated reply or a refusal is an answer too: it is paid for, and a
//! retry would give the same.

use gateway_plugin_sdk::agent::{Answer, Delivered, Delivery, Failure, HttpRequest, accepted, quoted};
use gateway_plugin_sdk::{Content, Response, export_agent};
use serde_json::{Map, Value, json};

export_agent!(include_str!("../manifest.json"), deliver);

const BASE_URL: &str = "https://api.anthropic.com";

/// The version of the API that this plugin uses.
const VERSION: &str = "2023-06-01";

/// The most tokens of a reply; the API has no default.
const MAX_TOKENS: u64 = 4096;

/// Asks about the event and returns the reply as the answer.
pub fn deliver(delivery: &Delivery) -> Delivered {
    let response = accepted(delivery.send(&request(delivery)?), reason)?;
    let body = response.body.as_ref().map_or(&[][..], Content::as_bytes);
    let reply = response.json();
    let Some(content) = reply["content"].as_array() else {
        let message = format!("answered {} without a reply: {}", response.status, quoted(body));
        return Err(Failure::reject("answer", message));
    };
    let texts: Vec<_> = content.iter().filter_map(|block| block["text"].as_str()).collect();
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let tokens = |name: &str| reply["usage"][name].as_u64().map(|tokens| tokens.to_string());
    Ok(Answer::new("text/markdown; charset=utf-8", texts.concat())
        .with_attribute("model", word(&reply["model"]))
        .with_attribute("replyid", word(&reply["id"]))
        .with_attribute("finishreason", word(&reply["stop_reason"]))
        .with_attribute("inputtokens", tokens("input_tokens"))
        .with_attribute("outputtokens", tokens("output_tokens")))
}

/// Builds the request from the settings.
fn request(delivery: &Delivery) -> Result<HttpRequest, Failure> {
    let base = delivery.setting("base_url").unwrap_or_else(|| BASE_URL.to_owned());
    let mut body = Map::new();
    body.insert(String::from("model"), delivery.required_setting("model")?.into());
    body.insert(String::from("max_tokens"), delivery.number("max_tokens")?.unwrap_or(MAX_TOKENS).into());
    body.extend(delivery.setting("instructions").map(|instructions| (String::from("system"), instructions.into())));
    body.insert(String::from("messages"), json!([{ "role": "user", "content": delivery.prompt()? }]));
    // The API requires an id that identifies nobody.
    body.insert(String::from("metadata"), json!({ "user_id": delivery.opaque_session_key() }));
    delivery.extend("extra", &mut body)?;
    let url = format!("{}/v1/messages", base.trim_end_matches('/'));
    let request = delivery.post(url, &Value::Object(body))?;
    Ok(match request.header("anthropic-version") {
        // The operator's own header takes precedence.
        Some(_) => request,
        None => request.with_header("anthropic-version", VERSION),
    })
}

/// The message of an error: `{"type":"error","error":{"type":"..","message":".."}}`.
fn reason(response: &Response) -> Option<String> {
    let error = &response.json()["error"];
    Some(format!("{}: {}", error["type"].as_str()?, error["message"].as_str()?))
}

#[cfg(test)]
mod tests;
