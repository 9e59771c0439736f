//! Answers for commands, from the running gateway or from its event log.

use serde_json::Value;

use super::client::{Absent, Client, NoAnswer};
use super::connection::Connection;
use super::failure::Failure;
use super::offline;
use super::output::note;
use super::request::Request;
use crate::dispatch::Routes;

/// The answer to `request`; stderr says where it comes from.
///
/// Without a gateway only the event log can be read. Other requests fail and say that no gateway is running.
pub(super) async fn fetch(connection: &Connection, request: &Request) -> Result<Value, Failure> {
    let client = Client::admin(connection)?;
    match (client.get(&request.path()).await, request) {
        (Ok(json), _) => {
            note(&format!("from the gateway at {}", client.origin()));
            Ok(json)
        }
        (Err(NoAnswer::Refused(absent)), Request::Log(request)) => {
            let Some(log) = connection.eventlog()? else { return Err(NoAnswer::Refused(absent).into()) };
            let Absent { origin, .. } = absent;
            note(&format!("no gateway is running at {origin}, {}", offline::fallback(&log)));
            // Routes that are not valid explain nothing, and the log can be read all the same.
            let routes = || Some(Routes::new(connection.parts().ok()??.routes().ok()?));
            Ok(offline::answer(&log, &routes, request)?)
        }
        (Err(error), _) => Err(error.into()),
    }
}
