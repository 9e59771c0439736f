use gateway_plugin_sdk::Level;

use super::*;

fn received(body: &str) -> Event {
    receive(&Request::new("POST").with_body(body)).unwrap().into_event()
}

#[test]
fn the_subject_of_an_event_is_its_object() {
    let expected = Event::new("invoice.payment_failed")
        .with_subject(Some(String::from("in_1KettleInvoice01")))
        .with_key("evt_1KettleEvent0001")
        .with_attribute("object", "invoice")
        .with_attribute("status", "open");
    assert_eq!(received(include_str!("../samples/invoice.payment_failed.json")), expected);
}

#[test]
fn the_subject_of_a_thin_event_is_its_related_object() {
    let event = received(include_str!("../samples/thin.json"));
    assert_eq!(event.kind, "v1.billing.meter.error_report_triggered");
    assert_eq!((event.subject.as_deref(), event.attribute("object")), (Some("mtr_kettle_1"), Some("billing.meter")));
}

#[test]
fn the_subject_of_an_object_without_an_id_is_its_customer_or_the_account() {
    for (members, subject) in [
        (r#""data":{"object":{"id":"in_1","customer":"cus_1"}},"account":"acct_1""#, Some("in_1")),
        (r#""data":{"object":{"object":"invoice","id":null,"customer":"cus_1"}},"account":"acct_1""#, Some("cus_1")),
        (r#""data":{"object":{"object":"cash_balance","customer":{"id":"cus_1"}}}"#, Some("cus_1")),
        (r#""data":{"object":{"object":"balance"}},"account":"acct_1""#, Some("acct_1")),
        (r#""data":{"object":{"object":"person_hint","account":"acct_2"}},"account":"acct_1""#, Some("acct_2")),
        (r#""related_object":null,"context":"acct_1""#, Some("acct_1")),
        (r#""data":{"object":{"object":"balance"}}"#, None),
    ] {
        let event = received(&format!(r#"{{"id":"evt_1","type":"a",{members}}}"#));
        assert_eq!(event.subject.as_deref(), subject, "{members}");
    }
}

#[test]
fn a_connected_account_is_an_attribute() {
    let event = received(r#"{"id":"evt_1","type":"payout.paid","account":"acct_1","data":{"object":{"id":"po_1"}}}"#);
    assert_eq!((event.attribute("account"), event.attribute("object")), (Some("acct_1"), None));
}

#[test]
fn a_retry_is_the_same_event_although_its_body_differs() {
    let body = |waiting: u32| format!(r#"{{"id":"evt_1","type":"a","pending_webhooks":{waiting}}}"#);
    assert_eq!(received(&body(2)), received(&body(1)));
}

#[test]
fn an_unexpected_payload_is_an_event_with_fewer_facts() {
    for (body, kind) in [
        (r#"{"id":"evt_test_webhook","object":"event"}"#, "unknown"),
        (r#"{"type":"a b.c\n","data":[],"account":{}}"#, "a_b.c_"),
        (r#"{"type":"a","data":{"object":"deleted"}}"#, "a"),
        (r#"{"type":"."}"#, "unknown"),
    ] {
        let event = received(body);
        assert_eq!((&*event.kind, event.subject, event.attributes.len()), (kind, None, 0), "{body}");
    }
    let request = Request::new("POST").with_body("[]");
    assert_eq!(receive(&request).unwrap().events[0].kind, "unknown");
    assert_eq!(request.host().logged()[0].0, Level::Warn);
}

#[test]
fn invalid_json_is_refused() {
    for body in [&b""[..], b"{", b"type=a", b"\xff"] {
        assert_eq!(receive(&Request::new("POST").with_body(body)).unwrap_err().status, 400);
    }
}
