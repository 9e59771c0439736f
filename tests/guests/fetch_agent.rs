//! Sends the request in the event's data, `{"url": ..., "method": ..., "credential": ..., "body": ...}`, and answers with the
//! response, `{"status", "headers", "body"}`, or the error, `{"error", "message"}`.

use gateway_plugin_sdk::agent::{Answer, Delivered, Delivery, Failure, HttpRequest};
use serde_json::{Value, json};

gateway_plugin_sdk::export_agent!(guests::manifest("fetch-agent", "1.0.0"), deliver);

fn deliver(delivery: &Delivery) -> Delivered {
    let wanted: Value =
        serde_json::from_slice(&delivery.data()).map_err(|error| Failure::reject("invalid", error.to_string()))?;
    let field = |name: &str| wanted[name].as_str().map(str::to_owned);
    let Some(url) = field("url") else {
        return Err(Failure::reject("invalid", "`url` is missing"));
    };
    let mut request =
        HttpRequest::new(field("method").as_deref().unwrap_or("GET"), url).with_credential(field("credential"));
    if let Some(body) = field("body") {
        request = request.with_body(body);
    }
    let result = match delivery.send(&request) {
        Ok(response) => {
            let body = response.body.as_ref().map(|body| String::from_utf8_lossy(body.as_bytes()));
            json!({"status": response.status, "headers": response.headers, "body": body})
        }
        Err(error) => json!({"error": error.code, "message": error.message}),
    };
    Ok(Answer::new("application/json", result.to_string()))
}
