//! `gateway emit`: an event that somebody makes by hand or in a script.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use ::http::{HeaderValue, Method};
use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::arguments::output::Format;
use super::arguments::subscribe::EmitArguments;
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::list::shown;
use super::output;
use super::request::encoded;
use super::subscribe::with_key;

/// Events of one request.
const BATCH: usize = 500;

pub(super) async fn run(connection: &Connection, arguments: EmitArguments) -> Result<(), Failure> {
    let data = read(arguments.file.as_deref())?;
    let parts: Vec<&[u8]> = match arguments.batch {
        true => data.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect(),
        false => vec![&data],
    };
    let events = parts.iter().map(|data| event(&arguments, data)).collect::<anyhow::Result<Vec<_>>>()?;
    if arguments.dry_run {
        return match events.as_slice() {
            [event] => output::json(event),
            events => output::json(&json!(events)),
        };
    }
    let client = Client::webhooks(connection, None)?;
    let path = format!("{}/events?channel={}", arguments.key.prefix, encoded(arguments.channel.as_str()));
    for batch in events.chunks(BATCH) {
        let mut headers = with_key(&arguments.key)?;
        let media_type = HeaderValue::from_static("application/cloudevents-batch+json");
        headers.push(("content-type".to_owned(), media_type));
        let reply = client.send(Method::POST, &path, headers, json!(batch).to_string().into()).await?;
        let answer = client.read(&reply)?;
        match arguments.output.format {
            Format::Json => output::json(&answer)?,
            Format::Text => output::text(&told(&answer))?,
        }
    }
    Ok(())
}

fn told(answer: &Value) -> String {
    let rows = answer["events"].as_array().into_iter().flatten();
    rows.map(|row| format!("{}  {}  {}\n", shown(&row["status"]), shown(&row["kind"]), shown(&row["id"]))).collect()
}

fn read(file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let Some(file) = file else { return Ok(Vec::new()) };
    if file != Path::new("-") {
        return fs::read(file).with_context(|| format!("cannot read `{}`", file.display()));
    }
    let mut data = Vec::new();
    io::stdin().lock().read_to_end(&mut data).context("cannot read stdin")?;
    Ok(data)
}

/// The CloudEvent with this data.
fn event(arguments: &EmitArguments, data: &[u8]) -> anyhow::Result<Value> {
    let EmitArguments { kind, subject, id, source, attributes, .. } = arguments;
    let mut event = Map::new();
    for attribute in attributes {
        let (name, value) = attribute
            .split_once('=')
            .ok_or_else(|| anyhow!("`--attribute`: expected `name=value`, found `{attribute}`"))?;
        event.insert(name.to_owned(), json!(value));
    }
    let id = id.clone().unwrap_or_else(|| Uuid::now_v7().to_string());
    event.extend(
        [("specversion", json!("1.0")), ("id", json!(id)), ("source", json!(source)), ("type", json!(kind))].map(owned),
    );
    if let Some(subject) = subject {
        event.insert("subject".to_owned(), json!(subject));
    }
    if let Ok(data) = serde_json::from_slice::<Value>(data) {
        event.extend([("datacontenttype", json!("application/json")), ("data", data)].map(owned));
    } else if let Ok(text) = std::str::from_utf8(data) {
        let is_empty = text.is_empty();
        event.extend(
            [("datacontenttype", json!("text/plain")), ("data", json!(text))]
                .map(owned)
                .into_iter()
                .filter(|_| !is_empty),
        );
    } else {
        let data = json!(STANDARD.encode(data));
        event.extend([("datacontenttype", json!("application/octet-stream")), ("data_base64", data)].map(owned));
    }
    Ok(Value::Object(event))
}

fn owned((name, value): (&str, Value)) -> (String, Value) {
    (name.to_owned(), value)
}
