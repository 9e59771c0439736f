//! Applies a changed configuration while the gateway runs.
//!
//! A reload first prepares everything, which may fail and changes nothing, and then replaces what is in force, which cannot
//! fail. So a configuration is applied as a whole or not at all. What only a restart applies is named.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix;
use tokio_util::sync::CancellationToken;

use super::checks::{check_secrets, findings, refusals};
use super::error::GatewayError;
use crate::alert::Alerts;
use crate::caller::{KeySets, KeySource};
use crate::config::{self, Config, restart_keys};
use crate::dispatch::{AgentState, Dispatch, PreparedDispatch};
use crate::event::{AgentName, Timestamp};
use crate::eventlog::{EventLog, EventLogError, Space};
use crate::http::{PreparedServer, Reload, ReloadOutcome, ReloadRequests, ServerControl};
use crate::ingest::{ChannelState, DowngradeCheck, Ingest, PreparedChannels};
use crate::lifecycle::Tasks;
use crate::plugin::PluginHost;
use crate::replay::Replays;
use crate::schema::{PreparedSchemas, Schemas};
use crate::skill::{self, SkillMetrics, Skills};
use crate::subscribe::Subscriptions;
use crate::systemd::Notifier;
use crate::web::{PreparedWeb, Web};

/// Changes the level of the log, given like `log.level`.
pub type SetLogLevel = Box<dyn Fn(&str) + Send + Sync>;

/// The name of the task of [`Reloader::start`].
pub(super) const RELOADS: &str = "reloads";

/// Reads the configuration again when it is asked to.
pub(super) struct Reloader {
    /// What the process started with.
    pub(super) started: Config,
    /// What is in force.
    pub(super) current: Config,
    /// The files as they were when the configuration was last read, valid or not.
    pub(super) seen: Files,
    pub(super) requests: ReloadRequests,
    pub(super) server: ServerControl,
    pub(super) ingest: Ingest,
    pub(super) dispatch: Dispatch,
    pub(super) replays: Replays,
    pub(super) log: EventLog,
    pub(super) plugins: PluginHost,
    pub(super) downgrade_check: Arc<DowngradeCheck>,
    pub(super) skills: Skills,
    pub(super) skill_metrics: SkillMetrics,
    pub(super) skills_watcher: skill::Watcher,
    pub(super) subscriptions: Subscriptions,
    pub(super) schemas: Schemas,
    pub(super) alerts: Alerts,
    pub(super) web: Web,
    pub(super) key_sets: Arc<KeySets>,
    pub(super) set_log_level: SetLogLevel,
}

/// Files and the SHA-256 of each.
type Files = BTreeMap<PathBuf, Option<[u8; 32]>>;

/// A configuration that is ready to be applied.
struct Prepared {
    server: PreparedServer,
    channels: PreparedChannels,
    dispatch: PreparedDispatch,
    schemas: PreparedSchemas,
    web: PreparedWeb,
}

impl Reloader {
    /// Reloads on SIGHUP, on requests of the admin API, and when a file has changed.
    pub(super) fn start(self, notifier: Arc<Notifier>, status: String, hangups: unix::Signal) -> Tasks {
        let mut tasks = Tasks::new(RELOADS);
        tasks.spawn(|stop| self.run(notifier, status, hangups, stop));
        tasks
    }

    async fn run(
        mut self,
        notifier: Arc<Notifier>,
        status: String,
        mut hangups: unix::Signal,
        stop: CancellationToken,
    ) {
        loop {
            let (trigger, waiting) = tokio::select! {
                () = stop.cancelled() => return,
                waiting = self.requests.next() => ("admin", waiting),
                Some(()) = hangups.recv() => ("signal", Vec::new()),
                () = files_changed(&self.current, &self.seen) => ("file", Vec::new()),
            };
            notifier.reloading();
            let reload = self.reload(trigger).await;
            tell(&reload);
            self.requests.end(&reload, waiting);
            notifier.ready(&status);
        }
    }

