//! The composition root: the only place where neighbours meet.

mod checks;
mod error;
mod issuer_keys;
mod reload;
mod watch;

use std::sync::Arc;

use tokio::signal::unix::{self, SignalKind, signal};

use self::checks::{check_secrets, findings};
pub use self::error::GatewayError;
use self::issuer_keys::issuer_keys;
pub use self::reload::SetLogLevel;
use self::reload::{RELOADS, Reloader, load_states};
use crate::alert::{ALERTS, AlertSink, Alerts, Kind};
use crate::catalog::{COUNTS, Catalog, Declared, KindCounts};
use crate::config::Config;
use crate::dispatch::{DELIVERIES, Dispatch};
use crate::event::{ChannelName, Destination, Facts, Timestamp};
use crate::eventlog::{Claim, CommitSink, EventLog, EventLogError};
use crate::http::{self, Server, ServerControl, Services, claim_addresses};
use crate::ingest::{ChannelStatus, DowngradeCheck, Ingest, POLLING, Router};
use crate::lifecycle::{Running, Step, Tasks, Within};
use crate::memory;
use crate::metrics::Metrics;
use crate::notice::{NOTICES, Notices};
use crate::plugin::PluginHost;
use crate::replay::{REPLAYS, Replays};
use crate::sample::PackedSamples;
use crate::schema::{SCHEMAS, Schemas};
use crate::skill::{self, SkillMetrics, Skills};
use crate::subscribe::{Arrivals, SUBSCRIPTIONS, Subscriptions};
use crate::systemd::{Inherited, Notifier};
use crate::web::{WEB, Web};

