//! What a component needs besides its plugin: memory, and a word to the log when it panics.
//!
//! On `wasm32-unknown-unknown` there is no WASI, so the SDK brings an allocator that suits one call, and logs panics through the
//! host. On `wasm32-wasip2` Rust's standard library does both.

/// Prepares the component for a call. The export macros begin every exported function with it.
#[inline]
pub fn begin() {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    bare::begin();
}

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod bare {
    use std::arch::wasm32::{memory_grow, memory_size};
    use std::cell::Cell;
    use std::panic;

    use crate::arena::{Arena, Memory};
    use crate::{Host, Level};

    const PAGE: usize = 64 << 10;

    /// How much the memory grows by at least, if it may: growing is slow.
    const STEP: usize = 1 << 20;

    #[global_allocator]
    static ARENA: Arena<LinearMemory> = Arena::new(LinearMemory);

    thread_local! {
        static LOGS_PANICS: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn begin() {
        ARENA.settle();
        if !LOGS_PANICS.replace(true) {
            // Place and message, such as `panicked at src/lib.rs:7:5: index out of bounds`.
            panic::set_hook(Box::new(|panic| Host::real().log(Level::Error, &panic.to_string())));
        }
    }

    /// The memory behind data and stack.
    struct LinearMemory;

    impl Memory for LinearMemory {
        #[expect(unsafe_code, reason = "the linker sets this symbol")]
        fn start(&self) -> usize {
            unsafe extern "C" {
                static __heap_base: u8;
            }
            (&raw const __heap_base).expose_provenance()
        }

        fn extend(&self, end: usize) -> Option<usize> {
            let length = memory_size(0).checked_mul(PAGE)?;
            let Some(missing) = end.checked_sub(length).filter(|missing| *missing > 0) else { return Some(length) };
            let grown = |by: usize| (memory_grow(0, by / PAGE) != usize::MAX).then(|| length.checked_add(by)).flatten();
            grown(missing.max(STEP).next_multiple_of(PAGE)).or_else(|| grown(missing.next_multiple_of(PAGE)))
        }
    }
}
