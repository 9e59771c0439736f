use super::*;

const ISSUE: &str =
    r#""issue":{"id":"10007","key":"KTL-7","self":"https://kettle.atlassian.net/rest/api/2/issue/10007""#;

fn delivery(body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST").with_header("content-type", "application/json").with_body(body)
}

fn received(request: &Request) -> Event {
    receive(request).unwrap().into_event()
}

#[test]
fn the_kind_is_the_event_and_the_subject_is_scoped_by_the_site() {
    const SITE: &str = "https://kettle.atlassian.net/rest";
    for (body, kind, subject) in [
        (
            format!(r#"{{"webhookEvent":"jira:issue_created",{ISSUE}}}}}"#),
            "issue_created",
            Some("kettle.atlassian.net/KTL-7"),
        ),
        (
            format!(r#"{{"webhookEvent":"comment_deleted",{ISSUE}}}}}"#),
            "comment_deleted",
            Some("kettle.atlassian.net/KTL-7"),
        ),
        (
            format!(r#"{{"webhookEvent":"worklog_created","worklog":{{"issueId":"10007","self":"{SITE}"}}}}"#),
            "worklog_created",
            Some("kettle.atlassian.net/10007"),
        ),
        (
            r#"{"webhookEvent":"issuelink_created","issueLink":{"sourceIssueId":10007}}"#.to_owned(),
            "issuelink_created",
            Some("10007"),
        ),
        (
            format!(r#"{{"webhookEvent":"sprint_started","sprint":{{"id":3,"self":"{SITE}"}}}}"#),
            "sprint_started",
            Some("kettle.atlassian.net/sprint/3"),
        ),
        (
            format!(r#"{{"webhookEvent":"project_created","project":{{"key":"KTL","self":"{SITE}"}}}}"#),
            "project_created",
            Some("kettle.atlassian.net/KTL"),
        ),
        (
            format!(r#"{{"webhookEvent":"user_updated","user":{{"accountId":"5b1","self":"{SITE}"}}}}"#),
            "user_updated",
            Some("kettle.atlassian.net/5b1"),
        ),
        (r#"{"webhookEvent":"a.b"}"#.to_owned(), "a_b", None),
        ("{}".to_owned(), "unknown", None),
    ] {
        let event = received(&delivery(body.as_str()));
        assert_eq!((event.kind.as_str(), event.subject.as_deref()), (kind, subject), "{body}");
    }
}

#[test]
fn the_sparser_payloads_of_old_servers_are_understood() {
    for (body, kind, action) in [
        (
            r#"{"webhookEvent":"jira:issue_updated","changelog":{"items":[{"field":"assignee"}]}}"#,
            "issue_updated",
            Some("issue_assigned"),
        ),
        (
            r#"{"webhookEvent":"jira:issue_updated","changelog":{"items":[{"field":"status"}]}}"#,
            "issue_updated",
            Some("issue_generic"),
        ),
        (r#"{"changelog":{"items":[{"field":"summary"}]}}"#, "issue_updated", Some("issue_updated")),
        (r#"{"issue_event_type_name":"issue_created"}"#, "issue_created", Some("issue_created")),
        (r#"{"issue_event_type_name":"issue_moved"}"#, "issue_updated", Some("issue_moved")),
        (r#"{"webhookEvent":"jira:issue_updated","comment":{"created":"1","updated":"1"}}"#, "comment_created", None),
        (r#"{"comment":{"created":"1","updated":"1"}}"#, "comment_created", None),
        (r#"{"comment":{"created":"1","updated":"2"}}"#, "comment_updated", None),
    ] {
        let event = received(&delivery(body));
        assert_eq!((event.kind.as_str(), event.attribute("action")), (kind, action), "{body}");
    }
}

#[test]
fn a_comment_that_arrives_twice_is_one_event() {
    let comment = r#""comment":{"id":"31","created":"1","updated":"1","body":"/fix it","author":{"accountId":"5b1"}}"#;
    for (updated, created) in [
        ("issue_commented", "comment_created"),
        ("issue_comment_edited", "comment_updated"),
        ("issue_comment_deleted", "comment_deleted"),
    ] {
        let first = received(&delivery(format!(r#"{{"webhookEvent":"{created}",{comment},{ISSUE}}}}}"#)));
        let second = received(&delivery(format!(
            r#"{{"webhookEvent":"jira:issue_updated","issue_event_type_name":"{updated}",{comment},{ISSUE}}}}}"#
        )));
        assert_eq!((&first.kind, &first.key, &first.subject), (&second.kind, &second.key, &second.subject));
        assert_eq!(first.key, Some(["kettle.atlassian.net/10007/31/", created, "/1"].concat()));
        assert_eq!(first.attribute("command"), (created == "comment_created").then_some("fix"));
    }
    let changed = format!(
        r#"{{"webhookEvent":"jira:issue_updated","changelog":{{"items":[{{"field":"status"}}]}},{comment},{ISSUE}}}}}"#
    );
    let event = received(&delivery(changed));
    assert_eq!((event.kind.as_str(), event.key.as_deref()), ("issue_updated", None));
}

/// The URL of a comment on a server has the number of its issue.
const COMMENT: &str = r#""comment":{"self":"https://jira.example.org/rest/api/2/issue/10041/comment/5001","id":"5001",
    "author":{"name":"ada","self":"https://jira.example.org/rest/api/2/user?username=ada"},"body":"/fix it","created":"1","updated":"1"}"#;

const ON_SERVER: &str =
    r#""issue":{"id":"10041","key":"OPS-7","self":"https://jira.example.org/rest/api/2/issue/10041"}"#;

#[test]
fn a_comment_that_a_server_first_sends_without_its_issue_is_one_event() {
    for (first, second) in [
        ("comment_created", "issue_commented"),
        ("comment_updated", "issue_comment_edited"),
        ("comment_deleted", "issue_comment_deleted"),
    ] {
        let alone = received(&delivery(format!(r#"{{"webhookEvent":"{first}",{COMMENT}}}"#)));
        let with_issue = received(&delivery(format!(
            r#"{{"webhookEvent":"jira:issue_updated","issue_event_type_name":"{second}","user":{{"name":"ada"}},{ON_SERVER},{COMMENT}}}"#
        )));
        let identity = |event: &Event| (event.kind.clone(), event.key.clone(), event.subject.clone());
        assert_eq!(identity(&alone), identity(&with_issue));
        assert_eq!(alone.key, Some(["jira.example.org/10041/5001/", first, "/1"].concat()));
        assert_eq!(alone.subject.as_deref(), Some("jira.example.org/10041"));
        assert_eq!((alone.attribute("issue"), with_issue.attribute("issue")), (None, Some("OPS-7")));
        for event in [alone, with_issue] {
            assert_eq!(event.attribute("sender"), Some("ada"));
            assert_eq!(event.attribute("command"), (first == "comment_created").then_some("fix"));
        }
    }
}

#[test]
fn all_events_of_an_issue_have_the_same_subject() {
    const USER: &str = r#""user":{"name":"ada","self":"https://jira.example.org/rest/api/2/user?username=ada"}"#;
    for (body, kind) in [
        (format!(r#"{{"webhookEvent":"jira:issue_created",{USER},{ON_SERVER}}}"#), "issue_created"),
        (format!(r#"{{"webhookEvent":"comment_deleted",{USER},{COMMENT}}}"#), "comment_deleted"),
        (format!(r#"{{"webhookEvent":"worklog_updated","worklog":{{"issueId":"10041"}},{USER}}}"#), "worklog_updated"),
        (
            format!(r#"{{"webhookEvent":"issuelink_deleted","issueLink":{{"sourceIssueId":10041}},{USER}}}"#),
            "issuelink_deleted",
        ),
        // This one does not say which comment was deleted, so it is not that comment told again.
        (
            format!(
                r#"{{"webhookEvent":"jira:issue_updated","issue_event_type_name":"issue_comment_deleted",{USER},{ON_SERVER}}}"#
            ),
            "issue_updated",
        ),
    ] {
        let event = received(&delivery(body.as_str()));
        let found = (event.kind.as_str(), event.subject.as_deref());
        assert_eq!(found, (kind, Some("jira.example.org/10041")), "{body}");
    }
}

/// A user is the subject of events about users alone.
#[test]
fn who_caused_an_event_is_not_its_subject() {
    for (members, subject) in [
        (r#""webhookEvent":"comment_deleted","comment":{"id":5}"#, Some("comment/5")),
        (
            r#""webhookEvent":"comment_updated","comment":{"id":5,"self":"https://a.b/issue//comment/5"}"#,
            Some("a.b/comment/5"),
        ),
        (r#""webhookEvent":"attachment_created","attachment":{"id":6}"#, Some("attachment/6")),
        (r#""webhookEvent":"jira:issue_updated""#, None),
        (r#""webhookEvent":"user_deleted""#, Some("ada")),
    ] {
        let event = received(&delivery(format!(r#"{{"user":{{"name":"ada"}},{members}}}"#)));
        assert_eq!((event.subject.as_deref(), event.attribute("sender")), (subject, Some("ada")), "{members}");
    }
}

#[test]
fn the_delivery_id_is_the_identifier_or_stands_for_the_body() {
    let event = received(&delivery("{}").with_header("X-Atlassian-Webhook-Identifier", "w1"));
    assert_eq!((event.delivery_id.as_deref(), event.key), (Some("w1"), None));
    assert_eq!(received(&delivery("{}")).delivery_id.as_deref(), Some("body"));
    // What is said of an issue may be said again, so its body is a state.
    assert_eq!(received(&delivery(r#"{"webhookEvent":"jira:issue_updated"}"#)).delivery_id, None);
}

#[test]
fn facts_are_attributes() {
    let body = format!(
        r#"{{"webhookEvent":"jira:issue_updated","issue_event_type_name":"issue_generic",
            "user":{{"accountId":"5b1","displayName":"Ada"}},
            {ISSUE},"fields":{{"priority":{{"name":"Höchste"}},"status":{{"name":"Done"}}}}}}}}"#
    );
    let request = delivery(body.as_str())
        .with_header("X-Atlassian-Webhook-Flow", "Secondary")
        .with_header("X-Atlassian-Webhook-Retry", "2")
        .with_config("severities", r#"{"höchste":"critical"}"#);
    let facts = [
        ("action", "issue_generic"),
        ("sender", "5b1"),
        ("issue", "KTL-7"),
        ("status", "Done"),
        ("severity", "critical"),
        ("flow", "Secondary"),
        ("retry", "2"),
    ];
    assert_eq!(received(&request).attributes, facts.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(received(&delivery(body.as_str())).attribute("severity"), Some("Höchste"));
    let request = delivery(body.as_str()).with_config("severities", r#"["critical"]"#);
    assert_eq!(received(&request).attribute("severity"), Some("Höchste"));
    assert_eq!(request.host().logged()[0].0, Level::Error);
}

#[test]
fn a_command_is_found_in_comments_and_descriptions() {
    let comment = |body: &str| format!(r#"{{"webhookEvent":"comment_created","comment":{{"body":{body}}}}}"#);
    let created =
        |text: &str| format!(r#"{{"webhookEvent":"jira:issue_created",{ISSUE},"fields":{{"description":{text}}}}}}}"#);
    let changed = |before: &str, after: &str| {
        format!(
            r#"{{"webhookEvent":"jira:issue_updated","changelog":{{"items":[{{"field":"labels"}},
                {{"field":"description","fromString":{before},"toString":{after}}}]}}}}"#
        )
    };
    let document = r#"{"type":"doc","content":[{"type":"paragraph","content":[{"type":"text","text":"/fix it"}]}]}"#;
    for (body, expected) in [
        (comment(r#""Hm.\r\n/fix it""#), Some(("fix", "it"))),
        (comment(document), Some(("fix", "it"))),
        (comment(r#""{code}\n/fix it\n{code}""#), None),
        (comment(r#""[~accountid:5b9] fix it""#), Some(("mention", "fix it"))),
        (comment(r#""[~accountid:5b1] fix it""#), None),
        (comment("7.5"), None),
        (created(r#""/fix it""#), Some(("fix", "it"))),
        (created(document), Some(("fix", "it"))),
        (created("null"), None),
        (changed("null", r#""/fix it""#), Some(("fix", "it"))),
        (changed(r#""/fix it""#, r#""/fix it\n\nPlease.""#), None),
        (comment(r#""/fix it""#).replace("comment_created", "comment_updated"), None),
    ] {
        let event = received(&delivery(body.as_str()).with_config("mention", "5b9"));
        let found = event.attribute("command").zip(event.attribute("commandargs"));
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn events_of_an_ignored_sender_are_dropped() {
    for body in [
        r#"{"webhookEvent":"jira:issue_updated","user":{"accountId":"5b9"}}"#,
        r#"{"webhookEvent":"jira:issue_updated","user":{"name":"5B9","key":"JIRAUSER1"}}"#,
        r#"{"webhookEvent":"comment_created","comment":{"author":{"accountId":"5b9"}}}"#,
        r#"{"webhookEvent":"comment_updated","comment":{"author":{"accountId":"5b1"},"updateAuthor":{"accountId":"5b9"}}}"#,
        r#"{"webhookEvent":"comment_updated","user":{"accountId":{}},"comment":{"updateAuthor":[],"author":{"accountId":"5b9"}}}"#,
        r#"{"webhookEvent":"worklog_created","worklog":{"author":{"accountId":"5b9"}}}"#,
        r#"{"webhookEvent":"attachment_created","attachment":{"author":{"accountId":"5b9"}}}"#,
        r#"{"eventType":"installed","clientKey":"c","sharedSecret":"s"}"#,
    ] {
        let receipt = receive(&delivery(body).with_config("ignore_senders", r#"["5b9"]"#)).unwrap();
        assert_eq!(receipt, Receipt::empty(), "{body}");
    }
    let other = delivery(r#"{"webhookEvent":"jira:issue_updated","user":{"accountId":"5b1"}}"#);
    assert_eq!(received(&other.with_config("ignore_senders", r#"["5b9"]"#)).kind, "issue_updated");
}

#[test]
fn invalid_json_is_refused_and_other_json_is_kept() {
    for body in [&b"{"[..], b"", b"\xff"] {
        assert_eq!(receive(&delivery(body)).unwrap_err().status, 400);
    }
    for body in ["[]", r#"{"issue":[]}"#, r#"{"webhookEvent":{"a":1}}"#, r#"{"issue":{"key":"a\nb","self":7}}"#] {
        assert_eq!(received(&delivery(body)).kind, "unknown", "{body}");
    }
}
