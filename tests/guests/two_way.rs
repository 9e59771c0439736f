//! Posts an agent's answer to `config.back`, with the credential `back` if there is one. A 503 there is retried; any other status
//! that is not a 2xx is final.

use gateway_plugin_sdk::channel::{Event, Received, Request};
use gateway_plugin_sdk::form_values;
use gateway_plugin_sdk::respond::{Answering, Failure, HttpRequest, Responded};
use serde_json::json;

const MANIFEST: &str = r#"{"name": "two-way", "version": "1.0.0", "summary": "Test guest", "config": {
    "back": {"type": "string", "summary": "URL for answers"}
}}"#;

gateway_plugin_sdk::export_channel!(MANIFEST, receive);
gateway_plugin_sdk::export_respond!(respond);

fn receive(request: &Request) -> Received {
    let subject = form_values(request.query(), "subject").next().map(|subject| subject.into_owned());
    Ok(Event::new("asked").with_subject(subject).into())
}

fn respond(answer: &Answering) -> Responded {
    let event = answer.event();
    let back = event.host().config("back").ok_or_else(|| Failure::reject("invalid", "`back` is not set"))?;
    let body = json!({
        "answer": answer.id(), "agent": answer.agent(), "content_type": answer.content_type(), "body": answer.text(),
        "event": event.id(), "subject": event.subject(), "attempt": event.attempt(),
        "credentials": [event.has_credential("back"), event.has_credential("other")],
    });
    let credential = event.has_credential("back").then(|| String::from("back"));
    let request = HttpRequest::new("POST", back).with_credential(credential).with_body(body.to_string());
    match event.send(&request) {
        Ok(response) if (200..300).contains(&response.status) => Ok(()),
        Ok(response) if response.status == 503 => {
            Err(Failure::retry("status", "503", response.header("retry-after").map(str::to_owned)))
        }
        Ok(response) => Err(Failure::reject("status", response.status.to_string())),
        Err(error) => Err(Failure::retry(error.code, error.message, None)),
    }
}
