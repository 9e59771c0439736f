use gateway_plugin_sdk::Level;

use super::*;

fn update(body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST").with_header("content-type", "application/json").with_body(body)
}

fn received(request: &Request) -> Event {
    receive(request).unwrap().into_event()
}

#[test]
fn the_kind_is_the_member_and_the_subject_is_the_chat() {
    for (member, kind, subject) in [
        (r#""message":{"chat":{"id":-1001234}}"#, "message", Some("-1001234")),
        (
            r#""message":{"chat":{"id":-1001234},"message_thread_id":7,"is_topic_message":true}"#,
            "message",
            Some("-1001234:7"),
        ),
        // A reply in a group without topics.
        (
            r#""message":{"chat":{"id":-1001234,"type":"supergroup"},"message_thread_id":7}"#,
            "message",
            Some("-1001234"),
        ),
        (r#""message":{"chat":{"id":5,"type":"private"},"message_thread_id":7}"#, "message", Some("5:7")),
        (r#""edited_message":{"chat":{"id":5}}"#, "edited_message", Some("5")),
        (
            r#""callback_query":{"id":"q","from":{"id":5},"message":{"chat":{"id":6},"message_thread_id":7,"is_topic_message":true}}"#,
            "callback_query",
            Some("6:7"),
        ),
        (
            r#""callback_query":{"id":"q","from":{"id":5},"message":{"chat":{"id":6},"message_thread_id":7}}"#,
            "callback_query",
            Some("6"),
        ),
        (r#""poll_answer":{"poll_id":"p","user":{"id":5},"option_ids":[0]}"#, "poll_answer", Some("p")),
        (r#""inline_query":{"id":"q","from":{"id":5}}"#, "inline_query", Some("5")),
        (r#""message_reaction":{"chat":{"id":6},"user":{"id":5}}"#, "message_reaction", Some("6")),
        (r#""poll":{"id":"p"}"#, "poll", Some("p")),
        (r#""something.new":{"x":1}"#, "something_new", None),
        (r#""message":"text""#, "message", None),
    ] {
        for body in [format!(r#"{{"update_id":10,{member}}}"#), format!(r#"{{{member},"update_id":10}}"#)] {
            let event = received(&update(body.as_str()));
            let found = (event.kind.as_str(), event.subject.as_deref(), event.delivery_id.as_deref());
            assert_eq!(found, (kind, subject, Some("10")), "{body}");
        }
    }
}

#[test]
fn facts_are_attributes() {
    let body = r#"{"update_id":1,"message":{"from":{"id":5,"is_bot":false,"username":"ada"},"chat":{"id":6},"message_thread_id":7,"is_topic_message":true}}"#;
    let facts = [("sender", "ada"), ("chat", "6"), ("thread", "7")];
    assert_eq!(received(&update(body)).attributes, facts.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let nameless = r#"{"update_id":1,"message":{"from":{"id":5},"chat":{"id":6}}}"#;
    assert_eq!(received(&update(nameless)).attribute("sender"), Some("5"));
}

#[test]
fn whoever_votes_reacts_or_boosts_is_the_sender() {
    for (member, sender) in [
        (r#""poll_answer":{"poll_id":"p","user":{"id":5,"username":"ada"}}"#, Some("ada")),
        (r#""poll_answer":{"poll_id":"p","voter_chat":{"id":-7,"username":"news"}}"#, Some("news")),
        (r#""message_reaction":{"chat":{"id":6},"message_id":1,"user":{"id":5}}"#, Some("5")),
        (r#""message_reaction":{"chat":{"id":6},"message_id":1,"actor_chat":{"id":-7}}"#, Some("-7")),
        (r#""chat_boost":{"chat":{"id":6},"boost":{"source":{"source":"premium","user":{"id":5}}}}"#, Some("5")),
        (r#""removed_chat_boost":{"chat":{"id":6},"source":{"user":{"id":5}}}"#, Some("5")),
        (r#""message_reaction_count":{"chat":{"id":6},"message_id":1}"#, None),
        (r#""poll":{"id":"p"}"#, None),
    ] {
        let request = update(format!(r#"{{"update_id":1,{member}}}"#));
        assert_eq!(received(&request).attribute("sender"), sender, "{member}");
        let request = request.with_config("ignore_senders", r#"["ADA", "@news", 5, -7]"#);
        assert_eq!(receive(&request).unwrap().events.len(), usize::from(sender.is_none()), "{member}");
    }
}

#[test]
fn a_command_is_found_in_a_new_message() {
    let text = |text: &str| format!(r#"{{"update_id":1,"message":{{"chat":{{"id":6}},"text":"{text}"}}}}"#);
    for (body, expected) in [
        (text("/fix it"), Some(("fix", "it"))),
        (text("Hm.\\n/fix it"), Some(("fix", "it"))),
        (text(" /fix@Kettle_bot it"), Some(("fix", "it"))),
        (text("/fix@other_bot it"), None),
        (text("@kettle_bot fix it"), Some(("kettle_bot", "fix it"))),
        (text("@ada thanks"), None),
        (text("/stop it"), None),
        (text("mail@example.org"), None),
        (text("/fix it").replace("text\"", "caption\""), Some(("fix", "it"))),
        (text("/fix it").replace("message", "channel_post"), Some(("fix", "it"))),
        (text("/fix it").replace("message", "edited_message"), None),
    ] {
        let request =
            update(body.as_str()).with_config("bot", "@kettle_bot").with_config("commands", r#"["fix", "kettle_bot"]"#);
        let event = received(&request);
        assert_eq!(event.attribute("command").zip(event.attribute("commandargs")), expected, "{body}");
    }
    assert_eq!(received(&update(text("/fix@any_bot it"))).attribute("command"), Some("fix"));
}

#[test]
fn updates_of_bots_and_of_ignored_accounts_are_dropped() {
    let twice = r#"{"update_id":1,"message":{"from":{"id":5}},"message":{"from":{"id":9}}}"#;
    assert_eq!(receive(&update(twice).with_config("ignore_senders", "[9]")).unwrap(), Receipt::empty());
    for from in [r#"{"id":1,"is_bot":true}"#, r#"{"id":9}"#, r#"{"id":1,"username":"Kettle"}"#] {
        let body = format!(r#"{{"update_id":1,"message":{{"chat":{{"id":6}},"from":{from}}}}}"#);
        let request = update(body).with_config("ignore_senders", r#"["9", "kettle"]"#);
        assert_eq!(receive(&request).unwrap(), Receipt::empty(), "{from}");
    }
    let odd = r#"{"something":1,"message":{"chat":[],"from":{"id":9},"text":{}},"more":{},"update_id":"x"}"#;
    assert_eq!(receive(&update(odd).with_config("ignore_senders", r#"["9"]"#)).unwrap(), Receipt::empty());
    let in_the_name_of_a_chat =
        r#"{"update_id":1,"message":{"from":{"id":9,"is_bot":true},"sender_chat":{"id":-6,"username":"kettle"}}}"#;
    let request = update(in_the_name_of_a_chat).with_config("ignore_senders", r#"["kettle"]"#);
    assert_eq!(receive(&request).unwrap(), Receipt::empty());
    // The bot itself wrote it, in the name of the business.
    let business = r#"{"update_id":1,"business_message":{"from":{"id":5},"sender_business_bot":{"id":1,"is_bot":true},"chat":{"id":6}}}"#;
    assert_eq!(receive(&update(business)).unwrap(), Receipt::empty());
    // Who writes in the name of a chat is known in few chats.
    let known = r#"{"update_id":1,"message":{"from":{"id":9},"sender_chat":{"id":-6},"chat":{"id":6}}}"#;
    assert_eq!(receive(&update(known).with_config("ignore_senders", "[9]")).unwrap(), Receipt::empty());
    // The bot wrote the message with the button, but a person sent the query.
    let query = r#"{"update_id":1,"callback_query":{"from":{"id":5},"message":{"from":{"id":1,"is_bot":true},"chat":{"id":6}}}}"#;
    assert_eq!(received(&update(query)).kind, "callback_query");
}

/// Telegram sends their messages through a bot of its own.
#[test]
fn anonymous_administrators_and_channels_are_people() {
    for (members, sender) in [
        (r#""from":{"id":1087968824,"is_bot":true,"username":"GroupAnonymousBot"},"sender_chat":{"id":6}"#, "6"),
        (
            r#""from":{"id":136817688,"is_bot":true,"username":"Channel_Bot"},"sender_chat":{"id":-7,"username":"news"}"#,
            "news",
        ),
        (r#""from":{"id":1087968824,"is_bot":true,"username":"GroupAnonymousBot"}"#, "GroupAnonymousBot"),
        (r#""from":{"id":136817688,"is_bot":true}"#, "136817688"),
    ] {
        let event = received(&update(format!(
            r#"{{"update_id":1,"message":{{"chat":{{"id":6}},{members},"text":"/fix it"}}}}"#
        )));
        let found = ["sender", "command", "commandargs"].map(|name| event.attribute(name));
        assert_eq!(found, [Some(sender), Some("fix"), Some("it")], "{members}");
    }
}

#[test]
fn invalid_json_is_refused_and_other_json_is_kept() {
    for body in [&b"{"[..], b"", b"\xff"] {
        assert_eq!(receive(&update(body)).unwrap_err().status, 400);
    }
    let request = update("[]");
    assert_eq!(received(&request).kind, "unknown");
    assert_eq!(request.host().logged()[0].0, Level::Warn);
    for body in ["{}", r#"{"update_id":{}}"#, r#"{"":{},"a":1}"#] {
        assert!(!received(&update(body)).kind.is_empty(), "{body}");
    }
}
