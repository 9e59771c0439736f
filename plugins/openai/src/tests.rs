use gateway_plugin_sdk::agent::HttpError;

use super::*;

fn delivery() -> Delivery {
    Delivery::new("018f-1", "github.issues.opened").with_subject("octo/repo#7").with_config("model", "m-1")
}

/// The request that a delivery sends, and its body.
fn sent(delivery: Delivery) -> (HttpRequest, Value) {
    let delivery = delivery.with_remote(|_| Err(HttpError { code: String::from("timeout"), message: String::new() }));
    deliver(&delivery).unwrap_err();
    let request = delivery.sent().remove(0);
    let body = serde_json::from_slice(request.body.as_ref().unwrap().as_bytes()).unwrap();
    (request, body)
}

fn answered(api: &str, status: u16, body: Value) -> Delivered {
    let response = Response::new(status).with_body(body.to_string());
    deliver(&delivery().with_config("api", api).with_remote(move |_| Ok(response.clone())))
}

fn attributes(answer: &Answer) -> Vec<(&str, &str)> {
    answer.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn the_event_is_the_prompt_of_a_chat_completion() {
    let (request, body) = sent(delivery().with_config("instructions", "Be brief."));
    assert_eq!((&*request.method, &*request.url), ("POST", "https://api.openai.com/v1/chat/completions"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("idempotency-key"), Some("018f-1"));
    let expected = json!({
        "model": "m-1",
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": delivery().prompt().unwrap() }
        ],
        "user": "gw:github/octo/repo#7"
    });
    assert_eq!(body, expected);
}

#[test]
fn the_settings_choose_url_members_and_session() {
    let (request, body) = sent(
        delivery()
            .with_config("base_url", "http://127.0.0.1:8000/v1/")
            .with_config("api", "responses")
            .with_config("instructions", "Be brief.")
            .with_config("max_tokens", "500")
            .with_config("session", "safety_identifier")
            .with_config("session_header", "x-openclaw-session-key")
            .with_config("extra", r#"{"temperature": 0.2, "model": "m-2"}"#)
            .with_config("credential", "key"),
    );
    assert_eq!((&*request.url, request.credential.as_deref()), ("http://127.0.0.1:8000/v1/responses", Some("key")));
    assert_eq!(request.header("x-openclaw-session-key"), Some("gw:github/octo/repo#7"));
    let expected = json!({
        "model": "m-2",
        "instructions": "Be brief.",
        "input": delivery().prompt().unwrap(),
        "max_output_tokens": 500,
        "safety_identifier": "gw:github/octo/repo#7",
        "temperature": 0.2
    });
    assert_eq!(body, expected);

    let (_, body) = sent(delivery().with_config("max_tokens", "500").with_config("session", "none"));
    assert_eq!((&body["max_completion_tokens"], &body["user"]), (&json!(500), &Value::Null));
}

#[test]
fn an_invalid_setting_is_reported() {
    let refused = |delivery: Delivery| deliver(&delivery).unwrap_err();
    let missing = Failure::invalid("`model` is missing in the agent's `config`");
    assert_eq!(refused(Delivery::new("1", "k")), missing);
    let expected = Failure::invalid("`api` is `completions`: expected `chat` or `responses`");
    assert_eq!(refused(delivery().with_config("api", "completions")), expected);
}

#[test]
fn the_text_of_a_chat_completion_is_the_answer() {
    let reply = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "m-1-2026",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": "**Done**", "refusal": null }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 90, "completion_tokens": 3, "total_tokens": 93 }
    });
    let answer = answered("chat", 200, reply).unwrap();
    assert_eq!(
        (&*answer.content_type, answer.body.as_ref()),
        ("text/markdown; charset=utf-8", Some(&"**Done**".into()))
    );
    let expected = [
        ("model", "m-1-2026"),
        ("replyid", "chatcmpl-1"),
        ("finishreason", "stop"),
        ("inputtokens", "90"),
        ("outputtokens", "3"),
    ];
    assert_eq!(attributes(&answer), expected);

    for (message, finish, text, expected) in [
        (json!({ "content": "Half a" }), "length", "Half a", "length"),
        (json!({ "content": null }), "content_filter", "", "content_filter"),
        (json!({ "content": null, "refusal": "No." }), "stop", "No.", "refusal"),
        (json!({ "content": null, "tool_calls": [] }), "tool_calls", "", "tool_calls"),
    ] {
        let answer =
            answered("chat", 200, json!({ "choices": [{ "message": message, "finish_reason": finish }] })).unwrap();
        assert_eq!((answer.body.as_ref(), attributes(&answer)), (Some(&text.into()), vec![("finishreason", expected)]));
    }
}

