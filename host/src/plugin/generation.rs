//! One loaded version of a plugin file, and how it is called.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use wasmtime::{Engine, Store};

use crate::event::{PluginName, RequestId};

use super::binding::Binding;
use super::call::{Answer, Batch, Exchange, Failure, Inbound, Outgoing, Receipt, Rejection, Responding};
use super::call_record::{CallRecord, Judgement, RollbackRule};
use super::call_stats::CALLS;
use super::contract::Kind;
use super::digest::Digest;
use super::engine::ActivityFlag;
use super::error::CallError;
use super::guest::{Guest, Subject};
use super::limits::CallLimits;
use super::long_calls::LongCallRuntime;
use super::manifest::Manifest;
use super::metrics::{ByCall, ByLimit, ByPlugin, PluginMetrics};
use super::output::{GuestLog, LogRate};
use super::pool_permits::PoolPermits;
use super::prepared::{Deliverer, Entry, Exports, Outcome, Prepared, Receiver, explain, new_store, stated};
use super::rollback::{Asker, RollbackRequest, Rollbacks};
use super::state::StateChanges;

struct Instance {
    store: Store<Guest>,
    /// `None` before instantiation, and during a call: an instance that trapped is never used again.
    exports: Option<Exports>,
    calls: u32,
    /// The instance serves only its owner, so that no channel sees another one's memory.
    owner: Weak<Binding>,
}

/// One loaded version of a plugin file. Calls hold it by `Arc`, so after a swap it lives until its last call ends.
pub struct Generation {
    pub plugin: PluginName,
    /// Increases by 1 with every version that serves while the gateway runs. 0 before it serves.
    pub number: u64,
    pub digest: Digest,
    pub manifest: Arc<Manifest>,
    pub limits: CallLimits,
    engine: Engine,
    prepared: Prepared,
    permits: Arc<PoolPermits>,
    long_calls: Arc<LongCallRuntime>,
    activity: ActivityFlag,
    idle: Mutex<Vec<Instance>>,
    log_rate: Arc<LogRate>,
    counters: Counters,
    traps: AtomicU64,
    record: CallRecord,
    rule: RollbackRule,
    rollbacks: Rollbacks,
    /// What it replaced, until its first calls have proved it.
    before: ArcSwapOption<Generation>,
}

/// This plugin's metrics, looked up once.
struct Counters {
    metrics: Arc<PluginMetrics>,
    good: Counter,
    duration: Histogram,
}

/// What a call returned, and what it left behind.
struct Called {
    outcome: Outcome,
    state: StateChanges,
    note: Option<String>,
    exchange: Option<Exchange>,
}

/// The input of [`Generation::new`], besides the component.
pub(super) struct Parts {
    pub(super) plugin: PluginName,
    pub(super) digest: Digest,
    pub(super) manifest: Arc<Manifest>,
    pub(super) limits: CallLimits,
    pub(super) engine: Engine,
    pub(super) permits: Arc<PoolPermits>,
    pub(super) long_calls: Arc<LongCallRuntime>,
    pub(super) activity: ActivityFlag,
    pub(super) metrics: Arc<PluginMetrics>,
    pub(super) rule: RollbackRule,
    pub(super) rollbacks: Rollbacks,
}

impl Generation {
    pub(super) fn new(prepared: Prepared, parts: Parts) -> Self {
        let Parts { plugin, digest, manifest, limits, engine, permits, long_calls, activity, metrics, rule, rollbacks } =
            parts;
        let counters = Counters {
            good: metrics.calls.get_or_create_owned(&ByCall::new(&plugin, "ok")),
            duration: metrics.call_duration.get_or_create_owned(&ByPlugin::new(&plugin)),
            metrics,
        };
        let idle = Mutex::default();
        let log_rate = Arc::new(LogRate::new(limits.log_rate));
        let traps = AtomicU64::new(0);
        Self {
            plugin,
            number: 0,
            digest,
            manifest,
            limits,
            engine,
            prepared,
            permits,
            long_calls,
            activity,
            idle,
            log_rate,
            counters,
            traps,
            record: CallRecord::default(),
            rule,
            rollbacks,
            before: ArcSwapOption::empty(),
        }
    }

