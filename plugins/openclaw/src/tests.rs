use serde_json::json;

use super::*;

fn delivery() -> Delivery {
    Delivery::new("018f-1", "github.issues.opened")
        .with_subject("octo/repo#7")
        .with_config("url", "http://127.0.0.1:18789/hooks")
}

/// The request that a delivery sends, and its body.
fn sent(delivery: Delivery) -> (HttpRequest, Value) {
    let delivery = delivery.with_remote(|_| Ok(Response::new(200)));
    deliver(&delivery).unwrap();
    let request = delivery.sent().remove(0);
    let body = serde_json::from_slice(request.body.as_ref().unwrap().as_bytes()).unwrap();
    (request, body)
}

fn answered(response: Response) -> Delivered {
    deliver(&delivery().with_remote(move |_| Ok(response.clone())))
}

#[test]
fn a_run_is_started_in_the_session_of_the_subject() {
    let (request, body) = sent(
        delivery()
            .with_config("instructions", "Sort it.")
            .with_config("extra", r#"{"agentId": "triage", "deliver": false}"#)
            .with_config("credential", "token"),
    );
    assert_eq!((&*request.method, &*request.url), ("POST", "http://127.0.0.1:18789/hooks/agent"));
    assert_eq!((request.header("idempotency-key"), request.credential.as_deref()), (Some("018f-1"), Some("token")));
    let expected = json!({
        "message": format!("Sort it.\n\n{}", delivery().prompt().unwrap()),
        "name": "github.issues.opened",
        "idempotencyKey": "018f-1",
        "sessionKey": "gw:github/octo/repo#7",
        "sessionMode": "persistent",
        "agentId": "triage",
        "deliver": false
    });
    assert_eq!(body, expected);
    let (_, body) = sent(delivery().with_config("session", "none"));
    assert_eq!((body.get("sessionKey"), body.get("sessionMode")), (None, None));
}

#[test]
fn the_main_session_is_woken_with_a_text() {
    let (request, body) =
        sent(delivery().with_config("hook", "wake").with_config("extra", r#"{"mode": "next-heartbeat"}"#));
    assert_eq!(request.url, "http://127.0.0.1:18789/hooks/wake");
    assert_eq!(body, json!({ "text": delivery().prompt().unwrap(), "mode": "next-heartbeat" }));
}

#[test]
fn a_request_is_never_larger_than_openclaw_accepts() {
    let quotes = delivery().with_config("max_payload", "1MiB").with_data("text/plain", "\"".repeat(200 << 10));
    let (request, body) = sent(quotes);
    let size = request.body.unwrap().as_bytes().len();
    assert!(size > MAX_BODY / 4 && size <= MAX_BODY, "{size}");
    assert!(body["message"].as_str().unwrap().contains("Only the first 65536 of 204800 bytes are shown"), "{body}");

    let failure = deliver(&delivery().with_config("instructions", &"x".repeat(MAX_BODY))).unwrap_err();
    assert!(matches!(failure, Failure::Reject(refusal) if refusal.code == "too-large"));
}

#[test]
fn the_run_is_the_answer() {
    let accepted =
        Response::new(202).with_header("content-type", "application/json").with_body(r#"{"ok":true,"runId":"r-1"}"#);
    let answer = answered(accepted).unwrap();
    assert_eq!(
        answer,
        Answer::new("application/json", r#"{"ok":true,"runId":"r-1"}"#)
            .with_attribute("runid", Some(String::from("r-1")))
    );
}

#[test]
fn admission_failures_are_retried_and_refusals_are_reported() {
    let error = |status| Response::new(status).with_body(r#"{"ok":false,"error":"not now"}"#);
    assert_eq!(answered(error(502)).unwrap_err(), Failure::retry("status", "answered 502: not now", None));
    assert_eq!(answered(error(503)).unwrap_err(), Failure::retry("busy", "answered 503: not now", None));
    let conflict = error(409).with_header("retry-after", "7");
    let expected = Failure::retry("busy", "answered 409: not now", Some(String::from("7")));
    assert_eq!(answered(conflict).unwrap_err(), expected, "the session accepts no work right now");
    assert_eq!(answered(error(400)).unwrap_err(), Failure::reject("status", "answered 400: not now"));
    let failure = deliver(&Delivery::new("1", "k")).unwrap_err();
    assert_eq!(failure, Failure::invalid("`url` is missing in the agent's `config`"));
}

/// An odd text in the reply costs neither the run's id nor the reason.
#[test]
fn a_reply_with_an_odd_text_still_names_the_run() {
    for body in [
        &br#"{"note":"cut off \ud83d","runId":"r-1"}"#[..],
        b"\xef\xbb\xbf{\"note\":\"caf\xc3\",\"runId\":\"r-1\"}",
        br#"{"runId":"r-0","runId":"r-1"}"#,
    ] {
        let answer = answered(Response::new(200).with_body(body.to_vec())).unwrap();
        assert_eq!(answer.attributes, [(String::from("runid"), String::from("r-1"))]);
        assert_eq!(answer.body, Some(body.to_vec().into()), "the answer is the reply as it was sent");
    }
    let error = Response::new(400).with_body(r#"{"error":{"message":"no agent \ud83d"}}"#);
    assert_eq!(answered(error).unwrap_err(), Failure::reject("status", "answered 400: no agent \u{fffd}"));
}
