use gateway_plugin_sdk::Level;

use super::*;

/// A recorded delivery: the body is `samples/<name>`, the headers are `samples/<name without extension>.headers`.
macro_rules! sample {
    ($headers:literal, $body:literal) => {
        include_str!(concat!("../samples/", $headers, ".headers"))
            .lines()
            .filter_map(|line| line.split_once(": "))
            .fold(Request::new("POST"), |request, (name, value)| request.with_header(name, value))
            .with_body(include_str!(concat!("../samples/", $body)))
    };
}

fn delivery(event: &str, body: &str) -> Request {
    Request::new("POST").with_header("X-GitHub-Event", event).with_body(body)
}

fn received(request: &Request) -> Event {
    receive(request).unwrap().into_event()
}

#[test]
fn the_subject_of_an_issue_has_its_number() {
    let event = received(&sample!("issues.opened", "issues.opened.json"));
    let expected = Event::new("issues.opened")
        .with_subject(Some(String::from("octo-org/kettle#7")))
        .with_delivery_id(Some(String::from("5a1f0c60-0d38-11f0-8a6a-1d6f3b1f2c01")))
        .with_attribute("action", "opened")
        .with_attribute("sender", "octo-cat")
        .with_attribute("repository", "octo-org/kettle")
        .with_attribute("status", "open");
    assert_eq!(event, expected);
}

#[test]
fn the_subject_of_a_push_has_its_reference() {
    let event = received(&sample!("push", "push.json"));
    assert_eq!((event.kind.as_str(), event.subject.as_deref()), ("push", Some("octo-org/kettle@refs/heads/main")));
}

#[test]
fn a_ping_is_an_event() {
    let event = received(&sample!("ping", "ping.json"));
    assert_eq!((event.kind.as_str(), event.subject.as_deref()), ("ping", Some("octo-org")));
}

#[test]
fn the_data_of_a_form_is_its_json() {
    let event = received(&sample!("issue_comment.created", "issue_comment.created.form"));
    assert_eq!(event.kind, "issue_comment.created");
    assert_eq!(event.subject.as_deref(), Some("octo-org/kettle#8"));
    assert_eq!(event.content_type.as_deref(), Some("application/json"));
    let data: serde_json::Value = serde_json::from_slice(event.data.unwrap().as_bytes()).unwrap();
    assert_eq!(data["comment"]["body"], "a + b = 100 % café");
}

