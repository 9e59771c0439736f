//! The handle on alerts.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::error::AlertError;
use super::id::{IncidentId, SignalId};
use super::machine::{Machine, Outcome, Refusal, Speaker};
use super::metrics::AlertMetrics;
use super::processor::{Alerting, NAME, Recipients, Reply, Request, Shared, lock, restore};
use super::settings::Settings;
use super::silence::{SilenceDraft, SilenceId};
use super::silences::PutSilence;
use crate::event::{AgentName, DeliveryId, Seq, Timestamp};
use crate::eventlog::{Batch, Consumer, EventLog, EventLogError, Word, run_processor_with};
use crate::lifecycle::Tasks;
use crate::metrics::Metrics;

/// The name of the tasks of [`Alerts::start`].
pub const ALERTS: &str = "alerts";

/// How many requests wait at most.
const QUEUE: usize = 1024;
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Alerts; clones are the same.
#[derive(Clone)]
pub struct Alerts(Arc<Inner>);

struct Inner {
    machine: Shared,
    requests: mpsc::Sender<Request>,
    receiver: Mutex<Option<mpsc::Receiver<Request>>>,
    /// Since which position of the log there are channels of alerts.
    on: watch::Sender<Option<Seq>>,
    missed: Counter,
    /// Why nothing is processed any more.
    problem: OnceLock<String>,
    stopped: Gauge,
}

impl Alerts {
    pub fn new(settings: Settings, metrics: &Metrics) -> Self {
        let (requests, receiver) = mpsc::channel(QUEUE);
        let on = watch::Sender::new((!settings.channels.is_empty()).then_some(Seq(0)));
        let machine = Arc::new(Mutex::new(Machine::new(Arc::new(settings), Timestamp::now())));
        let missed = metrics.register(
            "gateway_alert_deliveries_missed",
            "Deliveries to agents whose end alerts did not hear of; the agent is taken for one that says nothing",
            Counter::default(),
        );
        let stopped = metrics.register(
            "gateway_alerts_stopped",
            "1 when alerts are not processed any more, because the log failed or what is stored cannot be read",
            Gauge::default(),
        );
        AlertMetrics::register(metrics, &machine);
        let (receiver, problem) = (Mutex::new(Some(receiver)), OnceLock::new());
        Self(Arc::new(Inner { machine, requests, receiver, on, missed, problem, stopped }))
    }

    /// Counts deliveries whose end was not heard of.
    pub(super) fn missed(&self) {
        self.0.missed.inc();
    }

    /// Whether there are channels of alerts.
    pub fn is_on(&self) -> bool {
        self.0.on.borrow().is_some()
    }

    /// Why nothing is processed any more, if so.
    pub fn problem(&self) -> Option<&str> {
        self.0.problem.get().map(String::as_str)
    }

    /// Reads what is known.
    ///
    /// # Errors
    /// Those of reads.
    pub fn load(&self, log: &EventLog) -> Result<(), EventLogError> {
        restore(&self.0.machine, log)
    }

    /// Starts to read the log as soon as there are channels of alerts; the first time from what is the end of the log then. What is told
    /// goes to `recipients`.
    pub fn start(&self, log: &EventLog, recipients: Recipients) -> Tasks {
        let mut tasks = Tasks::new(ALERTS);
        let (alerts, log, head) = (self.clone(), log.clone(), log.head());
        tasks.spawn(move |stop| async move {
            if let Err(error) = alerts.clone().run(log, head, recipients, stop).await {
                tracing::error!("Alerts are not processed any more: {error}");
                alerts.0.problem.get_or_init(|| error.to_string());
                alerts.0.stopped.set(1);
            }
        });
        tasks
    }

    /// `head` is the end of the log at the start.
    async fn run(
        self,
        log: EventLog,
        head: Seq,
        recipients: Recipients,
        stop: CancellationToken,
    ) -> Result<(), EventLogError> {
        let receiver = self.0.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(receiver) = receiver else { return Ok(()) };
        let mut on = self.0.on.subscribe();
        if !self.is_on() {
            // Nobody is told later of what comes meanwhile.
            Consumer::open(&log, NAME)?.forget().await?;
        }
        let since = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            since = on.wait_for(Option::is_some) => since.ok().and_then(|since| *since).unwrap_or(head),
        };
        let mut consumer = Consumer::open(&log, NAME)?;
        if consumer.is_new() {
            consumer.advance(since.max(head), Batch::default()).await?;
        }
        self.hear_again(&log)?;
        let machine = Arc::clone(&self.0.machine);
        let alerting = Alerting { machine, recipients, log: log.clone(), is_loaded: true, answers: Vec::new() };
        run_processor_with(log, alerting, receiver, Timestamp::now, stop).await
    }

    /// Replaces the settings. What is known stays, and is looked at by the new ones. `head` is the end of the log.
    pub fn replace(&self, settings: Settings, head: Seq) {
        let is_on = !settings.channels.is_empty();
        lock(&self.0.machine).replace(Arc::new(settings), Timestamp::now());
        self.0.on.send_if_modified(|on| {
            let is_other = on.is_some() != is_on;
            if is_other {
                *on = is_on.then_some(head);
            }
            is_other
        });
        // Has what follows become durable. If too many wait, it does with one of them.
        let request: Request = Box::new(|_, _, _| Reply { values: Vec::new(), answer: Box::new(|| ()) });
        drop(self.0.requests.try_send(request));
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
        let request: Request = Box::new(move |machine, _, now| {
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

    /// A delivery that asked an agent to begin has ended; whether that is heard.
    pub(super) fn delivered(&self, id: IncidentId, agent: &AgentName, delivery: DeliveryId, accepted: bool) -> bool {
        let agent = agent.to_string();
        let request: Request = Box::new(move |machine, log, now| {
            machine.delivered(id, &agent, accepted, now);
            let mut values = Vec::new();
            match Word::of(log, delivery) {
                Ok(None) => {}
                Ok(Some(word)) => {
                    hear(machine, id, &agent, &word, now);
                    values.push(Word::heard(delivery));
                }
                Err(error) => tracing::warn!(%agent, "The word of an agent cannot be read: {error}"),
            }
            Reply { values, answer: Box::new(|| ()) }
        });
        self.0.requests.try_send(request).is_ok()
    }

    /// Hears the words that came before the last end of the process.
    fn hear_again(&self, log: &EventLog) -> Result<(), EventLogError> {
        for delivery in Word::unheard(log)? {
            let Some(stored) = log.event(delivery.seq)? else { continue };
            let agent = stored.deliveries.get(delivery.index as usize).map(|delivery| &delivery.agent);
            let id = stored.event.subject.as_ref().and_then(|subject| subject.parse().ok());
            if let (Some(id), Some(agent)) = (id, agent)
                && !self.delivered(id, agent, delivery, true)
            {
                self.missed();
            }
        }
        Ok(())
    }
}

fn hear(machine: &mut Machine, id: IncidentId, agent: &str, word: &Word, now: Timestamp) {
    let heard = match Outcome::named(&word.0) {
        Some(said) => machine.say(id, said, Speaker::Agent(agent), "", now),
        None => machine.remark(id, agent, &format!("said `{}`, expected {}", word.0, Outcome::NAMES), now),
    };
    if let Err(refusal) = heard {
        tracing::info!(incident = %id, agent, "The word of an agent changes nothing: {refusal}");
    }
}
