//! Named background tasks, and the order in which they stop.
//!
//! A part that works in the background returns its [`Tasks`]. The composition root adds them to [`Running`], which stops
//! them in the order of a list of [`Step`]s. It promises that no step waits longer than its share of the grace, and that
//! only the last step of a part aborts it. Deliberately absent: what the parts do, and why they stop.

mod backoff;

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::backoff::Backoff;

/// The background tasks of one part, and the signal that stops them.
pub struct Tasks {
    name: &'static str,
    when_cut_off: WhenCutOff,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// What is logged when a part is aborted.
#[derive(Clone, Copy)]
enum WhenCutOff {
    Warn(&'static str),
    Debug(&'static str),
}

impl Tasks {
    /// No tasks yet. A [`Step`] refers to them by `name`.
    pub fn new(name: &'static str) -> Self {
        let when_cut_off = WhenCutOff::Warn("Background tasks were cut off");
        Self { name, when_cut_off, tasks: JoinSet::new(), stop: CancellationToken::new() }
    }

    /// A single task that drops `value` when it is stopped.
    pub fn keep(name: &'static str, value: impl Send + 'static) -> Self {
        let mut tasks = Self::new(name);
        tasks.spawn(|stop| async move {
            stop.cancelled().await;
            drop(value);
        });
        tasks
    }

    /// Logs this warning when the tasks are aborted.
    #[must_use]
    pub fn warn_when_cut_off(self, text: &'static str) -> Self {
        Self { when_cut_off: WhenCutOff::Warn(text), ..self }
    }

    /// The same at the level `debug`, for tasks that lose nothing.
    #[must_use]
    pub fn debug_when_cut_off(self, text: &'static str) -> Self {
        Self { when_cut_off: WhenCutOff::Debug(text), ..self }
    }

    /// Starts a task. It must end soon after the token is cancelled.
    pub fn spawn<F>(&mut self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task(self.stop.clone()));
    }

    /// Starts a task that is dropped when it is stopped.
    pub fn spawn_until_stopped(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(|stop| async move {
            stop.run_until_cancelled(task).await;
        });
    }

    async fn over(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(tasks = self.name, "Background task ended badly: {error}");
            }
        }
    }

    /// Aborts the remaining tasks.
    fn cut_off(self, waited: Duration) {
        let Self { name, .. } = self;
        match self.when_cut_off {
            WhenCutOff::Warn(text) => tracing::warn!(tasks = name, grace = ?waited, "{text}"),
            WhenCutOff::Debug(text) => tracing::debug!(tasks = name, grace = ?waited, "{text}"),
        }
    }
}

