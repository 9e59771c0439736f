//! Samples: recorded requests and deliveries, and the results expected of a plugin.
//!
//! This module owns their files, the trial of a plugin on them, and the comparison of results. It promises that a sample runs
//! in a fresh instance with the limits of the configuration, gets the same input as in the gateway, and reaches no network.
//! Deliberately absent: verification, because a sample holds no credential, and recording and printing (`cli`).
//!
//! # Files
//! A sample of a channel is `NAME.EXT`, the body of a request; `NAME.headers`, its headers as `curl -H @FILE` reads them; and
//! `NAME.expected.json`, the expected result. A sample of an agent is `NAME.delivery.json`. Members that an expected result
//! omits are not compared, `null` means that the member must be absent, and unknown members are errors. The data of an event
//! is always compared: without `data` it must be the body.
//!
//! The files can also lie inside a plugin, in a custom section of at most 256 KiB that is read without running the plugin.

mod bundle;
mod compare;
mod expectation;
mod folder;
mod header;
mod outcome;
mod packed;
mod trial;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::egress::{EgressError, Response};
use crate::event::Event;

pub use self::bundle::{files, with as with_files};
pub use self::compare::Difference;
pub use self::folder::{EXPECTED_ENDING, HEADERS_ENDING, embedded, read};
pub use self::header::{content_type, header};
pub use self::outcome::{receipt, rejection};
pub use self::packed::PackedSamples;
pub use self::trial::{PluginUnderTest, Trial, TrialVerdict};

/// One sample. It may be broken: then `content` says why.
#[derive(Debug)]
pub struct Sample {
    /// The name of its files, without their endings.
    pub name: String,
    /// The file with the expected result. That of a request may not exist.
    pub file: PathBuf,
    /// The parsed files, or the problem with them.
    pub content: Result<Content, String>,
}

/// The input of a plugin.
#[derive(Debug)]
pub enum Content {
    /// A request to a channel.
    Request(Box<RequestSample>),
    /// A delivery to an agent.
    Delivery(Box<DeliverySample>),
}

/// A request to a channel, with the expected result.
#[derive(Debug)]
pub struct RequestSample {
    /// `None` means the first method of the manifest.
    method: Option<Method>,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
    config: BTreeMap<String, Value>,
    /// `{"receipt": ..}` or `{"rejection": ..}`.
    expected: Option<Value>,
}

impl RequestSample {
    /// The method; `None` means the first one of the manifest.
    pub fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    /// The path below that of the channel, which may be empty, and the query.
    pub fn target(&self) -> (&str, &str) {
        (if self.path == "/" { "" } else { &self.path }, &self.query)
    }

    /// The headers, always with `content-type`.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body of the request.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Settings of the channel that the expected result depends on.
    pub fn config(&self) -> &BTreeMap<String, Value> {
        &self.config
    }

    /// What the plugin takes the identity of the expected events from: delivery ids and keys.
    pub fn identities(&self) -> Vec<&str> {
        let events = self.expected.as_ref().and_then(|expected| expected["receipt"]["events"].as_array());
        let names = events.into_iter().flatten().flat_map(|event| [&event["delivery_id"], &event["key"]]);
        names.filter_map(Value::as_str).collect()
    }

    /// The kind of the first expected event, without the channel.
    pub fn kind(&self) -> Option<&str> {
        self.expected.as_ref()?["receipt"]["events"][0]["kind"].as_str()
    }
}

/// A delivery to an agent, with scripted HTTP responses and the expected result.
#[derive(Debug)]
pub struct DeliverySample {
    event: Event,
    attempt: u32,
    config: BTreeMap<String, Value>,
    /// The responses to `http.send`, in order.
    answers: Vec<Result<Response, EgressError>>,
    /// The expected requests, in the same order; `None` accepts any.
    requests: Vec<Option<Value>>,
    /// `{"answer": ..}`, `{"retry": ..}` or `{"reject": ..}`.
    expected: Option<Value>,
}
