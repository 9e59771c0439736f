use gateway_plugin_sdk::Level;

use super::*;

const TRIGGERED: &str = include_str!("../samples/incident.triggered.json");

fn received(body: &str) -> Event {
    receive(&Request::new("POST").with_body(body)).unwrap().into_event()
}

#[test]
fn an_incident_has_the_attributes_of_an_alert() {
    let request = Request::new("POST").with_header("X-Webhook-Id", "w-1").with_body(TRIGGERED);
    let expected = Event::new("incident.triggered")
        .with_subject(Some(String::from("PKETTLE1")))
        .with_delivery_id(Some(String::from("w-1")))
        .with_key("01KETTLEEVENT0001")
        .with_attribute("sender", "PSVC001")
        .with_attribute("fingerprint", "kettle-1/too-hot")
        .with_attribute("startsat", "2026-03-01T10:00:00Z")
        .with_attribute("status", "firing")
        .with_attribute("severity", "P1")
        .with_attribute("alertname", "Kettle 1 is too hot")
        .with_attribute("group", "Kettles");
    assert_eq!(receive(&request).unwrap().events, [expected]);
}

#[test]
fn without_the_header_the_event_id_is_the_delivery_id() {
    assert_eq!(received(TRIGGERED).delivery_id.as_deref(), Some("01KETTLEEVENT0001"));
}

#[test]
fn an_event_for_two_subscriptions_has_one_key() {
    let key = |webhook: &str| {
        let request = Request::new("POST").with_header("X-Webhook-Id", webhook).with_body(TRIGGERED);
        receive(&request).unwrap().into_event().key
    };
    assert_eq!((key("w-1"), key("w-1")), (key("w-2"), Some(String::from("01KETTLEEVENT0001"))));
    assert_eq!(received("{}").key, None);
}

#[test]
fn the_severity_is_the_priority_or_the_urgency() {
    let severity = |members: &str| {
        let body =
            format!(r#"{{"event":{{"event_type":"incident.triggered","data":{{"type":"incident",{members}}}}}}}"#);
        received(&body).attribute("severity").map(str::to_owned)
    };
    assert_eq!(severity(r#""priority":null,"urgency":"low""#).as_deref(), Some("low"));
    assert_eq!(severity(r#""priority":{"summary":"SEV-2"},"urgency":"high""#).as_deref(), Some("SEV-2"));
    assert_eq!(severity(r#""urgency":null"#), None);
}

#[test]
fn an_incident_fires_until_it_is_resolved() {
    for (status, expected) in [("triggered", "firing"), ("acknowledged", "firing"), ("resolved", "resolved")] {
        let event = received(&TRIGGERED.replace(r#""status": "triggered""#, &format!(r#""status": "{status}""#)));
        assert_eq!(event.attribute("status"), Some(expected));
    }
}

#[test]
fn the_subject_of_a_note_is_its_incident() {
    let event = received(include_str!("../samples/incident.annotated.json"));
    assert_eq!((&*event.kind, event.subject.as_deref()), ("incident.annotated", Some("PKETTLE1")));
    assert_eq!(event.attributes, [("sender".to_owned(), "PUSER01".to_owned())]);
}

#[test]
fn the_subject_of_a_role_is_its_incident_and_that_of_fields_their_service() {
    for (data, subject) in [
        (
            r#"{"type":"incident_role_assignment","incident_role_assignments":[{},{"id":"a","incident":{"id":"P1"}}]}"#,
            Some("P1"),
        ),
        (r#"{"type":"service_field_values","service":{"id":"PS1"},"custom_fields":[{"id":"F"}]}"#, Some("PS1")),
        (r#"{"type":"incident_field_values","incident":{"id":"P1"},"custom_fields":[]}"#, Some("P1")),
        (r#"{"type":"incident","id":"P1","service":{"id":"PS1"}}"#, Some("P1")),
        (r#"{"type":"service","id":"PS1"}"#, Some("PS1")),
        (r#"{"type":"pagey"}"#, None),
    ] {
        let event = received(&format!(r#"{{"event":{{"event_type":"x","data":{data}}}}}"#));
        assert_eq!(event.subject.as_deref(), subject, "{data}");
    }
}

#[test]
fn events_of_an_ignored_sender_are_dropped() {
    for (body, expected) in [
        (r#"{"event":{"event_type":"incident.annotated","agent":{"id":"PBOT01"},"data":{"type":"incident_note"}}}"#, 0),
        (r#"{"event":{"event_type":[],"agent":{"id":"pbot01"},"data":"none"}}"#, 0),
        (r#"{"event":{"event_type":"incident.annotated","agent":{"id":"PUSER01"}}}"#, 1),
        (r#"{"event":{"event_type":"incident.triggered","agent":null}}"#, 1),
    ] {
        let request = Request::new("POST").with_body(body).with_config("ignore_senders", r#"["PBOT01"]"#);
        assert_eq!(receive(&request).unwrap().events.len(), expected, "{body}");
    }
}

#[test]
fn a_ping_is_an_event() {
    let event = received(include_str!("../samples/pagey.ping.json"));
    assert_eq!((&*event.kind, event.subject.as_deref()), ("pagey.ping", None));
}

#[test]
fn an_unexpected_payload_is_an_event_with_fewer_facts() {
    for (body, kind) in [
        ("{}", "unknown"),
        (r#"{"event":{"event_type":"."}}"#, "unknown"),
        (r#"{"event":{"event_type":"service.updated","data":[]}}"#, "service.updated"),
        (r#"{"event":{"event_type":7,"data":{"type":"incident","status":[],"title":{}}}}"#, "7"),
    ] {
        let event = received(body);
        assert_eq!((&*event.kind, event.subject, event.attributes.len()), (kind, None, 0), "{body}");
    }
    let request = Request::new("POST").with_body("7");
    assert_eq!(receive(&request).unwrap().events[0].kind, "unknown");
    assert_eq!(request.host().logged()[0].0, Level::Warn);
}

#[test]
fn invalid_json_is_refused() {
    for body in [&b""[..], b"{", b"\xff"] {
        assert_eq!(receive(&Request::new("POST").with_body(body)).unwrap_err().status, 400);
    }
}
