//! `gateway consumers seek`, `parked`, `replay` and `delete`.

use ::http::Method;
use bytes::Bytes;
use serde_json::{Value, json};

use super::arguments::output::{Format, OutputArguments};
use super::arguments::subscribe::ConsumersCommand;
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::list::{self, Listing, shown};
use super::output;
use super::request::{Request, encoded, parameters};

pub(super) async fn run(connection: &Connection, command: ConsumersCommand) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    match command {
        ConsumersCommand::Seek { name, to, force, output } => {
            let body = json!({"to": to, "force": force});
            let moved = client.post(&format!("/admin/consumers/{}/seek", encoded(&name)), &body).await?;
            say(&moved, output, |moved| format!("{name} goes on after {}\n", shown(&moved["position"])))
        }
        ConsumersCommand::Parked { name, table } => {
            list::run(connection, Listing::Parked, &Request::Parked(name), table).await
        }
        ConsumersCommand::Replay { name, seq, output } => {
            let query = parameters(&[("seq", seq.map(|seq| seq.to_string()))]);
            let path = format!("/admin/consumers/{}/parked/replay?{query}", encoded(&name));
            let replayed = client.post(&path, &json!({})).await?;
            say(&replayed, output, |replayed| {
                format!("{} parked events go to {name} again\n", shown(&replayed["replayed"]))
            })
        }
        ConsumersCommand::Delete { name, output } => {
            let path = format!("/admin/consumers/{}", encoded(&name));
            let reply = client.send(Method::DELETE, &path, Vec::new(), Bytes::new()).await?;
            let deleted = client.read(&reply)?;
            say(&deleted, output, |_| format!("{name} is deleted\n"))
        }
    }
}

fn say(answer: &Value, output: OutputArguments, text: impl Fn(&Value) -> String) -> Result<(), Failure> {
    match output.format {
        Format::Json => output::json(answer),
        Format::Text => output::text(&text(answer)),
    }
}
