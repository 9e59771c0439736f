//! The WebAssembly engines: their settings, their pools of instances, and the ticker that interrupts guests.
//!
//! There are two pools, because a memory can be reset in two ways, and how is a setting of an engine. A small memory is cheaper
//! to reset as a whole. Of a large one the kernel says which pages were written to, which costs a system call that takes a lock of
//! the process. Both engines run the same machine code.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::error::PluginError;

/// How often running guests are interrupted. It is the unit of processor time, and the longest that a guest occupies a
/// thread without yielding.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// The tick of an idle gateway, so that it rarely wakes up.
const IDLE_TICK: Duration = Duration::from_millis(20);

/// Ticks without a call until the gateway is idle.
const UNTIL_IDLE: u32 = 100;

/// Address space of one linear memory. No configured limit can exceed it.
pub const MAX_MEMORY: usize = 1 << 30;

/// Elements reserved for each table. No configured limit can exceed it.
pub const MAX_TABLE_ELEMENTS: usize = 100_000;

/// Linear memories, tables and core instances of one component instance. A component that needs more is rejected.
pub(super) const MAX_MEMORIES: u32 = 8;
pub(super) const MAX_TABLES: u32 = 32;
pub(super) const MAX_CORE_INSTANCES: u32 = 64;

/// Bytes of the largest memory that is reset as a whole.
const SMALL_MEMORY: usize = 128 << 10;

/// Bytes of a page of WebAssembly.
const PAGE: usize = 64 << 10;

/// Bytes of a larger memory that stay mapped between calls, so that they need not be faulted in again.
const KEPT_MEMORY: usize = 256 << 10;

/// As [`KEPT_MEMORY`], for tables.
const KEPT_TABLE: usize = 64 << 10;

/// Both engines, with the thread that interrupts guests.
pub(super) struct WasmRuntime {
    pub(super) engines: Engines,
    /// The size of each pool.
    pub(super) instances: usize,
    pub(super) activity: ActivityFlag,
    _ticker: Ticker,
}

