//! Fails `config.failures` times (2) with a retry, then accepts the event. The subjects `reject`, `trap` and `spin` reject, trap
//! and loop forever.

use gateway_plugin_sdk::agent::{Answer, Delivered, Delivery, Failure};

const MANIFEST: &str = r#"{"name": "flaky-agent", "version": "1.0.0", "summary": "Test guest", "config": {
    "failures": {"type": "number", "summary": "attempts that fail", "default": 2},
    "retry_after": {"type": "string", "summary": "`Retry-After` of failed attempts"}
}}"#;

gateway_plugin_sdk::export_agent!(MANIFEST, deliver);

fn deliver(delivery: &Delivery) -> Delivered {
    match delivery.subject() {
        Some("reject") => return Err(Failure::reject("invalid", "refused on purpose")),
        Some("trap") => panic!("trapped on purpose"),
        Some("spin") => loop {
            std::hint::black_box(());
        },
        _ => {}
    }
    let failures = delivery.host().config("failures").and_then(|number| number.parse().ok()).unwrap_or(0);
    let attempt = delivery.attempt();
    if attempt <= failures {
        let after = delivery.host().config("retry_after");
        return Err(Failure::retry("busy", format!("attempt {attempt} fails on purpose"), after));
    }
    Ok(Answer::new("application/json", format!(r#"{{"attempt":{attempt}}}"#)))
}
