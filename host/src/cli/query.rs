use serde_json::Value;

use super::client::{Client, NoAnswer};
use super::failure::Failure;
use super::offline;
use super::output::note;
use super::request::Request;
use crate::config::Config;

/// The answer of the running gateway or, when none runs, of its folders; says on stderr which of them it is.
pub(super) async fn fetch(config: &Config, request: &Request) -> Result<Value, Failure> {
    let client = Client::admin(config);
    match client.get(&request.path()).await {
        Ok(json) => {
            note(&format!("from the gateway at {}", client.origin()));
            Ok(json)
        }
        Err(NoAnswer::Refused(origin)) => {
            note(&format!("no gateway answers at {origin}, {}", offline::source(config, request)));
            Ok(offline::answer(config, request).await?)
        }
        Err(NoAnswer::Failed(error)) => Err(error.into()),
    }
}
