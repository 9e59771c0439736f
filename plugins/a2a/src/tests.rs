use std::cell::Cell;

use super::*;

fn delivery() -> Delivery {
    Delivery::new("018f-1", "github.issues.opened")
        .with_subject("octo/repo#7")
        .with_config("url", "http://127.0.0.1:9000/a2a")
}

/// Delivers to an agent that gives these answers in order, and repeats the last; returns the requests and the number of pauses.
fn exchange(delivery: Delivery, answers: &[Value]) -> (Delivered, Vec<(HttpRequest, Value)>, u32) {
    let (number, answers) = (Cell::new(0), answers.to_vec());
    let delivery = delivery.with_remote(move |_| {
        let answer = &answers[number.get().min(answers.len() - 1)];
        number.set(number.get() + 1);
        Ok(Response::new(200).with_body(answer.to_string()))
    });
    let pauses = Cell::new(0);
    let delivered = deliver(&delivery, |_| pauses.set(pauses.get() + 1));
    let with_body = |request: HttpRequest| {
        let body = request.body.as_ref().map(|body| serde_json::from_slice(body.as_bytes()).unwrap());
        (request, body.unwrap_or(Value::Null))
    };
    (delivered, delivery.sent().into_iter().map(with_body).collect(), pauses.get())
}

fn result(result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": "018f-1", "result": result })
}

fn task(state: &str) -> Value {
    json!({ "id": "t-1", "contextId": "c-1", "status": { "state": state } })
}

fn attributes(delivered: Delivered) -> Vec<(String, String)> {
    delivered.unwrap().attributes
}

