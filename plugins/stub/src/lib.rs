//! The agent for trying out the gateway: it accepts every event and answers `{"status":"ok","event_id":"..."}`.

use gateway_plugin_sdk::agent::{Answer, Delivered, Delivery};
use gateway_plugin_sdk::{Level, export_agent};

export_agent!(include_str!("../manifest.json"), deliver);

/// Answers with the event's id.
pub fn deliver(delivery: &Delivery) -> Delivered {
    let id = delivery.id();
    delivery.host().log(Level::Debug, &["Accepted event ", id].concat());
    // The host generates the id, and none of its characters needs escaping in JSON.
    Ok(Answer::new("application/json", [r#"{"status":"ok","event_id":""#, id, r#""}"#].concat()))
}

#[cfg(test)]
mod tests {
    use gateway_plugin_sdk::Content;

    use super::*;

    #[test]
    fn the_answer_contains_the_event_id() {
        let delivery = Delivery::new("018f-1", "dummy.received");
        let answer = deliver(&delivery).unwrap();
        assert_eq!(answer.content_type, "application/json");
        assert_eq!(answer.body, Some(Content::from(r#"{"status":"ok","event_id":"018f-1"}"#)));
        assert_eq!(delivery.host().logged(), [(Level::Debug, String::from("Accepted event 018f-1"))]);
    }
}
