//! A source of events: each posted JSON object becomes an event.

use gateway_plugin_sdk::Level;
use gateway_plugin_sdk::channel::{Event, Received, Rejection, Request};
use gateway_plugin_sdk::json::repair;
use serde::Deserialize;

gateway_plugin_sdk::export_channel!(include_str!("../manifest.json"), receive);

/// The members of the body that the plugin reads; the event's data is the whole body.
#[derive(Deserialize)]
struct Body {
    kind: Option<String>,
    subject: Option<String>,
    severity: Option<String>,
}

fn receive(request: &Request) -> Received {
    let host = request.host();
    let text = request.text();
    // Half of a surrogate pair or a member that is given twice must not cost the event.
    let body: Body = serde_json::from_str(&text)
        .or_else(|_| serde_json::from_str(&repair(&text)))
        .map_err(|error| Rejection::new(400, format!("expected a JSON object: {error}")))?;
    let kind = body
        .kind
        .or_else(|| host.config("default_kind"))
        .unwrap_or_else(|| String::from("received"));
    let subject = body.subject.as_deref().unwrap_or("nothing");
    host.log(Level::Info, &format!("`{kind}` about {subject}"));

    let mut event = Event::new(kind)
        .with_subject(body.subject)
        .with_delivery_id(request.header("x-delivery-id"));
    if let Some(severity) = body.severity {
        event = event.with_attribute("severity", severity);
    }
    Ok(event.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_subject_come_from_the_body() {
        let request = Request::new("POST")
            .with_header("x-delivery-id", "d-1")
            .with_body(include_str!("../samples/opened.json"));

        let event = receive(&request).unwrap().into_event();

        assert_eq!(event.kind, "opened");
        assert_eq!(event.subject.as_deref(), Some("door-7"));
        assert_eq!(event.delivery_id.as_deref(), Some("d-1"));
        assert_eq!(event.attribute("severity"), Some("high"));
        assert_eq!(request.host().logged().len(), 1);
    }

    #[test]
    fn the_default_kind_comes_from_the_settings() {
        let request = Request::new("POST")
            .with_config("default_kind", "noticed")
            .with_body("{}");

        assert_eq!(receive(&request).unwrap().into_event().kind, "noticed");
    }

    #[test]
    fn an_odd_text_costs_only_itself() {
        let request = Request::new("POST")
            .with_body(r#"{"kind":"opened","subject":"door \ud83d","severity":"low","severity":"high"}"#);

        let event = receive(&request).unwrap().into_event();

        assert_eq!(event.kind, "opened");
        assert_eq!(event.subject.as_deref(), Some("door \u{fffd}"));
        assert_eq!(event.attribute("severity"), Some("high"));
    }

    #[test]
    fn invalid_json_is_refused() {
        let request = Request::new("POST").with_body(include_str!("../samples/broken.json"));

        assert_eq!(receive(&request).unwrap_err().status, 400);
    }
}