#[test]
fn a_message_of_version_1_0_is_sent_and_its_reply_is_the_answer() {
    let reply = json!({ "message": { "messageId": "m-9", "role": "ROLE_AGENT", "parts": [{ "text": "Done" }, { "text": "really" }] } });
    let (delivered, requests, _) = exchange(delivery().with_config("instructions", "Sort it."), &[result(reply)]);

    let (request, body) = &requests[0];
    assert_eq!((&*request.method, &*request.url), ("POST", "http://127.0.0.1:9000/a2a"));
    assert_eq!(request.header("a2a-version"), Some("1.0"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let expected = json!({
        "jsonrpc": "2.0",
        "id": "018f-1",
        "method": "SendMessage",
        "params": {
            "message": {
                "messageId": "018f-1",
                "contextId": "gw:github/octo/repo#7",
                "role": "ROLE_USER",
                "parts": [
                    { "text": "Sort it.", "mediaType": "text/plain" },
                    { "text": delivery().prompt().unwrap(), "mediaType": "text/plain" }
                ]
            },
            "configuration": { "acceptedOutputModes": ["text/markdown", "text/plain", "application/json"] }
        }
    });
    assert_eq!(*body, expected);
    let answer = delivered.unwrap();
    assert_eq!((&*answer.content_type, answer.body), ("text/markdown; charset=utf-8", Some("Done\n\nreally".into())));
}

#[test]
fn the_setting_selects_version_0_3() {
    let reply = json!({ "kind": "message", "messageId": "m-9", "role": "agent", "parts": [{ "kind": "data", "data": { "ok": true } }] });
    let old = delivery().with_config("version", "0.3").with_config("session", "none");
    let (delivered, requests, _) = exchange(old, &[result(reply)]);

    let (request, body) = &requests[0];
    assert_eq!((request.header("a2a-version"), &body["method"]), (None, &json!("message/send")));
    let message = &body["params"]["message"];
    assert_eq!(
        (&message["kind"], &message["role"], message.get("contextId")),
        (&json!("message"), &json!("user"), None)
    );
    assert_eq!(message["parts"][0]["kind"], "text");
    assert_eq!(body["params"]["configuration"]["blocking"], true);
    let answer = delivered.unwrap();
    assert_eq!((&*answer.content_type, answer.body), ("application/json", Some(r#"{"ok":true}"#.into())));
}

#[test]
fn a_task_is_polled_until_it_is_done() {
    let mut done = task("TASK_STATE_COMPLETED");
    done["artifacts"] = json!([{ "artifactId": "a", "parts": [{ "text": "Sorted" }] }]);
    let answers =
        [result(json!({ "task": task("TASK_STATE_SUBMITTED") })), result(task("TASK_STATE_WORKING")), result(done)];

    let (delivered, requests, pauses) = exchange(delivery(), &answers);

    assert_eq!((requests.len(), pauses), (3, 2));
    assert_eq!(requests[1].1["method"], "GetTask");
    assert_eq!(requests[1].1["params"], json!({ "id": "t-1", "historyLength": 0 }));
    assert_eq!(requests[2].0.header("a2a-version"), Some("1.0"));
    let answer = delivered.unwrap();
    assert_eq!(answer.body, Some("Sorted".into()));
    let expected = [("taskid", "t-1"), ("taskstate", "completed"), ("contextid", "c-1")];
    assert_eq!(answer.attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_task_that_takes_longer_is_delivered_with_its_id() {
    let answers = [result(json!({ "task": task("TASK_STATE_WORKING") })), result(task("TASK_STATE_WORKING"))];
    let (delivered, requests, pauses) = exchange(delivery().with_config("wait", "3"), &answers);
    assert_eq!((requests.len(), pauses), (4, 3));
    assert_eq!(attributes(delivered)[1].1, "working");
}

/// A failed delivery would send the message again.
#[test]
fn a_failed_poll_does_not_fail_the_delivery() {
    let error =
        |code: i64| json!({ "jsonrpc": "2.0", "id": "018f-1", "error": { "code": code, "message": "It broke." } });
    let working = result(json!({ "task": task("TASK_STATE_WORKING") }));

    let passing = [working.clone(), error(-32603), error(-32603), result(task("TASK_STATE_COMPLETED"))];
    let (delivered, requests, pauses) = exchange(delivery(), &passing);
    assert_eq!((requests.len(), pauses), (4, 3));
    assert_eq!(attributes(delivered)[1].1, "completed");

    let (delivered, requests, pauses) = exchange(delivery(), &[working.clone(), error(-32603)]);
    assert_eq!((requests.len(), pauses), (21, 20));
    assert_eq!(attributes(delivered)[1].1, "working");

    for last in [error(-32001), result(json!({ "ok": true }))] {
        let (delivered, requests, pauses) = exchange(delivery(), &[working.clone(), last]);
        assert_eq!((requests.len(), pauses), (2, 1));
        let expected = [("taskid", "t-1"), ("taskstate", "working"), ("contextid", "c-1")];
        assert_eq!(attributes(delivered), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

#[test]
fn the_state_of_a_task_decides_the_outcome() {
    let with = |state: &str| {
        let mut task = task(state);
        task["status"]["message"] =
            json!({ "messageId": "m", "role": "ROLE_AGENT", "parts": [{ "text": "Which\nteam?" }] });
        exchange(delivery(), &[result(json!({ "task": task }))]).0
    };
    for (state, code) in
        [("TASK_STATE_FAILED", "failed"), ("TASK_STATE_CANCELED", "canceled"), ("TASK_STATE_REJECTED", "rejected")]
    {
        assert_eq!(with(state).unwrap_err(), Failure::reject(code, "task t-1: Which team?"), "{state}");
    }
    for (state, name) in
        [("TASK_STATE_INPUT_REQUIRED", "input-required"), ("TASK_STATE_AUTH_REQUIRED", "auth-required")]
    {
        let answer = with(state).unwrap();
        assert_eq!((answer.body.as_ref(), answer.attributes[1].1.as_str()), (Some(&"Which\nteam?".into()), name));
    }
}

#[test]
fn an_error_is_reported_with_its_code() {
    let failed = |code: i64| {
        let error = json!({ "jsonrpc": "2.0", "id": "018f-1", "error": { "code": code, "message": "It broke." } });
        exchange(delivery(), &[error]).0.unwrap_err()
    };
    assert_eq!(failed(-32603), Failure::retry("agent", "It broke. (-32603)", None));
    assert_eq!(failed(-32009), Failure::reject("agent", "It broke. (-32009)"));
    let unexpected = exchange(delivery(), &[json!({ "ok": true })]).0.unwrap_err();
    assert_eq!(unexpected, Failure::reject("answer", r#"answered 200 without a result: {"ok":true}"#));
    let unexpected = exchange(delivery(), &[result(json!({ "ok": true }))]).0.unwrap_err();
    assert_eq!(unexpected, Failure::reject("answer", r#"the result is neither a message nor a task: {"ok":true}"#));
    let busy = deliver(&delivery().with_remote(|_| Ok(Response::new(503))), |_| {}).unwrap_err();
    assert_eq!(busy, Failure::retry("busy", "answered 503", None));
}

#[test]
fn the_card_has_the_endpoint_and_the_version() {
    let reply = json!({ "message": { "parts": [{ "text": "ok" }] } });
    let card = json!({ "name": "a", "supportedInterfaces": [
        { "url": "http://127.0.0.1:9001/rest", "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0" },
        { "url": "http://127.0.0.1:9001/old", "protocolBinding": "JSONRPC", "protocolVersion": "0.3" },
        { "url": "http://127.0.0.1:9001/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0" }
    ] });
    let found = delivery().with_config("url", "http://127.0.0.1:9000/").with_config("discover", "true");
    let (delivered, requests, _) = exchange(found, &[card, result(reply)]);
    delivered.unwrap();
    assert_eq!(
        (&*requests[0].0.method, &*requests[0].0.url),
        ("GET", "http://127.0.0.1:9000/.well-known/agent-card.json")
    );
    assert_eq!((&*requests[1].0.url, requests[1].0.header("a2a-version")), ("http://127.0.0.1:9001/rpc", Some("1.0")));

    let old = json!({ "protocolVersion": "0.3.0", "url": "http://127.0.0.1:9001/a", "preferredTransport": "JSONRPC" });
    assert_eq!(protocol::interface(&old), Some(("http://127.0.0.1:9001/a", Version::ZeroThree)));
    let grpc = json!({ "protocolVersion": "0.3.0", "url": "http://127.0.0.1:9001/a", "preferredTransport": "GRPC" });
    assert_eq!(protocol::interface(&grpc), None);
    let failure = exchange(delivery().with_config("discover", "true"), &[json!({})]).0.unwrap_err();
    let expected = "the agent's card has no JSON-RPC interface of protocol 1.x or 0.3";
    assert_eq!(failure, Failure::reject("card", expected));
}

/// An odd text costs itself alone: neither the answer nor the reason.
#[test]
fn an_odd_text_in_a_reply_costs_that_text_alone() {
    let answered = |status, body: &[u8]| {
        let response = Response::new(status).with_body(body.to_vec());
        deliver(&delivery().with_remote(move |_| Ok(response.clone())), |_| ())
    };
    for body in [
        &br#"{"result":{"message":{"parts":[{"text":"cut \ud83d"}]}}}"#[..],
        b"{\"result\":{\"message\":{\"parts\":[{\"text\":\"cut \xf0\x9f\"}]}}}",
    ] {
        assert_eq!(answered(200, body).unwrap().body, Some("cut \u{fffd}".into()));
    }
    let refused = answered(400, br#"{"error":{"code":-32600,"message":"cut \ud83d"}}"#).unwrap_err();
    assert_eq!(refused, Failure::reject("status", "answered 400: cut \u{fffd} (-32600)"));
}
