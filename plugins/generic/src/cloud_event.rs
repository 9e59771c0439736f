//! CloudEvents 1.0 in the three modes of HTTP, and the envelope that the agent `http` of another gateway sends.
//!
//! | of the event | from |
//! |---|---|
//! | kind, subject | `type`, `subject` |
//! | key | `source` and `id`, which identify a CloudEvent |
//! | attributes | `ceid`, `cesource`, `cetype`, `cetime`, `cedataschema`, and the extensions under their own names |
//! | data | `data` or `data_base64`, of the media type `datacontenttype` |

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway_plugin_sdk::channel::{Event, Rejection, Request};
use gateway_plugin_sdk::{decode_form, kind_words};
use serde_json::value::RawValue;

use crate::media_type::{essence, is_json};
use crate::pointer::{Name, Pointer, scalar_of};

/// What the specification itself defines; any other member is an extension.
const DEFINED: [&str; 10] =
    ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"];

/// Members that become attributes under another name.
const RENAMED: [(&str, &str); 5] =
    [("ceid", "id"), ("cesource", "source"), ("cetype", "type"), ("cetime", "time"), ("cedataschema", "dataschema")];

/// The longest value that is kept as it is; a longer one is cut and gets a digest.
const MAX_EXACT: usize = 1024;

/// The longest media type that the gateway accepts.
const MAX_MEDIA_TYPE: usize = 128;

/// How a request carries CloudEvents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It has none.
    Plain,
    /// Its headers are the attributes, its body the data.
    Binary,
    Structured,
    Batch,
}

/// A CloudEvent.
#[derive(Debug)]
pub(crate) struct CloudEvent<'a> {
    /// Attributes and extensions.
    texts: BTreeMap<String, Cow<'a, str>>,
    data: Data<'a>,
}

#[derive(Debug)]
enum Data<'a> {
    /// The body of the request.
    Body,
    None,
    Json(&'a str),
    Bytes(Vec<u8>),
}

impl Mode {
    /// `content_type` is that of the request.
    pub(crate) fn of(request: &Request, content_type: &str) -> Self {
        match essence(content_type).as_str() {
            "application/cloudevents+json" => Mode::Structured,
            "application/cloudevents-batch+json" => Mode::Batch,
            _ if request.header("ce-specversion").is_some() => Mode::Binary,
            _ => Mode::Plain,
        }
    }
}

/// The event in the envelope of another gateway; `None` for any other JSON.
pub(crate) fn in_envelope(json: &str) -> Option<Cow<'_, RawValue>> {
    // Looking further into each body would cost more than the few that are envelopes.
    if !json.trim_start().starts_with(r#"{"version":"1","timestamp":"#) {
        return None;
    }
    let at = |pointer: &str| Pointer::parse(pointer)?.find(json);
    at("/channel/plugin").and_then(|_| at("/event/specversion")).and_then(|_| at("/event"))
}

impl<'a> CloudEvent<'a> {
    /// Reads a CloudEvent in JSON, which is at the pointer `at` of the body.
    pub(crate) fn read(json: &'a str, at: &str) -> Result<Self, Rejection> {
        let members: BTreeMap<Name, &RawValue> = serde_json::from_str(json)
            .map_err(|error| Rejection::new(422, format!("expected a CloudEvent, an object: {error}")))?;
        let members: BTreeMap<String, &RawValue> = members.into_iter().map(|(Name(name), raw)| (name, raw)).collect();
        let data = match (members.get("data"), members.get("data_base64")) {
            (_, Some(encoded)) => {
                let decoded = scalar_of(encoded.get()).and_then(|text| STANDARD.decode(text.as_bytes()).ok());
                let problem = || Rejection::at(422, &format!("{at}/data_base64"), "expected base64");
                Data::Bytes(decoded.ok_or_else(problem)?)
            }
            (Some(data), None) => Data::Json(data.get()),
            (None, None) => Data::None,
        };
        let texts = members.into_iter().filter(|(name, _)| !matches!(name.as_str(), "data" | "data_base64"));
        let texts = texts.filter_map(|(name, raw)| Some((name, scalar_of(raw.get())?))).collect();
        CloudEvent { texts, data }.checked(|name| format!("`{at}/{name}`"))
    }

