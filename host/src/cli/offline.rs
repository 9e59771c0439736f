//! Events and deliveries as the admin API shows them, read from the event log without a gateway.
//!
//! Deliberately absent: channels, agents, plugins, routes and skills. Their state belongs to a running gateway.

use anyhow::{anyhow, bail};
use serde::Serialize;
use serde_json::Value;

use super::request::LogRequest;
use crate::dispatch::Routes;
use crate::eventlog::{EngineKind, EventLog, EventLogError, Found, RetentionLimits, Settings};
use crate::http::admin;
use crate::http::admin::deliveries::DeliveriesQuery;
use crate::http::admin::events::EventsQuery;
use crate::metrics::Metrics;
use crate::replay;

/// The file of the store in the folder of the log.
pub(super) const STORE: &str = "db";

/// Where the answer comes from, as the end of a sentence.
pub(super) fn fallback(settings: &Settings) -> String {
    match &settings.engine {
        EngineKind::Sled { dir, .. } => format!("reading the event log in `{}`", dir.display()),
        EngineKind::Memory => "and an event log in memory ends with its gateway".to_owned(),
    }
}

/// The response that the admin API would give. `routes` are those of now, if they are known.
pub(super) fn answer(
    settings: &Settings,
    routes: &dyn Fn() -> Option<Routes>,
    request: &LogRequest,
) -> anyhow::Result<Value> {
    match request {
        LogRequest::Events(filter) => {
            let query = EventsQuery::parse(&filter.query())?;
            Ok(to_json(&admin::events::page(&open_log(settings)?, &query)?))
        }
        LogRequest::Event(name) => match open_log(settings)?.find(name)? {
            Found::One(stored) => Ok(to_json(&match routes() {
                Some(routes) => admin::events::explained(&stored, &|_| None, &|facts| routes.explain(facts)),
                None => admin::events::detail(&stored, &|_| None),
            })),
            Found::None => bail!("there is no event `{name}`\nhint: `gateway events` lists them"),
            Found::Several => bail!("several ids begin with `{name}`\nhint: `gateway events --wide` lists them"),
        },
        LogRequest::Deliveries(list) => {
            let query = DeliveriesQuery::parse(&list.query())?;
            Ok(to_json(&admin::deliveries::page(&open_log(settings)?, &query, &|_| None)?))
        }
        LogRequest::Replays => {
            let mut replays = replay::kept(&open_log(settings)?)?;
            replays.reverse();
            Ok(to_json(&admin::replays::list(replays)))
        }
    }
}

/// Opens the log as a gateway does, because the store has no read-only mode. A log that does not exist yet is replaced by
/// an empty one in memory, so that reading creates nothing.
pub(super) fn open_log(settings: &Settings) -> anyhow::Result<EventLog> {
    // Whoever only looks removes nothing: it does not know what consumers hold.
    let mut settings = Settings { retention: RetentionLimits::default(), ..settings.clone() };
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
