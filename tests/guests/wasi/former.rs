//! A channel built against 0.1.2, which fetched its request through host functions: the kind is a setting, the subject a header. It
//! does not use the SDK, because that would link another version.

#![expect(unsafe_code, reason = "generated code, which the export below places here")]

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/released/0.1.2", world: "channel-plugin" });
}

use self::bindings::exports::gateway::plugin::channel::{Event, Guest, Receipt, Rejection};
use self::bindings::gateway::plugin::{host, inbound};

struct Former;

impl Guest for Former {
    fn describe() -> String {
        String::from(
            r#"{"name": "former", "version": "0.1.2", "summary": "Test guest",
                "config": {"kind": {"type": "string", "summary": "The kind", "default": "former"}}}"#,
        )
    }

    fn receive() -> Result<Receipt, Rejection> {
        let event = Event {
            kind: host::config("kind").unwrap_or_default(),
            subject: inbound::header("x-subject"),
            delivery_id: None,
            key: None,
            data: None,
            content_type: None,
            attributes: vec![(String::from("length"), inbound::body().len().to_string())],
        };
        Ok(Receipt { events: vec![event], response: None })
    }
}

bindings::export!(Former with_types_in bindings);
