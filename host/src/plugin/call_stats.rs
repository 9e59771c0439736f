//! What calls of a plugin do besides their result, read from what they trace.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::{Event, Level, Subscriber, span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::output;

/// The target of the `trace` events in which calls report what they used.
pub(super) const CALLS: &str = module_path!();

#[derive(Clone, Debug, Default)]
pub struct CallStats {
    /// Bytes of linear memory at the end of the last call. Memory never shrinks.
    pub memory: u64,
    /// How often the memory grew in the last call.
    pub memory_growths: u64,
    /// Core instances in the pool when the plugin was last described.
    pub core_instances: u64,
    /// How often the guest called each host function, such as `inbound.body`.
    pub host_calls: BTreeMap<String, u64>,
    /// Lines that the guest logged, in order.
    pub log: Vec<(Level, String)>,
}

/// Runs `call` and collects the statistics of the plugin calls in it.
pub async fn collect_stats<T>(call: impl Future<Output = T>) -> (T, CallStats) {
    let seen = Arc::new(Mutex::new(CallStats::default()));
    let observer = Observer(Arc::clone(&seen));
    let result = call.with_subscriber(tracing_subscriber::registry().with(observer)).await;
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    (result, seen)
}

struct Observer(Arc<Mutex<CallStats>>);

impl Observer {
    fn note(&self, note: impl FnOnce(&mut CallStats)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<S: Subscriber> Layer<S> for Observer {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        // The bindings make such a span for each call of a host function.
        if let (Some(module), Some(function)) = (fields.module, fields.function) {
            self.note(|seen| *seen.host_calls.entry(format!("{module}.{function}")).or_default() += 1);
        }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let target = event.metadata().target();
        if target != output::TARGET && target != CALLS {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        match (target, fields) {
            (output::TARGET, Fields { message: Some(line), .. }) => {
                self.note(|seen| seen.log.push((*event.metadata().level(), line)));
            }
            (_, Fields { memory: Some(memory), memory_growths, core_instances, .. }) => self.note(|seen| {
                seen.memory = memory;
                seen.memory_growths = memory_growths.unwrap_or_default();
                seen.core_instances = core_instances.unwrap_or(seen.core_instances);
            }),
            _ => {}
        }
    }
}

#[derive(Default)]
struct Fields {
    module: Option<String>,
    function: Option<String>,
    message: Option<String>,
    memory: Option<u64>,
    memory_growths: Option<u64>,
    core_instances: Option<u64>,
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "memory" => self.memory = Some(value),
            "memory_growths" => self.memory_growths = Some(value),
            "pool_core_instances" => self.core_instances = Some(value),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "module" => self.module = Some(value.to_owned()),
            "function" => self.function = Some(value.to_owned()),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = Some(format!("{value:?}"));
        }
    }
}
