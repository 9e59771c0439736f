//! Parsing the JSON file of a sample.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use crate::egress::{EgressError, Response};
use crate::event::{ChannelName, CloudEvent, Event, EventId, RequestId, Seq, Timestamp};
use crate::plugin::Script;

use super::{DeliverySample, RequestSample, header};

/// The default time of the event in a sample: fixed, so that every run is equal.
const TIME: &str = "2026-01-31T12:00:00.000Z";

const EVENT: &[&str] = &["kind", "subject", "delivery_id", "key", "content_type", "attributes", "data", "data_base64"];
const RESPONSE: &[&str] = &["status", "headers", "body", "body_base64"];

type Object = Map<String, Value>;

/// Parses a request; `text` is `NAME.expected.json`, if it exists.
pub(super) fn request(body: Vec<u8>, mut headers: HeaderMap, text: Option<&str>) -> Result<RequestSample, String> {
    if !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(header::content_type(&body)));
    }
    let json: Value = match text {
        Some(text) => serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?,
        None => json!({}),
    };
    let file = only("", &json, &["request", "config", "receipt", "rejection"])?;
    let line = member("", file, "request", &["method", "path", "query"])?;
    let receipt = member("", file, "receipt", &["events", "response"])?;
    member("", file, "rejection", &["status", "detail"])?;
    if let Some(receipt) = receipt {
        for (index, event) in items("receipt.", receipt, "events")?.iter().enumerate() {
            only(&format!("receipt.events[{index}]"), event, EVENT)?;
        }
        member("receipt.", receipt, "response", RESPONSE)?;
    }
    let method = match text_of("request.", line, "method")? {
        Some(method) => Some(method.parse().map_err(|_| format!("`request.method`: `{method}` is not a method"))?),
        None => None,
    };
    let path = text_of("request.", line, "path")?.unwrap_or_else(|| "/".to_owned());
    if !path.starts_with('/') {
        return Err(format!("`request.path`: expected a path below the channel such as `/`, found `{path}`"));
    }
    Ok(RequestSample {
        method,
        path,
        query: text_of("request.", line, "query")?.unwrap_or_default(),
        headers,
        body: body.into(),
        config: config(file)?,
        expected: one_of(file, &["receipt", "rejection"])?,
    })
}

/// Parses a delivery; `text` is `NAME.delivery.json`.
pub(super) fn delivery(text: &str) -> Result<DeliverySample, String> {
    let json: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let file = only("", &json, &["event", "attempt", "config", "http", "answer", "retry", "reject"])?;
    member("", file, "answer", &["content_type", "body", "body_base64", "attributes"])?;
    member("", file, "retry", &["code", "message", "after"])?;
    member("", file, "reject", &["code", "message"])?;
    let (mut answers, mut requests) = (Vec::new(), Vec::new());
    for (index, exchange) in items("", file, "http")?.iter().enumerate() {
        let place = format!("http[{index}].");
        let exchange = only(place.trim_end_matches('.'), exchange, &["request", "response", "error"])?;
        member(&place, exchange, "request", &["method", "url", "headers", "body", "body_base64", "credential"])?;
        requests.push(exchange.get("request").cloned());
        answers.push(answer(&place, exchange)?);
    }
    let attempt = match file.get("attempt") {
        None => 1,
        Some(attempt) => attempt
            .as_u64()
            .and_then(|attempt| u32::try_from(attempt).ok())
            .filter(|attempt| *attempt > 0)
            .ok_or_else(|| format!("`attempt`: expected a number from 1, found {attempt}"))?,
    };
    let described = file.get("event").and_then(Value::as_object);
    Ok(DeliverySample {
        event: event(described.ok_or("`event` is missing: expected an object with `type` and `data`")?)?,
        attempt,
        config: config(file)?,
        answers,
        requests,
        expected: one_of(file, &["answer", "retry", "reject"])?,
    })
}

