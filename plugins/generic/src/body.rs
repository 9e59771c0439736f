//! Converts a body of any accepted media type to JSON.

use gateway_plugin_sdk::channel::{Rejection, Request};
use gateway_plugin_sdk::form_fields;
use gateway_plugin_sdk::json::text;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::members::Members;
use crate::{multipart, xml};

/// The most fields of a form.
const MAX_FIELDS: usize = 1000;

/// A body as JSON: the original, or converted from another format.
#[derive(Debug)]
pub(crate) enum Body {
    Json(String),
    Converted(String),
}

impl Body {
    pub(crate) fn json(&self) -> &str {
        let (Body::Json(json) | Body::Converted(json)) = self;
        json
    }

    pub(crate) fn into_json(self) -> String {
        let (Body::Json(json) | Body::Converted(json)) = self;
        json
    }
}

/// Converts the body by its media type, which the manifest limits to those below. An error names the position in the body.
pub(crate) fn read(request: &Request) -> Result<Body, Rejection> {
    let content_type = request.header("content-type").unwrap_or_default();
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
    match media_type.trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => form(&text(request)?).map(converted),
        "multipart/form-data" => {
            multipart::read(&request.body(), parameters).map(converted).map_err(malformed("multipart"))
        }
        "application/xml" | "text/xml" => xml::read(&text(request)?).map(converted).map_err(malformed("XML")),
        _ => json(text(request)?),
    }
}

fn json(text: String) -> Result<Body, Rejection> {
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(_) => Ok(Body::Json(text)),
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

fn converted(value: Value) -> Body {
    Body::Converted(value.to_string())
}

fn malformed(format: &'static str) -> impl Fn(String) -> Rejection {
    move |problem| Rejection::new(400, format!("body is not {format}: {problem}"))
}
