use gateway_plugin_sdk::Level;

use super::*;

fn delivery_of(body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST").with_header("content-type", "application/json").with_body(body)
}

fn received(request: &Request) -> Event {
    receive(request).unwrap().into_event()
}

#[test]
fn kind_and_subject_come_from_the_payload() {
    const P: &str = r#""project":{"path_with_namespace":"kitchen/kettle"}"#;
    for (body, kind, subject) in [
        (r#""object_kind":"push","ref":"refs/heads/main""#, "push", "kitchen/kettle@refs/heads/main"),
        (r#""object_kind":"tag_push","ref":"refs/tags/v1""#, "tag_push", "kitchen/kettle@refs/tags/v1"),
        (r#""object_kind":"issue","object_attributes":{"iid":7,"action":"open"}"#, "issue.open", "kitchen/kettle#7"),
        (
            r#""object_kind":"work_item","object_attributes":{"iid":7,"action":"close"}"#,
            "work_item.close",
            "kitchen/kettle#7",
        ),
        (
            r#""object_kind":"merge_request","object_attributes":{"iid":3,"action":"merge"}"#,
            "merge_request.merge",
            "kitchen/kettle!3",
        ),
        (
            r#""object_kind":"note","object_attributes":{"action":"create"},"merge_request":{"iid":3}"#,
            "note.create",
            "kitchen/kettle!3",
        ),
        (r#""object_kind":"note","object_attributes":{"id":1},"issue":{"iid":7}"#, "note", "kitchen/kettle#7"),
        (r#""object_kind":"note","object_attributes":{"id":1},"commit":{"id":"a"}"#, "note", "kitchen/kettle"),
        (
            r#""object_kind":"pipeline","object_attributes":{"ref":"main","tag":false}"#,
            "pipeline",
            "kitchen/kettle@refs/heads/main",
        ),
        (
            r#""object_kind":"pipeline","object_attributes":{"ref":"v1","tag":true}"#,
            "pipeline",
            "kitchen/kettle@refs/tags/v1",
        ),
        (
            r#""object_kind":"pipeline","object_attributes":{"ref":"main"},"merge_request":{"iid":3}"#,
            "pipeline",
            "kitchen/kettle!3",
        ),
        (r#""object_kind":"build","ref":"main","tag":false"#, "build", "kitchen/kettle@refs/heads/main"),
        (r#""object_kind":"release","action":"create","tag":"v1""#, "release.create", "kitchen/kettle"),
        (r#""object_kind":"wiki_page","object_attributes":{"action":"a.b\n"}"#, "wiki_page.a_b_", "kitchen/kettle"),
    ] {
        let body = format!("{{{body},{P}}}");
        let event = received(&delivery_of(body.as_str()));
        assert_eq!((event.kind.as_str(), event.subject.as_deref()), (kind, Some(subject)), "{body}");
    }
    for (body, kind, subject) in [
        (
            r#"{"event_name":"project_create","path_with_namespace":"kitchen/kettle"}"#,
            "project_create",
            Some("kitchen/kettle"),
        ),
        (
            r#"{"event_name":"user_add_to_team","project_path_with_namespace":"kitchen/kettle"}"#,
            "user_add_to_team",
            Some("kitchen/kettle"),
        ),
        (r#"{"event_name":"user_add_to_group","group_path":"kitchen"}"#, "user_add_to_group", Some("kitchen")),
        (r#"{"event_name":"user_create","username":"ada"}"#, "user_create", Some("ada")),
        (
            r#"{"event_name":"group_create","name":"Kitchen","path":"kitchen","group_id":78}"#,
            "group_create",
            Some("kitchen"),
        ),
        (
            r#"{"event_name":"subgroup_create","path":"taps","full_path":"kitchen/taps"}"#,
            "subgroup_create",
            Some("kitchen/taps"),
        ),
        (
            r#"{"object_kind":"access_token","group":{"group_path":"kitchen"},"object_attributes":{"id":1}}"#,
            "access_token",
            Some("kitchen"),
        ),
        (
            r#"{"object_kind":"build","ref":"main","tag":false,"repository":{"homepage":"https://gitlab.example/kitchen/taps/kettle"}}"#,
            "build",
            Some("kitchen/taps/kettle@refs/heads/main"),
        ),
        (
            r#"{"object_kind":"vulnerability","object_attributes":{"url":"https://gitlab.example/kitchen/taps/kettle/-/security/vulnerabilities/1"}}"#,
            "vulnerability",
            Some("kitchen/taps/kettle"),
        ),
        (
            r#"{"object_kind":"work_item","object_attributes":{"iid":1,"url":"https://gitlab.example/groups/kitchen/-/epics/1"},"group":{"full_path":"kitchen"}}"#,
            "work_item",
            Some("kitchen"),
        ),
        (
            r#"{"object_kind":"vulnerability","object_attributes":{"url":"https://gitlab.example"},"repository":{"homepage":"/"}}"#,
            "vulnerability",
            None,
        ),
        ("{}", "confidential_issue", None),
    ] {
        let event = received(&delivery_of(body).with_header("X-Gitlab-Event", "Confidential Issue Hook"));
        assert_eq!((event.kind.as_str(), event.subject.as_deref()), (kind, subject), "{body}");
    }
    assert_eq!(received(&delivery_of("{}")).kind, "unknown");
}

#[test]
fn the_delivery_id_is_the_idempotency_key_or_event_and_hook() {
    let request = || delivery_of("{}").with_header("X-Gitlab-Event-UUID", "e");
    let id = |request: Request| received(&request).delivery_id;
    assert_eq!(id(request().with_header("Idempotency-Key", "k")).as_deref(), Some("k"));
    assert_eq!(id(request().with_header("X-Gitlab-Webhook-UUID", "w")).as_deref(), Some("e/w"));
    assert_eq!(id(request()).as_deref(), Some("e"));
    assert_eq!(id(delivery_of("{}")), None);
}

#[test]
fn the_severity_is_that_of_the_finding_or_medium_for_a_failed_run() {
    for (body, status, severity) in [
        (r#"{"object_kind":"pipeline","object_attributes":{"status":"failed"}}"#, Some("failed"), Some("medium")),
        (r#"{"object_kind":"build","build_status":"failed"}"#, Some("failed"), Some("medium")),
        (r#"{"object_kind":"deployment","status":"failed"}"#, Some("failed"), Some("medium")),
        (r#"{"object_kind":"pipeline","object_attributes":{"status":"success"}}"#, Some("success"), None),
        (
            r#"{"object_kind":"vulnerability","object_attributes":{"severity":"critical","state":"detected"}}"#,
            Some("detected"),
            Some("critical"),
        ),
        (
            r#"{"object_kind":"issue","object_attributes":{"severity":"UNKNOWN","state":"opened"}}"#,
            Some("opened"),
            None,
        ),
    ] {
        let event = received(&delivery_of(body));
        assert_eq!((event.attribute("status"), event.attribute("severity")), (status, severity), "{body}");
    }
}

#[test]
fn a_command_is_found_in_new_text_only() {
    let of = |kind: &str, object: &str, more: &str| {
        format!(r#"{{"object_kind":"{kind}","object_attributes":{{{object}}}{more}}}"#)
    };
    for (body, expected) in [
        (of("note", r#""action":"create","note":"/fix it""#, ""), Some("it")),
        (of("note", r#""note":"/fix it""#, ""), Some("it")),
        (of("note", r#""action":"update","note":"/fix it""#, ""), None),
        (of("note", r#""action":"create","system":true,"note":"/fix it""#, ""), None),
        (of("issue", r#""action":"open","description":"/fix it""#, ""), Some("it")),
        (of("merge_request", r#""action":"open","description":"/fix it""#, ""), Some("it")),
        (of("merge_request", r#""action":"approved","description":"/fix it""#, ""), None),
        (
            of(
                "issue",
                r#""action":"update","description":"/fix it""#,
                r#","changes":{"description":{"previous":"a"}}"#,
            ),
            Some("it"),
        ),
        (
            of(
                "issue",
                r#""action":"update","description":"/fix it\nb""#,
                r#","changes":{"description":{"previous":"/fix it"}}"#,
            ),
            None,
        ),
        (of("issue", r#""action":"update","description":"/fix it""#, r#","changes":{"labels":{}}"#), None),
    ] {
        assert_eq!(received(&delivery_of(body.as_str())).attribute("commandargs"), expected, "{body}");
    }
}

#[test]
fn events_of_an_ignored_sender_are_dropped() {
    for (body, expected) in [
        (r#"{"object_kind":"note","user":{"username":"Kettle-Bot"}}"#, 0),
        (r#"{"object_kind":"push","user_username":"kettle-bot"}"#, 0),
        (r#"{"object_kind":"push","user_username":"ada"}"#, 1),
        (r#"{"object_kind":"push"}"#, 1),
        (r#"{"object_kind":"build","user":{"id":12,"name":"Kettle"}}"#, 0),
        (r#"{"object_kind":"push","user":[],"user_username":"kettle-bot"}"#, 0),
        (r#"{"object_kind":"push","user":{"username":7.5},"user_id":"12"}"#, 0),
    ] {
        let request = delivery_of(body).with_config("ignore_senders", r#"["kettle-bot", 12]"#);
        assert_eq!(receive(&request).unwrap().events.len(), expected, "{body}");
    }
}

/// Who added a member is not told.
#[test]
fn a_member_is_not_the_sender() {
    let sender = |body: &str| received(&delivery_of(body)).attribute("sender").map(str::to_owned);
    let members = r#""user_username":"ada","user_id":5,"group_path":"kitchen""#;
    assert_eq!(sender(&format!(r#"{{"event_name":"user_add_to_group",{members}}}"#)), None);
    assert_eq!(sender(&format!(r#"{{"event_name":"push","object_kind":"push",{members}}}"#)).as_deref(), Some("ada"));
    assert_eq!(sender(r#"{"object_kind":"build","user":{"id":5}}"#).as_deref(), Some("5"));
}

#[test]
fn invalid_json_is_refused_and_other_json_is_kept() {
    for body in [&b"{"[..], b"", b"\xff"] {
        assert_eq!(receive(&delivery_of(body)).unwrap_err().status, 400);
    }
    let request = delivery_of("[]");
    assert_eq!(received(&request).kind, "unknown");
    assert_eq!(request.host().logged()[0].0, Level::Warn);
    let odd =
        r#"{"object_kind":"issue","project":{"path_with_namespace":"a\u0000b"},"object_attributes":[],"user":"x"}"#;
    assert!(received(&delivery_of(odd)).subject.is_some_and(|subject| !subject.contains('\0')));
}
