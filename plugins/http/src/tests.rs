use gateway_plugin_sdk::Response;

use super::*;

fn delivery() -> Delivery {
    Delivery::new("018f-1", "github.push").with_config("url", "http://127.0.0.1:9000/events").with_attempt(2)
}

/// The request that a delivery sends.
fn sent(delivery: Delivery) -> HttpRequest {
    let delivery = delivery.with_remote(|_| Ok(Response::new(204)));
    deliver(&delivery).unwrap();
    delivery.sent().remove(0)
}

fn answered(response: Response) -> Delivered {
    deliver(&delivery().with_remote(move |_| Ok(response.clone())))
}

#[test]
fn the_envelope_is_posted_with_the_event_id_as_idempotency_key() {
    let request = sent(delivery());
    assert_eq!((&*request.method, &*request.url), ("POST", "http://127.0.0.1:9000/events"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("idempotency-key"), Some("018f-1"));
    assert_eq!(request.credential, None);
    let body: serde_json::Value = serde_json::from_slice(request.body.unwrap().as_bytes()).unwrap();
    assert_eq!((&body["attempt"], &body["event"]["id"]), (&2.into(), &"018f-1".into()));
}

#[test]
fn the_settings_choose_format_method_credential_and_headers() {
    let request = sent(
        delivery()
            .with_config("format", "cloudevent")
            .with_config("method", "PUT")
            .with_config("credential", "api")
            .with_config("headers", r#"{"x-team": "kitchen", "Content-Type": "application/json"}"#),
    );
    assert_eq!((&*request.method, request.credential.as_deref()), ("PUT", Some("api")));
    assert_eq!(request.header("x-team"), Some("kitchen"));
    assert_eq!(request.header("content-type"), Some("application/json"), "the operator's header takes precedence");
    assert_eq!(request.headers.len(), 3);
    let body: serde_json::Value = serde_json::from_slice(request.body.unwrap().as_bytes()).unwrap();
    assert_eq!(body["specversion"], "1.0");

    let request = sent(delivery().with_config("format", "cloudevent"));
    assert_eq!(request.header("content-type"), Some("application/cloudevents+json"));
}

#[test]
fn an_invalid_setting_is_reported() {
    let refused = |delivery: Delivery| deliver(&delivery).unwrap_err();
    assert_eq!(
        refused(Delivery::new("1", "k")),
        Failure::reject("invalid", "`url` is missing in the agent's `config`")
    );
    for (key, value, expected) in [
        ("url", "", "`url` is missing in the agent's `config`"),
        ("format", "xml", "`format` is `xml`: expected `envelope` or `cloudevent`"),
        ("method", "GET", "`method` is `GET`: expected `POST`, `PUT` or `PATCH`"),
        (
            "headers",
            r#"{"a":1}"#,
            "`headers` is not a table of strings: invalid type: integer `1`, expected a string at line 1 column 6",
        ),
    ] {
        assert_eq!(refused(delivery().with_config(key, value)), Failure::reject("invalid", expected), "{key}");
    }
}

#[test]
fn a_successful_response_is_the_answer() {
    let response = Response::new(200).with_header("Content-Type", "text/plain").with_body("done");
    assert_eq!(answered(response).unwrap(), Answer::new("text/plain", "done"));

    let said = Response::new(200).with_header("Gateway-Outcome", " handled ");
    assert_eq!(answered(said).unwrap().attributes, [("outcome".to_owned(), "handled".to_owned())]);

    let empty = answered(Response::new(202)).unwrap();
    assert_eq!((&*empty.content_type, empty.body), ("application/octet-stream", None));
}

/// The SDK has the rules themselves.
#[test]
fn the_status_decides_whether_to_retry() {
    let busy = Response::new(503).with_header("Retry-After", "7").with_body("later");
    assert_eq!(answered(busy).unwrap_err(), Failure::retry("busy", "answered 503: later", Some(String::from("7"))));
    assert_eq!(answered(Response::new(410)).unwrap_err(), Failure::reject("gone", "answered 410"));
    assert_eq!(deliver(&delivery()).unwrap_err(), Failure::reject("denied", "no network"));
}
