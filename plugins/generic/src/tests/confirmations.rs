//! Requests to confirm a subscription: answered, or kept for a person.

use super::*;

const VALIDATION: &str = r#"[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d38b6","validationUrl":"https://example.com/validate"}}]"#;

fn event_grid(kind: &str, body: &str) -> Request {
    request(JSON, body).with_header("aeg-event-type", kind).with_config("events", "").with_config("kind", "/eventType")
}

fn sns(kind: &str, body: &str) -> Request {
    request("text/plain; charset=UTF-8", body).with_header("x-amz-sns-message-type", kind)
}

#[test]
fn event_grid_gets_its_code_back() {
    let receipt = receive(&event_grid("SubscriptionValidation", VALIDATION)).unwrap();
    let response = receipt.response.unwrap();
    assert_eq!((receipt.events, response.status), (Vec::new(), 200));
    assert_eq!(response.header("content-type"), Some(JSON));
    let body: Value = serde_json::from_slice(response.body.unwrap().as_bytes()).unwrap();
    assert_eq!(body, json!({"validationResponse": "512d38b6"}));
}

#[test]
fn other_requests_of_event_grid_are_events() {
    for (kind, body) in
        [("Notification", VALIDATION), ("SubscriptionValidation", r#"[{"id":"1","eventType":"x","data":{}}]"#)]
    {
        let receipt = receive(&event_grid(kind, body)).unwrap();
        assert_eq!((receipt.events.len(), receipt.response), (1, None), "{kind} {body}");
    }
}

/// A person opens the URL, if at all; the settings are for what the topic tells.
#[test]
fn sns_waits_for_a_person() {
    let body = r#"{"Type":"SubscriptionConfirmation","MessageId":"m-1","TopicArn":"arn:aws:sns:eu-1:7:alarms","SubscribeURL":"https://sns.example.com/"}"#;
    for kind in ["SubscriptionConfirmation", "UnsubscribeConfirmation"] {
        let asked = sns(kind, body).with_config("events", "/Message").with_config("kind", "alarm");
        let event = received(&asked);
        let expected = Event::new(kind).with_subject(Some(String::from("arn:aws:sns:eu-1:7:alarms"))).with_key("m-1");
        assert_eq!(event, Event { content_type: Some(JSON.to_owned()), ..expected });
        assert!(asked.host().logged()[0].1.contains("`SubscribeURL`"));
    }
    let notified = sns("Notification", r#"{"Type":"Notification","Message":"{}"}"#);
    assert_eq!(received(&notified).kind, "received");
}
