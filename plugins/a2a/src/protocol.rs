//! What differs between the versions of the protocol on the way out.

use gateway_plugin_sdk::agent::{Delivery, Failure};
use serde_json::{Value, json};

/// Letters of a context's id.
const MAX_CONTEXT: usize = 128;

/// What the gateway can hand back to people.
const OUTPUT: [&str; 3] = ["text/markdown", "text/plain", "application/json"];

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    ZeroThree,
}

impl Version {
    /// The version of this name, which is one of the setting's words.
    pub(crate) fn of(name: &str) -> Self {
        if name == "0.3" { Self::ZeroThree } else { Self::One }
    }

    /// What the header `a2a-version` says; version 0.3 has no such header.
    pub(crate) fn header(self) -> Option<&'static str> {
        match self {
            Self::One => Some("1.0"),
            Self::ZeroThree => None,
        }
    }

    /// The method that sends a message, and its parameters. It answers when there is a result, or later as the agent likes.
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

    /// The method that asks for a task, and its parameters.
    pub(crate) fn get(self, task: &str) -> (&'static str, Value) {
        let method = match self {
            Self::One => "GetTask",
            Self::ZeroThree => "tasks/get",
        };
        (method, json!({ "id": task, "historyLength": 0 }))
    }
}

/// Where a card says that the agent speaks JSON-RPC, in the newest version that this plugin knows.
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
    // A card of version 0.3 names its first interface in members of its own, JSON-RPC unless it says otherwise.
    let alone = || {
        let is_old = card["protocolVersion"].as_str()?.starts_with("0.3");
        let is_json_rpc = card["preferredTransport"].as_str().is_none_or(|transport| transport == "JSONRPC");
        card["url"].as_str().filter(|_| is_old && is_json_rpc)
    };
    speaks("0.3").or_else(alone).map(|url| (url, Version::ZeroThree))
}
