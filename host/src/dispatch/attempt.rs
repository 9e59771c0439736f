//! One attempt of a delivery, from the call of the plugin to the durable record of its outcome.

use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use serde_json::json;
use url::Url;

use crate::egress::EgressError;
use crate::event::{Attempt, ChannelName, DeliveryId, Event, Outcome, SkillRef, Timestamp};
use crate::eventlog::{
    Appended, Batch, Committed, EndedDelivery, EventLog, EventLogError, FinishedAttempt, NewEvent, Space, ValueChange,
};
use crate::metrics::ByAgent;
use crate::notice::Notice;
use crate::plugin::{Answer, CallError, Failure, Generation, Outgoing, StateChanges, StateError};

use super::agent::{Agent, Setup};
use super::breaker::AgentVerdict;
use super::context::Context;
use super::endpoint::{Endpoint, Load};
use super::failure_class::FailureClass;
use super::health;
use super::job::{Age, Job};
use super::metrics::ByOutcome;
use super::permits::Permit;
use super::retry::{self, TIMEOUT};
use super::watch::SyncOutcome;

/// How long to wait before the log is asked again to take a record.
const RECORD_AGAIN: Duration = Duration::from_millis(500);

/// Bytes of a failure's message in the record.
const MAX_MESSAGE: usize = 1024;
/// The code of an attempt that the plugin's limits refused.
const BUSY: &str = "busy";
/// Bytes of a failure's code in the record.
const MAX_CODE: usize = 64;

pub(super) struct AttemptRunner {
    pub(super) agent: Arc<Agent>,
    /// The agent's setup at the start.
    pub(super) setup: Arc<Setup>,
    pub(super) endpoint: Arc<Endpoint>,
    /// Until the agent has answered.
    pub(super) load: Option<Load>,
    pub(super) dispatch: Arc<Context>,
    pub(super) log: EventLog,
    pub(super) generation: Arc<Generation>,
    /// The breaker's epoch at the start.
    pub(super) epoch: u64,
    /// Whether it is first seen whether the agent can be connected to.
    pub(super) knocks: bool,
    /// The term of the claim under which it is made.
    pub(super) term: u64,
}

/// An attempt whose record is durable.
pub(super) struct Finished {
    pub(super) job: Job,
    pub(super) disposition: Disposition,
}

/// What happens to the job next.
#[derive(Clone, Copy)]
pub(super) enum Disposition {
    /// Nothing: the delivery is settled, or no longer in the log.
    Settled,
    RetryAt(Instant),
    /// The log has ended before it took the record: the delivery is still open there, and none may overtake it.
    Unrecorded,
}

/// The result of a call, for the delivery and for the agent.
struct Evaluation {
    attempt: Attempt,
    /// The wait before the next attempt. `None` if there is none.
    wait: Option<Duration>,
    answer: Option<Answer>,
    /// What failed; `None` if it delivered.
    class: Option<FailureClass>,
    verdict: AgentVerdict,
}

