//! `gateway plugin rollback`. The running gateway keeps the version before, and makes the rollback.

use serde_json::Value;

use super::super::arguments::output::{Format, OutputArguments};
use super::super::client::Client;
use super::super::connection::Connection;
use super::super::failure::Failure;
use super::super::list::shown;
use super::super::output;
use super::super::replay::post;
use crate::event::PluginName;

pub(super) async fn run(connection: &Connection, name: &PluginName, output: OutputArguments) -> Result<(), Failure> {
    let client = Client::admin(connection)?;
    let answer = post(&client, &format!("/admin/plugins/{name}/rollback"), "roll back a plugin").await?;
    if output.format == Format::Json {
        return output::json(&answer);
    }
    output::note("the file in the plugin folder is refused until another one takes its place");
    output::text(&told(&answer))
}

fn told(answer: &Value) -> String {
    let [plugin, version, from, digest] =
        ["plugin", "version", "rolled_back_from", "digest"].map(|name| shown(&answer[name]));
    let digest: String = digest.chars().take(12).collect();
    format!("{plugin} rolled back from version {from} to {version} ({digest})\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_result_is_one_line() {
        let answer =
            json!({"plugin": "echo", "version": "1.0.0", "rolled_back_from": "2.0.0", "digest": "0123456789abcdef"});

        assert_eq!(told(&answer), "echo rolled back from version 2.0.0 to 1.0.0 (0123456789ab)\n");
    }
}
