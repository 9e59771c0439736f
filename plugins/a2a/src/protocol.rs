//! The differences between the protocol versions in requests.

use gateway_plugin_sdk::agent::{Delivery, Failure};
use serde_json::{Value, json};

/// The longest context id.
const MAX_CONTEXT: usize = 128;

/// The media types that people can read in an answer.
const OUTPUT: [&str; 3] = ["text/markdown", "text/plain", "application/json"];

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    ZeroThree,
}

impl Version {
    /// The version of this name, which is one of the setting's values.
    pub(crate) fn of(name: &str) -> Self {
        if name == "0.3" { Self::ZeroThree } else { Self::One }
    }

    /// The value of the header `a2a-version`; version 0.3 has no such header.
    pub(crate) fn header(self) -> Option<&'static str> {
        match self {
            Self::One => Some("1.0"),
            Self::ZeroThree => None,
        }
    }

    /// The method that sends a message, and its parameters. The agent replies with the result, or with a task that is still running.
    pub(crate) fn send(self, delivery: &Delivery) -> Result<(&'static str, Value), Failure> {
        let texts = delivery.setting("instructions").into_iter().chain([delivery.prompt()?]);
        let parts: Vec<_> = texts
            .map(|text| match self {
                Self::One => json!({ "text": text, "mediaType": "text/plain" }),
                Self::ZeroThree => json!({ "kind": "text", "text": text }),
            })
            .collect();
        let mut message = json!({ "messageId": delivery.id(), "parts": parts });
        if delivery.choice("session", &["subject", "none"])? == "subject" {
            message["contextId"] = delivery.session_key(MAX_CONTEXT).into();
        }
        Ok(match self {
            Self::One => {
                message["role"] = "ROLE_USER".into();
                ("SendMessage", json!({ "message": message, "configuration": { "acceptedOutputModes": OUTPUT } }))
            }
            Self::ZeroThree => {
                message["role"] = "user".into();
                message["kind"] = "message".into();
                let configuration = json!({ "acceptedOutputModes": OUTPUT, "blocking": true });
                ("message/send", json!({ "message": message, "configuration": configuration }))
            }
        })
    }

    /// The method that polls a task, and its parameters.
    pub(crate) fn get(self, task: &str) -> (&'static str, Value) {
        let method = match self {
            Self::One => "GetTask",
            Self::ZeroThree => "tasks/get",
        };
        (method, json!({ "id": task, "historyLength": 0 }))
    }
}

/// The card's JSON-RPC interface in the newest version that this plugin supports.
pub(crate) fn interface(card: &Value) -> Option<(&str, Version)> {
    let offered: Vec<_> = card["supportedInterfaces"].as_array().into_iter().flatten().collect();
    let speaks = |version: &str| {
        offered
            .iter()
            .filter(|interface| interface["protocolBinding"] == "JSONRPC")
            .find(|interface| interface["protocolVersion"].as_str().is_some_and(|offered| offered.starts_with(version)))
            .and_then(|interface| interface["url"].as_str())
    };
    if let Some(url) = speaks("1.") {
        return Some((url, Version::One));
    }
    // A card of version 0.3 has its first interface in members of its own; the default transport is JSON-RPC.
    let alone = || {
        let is_old = card["protocolVersion"].as_str()?.starts_with("0.3");
        let is_json_rpc = card["preferredTransport"].as_str().is_none_or(|transport| transport == "JSONRPC");
        card["url"].as_str().filter(|_| is_old && is_json_rpc)
    };
    speaks("0.3").or_else(alone).map(|url| (url, Version::ZeroThree))
}
