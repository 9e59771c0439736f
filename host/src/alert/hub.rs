//! The handle on alerts.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::error::AlertError;
use super::id::{IncidentId, SignalId};
use super::listener::Listener;
use super::machine::{Machine, Outcome, Refusal, Speaker, Step};
use super::metrics::AlertMetrics;
use super::processor::{Alerting, NAME, Recipients, Reply, Request, SPACE, Shared, lock, restore};
use super::settings::Settings;
use super::silence::{SilenceDraft, SilenceId};
use super::silences::PutSilence;
use crate::event::{Seq, Timestamp};
use crate::eventlog::{Batch, Consumer, EventLog, EventLogError, ValueChange, run_processor_with};
use crate::lifecycle::{Backoff, Tasks};
use crate::metrics::Metrics;

/// The name of the tasks of [`Alerts::start`].
pub const ALERTS: &str = "alerts";

/// How many requests wait at most.
const QUEUE: usize = 1024;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many signals and incidents are abandoned in one commit.
const ABANDONED_AT_ONCE: usize = 1_000;

/// Alerts; clones are the same.
#[derive(Clone)]
pub struct Alerts(Arc<Inner>);

struct Inner {
    machine: Shared,
    requests: mpsc::Sender<Request>,
    receiver: Mutex<Option<mpsc::Receiver<Request>>>,
    turn: watch::Sender<Turn>,
    /// Whether the machine and the position are as the first turn needs them.
    is_ready: AtomicBool,
    /// Told when a delivery has ended.
    ended: Arc<Notify>,
    heard: Counter,
    unreadable: Gauge,
    /// Why nothing is processed any more.
    problem: OnceLock<String>,
    stopped: Gauge,
}

/// A time with channels of alerts, or one without.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Turn {
    number: u64,
    /// Where in the log it begins; `None` if alerts are off.
    since: Option<Seq>,
}

impl Alerts {
    pub fn new(settings: Settings, metrics: &Metrics) -> Self {
        let (requests, receiver) = mpsc::channel(QUEUE);
        let turn = watch::Sender::new(Turn { number: 0, since: settings.is_on().then_some(Seq(0)) });
        let machine = Arc::new(Mutex::new(Machine::new(Arc::new(settings), Timestamp::now())));
        let heard = metrics.register(
            "gateway_alert_deliveries_heard",
            "Deliveries of events of alerts whose end alerts have heard of",
            Counter::default(),
        );
        let unreadable = metrics.register(
            "gateway_alert_values_unreadable",
            "Stored values of alerts that cannot be read and are left out; the log of the gateway names them",
            Gauge::default(),
        );
        let stopped = metrics.register(
            "gateway_alerts_stopped",
            "1 when alerts are not processed any more, because the log failed or what is stored cannot be read",
            Gauge::default(),
        );
        AlertMetrics::register(metrics, &machine);
        let (receiver, problem) = (Mutex::new(Some(receiver)), OnceLock::new());
        let (is_ready, ended) = (AtomicBool::new(false), Arc::default());
        Self(Arc::new(Inner {
            machine,
            requests,
            receiver,
            turn,
            is_ready,
            ended,
            heard,
            unreadable,
            problem,
            stopped,
        }))
    }

    /// Who is to be told when a delivery has ended.
    pub(super) fn ended(&self) -> Arc<Notify> {
        Arc::clone(&self.0.ended)
    }

    /// Whether there are channels of alerts.
    pub fn is_on(&self) -> bool {
        self.0.turn.borrow().since.is_some()
    }

    /// Why nothing is processed any more, if so.
    pub fn problem(&self) -> Option<&str> {
        self.0.problem.get().map(String::as_str)
    }