    async fn reload(&mut self, trigger: &'static str) -> Reload {
        let file = self.current.source.file.clone();
        let source = self.current.source.clone();
        // What is written from here on is seen later.
        let look = move || (source.look(), config::load(Some(&file)));
        let (seen, loaded) = tokio::task::spawn_blocking(look).await.expect("reading a configuration does not panic");
        self.seen = seen;
        let mut reload = Reload {
            outcome: ReloadOutcome::Refused,
            at: Timestamp::now(),
            trigger,
            changed: Vec::new(),
            restart: restart_keys(&self.started, &self.current),
            problem: None,
            warnings: self.current.warnings.clone(),
        };
        let mut next = match loaded {
            Ok(next) => next,
            Err(problems) => return Reload { problem: Some(problems.to_string()), ..reload },
        };
        self.seen = next.source.read().clone();
        match findings(&next, &self.plugins).await {
            Ok(findings) => next.warnings.extend(findings),
            Err(error) => return Reload { problem: Some(error.to_string()), ..reload },
        }
        match refusals(&next, &self.plugins).await {
            Ok(refusals) => next.warnings.extend(refusals),
            Err(error) => return Reload { problem: Some(error.to_string()), ..reload },
        }
        let changed = self.current.source.changes(&next.source);
        if changed.is_empty() {
            // Plugins and skills may have changed.
            self.current.warnings = next.warnings;
            return Reload { outcome: ReloadOutcome::Unchanged, warnings: self.current.warnings.clone(), ..reload };
        }
        let waited = self.waiting();
        match self.prepare(&next).await {
            Ok(prepared) => {
                next.warnings.extend(prepared.schemas.problems());
                self.apply(prepared, next);
                self.subscriptions.flush().await;
            }
            Err(error) => return Reload { problem: Some(error.to_string()), ..reload },
        }
        reload.restart = restart_keys(&self.started, &self.current);
        let begin_to_wait = self.waiting().into_iter().filter(|(name, _)| !waited.contains_key(name));
        let begin_to_wait = begin_to_wait.map(|(name, reason)| format!("{name} waits: {reason}"));
        let warnings = self.current.warnings.iter().cloned().chain(begin_to_wait).collect();
        Reload { outcome: ReloadOutcome::Applied, changed, warnings, ..reload }
    }

    /// The configured channels and agents that wait, and what for.
    fn waiting(&self) -> BTreeMap<String, String> {
        let channels = self.ingest.channels().into_iter();
        let channels = channels.filter(|channel| channel.state == ChannelState::Waiting && !channel.automatic);
        let channels = channels.map(|channel| (format!("channel `{}`", channel.name), channel.detail));
        let agents = self.dispatch.agents().into_iter().filter(|agent| agent.state == AgentState::Waiting);
        let agents = agents.map(|agent| (format!("agent `{}`", agent.name), agent.detail));
        channels.chain(agents).map(|(name, detail)| (name, detail.unwrap_or_default())).collect()
    }

    /// Everything that can fail. Nothing of what is in force changes.
    async fn prepare(&self, next: &Config) -> Result<Prepared, GatewayError> {
        check_secrets(&next.source, &next.ingest, &self.plugins)?;
        let (server, settings) = (self.server.clone(), next.http.clone());
        let server = blocking(move || server.prepare(settings)).await??;
        let channels = self.ingest.prepare(next.ingest.clone()).await;
        let dispatch = self.dispatch.prepare(next.dispatch.clone());
        let (plugins, log) = (self.plugins.clone(), self.log.clone());
        blocking(move || load_states(&plugins, &log)).await??;
        let web = self.web.prepare(next.web.clone()).await;
        // Last, because the log has the versions then.
        let schemas = self.schemas.prepare(next.schemas.clone()).await?;
        Ok(Prepared { server, channels, dispatch, schemas, web })
    }

