use super::*;

fn delivery() -> Delivery {
    Delivery::new("018f-1", "github.issues.opened").with_subject("octo/repo#7").with_config("model", "claude-x")
}

/// The request that a delivery sends, and its body.
fn sent(delivery: Delivery) -> (HttpRequest, Value) {
    let delivery = delivery.with_remote(|_| Ok(Response::new(200).with_body(json!({ "content": [] }).to_string())));
    deliver(&delivery).unwrap();
    let request = delivery.sent().remove(0);
    let body = serde_json::from_slice(request.body.as_ref().unwrap().as_bytes()).unwrap();
    (request, body)
}

fn answered(status: u16, body: Value) -> Delivered {
    let response = Response::new(status).with_header("retry-after", "30").with_body(body.to_string());
    deliver(&delivery().with_remote(move |_| Ok(response.clone())))
}

#[test]
fn the_event_is_the_prompt_of_a_message() {
    let (request, body) = sent(delivery().with_config("instructions", "Be brief.").with_config("credential", "key"));
    assert_eq!((&*request.method, &*request.url), ("POST", "https://api.anthropic.com/v1/messages"));
    assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.credential.as_deref(), Some("key"));
    let user = body["metadata"]["user_id"].as_str().unwrap();
    assert!(user.starts_with("gw:") && !user.contains("octo"), "{user}");
    let expected = json!({
        "model": "claude-x",
        "max_tokens": 4096,
        "system": "Be brief.",
        "messages": [{ "role": "user", "content": delivery().prompt().unwrap() }],
        "metadata": { "user_id": user }
    });
    assert_eq!(body, expected);
}

#[test]
fn the_settings_take_precedence() {
    let (request, body) = sent(
        delivery()
            .with_config("base_url", "http://127.0.0.1:9000/")
            .with_config("max_tokens", "100")
            .with_config("headers", r#"{"Anthropic-Version": "2099-01-01"}"#)
            .with_config("extra", r#"{"temperature": 0}"#),
    );
    assert_eq!(
        (&*request.url, request.header("anthropic-version")),
        ("http://127.0.0.1:9000/v1/messages", Some("2099-01-01"))
    );
    assert_eq!((&body["max_tokens"], &body["temperature"], body.get("system")), (&json!(100), &json!(0), None));
    let failure = deliver(&Delivery::new("1", "k")).unwrap_err();
    assert_eq!(failure, Failure::invalid("`model` is missing in the agent's `config`"));
}

#[test]
fn the_text_of_the_reply_is_the_answer() {
    for stop in ["end_turn", "max_tokens", "refusal", "model_context_window_exceeded"] {
        let reply = json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x-1",
            "content": [{ "type": "thinking", "thinking": "hm" }, { "type": "text", "text": "One" }, { "type": "text", "text": " two" }],
            "stop_reason": stop, "stop_sequence": null, "usage": { "input_tokens": 90, "output_tokens": 3 }
        });
        let answer = answered(200, reply).unwrap();
        assert_eq!(
            (&*answer.content_type, answer.body.as_ref()),
            ("text/markdown; charset=utf-8", Some(&"One two".into()))
        );
        let expected = [
            ("model", "claude-x-1"),
            ("replyid", "msg_1"),
            ("finishreason", stop),
            ("inputtokens", "90"),
            ("outputtokens", "3"),
        ];
        let attributes: Vec<_> =
            answer.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(attributes, expected);
    }
}

#[test]
fn an_error_quotes_the_message_of_the_vendor() {
    let error =
        |kind: &str| json!({ "type": "error", "error": { "type": kind, "message": "It broke." }, "request_id": "r" });
    let after = Some(String::from("30"));
    for (status, kind, expected) in [
        (400, "invalid_request_error", Failure::reject("status", "answered 400: invalid_request_error: It broke.")),
        (401, "authentication_error", Failure::reject("status", "answered 401: authentication_error: It broke.")),
        (413, "request_too_large", Failure::reject("status", "answered 413: request_too_large: It broke.")),
        (
            429,
            "rate_limit_error",
            Failure::retry("throttled", "answered 429: rate_limit_error: It broke.", after.clone()),
        ),
        (500, "api_error", Failure::retry("status", "answered 500: api_error: It broke.", after.clone())),
        (529, "overloaded_error", Failure::retry("busy", "answered 529: overloaded_error: It broke.", after.clone())),
    ] {
        assert_eq!(answered(status, error(kind)).unwrap_err(), expected, "{status}");
    }
    let unexpected = answered(200, json!({ "welcome": 1 })).unwrap_err();
    assert_eq!(unexpected, Failure::reject("answer", r#"answered 200 without a reply: {"welcome":1}"#));
}

/// A limit of tokens can cut a reply within a character.
#[test]
fn an_odd_text_costs_neither_the_reply_nor_the_reason() {
    let answered = |status, body: &[u8]| {
        let response = Response::new(status).with_body(body.to_vec());
        deliver(&delivery().with_remote(move |_| Ok(response.clone())))
    };
    for body in
        [&br#"{"content":[{"text":"it boils \ud83d"}]}"#[..], b"{\"content\":[{\"text\":\"it boils \xf0\x9f\"}]}"]
    {
        assert_eq!(answered(200, body).unwrap().body, Some("it boils \u{fffd}".into()));
    }
    let refused = answered(400, br#"{"error":{"type":"invalid_request_error","message":"cut \ud83d"}}"#).unwrap_err();
    assert_eq!(refused, Failure::reject("status", "answered 400: invalid_request_error: cut \u{fffd}"));
}
