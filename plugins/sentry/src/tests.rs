use gateway_plugin_sdk::Level;

use super::*;

fn hook(resource: &str, body: &str) -> Request {
    Request::new("POST").with_header("Sentry-Hook-Resource", resource).with_header("Request-ID", "r-1").with_body(body)
}

fn received(request: &Request) -> Event {
    receive(request).unwrap().into_event()
}

/// Kind, subject and key, the key without its installation.
fn named(event: &Event) -> (&str, Option<&str>, Option<&str>) {
    let key = event.key.as_deref().map(|key| key.trim_start_matches("a8e5d37a-696c-4c54-adb5-b3f28d64c7de/"));
    (&event.kind, event.subject.as_deref(), key)
}

/// `fingerprint`, `startsat`, `status`, `severity`, `alertname`, `group`.
fn facts(event: &Event) -> [Option<&str>; 6] {
    ["fingerprint", "startsat", "status", "severity", "alertname", "group"].map(|name| event.attribute(name))
}

#[test]
fn the_kind_of_an_issue_event_is_its_action() {
    let body = include_str!("../samples/issue.created.json");
    let event = received(&hook("issue", body));
    let key = "issue.created/1170820242";
    assert_eq!(named(&event), ("issue.created", Some("1170820242"), Some(key)));
    assert_eq!(event.delivery_id.as_deref(), Some("r-1"));
    let title = Some("TemperatureError: kettle is at 104 °C");
    let started = Some("2026-03-01T10:00:00.000000Z");
    assert_eq!(facts(&event), [Some("1170820242"), started, Some("firing"), Some("high"), title, Some("kettles")]);

    for (action, status, expected) in [
        ("resolved", "resolved", "resolved"),
        ("unresolved", "unresolved", "firing"),
        ("ignored", "ignored", "ignored"),
    ] {
        let body =
            body.replace("created", action).replace(r#""status": "unresolved""#, &format!(r#""status": "{status}""#));
        let event = received(&hook("issue", &body));
        assert_eq!((event.kind, event.attributes[2].1.as_str()), (format!("issue.{action}"), expected));
    }
}

#[test]
fn a_retry_is_the_same_event_and_another_assignment_is_not() {
    let body = |kind: &str, id: &str, seen: &str| {
        let assignee = format!(r#"{{"type":"{kind}","id":"{id}"}}"#);
        format!(
            r#"{{"action":"assigned","data":{{"issue":{{"id":"1","assignedTo":{assignee},"lastSeen":"{seen}"}}}}}}"#
        )
    };
    let key = |body: &str| received(&hook("issue", body)).key.unwrap();
    assert_eq!(key(&body("user", "7", "a")), key(&body("user", "7", "b")));
    assert_ne!(key(&body("user", "7", "a")), key(&body("user", "8", "a")));
    assert_ne!(key(&body("user", "7", "a")), key(&body("team", "7", "a")));
}

/// What the keys are without is as telling: no time, so that a state lasts until there is another one.
#[test]
fn keys_name_the_states_of_an_issue() {
    let key = |action: &str, members: &str| {
        let body = format!(r#"{{"action":"{action}","data":{{"issue":{{"id":"1",{members}}}}}}}"#);
        received(&hook("issue", &body)).key.unwrap()
    };
    assert_eq!(key("resolved", r#""status":"resolved","lastSeen":"a""#), "/issue.resolved/1/resolved/");
    let unresolved = |substatus: &str| {
        key("unresolved", &format!(r#""status":"unresolved","substatus":"{substatus}","lastSeen":"{substatus}""#))
    };
    assert_eq!(unresolved("regressed"), "/issue.unresolved/1/unresolved/regressed");
    assert_ne!(unresolved("regressed"), unresolved("escalating"));
    assert_eq!(key("created", r#""lastSeen":"a""#), key("created", r#""lastSeen":"b""#));
    assert_ne!(key("prioritized", r#""lastSeen":"a""#), key("prioritized", r#""lastSeen":"b""#));
}

#[test]
fn an_issue_alert_has_the_name_of_its_rule() {
    let event = received(&hook("event_alert", include_str!("../samples/event_alert.triggered.json")));
    let key = "event_alert.triggered/e4874d664c3540c1a32eab185f12c5ab/Kettles boil over";
    assert_eq!(named(&event), ("event_alert.triggered", Some("1170820242"), Some(key)));
    let started = Some("2026-03-01T10:05:00.000000Z");
    let expected =
        [Some("1170820242"), started, Some("firing"), Some("critical"), Some("Kettles boil over"), Some("kettles")];
    assert_eq!(facts(&event), expected);
}

#[test]
fn the_subject_of_an_error_is_its_issue() {
    let body = r#"{"action":"created","data":{"error":{"event_id":"e1","issue_id":"7","level":"debug","title":"t","project":2}}}"#;
    let event = received(&hook("error", body));
    assert_eq!(named(&event), ("error.created", Some("7"), Some("/error.created/e1")));
    assert_eq!(facts(&event), [Some("7"), None, Some("firing"), Some("low"), Some("t"), Some("2")]);
}

#[test]
fn the_severity_of_a_metric_alert_is_its_action() {
    let body = include_str!("../samples/metric_alert.critical.json");
    let event = received(&hook("metric_alert", body));
    let key = "metric_alert.critical/42";
    assert_eq!(named(&event), ("metric_alert.critical", Some("42"), Some(key)));
    let started = Some("2026-03-01T10:00:00Z");
    let expected = [Some("42"), started, Some("firing"), Some("critical"), Some("Too many kettles"), Some("kettles")];
    assert_eq!(facts(&event), expected);
    for (action, status, severity) in
        [("warning", "firing", Some("warning")), ("resolved", "resolved", None), ("open", "firing", None)]
    {
        let event = received(&hook("metric_alert", &body.replace("\"critical\"", &format!("\"{action}\""))));
        assert_eq!((event.attribute("status"), event.attribute("severity")), (Some(status), severity), "{action}");
    }
}

#[test]
fn the_subject_of_a_comment_is_its_issue_and_each_change_is_an_event() {
    let body = |text: &str| {
        format!(
            r#"{{"action":"updated","data":{{"comment_id":1234,"issue_id":100,"project_slug":"kettles","timestamp":"t","comment":"{text}"}}}}"#
        )
    };
    let event = received(&hook("comment", &body("one")));
    assert_eq!(named(&event), ("comment.updated", Some("100"), Some("/comment.updated/1234/t/one")));
    assert_eq!((event.attribute("group"), event.attribute("comment")), (Some("kettles"), Some("1234")));
    assert_ne!(received(&hook("comment", &body("two"))).key, event.key);
}

#[test]
fn the_subject_of_seers_work_is_its_issue_and_that_of_a_build_the_build() {
    let event =
        received(&hook("seer", r#"{"action":"root_cause_completed","data":{"run_id":12345,"group_id":1170820242}}"#));
    assert_eq!(named(&event), ("seer.root_cause_completed", Some("1170820242"), None));
    assert_eq!(event.attribute("fingerprint"), Some("1170820242"));

    let build =
        r#"{"action":"size_analysis_completed","data":{"buildId":"72","projectSlug":"kettles","state":"FAILED"}}"#;
    let event = received(&hook("preprod_artifact", build));
    assert_eq!(named(&event), ("preprod_artifact.size_analysis_completed", Some("72"), None));
    assert_eq!((event.attribute("status"), event.attribute("group")), (Some("failed"), Some("kettles")));
}

#[test]
fn a_project_is_one_group_in_all_its_events() {
    for (resource, data) in [
        ("issue", r#""issue":{"id":"1","project":{"id":"1","slug":"kettles"}}"#),
        ("error", r#""error":{"project":1,"url":"https://sentry.example/api/0/projects/kitchen/kettles/events/e1/"}"#),
        (
            "event_alert",
            r#""event":{"project":1,"url":"https://sentry.example/api/0/projects/kitchen/kettles/events/e1/"}"#,
        ),
        ("metric_alert", r#""metric_alert":{"id":"42","projects":["kettles"]}"#),
        ("comment", r#""comment_id":5,"project_slug":"kettles""#),
        ("preprod_artifact", r#""buildId":"72","projectId":"1","projectSlug":"kettles""#),
    ] {
        let event = received(&hook(resource, &format!(r#"{{"action":"created","data":{{{data}}}}}"#)));
        assert_eq!(event.attribute("group"), Some("kettles"), "{data}");
    }
    let hook = r#"{"project":{"slug":"kettles"},"group":{"id":"9","project":{"id":"1","slug":"kettles"}},"event":{}}"#;
    let event = received(&Request::new("POST").with_body(hook));
    let groups = event.attributes.iter().filter(|(name, _)| name == "group").count();
    assert_eq!((event.attribute("group"), groups), (Some("kettles"), 1));
    for (data, group) in [
        (r#""event":{"project":1,"url":"https://sentry.example/"}"#, Some("1")),
        (r#""issue":{"project":{"id":"1"}}"#, Some("1")),
        (r#""metric_alert":{"projects":["kettles","cups"]}"#, None),
        (r#""metric_alert":{"projects":"kettles"}"#, None),
    ] {
        let event = received(&self::hook("error", &format!(r#"{{"data":{{{data}}}}}"#)));
        assert_eq!(event.attribute("group"), group, "{data}");
    }
}

/// Sentry waits for the answer to the form, but who filled it in is known.
#[test]
fn a_form_about_an_issue_has_the_issue_as_its_subject() {
    let body = r#"{"fields":{"title":"hot"},"issueId":9,"installationId":"u","webUrl":"https://sentry.example/9",
        "project":{"slug":"kettles","id":1},"actor":{"type":"user","id":7,"name":"Ada"}}"#;
    let event = received(&Request::new("POST").with_header("Sentry-App-Signature", "s").with_body(body));
    assert_eq!(named(&event), ("component.requested", Some("9"), None));
    assert_eq!((event.attribute("group"), event.attribute("sender")), (Some("kettles"), Some("7")));
}

#[test]
fn events_of_an_ignored_actor_are_dropped() {
    for (body, expected) in [
        (r#"{"action":"resolved","actor":{"type":"application","id":"A8E5"},"data":{"issue":{"id":"1"}}}"#, 0),
        (r#"{"action":[],"actor":{"type":"user","id":7},"data":"none"}"#, 0),
        (r#"{"action":"resolved","actor":{"type":"user","id":8},"data":{"issue":{"id":"1"}}}"#, 1),
        (r#"{"action":"resolved"}"#, 1),
    ] {
        for request in [hook("issue", body), Request::new("POST").with_body(body)] {
            let request = request.with_config("ignore_senders", r#"["a8e5", 7]"#);
            assert_eq!(receive(&request).unwrap().events.len(), expected, "{body}");
        }
    }
    let event = received(&hook("issue", r#"{"actor":{"type":"application","id":"sentry"}}"#));
    assert_eq!(event.attribute("sender"), Some("sentry"));
}

#[test]
fn an_installation_and_an_unknown_resource_are_events() {
    let body = r#"{"action":"created","installation":{"uuid":"u"},"data":{"installation":{"uuid":"u"}}}"#;
    assert_eq!(
        named(&received(&hook("installation", body))),
        ("installation.created", None, Some("u/installation.created/"))
    );
    for (resource, body, kind) in [
        ("seer", r#"{"action":"root_cause_completed","data":{"run_id":1}}"#, "seer.root_cause_completed"),
        ("preprod artifact.x\t", r#"{"action":"a.b"}"#, "preprod_artifact_x_.a_b"),
        ("issue", "{}", "issue"),
        ("", "{}", "unknown"),
    ] {
        let event = received(&hook(resource, body));
        assert_eq!(named(&event), (kind, None, None));
        assert_eq!(event.delivery_id.as_deref(), Some("r-1"));
    }
}

#[test]
fn a_service_hook_is_recognised_by_its_group() {
    let body = r#"{"project":{"slug":"kettles","name":"Kettles"},"group":{"id":"9","title":"hot","level":"warning"},"event":{"eventID":"e9"}}"#;
    let event = received(&Request::new("POST").with_header("X-ServiceHook-GUID", "g").with_body(body));
    assert_eq!(named(&event), ("service_hook.triggered", Some("9"), Some("service_hook/g/e9")));
    assert_eq!(facts(&event), [Some("9"), None, None, Some("warning"), Some("hot"), Some("kettles")]);
}

#[test]
fn the_legacy_plugin_is_recognised_by_its_flat_body() {
    let event = received(&Request::new("POST").with_body(include_str!("../samples/legacy.json")));
    assert_eq!(
        named(&event),
        ("legacy.triggered", Some("27379932"), Some("legacy/kettles/c4a4d06bc314205bb3b6bdb612dde7f1"))
    );
    let expected = [Some("27379932"), None, Some("firing"), Some("high"), Some("Kettle is too hot"), Some("kettles")];
    assert_eq!(facts(&event), expected);
}

#[test]
fn a_ui_component_may_send_an_empty_body() {
    for body in ["", r#"{"fields":[{"name":"channel","value":"kitchen"}],"installationId":"u"}"#] {
        let event = received(&Request::new("POST").with_body(body));
        assert_eq!(event, Event::new("component.requested"));
    }
}

#[test]
fn a_select_in_a_form_has_no_options() {
    let receipt = receive(&Request::new("GET").with_query("installationId=u&projectSlug=kettles")).unwrap();
    let response = receipt.response.unwrap();
    assert_eq!((receipt.events.len(), response.status), (0, 200));
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.body, Some("[]".into()));
}

#[test]
fn an_unexpected_payload_is_an_event_with_fewer_facts() {
    for body in [r#"{"action":{},"data":[]}"#, r#"{"data":{"issue":7,"event":"e","error":null}}"#, "[]"] {
        let event = received(&hook("issue", body));
        assert_eq!((named(&event), event.attributes.len()), (("issue", None, None), 0), "{body}");
    }
    let request = hook("issue", "[]");
    received(&request);
    assert_eq!(request.host().logged()[0].0, Level::Warn);
    let event = received(&hook("issue", r#"{"data":{"issue":{"id":"a\nb","title":"x\u0000","level":["error"]}}}"#));
    assert!(event.subject.unwrap().starts_with("a b~") && !event.attributes[1].1.contains(char::is_control));
}

#[test]
fn invalid_json_is_refused() {
    for body in [&b"{"[..], b"action=created", b"\xff"] {
        let request = Request::new("POST").with_header("sentry-hook-resource", "issue").with_body(body);
        assert_eq!(receive(&request).unwrap_err().status, 400);
    }
}
