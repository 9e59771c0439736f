//! Converts a body of any accepted media type to JSON.

use std::borrow::Cow;

use gateway_plugin_sdk::channel::{Event, Rejection, Request};
use gateway_plugin_sdk::form_fields;
use gateway_plugin_sdk::json::text;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::media_type::{essence, is_json, is_xml};
use crate::members::Members;
use crate::{multipart, xml};

/// The most fields of a form.
const MAX_FIELDS: usize = 1000;

const JSON: &str = "application/json";

/// A body as JSON.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    json: Cow<'a, str>,
    origin: Origin,
}

/// What the body was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Json,
    /// JSON whose sender gives it another media type, or none.
    UnnamedJson,
    Other,
}

impl Body<'_> {
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// The data of the event: the original body, or this JSON.
    pub(crate) fn data_of(self, event: Event, as_json: bool) -> Event {
        match self.origin {
            Origin::Other if as_json => event.with_data(JSON, self.json.into_owned()),
            Origin::UnnamedJson => Event { content_type: Some(JSON.to_owned()), ..event },
            Origin::Json | Origin::Other => event,
        }
    }
}

/// Converts the body by its media type; any other type must be JSON. An error names the position in the body.
pub(crate) fn read<'a>(request: &'a Request, content_type: &str) -> Result<Body<'a>, Rejection> {
    match essence(content_type).as_str() {
        "application/x-www-form-urlencoded" => {
            let text = request.text();
            // `curl -d` calls JSON a form. A form has no such letters: it is percent-encoded.
            if text.starts_with(['{', '[']) && serde_json::from_str::<&RawValue>(&text).is_ok() {
                return Ok(Body { json: text, origin: Origin::UnnamedJson });
            }
            form(&text).map(converted)
        }
        "multipart/form-data" => {
            let (_, parameters) = content_type.split_once(';').unwrap_or_default();
            multipart::read(request.body(), parameters).map(converted).map_err(malformed("multipart"))
        }
        kind if is_xml(kind) => xml::read(text(request)?).map(converted).map_err(malformed("XML")),
        kind => json(request.text(), if is_json(kind) { Origin::Json } else { Origin::UnnamedJson }),
    }
}

/// Converts the data of a CloudEvent in binary mode, which may be missing or of any media type, such as a picture. What cannot
/// be read has no facts.
pub(crate) fn read_data<'a>(request: &'a Request, content_type: &str) -> Result<Body<'a>, Rejection> {
    let kind = essence(content_type);
    let is_named = is_json(&kind) || is_xml(&kind) || request.is_form() || kind == "multipart/form-data";
    let nothing = || Body { json: Cow::Borrowed("null"), origin: Origin::Json };
    match read(request, content_type) {
        Err(_) if !is_named || request.body().is_empty() => Ok(nothing()),
        read => read,
    }
}

fn json(json: Cow<'_, str>, origin: Origin) -> Result<Body<'_>, Rejection> {
    match serde_json::from_str::<&RawValue>(&json) {
        Ok(_) => Ok(Body { json, origin }),
        Err(error) => Err(malformed("JSON")(error.to_string())),
    }
}

fn form(text: &str) -> Result<Value, Rejection> {
    let mut members = Members::default();
    for (index, (name, value)) in form_fields(text).enumerate() {
        if index == MAX_FIELDS {
            return Err(Rejection::new(413, format!("the form has more than {MAX_FIELDS} fields")));
        }
        members.add(name.into_owned(), Value::String(value.into_owned()));
    }
    Ok(members.into_value())
}

fn converted(value: Value) -> Body<'static> {
    Body { json: Cow::Owned(value.to_string()), origin: Origin::Other }
}

fn malformed(format: &'static str) -> impl Fn(String) -> Rejection {
    move |problem| Rejection::new(400, format!("body is not {format}: {problem}"))
}