    /// Is watched in its first calls, because it replaces `before`.
    pub(super) fn succeed(&self, before: &Arc<Self>) {
        before.forget_before();
        if self.rule.calls > 0 {
            self.before.store(Some(Arc::clone(before)));
        }
    }

    /// Is the version of `other` with other limits, so its first calls go on to be watched.
    pub(super) fn continue_watch_of(&self, other: &Self) {
        self.before.store(other.before());
    }

    /// What it replaced, for as long as it may be rolled back.
    pub fn before(&self) -> Option<Arc<Self>> {
        self.before.load_full()
    }

    /// Ends the watch.
    pub(super) fn forget_before(&self) {
        self.before.store(None);
    }

    /// Notes how a call of `receive` or `poll` went, which only its caller knows: what they return is checked there. Calls of
    /// `deliver` and `respond` are noted here. A generation that fails too many of its first calls is rolled back, unless the
    /// one before was failing as well.
    pub fn note(&self, failed: bool) {
        self.record.add(failed, self.rule);
        let before = self.before.load();
        let Some(before) = before.as_deref() else { return };
        match self.record.judgement(self.rule) {
            Judgement::Open => {}
            Judgement::Bad if !before.record.fails(self.rule) => {
                let (failures, calls) = self.record.first(self.rule);
                let asker = Asker::Calls { generation: self.number, failures, calls };
                // If too many wait, the next call asks again.
                let _ = self.rollbacks.try_send(RollbackRequest { plugin: self.plugin.clone(), asker });
            }
            Judgement::Good | Judgement::Bad => self.forget_before(),
        }
    }

    fn note_result<T>(&self, result: &Result<T, CallError>) {
        self.note(result.as_ref().is_err_and(CallError::is_fault));
    }

    /// Counts a request that the generation before took in its place.
    pub fn count_fallback(&self) {
        self.counters.metrics.fallbacks.get_or_create(&ByPlugin::new(&self.plugin)).inc();
    }

    pub fn kind(&self) -> Kind {
        match self.prepared {
            Prepared::Channel { .. } => Kind::Channel,
            Prepared::Agent(_) => Kind::Agent,
        }
    }

    /// The same with a fresh instance for each call, regardless of the configuration.
    pub fn without_reuse(mut self) -> Self {
        self.limits.reuse = None;
        self
    }

    /// The interfaces that the component imports, and those that it exports.
    pub(super) fn interfaces(&self) -> (Vec<String>, Vec<String>) {
        let component = match &self.prepared {
            Prepared::Channel { receiver: Receiver::WithRequest(receiving), .. } => {
                receiving.instance_pre().component()
            }
            Prepared::Channel { receiver: Receiver::Bare(channel), .. } => channel.instance_pre().component(),
            Prepared::Agent(Deliverer::WithFacts(delivering)) => delivering.instance_pre().component(),
            Prepared::Agent(Deliverer::Bare(agent)) => agent.instance_pre().component(),
        };
        let ty = component.component_type();
        let imports = ty.imports(&self.engine).map(|(name, _)| name.to_owned()).collect();
        let exports = ty.exports(&self.engine).map(|(name, _)| name.to_owned()).collect();
        (imports, exports)
    }

    /// Calls that trapped or exceeded a limit.
    pub fn traps(&self) -> u64 {
        self.traps.load(Ordering::Relaxed)
    }

    /// Whether it can send an agent's answer back to the source.
    pub fn responds(&self) -> bool {
        matches!(self.prepared, Prepared::Channel { responding: Some(_), .. })
    }

    /// Whether it can fetch events from its source.
    pub fn polls(&self) -> bool {
        matches!(self.prepared, Prepared::Channel { polling: Some(_), .. })
    }

    /// Calls `receive`: turns a request into events.
    ///
    /// Cancel safe: dropping the call drops its instance.
    pub async fn receive(
        self: &Arc<Self>,
        binding: &Arc<Binding>,
        inbound: Inbound,
    ) -> Result<Result<Receipt, Rejection>, CallError> {
        match self.call(binding, Entry::Main, Subject::Inbound(Arc::new(inbound))).await? {
            Called { outcome: Outcome::Received(received), state, .. } => {
                Ok(received.map(|receipt| Receipt { state, ..receipt }))
            }
            _ => Err(wrong_kind("channel")),
        }
    }

