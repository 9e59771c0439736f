//! Answers for commands, from the running gateway or from its event log.

use serde_json::Value;

use super::client::{Client, NoAnswer};
use super::failure::Failure;
use super::offline;
use super::output::note;
use super::request::Request;
use crate::config::Config;

/// The answer to `request`; stderr says where it comes from.
///
/// Without a gateway only the event log can be read. Other requests fail and say that no gateway is running.
pub(super) async fn fetch(config: &Config, request: &Request) -> Result<Value, Failure> {
    let client = Client::admin(config);
    match (client.get(&request.path()).await, request) {
        (Ok(json), _) => {
            note(&format!("from the gateway at {}", client.origin()));
            Ok(json)
        }
        (Err(NoAnswer::Refused(origin)), Request::Log(request)) => {
            note(&format!("no gateway is running at {origin}, {}", offline::fallback(config)));
            Ok(offline::answer(config, request)?)
        }
        (Err(error), _) => Err(anyhow::Error::from(error).into()),
    }
}
