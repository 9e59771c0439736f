use gateway_plugin_sdk::Level;

use super::*;

fn request(body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST").with_header("content-type", "application/json").with_body(body)
}

/// Status and body of the response, and the event if there is one.
fn received(body: &str) -> (u16, String, Option<Event>) {
    let mut receipt = receive(&request(body).with_config("ignore_senders", r#"["9"]"#)).unwrap();
    let response = receipt.response.unwrap();
    let body = response.body.map(|body| String::from_utf8(body.as_bytes().to_vec()).unwrap()).unwrap_or_default();
    (response.status, body, receipt.events.pop())
}

#[test]
fn the_two_pings_get_different_answers() {
    assert_eq!(received(r#"{"type":1}"#), (200, r#"{"type":1}"#.to_owned(), None));
    let full = r#"{"application_id":"7","id":"1","token":"t","type":1,"user":{"id":"5"},"version":1}"#;
    assert_eq!(received(full), (200, r#"{"type":1}"#.to_owned(), None));
    assert_eq!(received(r#"{"version":1,"application_id":"7","type":0}"#), (204, String::new(), None));
    let event = r#"{"version":1,"application_id":"7","type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}"#;
    let (status, body, event) = received(event);
    assert_eq!((status, body.as_str(), event.unwrap().kind.as_str()), (204, "", "application_authorized"));
}

#[test]
fn an_interaction_is_deferred_and_is_an_event() {
    for (body, kind, subject, action, command) in [
        (
            r#"{"id":"1","type":2,"channel_id":"3","guild_id":"4","member":{"user":{"id":"5"}},
                "data":{"name":"Kettle","options":[{"name":"lid","type":1,"options":[
                {"name":"minutes","type":4,"value":5},{"name":"hard","type":5,"value":true}]}]}}"#,
            "interaction.command",
            "3",
            Some("Kettle"),
            Some(("kettle", "lid minutes:5 hard:true")),
        ),
        (
            r#"{"id":"1","type":3,"channel_id":"3","user":{"id":"5"},"data":{"custom_id":"descale"}}"#,
            "interaction.component",
            "3",
            Some("descale"),
            None,
        ),
        (
            r#"{"id":"1","type":5,"user":{"id":"5"},"data":{"custom_id":"form"}}"#,
            "interaction.modal",
            "5",
            Some("form"),
            None,
        ),
        (r#"{"id":"1","type":77,"guild_id":"4"}"#, "interaction.unknown", "4", None, None),
    ] {
        let (status, answer, event) = received(body);
        let event = event.unwrap();
        assert_eq!((status, answer.as_str()), (200, r#"{"type":5}"#));
        assert_eq!(
            (event.kind.as_str(), event.subject.as_deref(), event.key.as_deref()),
            (kind, Some(subject), Some("1"))
        );
        assert_eq!(event.attribute("action"), action);
        assert_eq!(event.attribute("command").zip(event.attribute("commandargs")), command, "{body}");
    }
}

#[test]
fn a_context_menu_tells_what_it_was_opened_on() {
    for (kind, name) in [(2, "Greet"), (3, "Report message")] {
        let body = format!(
            r#"{{"id":"1","type":2,"channel_id":"3","user":{{"id":"5"}},"data":{{"id":"4","name":"{name}","type":{kind},"target_id":"77"}}}}"#
        );
        let event = received(&body).2.unwrap();
        assert_eq!((event.kind.as_str(), event.attribute("target")), ("interaction.command", Some("77")));
        assert_eq!((event.attribute("action"), event.subject.as_deref()), (Some(name), Some("3")));
        assert_eq!(event.attribute("command"), Some(&*name.to_ascii_lowercase()));
    }
}

#[test]
fn autocompletion_produces_no_event() {
    let answer = r#"{"type":8,"data":{"choices":[]}}"#.to_owned();
    assert_eq!(received(r#"{"id":"1","type":4,"data":{"name":"kettle"}}"#), (200, answer, None));
}

#[test]
fn the_key_of_a_webhook_event_is_its_type_time_and_id() {
    for (event, kind, subject, key, command) in [
        (
            r#"{"type":"ENTITLEMENT_CREATE","timestamp":"T","data":{"id":"6","user_id":"5"}}"#,
            "entitlement_create",
            "5",
            "ENTITLEMENT_CREATE/T/6",
            None,
        ),
        (
            r#"{"type":"APPLICATION_AUTHORIZED","timestamp":"T","data":{"user":{"id":"5"},"guild":{"id":"4"}}}"#,
            "application_authorized",
            "4",
            "APPLICATION_AUTHORIZED/T/5",
            None,
        ),
        (
            r#"{"type":"LOBBY_MESSAGE_CREATE","timestamp":"T","data":{"id":"8","channel_id":"3","author":{"id":"5"},
                "content":"<@7> boil"}}"#,
            "lobby_message_create",
            "3",
            "LOBBY_MESSAGE_CREATE/T/8",
            Some("boil"),
        ),
        (
            r#"{"type":"LOBBY_MESSAGE_CREATE","timestamp":"T","data":{"id":"8","channel_id":"3","lobby_id":"2",
                "author":{"id":"5"},"content":"hi"}}"#,
            "lobby_message_create",
            "2",
            "LOBBY_MESSAGE_CREATE/T/8",
            None,
        ),
        (
            r#"{"type":"LOBBY_MESSAGE_DELETE","timestamp":"T","data":{"id":"8","lobby_id":"2"}}"#,
            "lobby_message_delete",
            "2",
            "LOBBY_MESSAGE_DELETE/T/8",
            None,
        ),
        (
            r#"{"type":"SOMETHING_DELETE","timestamp":"T","data":{"id":"8"}}"#,
            "something_delete",
            "8",
            "SOMETHING_DELETE/T/8",
            None,
        ),
        (
            r#"{"type":"LOBBY_MESSAGE_UPDATE","timestamp":"T","data":{"id":"8","channel_id":"3","content":"/fix it"}}"#,
            "lobby_message_update",
            "3",
            "LOBBY_MESSAGE_UPDATE/T/8",
            None,
        ),
    ] {
        let (status, _, found) = received(&format!(r#"{{"version":1,"application_id":"7","type":1,"event":{event}}}"#));
        let found = found.unwrap();
        assert_eq!((status, found.kind.as_str(), found.subject.as_deref()), (204, kind, Some(subject)));
        assert_eq!((found.key.as_deref(), found.attribute("commandargs")), (Some(key), command));
    }
}

#[test]
fn events_of_the_app_and_of_ignored_users_are_dropped() {
    for (body, answer) in [
        (
            r#"{"application_id":"7","type":1,"event":{"type":"LOBBY_MESSAGE_CREATE","data":{"author":{"id":"7"}}}}"#,
            204,
        ),
        (
            r#"{"application_id":"7","type":1,"event":{"type":"LOBBY_MESSAGE_CREATE","data":{"author":{"id":"9"}}}}"#,
            204,
        ),
        (
            r#"{"application_id":"7","type":1,"event":{"type":[],"data":{"author":{"id":{}},"user":"x","user_id":"9"}}}"#,
            204,
        ),
        (r#"{"id":"1","type":2,"member":{"user":{"id":"9"}}}"#, 200),
    ] {
        let (status, _, event) = received(body);
        assert_eq!((status, event), (answer, None), "{body}");
    }
}

#[test]
fn invalid_json_is_refused_and_other_json_is_kept() {
    for body in [&b"{"[..], b"", b"\xff"] {
        assert_eq!(receive(&request(body)).unwrap_err().status, 400);
    }
    let request = request("[]");
    assert_eq!(receive(&request).unwrap().events[0].kind, "interaction.unknown");
    assert_eq!(request.host().logged()[0].0, Level::Warn);
    let odd = r#"{"type":2,"data":{"name":"a\nb","options":"x"},"channel_id":{"a":1},"member":5}"#;
    let event = received(odd).2.unwrap();
    assert!(event.attribute("command").is_some_and(|command| !command.contains('\n')));
}
