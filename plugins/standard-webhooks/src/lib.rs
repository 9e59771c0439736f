//! Any sender that signs by the Standard Webhooks specification: one event per delivery.
//!
//! | of the event | from |
//! |---|---|
//! | kind | `type`: `user.created`; without one `received` |
//! | delivery id | `webhook-id`, which stays the same in a retry, or `svix-id` |
//! | data | the body, unchanged |
//!
//! The specification has no subject. If the body has one, use the channel `generic`.

use gateway_plugin_sdk::channel::{Event, Received, Request};
use gateway_plugin_sdk::json::{Text, parse, with_text};
use gateway_plugin_sdk::{export_channel, kind_words};
use serde::Deserialize;

export_channel!(include_str!("../manifest.json"), receive);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

/// Turns one delivery into one event.
pub fn receive(request: &Request) -> Received {
    with_text(request, |body| {
        let payload: Payload<'_> = parse(request, body)?;
        let kind = payload.kind.get().and_then(kind_words);
        let id = request.header("webhook-id").or_else(|| request.header("svix-id"));
        Ok(Event::new(kind.unwrap_or_else(|| String::from("received"))).with_delivery_id(id).into())
    })
}

#[cfg(test)]
mod tests {
    use gateway_plugin_sdk::Level;

    use super::*;

    fn received(request: &Request) -> Event {
        receive(request).unwrap().into_event()
    }

    #[test]
    fn the_type_is_the_kind() {
        for (body, expected) in [
            (include_str!("../samples/user.created.json"), "user.created"),
            (r#"{"email":"test@example.com","username":"test_user"}"#, "received"),
            (r#"{"type":"a b\n.c"}"#, "a_b_.c"),
            (r#"{"type":"."}"#, "received"),
            (r#"{"type":{}}"#, "received"),
        ] {
            assert_eq!(received(&Request::new("POST").with_body(body)).kind, expected, "{body}");
        }
    }

    #[test]
    fn the_delivery_id_comes_from_either_set_of_headers() {
        let id = |name: &str| received(&Request::new("POST").with_header(name, "msg_1").with_body("{}")).delivery_id;
        assert_eq!(id("webhook-id").as_deref(), Some("msg_1"));
        assert_eq!(id("svix-id").as_deref(), Some("msg_1"));
        assert_eq!(id("x-id"), None);
    }

    #[test]
    fn json_that_is_not_an_object_is_kept_and_invalid_json_is_refused() {
        let request = Request::new("POST").with_body("[1]");
        assert_eq!(received(&request).kind, "received");
        assert_eq!(request.host().logged()[0].0, Level::Warn);
        for body in [&b""[..], b"{", b"\xff"] {
            assert_eq!(receive(&Request::new("POST").with_body(body)).unwrap_err().status, 400);
        }
    }
}