/// The response to one `http.send`.
fn answer(place: &str, exchange: &Object) -> Result<Result<Response, EgressError>, String> {
    let response = member(place, exchange, "response", RESPONSE)?;
    let error = member(place, exchange, "error", &["code", "message"])?;
    match (response, error) {
        (Some(response), None) => {
            let inner = format!("{place}response.");
            let status = match response.get("status") {
                None => 200,
                Some(status) => status
                    .as_u64()
                    .and_then(|status| u16::try_from(status).ok())
                    .filter(|status| (100..1000).contains(status))
                    .ok_or_else(|| format!("`{inner}status`: expected a status such as 200, found {status}"))?,
            };
            let headers = texts(&inner, response, "headers")?.into_iter().collect();
            Ok(Ok(Response { status, headers, body: bytes(&inner, response, "body")?.unwrap_or_default() }))
        }
        (None, Some(error)) => {
            let inner = format!("{place}error.");
            let code = text_of(&inner, Some(error), "code")?.unwrap_or_default();
            let message =
                text_of(&inner, Some(error), "message")?.unwrap_or_else(|| "scripted by the sample".to_owned());
            let failure = Script::failure(&code, message);
            Ok(Err(failure.ok_or_else(|| format!("`{inner}code`: `{code}` is not a code of `http.error`"))?))
        }
        _ => Err(format!("`{}`: expected either `response` or `error`", place.trim_end_matches('.'))),
    }
}

/// Parses a partial CloudEvent. Members other than context attributes become attributes of the event.
fn event(json: &Object) -> Result<Event, String> {
    let text = |name: &str| text_of("event.", Some(json), name);
    let kind = text("type")?.ok_or("`event.type` is missing, such as `github.push`")?;
    let source = text("source")?;
    let channel = match source.as_deref() {
        Some(source) => source.strip_prefix("/channels/").unwrap_or(source),
        None => kind.split('.').next().unwrap_or_default(),
    };
    let channel: ChannelName =
        channel.parse().map_err(|_| format!("`event.type`: `{channel}` is not the name of a channel"))?;
    let time: Timestamp = match text("time")? {
        Some(time) => {
            time.parse().map_err(|_| format!("`event.time`: expected a time such as `{TIME}`, found `{time}`"))?
        }
        None => TIME.parse().map_err(|_| "the default time is invalid")?,
    };
    let id = match text("id")? {
        Some(id) => id.parse().map_err(|_| format!("`event.id`: expected an event id, a UUID, found `{id}`"))?,
        None => EventId::new(time, Seq(1), 0),
    };
    let data = bytes("event.", json, "data")?.unwrap_or_default();
    let content_type = match text("datacontenttype")? {
        Some(content_type) => content_type,
        None => header::content_type(&data).to_owned(),
    };
    let plugin = channel.as_str().parse().expect("names of channels and plugins follow the same rule");
    let attribute = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok((name.clone(), value.to_string())),
        _ => Err(format!("`event.{name}`: expected a text, found {value}")),
    };
    let attributes =
        json.iter().filter(|(name, _)| !CloudEvent::reserves(name) && *name != "data_base64").map(attribute);
    Ok(Event {
        id,
        seq: Seq(1),
        channel,
        plugin,
        kind,
        subject: text("subject")?,
        time,
        verified_at: None,
        stored_at: time,
        content_type,
        data,
        attributes: attributes.collect::<Result<_, _>>()?,
        headers: Vec::new(),
        request_id: RequestId::new(),
        delivery_id: None,
        traceparent: None,
        quarantine: None,
        repeat_of: None,
    })
}

fn config(file: &Object) -> Result<BTreeMap<String, Value>, String> {
    match file.get("config") {
        None => Ok(BTreeMap::new()),
        Some(Value::Object(config)) => Ok(config.clone().into_iter().collect()),
        Some(other) => Err(format!("`config`: expected an object, found {other}")),
    }
}

/// The one of these members that `file` has, in an object of its own.
fn one_of(file: &Object, names: &[&str]) -> Result<Option<Value>, String> {
    let there: Vec<_> = names.iter().filter_map(|name| Some((*name, file.get(*name)?))).collect();
    match there[..] {
        [] => Ok(None),
        [(name, value)] => Ok(Some(json!({ name: value }))),
        _ => Err(format!("expected one of `{}`, found {}", names.join("`, `"), there.len())),
    }
}

/// The object, if it has no other members than these.
fn only<'a>(place: &str, json: &'a Value, known: &[&str]) -> Result<&'a Object, String> {
    let named = if place.is_empty() { String::new() } else { format!("`{place}`: ") };
    let Value::Object(object) = json else { return Err(format!("{named}expected an object, found {json}")) };
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(format!("{named}unknown member `{unknown}`; expected `{}`", known.join("`, `"))),
        None => Ok(object),
    }
}

