//! The same answers without a gateway: from the folders that one would use.

use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use serde::Serialize;
use serde_json::Value;

use super::request::Request;
use crate::config::Config;
use crate::dispatch::Dispatch;
use crate::event::{ChannelName, Event, Recipient};
use crate::eventlog::{CommitSink, EngineKind, EventLog, EventLogError, NewDelivery};
use crate::http::{DeliveriesQuery, EventsQuery, view};
use crate::ingest::{Guard, Ingest, Router};
use crate::metrics::Metrics;
use crate::plugin::PluginHost;
use crate::skill::{self, Skills};

/// Instances for looking at plugins: nobody calls them.
const INSTANCES: usize = 16;

/// The file of the store in the folder of a log.
pub(super) const STORE: &str = "db";

/// Where the answer comes from, as the end of a sentence.
pub(super) fn source(config: &Config, request: &Request) -> String {
    match (&config.eventlog.engine, request) {
        (
            EngineKind::Sled { dir, .. },
            Request::Events(_) | Request::Event(_) | Request::Deliveries(_) | Request::Replays,
        ) => {
            format!("so this is from the event log in `{}`", dir.display())
        }
        (
            EngineKind::Memory { .. },
            Request::Events(_) | Request::Event(_) | Request::Deliveries(_) | Request::Replays,
        ) => "and an event log in memory is gone with it".to_owned(),
        _ => "so this is what one would serve".to_owned(),
    }
}

/// What the admin API would answer.
pub(super) async fn answer(config: &Config, request: &Request) -> anyhow::Result<Value> {
    match request {
        Request::Events(filter) => {
            let query = EventsQuery::parse(&filter.query())?;
            Ok(to_json(&view::events_page(&open_log(config)?, &query)?))
        }
        Request::Event(id) => match open_log(config)?.find(*id)? {
            Some(stored) => Ok(to_json(&view::event_detail(&stored))),
            None => bail!("there is no event `{id}`\nhint: `gateway events` lists them"),
        },
        Request::Replays => {
            let replays = open_log(config)?.replays();
            Ok(to_json(&view::replays(replays.values().rev().cloned().collect())))
        }
        Request::Deliveries(list) => {
            let query = DeliveriesQuery::parse(&list.query())?;
            Ok(to_json(&view::deliveries_page(&open_log(config)?, &query)?))
        }
        Request::Skills => Ok(to_json(&view::skills(&skill::scan(&config.skills)))),
        Request::Plugins => Ok(to_json(&view::Plugins { plugins: plugins(config).await?.list() })),
        Request::Agents => Ok(to_json(&view::Agents { agents: dispatch(config).await?.agents() })),
        Request::Routes => Ok(to_json(&view::Routes { routes: dispatch(config).await?.routes() })),
        Request::Channels => {
            let plugins = plugins(config).await?;
            let log = open_log(config)?;
            let counts = log.counts();
            let ingest = Ingest::new(config.ingest.clone(), plugins, log, Arc::new(NullSink), Arc::new(Metrics::new()));
            Ok(to_json(&view::channels(ingest.channels(), &counts)))
        }
    }
}

/// The log, opened as a gateway opens it: there is no other way to read it. Where there is none yet, an empty one that
/// leaves nothing behind.
pub(super) fn open_log(config: &Config) -> anyhow::Result<EventLog> {
    let mut settings = config.eventlog.clone();
    if let EngineKind::Sled { dir, .. } = &settings.engine
        && !dir.join(STORE).exists()
    {
        settings.engine = EngineKind::Memory { capacity: 1 };
    }
    EventLog::open(&settings, Arc::new(Metrics::new()), Arc::new(NullSink)).map_err(|error| match error {
        EventLogError::Locked { .. } => {
            anyhow!(
                "{error}\nhint: a gateway runs with it at another address: `http.listen` or `admin.listen` must be that"
            )
        }
        error => error.into(),
    })
}

async fn plugins(config: &Config) -> anyhow::Result<PluginHost> {
    let mut settings = config.plugins.clone();
    settings.instances = settings.instances.min(INSTANCES);
    let guard = Arc::new(Guard::new(&config.ingest));
    PluginHost::start(settings, Arc::new(Metrics::new()), guard).await.context("cannot look at the plugins")
}

async fn dispatch(config: &Config) -> anyhow::Result<Dispatch> {
    let plugins = plugins(config).await?;
    Ok(Dispatch::new(config.dispatch.clone(), plugins, Skills::default(), Arc::new(Metrics::new())))
}

fn to_json(view: &impl Serialize) -> Value {
    serde_json::to_value(view).expect("views have text keys only")
}

/// Takes the place of those who would act: nothing is accepted or delivered here.
struct NullSink;

impl CommitSink for NullSink {
    fn committed(&self, _: &Arc<Event>, _: &[NewDelivery]) {}
}

impl Router for NullSink {
    fn recipients(&self, _: &ChannelName, _: &str, _: &[(String, String)]) -> Vec<Recipient> {
        Vec::new()
    }
}