/// Serves until SIGTERM or SIGINT, or until the event log cannot be trusted any more. A second signal ends it at once.
pub async fn run(config: Config, inherited: Inherited, set_log_level: SetLogLevel) -> Result<(), GatewayError> {
    let mut signals = Signals::new()?;
    let hangups = signal(SignalKind::hangup())?;
    let notifier = Arc::new(Notifier::from_environment()?);
    let started = tokio::select! {
        name = signals.received() => {
            tracing::info!("Stopping on {name}, nothing was served yet");
            return Ok(());
        }
        started = Parts::start(config, inherited, set_log_level) => started?,
    };
    let leaving = started.server.leaving();
    let subscriptions = started.subscriptions.clone();
    let serving = started.serve(&notifier, hangups);
    let failure = tokio::select! {
        name = signals.received() => {
            tracing::info!("Stopping on {name}");
            None
        }
        error = serving.log.failed() => {
            tracing::error!("Stopping, because the event log cannot be trusted any more: {error}");
            Some(error)
        }
    };
    notifier.stopping("Stopping");
    leaving.cancel();
    subscriptions.leave();
    tokio::select! {
        () = serving.stop() => tracing::info!("Stopped"),
        name = signals.received() => {
            tracing::warn!("Ending at once on a second signal, {name}; open deliveries go on after the next start");
        }
    }
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// The parts of a gateway before it serves.
struct Parts {
    server: Server,
    ingest: Ingest,
    dispatch: Dispatch,
    replays: Replays,
    log: EventLog,
    plugins: PluginHost,
    notices: Notices,
    reloader: Reloader,
    subscriptions: Subscriptions,
    schemas: Schemas,
    counts: KindCounts,
    alerts: Alerts,
    web: Web,
}

impl Parts {
    async fn start(config: Config, inherited: Inherited, set_log_level: SetLogLevel) -> Result<Self, GatewayError> {
        let started_at = Timestamp::now();
        let mut started = config.clone();
        let sockets = inherited.assign(config.http.listen, config.http.admin.listen)?;
        // Before anything takes time: two gateways would compile the same plugins, and one of them in vain.
        let sockets = claim_addresses(&config.http, sockets).await?;
        let claim = EventLog::claim(&config.eventlog).map_err(|error| match error {
            error @ EventLogError::Locked { .. } => GatewayError::LogInUse(error),
            error => error.into(),
        })?;
        let metrics = Metrics::new();
        let skills = Skills::default();
        let skill_metrics = SkillMetrics::register(&metrics);
        let skills_watcher = skill::watch(config.skills, skills.clone(), &skill_metrics)?;
        let downgrade_check = Arc::new(DowngradeCheck::new(&config.ingest));
        let guard = Arc::clone(&downgrade_check) as _;
        let plugins = PluginHost::start(config.plugins, &metrics, guard, Arc::new(PackedSamples)).await?;
        check_secrets(&config.source, &config.ingest, &plugins)?;
        let findings = findings(&started, &plugins).await?;
        findings.iter().for_each(|finding| tracing::warn!("Configuration: {finding}"));
        started.warnings.extend(findings);
        let agents = config.dispatch.agents.iter().map(|agent| agent.name.clone()).collect();
        let notices = Notices::new(config.notices, &metrics);
        let dispatch = Dispatch::new(config.dispatch, plugins.clone(), skills.clone(), notices.clone(), &metrics);
        let counts = KindCounts::default();
        let alerts = Alerts::new(config.alerts, &metrics);
        let arrivals = Arrivals::default();
        let sinks: Vec<Arc<dyn CommitSink>> = vec![
            Arc::new(dispatch.clone()),
            Arc::new(counts.clone()),
            Arc::new(AlertSink::new(&alerts)),
            Arc::new(arrivals.clone()),
        ];
        let mut eventlog = config.eventlog;
        // Nothing is removed before it is known what consumers hold.
        let retention = std::mem::take(&mut eventlog.retention);
        let log = open_log(claim, eventlog, &metrics, sinks).await?;
        let router = Arc::new(Routing(dispatch.clone()));
        counts.load(&log)?;
        let schemas = Schemas::load(config.schemas, log.clone(), &metrics).await?;
        started.warnings.extend(schemas.problems());
        let ingest = Ingest::new(config.ingest, plugins.clone(), log.clone(), router, schemas.clone(), &metrics);
        let catalog = Catalog::new(counts.clone(), schemas.clone(), declared_kinds(&ingest, &plugins, &alerts));
        load_states(&plugins, &log)?;
        dispatch.load_pauses(&log)?;
        let replays = Replays::load(config.replay, log.clone(), agents, &metrics)?;
        let (reload, reload_requests) = http::reloads(started.warnings.clone(), &metrics);
        let subscriptions = Subscriptions::load(config.subscriptions, log.clone(), arrivals, &metrics)?;
        subscriptions.flush().await;
        log.set_retention(retention);
        let key_sets = issuer_keys(&metrics);
        let web = Web::new(config.web, &metrics);
        let services = Services {
            ingest: ingest.clone(),
            dispatch: dispatch.clone(),
            replays: replays.clone(),
            reload,
            log: log.clone(),
            plugins: plugins.clone(),
            skills: skills.clone(),
            subscriptions: subscriptions.clone(),
            catalog,
            alerts: alerts.clone(),
            web: web.clone(),
            key_sets: Arc::clone(&key_sets),
            metrics,
            started_at,
        };
        let server = Server::bind(config.http, services, sockets).await?;
        let reloader = Reloader {
            seen: started.source.read().clone(),
            current: started.clone(),
            started,
            requests: reload_requests,
            server: server.control(),
            ingest: ingest.clone(),
            dispatch: dispatch.clone(),
            replays: replays.clone(),
            log: log.clone(),
            plugins: plugins.clone(),
            downgrade_check,
            skills,
            skill_metrics,
            skills_watcher,
            subscriptions: subscriptions.clone(),
            schemas: schemas.clone(),
            alerts: alerts.clone(),
            web: web.clone(),
            key_sets,
            set_log_level,
        };
        alerts.load(&log).await?;
        Ok(Self {
            server,
            ingest,
            dispatch,
            replays,
            log,
            plugins,
            notices,
            reloader,
            subscriptions,
            schemas,
            counts,
            alerts,
            web,
        })
    }

    /// Starts to accept requests and to deliver.
    fn serve(self, notifier: &Arc<Notifier>, hangups: unix::Signal) -> Serving {
        let Self { server, ingest, dispatch, replays, log, plugins, notices, reloader, .. } = self;
        let Self { subscriptions, schemas, counts, alerts, web, .. } = self;
        let addresses = server.urls();
        let control = server.control();
        let mut running = Running::new(STOP_ORDER);
        running.add(dispatch.start(&log));
        running.add(replays.start());
        running.add(subscriptions.start());
        running.add(schemas.start());
        running.add(counts.start(&log));
        let recipients = || {
            let routes = dispatch.clone();
            Box::new(move |facts: &Facts<'_>| routes.route(facts).recipients)
        };
        let sources = vec![
            watch::failed_plugins(plugins),
            watch::silent_channels(ingest.clone(), log.clone()),
            watch::burning_agents(dispatch.clone()),
            watch::changed_backends(web.clone(), notices.every()),
        ];
        running.add(notices.start(&log, recipients(), sources));
        running.add(alerts.start(&log, recipients()));
        running.add(ingest.start());
        running.add(web.start());
        for address in &addresses {
            tracing::info!("Serving on {address}");
        }
        running.add(requests(server));
        running.add(watchdog(notifier, &log));
        running.add(memory_returned());
        let status = format!("Serving on {}", addresses.join(" and "));
        notifier.ready(&status);
        running.add(reloader.start(Arc::clone(notifier), status, hangups));
        running.add(closing(&log));
        Serving { running, log, control }
    }
}

/// The order in which the parts stop.
const STOP_ORDER: &[Step] = &[
    Step(RELOADS, Within::Rest),
    Step(REQUESTS, Within::Signal),
    Step(REPLAYS, Within::Grace),
    Step(POLLING, Within::HalfOfRest),
    // Requests in flight may wait for an agent, so attempts still start for them. But these need time too.
    Step(REQUESTS, Within::HalfOfGrace),
    Step(DELIVERIES, Within::Rest),
    Step(REQUESTS, Within::Unlimited),
    Step(WEB, Within::Rest),
    // What was acknowledged last is written.
    Step(SUBSCRIPTIONS, Within::Rest),
    Step(NOTICES, Within::Rest),
    Step(ALERTS, Within::Rest),
    Step(SCHEMAS, Within::Rest),
    Step(COUNTS, Within::Rest),
    Step(LOG, Within::Unlimited),
    Step(WATCHDOG, Within::Unlimited),
    Step(MEMORY, Within::Unlimited),
];

const REQUESTS: &str = "requests";
const LOG: &str = "log";
const WATCHDOG: &str = "watchdog";
const MEMORY: &str = "memory";

/// A serving gateway.
struct Serving {
    running: Running,
    log: EventLog,
    control: ServerControl,
}

impl Serving {
    async fn stop(self) {
        let http::Settings { drain, shutdown_grace, .. } = self.control.settings();
        // A failed log ends the draining: no request can be served.
        drop(tokio::time::timeout(drain, self.log.failed()).await);
        self.running.stop(shutdown_grace).await;
    }
}

fn requests(server: Server) -> Tasks {
    let mut tasks = Tasks::new(REQUESTS);
    tasks.spawn(|stop| server.run(stop));
    tasks
}

/// Closes the log when it is stopped.
fn closing(log: &EventLog) -> Tasks {
    let (mut tasks, log) = (Tasks::new(LOG), log.clone());
    tasks.spawn(|stop| async move {
        stop.cancelled().await;
        log.close().await;
    });
    tasks
}

fn watchdog(notifier: &Arc<Notifier>, log: &EventLog) -> Tasks {
    let mut tasks = Tasks::new(WATCHDOG);
    tasks.spawn_until_stopped(answer_watchdog(Arc::clone(notifier), log.clone()));
    tasks
}

/// Gives memory back whenever the gateway rests.
fn memory_returned() -> Tasks {
    let mut tasks = Tasks::new(MEMORY);
    tasks.spawn_until_stopped(memory::return_when_idle());
    tasks
}

/// Answers the watchdog of the service manager unless a restart would help.
async fn answer_watchdog(notifier: Arc<Notifier>, log: EventLog) {
    let Some(period) = notifier.period() else { return };
    let mut ticks = tokio::time::interval(period);
    loop {
        ticks.tick().await;
        match log.health() {
            // A restart frees no space on a full disk.
            Ok(()) | Err(EventLogError::Full(_)) => notifier.well(),
            Err(error) => tracing::warn!("Watchdog of the service manager is not answered: {error}"),
        }
    }
}

/// Opens the log on a blocking thread: it reads the disk, and recovers after a crash.
async fn open_log(
    claim: Claim,
    settings: crate::eventlog::Settings,
    metrics: &Metrics,
    sinks: Vec<Arc<dyn CommitSink>>,
) -> Result<EventLog, GatewayError> {
    let metrics = metrics.clone();
    let opened = tokio::task::spawn_blocking(move || EventLog::open_claimed(claim, &settings, &metrics, sinks)).await;
    Ok(opened.map_err(std::io::Error::other)??)
}

/// The kinds that the plugins of channels declare, and those of alerts.
fn declared_kinds(ingest: &Ingest, plugins: &PluginHost, alerts: &Alerts) -> Declared {
    let (ingest, plugins, alerts) = (ingest.clone(), plugins.clone(), alerts.clone());
    Box::new(move || {
        let of_channel = |channel: ChannelStatus| {
            let generation = plugins.serving(channel.plugin.as_str());
            let kinds = generation.and_then(|generation| generation.manifest.kinds.clone()).unwrap_or_default();
            let declared = move |kind| Some((channel.name.parse().ok()?, format!("{}.{kind}", channel.name)));
            kinds.into_iter().filter_map(declared)
        };
        let told = Kind::ALL.into_iter().filter(|_| alerts.is_on()).filter_map(|kind| {
            let channel = ChannelName::ALERTS;
            Some((channel.parse().ok()?, format!("{channel}.{}", kind.as_str())))
        });
        ingest.channels().into_iter().flat_map(of_channel).chain(told).collect()
    })
}

/// Ingest's view of the routes.
struct Routing(Dispatch);

impl Router for Routing {
    fn route(&self, facts: &Facts<'_>) -> Destination {
        self.0.route(facts)
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
