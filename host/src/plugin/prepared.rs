//! A linked component: instantiates it and calls its exports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::ResourceTableError;
use wasmtime::{Engine, Store, Trap};

use crate::event::PluginName;

use super::binding::Binding;
use super::bindings::agent::{AgentPlugin, AgentPluginPre};
use super::bindings::channel::{ChannelPlugin, ChannelPluginPre};
use super::bindings::delivering::{DeliveringPlugin, DeliveringPluginPre};
use super::bindings::polling::{Polling, PollingPre};
use super::bindings::receiving::{ReceivingPlugin, ReceivingPluginPre};
use super::bindings::responding::{Responding as Responder, RespondingPre};
use super::call::{Answer, Batch, Failure, Outgoing, Receipt, Rejection};
use super::call_stats::CALLS;
use super::engine::ActivityFlag;
use super::error::CallError;
use super::guest::Guest;
use super::limits::CallLimits;
use super::network::Network;
use super::output::{GuestLog, LogRate};

/// The last MiB of the addresses that 32 bits have. No memory reaches so far.
const BELOW_MEMORY: u64 = 0xfff0_0000;

/// A component whose imports are linked, so that instantiating needs no lookup.
#[derive(Clone)]
pub(super) enum Prepared {
    Channel { receiver: Receiver, responding: Option<RespondingPre<Guest>>, polling: Option<PollingPre<Guest>> },
    Agent(Deliverer),
}

/// How a channel plugin receives.
#[derive(Clone)]
pub(super) enum Receiver {
    /// The call brings the request along.
    WithRequest(ReceivingPluginPre<Guest>),
    /// The plugin fetches the request.
    Bare(ChannelPluginPre<Guest>),
}

/// How an agent plugin delivers.
#[derive(Clone)]
pub(super) enum Deliverer {
    /// The call brings along what most agents need of the event.
    WithFacts(DeliveringPluginPre<Guest>),
    /// The plugin fetches the event.
    Bare(AgentPluginPre<Guest>),
}

/// The export that a call uses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// `receive` or `deliver`.
    Main,
    Respond,
    Poll,
}

/// The exports of an instance.
pub(super) enum Exports {
    Receiving(ReceivingPlugin),
    Channel(ChannelPlugin),
    Responding(Responder),
    Polling(Polling),
    Delivering(DeliveringPlugin),
    Agent(AgentPlugin),
}

/// The result of a call.
pub(super) enum Outcome {
    Received(Result<Receipt, Rejection>),
    Delivered(Result<Answer, Failure>),
    Responded(Result<(), Failure>),
    Polled(Result<Batch, Failure>),
}

impl Exports {
    /// Calls the export that the instance was made for.
    pub(super) async fn call(&self, store: &mut Store<Guest>) -> wasmtime::Result<Outcome> {
        Ok(match self {
            Self::Receiving(receiving) => {
                let (request, config) = store.data().to_receive()?;
                let headers = request.header_lines();
                let received = receiving.gateway_plugin_receive().call_receive(
                    store,
                    &request.method,
                    &request.path,
                    &request.query,
                    &headers,
                    &request.body,
                    &config,
                );
                Outcome::Received(received.await?.map(Receipt::from).map_err(Rejection::from))
            }
            Self::Channel(channel) => {
                let received = channel.gateway_plugin_channel().call_receive(store).await?;
                Outcome::Received(received.map(Receipt::from).map_err(Rejection::from))
            }
            Self::Delivering(delivering) => {
                let (delivery, config) = store.data().to_deliver()?;
                let Outgoing { event, attempt, .. } = &*delivery;
                let id = event.id.to_string();
                let delivered = delivering.gateway_plugin_deliver().call_deliver(
                    store,
                    &id,
                    &event.kind,
                    event.subject.as_deref(),
                    *attempt,
                    &config,
                );
                Outcome::Delivered(delivered.await?.map(Answer::from).map_err(Failure::from))
            }
            Self::Agent(agent) => {
                let delivered = agent.gateway_plugin_agent().call_deliver(store).await?;
                Outcome::Delivered(delivered.map(Answer::from).map_err(Failure::from))
            }
            Self::Responding(responder) => {
                let responded = responder.gateway_plugin_respond().call_respond(store).await?;
                Outcome::Responded(responded.map_err(Failure::from))
            }
            Self::Polling(polling) => {
                let polled = polling.gateway_plugin_poll().call_poll(store).await?;
                Outcome::Polled(polled.map(Batch::from).map_err(Failure::from))
            }
        })
    }
}