    /// Calls `deliver`: sends an event to an agent.
    ///
    /// Cancel safe: dropping the call drops its instance.
    pub async fn deliver(
        self: &Arc<Self>,
        binding: &Arc<Binding>,
        outgoing: Outgoing,
    ) -> Result<Result<Answer, Failure>, CallError> {
        let called = self.call(binding, Entry::Main, Subject::Outgoing(Arc::new(outgoing))).await;
        self.note_result(&called);
        match called? {
            Called { outcome: Outcome::Delivered(delivered), state, note, exchange } => {
                let delivered = delivered.map(|answer| Answer { state, note, ..answer });
                Ok(delivered.map_err(|failure| Failure { exchange, ..failure }))
            }
            _ => Err(wrong_kind("agent")),
        }
    }

    /// Calls `respond`: sends an agent's answer back to the source of its event.
    ///
    /// Cancel safe: dropping the call drops its instance.
    pub async fn respond(
        self: &Arc<Self>,
        binding: &Arc<Binding>,
        responding: Responding,
    ) -> Result<Result<Answer, Failure>, CallError> {
        let called = self.call(binding, Entry::Respond, Subject::Responding(responding)).await;
        self.note_result(&called);
        match called? {
            Called { outcome: Outcome::Responded(responded), state, note, exchange } => {
                let responded = responded.map(|()| Answer { state, note, ..Answer::default() });
                Ok(responded.map_err(|failure| Failure { exchange, ..failure }))
            }
            _ => Err(wrong_kind("responding")),
        }
    }

    /// Calls `poll`: fetches new events from a source. `id` identifies the call.
    ///
    /// Cancel safe: dropping the call drops its instance.
    pub async fn poll(
        self: &Arc<Self>,
        binding: &Arc<Binding>,
        id: RequestId,
    ) -> Result<Result<Batch, Failure>, CallError> {
        match self.call(binding, Entry::Poll, Subject::Poll(id)).await? {
            Called { outcome: Outcome::Polled(polled), state, .. } => Ok(polled.map(|batch| Batch { state, ..batch })),
            _ => Err(wrong_kind("polling")),
        }
    }

    async fn call(
        self: &Arc<Self>,
        binding: &Arc<Binding>,
        entry: Entry,
        subject: Subject,
    ) -> Result<Called, CallError> {
        let start = Instant::now();
        let deadline = start + binding.time;
        let _entered = binding.enter(deadline).await?;
        let _permit = self.permits.take(self.kind(), deadline).await?;
        let slow = Arc::new(AtomicBool::new(false));
        let call = Arc::clone(self).run(Arc::clone(binding), entry, subject, deadline, Arc::clone(&slow));
        let called = tokio::time::timeout_at(deadline.into(), self.long_calls.drive(Box::pin(call), &slow));
        let result =
            called.await.unwrap_or_else(|_| Err(CallError::Limit { limit: "time", detail: stated(binding.time) }));
        self.count(&result, start.elapsed());
        result
    }

    /// Runs the call. Owns everything it needs, so that it can move to another runtime.
    async fn run(
        self: Arc<Self>,
        binding: Arc<Binding>,
        entry: Entry,
        subject: Subject,
        deadline: Instant,
        slow: Arc<AtomicBool>,
    ) -> Result<Called, CallError> {
        let mut instance = match self.idle(&binding, entry) {
            Some(instance) => instance,
            None => self.fresh(&binding),
        };
        instance.store.data_mut().begin(&self.limits, subject, deadline, slow);
        instance.store.set_epoch_deadline(1);
        let called = async {
            let exports = match instance.exports.take() {
                Some(exports) => exports,
                None => self.prepared.instantiate(entry, &mut instance.store).await?,
            };
            let outcome = exports.call(&mut instance.store).await?;
            instance.exports = Some(exports);
            Ok(outcome)
        };
        let called: wasmtime::Result<_> = called.await;
        let guest = instance.store.data_mut();
        self.count_hits(guest);
        let (memory, memory_growths) = (guest.limiter.memory(), guest.limiter.growths);
        tracing::trace!(target: CALLS, plugin = %self.plugin, memory, memory_growths, "Call ended");
        match called {
            Ok(outcome) => {
                let (state, note, exchange) = (guest.take_state(), guest.take_note(), guest.take_exchange());
                if entry == Entry::Main {
                    self.keep(instance);
                }
                Ok(Called { outcome, state, note, exchange })
            }
            Err(error) => Err(explain(&error, Some(guest))),
        }
    }