    fn apply(&mut self, prepared: Prepared, next: Config) {
        let Prepared { server, channels, dispatch, schemas, web } = prepared;
        let agents = next.dispatch.agents.iter().map(|agent: &_| -> AgentName { agent.name.clone() }).collect();
        self.downgrade_check.replace(&next.ingest);
        self.plugins.replace_rules(next.plugins.rules.clone());
        self.dispatch.replace(dispatch, self.log.head());
        self.replays.replace(next.replay.clone(), agents);
        self.schemas.replace(schemas);
        self.ingest.replace(channels);
        self.alerts.replace(next.alerts.clone(), self.log.head());
        self.web.replace(web);
        self.server.replace(server);
        if let Err(error) = self.subscriptions.replace(next.subscriptions.clone()) {
            tracing::error!("Subscriptions are still those of before: {error}");
        }
        // Those of new issuers are fetched when a token needs them, as after a start.
        self.key_sets.forget_all_but(key_sources(&next));
        self.key_sets.expire_files();
        self.log.set_retention(next.eventlog.retention);
        if next.log.level != self.current.log.level {
            (self.set_log_level)(&next.log.level);
        }
        if next.skills != self.current.skills {
            match skill::watch(next.skills.clone(), self.skills.clone(), &self.skill_metrics) {
                Ok(watcher) => self.skills_watcher = watcher,
                Err(error) => tracing::error!("Skills are still those of the folder before: {error}"),
            }
        }
        self.current = next;
    }
}

/// Where the keys of all callers are.
fn key_sources(config: &Config) -> impl Iterator<Item = &KeySource> {
    let subscribers = config.subscriptions.subscribers.values().flat_map(|subscriber| &subscriber.callers);
    let agents = config.dispatch.agents.iter().flat_map(|agent| &agent.callers);
    let channels = config.ingest.channels.iter().flat_map(|channel| &channel.access.callers);
    let routes = config.web.sites.iter().flat_map(|site| &site.routes).flat_map(|route| &route.access.callers);
    channels.chain(subscribers).chain(agents).chain(routes).filter_map(|caller| caller.key_source())
}

/// Waits until the files are others than those that were seen, and the same twice: nobody is writing any more.
async fn files_changed(config: &Config, seen: &Files) {
    let config::ReloadSettings { watch, interval } = config.reload;
    if !watch {
        return std::future::pending().await;
    }
    let mut before = None;
    loop {
        tokio::time::sleep(interval).await;
        let source = config.source.clone();
        let Ok(now) = blocking(move || source.look()).await else { continue };
        if now != *seen && before.as_ref() == Some(&now) {
            return;
        }
        before = Some(now);
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, std::io::Error> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)
}

fn tell(reload: &Reload) {
    let Reload { outcome, trigger, changed, restart, problem, warnings, .. } = reload;
    match (outcome, problem) {
        (ReloadOutcome::Applied, _) => {
            tracing::info!(trigger, changed = changed.join(", "), "Configuration applied");
            warnings.iter().for_each(|warning| tracing::warn!("Configuration: {warning}"));
            if !restart.is_empty() {
                tracing::warn!("Configuration: these keys need a restart: {}", restart.join(", "));
            }
        }
        (ReloadOutcome::Unchanged, _) => tracing::info!(trigger, "Configuration is unchanged"),
        (ReloadOutcome::Refused, problem) => {
            tracing::error!(
                trigger,
                "Configuration refused, the last good one is in force: {}",
                problem.as_deref().unwrap_or_default()
            );
        }
    }
}

/// Loads the states of plugins that are not loaded yet from the log.
pub(super) fn load_states(plugins: &PluginHost, log: &EventLog) -> Result<(), EventLogError> {
    for state in plugins.unloaded_states() {
        state.load(log.values(&Space::of_plugin(&state.owner), "")?);
    }
    Ok(())
}