impl WasmRuntime {
    /// Reserves room for `instances`, halved until the address space is large enough.
    pub(super) fn new(instances: usize) -> Result<Self, PluginError> {
        let mut instances = instances;
        loop {
            match Engines::new(instances) {
                Ok(engines) => {
                    let activity = ActivityFlag::default();
                    let ticker = Ticker::start(&engines, activity.clone())?;
                    return Ok(Self { engines, instances, activity, _ticker: ticker });
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

/// One engine for each [`Pool`].
pub(super) struct Engines {
    small: Engine,
    large: Engine,
}

/// How the memories of a pool are reset.
#[derive(Clone, Copy)]
enum Pool {
    /// As a whole.
    Small,
    /// The pages that were written to.
    Large,
}

impl Engines {
    pub(super) fn new(instances: usize) -> wasmtime::Result<Self> {
        let engine = |pool| Engine::new(&config(pool, instances));
        Ok(Self { small: engine(Pool::Small)?, large: engine(Pool::Large)? })
    }

    /// The engine of the small pool, then that of the large one.
    pub(super) fn all(&self) -> [&Engine; 2] {
        [&self.small, &self.large]
    }

    /// Loads a component into the engine whose pool fits it. `load` may be called for both.
    pub(super) fn place<E>(&self, load: impl Fn(&Engine) -> Result<Component, E>) -> Result<Component, E> {
        let component = load(&self.small)?;
        if is_small(&component) { Ok(component) } else { load(&self.large) }
    }

    /// Equal for engines whose machine code is interchangeable.
    pub(super) fn fingerprint(&self) -> u64 {
        fingerprint(&self.large)
    }
}

/// Whether an instance begins with at most one memory, and a small one.
fn is_small(component: &Component) -> bool {
    component.resources_required().is_some_and(|needed| {
        let pages = needed.max_initial_memory_size.unwrap_or_default();
        needed.num_memories <= 1 && pages <= (SMALL_MEMORY / PAGE) as u64
    })
}

/// An engine whose code fits every [`WasmRuntime`] of this program. The settings are the same, but the pool is minimal,
/// because it runs nothing.
pub(super) fn for_compiling() -> Result<Engine, PluginError> {
    Engine::new(&config(Pool::Large, 1)).map_err(|error| PluginError::Engine(format!("{error:#}")))
}

/// Equal for engines whose machine code is interchangeable.
pub(super) fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn config(size: Pool, instances: usize) -> Config {
    let count = |each: usize| u32::try_from(instances * each).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    // Interpreters use several core instances, memories and tables each: QuickJS 2 to 3 memories, Python about 20 core
    // instances. When one of these runs out, only that call fails.
    pool.total_component_instances(count(1))
        .total_core_instances(count(8))
        .total_tables(count(4))
        .total_stacks(count(1))
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_memory_size(MAX_MEMORY)
        .table_elements(MAX_TABLE_ELEMENTS)
        .table_keep_resident(KEPT_TABLE);
    match size {
        Pool::Small => {
            pool.total_memories(count(1)).linear_memory_keep_resident(SMALL_MEMORY).pagemap_scan(Enabled::No)
        }
        Pool::Large => {
            pool.total_memories(count(2)).linear_memory_keep_resident(KEPT_MEMORY).pagemap_scan(Enabled::Auto)
        }
    };
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .concurrency_support(false)
        .epoch_interruption(true)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(8));
    config
}

/// Tells the ticker that calls are running.
#[derive(Clone, Debug, Default)]
pub(super) struct ActivityFlag(Arc<AtomicBool>);

impl ActivityFlag {
    pub(super) fn mark(&self) {
        // Read first: a store with each call would move the cache line between cores.
        if !self.0.load(Ordering::Relaxed) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Increments the epoch of both engines until it is dropped.
struct Ticker {
    _stop: SyncSender<()>,
}

impl Ticker {
    fn start(engines: &Engines, activity: ActivityFlag) -> Result<Self, PluginError> {
        let (stop, stopped) = sync_channel::<()>(0);
        let engines = engines.all().map(Engine::weak);
        let tick = move || {
            let mut quiet = UNTIL_IDLE;
            let pause = |quiet| if quiet < UNTIL_IDLE { TICK } else { IDLE_TICK };
            while stopped.recv_timeout(pause(quiet)) == Err(RecvTimeoutError::Timeout) {
                for engine in &engines {
                    let Some(engine) = engine.upgrade() else { return };
                    engine.increment_epoch();
                }
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
    fn what_is_compiled_elsewhere_fits_every_machine_and_both_pools() {
        let compiling = fingerprint(&for_compiling().unwrap());

        for engine in Engines::new(100).unwrap().all() {
            assert_eq!(fingerprint(engine), compiling);
        }
        assert_ne!(fingerprint(&Engine::default()), compiling, "engines with other settings are told apart");
    }

    #[test]
    fn the_first_memory_decides_about_the_pool() {
        let engines = Engines::new(1).unwrap();
        let check = |memories: &[&str], expected: &Engine| {
            let modules: String = memories
                .iter()
                .enumerate()
                .map(|(at, memory)| format!("(core module $m{at} {memory}) (core instance (instantiate $m{at}))"))
                .collect();
            let component = wat::parse_str(format!("(component {modules})")).unwrap();
            let placed = engines.place(|engine| Component::new(engine, &component)).unwrap();
            assert!(Engine::same(placed.engine(), expected), "{memories:?}");
        };

        check(&[""], &engines.small);
        check(&["(memory 2)"], &engines.small);
        check(&["(memory 2 100)"], &engines.small);
        check(&["(memory 3)"], &engines.large);
        check(&["(memory 1)", "(memory 1)"], &engines.large);
    }
}