    /// Reads what is known, before anything is accepted that has to be looked at: the first time the log is read from its end at this
    /// moment.
    ///
    /// # Errors
    /// Those that no retry can mend.
    pub async fn load(&self, log: &EventLog) -> Result<(), EventLogError> {
        let head = log.head();
        self.0.turn.send_modify(|turn| turn.since = turn.since.map(|_| head));
        match if self.is_on() { self.prepare(log, head).await } else { forget(log).await } {
            Ok(()) => self.0.is_ready.store(true, Ordering::Release),
            Err(error) if error.is_transient() => tracing::warn!("Alerts cannot be read yet: {error}"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads the log while there are channels of alerts; after a time without, from its end. What is told goes to `recipients`.
    pub fn start(&self, log: &EventLog, recipients: Recipients) -> Tasks {
        let mut tasks = Tasks::new(ALERTS);
        let (alerts, log) = (self.clone(), log.clone());
        tasks.spawn(move |stop| async move {
            let running = alerts.run(log, Arc::new(recipients), stop);
            let problem = match AssertUnwindSafe(running).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "a bug: the processor has panicked".to_owned(),
            };
            tracing::error!("Alerts are not processed any more: {problem}");
            alerts.0.problem.get_or_init(|| problem);
            alerts.0.stopped.set(1);
        });
        tasks
    }

    async fn run(
        &self,
        log: EventLog,
        recipients: Arc<Recipients>,
        stop: CancellationToken,
    ) -> Result<(), EventLogError> {
        let receiver = self.0.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut receiver) = receiver else { return Ok(()) };
        let mut ready_for = self.0.is_ready.load(Ordering::Acquire).then_some(0);
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            match self.process(&log, &recipients, &mut receiver, &mut ready_for, &stop).await {
                Ok(()) => backoff = Backoff::default(),
                Err(error) if error.is_transient() || matches!(error, EventLogError::Conflict(_)) => {
                    tracing::warn!("Alerts are not processed yet: {error}");
                    backoff.wait(&stop).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until there are channels of alerts, and processes as long as there are. `ready_for` is the turn that all is ready for.
    async fn process(
        &self,
        log: &EventLog,
        recipients: &Arc<Recipients>,
        receiver: &mut mpsc::Receiver<Request>,
        ready_for: &mut Option<u64>,
        stop: &CancellationToken,
    ) -> Result<(), EventLogError> {
        let inner = &self.0;
        let mut turns = inner.turn.subscribe();
        let now = *turns.borrow_and_update();
        if now.since.is_none() || ready_for.is_some_and(|number| number != now.number) {
            forget(log).await?;
            *ready_for = None;
        }
        let on = stop.run_until_cancelled(turns.wait_for(|turn| turn.since.is_some())).await;
        let Some(Turn { number, since: Some(since) }) = on.and_then(Result::ok).map(|turn| *turn) else {
            return Ok(());
        };
        if *ready_for != Some(number) {
            self.prepare(log, since).await?;
            *ready_for = Some(number);
        }
        let alerting = Alerting::new(Arc::clone(&inner.machine), Arc::clone(recipients), inner.unreadable.clone());
        let until_off = stop.child_token();
        let processing = run_processor_with(log.clone(), alerting, receiver, Timestamp::now, until_off.clone());
        let listener = Listener {
            log: log.clone(),
            requests: inner.requests.clone(),
            ended: Arc::clone(&inner.ended),
            heard: inner.heard.clone(),
        };
        let ending = async {
            drop(turns.wait_for(|turn| turn.number != number).await);
            until_off.cancel();
        };
        let (ended, (), ()) = tokio::join!(
            async {
                let ended = processing.await;
                // The others have nothing to do without it.
                until_off.cancel();
                ended
            },
            listener.run(&until_off),
            async {
                until_off.run_until_cancelled(ending).await;
            },
        );
        if inner.turn.borrow().number != number {
            // What waits was asked for before, and its callers hear that it was not done.
            while receiver.try_recv().is_ok() {}
            let mut machine = lock(&inner.machine);
            *machine = empty(&machine, Arc::clone(machine.settings()));
        }
        ended
    }

    /// Reads what is known. If nobody has listened until now, ends what was known before without telling anybody, and begins to listen
    /// at `since`.
    async fn prepare(&self, log: &EventLog, since: Seq) -> Result<(), EventLogError> {
        let (machine, unreadable) = (Arc::clone(&self.0.machine), self.0.unreadable.clone());
        let reader = log.clone();
        let mut consumer = blocking(move || {
            restore(&machine, &reader, &unreadable)?;
            Consumer::open(&reader, NAME)
        })
        .await?;
        if consumer.is_new() {
            // The position comes last: whatever is left after a kill is ended by the next one.
            while let Some(step) = self.abandon() {
                let values = ValueChange::all(&SPACE, step.values);
                log.commit(Batch { values, ..Batch::default() }).await?;
            }
            consumer.advance(since, Batch::default()).await?;
        }
        Ok(())
    }

    fn abandon(&self) -> Option<Step> {
        lock(&self.0.machine).abandon(ABANDONED_AT_ONCE, Timestamp::now())
    }

    /// Replaces the settings. What is known stays, and is looked at by the new ones; without channels nothing is known. `head` is the end
    /// of the log.
    pub fn replace(&self, settings: Settings, head: Seq) {
        let is_on = settings.is_on();
        let settings = Arc::new(settings);
        {
            let mut machine = lock(&self.0.machine);
            if is_on {
                machine.replace(settings, Timestamp::now());
            } else {
                *machine = empty(&machine, settings);
            }
        }
        self.0.turn.send_if_modified(|turn| {
            let is_other = turn.since.is_some() != is_on;
            if is_other {
                *turn = Turn { number: turn.number + 1, since: is_on.then_some(head) };
            }
            is_other
        });
        if is_on {
            // Has what follows become durable. If too many wait, it does with one of them.
            let request: Request = Box::new(|_, _| Reply { values: Vec::new(), answer: Box::new(|| ()) });
            drop(self.0.requests.try_send(request));
        }
    }

    /// Looks at what is known. Must not take long: nothing is processed meanwhile.
    pub fn read<T>(&self, read: impl FnOnce(&Machine) -> T) -> T {
        read(&lock(&self.0.machine))
    }

    /// Changes what is known, and returns when it is durable.
    ///
    /// # Errors
    /// `Overloaded` when too many wait, `Unavailable` when it could not be made durable.
    async fn ask<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Machine, Timestamp) -> T + Send + 'static,
    ) -> Result<T, AlertError> {
        if !self.is_on() {
            return Err(AlertError::Off);
        }
        if let Some(problem) = self.problem() {
            return Err(AlertError::Stopped(problem.to_owned()));
        }
        let (reply, answer) = oneshot::channel();
        let request: Request = Box::new(move |machine, now| {
            let result = change(machine, now);
            // Whoever asked may be gone.
            Reply { values: Vec::new(), answer: Box::new(move || drop(reply.send(result))) }
        });
        self.0.requests.try_send(request).map_err(|_| AlertError::Overloaded)?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) | Err(_) => Err(AlertError::Unavailable),
        }
    }

    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Machine, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, AlertError> {
        Ok(self.ask(change).await??)
    }