/// One step of an orderly stop: signals a part to stop and waits for it.
///
/// Several steps may name a part. The last one aborts it when its share of the grace is over.
#[derive(Clone, Copy, Debug)]
pub struct Step(pub &'static str, pub Within);

/// How long a step waits.
#[derive(Clone, Copy, Debug)]
pub enum Within {
    /// Not at all. A later step waits.
    Signal,
    /// The whole grace, from the start of the step.
    Grace,
    HalfOfGrace,
    /// Until the grace is over, counted from the start of the stop.
    Rest,
    HalfOfRest,
    /// Without limit: the part has its own, or must not be aborted.
    Unlimited,
}

impl Within {
    fn limit(self, grace: Duration, deadline: Instant) -> Option<Duration> {
        let rest = || deadline.saturating_duration_since(Instant::now());
        match self {
            Self::Signal => Some(Duration::ZERO),
            Self::Grace => Some(grace),
            Self::HalfOfGrace => Some(grace / 2),
            Self::Rest => Some(rest()),
            Self::HalfOfRest => Some(rest() / 2),
            Self::Unlimited => None,
        }
    }
}

/// All background tasks, and the order in which they stop. Dropping it aborts them.
pub struct Running {
    order: &'static [Step],
    parts: Vec<Tasks>,
}

impl Running {
    pub fn new(order: &'static [Step]) -> Self {
        Self { order, parts: Vec::new() }
    }

    /// Adds a part.
    ///
    /// # Panics
    /// When the order does not name the part, or the part was added before. Both are bugs.
    pub fn add(&mut self, tasks: Tasks) {
        let Tasks { name, .. } = tasks;
        assert!(self.order.iter().any(|Step(part, _)| *part == name), "the stop order has no step for `{name}`");
        assert!(self.parts.iter().all(|part| part.name != name), "there are two parts `{name}`");
        self.parts.push(tasks);
    }

    /// Stops the parts in order.
    pub async fn stop(mut self, grace: Duration) {
        let deadline = Instant::now() + grace;
        let mut order = self.order;
        while let [Step(name, within), later @ ..] = order {
            order = later;
            let Some(index) = self.parts.iter().position(|part| part.name == *name) else { continue };
            let part = &mut self.parts[index];
            part.stop.cancel();
            let limit = within.limit(grace, deadline);
            let is_over = match limit {
                Some(limit) => tokio::time::timeout(limit, part.over()).await.is_ok(),
                None => {
                    part.over().await;
                    true
                }
            };
            if !is_over && !later.iter().any(|Step(later, _)| later == name) {
                self.parts.swap_remove(index).cut_off(limit.unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const GRACE: Duration = Duration::from_millis(50);

    type Ended = Arc<Mutex<Vec<&'static str>>>;

    /// A part that ends `after` it was told to, and writes that down.
    fn part(name: &'static str, after: Duration, ended: &Ended) -> Tasks {
        let (mut tasks, ended) = (Tasks::new(name), Arc::clone(ended));
        tasks.spawn(move |stop| async move {
            stop.cancelled().await;
            tokio::time::sleep(after).await;
            ended.lock().unwrap().push(name);
        });
        tasks
    }

    #[tokio::test]
    async fn parts_end_in_the_order_of_the_list() {
        const ORDER: &[Step] =
            &[Step("intake", Within::Rest), Step("work", Within::Rest), Step("log", Within::Unlimited)];
        let (mut running, ended) = (Running::new(ORDER), Ended::default());
        for name in ["log", "intake", "work"] {
            running.add(part(name, Duration::from_millis(1), &ended));
        }

        running.stop(Duration::from_secs(20)).await;

        assert_eq!(*ended.lock().unwrap(), ["intake", "work", "log"]);
    }

    #[tokio::test]
    async fn a_part_is_cut_off_by_its_last_step_only() {
        const ORDER: &[Step] = &[
            Step("slow", Within::Signal),
            Step("stuck", Within::HalfOfRest),
            Step("slow", Within::HalfOfGrace),
            Step("slow", Within::Unlimited),
        ];
        let (mut running, ended) = (Running::new(ORDER), Ended::default());
        running.add(part("slow", 4 * GRACE, &ended));
        running.add(part("stuck", Duration::MAX, &ended));
        let started = Instant::now();

        running.stop(GRACE).await;

        assert_eq!(*ended.lock().unwrap(), ["slow"]);
        assert!(started.elapsed() < 20 * GRACE, "{:?}", started.elapsed());
    }

    #[tokio::test]
    async fn what_is_kept_goes_at_its_step() {
        let kept = Arc::new(());
        let mut running = Running::new(&[Step("kept", Within::Unlimited), Step("endless", Within::Unlimited)]);
        running.add(Tasks::keep("kept", Arc::clone(&kept)));
        let mut endless = Tasks::new("endless");
        endless.spawn_until_stopped(std::future::pending());
        running.add(endless);
        assert_eq!(Arc::strong_count(&kept), 2);

        running.stop(GRACE).await;

        assert_eq!(Arc::strong_count(&kept), 1);
    }

    #[test]
    #[should_panic(expected = "the stop order has no step for `forgotten`")]
    fn a_part_that_nobody_would_end_is_a_bug() {
        Running::new(&[Step("log", Within::Unlimited)]).add(Tasks::new("forgotten"));
    }
}