    /// Reads the CloudEvent in the headers of a request. Values are percent-encoded.
    pub(crate) fn of_headers(request: &Request) -> Result<Self, Rejection> {
        let decoded = |value: &str| decode_form(&value.replace('+', "%2B")).into_owned();
        let texts = request.headers().filter_map(|(name, value)| {
            Some((name.strip_prefix("ce-")?.to_owned(), Cow::Owned(decoded(value.trim().trim_matches('"')))))
        });
        CloudEvent { texts: texts.collect(), data: Data::Body }.checked(|name| format!("header `ce-{name}`"))
    }

    /// Refuses a CloudEvent without its identity or its type.
    fn checked(self, place: impl Fn(&str) -> String) -> Result<Self, Rejection> {
        let problem = |name, problem| Rejection::new(422, format!("{}: {problem}", place(name)));
        if !self.text("specversion").is_some_and(|version| version.starts_with("1.")) {
            return Err(problem("specversion", "expected `1.0`"));
        }
        match ["id", "source", "type"].into_iter().find(|name| self.text(name).is_none()) {
            Some(missing) => Err(problem(missing, "is missing or empty")),
            None => Ok(self),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(|text| &**text).filter(|text| !text.is_empty())
    }

    pub(crate) fn kind(&self) -> Option<String> {
        self.text("type").and_then(kind_words)
    }

    pub(crate) fn subject(&self) -> Option<String> {
        self.text("subject").map(str::to_owned)
    }

    /// The identity. A source has no spaces, because it is a URI.
    pub(crate) fn key(&self) -> String {
        [self.text("source").unwrap_or_default(), " ", self.text("id").unwrap_or_default()].concat()
    }

    /// Adds the attributes that the event does not have yet, up to `max` in all.
    pub(crate) fn with_attributes(&self, mut event: Event, max: usize) -> Event {
        let renamed = RENAMED.into_iter().map(|(name, member)| (name, self.text(member)));
        let extensions = self.texts.keys().map(String::as_str).filter(|name| !DEFINED.contains(name));
        for (name, value) in renamed.chain(extensions.map(|name| (name, self.text(name)))) {
            let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            let is_name = (1..=20).contains(&name.len()) && name.bytes().all(is_letter);
            if !is_name || event.attributes.len() >= max || event.attribute(name).is_some() {
                continue;
            }
            event = match value {
                Some(value) if value.len() <= MAX_EXACT && !value.contains(char::is_control) => {
                    event.with_attribute(name, value)
                }
                value => event.with_fact(name, value),
            };
        }
        event
    }

    /// Sets the data.
    pub(crate) fn with_data(&self, event: Event) -> Event {
        const JSON: &str = "application/json";
        let is_valid = |kind: &&str| kind.len() <= MAX_MEDIA_TYPE && !kind.contains(char::is_control);
        let content_type = self.text("datacontenttype").filter(is_valid);
        match &self.data {
            Data::Body => event,
            Data::None => event.with_data(JSON, "null"),
            Data::Bytes(bytes) => event.with_data(content_type.unwrap_or("application/octet-stream"), bytes.clone()),
            Data::Json(json) => {
                let content_type = content_type.unwrap_or(JSON);
                let is_text = !is_json(&essence(content_type)) && json.starts_with('"');
                match scalar_of(json).filter(|_| is_text) {
                    Some(text) => event.with_data(content_type, &*text),
                    None if is_json(&essence(content_type)) => event.with_data(content_type, *json),
                    None => event.with_data(JSON, *json),
                }
            }
        }
    }
}