    /// What a person says of an incident.
    ///
    /// # Errors
    /// `Refused`, and those of a request.
    pub async fn say(&self, id: IncidentId, said: Outcome, by: String, note: String) -> Result<(), AlertError> {
        self.change(move |machine, now| machine.say(id, said, Speaker::Person(&by), &note, now)).await
    }

    /// What an agent says of an incident.
    ///
    /// # Errors
    /// Those of [`say`](Self::say).
    pub async fn hear(&self, id: IncidentId, said: Outcome, agent: String, note: String) -> Result<(), AlertError> {
        self.change(move |machine, now| machine.say(id, said, Speaker::Agent(&agent), &note, now)).await
    }

    /// Ends all signals of an incident.
    ///
    /// # Errors
    /// Those of [`say`](Self::say).
    pub async fn resolve(&self, id: IncidentId, by: String, note: String) -> Result<(), AlertError> {
        self.change(move |machine, now| machine.resolve_all(id, &by, &note, now)).await
    }

    /// Writes a note into the history of an incident.
    ///
    /// # Errors
    /// Those of [`say`](Self::say).
    pub async fn remark(&self, id: IncidentId, by: String, note: String) -> Result<(), AlertError> {
        self.change(move |machine, now| machine.remark(id, &by, &note, now)).await
    }

    /// Moves all signals of an incident into another one.
    ///
    /// # Errors
    /// Those of [`say`](Self::say).
    pub async fn merge(&self, id: IncidentId, into: IncidentId, by: String) -> Result<(), AlertError> {
        self.change(move |machine, now| machine.merge(id, into, &by, now)).await
    }

    /// Moves some signals of an incident into a new one; its id.
    ///
    /// # Errors
    /// Those of [`say`](Self::say).
    pub async fn split(&self, id: IncidentId, signals: Vec<SignalId>, by: String) -> Result<IncidentId, AlertError> {
        self.change(move |machine, now| machine.split(id, &signals, &by, now)).await
    }

    /// Makes or changes silences: all of them, or none.
    ///
    /// # Errors
    /// `Silence`, and those of a request.
    pub async fn put_silences(&self, drafts: Vec<SilenceDraft>) -> Result<Vec<PutSilence>, AlertError> {
        let random = |_| {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).map(|()| bytes).map_err(|_| AlertError::Unavailable)
        };
        let random = (0..drafts.len()).map(random).collect::<Result<Vec<_>, _>>()?;
        let put = self.ask(move |machine, now| machine.put_silences(drafts, &random, now)).await?;
        Ok(put?)
    }

    /// Ends a silence now; whether it was not over.
    ///
    /// # Errors
    /// Those of [`put_silences`](Self::put_silences).
    pub async fn expire_silence(&self, id: SilenceId) -> Result<bool, AlertError> {
        Ok(self.ask(move |machine, now| machine.expire_silence(id, now)).await??)
    }
}

/// One that knows nothing.
fn empty(known: &Machine, settings: Arc<Settings>) -> Machine {
    let mut machine = Machine::new(settings, Timestamp::now());
    machine.keep_tally(known.tally().clone());
    machine
}

/// Forgets how far the log was read: nobody is told later of what comes while there are no channels of alerts.
async fn forget(log: &EventLog) -> Result<(), EventLogError> {
    let log = log.clone();
    blocking(move || Consumer::open(&log, NAME)).await?.forget().await
}

/// Reads on a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, EventLogError> + Send + 'static,
) -> Result<T, EventLogError> {
    match tokio::task::spawn_blocking(read).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(read) => read,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(error)) => Err(EventLogError::Io(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
