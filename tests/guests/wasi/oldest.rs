//! Built against the first released version of the contract. It does not use the SDK, because that would link another version.

#![expect(unsafe_code, reason = "generated code, which the export below places here")]

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/released/0.1.0", world: "channel-plugin" });
}

use self::bindings::exports::gateway::plugin::channel::{Event, Guest, Receipt, Rejection};
use self::bindings::gateway::plugin::{host, inbound};

struct Oldest;

impl Guest for Oldest {
    fn describe() -> String {
        String::from(r#"{"name": "oldest", "version": "0.1.0", "summary": "Test guest"}"#)
    }

    fn receive() -> Result<Receipt, Rejection> {
        host::log("info", "Built against 0.1.0");
        let event = Event {
            kind: String::from("old"),
            subject: inbound::header("x-subject"),
            delivery_id: None,
            key: None,
            data: None,
            content_type: None,
            attributes: vec![(String::from("path"), inbound::path())],
        };
        Ok(Receipt { events: vec![event], response: None })
    }
}

bindings::export!(Oldest with_types_in bindings);