#[test]
fn the_text_of_a_response_is_the_answer() {
    let reasoning =
        json!({ "type": "reasoning", "summary": [], "content": [{ "type": "reasoning_text", "text": "hm" }] });
    let reply = |status: &str, details: Value, part: Value| {
        json!({
            "id": "resp_1", "object": "response", "status": status, "model": "m-1", "error": null,
            "incomplete_details": details,
            "output": [reasoning, { "type": "message", "role": "assistant", "content": [part] }],
            "usage": { "input_tokens": 90, "output_tokens": 3 }
        })
    };
    let text = json!({ "type": "output_text", "text": "Done", "annotations": [] });
    for (reply, body, finish) in [
        (reply("completed", Value::Null, text.clone()), "Done", "completed"),
        (reply("incomplete", json!({ "reason": "max_output_tokens" }), text), "Done", "max_output_tokens"),
        (reply("completed", Value::Null, json!({ "type": "refusal", "refusal": "No." })), "No.", "refusal"),
    ] {
        let answer = answered("responses", 200, reply).unwrap();
        assert_eq!(answer.body, Some(body.into()));
        let expected = [
            ("model", "m-1"),
            ("replyid", "resp_1"),
            ("finishreason", finish),
            ("inputtokens", "90"),
            ("outputtokens", "3"),
        ];
        assert_eq!(attributes(&answer), expected);
    }
}

#[test]
fn an_error_quotes_the_message_of_the_vendor() {
    let error = |code: &str| json!({ "error": { "message": "It broke.", "type": "t", "code": code } });
    let refused = answered("chat", 404, error("model_not_found")).unwrap_err();
    assert_eq!(refused, Failure::reject("status", "answered 404: It broke."));
    let throttled = answered("chat", 429, json!({ "error": "slow down" })).unwrap_err();
    assert_eq!(throttled, Failure::retry("throttled", "answered 429: slow down", None));
    for (code, expected) in [
        ("server_error", Failure::retry("busy", "It broke.", None)),
        ("rate_limit_exceeded", Failure::retry("busy", "It broke.", None)),
        ("invalid_prompt", Failure::reject("answer", "It broke.")),
    ] {
        let mut reply = error(code);
        reply["status"] = "failed".into();
        assert_eq!(answered("responses", 200, reply).unwrap_err(), expected, "{code}");
    }
    for status in ["queued", "in_progress", "cancelled", "failed"] {
        let reply = json!({ "status": status, "error": null, "output": [] });
        let message = format!("the response is `{status}`, expected `completed`; `extra` must not set `background`");
        assert_eq!(answered("responses", 200, reply).unwrap_err(), Failure::reject("answer", message));
    }
    let unexpected = answered("chat", 200, json!({ "message": "welcome" })).unwrap_err();
    assert_eq!(unexpected, Failure::reject("answer", r#"answered 200 without a reply: {"message":"welcome"}"#));
}

/// A limit of tokens can cut a reply within a character.
#[test]
fn an_odd_text_costs_neither_the_reply_nor_the_reason() {
    let answered = |status, body: &[u8]| {
        let response = Response::new(status).with_body(body.to_vec());
        deliver(&delivery().with_remote(move |_| Ok(response.clone())))
    };
    for body in [
        &br#"{"choices":[{"message":{"content":"it boils \ud83d"},"finish_reason":"length"}]}"#[..],
        b"{\"choices\":[{\"message\":{\"content\":\"it boils \xf0\x9f\"},\"finish_reason\":\"length\"}]}",
    ] {
        assert_eq!(answered(200, body).unwrap().body, Some("it boils \u{fffd}".into()));
    }
    let refused = answered(400, br#"{"error":{"message":"cut \ud83d"}}"#).unwrap_err();
    assert_eq!(refused, Failure::reject("status", "answered 400: cut \u{fffd}"));
}
