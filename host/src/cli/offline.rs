//! Events and deliveries as the admin API shows them, read from the event log without a gateway.
//!
//! Deliberately absent: channels, agents, plugins, routes and skills. Their state belongs to a running gateway.

use anyhow::{anyhow, bail};
use serde::Serialize;
use serde_json::Value;

use super::request::LogRequest;
use crate::config::Config;
use crate::dispatch::Routes;
use crate::eventlog::{EngineKind, EventLog, EventLogError};
use crate::http::admin;
use crate::http::admin::deliveries::DeliveriesQuery;
use crate::http::admin::events::EventsQuery;
use crate::metrics::Metrics;
use crate::replay;

/// The file of the store in the folder of the log.
pub(super) const STORE: &str = "db";

/// Where the answer comes from, as the end of a sentence.
pub(super) fn fallback(config: &Config) -> String {
    match &config.eventlog.engine {
        EngineKind::Sled { dir, .. } => format!("reading the event log in `{}`", dir.display()),
        EngineKind::Memory => "and an event log in memory ends with its gateway".to_owned(),
    }
}

/// The response that the admin API would give.
pub(super) fn answer(config: &Config, request: &LogRequest) -> anyhow::Result<Value> {
    match request {
        LogRequest::Events(filter) => {
            let query = EventsQuery::parse(&filter.query())?;
            Ok(to_json(&admin::events::page(&open_log(config)?, &query)?))
        }
        LogRequest::Event(id) => match open_log(config)?.event(*id)? {
            Some(stored) => {
                let routes = Routes::new(config.dispatch.routes.clone());
                Ok(to_json(&admin::events::explained(&stored, &|facts| routes.explain(facts))))
            }
            None => bail!("there is no event `{id}`\nhint: `gateway events` lists them"),
        },
        LogRequest::Deliveries(list) => {
            let query = DeliveriesQuery::parse(&list.query())?;
            Ok(to_json(&admin::deliveries::page(&open_log(config)?, &query)?))
        }
        LogRequest::Replays => {
            let mut replays = replay::kept(&open_log(config)?)?;
            replays.reverse();
            Ok(to_json(&admin::replays::list(replays)))
        }
    }
}

/// Opens the log as a gateway does, because the store has no read-only mode. A log that does not exist yet is replaced by
/// an empty one in memory, so that reading creates nothing.
pub(super) fn open_log(config: &Config) -> anyhow::Result<EventLog> {
    let mut settings = config.eventlog.clone();
    if let EngineKind::Sled { dir, .. } = &settings.engine
        && !dir.join(STORE).exists()
    {
        settings.engine = EngineKind::Memory;
    }
    EventLog::open(&settings, &Metrics::new(), Vec::new()).map_err(|error| match error {
        EventLogError::Locked { .. } => {
            anyhow!(
                "{error}\nhint: a gateway uses it at another address: set `http.listen` or `admin.listen` to that address"
            )
        }
        error => error.into(),
    })
}

fn to_json(view: &impl Serialize) -> Value {
    serde_json::to_value(view).expect("views have text keys only")
}