    /// An idle instance of this owner.
    fn idle(&self, binding: &Arc<Binding>, entry: Entry) -> Option<Instance> {
        if self.limits.reuse.is_none() || entry != Entry::Main {
            return None;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let own = |instance: &Instance| std::ptr::eq(instance.owner.as_ptr(), Arc::as_ptr(binding));
        idle.iter().rposition(own).map(|position| idle.swap_remove(position))
    }

    /// A store without an instance.
    fn fresh(&self, binding: &Arc<Binding>) -> Instance {
        let log = GuestLog::new(self.plugin.clone(), self.limits.log_lines, Arc::clone(&self.log_rate));
        let manifest = Some(Arc::clone(&self.manifest));
        let guest = Guest::new(log, &self.limits, Arc::clone(binding), manifest, self.activity.clone());
        let store = new_store(&self.engine, guest, &self.limits);
        Instance { store, exports: None, calls: 0, owner: Arc::downgrade(binding) }
    }

    /// Keeps an instance for the next call if its limits allow it.
    fn keep(&self, mut instance: Instance) {
        let Some(reuse) = self.limits.reuse else { return };
        instance.calls += 1;
        if instance.calls < reuse.max_calls && instance.store.data().limiter.memory() <= reuse.max_memory {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < self.limits.concurrency {
                idle.push(instance);
            }
        }
    }

    fn count<T>(&self, result: &Result<T, CallError>, took: Duration) {
        let Counters { metrics, good, duration } = &self.counters;
        duration.observe(took.as_secs_f64());
        let outcome = match result {
            Ok(_) => {
                good.inc();
                None
            }
            Err(CallError::Busy) => Some("busy"),
            Err(CallError::Limit { limit, .. }) => {
                self.count_hit(limit);
                Some("limit")
            }
            Err(CallError::Trap(_)) => {
                metrics.traps.get_or_create(&ByPlugin::new(&self.plugin)).inc();
                Some("trap")
            }
        };
        if let Some(outcome) = outcome {
            self.traps.fetch_add(u64::from(outcome != "busy"), Ordering::Relaxed);
            metrics.calls.get_or_create(&ByCall::new(&self.plugin, outcome)).inc();
        }
    }

    /// Counts the limits that a call hit without being stopped, and how often its memory grew.
    fn count_hits(&self, guest: &Guest) {
        let growths = guest.limiter.growths;
        if growths > 0 {
            self.counters.metrics.memory_growths.get_or_create(&ByPlugin::new(&self.plugin)).inc_by(growths.into());
        }
        if guest.quota_hit {
            self.count_hit("state");
        }
        let dropped = guest.log.dropped();
        for (limit, lines) in [("log", dropped.by_call), ("log_rate", dropped.by_rate)] {
            if lines > 0 {
                self.count_hit(limit);
                tracing::debug!(plugin = %self.plugin, limit, lines, "Log lines beyond the limit were dropped");
            }
        }
    }

    /// Whether a receipt or a batch has at most `limit` events; counted if it has more.
    pub fn allows_events(&self, events: usize, limit: usize) -> bool {
        let allows = events <= limit;
        if !allows {
            self.count_hit("max_events");
        }
        allows
    }

    fn count_hit(&self, limit: &'static str) {
        self.counters.metrics.limit_hits.get_or_create(&ByLimit::new(&self.plugin, limit)).inc();
    }
}

fn wrong_kind(expected: &str) -> CallError {
    CallError::Trap(format!("this is not a {expected} plugin"))
}
