use gateway_plugin_sdk::Level;

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";

fn events(body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST").with_header("content-type", "application/json").with_body(body)
}

fn form(body: &str) -> Request {
    Request::new("POST").with_header("content-type", FORM).with_body(body)
}

/// An `event_callback` for the app A1 in the team T1, whose bot is U0.
fn callback(event: &str) -> Request {
    events(format!(
        r#"{{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev1",
            "authorizations":[{{"user_id":"U9","is_bot":false}},{{"user_id":"U0","is_bot":true}}],"event":{event}}}"#
    ))
}

fn interaction(json: &str) -> Request {
    let encoded: String = json.bytes().map(|byte| format!("%{byte:02X}")).collect();
    form(&format!("payload={encoded}"))
}

fn received(request: &Request) -> Event {
    receive(request).unwrap().into_event()
}

#[test]
fn the_handshakes_are_answered() {
    let receipt = receive(&events(r#"{"type":"url_verification","token":"t","challenge":"3eZbrw1aB"}"#)).unwrap();
    let response = receipt.response.unwrap();
    assert_eq!((receipt.events.len(), response.status), (0, 200));
    assert_eq!(response.header("content-type"), Some("text/plain"));
    assert_eq!(response.body.unwrap().as_bytes(), b"3eZbrw1aB");

    let receipt = receive(&form("ssl_check=1&token=t")).unwrap();
    assert_eq!((receipt.events.len(), receipt.response), (0, Some(Response::new(200))));

    let refused = receive(&events(r#"{"type":"url_verification"}"#)).unwrap_err();
    assert_eq!(refused, Rejection::at(422, "/challenge", "expected a string"));
}

#[test]
fn a_menu_that_requests_its_options_gets_none_and_no_event() {
    for kind in ["block_suggestion", "dialog_suggestion"] {
        let json =
            format!(r#"{{"type":"{kind}","team":{{"id":"T1"}},"user":{{"id":"U1"}},"action_id":"a","value":"x"}}"#);
        let receipt = receive(&interaction(&json).with_config("ignore_senders", r#"["U1"]"#)).unwrap();
        let response = receipt.response.unwrap();
        assert_eq!((receipt.events.len(), response.status), (0, 200), "{kind}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.body.unwrap().as_bytes(), br#"{"options":[]}"#);
    }
}

#[test]
fn kind_subject_and_key_come_from_the_event() {
    for (event, kind, subject, key) in [
        (
            r#"{"type":"message","channel":"C1","ts":"1.2","text":"hi","user":"U1"}"#,
            "message",
            "T1:C1:1.2",
            "T1/C1/1.2",
        ),
        (r#"{"type":"message","channel":"C1","ts":"1.3","thread_ts":"1.2"}"#, "message", "T1:C1:1.2", "T1/C1/1.3"),
        (r#"{"type":"message","channel":"D1","ts":"1.2"}"#, "message", "T1:D1", "T1/D1/1.2"),
        (r#"{"type":"message","channel":"X1","channel_type":"im","ts":"1.2"}"#, "message", "T1:X1", "T1/X1/1.2"),
        (
            r#"{"type":"message","subtype":"file_share","channel":"C1","ts":"1.2"}"#,
            "message.file_share",
            "T1:C1:1.2",
            "T1/C1/1.2",
        ),
        (
            r#"{"type":"message","subtype":"channel_join","channel":"C1","ts":"1.2"}"#,
            "message.channel_join",
            "T1:C1:1.2",
            "Ev1",
        ),
        (
            r#"{"type":"message","subtype":"message_changed","channel":"C1","ts":"1.9","message":{"ts":"1.2"}}"#,
            "message.message_changed",
            "T1:C1:1.2",
            "Ev1",
        ),
        (
            r#"{"type":"message","subtype":"message_deleted","channel":"C1","ts":"1.9","deleted_ts":"1.2"}"#,
            "message.message_deleted",
            "T1:C1:1.2",
            "Ev1",
        ),
        (r#"{"type":"app_mention","channel":"C1","ts":"1.2"}"#, "app_mention", "T1:C1:1.2", "T1/C1/1.2"),
        (
            r#"{"type":"app_mention","channel":"C1","ts":"1.2","edited":{"ts":"1.5"}}"#,
            "app_mention",
            "T1:C1:1.2",
            "T1/C1/1.2/1.5",
        ),
        (
            r#"{"type":"reaction_added","item":{"type":"message","channel":"C1","ts":"1.2"},"event_ts":"1.9"}"#,
            "reaction_added",
            "T1:C1:1.2",
            "Ev1",
        ),
        (r#"{"type":"channel_created","channel":{"id":"C1","name":"new"}}"#, "channel_created", "T1:C1", "Ev1"),
        (r#"{"type":"team_join","user":{"id":"U1"}}"#, "team_join", "T1:U1", "Ev1"),
        (r#"{"type":"user_change","user":{"id":"U1"}}"#, "user_change", "T1:U1", "Ev1"),
        (
            r#"{"type":"subteam_members_changed","subteam_id":"S1","team_id":"T1"}"#,
            "subteam_members_changed",
            "T1:S1",
            "Ev1",
        ),
        (r#"{"type":"emoji_changed","subtype":"add","name":"kettle"}"#, "emoji_changed.add", "T1", "Ev1"),
        (r#"{"type":"file_created","file_id":"F1","user_id":"U1","file":{"id":"F1"}}"#, "file_created", "T1:F1", "Ev1"),
        (r#"{"type":"file_shared","channel_id":"C1","file_id":"F1","user_id":"U1"}"#, "file_shared", "T1:F1", "Ev1"),
        (r#"{"type":"file_change","file":{"id":"F1"}}"#, "file_change", "T1:F1", "Ev1"),
        (
            r#"{"type":"star_added","user":"U1","item":{"type":"file","file":{"id":"F1"}}}"#,
            "star_added",
            "T1:F1",
            "Ev1",
        ),
        (
            r#"{"type":"pin_added","user":"U1","channel_id":"C1","item":{"type":"message","channel":"C1","created":9,
                "message":{"ts":"1.2","user":"U2","text":"hi"}}}"#,
            "pin_added",
            "T1:C1:1.2",
            "Ev1",
        ),
        (
            r#"{"type":"link_shared","channel":"C1","user":"U1","message_ts":"1.2","event_ts":"1.9"}"#,
            "link_shared",
            "T1:C1:1.2",
            "Ev1",
        ),
        (
            r#"{"type":"assistant_thread_started","assistant_thread":{"channel_id":"D1","thread_ts":"1.2"}}"#,
            "assistant_thread_started",
            "T1:D1",
            "Ev1",
        ),
        (r#"{"type":5.5}"#, "unknown", "T1", "Ev1"),
        (r#"{"type":"a.b\n"}"#, "a_b_", "T1", "Ev1"),
    ] {
        let received = received(&callback(event));
        let found = (received.kind.as_str(), received.subject.as_deref(), received.key.as_deref());
        assert_eq!(found, (kind, Some(subject), Some(key)), "{event}");
        assert_eq!((received.data, received.delivery_id), (None, None));
    }
}

#[test]
fn a_mention_that_arrives_twice_is_one_event() {
    const TEXT: &str = r#""channel":"C1","ts":"1.2","user":"U1","text":"hey <@U0>, look""#;
    let mention = received(&callback(&format!(r#"{{"type":"app_mention",{TEXT}}}"#)));
    let message = received(&callback(&format!(r#"{{"type":"message","channel_type":"channel",{TEXT}}}"#)));
    assert_eq!(message, mention);
    assert_eq!(message.kind, "app_mention");

    for other in ["hey <@U00>", "hey U0", "hey <@U1>"] {
        let event = format!(r#"{{"type":"message","channel":"C1","ts":"1.2","text":"{other}"}}"#);
        assert_eq!(received(&callback(&event)).kind, "message", "{other}");
    }
    let direct = r#"{"type":"message","channel":"D1","ts":"1.2","text":"<@U0> hi"}"#;
    assert_eq!(received(&callback(direct)).kind, "message");
}

#[test]
fn an_edited_mention_is_one_event_and_a_link_preview_is_not_an_edit() {
    let changed = |channel: &str, edited: &str, before: &str, text: &str| {
        received(&callback(&format!(
            r#"{{"type":"message","subtype":"message_changed","channel":"{channel}","ts":"1.9",
                "message":{{"ts":"1.2","user":"U1","text":"{text}"{edited}}},
                "previous_message":{{"ts":"1.2","user":"U1","text":"hey"{before}}}}}"#
        )))
    };
    let [first, second] = ["1.4", "1.5"].map(|ts| format!(r#","edited":{{"user":"U1","ts":"{ts}"}}"#));
    let text = "<@U0> fix it";
    let mention = received(&callback(&format!(
        r#"{{"type":"app_mention","channel":"C1","ts":"1.2","user":"U1","text":"{text}"{second}}}"#
    )));
    assert_eq!((mention.kind.as_str(), mention.key.as_deref()), ("app_mention", Some("T1/C1/1.2/1.5")));
    assert_eq!(changed("C1", &second, "", text), mention);
    assert_eq!(changed("C1", &second, &first, text), mention);

    for other in [
        changed("C1", "", "", text),
        changed("C1", &second, &second, text),
        changed("C1", &second, "", "hey"),
        changed("D1", &second, "", text),
    ] {
        assert_eq!((other.kind.as_str(), other.key.as_deref()), ("message.message_changed", Some("Ev1")));
    }
}

#[test]
fn facts_are_attributes() {
    let event = received(&callback(r#"{"type":"message","channel":"C1","ts":"1.3","thread_ts":"1.2","user":"U1"}"#));
    let facts = [("sender", "U1"), ("team", "T1"), ("chat", "C1"), ("thread", "1.2")];
    assert_eq!(event.attributes, facts.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_command_is_found_in_new_and_edited_messages() {
    let message = |text: &str| format!(r#"{{"type":"message","channel":"C1","ts":"1.2","text":"{text}"}}"#);
    let changed = |before: &str, after: &str| {
        format!(
            r#"{{"type":"message","subtype":"message_changed","channel":"C1","message":{{"ts":"1.2","text":"{after}"}},
                "previous_message":{{"ts":"1.2","text":"{before}"}}}}"#
        )
    };
    for (event, expected) in [
        (message("<@U0> fix a &amp; b"), Some(("mention", "fix a & b"))),
        (message("<@U0|kettle>: fix it"), Some(("kettle", "fix it"))),
        (message("/fix it"), Some(("fix", "it"))),
        (message("&gt; /fix it"), None),
        (message("```/fix it```"), None),
        (message("```a\\n/fix it```\\n/fix that"), Some(("fix", "that"))),
        (message("<@U1> fix it"), None),
        (changed("/fix it", "/fix it, please"), Some(("fix", "it, please"))),
        (changed("/fix it", "/fix it"), None),
        (r#"{"type":"message","subtype":"channel_topic","channel":"C1","text":"/fix it"}"#.to_owned(), None),
    ] {
        let event = received(&callback(&event));
        let found = event.attribute("command").zip(event.attribute("commandargs"));
        assert_eq!(found, expected, "{event:?}");
    }
    let request =
        callback(&message("<@U7> fix it")).with_config("mention", "U7").with_config("commands", r#"["triage"]"#);
    assert_eq!(received(&request).attribute("command"), Some("triage"));
}

#[test]
fn messages_of_the_app_itself_are_dropped() {
    for event in [
        r#"{"type":"message","user":"U0","channel":"C1","ts":"1"}"#,
        r#"{"type":"message","bot_id":"B1","app_id":"A1","channel":"C1","ts":"1"}"#,
        r#"{"type":"message","bot_id":"B1","bot_profile":{"app_id":"A1"},"channel":"C1","ts":"1"}"#,
        r#"{"type":"message","subtype":"bot_message","bot_id":"B7","channel":"C1","ts":"1"}"#,
        r#"{"type":"message","subtype":"message_changed","channel":"C1","message":{"app_id":"A1","ts":"1"}}"#,
        r#"{"type":"message","subtype":"message_deleted","channel":"C1","previous_message":{"user":"U0","ts":"1"}}"#,
        r#"{"type":"reaction_added","user":"U0","item":{"channel":"C1","ts":"1"}}"#,
        r#"{"type":"message","bot_id":"B9","app_id":"A9","channel":"C1","ts":"1"}"#,
        r#"{"type":"file_shared","user_id":"U0","channel_id":"C1","file_id":"F1"}"#,
        r#"{"type":"file_shared","user":{},"user_id":"B9","channel_id":"C1","file_id":"F1"}"#,
        r#"{"type":"assistant_thread_started","assistant_thread":{"user_id":"B9","channel_id":"D1"}}"#,
    ] {
        let receipt = receive(&callback(event).with_config("ignore_senders", r#"["B9"]"#)).unwrap();
        assert_eq!(receipt, Receipt::empty(), "{event}");
    }
    let own = callback(r#"{"type":"message","user":"U0","channel":"C1","ts":"1"}"#).with_config("mention", "U7");
    assert_eq!(receive(&own).unwrap(), Receipt::empty());
    let other_app = r#"{"type":"message","bot_id":"B9","app_id":"A9","channel":"C1","ts":"1"}"#;
    assert_eq!(received(&callback(other_app)).kind, "message");
    let shortcut = r#"{"type":"shortcut","user":{"id":"U1"}}"#;
    let receipt = receive(&interaction(shortcut).with_config("ignore_senders", r#"["U1"]"#)).unwrap();
    assert_eq!((receipt.events.len(), receipt.response), (0, Some(Response::new(200))));
    let receipt = receive(&form("command=%2Ffix&user_id=U1").with_config("ignore_senders", r#"["u1"]"#)).unwrap();
    assert_eq!((receipt.events.len(), receipt.response), (0, Some(Response::new(200))));
}

#[test]
fn posts_of_incoming_webhooks_can_be_kept() {
    const POST: &str =
        r#"{"type":"message","subtype":"bot_message","bot_id":"B7","channel":"C1","ts":"1.2","text":"/fix it"}"#;
    let kept =
        |event: &str| callback(event).with_config("bot_messages", "true").with_config("ignore_senders", r#"["B9"]"#);
    let event = received(&kept(POST));
    assert_eq!((event.kind.as_str(), event.key.as_deref()), ("message.bot_message", Some("T1/C1/1.2")));
    assert_eq!(event.attribute("command"), Some("fix"));
    let changed = r#"{"type":"message","subtype":"message_changed","channel":"C1","message":{"subtype":"bot_message","ts":"1.2"}}"#;
    assert_eq!(received(&kept(changed)).kind, "message.message_changed");

    for dropped in [
        callback(POST),
        callback(POST).with_config("bot_messages", "false"),
        kept(&POST.replace("B7", "B9")),
        kept(&POST.replace(r#""bot_id":"B7""#, r#""bot_id":"B1","app_id":"A1""#)),
    ] {
        assert_eq!(receive(&dropped).unwrap(), Receipt::empty());
    }
}

#[test]
fn an_organization_takes_the_place_of_a_team() {
    let sent = |members: &str, event: &str| {
        events(format!(r#"{{"type":"event_callback","event_id":"Ev1",{members},"event":{event}}}"#))
    };
    let told = r#"{"type":"team_access_granted","team_ids":["T1","T2"]}"#;
    let message = r#"{"type":"message","channel":"C1","ts":"1.2","user":"U1"}"#;
    for (members, event, subject) in [
        (r#""team_id":null,"enterprise_id":"E1""#, told, "E1"),
        (r#""enterprise_id":"E1""#, r#"{"type":"user_change","user":{"id":"U1"}}"#, "E1:U1"),
        (r#""enterprise_id":"E1","context_team_id":"T1""#, message, "T1:C1:1.2"),
        (r#""context_team_id":null,"context_enterprise_id":"E1""#, message, "E1:C1:1.2"),
        (r#""team_id":"T1","enterprise_id":"E1""#, message, "T1:C1:1.2"),
    ] {
        let event = received(&sent(members, event));
        assert_eq!((event.subject.as_deref(), event.attribute("team")), (Some(subject), subject.split(':').next()));
    }
    let command = "command=%2Ffix&channel_id=C1&enterprise_id=E1&is_enterprise_install=true&trigger_id=1";
    assert_eq!(received(&form(command)).subject.as_deref(), Some("E1:C1"));
}

/// An event of an unexpected shape is dropped, too.
#[test]
fn an_ignored_sender_stays_ignored() {
    for body in [
        r#"{"type":"something_new","event":{"type":"message","user":"U9"}}"#,
        r#"{"event":{"type":[],"user":{"id":"U9"},"channel":{}}}"#,
        r#"{"type":"event_callback","event":{"user":7.5,"user_id":"U9"},"authorizations":"none"}"#,
    ] {
        let request = events(body).with_config("ignore_senders", r#"["U9"]"#);
        assert_eq!(receive(&request).unwrap(), Receipt::empty(), "{body}");
    }
}

#[test]
fn a_reached_rate_limit_is_an_event_of_the_team() {
    let event = received(&events(
        r#"{"type":"app_rate_limited","team_id":"T1","minute_rate_limited":1518467820,"api_app_id":"A1"}"#,
    ));
    assert_eq!((event.kind.as_str(), event.subject.as_deref()), ("app_rate_limited", Some("T1")));
    assert_eq!(event.key.as_deref(), Some("app_rate_limited/T1/1518467820"));
}

#[test]
fn a_slash_command_gets_an_empty_response_and_is_an_event() {
    let body = "token=xyz&team_id=T1&channel_id=C1&user_id=U1&command=%2FFix-it&text=the+leak%0Anow&trigger_id=1.2.a";
    let receipt = receive(&form(body)).unwrap();
    let event = &receipt.events[0];
    assert_eq!(receipt.response, Some(Response::new(200)));
    assert_eq!((event.kind.as_str(), event.subject.as_deref()), ("command./Fix-it", Some("T1:C1")));
    assert_eq!(event.key.as_deref(), Some("1.2.a"));
    assert_eq!(event.attribute("command"), Some("fix-it"));
    assert_eq!(event.attribute("commandargs"), Some("the leak now"));
    let data: Value = serde_json::from_slice(event.data.as_ref().unwrap().as_bytes()).unwrap();
    assert_eq!(data["text"], "the leak\nnow");
    assert_eq!(data.get("token"), None);

    // `/Заказ` and `/Счёт`.
    let other = |name: &str| received(&form(&format!("command=%2F{name}&text=it&trigger_id=1")));
    let [order, bill] = ["%D0%97%D0%B0%D0%BA%D0%B0%D0%B7", "%D0%A1%D1%87%D1%91%D1%82"].map(other);
    assert_eq!((order.kind.as_str(), order.attribute("command")), ("command./Заказ", Some("заказ")));
    assert_eq!((bill.kind.as_str(), bill.attribute("command")), ("command./Счёт", Some("счёт")));
}

#[test]
fn an_interaction_gets_an_empty_response_and_is_an_event() {
    for (json, kind, subject, key, action) in [
        (
            r#"{"type":"block_actions","team":{"id":"T1"},"channel":{"id":"C1"},"trigger_id":"1.2",
                "message":{"ts":"1.5","thread_ts":"1.4"},"actions":[{"action_id":"approve"}]}"#,
            "interactive.block_actions",
            "T1:C1:1.4",
            "1.2",
            Some("approve"),
        ),
        (
            r#"{"type":"block_actions","team":{"id":"T1"},"container":{"channel_id":"C1","message_ts":"1.5"},"trigger_id":"1.2"}"#,
            "interactive.block_actions",
            "T1:C1:1.5",
            "1.2",
            None,
        ),
        (
            r#"{"type":"message_action","team":{"id":"T1"},"channel":{"id":"C1"},"callback_id":"file","message":{"ts":"1.5"},
                "trigger_id":"1.2"}"#,
            "interactive.message_action",
            "T1:C1:1.5",
            "1.2",
            Some("file"),
        ),
        (
            r#"{"type":"view_submission","team":{"id":"T1"},"view":{"id":"V2","hash":"h","root_view_id":"V1","callback_id":"m"},
                "trigger_id":"1.2"}"#,
            "interactive.view_submission",
            "T1:V1",
            "view_submission/V2/h",
            Some("m"),
        ),
        (
            r#"{"type":"view_closed","team":{"id":"T1"},"view":{"id":"V2","hash":"h"}}"#,
            "interactive.view_closed",
            "T1:V2",
            "view_closed/V2/h",
            None,
        ),
        (
            r#"{"type":"shortcut","team":null,"enterprise":{"id":"E1"},"is_enterprise_install":true,
                "user":{"id":"U1","team_id":"T1"},"callback_id":"new","trigger_id":"1.2"}"#,
            "interactive.shortcut",
            "E1:U1",
            "1.2",
            Some("new"),
        ),
        (
            r#"{"type":"shortcut","team":{"id":"T1"},"callback_id":"new","trigger_id":"1.2"}"#,
            "interactive.shortcut",
            "T1",
            "1.2",
            Some("new"),
        ),
    ] {
        let receipt = receive(&interaction(json)).unwrap();
        let event = &receipt.events[0];
        assert_eq!(receipt.response, Some(Response::new(200)));
        let found = (event.kind.as_str(), event.subject.as_deref(), event.key.as_deref(), event.attribute("action"));
        assert_eq!(found, (kind, Some(subject), Some(key), action), "{json}");
        assert_eq!(event.data.as_ref().unwrap().as_bytes(), json.as_bytes());
    }
}

#[test]
fn unexpected_bodies_are_refused_or_kept() {
    let refused = |request: &Request| receive(request).unwrap_err().status;
    assert_eq!(refused(&events("{")), 400);
    assert_eq!(refused(&events(b"\xff".to_vec())), 400);
    assert_eq!(refused(&form("a=1")), 400);
    assert_eq!(refused(&form("payload=%7B")), 400);
    for body in ["[]", r#"{"type":{}}"#, r#"{"type":"event_callback","event":"none"}"#, &"[[".repeat(500), "{}"] {
        let request = events(body);
        match receive(&request) {
            Ok(receipt) => assert_eq!(receipt.events.len(), 1, "{body:.40}"),
            Err(refused) => assert_eq!(refused.status, 400, "{body:.40}"),
        }
    }
    let request = events("[]");
    assert_eq!(received(&request).kind, "unknown");
    assert_eq!(request.host().logged()[0].0, Level::Warn);
}