#[test]
fn the_subject_is_the_most_specific_object() {
    const R: &str = r#""repository":{"full_name":"o/r"}"#;
    for (body, expected) in [
        (format!(r#"{{"pull_request":{{"number":3}},{R}}}"#), Some("o/r#3")),
        (format!(r#"{{"issue":{{"number":3,"pull_request":{{}}}},{R}}}"#), Some("o/r#3")),
        (format!(r#"{{"discussion":{{"number":4}},{R}}}"#), Some("o/r#4")),
        (format!(r#"{{"ref":"v1","ref_type":"tag",{R}}}"#), Some("o/r@refs/tags/v1")),
        (format!(r#"{{"ref":"main","ref_type":"branch",{R}}}"#), Some("o/r@refs/heads/main")),
        (format!(r#"{{"workflow_run":{{"head_branch":"main"}},{R}}}"#), Some("o/r@refs/heads/main")),
        (format!(r#"{{"workflow_job":{{"head_branch":"main"}},{R}}}"#), Some("o/r@refs/heads/main")),
        (format!(r#"{{"check_suite":{{"head_branch":"main"}},{R}}}"#), Some("o/r@refs/heads/main")),
        (format!(r#"{{"check_run":{{"check_suite":{{"head_branch":"main"}}}},{R}}}"#), Some("o/r@refs/heads/main")),
        (format!(r#"{{"check_run":{{"check_suite":{{"head_branch":null}}}},{R}}}"#), Some("o/r")),
        (format!(r#"{{"ref":"",{R}}}"#), Some("o/r")),
        (format!(r#"{{"starred_at":null,{R},"organization":{{"login":"o"}}}}"#), Some("o/r")),
        (String::from(r#"{"organization":{"login":"o"},"membership":{}}"#), Some("o")),
        (String::from(r#"{"organization":{"login":"o"},"sender":{"login":"s"}}"#), Some("o")),
        (String::from(r#"{"installation":{"account":{"login":"a"}},"sender":{"login":"s"}}"#), Some("a")),
        (String::from(r#"{"marketplace_purchase":{"account":{"login":"a"}}}"#), Some("a")),
        (String::from(r#"{"sponsorship":{"sponsorable":{"login":"a"},"sponsor":{"login":"b"}}}"#), Some("a")),
        (String::from(r#"{"security_advisory":{"ghsa_id":"GHSA-1"}}"#), Some("GHSA-1")),
        (String::from(r#"{"sender":{"login":"s"}}"#), Some("s")),
        (String::from(r#"{"installation":{"id":1}}"#), None),
    ] {
        assert_eq!(received(&delivery("any", &body)).subject.as_deref(), expected, "{body}");
    }
}

#[test]
fn the_severity_is_that_of_an_alert_or_medium_for_a_failure() {
    for (body, expected) in [
        (r#"{"alert":{"security_advisory":{"severity":"high"}}}"#, Some("high")),
        (r#"{"security_advisory":{"severity":"critical"}}"#, Some("critical")),
        (r#"{"repository_advisory":{"severity":"low"}}"#, Some("low")),
        (r#"{"alert":{"severity":"moderate"}}"#, Some("moderate")),
        (r#"{"alert":{"rule":{"severity":"error","security_severity_level":"medium"}}}"#, Some("medium")),
        (r#"{"alert":{"rule":{"severity":"error","security_severity_level":null}}}"#, Some("error")),
        (r#"{"workflow_run":{"conclusion":"failure"}}"#, Some("medium")),
        (r#"{"check_run":{"conclusion":"failure"}}"#, Some("medium")),
        (r#"{"check_suite":{"conclusion":"success"}}"#, None),
        (r#"{"workflow_run":{"conclusion":null}}"#, None),
        (r#"{"action":"opened"}"#, None),
    ] {
        assert_eq!(received(&delivery("any", body)).attribute("severity"), expected, "{body}");
    }
}

#[test]
fn the_status_is_that_of_the_run_or_the_state_of_the_subject() {
    for (body, expected) in [
        (r#"{"workflow_run":{"status":"completed","conclusion":"failure"}}"#, Some("failure")),
        (r#"{"check_run":{"status":"in_progress","conclusion":null}}"#, Some("in_progress")),
        (r#"{"state":"pending"}"#, Some("pending")),
        (r#"{"alert":{"state":"fixed"}}"#, Some("fixed")),
        (r#"{"deployment_status":{"state":"error"}}"#, Some("error")),
        (r#"{"issue":{"state":"closed"}}"#, Some("closed")),
        (r#"{"pull_request":{"state":"open"}}"#, Some("open")),
        (r#"{"discussion":{"state":"locked"}}"#, Some("locked")),
        (r#"{"action":"opened"}"#, None),
    ] {
        assert_eq!(received(&delivery("any", body)).attribute("status"), expected, "{body}");
    }
}

#[test]
fn a_command_is_found_in_new_text_only() {
    const R: &str = r#""repository":{"full_name":"o/r"}"#;
    for (body, expected) in [
        (r#""action":"created","comment":{"body":"Hm.\n/fix it"},"issue":{"number":1,"body":"/other"}"#, Some("it")),
        (r#""action":"created","comment":{"body":"/fix it"},"pull_request":{"number":1}"#, Some("it")),
        (r#""action":"created","comment":{"body":"/fix it"},"discussion":{"number":1}"#, Some("it")),
        (r#""action":"created","comment":{"body":"/fix it"}"#, Some("it")),
        (r#""action":"submitted","review":{"body":"/fix it"},"pull_request":{"number":1}"#, Some("it")),
        (r#""action":"submitted","review":{"body":null},"pull_request":{"body":"/fix it"}"#, None),
        (r#""action":"opened","issue":{"number":1,"body":"/fix it"}"#, Some("it")),
        (r#""action":"opened","pull_request":{"number":1,"body":"/fix it"}"#, Some("it")),
        (r#""action":"created","discussion":{"number":1,"body":"/fix it"}"#, Some("it")),
        (r#""action":"edited","changes":{"body":{"from":"text"}},"comment":{"body":"/fix it"}"#, Some("it")),
        (r#""action":"edited","changes":{"body":{"from":"/fix it"}},"comment":{"body":"/fix it\nnow"}"#, None),
        (r#""action":"edited","changes":{"title":{"from":"a"}},"issue":{"body":"/fix it"}"#, None),
        (r#""action":"edited","changes":{"body":{"from":""}},"issue":{"body":"/fix it"}"#, Some("it")),
        (r#""action":"labeled","issue":{"number":1,"body":"/fix it"}"#, None),
        (r#""action":"closed","issue":{"number":1,"body":"/fix it"}"#, None),
        (r#""action":"deleted","comment":{"body":"/fix it"},"issue":{"number":1}"#, None),
        (r#""action":"created","comment":{"body":"> /fix it"},"issue":{"number":1}"#, None),
        (r#""action":"created","comment":{"body":"@octo-cat thanks"},"issue":{"number":1}"#, None),
        (r#""action":"created","release":{"body":"/fix it"}"#, None),
    ] {
        let event = received(&delivery("any", &format!("{{{body},{R}}}")));
        assert_eq!(event.attribute("commandargs"), expected, "{body}");
        assert_eq!(event.attribute("command"), expected.map(|_| "fix"), "{body}");
    }
}

#[test]
fn comments_that_an_ignored_app_writes_for_a_user_are_dropped() {
    const WRITTEN: &str = r#"{"action":"created","sender":{"login":"ada"},
        "comment":{"body":"done","performed_via_github_app":{"slug":"kettle-bot"}},"issue":{"number":1}}"#;
    let opened_by = WRITTEN.replace("created", "labeled");
    for (body, expected) in [(WRITTEN, 0), (&*opened_by, 1)] {
        let request = delivery("any", body).with_config("ignore_senders", r#"["kettle-bot"]"#);
        assert_eq!(receive(&request).unwrap().events.len(), expected, "{body}");
    }
}

#[test]
fn events_of_an_ignored_sender_are_dropped() {
    for (config, body, expected) in [
        (r#"["Triage-Bot[bot]"]"#, r#"{"sender":{"login":"triage-bot[bot]"}}"#, 0),
        (r#"["a", "b\u0063"]"#, r#"{"sender":{"login":"bc"}}"#, 0),
        (r#"["triage"]"#, r#"{"sender":{"login":"triage-bot[bot]"}}"#, 1),
        (r#"["triage"]"#, r#"{"sender":null}"#, 1),
        ("[]", r#"{"sender":{"login":"a"}}"#, 1),
    ] {
        let request = delivery("issues", body).with_config("ignore_senders", config);
        assert_eq!(receive(&request).unwrap().events.len(), expected, "{config} {body}");
    }
}

/// What else is odd does not count.
#[test]
fn an_ignored_sender_stays_ignored() {
    for (name, body) in [
        ("not a name", &br#"{"sender":{"login":"bot"}}"#[..]),
        ("issues", b"{\"sender\":{\"login\":\"bot\"},\"comment\":{\"body\":\"caf\xc3\"}}"),
        ("issues", br#"{"issue":[],"issue":7,"\ud83d":1,"repository":1e999,"sender":{"login":"bot","id":"\udc00"}}"#),
    ] {
        let request = delivery(name, "").with_body(body).with_config("ignore_senders", r#"["bot"]"#);
        assert_eq!(receive(&request).unwrap(), Receipt::empty(), "{name} {}", String::from_utf8_lossy(body));
    }
}

#[test]
fn an_invalid_ignore_list_is_logged_and_ignores_nobody() {
    let request = delivery("issues", r#"{"sender":{"login":"a"}}"#).with_config("ignore_senders", "a");
    assert_eq!(receive(&request).unwrap().events.len(), 1);
    assert_eq!(request.host().logged()[0].0, Level::Error);
}

#[test]
fn an_invalid_delivery_is_refused_with_the_reason() {
    let form = || Request::new("POST").with_header("x-github-event", "push").with_header("content-type", FORM);
    const FORM: &str = "Application/X-WWW-Form-Urlencoded; charset=utf-8";
    for (request, expected) in [
        (Request::new("POST").with_body("{}"), "header `x-github-event` is missing"),
        (delivery("", "{}"), "header `x-github-event` is not an event name: expected 1 to 64 of `a-z0-9_`"),
        (delivery("a.b", "{}"), "header `x-github-event` is not an event name: expected 1 to 64 of `a-z0-9_`"),
        (delivery("push", ""), "body is not JSON: EOF while parsing a value at line 1 column 0"),
        (delivery("push", "{\n\"a\":1,}"), "body is not JSON: key must be a string at line 2 column 7"),
        (delivery("push", r#"{"action":5,"#), "body is not JSON: EOF while parsing an object at line 1 column 12"),
        (
            form().with_body("a=1"),
            "form field `payload` is missing; set the hook's content type, or send `payload=<JSON>`",
        ),
        (form().with_body(b"payload=\xff".to_vec()), "body is not JSON: expected value at line 1 column 1"),
    ] {
        assert_eq!(receive(&request).unwrap_err(), Rejection::new(400, expected));
    }
}

#[test]
fn json_with_an_unexpected_shape_is_kept() {
    for body in ["[]", "7"] {
        let request = delivery("future_event", body);
        let event = received(&request);
        assert_eq!((event.kind.as_str(), event.data), ("future_event", None), "{body}");
        assert_eq!(request.host().logged()[0].0, Level::Warn, "{body}");
    }
}

#[test]
fn of_a_member_that_is_given_twice_the_last_one_counts() {
    let event = received(&delivery("future_event", r#"{"action":"a","action":"b","sender":{"login":"a"}}"#));
    assert_eq!((event.kind.as_str(), event.attribute("sender")), ("future_event.b", Some("a")));
}

#[test]
fn a_member_with_an_unexpected_shape_affects_only_its_own_fact() {
    for body in [r#"{"action":{},"sender":{"login":"a"}}"#, r#"{"issue":"none","sender":{"login":"a"}}"#] {
        let event = received(&delivery("future_event", body));
        assert_eq!((event.kind.as_str(), event.attribute("sender")), ("future_event", Some("a")), "{body}");
    }
}

#[test]
fn a_dispatched_action_cannot_break_the_kind() {
    for (action, expected) in [
        ("deploy prod\\n", "repository_dispatch.deploy_prod_"),
        ("a.b", "repository_dispatch.a_b"),
        ("", "repository_dispatch"),
    ] {
        let event = received(&delivery("repository_dispatch", &format!(r#"{{"action":"{action}"}}"#)));
        assert_eq!(event.kind, expected);
    }
}
