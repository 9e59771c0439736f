use gateway_plugin_sdk::Level;

use super::*;

fn delivery(body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST").with_header("Linear-Delivery", "d1").with_body(body)
}

fn received(request: &Request) -> Event {
    let receipt = receive(request).unwrap();
    assert_eq!(receipt.response, Some(Response::new(200)));
    receipt.into_event()
}

#[test]
fn kind_and_subject_come_from_the_payload() {
    for (body, kind, subject) in [
        (r#"{"type":"Issue","action":"create","data":{"id":"i","identifier":"KTL-7"}}"#, "Issue.create", Some("KTL-7")),
        (
            r#"{"type":"Comment","action":"create","data":{"id":"c","issue":{"id":"i","identifier":"KTL-7"}}}"#,
            "Comment.create",
            Some("KTL-7"),
        ),
        (r#"{"type":"Attachment","action":"remove","data":{"id":"a","issueId":"i"}}"#, "Attachment.remove", Some("i")),
        (r#"{"type":"Project","action":"update","data":{"id":"p"}}"#, "Project.update", Some("p")),
        (
            r#"{"type":"AgentSessionEvent","action":"created","agentSession":{"id":"s","issue":{"identifier":"KTL-7"}}}"#,
            "AgentSessionEvent.created",
            Some("s"),
        ),
        (
            r#"{"type":"ProjectUpdate","action":"create","data":{"id":"u","projectId":"p","project":{"id":"p"}}}"#,
            "ProjectUpdate.create",
            Some("p"),
        ),
        (
            r#"{"type":"InitiativeUpdate","action":"create","data":{"id":"u","initiativeId":"i"}}"#,
            "InitiativeUpdate.create",
            Some("i"),
        ),
        (
            r#"{"type":"Comment","action":"create","data":{"id":"c","documentContentId":"n",
                "documentContent":{"document":{"id":"d","projectId":"p"},"project":{"id":"p"}}}}"#,
            "Comment.create",
            Some("d"),
        ),
        (
            r#"{"type":"Comment","action":"create","data":{"id":"c","documentContent":{"project":{"id":"p"}}}}"#,
            "Comment.create",
            Some("p"),
        ),
        (
            r#"{"type":"Comment","action":"create","data":{"id":"c","projectUpdateId":"u",
                "projectUpdate":{"id":"u","project":{"id":"p"}}}}"#,
            "Comment.create",
            Some("p"),
        ),
        (
            r#"{"type":"Reaction","action":"create","data":{"id":"r","comment":{"id":"c","projectId":"p"}}}"#,
            "Reaction.create",
            Some("p"),
        ),
        (r#"{"type":"Document","action":"update","data":{"id":"d","projectId":"p"}}"#, "Document.update", Some("d")),
        (
            r#"{"type":"AppUserNotification","action":"issueMention","appUserId":"u0",
                "notification":{"id":"n","issueId":"i","issue":{"id":"i","identifier":"KTL-7"}}}"#,
            "AppUserNotification.issueMention",
            Some("KTL-7"),
        ),
        (
            r#"{"type":"AppUserNotification","action":"documentMention","notification":{"id":"n","documentId":"d"}}"#,
            "AppUserNotification.documentMention",
            Some("d"),
        ),
        (
            r#"{"type":"IssueSLA","action":"breached","issueData":{"identifier":"KTL-7"}}"#,
            "IssueSLA.breached",
            Some("KTL-7"),
        ),
        (
            r#"{"type":"PermissionChange","action":"teamAccessChanged","appUserId":"u0","oauthClientId":"o"}"#,
            "PermissionChange.teamAccessChanged",
            Some("u0"),
        ),
        (r#"{"type":"a.b"}"#, "a_b", None),
        ("{}", "unknown", None),
    ] {
        let event = received(&delivery(body));
        let found = (event.kind.as_str(), event.subject.as_deref(), event.delivery_id.as_deref());
        assert_eq!(found, (kind, subject, Some("d1")), "{body}");
    }
}

