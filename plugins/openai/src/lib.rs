//! Asks a model behind an OpenAI-compatible API about each event: OpenAI itself, OpenClaw, LiteLLM, vLLM, Ollama, LM Studio.
//!
//! The event is a prompt (`gateway_plugin_sdk::prompt`), the operator's `instructions` are the system message, and the
//! text of the reply is the answer, as Markdown. The reply's metadata becomes attributes of the answer: `model`, `replyid`,
//! `finishreason`, `inputtokens`, `outputtokens`. A truncated reply or a refusal is an answer too: it is paid for, and a
//! retry would give the same.

use gateway_plugin_sdk::agent::{Answer, Delivered, Delivery, Failure, HttpRequest, accepted, quoted};
use gateway_plugin_sdk::{Content, Response, export_agent};
use serde_json::{Map, Value, json};

export_agent!(include_str!("../manifest.json"), deliver);

const BASE_URL: &str = "https://api.openai.com/v1";

/// The longest key of a user or of a cache.
const MAX_SESSION: usize = 64;

/// The states of a response that is an answer. Any other state means a background response or a failure.
const ANSWERED: [&str; 2] = ["completed", "incomplete"];

/// The two endpoints of the API.
#[derive(Clone, Copy)]
enum Api {
    Chat,
    Responses,
}

/// Asks about the event and returns the reply as the answer.
pub fn deliver(delivery: &Delivery) -> Delivered {
    let api = match delivery.choice("api", &["chat", "responses"])? {
        "responses" => Api::Responses,
        _ => Api::Chat,
    };
    let response = accepted(delivery.send(&request(delivery, api)?), reason)?;
    let body = response.body.as_ref().map_or(&[][..], Content::as_bytes);
    let reply = response.json();
    if let Some(error) = reply["error"]["message"].as_str() {
        // Some proxies report an error with status 200; so does a response that fails after its status was sent.
        let (code, message) = (reply["error"]["code"].as_str().unwrap_or_default(), quoted(error.as_bytes()));
        return Err(match code {
            "server_error" | "rate_limit_exceeded" => Failure::retry("busy", message, None),
            _ => Failure::reject("answer", message),
        });
    }
    if let (Api::Responses, Some(status)) = (api, reply["status"].as_str())
        && !ANSWERED.contains(&status)
    {
        let status = quoted(status.as_bytes());
        let message = format!("the response is `{status}`, expected `completed`; `extra` must not set `background`");
        return Err(Failure::reject("answer", message));
    }
    let found = match api {
        Api::Chat => chat_reply(&reply),
        Api::Responses => response_reply(&reply),
    };
    let Some((text, finish)) = found else {
        let message = format!("answered {} without a reply: {}", response.status, quoted(body));
        return Err(Failure::reject("answer", message));
    };
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let usage = |names: [&str; 2]| names.iter().find_map(|name| reply["usage"][name].as_u64()).map(|n| n.to_string());
    Ok(Answer::new("text/markdown; charset=utf-8", text)
        .with_attribute("model", word(&reply["model"]))
        .with_attribute("replyid", word(&reply["id"]))
        .with_attribute("finishreason", finish)
        .with_attribute("inputtokens", usage(["prompt_tokens", "input_tokens"]))
        .with_attribute("outputtokens", usage(["completion_tokens", "output_tokens"])))
}

/// Builds the request from the settings.
fn request(delivery: &Delivery, api: Api) -> Result<HttpRequest, Failure> {
    let base = delivery.setting("base_url").unwrap_or_else(|| BASE_URL.to_owned());
    let (instructions, prompt) = (delivery.setting("instructions"), delivery.prompt()?);
    let mut body = Map::new();
    body.insert(String::from("model"), delivery.required_setting("model")?.into());
    let (path, limit) = match api {
        Api::Chat => {
            let system = instructions.map(|instructions| json!({ "role": "system", "content": instructions }));
            let messages = system.into_iter().chain([json!({ "role": "user", "content": prompt })]);
            body.insert(String::from("messages"), messages.collect());
            ("chat/completions", "max_completion_tokens")
        }
        Api::Responses => {
            body.extend(instructions.map(|instructions| (String::from("instructions"), instructions.into())));
            body.insert(String::from("input"), prompt.into());
            ("responses", "max_output_tokens")
        }
    };
    body.extend(delivery.number("max_tokens")?.map(|tokens| (limit.to_owned(), tokens.into())));
    let session = delivery.session_key(MAX_SESSION);
    match delivery.choice("session", &["user", "safety_identifier", "prompt_cache_key", "none"])? {
        "none" => {}
        member => {
            body.insert(member.to_owned(), session.clone().into());
        }
    }
    delivery.extend("extra", &mut body)?;
    let request = delivery.post(format!("{}/{path}", base.trim_end_matches('/')), &Value::Object(body))?;
    Ok(match delivery.setting("session_header") {
        Some(header) => request.with_header(header, session),
        None => request,
    })
}

/// The text of a chat completion, and its finish reason.
fn chat_reply(reply: &Value) -> Option<(String, Option<String>)> {
    let choice = &reply["choices"][0];
    let message = choice["message"].as_object()?;
    let text = |name: &str| message.get(name).and_then(Value::as_str);
    if let Some(refusal) = text("refusal") {
        return Some((refusal.to_owned(), Some(String::from("refusal"))));
    }
    Some((text("content").unwrap_or_default().to_owned(), choice["finish_reason"].as_str().map(str::to_owned)))
}

/// The text of a response, and its finish reason.
fn response_reply(reply: &Value) -> Option<(String, Option<String>)> {
    let status = reply["status"].as_str()?;
    // The model's reasoning is not part of the answer.
    let items = reply["output"].as_array()?.iter().filter(|item| item["type"] != "reasoning");
    let parts = items.filter_map(|item| item["content"].as_array()).flatten();
    let (mut texts, mut refused) = (Vec::new(), false);
    for part in parts {
        refused |= part["type"] == "refusal";
        texts.extend(part["text"].as_str().or(part["refusal"].as_str()));
    }
    let finish = if refused { "refusal" } else { reply["incomplete_details"]["reason"].as_str().unwrap_or(status) };
    Some((texts.join("\n\n"), Some(finish.to_owned())))
}

/// The message of an error: `{"error":{"message":".."}}`, or from some servers `{"error":".."}`.
fn reason(response: &Response) -> Option<String> {
    let error = &response.json()["error"];
    error["message"].as_str().or(error.as_str()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