impl Prepared {
    /// Makes an instance for calls of `entry`.
    pub(super) async fn instantiate(&self, entry: Entry, store: &mut Store<Guest>) -> wasmtime::Result<Exports> {
        match (self, entry) {
            (Self::Channel { receiver: Receiver::WithRequest(receiving), .. }, Entry::Main) => {
                receiving.instantiate_async(store).await.map(Exports::Receiving)
            }
            (Self::Channel { receiver: Receiver::Bare(channel), .. }, Entry::Main) => {
                channel.instantiate_async(store).await.map(Exports::Channel)
            }
            (Self::Channel { responding: Some(responding), .. }, Entry::Respond) => {
                responding.instantiate_async(store).await.map(Exports::Responding)
            }
            (Self::Channel { polling: Some(polling), .. }, Entry::Poll) => {
                polling.instantiate_async(store).await.map(Exports::Polling)
            }
            (Self::Channel { .. }, _) => Err(wasmtime::Error::msg("the plugin does not have this export")),
            (Self::Agent(Deliverer::WithFacts(delivering)), _) => {
                delivering.instantiate_async(store).await.map(Exports::Delivering)
            }
            (Self::Agent(Deliverer::Bare(agent)), _) => agent.instantiate_async(store).await.map(Exports::Agent),
        }
    }

    /// Calls `describe` in a separate instance, under the plugin's limits.
    pub(super) async fn describe(
        &self,
        engine: &Engine,
        plugin: &PluginName,
        limits: &CallLimits,
        activity: ActivityFlag,
    ) -> Result<String, CallError> {
        let deadline = Instant::now() + limits.time;
        let nobody = Arc::new(Binding::new("describe", Default::default(), Network::Closed, limits));
        let log = GuestLog::new(plugin.clone(), limits.log_lines, Arc::new(LogRate::new(limits.log_rate)));
        let mut store = new_store(engine, Guest::new(log, limits, nobody, None, activity), limits);
        let described = tokio::time::timeout_at(deadline.into(), async {
            match self.instantiate(Entry::Main, &mut store).await? {
                Exports::Receiving(receiving) => receiving.gateway_plugin_receive().call_describe(&mut store).await,
                Exports::Channel(channel) => channel.gateway_plugin_channel().call_describe(&mut store).await,
                Exports::Delivering(delivering) => delivering.gateway_plugin_deliver().call_describe(&mut store).await,
                Exports::Agent(agent) => agent.gateway_plugin_agent().call_describe(&mut store).await,
                Exports::Responding(_) | Exports::Polling(_) => unreachable!("`Entry::Main` does not make them"),
            }
        });
        let described = described.await;
        tracing::trace!(
            target: CALLS,
            %plugin,
            memory = store.data().limiter.memory(),
            pool_core_instances = engine.pooling_allocator_metrics().map(|pool| pool.core_instances()),
            "Described"
        );
        match described {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(explain(&error, Some(store.data()))),
            Err(_) => Err(CallError::Limit { limit: "time", detail: stated(limits.time) }),
        }
    }
}

/// A store for one instance, limited by `limits`.
pub(super) fn new_store(engine: &Engine, guest: Guest, limits: &CallLimits) -> Store<Guest> {
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| &mut guest.limiter);
    store.set_hostcall_fuel(limits.output);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut context| Ok(context.data_mut().tick()));
    store
}

/// The text of an exceeded time limit.
pub(super) fn stated(limit: Duration) -> String {
    format!("more than {limit:?}")
}

/// Whether the guest used an address just below 0. There its own stack ends, which the linker puts at the start of the memory.
fn ran_below_memory(error: &wasmtime::Error) -> bool {
    // wasmtime has no public type for this.
    let fault = |text: String| {
        let (address, _) = text.strip_prefix("memory fault at wasm address 0x")?.split_once(' ')?;
        u64::from_str_radix(address, 16).ok()
    };
    error.chain().filter_map(|cause| fault(cause.to_string())).any(|address| address >= BELOW_MEMORY)
}

/// The limit that ended a call, or the trap with the guest's last words.
pub(super) fn explain(error: &wasmtime::Error, guest: Option<&Guest>) -> CallError {
    let detail = error.root_cause().to_string();
    if let Some(limit) = guest.and_then(|guest| guest.limiter.hit) {
        return CallError::Limit { limit, detail };
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) || ran_below_memory(error) {
        return CallError::Limit { limit: "stack", detail };
    }
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        return CallError::Limit { limit: "resources", detail };
    }
    // wasmtime has no error type for these two.
    if detail.contains("fuel allocated for hostcalls") {
        return CallError::Limit { limit: "output", detail };
    }
    if detail.contains("concurrent") && detail.contains("limit") && detail.contains("reached") {
        return CallError::Busy;
    }
    match guest.and_then(|guest| guest.log.last_words()) {
        Some(words) => CallError::Trap(format!("{detail}: {words}")),
        None => CallError::Trap(detail),
    }
}