fn member<'a>(place: &str, object: &'a Object, name: &str, known: &[&str]) -> Result<Option<&'a Object>, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(json) => only(&format!("{place}{name}"), json, known).map(Some),
    }
}

fn items<'a>(place: &str, object: &'a Object, name: &str) -> Result<&'a [Value], String> {
    match object.get(name) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(format!("`{place}{name}`: expected an array, found {other}")),
    }
}

fn text_of(place: &str, object: Option<&Object>, name: &str) -> Result<Option<String>, String> {
    match object.and_then(|object| object.get(name)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("`{place}{name}`: expected a text, found {other}")),
    }
}

fn texts(place: &str, object: &Object, name: &str) -> Result<BTreeMap<String, String>, String> {
    let Some(json) = object.get(name) else { return Ok(BTreeMap::new()) };
    serde_json::from_value(json.clone())
        .map_err(|_| format!("`{place}{name}`: expected an object of texts, found {json}"))
}

/// Bytes, given as JSON, as text, or in base64.
fn bytes(place: &str, object: &Object, name: &str) -> Result<Option<Bytes>, String> {
    let encoded = format!("{name}_base64");
    if let Some(text) = text_of(place, Some(object), &encoded)? {
        let decoded = STANDARD.decode(&text);
        return Ok(Some(decoded.map_err(|error| format!("`{place}{encoded}`: {error}"))?.into()));
    }
    Ok(object.get(name).map(|json| match json {
        Value::String(text) => text.clone().into(),
        other => other.to_string().into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_a_sample_name_their_member() {
        for (text, expected) in [
            ("[]", "expected an object, found []"),
            (r#"{"reciept": {}}"#, "unknown member `reciept`; expected `request`, `config`, `receipt`, `rejection`"),
            (r#"{"receipt": {}, "rejection": {}}"#, "expected one of `receipt`, `rejection`, found 2"),
            (r#"{"receipt": {"events": [{}, {"type": "push"}]}}"#, "`receipt.events[1]`: unknown member `type`"),
            (r#"{"receipt": {"events": {}}}"#, "`receipt.events`: expected an array, found {}"),
            (r#"{"request": {"method": 7}}"#, "`request.method`: expected a text, found 7"),
            (
                r#"{"request": {"path": "a"}}"#,
                "`request.path`: expected a path below the channel such as `/`, found `a`",
            ),
            (r#"{"config": []}"#, "`config`: expected an object, found []"),
        ] {
            let problem = request(Vec::new(), HeaderMap::new(), Some(text)).unwrap_err();

            assert!(problem.contains(expected), "{problem} should contain {expected}");
        }
        for (text, expected) in [
            ("{}", "`event` is missing"),
            (r#"{"event": {}}"#, "`event.type` is missing"),
            (r#"{"event": {"type": "Push"}}"#, "`Push` is not the name of a channel"),
            (r#"{"event": {"type": "a.b", "id": "7"}}"#, "`event.id`: expected an event id"),
            (r#"{"event": {"type": "a.b"}, "attempt": 0}"#, "`attempt`: expected a number from 1, found 0"),
            (r#"{"event": {"type": "a.b"}, "http": [{}]}"#, "`http[0]`: expected either `response` or `error`"),
            (
                r#"{"event": {"type": "a.b"}, "http": [{"error": {"code": "x"}}]}"#,
                "`http[0].error.code`: `x` is not a code",
            ),
            (r#"{"event": {"type": "a.b"}, "http": [{"response": {"status": 1}}]}"#, "`http[0].response.status`"),
            (r#"{"event": {"type": "a.b"}, "retry": {"codes": 1}}"#, "`retry`: unknown member `codes`"),
        ] {
            let problem = delivery(text).unwrap_err();

            assert!(problem.contains(expected), "{problem} should contain {expected}");
        }
    }

    #[test]
    fn defaults_of_an_event_are_the_same_in_each_run() {
        let sample =
            || delivery(r#"{"event": {"type": "github.push", "data": {"a": 1}, "severity": "high", "n": 1}}"#).unwrap();

        let event = sample().event;

        assert_eq!(event.id, sample().event.id);
        assert_eq!(event.time.to_string(), TIME);
        assert_eq!((event.channel.as_str(), event.content_type.as_str()), ("github", "application/json"));
        assert_eq!(&event.data[..], br#"{"a":1}"#);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(event.attributes, [pair("n", "1"), pair("severity", "high")]);
    }
}
