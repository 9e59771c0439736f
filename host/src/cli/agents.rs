//! `gateway agents retry`, `pause` and `resume`.

use serde_json::Value;

use super::arguments::agents::AgentsCommand;
use super::arguments::output::Format;
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::list::shown;
use super::output;
use super::replay::{by, post};
use super::request::parameters;

pub(super) async fn run(connection: &Connection, command: AgentsCommand) -> Result<(), Failure> {
    let (verb, arguments) = match command {
        AgentsCommand::Retry(arguments) => ("retry", arguments),
        AgentsCommand::Pause(arguments) => ("pause", arguments),
        AgentsCommand::Resume(arguments) => ("resume", arguments),
    };
    let query = parameters(&[("by", Some(by()))]);
    let path = format!("/admin/agents/{}/{verb}?{query}", arguments.name);
    let answer = post(&Client::admin(connection)?, &path, verb).await?;
    match arguments.output.format {
        Format::Json => output::json(&answer),
        Format::Text => output::text(&told(verb, &answer)),
    }
}

/// What was done, and what waits.
fn told(verb: &str, answer: &Value) -> String {
    let agent = &answer["agent"];
    let name = shown(&agent["name"]);
    let did = match verb {
        "retry" if agent["state"] == "paused" => format!("{name} is paused; `gateway agents resume {name}` ends that"),
        "retry" => format!("{name} is tried now"),
        "pause" => format!("{name} is paused, until `gateway agents resume {name}`"),
        _ if answer["was_paused"] == false => format!("{name} was not paused"),
        _ => format!("{name} is resumed"),
    };
    let waits = match answer["open"].as_u64() {
        None => "too many deliveries are open to be counted".to_owned(),
        Some(0) => "no delivery is open".to_owned(),
        Some(1) => "1 delivery is open".to_owned(),
        Some(count) => format!("{count} deliveries are open"),
    };
    format!("{did}; {waits}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_result_says_what_waits() {
        for (verb, was_paused, state, open, expected) in [
            (
                "pause",
                false,
                "paused",
                json!(12),
                "a is paused, until `gateway agents resume a`; 12 deliveries are open\n",
            ),
            ("resume", true, "serving", json!(1), "a is resumed; 1 delivery is open\n"),
            ("retry", false, "serving", json!(0), "a is tried now; no delivery is open\n"),
            (
                "retry",
                true,
                "paused",
                json!(0),
                "a is paused; `gateway agents resume a` ends that; no delivery is open\n",
            ),
            ("resume", true, "serving", json!(null), "a is resumed; too many deliveries are open to be counted\n"),
            ("resume", false, "serving", json!(0), "a was not paused; no delivery is open\n"),
        ] {
            let answer = json!({"agent": {"name": "a", "state": state}, "was_paused": was_paused, "open": open});
            assert_eq!(told(verb, &answer), expected);
        }
    }
}
