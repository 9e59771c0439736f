//! Samples: recorded requests and deliveries, and what a plugin is expected to make of them.
//!
//! It owns their files, how a plugin is tried out on them, and what counts as a difference. It promises that a sample runs in
//! a fresh instance with the limits of the configuration, sees what the gateway would show it, and reaches no network.
//! Deliberately absent: verification, since a sample holds no credential.
//!
//! # Files
//! A sample of a channel is `NAME.EXT`, the body of a request; `NAME.headers`, its headers as `curl -H @FILE` reads them; and
//! `NAME.expected.json`, what is expected. A sample of an agent is `NAME.delivery.json`. Of what is expected, members that are
//! left out are not compared, `null` stands for nothing, and a member with an unknown name is an error. Only the data of an
//! event is never left out: without `data` it is expected to be the body.
//!
//! The files can also lie inside of a plugin, in a section that is read without running it and is never larger than 256 KiB.

mod bundle;
mod compare;
mod expectation;
mod folder;
mod header;
mod outcome;
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
pub use self::trial::{Subject, Trial, Verdict};

/// One sample, or what is wrong with its files.
#[derive(Debug)]
pub struct Sample {
    /// What its files are called, without their endings.
    pub name: String,
    /// The file that says what is expected; of a request, it need not be there.
    pub file: PathBuf,
    /// What it says.
    pub content: Result<Content, String>,
}

/// What a plugin is tried out on.
#[derive(Debug)]
pub enum Content {
    /// A request to a channel.
    Request(Box<RequestSample>),
    /// A delivery to an agent.
    Delivery(Box<DeliverySample>),
}

/// A request to a channel.
#[derive(Debug)]
pub struct RequestSample {
    /// none stands for the first of the manifest.
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
    /// The method; none stands for the first of the manifest.
    pub fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    /// Path below the place of the channel, empty when it is that place itself, and query.
    pub fn target(&self) -> (&str, &str) {
        (if self.path == "/" { "" } else { &self.path }, &self.query)
    }

    /// The headers, of which `content-type` is always there.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Settings of the channel that what is expected goes with.
    pub fn config(&self) -> &BTreeMap<String, Value> {
        &self.config
    }

    /// The kind of the first event that is expected, as the plugin says it.
    pub fn kind(&self) -> Option<&str> {
        self.expected.as_ref()?["receipt"]["events"][0]["kind"].as_str()
    }
}

/// A delivery to an agent.
#[derive(Debug)]
pub struct DeliverySample {
    event: Event,
    attempt: u32,
    config: BTreeMap<String, Value>,
    /// What `http.send` is answered.
    answers: Vec<Result<Response, EgressError>>,
    /// The requests that are expected, each with its place.
    requests: Vec<Option<Value>>,
    /// `{"answer": ..}`, `{"retry": ..}` or `{"reject": ..}`.
    expected: Option<Value>,
}
