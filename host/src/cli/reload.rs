//! `gateway reload`: has the running gateway read its configuration again.

use serde_json::Value;

use super::arguments::output::{Format, OutputArguments};
use super::client::Client;
use super::connection::Connection;
use super::failure::Failure;
use super::list::shown;
use super::output;
use super::replay::post;

pub(super) async fn run(connection: &Connection, output: OutputArguments) -> Result<(), Failure> {
    let reload = post(&Client::admin(connection)?, "/admin/reload", "reload its configuration").await?;
    match output.format {
        Format::Json => output::json(&reload),
        Format::Text => output::text(&told(&reload)),
    }
}

fn told(reload: &Value) -> String {
    let texts = |name: &str| reload[name].as_array().into_iter().flatten().map(shown).collect::<Vec<_>>();
    let mut text = match texts("changed").as_slice() {
        [] => "unchanged\n".to_owned(),
        changed => format!("applied: {}\n", changed.join(", ")),
    };
    let restart = texts("restart");
    if !restart.is_empty() {
        text.push_str(&format!("needs a restart: {}\n", restart.join(", ")));
    }
    for warning in texts("warnings") {
        text.push_str(&format!("warning: {}\n", output::beside(2, &warning)));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_changed_and_what_is_left_to_do_is_told() {
        let reload =
            json!({"changed": ["channels.github", "routes"], "restart": ["http.listen"], "warnings": ["w\nhint: h"]});
        assert_eq!(
            told(&reload),
            "applied: channels.github, routes\nneeds a restart: http.listen\nwarning: w\n  hint: h\n"
        );
        assert_eq!(told(&json!({"changed": [], "restart": [], "warnings": []})), "unchanged\n");
    }
}
