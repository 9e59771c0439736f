//! Polls `config.url?after=<cursor>` for `{"items": [..], "more": ..}`. Each item, a string, is an event, and the last item is the
//! next cursor. Any status but 200 fails; an item `trap` traps after the cursor has moved.

use gateway_plugin_sdk::channel::{Received, Rejection, Request};
use gateway_plugin_sdk::poll::{Batch, Event, Failure, HttpRequest, Polled, Source};
use serde_json::Value;

const MANIFEST: &str = r#"{"name": "feed", "version": "1.0.0", "summary": "Test guest", "config": {
    "url": {"type": "string", "summary": "the source", "required": true}
}}"#;

gateway_plugin_sdk::export_channel!(MANIFEST, receive);
gateway_plugin_sdk::export_poll!(poll);

fn receive(_: &Request) -> Received {
    Err(Rejection::new(405, "this channel polls its source"))
}

fn poll(source: &Source) -> Polled {
    let host = source.host();
    let cursor = host.state("cursor").map(|cursor| String::from_utf8_lossy(&cursor).into_owned()).unwrap_or_default();
    let url = format!("{}?after={cursor}", host.config("url").unwrap_or_default());
    let response =
        source.send(&HttpRequest::new("GET", url)).map_err(|error| Failure::new(error.code, error.message, None))?;
    if response.status != 200 {
        let after = response.header("retry-after").map(str::to_owned);
        return Err(Failure::new("status", response.status.to_string(), after));
    }
    let body = response.body.as_ref().map(|body| body.as_bytes()).unwrap_or_default();
    let page: Value = serde_json::from_slice(body).map_err(|error| Failure::new("invalid", error.to_string(), None))?;
    let ids: Vec<&str> = page["items"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(last) = ids.last() {
        host.set_state("cursor", last.as_bytes()).map_err(|error| Failure::new(error.code, error.message, None))?;
    }
    assert!(!ids.contains(&"trap"), "trapped on purpose");
    let event = |id: &&str| {
        Event::new("item", "text/plain", *id)
            .with_subject(Some(String::from("feed")))
            .with_delivery_id(Some(id.to_string()))
    };
    Ok(Batch { events: ids.iter().map(event).collect(), more: page["more"] == true })
}
