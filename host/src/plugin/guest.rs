//! What a guest sees of the host during one call, and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::HeaderValue;
use bytes::Bytes;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::event::{Envelope, PluginName, Timestamp};

use super::bindings::agent::gateway::plugin::{http, outbound};
use super::bindings::channel::gateway::plugin::{host, inbound, types};
use super::call::{Inbound, Outgoing, Response};
use super::egress::{EgressError, EgressRequest};
use super::engine::TICK;
use super::instance::Instance;
use super::limits::Limits;
use super::manifest::Manifest;
use super::output::{GuestLog, Stream};

/// Resources (streams, pollables) that a guest may hold at once.
const MAX_RESOURCES: usize = 256;

/// What a call is about.
pub(super) enum Subject {
    /// `describe`: there is nothing to look at.
    Nothing,
    /// `receive`.
    Inbound(Inbound),
    /// `deliver`.
    Outgoing(Outgoing),
}

/// The state of one store.
pub(super) struct Guest {
    pub(super) limiter: Limiter,
    pub(super) log: Arc<GuestLog>,
    subject: Subject,
    instance: Arc<Instance>,
    manifest: Option<Arc<Manifest>>,
    deadline: Instant,
    cpu_ticks: u64,
    wasi: Option<WasiCtx>,
    resources: ResourceTable,
}

impl Guest {
    pub(super) fn new(
        plugin: PluginName,
        limits: &Limits,
        instance: Arc<Instance>,
        manifest: Option<Arc<Manifest>>,
        subject: Subject,
        deadline: Instant,
    ) -> Self {
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(MAX_RESOURCES);
        Self {
            limiter: Limiter::new(limits),
            log: Arc::new(GuestLog::new(plugin, limits.log_lines)),
            subject,
            instance,
            manifest,
            deadline,
            cpu_ticks: cpu_ticks(limits),
            wasi: None,
            resources,
        }
    }

    /// Prepares a used instance for its next call; what it holds in memory stays.
    pub(super) fn renew(&mut self, limits: &Limits, subject: Subject, deadline: Instant) {
        self.subject = subject;
        self.deadline = deadline;
        self.cpu_ticks = cpu_ticks(limits);
        self.limiter.hit = None;
        self.log.renew();
    }

    /// Counts one tick of processor time. At each the guest lets others run; after the last it is stopped.
    pub(super) fn tick(&mut self) -> UpdateDeadline {
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

    fn inbound(&self) -> wasmtime::Result<&Inbound> {
        match &self.subject {
            Subject::Inbound(inbound) => Ok(inbound),
            _ => Err(wasmtime::Error::msg("there is no request while the plugin is described")),
        }
    }

    fn outgoing(&self) -> wasmtime::Result<&Outgoing> {
        match &self.subject {
            Subject::Outgoing(outgoing) => Ok(outgoing),
            _ => Err(wasmtime::Error::msg("there is no delivery while the plugin is described")),
        }
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

impl outbound::Host for Guest {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.outgoing()?.event.id.to_string())
    }

    fn kind(&mut self) -> wasmtime::Result<String> {
        Ok(self.outgoing()?.event.kind.clone())
    }

    fn subject(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.outgoing()?.event.subject.clone())
    }

    fn attribute(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        let attributes = &self.outgoing()?.event.attributes;
        Ok(attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()))
    }

    fn attributes(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.outgoing()?.event.attributes.clone())
    }

    fn content_type(&mut self) -> wasmtime::Result<String> {
        Ok(self.outgoing()?.event.content_type.clone())
    }

    fn data(&mut self) -> wasmtime::Result<Vec<u8>> {
        Ok(self.outgoing()?.event.data.to_vec())
    }

    fn text(&mut self) -> wasmtime::Result<String> {
        Ok(String::from_utf8_lossy(&self.outgoing()?.event.data).into_owned())
    }

    fn cloud_event(&mut self) -> wasmtime::Result<String> {
        Ok(self.outgoing()?.event.cloud_event().to_json())
    }

    fn envelope(&mut self) -> wasmtime::Result<String> {
        let Outgoing { event, skills, attempt } = self.outgoing()?;
        Ok(Envelope::new(event, skills, *attempt, Timestamp::now()).to_json())
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        Ok(self.outgoing()?.attempt)
    }
}

impl http::Host for Guest {
    async fn send(&mut self, request: http::Request) -> wasmtime::Result<Result<http::Response, http::Error>> {
        let event = self.outgoing()?.event.id;
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
            event,
            timeout,
        };
        let sent = match &self.instance.egress {
            Some(egress) => egress.send(request).await,
            None => Err(EgressError::Denied("this instance was granted no network".to_owned())),
        };
        Ok(sent.map(http::Response::from).map_err(http::Error::from))
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
