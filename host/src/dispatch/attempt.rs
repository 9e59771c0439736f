//! One attempt of one delivery, from the agent plugin's call to the durable record of what it came to.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::event::{Attempt, DeliveryId, Event, Outcome, SkillRef, Timestamp};
use crate::eventlog::{EventLog, EventLogError};
use crate::metrics::{ByAgent, ByOutcome};
use crate::plugin::{Answer, CallError, Failure, Generation, Outgoing};

use super::agent::Agent;
use super::inbox::Job;
use super::watch::SyncOutcome;
use super::{Inner, retry};

/// How long to wait before the log is asked again to take a record.
const RECORD_AGAIN: Duration = Duration::from_millis(500);

/// Bytes of a failure's message that are kept.
const MAX_MESSAGE: usize = 1024;
/// Bytes of a failure's code that are kept.
const MAX_CODE: usize = 64;

/// What an attempt needs.
pub(super) struct Try {
    pub(super) agent: Arc<Agent>,
    pub(super) dispatch: Arc<Inner>,
    pub(super) log: EventLog,
    pub(super) generation: Arc<Generation>,
}

/// What became of a job.
pub(super) enum Next {
    /// The delivery is settled, or gone from the log.
    Settled,
    /// Another attempt is due then.
    Again(Timestamp),
}

impl Try {
    /// Makes the attempt and returns when its record is durable. `turn` is given back when the agent has answered.
    pub(super) async fn run(self, job: &mut Job, turn: OwnedSemaphorePermit) -> Next {
        let event = match job.held.take() {
            Some(held) => Ok(Arc::clone(&held.event)),
            None => self.load(job.id).await,
        };
        let event = match event {
            Ok(event) => event,
            Err(EventLogError::NotFound) => return Next::Settled,
            // Only a damaged record stays damaged; everything else may pass.
            Err(error @ EventLogError::Corrupt { .. }) => {
                tracing::error!(delivery = ?job.id, "Event cannot be read, its delivery is dead: {error}");
                return self.give_up(job, "corrupt", &error.to_string()).await;
            }
            Err(error) => {
                tracing::warn!(delivery = ?job.id, "Event cannot be read now: {error}");
                return Next::Again(Timestamp::now().after(RECORD_AGAIN));
            }
        };
        let started_at = Timestamp::now();
        let number = NonZeroU32::MIN.saturating_add(job.attempts);
        self.agent.in_flight.fetch_add(1, Ordering::Relaxed);
        let skills = self.skills(&event);
        let outgoing = Outgoing { event: Arc::clone(&event), skills, attempt: number.get() };
        let called = self.generation.deliver(&self.agent.instance, outgoing).await;
        self.agent.in_flight.fetch_sub(1, Ordering::Relaxed);
        drop(turn);
        let (attempt, next_at, answer) = self.judge(number, started_at, called);
        job.attempts = number.get();
        self.count(&event, &attempt);
        let settled = match attempt.outcome {
            Outcome::Retry => None,
            Outcome::Delivered => answer.map(SyncOutcome::Delivered),
            Outcome::Dead => Some(SyncOutcome::Dead { code: attempt.code.clone(), message: attempt.message.clone() }),
        };
        self.record(job.id, attempt, next_at).await;
        if let Some(outcome) = settled {
            self.dispatch.watchers.settle(event.request_id, outcome);
        }
        next_at.map_or(Next::Settled, Next::Again)
    }

    async fn load(&self, id: DeliveryId) -> Result<Arc<Event>, EventLogError> {
        let log = self.log.clone();
        let read = tokio::task::spawn_blocking(move || log.get(id.seq));
        let stored = read.await.map_err(|error| EventLogError::Io(error.to_string()))??;
        stored.map(|stored| Arc::new(stored.event)).ok_or(EventLogError::NotFound)
    }

    fn skills(&self, event: &Event) -> Arc<[SkillRef]> {
        let allowed = self.dispatch.routes.skills(&event.channel, &event.kind, &self.agent.settings.name);
        if allowed.is_empty() {
            return Arc::default();
        }
        let skills = self.dispatch.skills.select(&allowed);
        let reference = |skill: &Arc<crate::skill::Skill>| SkillRef {
            name: skill.name.clone(),
            description: skill.description.clone(),
            path: skill.path.clone(),
        };
        skills.iter().map(reference).collect()
    }

    /// What the call means for the delivery, when to try again, and the agent's answer.
    fn judge(
        &self,
        number: NonZeroU32,
        started_at: Timestamp,
        called: Result<Result<Answer, Failure>, CallError>,
    ) -> (Attempt, Option<Timestamp>, Option<Answer>) {
        let ended_at = Timestamp::now();
        let attempt = |outcome, code: &str, message: &str| Attempt {
            number: number.get(),
            started_at,
            ended_at,
            outcome,
            code: shortened(code, MAX_CODE),
            message: shortened(message, MAX_MESSAGE),
        };
        let failure = match called {
            Ok(Ok(answer)) => return (attempt(Outcome::Delivered, "", ""), None, Some(answer)),
            Ok(Err(failure)) => failure,
            Err(error) => {
                let code = match &error {
                    CallError::Busy => "busy",
                    CallError::Limit { limit: "time", .. } => "timeout",
                    CallError::Limit { .. } | CallError::Trap(_) => "plugin",
                };
                Failure { retry: true, code: code.to_owned(), message: error.to_string(), after: None }
            }
        };
        if !failure.retry {
            return (attempt(Outcome::Dead, &failure.code, &failure.message), None, None);
        }
        match self.agent.settings.retry.next(number, failure.after.as_deref(), ended_at, retry::jitter()) {
            Some(at) => (attempt(Outcome::Retry, &failure.code, &failure.message), Some(at), None),
            None => (attempt(Outcome::Dead, &failure.code, &failure.message), None, None),
        }
    }

    async fn give_up(&self, job: &Job, code: &str, message: &str) -> Next {
        let now = Timestamp::now();
        let attempt = Attempt {
            number: job.attempts + 1,
            started_at: now,
            ended_at: now,
            outcome: Outcome::Dead,
            code: code.to_owned(),
            message: message.to_owned(),
        };
        self.record(job.id, attempt, None).await;
        Next::Settled
    }

    /// Keeps the record, waiting for the log where it cannot take it now: the agent has the event, so the delivery must
    /// not be made again because of that.
    async fn record(&self, id: DeliveryId, attempt: Attempt, next_at: Option<Timestamp>) {
        let mut warned = false;
        loop {
            match self.log.record(id, attempt.clone(), next_at).await {
                Ok(()) => return,
                Err(error) if !error.is_transient() => return,
                Err(error) => {
                    if !warned {
                        tracing::warn!(agent = %self.agent.settings.name, "Outcome cannot be recorded now: {error}");
                        warned = true;
                    }
                    tokio::time::sleep(RECORD_AGAIN).await;
                }
            }
        }
    }

    fn count(&self, event: &Event, attempt: &Attempt) {
        let (name, metrics) = (&self.agent.settings.name, &self.dispatch.metrics);
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

/// The start of `text`, at most `limit` bytes of it.
fn shortened(text: &str, limit: usize) -> String {
    text[..text.floor_char_boundary(limit)].to_owned()
}
