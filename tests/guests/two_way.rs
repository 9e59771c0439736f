//! Answers its source: what an agent says to an event is posted to `config.back`, signed with the credential `back` where there
//! is one. 503 there is worth another attempt, any other status but 2xx is final.

use gateway_plugin_sdk::channel::{Event, Received, Request};
use gateway_plugin_sdk::form_values;
use gateway_plugin_sdk::respond::{Answering, Failure, HttpRequest, Responded};
use serde_json::json;

const MANIFEST: &str = r#"{"name": "two-way", "version": "1.0.0", "summary": "Test guest", "config": {
    "back": {"type": "string", "summary": "where answers go"}
}}"#;

gateway_plugin_sdk::export_channel!(MANIFEST, receive);
gateway_plugin_sdk::export_respond!(respond);

fn receive(request: &Request) -> Received {
    let query = request.query();
    let subject = form_values(&query, "subject").next().map(|subject| subject.into_owned());
    Ok(Event::new("asked").with_subject(subject).into())
}

fn respond(answer: &Answering) -> Responded {
    let event = answer.event();
    let back = event.host().config("back").ok_or_else(|| Failure::reject("invalid", "`back` is not set"))?;
    let told = json!({
        "answer": answer.id(), "agent": answer.agent(), "content_type": answer.content_type(), "body": answer.text(),
        "event": event.id(), "subject": event.subject(), "attempt": event.attempt(),
        "credentials": [event.has_credential("back"), event.has_credential("other")],
    });
    let credential = event.has_credential("back").then(|| String::from("back"));
    let request = HttpRequest::new("POST", back).with_credential(credential).with_body(told.to_string());
    match event.send(&request) {
        Ok(response) if (200..300).contains(&response.status) => Ok(()),
        Ok(response) if response.status == 503 => {
            Err(Failure::retry("status", "503", response.header("retry-after").map(str::to_owned)))
        }
        Ok(response) => Err(Failure::reject("status", response.status.to_string())),
        Err(error) => Err(Failure::retry(error.code, error.message, None)),
    }
}
