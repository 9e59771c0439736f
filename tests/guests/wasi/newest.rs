//! Built against an unreleased patch with one more function and one more interface; `/` calls neither. It does not use the SDK,
//! because that would link another version of the contract.

#![expect(unsafe_code, reason = "generated code, which the export below places here")]

mod bindings {
    wit_bindgen::generate!({
        inline: r#"
            package gateway:plugin@0.1.99;

            interface types {
                variant content { text(string), bytes(list<u8>) }
                record response { status: u16, headers: list<tuple<string, string>>, body: option<content> }
            }
            interface host {
                log: func(level: string, message: string);
                translate: func(text: string, to: string) -> result<string, string>;
            }
            interface inbound {
                path: func() -> string;
            }
            interface weather {
                record forecast { text: string, certainty: f32 }
                tomorrow: func() -> forecast;
            }
            interface channel {
                use types.{content, response};
                record event {
                    kind: string, subject: option<string>, delivery-id: option<string>, key: option<string>,
                    data: option<content>, content-type: option<string>, attributes: list<tuple<string, string>>,
                }
                record receipt { events: list<event>, response: option<response> }
                record rejection { status: u16, detail: string }
                describe: func() -> string;
                receive: func() -> result<receipt, rejection>;
            }
            world channel-plugin {
                import host;
                import inbound;
                import weather;
                export channel;
            }
        "#,
    });
}

use self::bindings::exports::gateway::plugin::channel::{Event, Guest, Receipt, Rejection};
use self::bindings::gateway::plugin::{host, inbound, weather};

struct Newest;

impl Guest for Newest {
    fn describe() -> String {
        String::from(r#"{"name": "newest", "version": "0.1.99", "summary": "Test guest"}"#)
    }

    fn receive() -> Result<Receipt, Rejection> {
        host::log("info", "Built against 0.1.99");
        let kind = match inbound::path().as_str() {
            "/translate" => host::translate("good morning", "de").unwrap_or_default(),
            "/weather" => weather::tomorrow().text,
            _ => String::from("new"),
        };
        let event = Event {
            kind,
            subject: None,
            delivery_id: None,
            key: None,
            data: None,
            content_type: None,
            attributes: Vec::new(),
        };
        Ok(Receipt { events: vec![event], response: None })
    }
}

bindings::export!(Newest with_types_in bindings);
