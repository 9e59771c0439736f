//! `gateway cache`: what is stored of the answers of backends, and its removal.

use serde_json::Value;

use super::arguments::cache::CacheCommand;
use super::arguments::output::{Format, OutputArguments};
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::list::shown;
use super::output;
use super::replay::post;
use super::request::parameters;

pub(super) async fn run(
    connection: &Connection,
    command: Option<CacheCommand>,
    output: OutputArguments,
) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    match command {
        None => {
            let cache = client.get("/admin/cache").await?;
            say(&cache, output, told)
        }
        Some(CacheCommand::Purge { prefix, output }) => {
            let path = format!("/admin/cache/purge?{}", parameters(&[("prefix", Some(prefix))]));
            let purged = post(&client, &path, "purge its cache").await?;
            say(&purged, output, |purged| format!("{} answers removed\n", shown(&purged["purged"])))
        }
    }
}

fn say(answer: &Value, output: OutputArguments, text: impl Fn(&Value) -> String) -> Result<(), Failure> {
    match output.format {
        Format::Json => output::json(answer),
        Format::Text => output::text(&text(answer)),
    }
}

fn told(cache: &Value) -> String {
    let mut text = format!("{} of {} bytes\n", shown(&cache["size"]), shown(&cache["max_size"]));
    for (result, count) in cache["requests"].as_object().into_iter().flatten() {
        text.push_str(&format!("{result}: {}\n", shown(count)));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn size_and_results_are_told() {
        let cache = json!({"size": 7, "max_size": 100, "requests": {"hit": 3, "miss": 1}});
        assert_eq!(told(&cache), "7 of 100 bytes\nhit: 3\nmiss: 1\n");
    }
}
