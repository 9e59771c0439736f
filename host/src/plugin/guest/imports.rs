//! The host functions, interface by interface.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;
use wasmtime_wasi::{WasiCtxBuilder, WasiCtxView, WasiView};

use crate::egress::{EgressError, EgressRequest, Response};
use crate::event::{Envelope, Timestamp};

use super::super::bindings::agent::gateway::plugin::{http, outbound};
use super::super::bindings::channel::gateway::plugin::{host, inbound, state, types};
use super::super::bindings::receiving::gateway::plugin::log;
use super::super::bindings::responding::gateway::plugin::answer;
use super::super::call::header_text;
use super::super::output::{MAX_LINE, Stream};
use super::super::state::StateError;
use super::{Guest, Subject};

impl WasiView for Guest {
    /// The empty WASI context. Created when a guest first uses WASI, which most calls never do.
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
        let set = self.binding.config.get(&key).cloned();
        Ok(set.or_else(|| self.manifest.as_ref()?.config.get(&key)?.default_text.clone()))
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

impl log::Host for Guest {
    fn write(&mut self, level: u32, bytes: u64) -> wasmtime::Result<()> {
        let bytes = bytes.to_le_bytes();
        let given = bytes.iter().filter(|byte| **byte != 0);
        let whole = given.clone().count() == bytes.len();
        let room = MAX_LINE.saturating_sub(self.line.len());
        self.line.extend(given.take(room));
        if !whole {
            let level = ["debug", "info", "warn", "error"].get(level as usize).unwrap_or(&"info");
            self.log.write(level, &String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
        Ok(())
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
        Ok(self.inbound()?.headers.get(name.as_str()).map(header_text).map(Cow::into_owned))
    }

    fn headers(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let headers = &self.inbound()?.headers;
        Ok(headers.iter().map(|(name, value)| (name.as_str().to_owned(), header_text(value).into_owned())).collect())
    }

    fn body(&mut self) -> wasmtime::Result<Vec<u8>> {
        Ok(self.inbound()?.body.to_vec())
    }

    fn text(&mut self) -> wasmtime::Result<String> {
        let body = &self.inbound()?.body;
        // Parsers of JSON refuse the mark.
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        Ok(String::from_utf8_lossy(body).into_owned())
    }

    fn received_at(&mut self) -> wasmtime::Result<String> {
        Ok(self.inbound()?.received_at.to_string())
    }
}

impl state::Host for Guest {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let value = self.binding.state.as_ref().and_then(|kept| kept.get(&key, &self.state));
        Ok(value.map(Vec::from))
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), state::Error>> {
        Ok(self.change_state(key, Some(value.into())))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), state::Error>> {
        Ok(self.change_state(key, None))
    }

    fn keys(&mut self, prefix: String) -> wasmtime::Result<Vec<String>> {
        Ok(self.binding.state.as_ref().map(|kept| kept.keys(&prefix, &self.state)).unwrap_or_default())
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
        Ok(self.outbound()?.attribute(&name).map(str::to_owned))
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
        Ok(self.answer()?.answer.attribute(&name).map(str::to_owned))
    }
}

impl http::Host for Guest {
    async fn send(&mut self, request: http::Request) -> wasmtime::Result<Result<http::Response, http::Error>> {
        let sent = self.request(request, Needed::Whole).await?;
        Ok(sent.map(|(response, _)| response.into()).map_err(http::Error::from))
    }

    async fn notify(&mut self, request: http::Request) -> wasmtime::Result<Result<http::Response, http::Error>> {
        let needed = if self.wants_answer() { Needed::Whole } else { Needed::Status };
        let sent = self.request(request, needed).await?;
        Ok(sent.map_err(http::Error::from).map(|(response, flaw)| {
            self.note = flaw.map(|flaw| format!("the agent's answer is incomplete: {flaw}")).or(self.note.take());
            response.into()
        }))
    }

    fn has_credential(&mut self, name: String) -> wasmtime::Result<bool> {
        Ok(self.binding.network.has_credential(&name))
    }
}

/// What has to arrive of a response.
#[derive(Clone, Copy)]
enum Needed {
    /// All of it.
    Whole,
    /// Of a 2xx the status.
    Status,
}

impl Guest {
    /// Sends a request of the plugin. Returns the response and, if only its status is needed, what is wrong with its body.
    async fn request(
        &mut self,
        request: http::Request,
        needed: Needed,
    ) -> wasmtime::Result<Result<(Response, Option<EgressError>), EgressError>> {
        let Some(id) = self.request_id() else {
            return Ok(Err(EgressError::Denied("there is no network while a request is received".to_owned())));
        };
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
        let binding = Arc::clone(&self.binding);
        let send = async move {
            match needed {
                Needed::Whole => Ok((binding.network.send(request).await?, None)),
                Needed::Status => binding.network.notify(request).await,
            }
        };
        let sent = match &self.runtime {
            Some(runtime) if self.slow.load(Ordering::Relaxed) => AbortOnDropHandle::new(runtime.spawn(send)).await?,
            _ => send.await,
        };
        self.exchange = Some(sent.as_ref().map(|(response, _)| response.status).map_err(Clone::clone));
        Ok(sent)
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
