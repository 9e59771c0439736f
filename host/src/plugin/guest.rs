//! What a guest sees of the host during one call, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::http::HeaderValue;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::event::{Envelope, Event, RequestId, Timestamp};

use super::bindings::agent::gateway::plugin::{http, outbound};
use super::bindings::channel::gateway::plugin::{host, inbound, state, types};
use super::bindings::responding::gateway::plugin::answer;
use super::call::{Inbound, Outgoing, Responding, Response};
use super::egress::{EgressError, EgressRequest};
use super::engine::TICK;
use super::instance::Instance;
use super::limits::Limits;
use super::manifest::Manifest;
use super::output::{GuestLog, Stream};
use super::state::{StateChanges, StateError};

/// What a call is about.
pub(super) enum Subject {
    /// `describe`: there is nothing to look at.
    Nothing,
    /// `receive`.
    Inbound(Inbound),
    /// `deliver`.
    Outgoing(Outgoing),
    /// `respond`.
    Responding(Responding),
    /// `poll`; the id is that of the call.
    Poll(RequestId),
}

impl Subject {
    fn has_network(&self) -> bool {
        matches!(self, Self::Outgoing(_) | Self::Responding(_) | Self::Poll(_))
    }
}

/// The state of one store.
pub(super) struct Guest {
    pub(super) limiter: Limiter,
    pub(super) log: Arc<GuestLog>,
    subject: Subject,
    /// What the call has changed of the instance's state.
    state: StateChanges,
    /// Whether the call wanted to keep more than it was granted.
    pub(super) quota_hit: bool,
    instance: Arc<Instance>,
    manifest: Option<Arc<Manifest>>,
    deadline: Instant,
    cpu_ticks: u64,
    /// Whether the call has used up its first tick.
    slow: Arc<AtomicBool>,
    /// Where requests are sent from, so that none of a connection's work is left to the slow lane.
    runtime: Option<Handle>,
    wasi: Option<WasiCtx>,
    resources: ResourceTable,
}

impl Guest {
    /// A guest that is called for nothing yet.
    pub(super) fn new(
        log: GuestLog,
        limits: &Limits,
        instance: Arc<Instance>,
        manifest: Option<Arc<Manifest>>,
    ) -> Self {
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(limits.resources);
        Self {
            limiter: Limiter::new(limits),
            log: Arc::new(log),
            subject: Subject::Nothing,
            state: StateChanges::default(),
            quota_hit: false,
            deadline: Instant::now() + instance.time,
            instance,
            manifest,
            cpu_ticks: cpu_ticks(limits),
            slow: Arc::default(),
            runtime: None,
            wasi: None,
            resources,
        }
    }

    /// Prepares it for its next call; what it holds in memory stays. At the first tick `slow` becomes true.
    pub(super) fn begin(&mut self, limits: &Limits, subject: Subject, deadline: Instant, slow: Arc<AtomicBool>) {
        self.runtime = subject.has_network().then(Handle::current);
        self.subject = subject;
        self.state = StateChanges::default();
        self.quota_hit = false;
        self.deadline = deadline;
        self.cpu_ticks = cpu_ticks(limits);
        self.slow = slow;
        self.limiter.hit = None;
        self.log.renew();
    }

    /// Counts one tick of processor time. At each the guest lets others run; after the last it is stopped.
    pub(super) fn tick(&mut self) -> UpdateDeadline {
        self.slow.store(true, Ordering::Relaxed);
        match self.cpu_ticks.checked_sub(1) {
            Some(left) => {
                self.cpu_ticks = left;
                UpdateDeadline::Yield(1)
            }
            None => {
                self.limiter.hit = Some("cpu");
                UpdateDeadline::Interrupt
            }
        }
    }

    /// What the call has changed of the state; to be kept when it succeeded.
    pub(super) fn take_state(&mut self) -> StateChanges {
        std::mem::take(&mut self.state)
    }

    fn inbound(&self) -> wasmtime::Result<&Inbound> {
        match &self.subject {
            Subject::Inbound(inbound) => Ok(inbound),
            _ => Err(wasmtime::Error::msg("there is no request outside `receive`")),
        }
    }

    /// The event that is delivered, or that was answered.
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

