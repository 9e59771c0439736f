//! Hands each event to a URL, as JSON.
//!
//! The request is the envelope, or with `format = "cloudevent"` the event alone, with the event's id as `idempotency-key`:
//! the same in each attempt, so that the other side can tell a repetition.
//!
//! | answer | what becomes of the delivery |
//! |---|---|
//! | 2xx | delivered; type and body are the agent's answer |
//! | 408, 425, 429, 5xx, no answer | another attempt, not before `Retry-After` |
//! | 410 | dead, `gone` |
//! | any other | dead, `status` |

use std::collections::BTreeMap;

use gateway_plugin_sdk::agent::{Answer, Delivered, Delivery, Failure, HttpError, HttpRequest};
use gateway_plugin_sdk::{Content, Response, export_agent};

export_agent!(include_str!("../manifest.json"), deliver);

/// Letters of the answer that an error quotes.
const QUOTED: usize = 200;

/// Sends the event and judges the answer.
pub fn deliver(delivery: &Delivery) -> Delivered {
    match delivery.send(&request(delivery)?) {
        Ok(response) => judge(response),
        Err(HttpError { code, message }) => Err(match code.as_str() {
            "denied" | "too-large" => Failure::reject(code, message),
            _ => Failure::retry(code, message, None),
        }),
    }
}

/// The request that the settings describe.
fn request(delivery: &Delivery) -> Result<HttpRequest, Failure> {
    let config = |key: &str| delivery.host().config(key).filter(|value| !value.is_empty());
    let url = config("url").ok_or_else(|| invalid("`url` is missing in the agent's `config`"))?;
    let method = config("method").unwrap_or_else(|| String::from("POST"));
    if !["POST", "PUT", "PATCH"].contains(&method.as_str()) {
        return Err(invalid(format!("`method` is `{method}`: expected `POST`, `PUT` or `PATCH`")));
    }
    let (content_type, body) = match config("format").as_deref() {
        None | Some("envelope") => ("application/json", delivery.envelope()),
        Some("cloudevent") => ("application/cloudevents+json", delivery.cloud_event()),
        Some(other) => return Err(invalid(format!("`format` is `{other}`: expected `envelope` or `cloudevent`"))),
    };
    let mut request = HttpRequest::new(method, url).with_credential(config("credential")).with_body(body);
    if let Some(headers) = config("headers") {
        let headers: BTreeMap<String, String> = serde_json::from_str(&headers)
            .map_err(|error| invalid(format!("`headers` is no table of strings: {error}")))?;
        request.headers.extend(headers);
    }
    // What the operator has set stays.
    for (name, value) in [("content-type", content_type), ("idempotency-key", &delivery.id())] {
        if request.header(name).is_none() {
            request = request.with_header(name, value);
        }
    }
    Ok(request)
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::reject("invalid", message)
}

/// What an answer means for the delivery.
fn judge(response: Response) -> Delivered {
    let after = response.header("retry-after").map(str::to_owned);
    match response.status {
        200..=299 => {
            let content_type = response.header("content-type").unwrap_or("application/octet-stream").to_owned();
            Ok(Answer { content_type, body: response.body, attributes: Vec::new() })
        }
        429 => Err(Failure::retry("throttled", told(&response), after)),
        503 => Err(Failure::retry("busy", told(&response), after)),
        408 | 425 | 500..=599 => Err(Failure::retry("status", told(&response), after)),
        410 => Err(Failure::reject("gone", told(&response))),
        _ => Err(Failure::reject("status", told(&response))),
    }
}

/// The status and the start of the body, on one line.
fn told(response: &Response) -> String {
    let body = response.body.as_ref().map_or(&[][..], Content::as_bytes);
    // A letter has at most four bytes.
    let start = String::from_utf8_lossy(&body[..body.len().min(QUOTED * 4)]);
    let quoted: String =
        start.chars().take(QUOTED).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let quoted = quoted.trim();
    let status = response.status;
    if quoted.is_empty() { format!("answered {status}") } else { format!("answered {status}: {quoted}") }
}

#[cfg(test)]
mod tests;