/// A retry has another body, with the time of its signature.
#[test]
fn only_the_header_identifies_a_retry() {
    let key = |request: Request| received(&request).key;
    assert_eq!(key(delivery(r#"{"type":"Issue","webhookTimestamp":1000}"#)).as_deref(), Some("d1"));
    assert_eq!(key(delivery(r#"{"type":"Issue","webhookTimestamp":2000}"#)).as_deref(), Some("d1"));
    assert_eq!(key(Request::new("POST").with_body("{}")), None);
    assert_eq!(key(Request::new("POST").with_header("Linear-Delivery", "").with_body("{}")), None);
}

#[test]
fn facts_are_attributes() {
    for (priority, severity) in [
        ("0", Some("none")),
        ("1", Some("urgent")),
        ("2", Some("high")),
        ("3", Some("medium")),
        ("4", Some("low")),
        ("9", None),
    ] {
        let body = format!(
            r#"{{"type":"Issue","action":"update","actor":{{"id":"u1","name":"Ada"}},
                "data":{{"priority":{priority},"state":{{"name":"Todo"}}}}}}"#
        );
        let event = received(&delivery(body));
        assert_eq!(event.attribute("severity"), severity);
        assert_eq!((event.attribute("sender"), event.attribute("status")), (Some("u1"), Some("Todo")));
        assert_eq!(event.attribute("action"), Some("update"));
    }
}

#[test]
fn a_command_is_found_in_new_text_only() {
    for (body, expected) in [
        (r#""type":"Comment","action":"create","data":{"body":"Hm.\n\n/fix it"}"#, Some("it")),
        (r#""type":"Comment","action":"update","data":{"body":"/fix it"},"updatedFrom":{"body":"a"}"#, Some("it")),
        (r#""type":"Comment","action":"update","data":{"body":"/fix it"},"updatedFrom":{"body":"/fix it\n"}"#, None),
        (r#""type":"Comment","action":"update","data":{"body":"/fix it"},"updatedFrom":{"resolvedAt":null}"#, None),
        (r#""type":"Comment","action":"remove","data":{"body":"/fix it"}"#, None),
        (r#""type":"Issue","action":"create","data":{"description":"/fix it"}"#, Some("it")),
        (
            r#""type":"Issue","action":"update","data":{"description":"/fix it"},"updatedFrom":{"description":null}"#,
            Some("it"),
        ),
        (r#""type":"Issue","action":"update","data":{"description":"/fix it"},"updatedFrom":{"title":"a"}"#, None),
        (r#""type":"AgentSessionEvent","action":"created","agentSession":{"comment":{"body":"/fix it"}}"#, Some("it")),
        (
            r#""type":"AppUserNotification","action":"issueNewComment","notification":{"comment":{"body":"/fix it"}}"#,
            Some("it"),
        ),
        (
            r#""type":"AppUserNotification","action":"issueCommentReaction","notification":{"comment":{"body":"/fix it"}}"#,
            None,
        ),
        (
            r#""type":"AgentSessionEvent","action":"prompted","agentSession":{"comment":{"body":"/other"}},
                "agentActivity":{"content":{"type":"prompt","body":"/fix it"}}"#,
            Some("it"),
        ),
    ] {
        assert_eq!(received(&delivery(format!("{{{body}}}"))).attribute("commandargs"), expected, "{body}");
    }
}

#[test]
fn events_of_the_app_and_of_ignored_users_are_dropped() {
    for body in [
        r#"{"type":"Comment","action":"create","appUserId":"u0","actor":{"id":"u0"}}"#,
        r#"{"type":"AgentSessionEvent","action":"prompted","appUserId":"u0","agentSession":{},"agentActivity":{"userId":"u0"}}"#,
        r#"{"type":"Comment","action":"create","actor":{"id":"U9"}}"#,
        r#"{"type":"Comment","action":"create","data":{"userId":"u9"}}"#,
        r#"{"type":"Comment","action":"create","actor":{"id":[]},"data":{"userId":"u9"}}"#,
        r#"{"type":"AppUserNotification","action":"issueNewComment","appUserId":"u0","notification":{"actorId":"u0","userId":"u0"}}"#,
        r#"{"type":"AppUserNotification","action":"issueNewComment","notification":{"actor":{"id":"u9"},"userId":"u0"}}"#,
        r#"{"type":"Issue","action":"update","oauthClientId":"o","actor":{"id":"o","type":"OauthClient"}}"#,
    ] {
        let receipt = receive(&delivery(body).with_config("ignore_senders", r#"["u9"]"#)).unwrap();
        assert_eq!((receipt.events.len(), receipt.response), (0, Some(Response::new(200))), "{body}");
    }
    let other = delivery(r#"{"type":"Comment","action":"create","appUserId":"u0","actor":{"id":"u1"}}"#);
    assert_eq!(received(&other).kind, "Comment.create");
    let told = r#"{"type":"AppUserNotification","action":"issueMention","appUserId":"u0","notification":{"actorId":"u1","userId":"u0"}}"#;
    assert_eq!(received(&delivery(told)).attribute("sender"), Some("u1"));
}

#[test]
fn invalid_json_is_refused_and_other_json_is_kept() {
    for body in [&b"{"[..], b"", b"\xff"] {
        assert_eq!(receive(&delivery(body)).unwrap_err().status, 400);
    }
    let request = delivery("[]");
    assert_eq!(received(&request).kind, "unknown");
    assert_eq!(request.host().logged()[0].0, Level::Warn);
    assert_eq!(received(&delivery(r#"{"type":"Issue","data":[],"actor":"a","updatedFrom":7}"#)).kind, "Issue");
}