    /// What requests of this call are signed as: their idempotency key. None where a call has no network.
    fn request_id(&self) -> Option<String> {
        match &self.subject {
            Subject::Outgoing(outgoing) => Some(outgoing.event.id.to_string()),
            Subject::Responding(responding) => Some(responding.answer.id.to_string()),
            Subject::Poll(id) => Some(id.to_string()),
            Subject::Nothing | Subject::Inbound(_) => None,
        }
    }

    fn change_state(&mut self, key: String, value: Option<Bytes>) -> Result<(), state::Error> {
        let changed = match &self.instance.state {
            Some(kept) => kept.change(&mut self.state, key, value),
            None => Err(StateError::Denied),
        };
        if let Err(StateError::Quota { .. }) = changed {
            self.quota_hit = true;
        }
        changed.map_err(state::Error::from)
    }
}

fn cpu_ticks(limits: &Limits) -> u64 {
    u64::try_from(limits.cpu.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Keeps the memories and tables of one store within their limits, and remembers which one was hit.
pub(super) struct Limiter {
    memory_left: usize,
    memory: usize,
    elements_left: usize,
    /// The limit that stopped this call, if one did.
    pub(super) hit: Option<&'static str>,
}

impl Limiter {
    fn new(limits: &Limits) -> Self {
        Self { memory_left: limits.memory, memory: 0, elements_left: limits.table_elements, hit: None }
    }

    /// Bytes of linear memory in use.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let Some(left) = self.memory_left.checked_sub(growth) else {
            self.hit = Some("memory");
            return Ok(false);
        };
        self.memory_left = left;
        self.memory += growth;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let Some(left) = self.elements_left.checked_sub(growth) else {
            self.hit = Some("table");
            return Ok(false);
        };
        self.elements_left = left;
        Ok(true)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}

impl WasiView for Guest {
    /// The empty WASI context, made when a guest first touches WASI: most calls never do.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| {
            WasiCtxBuilder::new()
                .stdout(Stream::new(&self.log, "stdout"))
                .stderr(Stream::new(&self.log, "stderr"))
                .allow_tcp(false)
                .allow_udp(false)
                .max_random_size(64 << 10)
                .build()
        });
        WasiCtxView { ctx, table: &mut self.resources }
    }
}

impl types::Host for Guest {}

impl host::Host for Guest {
    fn log(&mut self, level: String, message: String) -> wasmtime::Result<()> {
        self.log.write(&level, &message);
        Ok(())
    }

    fn config(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        let set = self.instance.config.get(&key).cloned();
        Ok(set.or_else(|| self.manifest.as_ref()?.config.get(&key)?.default_text()))
    }

    fn now(&mut self) -> wasmtime::Result<String> {
        Ok(Timestamp::now().to_string())
    }

    fn random(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        let mut bytes = vec![0; count.min(1024) as usize];
        getrandom::fill(&mut bytes).map_err(|error| wasmtime::Error::msg(error.to_string()))?;
        Ok(bytes)
    }
}

impl inbound::Host for Guest {
    fn method(&mut self) -> wasmtime::Result<String> {
        Ok(self.inbound()?.method.clone())
    }

    fn path(&mut self) -> wasmtime::Result<String> {
        Ok(self.inbound()?.path.clone())
    }

    fn query(&mut self) -> wasmtime::Result<String> {
        Ok(self.inbound()?.query.clone())
    }

    fn header(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.inbound()?.headers.get(name.as_str()).map(header_text))
    }

    fn headers(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let headers = &self.inbound()?.headers;
        Ok(headers.iter().map(|(name, value)| (name.as_str().to_owned(), header_text(value))).collect())
    }

    fn body(&mut self) -> wasmtime::Result<Vec<u8>> {
        Ok(self.inbound()?.body.to_vec())
    }

    fn text(&mut self) -> wasmtime::Result<String> {
        Ok(String::from_utf8_lossy(&self.inbound()?.body).into_owned())
    }

    fn received_at(&mut self) -> wasmtime::Result<String> {
        Ok(self.inbound()?.received_at.to_string())
    }
}

/// A header's value as text; bytes that are not UTF-8 become U+FFFD.
fn header_text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

impl state::Host for Guest {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let value = self.instance.state.as_ref().and_then(|kept| kept.get(&key, &self.state));
        Ok(value.map(Vec::from))
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), state::Error>> {
        Ok(self.change_state(key, Some(value.into())))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), state::Error>> {
        Ok(self.change_state(key, None))
    }

    fn keys(&mut self, prefix: String) -> wasmtime::Result<Vec<String>> {
        Ok(self.instance.state.as_ref().map(|kept| kept.keys(&prefix, &self.state)).unwrap_or_default())
    }
}

