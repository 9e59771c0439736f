use gateway_plugin_sdk::Level;
use gateway_plugin_sdk::channel::{Event, Rejection};
use serde_json::{Value, json};

use super::*;

const FIRING: &str = include_str!("../samples/firing.json");
const HINT: &str = "not the default payload of Alertmanager: remove `payload` from the receiver, or send it to a channel of \
                    the plugin `generic`";

fn request(body: &str) -> Request {
    Request::new("POST").with_body(body)
}

fn received(body: &str) -> Vec<Event> {
    receive(&request(body)).unwrap().events
}

/// A notification with these alerts.
fn notification(alerts: &str) -> String {
    format!(r#"{{"version":"4","groupKey":"{{}}:{{}}","alerts":[{alerts}]}}"#)
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
            ("alert.firing", Some("5c7c1ad3417a794d"), Some("5c7c1ad3417a794d/firing")),
            ("alert.resolved", Some("cb1881e6851502c0"), Some("cb1881e6851502c0/resolved")),
        ]
    );
}

#[test]
fn routing_facts_are_attributes() {
    let expected = [
        ("fingerprint", "5c7c1ad3417a794d"),
        ("startsat", "2026-03-01T10:00:00.000Z"),
        ("status", "firing"),
        ("severity", "critical"),
        ("alertname", "KettleHot"),
        ("group", r#"{}:{alertname="KettleHot"}"#),
        ("externalurl", "http://alertmanager.example:9093"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(received(FIRING)[0].attributes, expected);
}

#[test]
fn the_data_is_the_original_alert_and_its_group() {
    let event = &received(FIRING)[0];
    assert_eq!(event.content_type.as_deref(), Some("application/json"));
    let mut data = data(event);
    let group = data.as_object_mut().unwrap().remove("group").unwrap();
    let mut sent: Value = serde_json::from_str(FIRING).unwrap();
    let alerts = sent.as_object_mut().unwrap().remove("alerts").unwrap();
    assert_eq!((data, group), (alerts[0].clone(), sent));
}

#[test]
fn copies_from_a_cluster_and_repetitions_have_the_same_keys() {
    let keys = |body: &str| received(body).into_iter().map(|event| event.key).collect::<Vec<_>>();
    for other in [
        FIRING.replace("alertmanager.example", "other.example"),
        FIRING.replace(r#""receiver""#, r#""notification_reason":"repeat interval elapsed","receiver""#),
        FIRING.replace("104 °C", "107 °C"),
        FIRING.replace(r#"{}:{alertname"#, r#"{}/{severity=\"critical\"}:{alertname"#),
        FIRING.replace("T10:00:00", "T10:00:03"),
    ] {
        assert_ne!(other, FIRING);
        assert_eq!(keys(&other), keys(FIRING));
    }
    let status = |from: &str, to: &str| keys(&FIRING.replace(&format!(r#""{from}""#), &format!(r#""{to}""#)));
    assert_ne!(status("resolved", "firing"), keys(FIRING));
}

#[test]
fn a_missing_fingerprint_is_computed_as_prometheus_does() {
    for (labels, expected) in [
        ("{}", "cbf29ce484222325"),
        (r#"{"alertname":"alert1","lbl1":"val1"}"#, "fac0861a85de433a"),
        (r#"{"lbl1":"val2","alertname":"alert1"}"#, "fab6861a85d5eeb5"),
    ] {
        for member in ["", r#""fingerprint":"","#, r#""fingerprint":null,"#] {
            let alert = format!(r#"{{{member}"status":"firing","startsAt":"s","labels":{labels}}}"#);
            assert_eq!(received(&notification(&alert))[0].subject.as_deref(), Some(expected), "{alert}");
        }
    }
    for alert in serde_json::from_str::<Value>(FIRING).unwrap()["alerts"].as_array().unwrap() {
        let mut computed = alert.clone();
        computed.as_object_mut().unwrap().remove("fingerprint");
        let event = &received(&notification(&computed.to_string()))[0];
        assert_eq!(event.subject.as_deref(), alert["fingerprint"].as_str());
    }
}

#[test]
fn labels_can_make_up_the_group() {
    let group = |config: &str| {
        let request = request(FIRING).with_config("group_labels", config);
        let event = receive(&request).unwrap().events.remove(0);
        (event.attribute("group").unwrap().to_owned(), request.host().logged().first().map(|(level, _)| *level))
    };
    assert_eq!(group(r#"["cluster","job"]"#), (String::from(r#"{cluster="kitchen", job="kettles"}"#), None));
    assert_eq!(group(r#"["zone"]"#), (String::from(r#"{zone=""}"#), None));
    assert_eq!(group("[]"), (String::from(r#"{}:{alertname="KettleHot"}"#), None));
    assert_eq!(group("7"), (String::from(r#"{}:{alertname="KettleHot"}"#), Some(Level::Error)));
}

#[test]
fn a_malformed_alert_is_kept_with_the_others() {
    let request = request(include_str!("../samples/mixed.json"));
    let events = receive(&request).unwrap().events;
    let kinds: Vec<_> = events.iter().map(|event| (&*event.kind, event.attribute("status"))).collect();
    assert_eq!(kinds, [("alert.firing", Some("firing")), ("alert.unknown", None)]);
    assert_eq!(data(&events[1])["status"], "burning");
    assert_eq!(data(&events[1])["group"]["groupKey"], "{}:{}");
    assert_eq!(events[1].key, receive(&request).unwrap().events[1].key);
    let warned: Vec<_> = request.host().logged().into_iter().take(2).collect();
    let unknown = "Malformed alert, kept as `alert.unknown`: `/alerts/1/status`: unknown status `burning`, expected `firing` or `resolved`";
    assert_eq!(warned[0].1, "2 alerts were above the sender's limit and did not reach the gateway");
    assert_eq!(warned[1], (Level::Warn, format!("{unknown}; {HINT}")));
}

/// Its state and what it is about are known, so it is told.
#[test]
fn an_alert_with_an_odd_member_is_still_that_alert() {
    for (alert, fingerprint, severity) in [
        (r#"{"status":"firing","fingerprint":"f1"}"#, "f1", None),
        (r#"{"status":"firing","fingerprint":"f1","startsAt":{},"labels":[],"annotations":7}"#, "f1", None),
        (r#"{"status":"firing","fingerprint":7,"labels":{"severity":1,"a":{"b":[]},"c":null}}"#, "7", Some("1")),
        (r#"{"status":"firing","labels":{},"fingerprint":[]}"#, "cbf29ce484222325", None),
        (
            r#"{"status":"firing","fingerprint":"f1","startsAt":"\ud83d","labels":{"severity":"high","a":"\udc00"}}"#,
            "f1",
            Some("high"),
        ),
        (r#"{"status":"x","status":"firing","fingerprint":"f1","\ud83d":1}"#, "f1", None),
    ] {
        let event = received(&notification(alert)).remove(0);
        assert_eq!((&*event.kind, event.subject.as_deref()), ("alert.firing", Some(fingerprint)), "{alert}");
        assert_eq!(event.attribute("severity"), severity, "{alert}");
    }
}

#[test]
fn an_alert_that_is_not_an_object_is_kept_unchanged() {
    let good = r#"{"status":"firing","startsAt":"s","labels":{}}"#;
    for (broken, kept) in
        [("7", json!(7)), ("[]", json!([])), ("{}", json!({"group": {"version": "4", "groupKey": "{}:{}"}}))]
    {
        let events = received(&notification(&[good, broken].join(",")));
        assert_eq!((&*events[1].kind, data(&events[1])), ("alert.unknown", kept));
    }
}

#[test]
fn an_unknown_version_is_processed_anyway() {
    let request = request(r#"{"version":"5","alerts":[{"status":"firing","labels":{}}]}"#);
    assert_eq!(receive(&request).unwrap().events.len(), 1);
    assert_eq!(request.host().logged()[0].1, "Notification has version `5`, expected `4`, processed anyway");
}

#[test]
fn a_notification_without_alerts_produces_no_event() {
    assert_eq!(received(&notification("")), []);
}

#[test]
fn a_malformed_notification_is_refused_with_a_pointer() {
    for (body, pointer, problem) in [
        (String::from(r#"{"text":"hot"}"#), "/version", "is missing"),
        (String::from(r#"{"version":[4],"alerts":[]}"#), "/version", "is missing"),
        (String::from(r#"{"version":"4"}"#), "/alerts", "is missing"),
        (String::from(r#"{"version":"4","alerts":"many"}"#), "/alerts", "expected an array"),
        (notification(r#"{"startsAt":"s"}"#), "/alerts/0/status", "is missing"),
        (notification(r#"{"status":[1]}"#), "/alerts/0/status", "expected a string"),
        (notification(r#"{"status":"firing","startsAt":"s"}"#), "/alerts/0/labels", "is missing"),
        (notification(r#"{"status":"firing","labels":"a"}"#), "/alerts/0/labels", "expected an object of strings"),
    ] {
        assert_eq!(
            receive(&request(&body)).unwrap_err(),
            Rejection::at(422, pointer, format!("{problem}; {HINT}")),
            "{body}"
        );
    }
    assert_eq!(receive(&request("[]")).unwrap_err(), Rejection::new(422, format!("expected an object; {HINT}")));
}

#[test]
fn invalid_json_is_refused() {
    let long = format!(r#"{{"version":"4","alerts":{}"#, "[".repeat(100_000));
    for body in ["", "KettleHot", "{", r#"{"version":"4","alerts":[]} x"#, long.as_str()] {
        let rejection = receive(&request(body)).unwrap_err();
        assert_eq!(rejection.status, 400, "{rejection:?}");
        assert!(rejection.detail.starts_with("body is not JSON: "), "{rejection:?}");
    }
    let invalid = Request::new("POST").with_body(b"{\"version\":\xff}".to_vec());
    assert_eq!(receive(&invalid).unwrap_err().status, 400);
}

#[test]
fn a_notification_from_grafana_is_recognised() {
    let rejection = receive(&request(include_str!("../samples/grafana.json"))).unwrap_err();
    let expected = "this notification is from Grafana; send it to a channel of the plugin `grafana`";
    assert_eq!(rejection, Rejection::at(422, "/version", expected));
}

#[test]
fn hostile_texts_are_shortened() {
    let name = "n".repeat(5000);
    let alert = format!(
        r#"{{"status":"firing","startsAt":"a\nb","fingerprint":"f\u0000","labels":{{"alertname":"{name}"}},"deep":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let event = received(&notification(&alert)).remove(0);
    let texts =
        [event.subject.as_deref(), event.key.as_deref(), event.attribute("startsat"), event.attribute("alertname")];
    for text in texts.map(Option::unwrap) {
        assert!(!text.contains(char::is_control) && text.len() <= 1024, "{text}");
    }
}

/// The gateway limits the events of a receipt (`max_events`), not the plugin.
#[test]
fn a_notification_of_any_number_of_alerts_is_taken() {
    for count in [1001, 10_001] {
        let alerts: Vec<_> = (0..count)
            .map(|number| format!(r#"{{"status":"firing","startsAt":"s","fingerprint":"{number:016x}"}}"#))
            .collect();
        assert_eq!(received(&notification(&alerts.join(","))).len(), count);
    }
    let many = vec!["{}"; 100_001].join(",");
    let expected = "100001 alerts, expected at most 100000; group them by more labels";
    assert_eq!(receive(&request(&notification(&many))).unwrap_err(), Rejection::at(413, "/alerts", expected));
}

/// The copies of the group in all alerts together have a limit.
#[test]
fn a_long_group_is_cut_shorter_if_there_are_many_alerts() {
    let alerts = vec![r#"{"status":"firing","labels":{}}"#; 5000].join(",");
    let long = "x".repeat(10_000);
    let events = received(&format!(r#"{{"a":"{long}","version":"4","alerts":[{alerts}],"b":1}}"#));
    assert_eq!(data(&events[4999])["group"], json!({"version": "4", "b": 1}));
}

#[test]
fn odd_json_costs_one_text_and_not_the_alert() {
    let alert =
        r#"{"status":"resolved","startsAt":"s","fingerprint":"f","labels":{"severity":"page","note":"\ud83d"}}"#;
    let twice =
        r#"{"status":"firing","status":"resolved","startsAt":"s","fingerprint":"f","labels":{"severity":"page"}}"#;
    for (body, description) in [
        (notification(alert), "half of a pair in a label"),
        (notification(twice), "a member of the alert twice"),
        (format!(r#"{{"\ud83d":1,"version":"1","version":"4","alerts":[],"alerts":[{twice}]}}"#), "around the alerts"),
        (format!("\u{feff}{}", notification(alert)), "a byte order mark"),
    ] {
        let event = received(&body).remove(0);
        assert_eq!((&*event.kind, event.subject.as_deref()), ("alert.resolved", Some("f")), "{description}");
        assert_eq!(event.attribute("severity"), Some("page"), "{description}");
    }
    let kept = received(&notification(alert)).remove(0).data.unwrap();
    assert!(std::str::from_utf8(kept.as_bytes()).unwrap().contains(r"\ud83d"), "the data is what was sent");
}

/// Each alert carries a copy of the group, so a long text in the group must not be multiplied.
#[test]
fn a_long_group_is_cut() {
    let long = "x".repeat(20_000);
    let body =
        format!(r#"{{"a":"{long}","version":"4","alerts":[{{"status":"firing","labels":{{}}}}],"message":"m","b":1}}"#);
    assert_eq!(data(&received(&body)[0])["group"], json!({"version": "4", "b": 1}));
}
