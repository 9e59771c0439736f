//! An agent built against 0.1.1, which had `send` alone: it posts the event's data to `url`. It does not use the SDK, because that
//! would link another version.

#![expect(unsafe_code, reason = "generated code, which the export below places here")]

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/released/0.1.1", world: "agent-plugin" });
}

use self::bindings::exports::gateway::plugin::agent::{Answer, Failure, Guest, Refusal};
use self::bindings::gateway::plugin::http::Request;
use self::bindings::gateway::plugin::types::Content;
use self::bindings::gateway::plugin::{host, http, outbound};

struct Older;

impl Guest for Older {
    fn describe() -> String {
        String::from(
            r#"{"name": "older", "version": "0.1.1", "summary": "Test guest",
                "config": {"url": {"type": "string", "summary": "URL that receives the data"}}}"#,
        )
    }

    fn deliver() -> Result<Answer, Failure> {
        let sent = http::send(&Request {
            method: String::from("POST"),
            url: host::config("url").unwrap_or_default(),
            headers: Vec::new(),
            body: Some(Content::Bytes(outbound::data())),
            credential: None,
            timeout_ms: None,
        });
        match sent {
            Ok(response) => {
                Ok(Answer { content_type: String::from("text/plain"), body: response.body, attributes: Vec::new() })
            }
            Err(error) => Err(Failure::Reject(Refusal { code: error.code, message: error.message })),
        }
    }
}

bindings::export!(Older with_types_in bindings);