impl outbound::Host for Guest {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.outbound()?.id.to_string())
    }

    fn kind(&mut self) -> wasmtime::Result<String> {
        Ok(self.outbound()?.kind.clone())
    }

    fn subject(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.outbound()?.subject.clone())
    }

    fn attribute(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(attribute(self.outbound()?, &name))
    }

    fn attributes(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.outbound()?.attributes.clone())
    }

    fn content_type(&mut self) -> wasmtime::Result<String> {
        Ok(self.outbound()?.content_type.clone())
    }

    fn data(&mut self) -> wasmtime::Result<Vec<u8>> {
        Ok(self.outbound()?.data.to_vec())
    }

    fn text(&mut self) -> wasmtime::Result<String> {
        Ok(String::from_utf8_lossy(&self.outbound()?.data).into_owned())
    }

    fn cloud_event(&mut self) -> wasmtime::Result<String> {
        Ok(self.outbound()?.cloud_event().to_json())
    }

    fn envelope(&mut self) -> wasmtime::Result<String> {
        let attempt = outbound::Host::attempt(self)?;
        let skills = match &self.subject {
            Subject::Outgoing(outgoing) => &outgoing.skills[..],
            _ => &[],
        };
        Ok(Envelope::new(self.outbound()?, skills, attempt, Timestamp::now()).to_json())
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        match &self.subject {
            Subject::Outgoing(outgoing) => Ok(outgoing.attempt),
            _ => Ok(self.answer()?.attempt),
        }
    }
}

impl answer::Host for Guest {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.answer()?.answer.id.to_string())
    }

    fn agent(&mut self) -> wasmtime::Result<String> {
        Ok(self.answer()?.agent.clone())
    }

    fn content_type(&mut self) -> wasmtime::Result<String> {
        Ok(self.answer()?.answer.content_type.clone())
    }

    fn body(&mut self) -> wasmtime::Result<Vec<u8>> {
        Ok(self.answer()?.answer.data.to_vec())
    }

    fn text(&mut self) -> wasmtime::Result<String> {
        Ok(String::from_utf8_lossy(&self.answer()?.answer.data).into_owned())
    }

    fn attribute(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(attribute(&self.answer()?.answer, &name))
    }
}

fn attribute(event: &Event, name: &str) -> Option<String> {
    event.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
}

impl http::Host for Guest {
    async fn send(&mut self, request: http::Request) -> wasmtime::Result<Result<http::Response, http::Error>> {
        let denied = |reason: &str| Ok(Err(http::Error::from(EgressError::Denied(reason.to_owned()))));
        let Some(id) = self.request_id() else { return denied("there is no network while a request is received") };
        let time_left = self.deadline.saturating_duration_since(Instant::now());
        let timeout = match request.timeout_ms {
            Some(millis) => time_left.min(Duration::from_millis(millis.into())),
            None => time_left,
        };
        let request = EgressRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body.map(Bytes::from).unwrap_or_default(),
            credential: request.credential,
            id,
            timeout,
        };
        let instance = Arc::clone(&self.instance);
        let send = async move {
            match &instance.egress {
                Some(egress) => egress.send(request).await,
                None => Err(EgressError::Denied("this instance was granted no network".to_owned())),
            }
        };
        let sent = match &self.runtime {
            Some(runtime) if self.slow.load(Ordering::Relaxed) => AbortOnDropHandle::new(runtime.spawn(send)).await?,
            _ => send.await,
        };
        Ok(sent.map(http::Response::from).map_err(http::Error::from))
    }

    fn has_credential(&mut self, name: String) -> wasmtime::Result<bool> {
        Ok(self.instance.egress.as_ref().is_some_and(|egress| egress.has_credential(&name)))
    }
}

impl From<types::Content> for Bytes {
    fn from(content: types::Content) -> Self {
        match content {
            types::Content::Text(text) => text.into(),
            types::Content::Bytes(bytes) => bytes.into(),
        }
    }
}

impl From<Response> for types::Response {
    fn from(response: Response) -> Self {
        let Response { status, headers, body } = response;
        Self { status, headers, body: Some(types::Content::Bytes(body.into())) }
    }
}

impl From<EgressError> for http::Error {
    fn from(error: EgressError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}

impl From<StateError> for state::Error {
    fn from(error: StateError) -> Self {
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}
