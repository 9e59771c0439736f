//! The channel for trying out the gateway: every request is one event of kind `received` with the body as its data.
//!
//! `?subject=NAME` sets the subject, to show order within one subject and concurrency between several. The header
//! `x-delivery-id` or `idempotency-key` sets the delivery id, to show deduplication.

use gateway_plugin_sdk::channel::{Event, Receipt, Received, Request};
use gateway_plugin_sdk::{export_channel, form_values};

export_channel!(include_str!("../manifest.json"), receive);

/// Turns any request into one event.
pub fn receive(request: &Request) -> Received {
    let subject =
        form_values(request.query(), "subject").find(|subject| !subject.is_empty()).map(|subject| subject.into_owned());
    let delivery_id = request.header("x-delivery-id").or_else(|| request.header("idempotency-key"));
    Ok(Receipt::from(Event::new("received").with_subject(subject).with_delivery_id(delivery_id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(request: Request) -> Event {
        receive(&request).unwrap().into_event()
    }

    #[test]
    fn any_body_is_accepted_and_not_copied() {
        for body in ["", "{\"test\":true}", "\u{0}not json"] {
            let event = received(Request::new("POST").with_body(body));
            assert_eq!(event, Event::new("received"), "{body}");
        }
    }

    #[test]
    fn the_query_sets_the_subject() {
        for (query, expected) in [
            ("", None),
            ("subject=", None),
            ("subject=a", Some("a")),
            ("x=1&subject=octo%2Frepo%231", Some("octo/repo#1")),
        ] {
            assert_eq!(received(Request::new("POST").with_query(query)).subject.as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn a_header_sets_the_delivery_id() {
        let id = |name: &str| received(Request::new("PUT").with_header(name, "7")).delivery_id;
        assert_eq!(id("x-delivery-id").as_deref(), Some("7"));
        assert_eq!(id("idempotency-key").as_deref(), Some("7"));
        assert_eq!(id("x-other"), None);
    }
}
