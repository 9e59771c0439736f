use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::error::PluginError;

/// How often running guests are interrupted: the step in which processor time is counted, and the longest that one keeps a
/// thread from others.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// The same while no call has begun for a while, so that an idle gateway wakes up seldom.
const IDLE_TICK: Duration = Duration::from_millis(20);

/// Ticks without a call after which the gateway counts as idle.
const UNTIL_IDLE: u32 = 100;

/// The address space of one linear memory; no configured limit can be above it.
pub const MAX_MEMORY: usize = 1 << 30;

/// Tables are reserved for this many elements each; no configured limit can be above it.
pub const MAX_TABLE_ELEMENTS: usize = 100_000;

/// Linear memories, tables and core instances of one instance of a component; no component can need more.
pub(super) const MAX_MEMORIES: u32 = 8;
pub(super) const MAX_TABLES: u32 = 32;
pub(super) const MAX_CORE_INSTANCES: u32 = 64;

/// Bytes of a linear memory that stay mapped between calls instead of being given back and faulted in again.
const KEPT_MEMORY: usize = 256 << 10;

/// The same for tables.
const KEPT_TABLE: usize = 64 << 10;

/// The compiler and the pool of instances, with the thread that interrupts guests.
pub(super) struct WasmRuntime {
    pub(super) engine: Engine,
    /// Live instances that the pool holds at most.
    pub(super) instances: usize,
    pub(super) activity: ActivityFlag,
    _ticker: Ticker,
}

impl WasmRuntime {
    /// Reserves room for `instances` live instances, or for half as many as often as the address space is too small.
    pub(super) fn new(instances: usize) -> Result<Self, PluginError> {
        let mut instances = instances;
        loop {
            match Engine::new(&config(instances)) {
                Ok(engine) => {
                    let activity = ActivityFlag::default();
                    let ticker = Ticker::start(&engine, activity.clone())?;
                    return Ok(Self { engine, instances, activity, _ticker: ticker });
                }
                Err(error) if instances <= 16 => return Err(PluginError::Engine(format!("{error:#}"))),
                Err(error) => {
                    tracing::warn!(instances, error = %error, "Address space is small, trying with half the instances");
                    instances /= 2;
                }
            }
        }
    }
}

/// An engine that compiles for every [`WasmRuntime`] of this program: its settings are the same, but its pool holds one
/// instance, because it runs none.
pub(super) fn for_compiling() -> Result<Engine, PluginError> {
    Engine::new(&config(1)).map_err(|error| PluginError::Engine(format!("{error:#}")))
}

/// Differs between engines whose machine code is not interchangeable.
pub(super) fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn config(instances: usize) -> Config {
    let count = |each: usize| u32::try_from(instances * each).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    // Components of interpreters hold several core instances, memories and tables each (reference: QuickJS uses
    // 2 to 3 memories, Python about 20 core instances); what runs out first makes that call fail, not the others.
    pool.total_component_instances(count(1))
        .total_core_instances(count(8))
        .total_memories(count(2))
        .total_tables(count(4))
        .total_stacks(count(1))
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_memory_size(MAX_MEMORY)
        .table_elements(MAX_TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEPT_MEMORY)
        .table_keep_resident(KEPT_TABLE)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .concurrency_support(false)
        .epoch_interruption(true)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(8));
    config
}

/// Tells the ticker that guests run.
#[derive(Clone, Debug, Default)]
pub(super) struct ActivityFlag(Arc<AtomicBool>);

impl ActivityFlag {
    pub(super) fn mark(&self) {
        // Read first: a store would take the line from all other cores, for each call.
        if !self.0.load(Ordering::Relaxed) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Moves the engine's epoch forward until it is dropped.
struct Ticker {
    _stop: SyncSender<()>,
}

impl Ticker {
    fn start(engine: &Engine, activity: ActivityFlag) -> Result<Self, PluginError> {
        let (stop, stopped) = sync_channel::<()>(0);
        let engine = engine.weak();
        let tick = move || {
            let mut quiet = UNTIL_IDLE;
            let pause = |quiet| if quiet < UNTIL_IDLE { TICK } else { IDLE_TICK };
            while stopped.recv_timeout(pause(quiet)) == Err(RecvTimeoutError::Timeout) {
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
                quiet = if activity.0.swap(false, Ordering::Relaxed) { 0 } else { quiet.saturating_add(1) };
            }
        };
        thread::Builder::new().name("plugin-ticker".to_owned()).spawn(tick).map_err(PluginError::Thread)?;
        Ok(Self { _stop: stop })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_elsewhere_fits_every_machine() {
        let compiling = fingerprint(&for_compiling().unwrap());

        assert_eq!(fingerprint(&Engine::new(&config(100)).unwrap()), compiling);
        assert_ne!(fingerprint(&Engine::default()), compiling, "engines with other settings are told apart");
    }
}
