//! CloudEvents in all modes, and envelopes of another gateway: each becomes the same event.

use super::*;

const ATTRIBUTES: &str = r#""specversion":"1.0","id":"b-1","source":"https://ci.example.com/builds","type":"com.example.build.failed","subject":"kettle/main","time":"2026-03-01T10:00:00Z","datacontenttype":"application/json","dataschema":"https://ci.example.com/schema","comexampletries":3"#;
const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";
const BATCH: &str = "application/cloudevents-batch+json";

/// A request in binary mode with these attributes and a body of this type.
fn binary(content_type: &str, body: &str) -> Request {
    request(content_type, body)
        .with_header("ce-specversion", "1.0")
        .with_header("ce-id", "b-1")
        .with_header("ce-source", "https://ci.example.com/builds")
        .with_header("ce-type", "com.example.build.failed")
        .with_header("ce-subject", "kettle%2Fmain")
        .with_header("ce-time", "2026-03-01T10:00:00Z")
        .with_header("ce-dataschema", "https://ci.example.com/schema")
        .with_header("ce-comexampletries", "3")
}

/// The event of the CloudEvent, without its data.
fn expected() -> Event {
    Event::new("com.example.build.failed")
        .with_subject(Some(String::from("kettle/main")))
        .with_key("https://ci.example.com/builds b-1")
        .with_attribute("ceid", "b-1")
        .with_attribute("cesource", "https://ci.example.com/builds")
        .with_attribute("cetype", "com.example.build.failed")
        .with_attribute("cetime", "2026-03-01T10:00:00Z")
        .with_attribute("cedataschema", "https://ci.example.com/schema")
        .with_attribute("comexampletries", "3")
}

#[test]
fn each_mode_and_an_envelope_become_the_same_event() {
    let event = format!(r#"{{{ATTRIBUTES},"data":{{"tests": 1.0}}}}"#);
    let envelope = format!(
        r#"{{"version":"1","timestamp":"t","channel":{{"name":"ci","plugin":"generic"}},"skills":[],"attempt":2,"event":{event}}}"#
    );
    let with_data = expected().with_data(JSON, r#"{"tests": 1.0}"#);
    for (content_type, body) in [(STRUCTURED, &event), (BATCH, &format!("[{event}]")), (JSON, &envelope)] {
        assert_eq!(received(&request(content_type, body)), with_data, "{body}");
    }
    assert_eq!(received(&binary(JSON, r#"{"tests": 1.0}"#)), expected(), "the body is the data");
}

#[test]
fn data_of_any_type_is_taken() {
    for (content_type, member, expected) in [
        ("application/json", r#""data":"x""#, (JSON, &br#""x""#[..])),
        ("application/acme+json", r#""data":[1]"#, ("application/acme+json", b"[1]")),
        ("text/xml", r#""data":"<a b=\"1\"/>""#, ("text/xml", b"<a b=\"1\"/>")),
        ("text/plain", r#""data":{"a":1}"#, (JSON, br#"{"a":1}"#)),
        ("image/png", r#""data_base64":"/wA=""#, ("image/png", b"\xff\x00")),
    ] {
        let body = format!(
            r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"{content_type}",{member}}}"#
        );
        let event = received(&request(STRUCTURED, &body));
        let data = event.data.unwrap();
        assert_eq!((event.content_type.as_deref().unwrap(), data.as_bytes()), expected, "{body}");
    }
    let none = received(&request(STRUCTURED, r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#));
    assert_eq!(none, none.clone().with_data(JSON, "null"));
    for (content_type, body) in [("image/png", "\u{0}png"), ("", ""), (JSON, "")] {
        assert_eq!(received(&binary(content_type, body)).kind, "com.example.build.failed", "{content_type}");
    }
    assert_eq!(receive(&binary(JSON, "{")).unwrap_err().status, 400);
}

#[test]
fn settings_go_before_what_the_event_says_of_itself() {
    let body = format!(r#"{{{ATTRIBUTES},"data":{{"tests":["a","b"]}}}}"#);
    let given = || request(STRUCTURED, &body).with_config("kind", "/data/none").with_config("subject", "/data/tests/0");
    let event = received(&given().with_config("key", "/id").with_config("attributes", r#"{"ceid":"/time"}"#));
    assert_eq!(event.kind, "com.example.build.failed", "the setting finds nothing");
    assert_eq!((event.subject.as_deref(), event.key.as_deref()), (Some("a"), Some("b-1")));
    assert_eq!(event.attribute("ceid"), Some("2026-03-01T10:00:00Z"));

    let items = receive(&given().with_config("events", "/data/tests")).unwrap().events;
    let keys: Vec<_> = items.iter().map(|event| event.key.as_deref().unwrap()).collect();
    assert_eq!(keys, ["https://ci.example.com/builds b-1#0", "https://ci.example.com/builds b-1#1"]);
}

#[test]
fn a_batch_has_an_event_for_each_of_its_events() {
    let one = |id: &str| format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","data":"{id}"}}"#);
    let events = receive(&request(BATCH, &format!("[{},{}]", one("1"), one("2")))).unwrap().events;
    let found: Vec<_> = events.iter().map(|event| (event.key.as_deref(), event.data.clone())).collect();
    assert_eq!(found, [(Some("/s 1"), Some(r#""1""#.into())), (Some("/s 2"), Some(r#""2""#.into()))]);
    assert_eq!(receive(&request(BATCH, "[]")).unwrap().events, []);
    let refused = receive(&request(BATCH, &format!("[{},{{}}]", one("1")))).unwrap_err();
    assert_eq!(refused, Rejection::at(422, "/1/specversion", "expected `1.0`"));
}

#[test]
fn an_event_without_an_identity_is_refused_with_the_place() {
    for (body, pointer, problem) in [
        (r#"{"specversion":"0.3","id":"1","source":"/s","type":"t"}"#, "/specversion", "expected `1.0`"),
        (r#"{"specversion":"1.0","source":"/s","type":"t"}"#, "/id", "is missing or empty"),
        (r#"{"specversion":"1.0","id":"1","source":"","type":"t"}"#, "/source", "is missing or empty"),
        (
            r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"?"}"#,
            "/data_base64",
            "expected base64",
        ),
    ] {
        assert_eq!(receive(&request(STRUCTURED, body)).unwrap_err(), Rejection::at(422, pointer, problem), "{body}");
    }
    let missing = request(JSON, "1").with_header("ce-specversion", "1.0");
    assert_eq!(receive(&missing).unwrap_err(), Rejection::new(422, "header `ce-id`: is missing or empty"));
    assert_eq!(receive(&request(STRUCTURED, "[]")).unwrap_err().status, 422);
}

/// Other JSON with the same members keeps its data.
#[test]
fn only_an_envelope_is_unpacked() {
    for body in
        [r#"{"version":"1","timestamp":"t","event":{"specversion":"1.0"}}"#, r#"{"version":"1","timestamp":"t"}"#]
    {
        assert_eq!(received(&request(JSON, body)), Event::new("received"), "{body}");
    }
}
