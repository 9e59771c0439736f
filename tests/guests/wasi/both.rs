//! Exports `receive` and, for gateways that do not know it, `channel`. `receive` makes an event of all that comes with the call, and
//! logs a line with odd bytes in numbers; `channel` refuses.

#![expect(unsafe_code, reason = "generated code, which the export below places here")]

mod bindings {
    wit_bindgen::generate!({
        inline: r#"
            package guest:both;

            world both {
                include gateway:plugin/receiving-plugin@0.1.3;
                include gateway:plugin/channel-plugin@0.1.3;
            }
        "#,
        path: "../../../wit",
        generate_all,
    });
}

use self::bindings::exports::gateway::plugin::{channel, receive};
use self::bindings::gateway::plugin::log;

struct Both;

const MANIFEST: &str = r#"{"name": "both", "version": "1.0.0", "summary": "Test guest", "config": {
    "list": {"type": "array", "summary": "A list", "default": ["é"]},
    "text": {"type": "string", "summary": "Any text"}
}}"#;

impl channel::Guest for Both {
    fn describe() -> String {
        MANIFEST.to_owned()
    }

    fn receive() -> Result<channel::Receipt, channel::Rejection> {
        Err(channel::Rejection { status: 400, detail: String::from("`channel` was called") })
    }
}

impl receive::Guest for Both {
    fn describe() -> String {
        MANIFEST.to_owned()
    }

    fn receive(
        method: String,
        path: String,
        query: String,
        headers: String,
        body: Vec<u8>,
        config: String,
    ) -> Result<receive::Receipt, receive::Rejection> {
        log::write(7, u64::from_le_bytes(*b"odd\n\x1b[3m"));
        log::write(7, u64::from_le_bytes(*b"\xc3\xa9\0\0 end"));
        let texts = [method, path, query, headers, String::from_utf8_lossy(&body).into_owned(), config];
        let event = receive::Event {
            kind: String::from("received"),
            subject: None,
            delivery_id: None,
            key: None,
            data: Some(bindings::gateway::plugin::types::Content::Text(texts.join("|"))),
            content_type: Some(String::from("text/plain")),
            attributes: Vec::new(),
        };
        Ok(receive::Receipt { events: vec![event], response: None })
    }
}

bindings::export!(Both with_types_in bindings);
