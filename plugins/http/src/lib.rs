//! Posts each event to a URL, as JSON.
//!
//! The body is the envelope, or with `format = "cloudevent"` only the event. The `idempotency-key` is the event's id, which is
//! the same in each attempt, so that the receiver can recognise a retry.
//!
//! | response | delivery |
//! |---|---|
//! | 2xx | delivered; content type and body are the agent's answer |
//! | 2xx, and the body is too large or breaks off | delivered, unless somebody waits for the answer |
//! | 408, 425, 429, 5xx, no response | retried, not before `Retry-After` |
//! | 410 | dead, `gone` |
//! | any other | dead, `status` |
//!
//! The response header `gateway-outcome` is the answer's attribute `outcome`: what the agent says of an incident, such as `handled`.

use gateway_plugin_sdk::agent::{Answer, Delivered, Delivery, Failure, HttpRequest, accepted};
use gateway_plugin_sdk::export_agent;

export_agent!(include_str!("../manifest.json"), deliver);

/// Sends the event and maps the response to an outcome.
pub fn deliver(delivery: &Delivery) -> Delivered {
    let response = accepted(delivery.notify(&request(delivery)?), |_| None)?;
    let content_type = response.header("content-type").unwrap_or("application/octet-stream").to_owned();
    let outcome = response.header("gateway-outcome").map(|outcome| ("outcome".to_owned(), outcome.trim().to_owned()));
    Ok(Answer { content_type, attributes: outcome.into_iter().collect(), body: response.body })
}

/// Builds the request from the settings.
fn request(delivery: &Delivery) -> Result<HttpRequest, Failure> {
    let url = delivery.required_setting("url")?;
    let method = delivery.choice("method", &["POST", "PUT", "PATCH"])?;
    let (content_type, body) = match delivery.choice("format", &["envelope", "cloudevent"])? {
        "cloudevent" => ("application/cloudevents+json", delivery.cloud_event()),
        _ => ("application/json", delivery.envelope()),
    };
    delivery.complete(HttpRequest::new(method, url).with_body(body), content_type)
}

#[cfg(test)]
mod tests;
