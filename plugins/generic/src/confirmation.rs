//! Requests of cloud services to confirm a subscription, which come before its events and have another form than these.
//!
//! | from | recognised by | what it becomes |
//! |---|---|---|
//! | Azure Event Grid | header `aeg-event-type: SubscriptionValidation` | a response that repeats the code; no event |
//! | Amazon SNS | header `x-amz-sns-message-type: SubscriptionConfirmation` or `UnsubscribeConfirmation` | an event of this kind about the topic, whatever the settings say |
//!
//! SNS wants a URL to be opened. Opening a URL of a request is for a person to decide, so the event waits for one.

use gateway_plugin_sdk::channel::{Event, Receipt, Request};
use gateway_plugin_sdk::{Host, Level, Response};
use serde_json::json;

use crate::pointer::{Pointer, scalar};

/// What SNS calls its requests to confirm that a subscription begins, or has ended.
const OF_SNS: [&str; 2] = ["SubscriptionConfirmation", "UnsubscribeConfirmation"];

/// A request to confirm a subscription.
#[derive(Debug)]
pub(crate) enum Confirmation {
    /// Of Event Grid, with its code.
    EventGrid(String),
    /// Of SNS.
    Sns { kind: &'static str, topic: Option<String>, id: Option<String> },
}

impl Confirmation {
    /// `None` if the request is none.
    pub(crate) fn asked_by(request: &Request, json: &str) -> Option<Self> {
        let text = |pointer: &str| Pointer::parse(pointer)?.find(json).and_then(scalar).map(|text| text.into_owned());
        if json.trim_start().starts_with('[') {
            let is_validation = request.header("aeg-event-type")?.eq_ignore_ascii_case("SubscriptionValidation");
            return text("/0/data/validationCode").filter(|_| is_validation).map(Confirmation::EventGrid);
        }
        let asked = request.header("x-amz-sns-message-type")?;
        let kind = OF_SNS.into_iter().find(|kind| asked.eq_ignore_ascii_case(kind))?;
        Some(Confirmation::Sns { kind, topic: text("/TopicArn"), id: text("/MessageId") })
    }

    /// The receipt; `with_data` adds the body to an event.
    pub(crate) fn receipt(self, host: &Host, with_data: impl FnOnce(Event) -> Event) -> Receipt {
        match self {
            Confirmation::EventGrid(code) => {
                let body = json!({ "validationResponse": code }).to_string();
                let response = Response::new(200).with_header("content-type", "application/json").with_body(body);
                Receipt::empty().with_response(response)
            }
            Confirmation::Sns { kind, topic, id } => {
                let asked = "Amazon SNS asks for a confirmation: the event has the address to open in `SubscribeURL`";
                host.log(Level::Warn, &format!("{asked}, kind `{kind}`"));
                let event = Event::new(kind).with_subject(topic);
                with_data(match id {
                    Some(id) => event.with_key(id),
                    None => event,
                })
                .into()
            }
        }
    }
}
