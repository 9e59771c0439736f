use std::cell::RefCell;
use std::rc::Rc;

use super::*;

fn delivery() -> Delivery {
    Delivery::new("018f-1", "github.push").with_config("url", "http://127.0.0.1:9000/events").with_attempt(2)
}

/// The request that a delivery sends.
fn sent(delivery: Delivery) -> HttpRequest {
    let seen = Rc::new(RefCell::new(None));
    let remote = Rc::clone(&seen);
    let delivery = delivery.with_remote(move |request| {
        *remote.borrow_mut() = Some(request.clone());
        Ok(Response::new(204))
    });
    deliver(&delivery).unwrap();
    seen.take().unwrap()
}

fn answered(response: Response) -> Delivered {
    deliver(&delivery().with_remote(move |_| Ok(response.clone())))
}

#[test]
fn the_envelope_is_posted_under_the_id_of_the_event() {
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
    assert_eq!(request.header("content-type"), Some("application/json"), "the operator's word counts");
    assert_eq!(request.headers.len(), 3);
    let body: serde_json::Value = serde_json::from_slice(request.body.unwrap().as_bytes()).unwrap();
    assert_eq!(body["specversion"], "1.0");

    let request = sent(delivery().with_config("format", "cloudevent"));
    assert_eq!(request.header("content-type"), Some("application/cloudevents+json"));
}

#[test]
fn a_setting_that_makes_no_sense_is_named() {
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
            "`headers` is no table of strings: invalid type: integer `1`, expected a string at line 1 column 6",
        ),
    ] {
        assert_eq!(refused(delivery().with_config(key, value)), Failure::reject("invalid", expected), "{key}");
    }
}

#[test]
fn a_good_answer_is_handed_back() {
    let response = Response::new(200).with_header("Content-Type", "text/plain").with_body("done");
    assert_eq!(answered(response).unwrap(), Answer::new("text/plain", "done"));

    let empty = answered(Response::new(202)).unwrap();
    assert_eq!((&*empty.content_type, empty.body), ("application/octet-stream", None));
}

#[test]
fn the_status_decides_about_another_attempt() {
    let code = |failure: Failure| match failure {
        Failure::Retry(retry) => format!("retry {}", retry.code),
        Failure::Reject(refusal) => format!("reject {}", refusal.code),
    };
    for (status, expected) in [
        (301, "reject status"),
        (304, "reject status"),
        (400, "reject status"),
        (401, "reject status"),
        (404, "reject status"),
        (408, "retry status"),
        (410, "reject gone"),
        (413, "reject status"),
        (425, "retry status"),
        (429, "retry throttled"),
        (500, "retry status"),
        (503, "retry busy"),
        (599, "retry status"),
    ] {
        assert_eq!(code(answered(Response::new(status)).unwrap_err()), expected, "{status}");
    }
    for (error, expected) in [
        ("denied", "reject denied"),
        ("too-large", "reject too-large"),
        ("dns", "retry dns"),
        ("connect", "retry connect"),
        ("tls", "retry tls"),
        ("timeout", "retry timeout"),
        ("protocol", "retry protocol"),
    ] {
        let delivery =
            delivery().with_remote(move |_| Err(HttpError { code: error.to_owned(), message: String::from("no") }));
        assert_eq!(code(deliver(&delivery).unwrap_err()), expected, "{error}");
    }
}

#[test]
fn retry_after_is_passed_on_as_it_was_sent() {
    let after = "Wed, 21 Oct 2026 07:28:00 GMT";
    let response = Response::new(503).with_header("Retry-After", after);
    assert_eq!(answered(response).unwrap_err(), Failure::retry("busy", "answered 503", Some(after.to_owned())));
}

#[test]
fn an_error_quotes_the_start_of_the_answer_on_one_line() {
    let long = format!("no\r\n\u{1b}[31m{}", "é".repeat(1000));
    let failure = answered(Response::new(404).with_body(long.into_bytes())).unwrap_err();
    let expected = format!("answered 404: no   [31m{}", "é".repeat(191));
    assert_eq!(failure, Failure::reject("status", expected));
}
