//! What a component needs besides its plugin: memory, and a word to the log when it panics.
//!
//! On `wasm32-unknown-unknown` there is no WASI, so the SDK brings an allocator that suits one call, and logs panics through the
//! host. On `wasm32-wasip2` Rust's standard library does both.

use crate::Level;

/// Runs one call. Every function that the export macros export is one. A panic is logged through `log`, which is a function and no
/// pointer to one: a pointer would be kept in a block that outlives the first call.
#[inline]
pub fn call<T>(log: impl Fn(Level, &str) + Send + Sync + 'static, call: impl FnOnce() -> T) -> T {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    bare::begin(log);
    #[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
    let _ = log;
    let result = call();
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    bare::end();
    result
}

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod bare {
    use std::alloc::{GlobalAlloc, Layout};
    use std::arch::wasm32::{memory_grow, memory_size, unreachable};
    use std::cell::Cell;
    use std::{panic, ptr};

    use crate::Level;
    use crate::arena::{Arena, Memory};

    const PAGE: usize = 64 << 10;

    /// How much the memory grows by at least, if it may: growing is slow.
    const STEP: usize = 1 << 20;

    #[global_allocator]
    static ARENA: Arena<LinearMemory> = Arena::new(LinearMemory);

    thread_local! {
        static IS_CALLED: Cell<bool> = const { Cell::new(false) };
        static LOGS_PANICS: Cell<bool> = const { Cell::new(false) };
    }

    pub(super) fn begin(log: impl Fn(Level, &str) + Send + Sync + 'static) {
        enter();
        if !LOGS_PANICS.replace(true) {
            // Place and message, such as `panicked at src/lib.rs:7:5: index out of bounds`.
            panic::set_hook(Box::new(move |panic| log(Level::Error, &panic.to_string())));
        }
    }

    /// What is allocated from now on until the host passes something in belongs to the result.
    pub(super) fn end() {
        IS_CALLED.set(false);
    }

    /// The first sign of a call: its function begins, or the host passes in an argument.
    fn enter() {
        if !IS_CALLED.replace(true) {
            ARENA.settle();
        }
    }

    /// Memory for what the host passes in. It replaces the function of `wit-bindgen`, which does not say where a call begins.
    #[expect(unsafe_code, reason = "the name and the types are those of the canonical ABI")]
    #[unsafe(export_name = "cabi_realloc")]
    unsafe extern "C" fn allocate(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
        enter();
        if size == 0 {
            return ptr::without_provenance_mut(align);
        }
        // SAFETY: the host passes sizes and alignments of the canonical ABI, and blocks that it got here.
        unsafe {
            let block = match old_size {
                0 => ARENA.alloc(Layout::from_size_align_unchecked(size, align)),
                _ => ARENA.realloc(old, Layout::from_size_align_unchecked(old_size, align), size),
            };
            if block.is_null() {
                unreachable();
            }
            block
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