impl AttemptRunner {
    /// Makes the attempt and returns when its record is durable. `permit` is given back when the agent has answered.
    pub(super) async fn run(self, mut job: Job, permit: Permit) -> Finished {
        let (agent, dispatch, epoch) = (Arc::clone(&self.agent), Arc::clone(&self.dispatch), self.epoch);
        let endpoint = Arc::clone(&self.endpoint);
        // A bug must not block the lane: the delivery is open in the log and is retried like any other.
        let disposition = AssertUnwindSafe(self.attempt(&mut job, permit)).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!(agent = %agent.name, delivery = ?job.id, "Attempt panicked, retrying");
            drop(agent.report(&endpoint, epoch, AgentVerdict::Unknown, &dispatch.metrics));
            Disposition::RetryAt(Instant::now() + RECORD_AGAIN)
        });
        Finished { job, disposition }
    }

    async fn attempt(mut self, job: &mut Job, permit: Permit) -> Disposition {
        let event = match &job.held {
            Some(held) => Ok(Arc::clone(&held.event)),
            None => self.load(job.id).await,
        };
        let event = match event {
            Ok(event) => event,
            Err(EventLogError::NotFound) => {
                self.report(AgentVerdict::Unknown);
                return Disposition::Settled;
            }
            // Only a damaged record stays unreadable. Other errors may pass.
            Err(error @ EventLogError::Corrupt { .. }) => {
                tracing::error!(delivery = ?job.id, "Event cannot be read, its delivery is dead: {error}");
                return self.give_up(job, "corrupt", &error.to_string()).await;
            }
            Err(error) => {
                tracing::warn!(delivery = ?job.id, "Event cannot be read now: {error}");
                self.report(AgentVerdict::Unknown);
                return Disposition::RetryAt(Instant::now() + RECORD_AGAIN);
            }
        };
        let is_notice = event.channel.as_str() == ChannelName::GATEWAY;
        if let Err(error) = self.knock(job.age).await {
            // It was no attempt: the delivery has as many left as before.
            let class = FailureClass::of_egress(&error);
            self.agent.failed(Timestamp::now(), class, error.code(), &error.to_string());
            self.report(AgentVerdict::Failed { class, after: None });
            self.note(Some(class), is_notice);
            return Disposition::RetryAt(Instant::now());
        }
        job.held = None;
        let started_at = Timestamp::now();
        let number = NonZeroU32::MIN.saturating_add(job.attempts);
        let counted = InFlight::new(&self.agent.in_flight);
        let mut responds = false;
        let called = if self.agent.name.channel().is_some() {
            self.respond(&event, number).await
        } else {
            let terms = self.dispatch.routes.load().terms(&event.facts(), &self.agent.name);
            responds = terms.responds;
            let outgoing = Outgoing {
                event: Arc::clone(&event),
                skills: self.skills(&terms.skills),
                attempt: number.get(),
                wants_answer: terms.wants_answer,
            };
            self.generation.deliver(&self.endpoint.binding, outgoing).await
        };
        drop((counted, permit, self.load.take()));
        let Evaluation { attempt, wait, answer, class, verdict } = self.evaluate(number, started_at, job.age, called);
        let failed = matches!(verdict, AgentVerdict::Failed { .. });
        if let Some(class) = class.filter(|class| failed || *class == FailureClass::Plugin) {
            self.agent.failed(attempt.ended_at, class, &attempt.code, &attempt.message);
        }
        self.report(verdict);
        self.note(class, is_notice);
        let next_at = wait.map(|wait| (attempt.ended_at.after(wait), Instant::now() + wait));
        job.attempts = number.get();
        self.count(&event, &attempt);
        let state = answer.as_ref().map(|answer| answer.state.clone()).unwrap_or_default();
        let ended = ended_alert(job.id, &event, &attempt, answer.as_ref());
        let reply = answer.as_ref().filter(|_| responds).and_then(|answer| self.answer_event(job, &event, answer));
        let settled = match attempt.outcome {
            Outcome::Retry => None,
            Outcome::Delivered => answer.map(SyncOutcome::Delivered),
            Outcome::Dead => Some(SyncOutcome::Dead { code: attempt.code.clone(), message: attempt.message.clone() }),
        };
        let dead = self.dead_notice(job.id, &event, &attempt);
        let finished = FinishedAttempt { delivery: job.id, attempt, next_attempt_at: next_at.map(|(at, _)| at) };
        if !self.record(finished, state, reply, ended).await {
            return Disposition::Unrecorded;
        }
        dead.into_iter().for_each(|notice| self.dispatch.notices.tell(notice));
        if let Some(outcome) = settled
            && self.agent.name.channel().is_none()
        {
            self.dispatch.watchers.settle(event.request_id, outcome);
        }
        next_at.map_or(Disposition::Settled, |(_, at)| Disposition::RetryAt(at))
    }

    /// Whether the agent can be connected to, if nothing got through before: such a probe costs no delivery an attempt. An attempt
    /// shows it where nobody knows at which address the agent is, and where it is the end of a delivery that is too old.
    async fn knock(&self, age: Age) -> Result<(), EgressError> {
        if !self.knocks || age.at(Instant::now()) >= self.setup.settings.retry.max_age {
            return Ok(());
        }
        let address = health::address(&self.dispatch, &self.setup, &self.endpoint).ok();
        let Some(url) = address.and_then(|address| Url::parse(&address).ok()) else { return Ok(()) };
        match self.endpoint.binding.network.knock(&url).await {
            Err(error) if FailureClass::of_egress(&error).is_before_request() => Err(error),
            // What forbids a knock may allow the request of the plugin.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Counts an attempt or a probe.
    fn note(&self, failure: Option<FailureClass>, is_notice: bool) {
        if let Some(notice) = self.agent.note(failure, is_notice, &self.dispatch.metrics) {
            self.dispatch.notices.tell(notice);
        }
    }

    async fn load(&self, id: DeliveryId) -> Result<Arc<Event>, EventLogError> {
        let log = self.log.clone();
        let read = tokio::task::spawn_blocking(move || log.event(id.seq));
        let stored = read.await.map_err(|error| EventLogError::Io(error.to_string()))??;
        stored.map(|stored| Arc::new(stored.event)).ok_or(EventLogError::NotFound)
    }

    fn skills(&self, allowed: &[String]) -> Arc<[SkillRef]> {
        if allowed.is_empty() {
            return Arc::default();
        }
        let skills = self.dispatch.skills.select(allowed);
        let reference = |skill: &Arc<crate::skill::Skill>| SkillRef {
            name: skill.name.clone(),
            description: skill.description.clone(),
            path: skill.path.clone(),
        };
        skills.iter().map(reference).collect()
    }

    /// Decides what the result of the call means for the delivery and for the agent.
    fn evaluate(
        &self,
        number: NonZeroU32,
        started_at: Timestamp,
        age: Age,
        called: Result<Result<Answer, Failure>, CallError>,
    ) -> Evaluation {
        let ended_at = Timestamp::now();
        let attempt = |outcome, code: &str, message: &str| Attempt {
            number: number.get(),
            term: self.term,
            started_at,
            ended_at,
            outcome,
            code: shortened(code, MAX_CODE),
            message: shortened(message, MAX_MESSAGE),
        };
        let (failure, class, shows_agent) = match called {
            Ok(Ok(answer)) => {
                let attempt = attempt(Outcome::Delivered, "", answer.note.as_deref().unwrap_or_default());
                let (answer, verdict) = (Some(answer), AgentVerdict::Answered);
                return Evaluation { attempt, wait: None, answer, class: None, verdict };
            }
            Ok(Err(failure)) => {
                let class = FailureClass::of_failure(&failure);
                (failure, class, true)
            }
            Err(error) => {
                let class = FailureClass::of_call(&error);
                let code = match class {
                    FailureClass::Timeout => TIMEOUT,
                    FailureClass::Plugin => "plugin",
                    _ => BUSY,
                };
                let (code, message) = (code.to_owned(), error.to_string());
                let failure = Failure { retry: true, code, message, after: None, exchange: None };
                (failure, class, class == FailureClass::Timeout)
            }
        };
        let asked = failure.asked_wait(ended_at);
        let Failure { retry, code, message, .. } = failure;
        if !retry {
            let attempt = attempt(Outcome::Dead, &code, &message);
            let (class, verdict) = (Some(class), AgentVerdict::Answered);
            return Evaluation { attempt, wait: None, answer: None, class, verdict };
        }
        let policy = &self.setup.settings.retry;
        let asked = asked.map(|asked| asked.min(policy.max_retry_after));
        let verdict = if shows_agent { AgentVerdict::Failed { class, after: asked } } else { AgentVerdict::Unknown };
        let class = Some(class);
        match policy.next(number, &code, asked, age.at(Instant::now()), retry::jitter()) {
            Ok(wait) => {
                let attempt = attempt(Outcome::Retry, &code, &message);
                Evaluation { attempt, wait: Some(wait), answer: None, class, verdict }
            }
            Err(exhausted) => {
                let message = format!("{}; {exhausted}", shortened(&message, MAX_MESSAGE - 100));
                let attempt = attempt(Outcome::Dead, &code, &message);
                Evaluation { attempt, wait: None, answer: None, class, verdict }
            }
        }
    }

    /// The notice of a delivery that this attempt leaves dead, unless the event is a notice itself.
    fn dead_notice(&self, id: DeliveryId, event: &Event, attempt: &Attempt) -> Option<Notice> {
        if attempt.outcome != Outcome::Dead || event.channel.is_built_in() {
            return None;
        }
        let agent = &self.agent.name;
        let data = json!({
            "agent": agent, "event": event.id, "seq": event.seq, "delivery": format!("{}.{}", id.seq, id.index),
            "channel": event.channel, "kind": event.kind, "subject": event.subject,
            "attempts": attempt.number, "code": attempt.code, "message": attempt.message,
        });
        Some(Notice::new("delivery.dead", agent, data))
    }

    fn report(&self, verdict: AgentVerdict) {
        if let Some(notice) = self.agent.report(&self.endpoint, self.epoch, verdict, &self.dispatch.metrics) {
            self.dispatch.notices.tell(notice);
        }
    }

    async fn give_up(&self, job: &Job, code: &str, message: &str) -> Disposition {
        self.report(AgentVerdict::Unknown);
        let now = Timestamp::now();
        let attempt = Attempt {
            number: job.attempts + 1,
            term: self.term,
            started_at: now,
            ended_at: now,
            outcome: Outcome::Dead,
            code: code.to_owned(),
            message: message.to_owned(),
        };
        let finished = FinishedAttempt { delivery: job.id, attempt, next_attempt_at: None };
        if self.record(finished, StateChanges::default(), None, None).await {
            Disposition::Settled
        } else {
            Disposition::Unrecorded
        }
    }

    /// Makes the outcome durable in one commit: the attempt, what the plugin changed of its state, the answer that goes
    /// back, and that alerts are to hear of it. Returns whether the log still accepts records.
    async fn record(
        &self,
        finished: FinishedAttempt,
        changes: StateChanges,
        reply: Option<NewEvent>,
        ended: Option<ValueChange>,
    ) -> bool {
        let (events, values) = (reply.into_iter().collect(), ended.into_iter().collect());
        let batch = Batch { attempts: vec![finished], events, values, ..Batch::default() };
        let committed = match self.endpoint.binding.state.as_ref().filter(|_| !changes.is_empty()) {
            Some(state) => {
                let write = async |entries| {
                    let mut batch = batch.clone();
                    batch.values.extend(ValueChange::all(&Space::of_plugin(&state.owner), entries));
                    Ok::<_, StateError>(self.commit(batch).await)
                };
                match state.keep(changes, write).await {
                    Ok(committed) => committed,
                    Err(error) => {
                        tracing::warn!(agent = %self.agent.name, "State of the plugin was not stored: {error}");
                        self.commit(batch).await
                    }
                }
            }
            None => self.commit(batch).await,
        };
        if let Some(Committed { events, .. }) = &committed
            && let Some(Appended::Accepted(answer)) = events.first()
        {
            tracing::debug!(agent = %self.agent.name, answer = %answer.id, "Answer goes back");
        }
        committed.is_some()
    }

    /// Commits, and waits for the log where it cannot accept the batch now: the agent has the event, so the delivery must
    /// not be retried because of that. What can never be stored is left out. `None` if the log has ended before.
    async fn commit(&self, mut batch: Batch) -> Option<Committed> {
        let agent = &self.agent.name;
        let mut warned = false;
        loop {
            match self.log.commit(batch.clone()).await {
                Ok(committed) => return Some(committed),
                Err(EventLogError::Poisoned(_) | EventLogError::Closed) => return None,
                Err(error) if error.is_transient() => {
                    if !warned {
                        tracing::warn!(%agent, "Outcome cannot be recorded now: {error}");
                        warned = true;
                    }
                    tokio::time::sleep(RECORD_AGAIN).await;
                }
                Err(error) => {
                    tracing::warn!(%agent, "Outcome cannot be recorded: {error}");
                    let Batch { attempts, events, values, .. } = batch;
                    let all = values.len();
                    let values: Vec<_> = values.into_iter().filter(EndedDelivery::is_kept_by).collect();
                    if events.is_empty() && values.len() == all {
                        return Some(Committed::default());
                    }
                    batch = Batch { attempts, values, ..Batch::default() };
                }
            }
        }
    }

    fn count(&self, event: &Event, attempt: &Attempt) {
        let (name, metrics) = (&self.agent.name, &self.dispatch.metrics);
        let outcome = match attempt.outcome {
            Outcome::Delivered => "delivered",
            Outcome::Retry => "retry",
            Outcome::Dead => "dead",
        };
        metrics.attempts.get_or_create(&ByOutcome::new(name, outcome)).inc();
        if attempt.outcome != Outcome::Retry {
            let took = attempt.ended_at.since(event.stored_at).as_secs_f64();
            metrics.task_duration.get_or_create(&ByAgent::new(name)).observe(took);
        }
        match attempt.outcome {
            Outcome::Dead => {
                tracing::warn!(agent = %name, event = %event.id, code = attempt.code, "Delivery is dead: {}", attempt.message);
            }
            _ => tracing::debug!(agent = %name, event = %event.id, outcome, code = attempt.code, "Attempt ended"),
        }
    }
}

/// Counts an attempt in flight while it exists.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What has alerts hear how a delivery of one of their events has ended.
fn ended_alert(id: DeliveryId, event: &Event, attempt: &Attempt, answer: Option<&Answer>) -> Option<ValueChange> {
    if event.channel.as_str() != ChannelName::ALERTS || attempt.outcome == Outcome::Retry {
        return None;
    }
    let attributes = answer.into_iter().flat_map(|answer| &answer.attributes);
    let said = attributes.filter(|(name, _)| name == EndedDelivery::ATTRIBUTE).map(|(_, said)| said.clone()).next();
    let is_accepted = attempt.outcome == Outcome::Delivered;
    Some(EndedDelivery { id, is_accepted, said }.kept())
}

/// The first `limit` bytes of `text`, or fewer.
fn shortened(text: &str, limit: usize) -> String {
    text[..text.floor_char_boundary(limit)].to_owned()
}
