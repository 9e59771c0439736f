use gateway_plugin_sdk::Level;
use gateway_plugin_sdk::channel::{Event, Rejection};
use serde_json::Value;

use super::*;

const FIRING: &str = include_str!("../samples/firing.json");

fn received(body: &str) -> Vec<Event> {
    receive(&Request::new("POST").with_body(body)).unwrap().events
}

fn data(event: &Event) -> Value {
    serde_json::from_slice(event.data.as_ref().unwrap().as_bytes()).unwrap()
}

#[test]
fn each_alert_is_an_event_with_its_own_status() {
    let events = received(FIRING);
    let found: Vec<_> =
        events.iter().map(|event| (&*event.kind, event.subject.as_deref(), event.key.as_deref())).collect();
    assert_eq!(
        found,
        [
            ("alert.firing", Some("c6eadffa33fcdf37"), Some("1/c6eadffa33fcdf37/firing")),
            ("alert.resolved", Some("0a1b2c3d4e5f6071"), Some("1/0a1b2c3d4e5f6071/resolved")),
        ]
    );
}

#[test]
fn the_data_is_the_original_alert_and_its_group() {
    let event = &received(FIRING)[0];
    assert_eq!(event.content_type.as_deref(), Some("application/json"));
    let mut data = data(event);
    let group = data.as_object_mut().unwrap().remove("group").unwrap();
    let sent: Value = serde_json::from_str(FIRING).unwrap();
    assert_eq!(data, sent["alerts"][0]);
    let mut expected = sent.as_object().unwrap().clone();
    expected.retain(|name, _| !["alerts", "message"].contains(&name.as_str()));
    assert_eq!(group, Value::Object(expected));
    let text = std::str::from_utf8(event.data.as_ref().unwrap().as_bytes()).unwrap();
    assert!(text.contains(r#""values": {"A": 104.0, "C": 1}"#), "numbers keep their digits: {text}");
}

#[test]
fn a_repetition_with_another_value_has_the_same_key() {
    let again = FIRING.replace("104", "107").replace("[FIRING:1, RESOLVED:1]", "[FIRING:1]");
    let keys = |body: &str| received(body).into_iter().map(|event| event.key).collect::<Vec<_>>();
    assert_eq!(keys(FIRING), keys(&again));
    assert_eq!(keys(FIRING), keys(&FIRING.replace("T10:00", "T10:30")));
    assert_eq!(received(FIRING)[0].attribute("org"), Some("1"));
    assert_eq!(received(FIRING)[0].attribute("externalurl"), Some("https://grafana.example/"));
    assert_ne!(keys(FIRING), keys(&FIRING.replace("\"orgId\": 1", "\"orgId\": 2")));
}

#[test]
fn truncated_alerts_cause_a_warning() {
    let request = Request::new("PUT").with_body(include_str!("../samples/truncated.json"));
    assert_eq!(receive(&request).unwrap().events[0].attribute("severity"), None);
    let expected = "3 alerts were above the sender's limit and did not reach the gateway";
    assert_eq!(request.host().logged(), [(Level::Warn, expected.to_owned())]);
}

#[test]
fn a_notification_without_alerts_produces_no_event() {
    assert_eq!(received(r#"{"version":"1","alerts":[]}"#), []);
}

#[test]
fn a_custom_payload_is_refused_with_a_hint() {
    let hint = "remove the custom payload from the contact point, or send it to a channel of the plugin `generic`";
    for (body, pointer, problem) in [
        (include_str!("../samples/custom.json"), "/version", "is missing"),
        (r#"{"version":"1","alerts":"many"}"#, "/alerts", "expected an array"),
        (r#"{"version":"1","alerts":[{"status":"firing"}]}"#, "/alerts/0/labels", "is missing"),
    ] {
        let rejection = receive(&Request::new("POST").with_body(body)).unwrap_err();
        let detail = format!("{problem}; not the default payload of Grafana: {hint}");
        assert_eq!(rejection, Rejection::at(422, pointer, detail));
    }
    let rejection = receive(&Request::new("POST").with_body("Kettle is hot")).unwrap_err();
    assert_eq!(rejection, Rejection::new(400, format!("body is not JSON: expected value at line 1 column 1; {hint}")));
}

#[test]
fn a_notification_from_alertmanager_is_recognised() {
    let rejection = receive(&Request::new("POST").with_body(r#"{"version":"4","alerts":[]}"#)).unwrap_err();
    let expected =
        "this notification is from Prometheus Alertmanager; send it to a channel of the plugin `alertmanager`";
    assert_eq!(rejection, Rejection::at(422, "/version", expected));
}
