//! Everything of the host that a guest can reach during one call.

mod imports;
mod limiter;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use tokio::runtime::Handle;
use wasmtime::UpdateDeadline;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;

use crate::event::{Event, RequestId};

use super::binding::Binding;
use super::bindings::channel::gateway::plugin::state;
use super::call::{Exchange, Inbound, Outgoing, Responding};
use super::engine::{ActivityFlag, TICK};
use super::limits::CallLimits;
use super::manifest::Manifest;
use super::output::GuestLog;
use super::state::{StateChanges, StateError};

pub(super) use self::limiter::Limiter;

/// Ticks after which a call is long. In every language most calls end earlier.
const SLOW: u64 = 2;

/// The input of a call.
pub(super) enum Subject {
    /// `describe`.
    Nothing,
    Inbound(Arc<Inbound>),
    Outgoing(Arc<Outgoing>),
    Responding(Responding),
    /// The id of the call.
    Poll(RequestId),
}

impl Subject {
    fn has_network(&self) -> bool {
        matches!(self, Self::Outgoing(_) | Self::Responding(_) | Self::Poll(_))
    }
}

/// The host's data in the store of one instance.
pub(super) struct Guest {
    pub(super) limiter: Limiter,
    pub(super) log: Arc<GuestLog>,
    subject: Subject,
    /// State changes of the call so far.
    state: StateChanges,
    /// What the call did that an operator may want to know, although it succeeded.
    note: Option<String>,
    /// What its last request came to.
    exchange: Option<Exchange>,
    /// A line that the guest logs in numbers and has not ended.
    line: Vec<u8>,
    /// Whether the call exceeded its state quota.
    pub(super) quota_hit: bool,
    binding: Arc<Binding>,
    manifest: Option<Arc<Manifest>>,
    deadline: Instant,
    /// Ticks of processor time used, and the limit.
    ticks: u64,
    cpu_ticks: u64,
    /// Set when the call is long.
    slow: Arc<AtomicBool>,
    activity: ActivityFlag,
    /// Requests are sent from this runtime, so that no connection depends on the runtime for long calls.
    runtime: Option<Handle>,
    wasi: Option<WasiCtx>,
    resources: ResourceTable,
}

impl Guest {
    /// A guest before its first call.
    pub(super) fn new(
        log: GuestLog,
        limits: &CallLimits,
        binding: Arc<Binding>,
        manifest: Option<Arc<Manifest>>,
        activity: ActivityFlag,
    ) -> Self {
        activity.mark();
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(limits.resources);
        Self {
            limiter: Limiter::new(limits),
            log: Arc::new(log),
            subject: Subject::Nothing,
            state: StateChanges::default(),
            note: None,
            exchange: None,
            line: Vec::new(),
            quota_hit: false,
            deadline: Instant::now() + binding.time,
            binding,
            manifest,
            ticks: 0,
            cpu_ticks: cpu_ticks(limits),
            slow: Arc::default(),
            activity,
            runtime: None,
            wasi: None,
            resources,
        }
    }

    /// Prepares the next call. `slow` is set when the call is long.
    pub(super) fn begin(&mut self, limits: &CallLimits, subject: Subject, deadline: Instant, slow: Arc<AtomicBool>) {
        self.runtime = subject.has_network().then(Handle::current);
        self.subject = subject;
        self.state = StateChanges::default();
        self.note = None;
        self.exchange = None;
        self.line.clear();
        self.quota_hit = false;
        self.deadline = deadline;
        self.ticks = 0;
        self.cpu_ticks = cpu_ticks(limits);
        self.slow = slow;
        self.activity.mark();
        self.limiter.begin();
        self.log.renew();
    }

    /// Counts one tick of processor time. The guest yields at each tick and is stopped after the last.
    pub(super) fn tick(&mut self) -> UpdateDeadline {
        self.activity.mark();
        self.ticks += 1;
        if self.ticks == SLOW {
            self.slow.store(true, Ordering::Relaxed);
        }
        if self.ticks <= self.cpu_ticks {
            return UpdateDeadline::Yield(1);
        }
        self.limiter.hit = Some("cpu");
        UpdateDeadline::Interrupt
    }

    /// The state changes of the call, to be kept if it succeeded.
    pub(super) fn take_state(&mut self) -> StateChanges {
        std::mem::take(&mut self.state)
    }

    /// What an operator may want to know of the call.
    pub(super) fn take_note(&mut self) -> Option<String> {
        self.note.take()
    }

    /// What the last request of the call came to.
    pub(super) fn take_exchange(&mut self) -> Option<Exchange> {
        self.exchange.take()
    }

    /// Whether somebody waits for the answer of the agent, so that a part of it is not enough.
    fn wants_answer(&self) -> bool {
        matches!(&self.subject, Subject::Outgoing(outgoing) if outgoing.wants_answer)
    }

    /// The request and the settings, for a `receive` that brings them along.
    pub(super) fn to_receive(&self) -> wasmtime::Result<(Arc<Inbound>, Arc<str>)> {
        Ok((Arc::clone(self.inbound()?), self.settings()))
    }

    /// The delivery and the settings, for a `deliver` that does.
    pub(super) fn to_deliver(&self) -> wasmtime::Result<(Arc<Outgoing>, Arc<str>)> {
        match &self.subject {
            Subject::Outgoing(outgoing) => Ok((Arc::clone(outgoing), self.settings())),
            _ => Err(wasmtime::Error::msg("there is no event outside `deliver`")),
        }
    }

    /// A JSON object of strings; empty in `describe`.
    fn settings(&self) -> Arc<str> {
        self.manifest.as_ref().map_or_else(|| "{}".into(), |manifest| self.binding.settings(manifest))
    }

    fn inbound(&self) -> wasmtime::Result<&Arc<Inbound>> {
        match &self.subject {
            Subject::Inbound(inbound) => Ok(inbound),
            _ => Err(wasmtime::Error::msg("there is no request outside `receive`")),
        }
    }

    /// The event of the delivery, or the one that was answered.
    fn outbound(&self) -> wasmtime::Result<&Arc<Event>> {
        match &self.subject {
            Subject::Outgoing(outgoing) => Ok(&outgoing.event),
            Subject::Responding(responding) => Ok(&responding.event),
            _ => Err(wasmtime::Error::msg("there is no event outside `deliver` and `respond`")),
        }
    }

    fn answer(&self) -> wasmtime::Result<&Responding> {
        match &self.subject {
            Subject::Responding(responding) => Ok(responding),
            _ => Err(wasmtime::Error::msg("there is no answer outside `respond`")),
        }
    }

    /// The idempotency key of this call's requests. `None` if the call has no network.
    fn request_id(&self) -> Option<String> {
        match &self.subject {
            Subject::Outgoing(outgoing) => Some(outgoing.event.id.to_string()),
            Subject::Responding(responding) => Some(responding.answer.id.to_string()),
            Subject::Poll(id) => Some(id.to_string()),
            Subject::Nothing | Subject::Inbound(_) => None,
        }
    }

    fn change_state(&mut self, key: String, value: Option<Bytes>) -> Result<(), state::Error> {
        let changed = match &self.binding.state {
            Some(kept) => kept.change(&mut self.state, key, value),
            None => Err(StateError::Denied),
        };
        if let Err(StateError::Quota { .. }) = changed {
            self.quota_hit = true;
        }
        changed.map_err(state::Error::from)
    }
}

fn cpu_ticks(limits: &CallLimits) -> u64 {
    u64::try_from(limits.cpu.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX).max(1)
}
