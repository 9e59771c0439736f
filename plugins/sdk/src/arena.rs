//! The allocator of a component: it hands out memory from one end, and takes all of it back at once.
//!
//! A call takes little memory and ends soon, so nothing is searched and nothing is merged: the last block can grow, shrink and
//! go, and when no block of a call is left, the next one begins where this one began. What a plugin keeps for longer, such as a
//! `static` that is filled by the first call, stays where it is: [`settle`](Arena::settle) sees it before the next call.
//! Deliberately absent: using the place of a block in the middle again.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;

/// Where an arena gets its memory from.
pub(crate) trait Memory {
    /// The address of its first byte.
    fn start(&self) -> usize;

    /// Makes the memory reach `end` or further, and returns how far it reaches. `None` if it cannot.
    fn extend(&self, end: usize) -> Option<usize>;
}

/// Memory that grows at one end.
pub(crate) struct Arena<M> {
    state: UnsafeCell<State>,
    memory: M,
}

/// Addresses. All are 0 before the first block.
struct State {
    /// Below are blocks that outlived their call.
    base: usize,
    /// The end of the last block.
    top: usize,
    /// The end of the memory.
    end: usize,
    /// Blocks above `base`.
    blocks: usize,
}

#[expect(unsafe_code, reason = "an allocator is shared by the whole program")]
// SAFETY: it is used where there is one thread: in a component, and in tests of its own.
unsafe impl<M> Sync for Arena<M> {}

impl<M: Memory> Arena<M> {
    pub(crate) const fn new(memory: M) -> Self {
        Arena { state: UnsafeCell::new(State { base: 0, top: 0, end: 0, blocks: 0 }), memory }
    }

    /// Keeps what there is now: its place is not used again, even if it is freed. To be called between two calls.
    pub(crate) fn settle(&self) {
        let state = self.state();
        if state.blocks > 0 {
            state.base = state.top;
            state.blocks = 0;
        }
    }

    #[expect(unsafe_code, clippy::mut_from_ref, reason = "an allocator has no `&mut self`")]
    fn state(&self) -> &mut State {
        // SAFETY: there is one thread, and no function of this module holds the reference while another one is called.
        unsafe { &mut *self.state.get() }
    }

    /// Whether the memory reaches `end`.
    #[inline]
    fn reaches(&self, state: &mut State, end: usize) -> bool {
        end <= state.end || self.extend(state, end)
    }

    #[cold]
    fn extend(&self, state: &mut State, end: usize) -> bool {
        let extended = self.memory.extend(end);
        state.end = extended.unwrap_or(state.end);
        extended.is_some()
    }
}

impl State {
    /// Whether the block at `start` is the last one.
    fn is_last(&self, start: usize, layout: Layout) -> bool {
        start >= self.base && start + layout.size() == self.top
    }
}

#[expect(unsafe_code, reason = "the trait is unsafe")]
// SAFETY: blocks lie between `base` and `top`, do not overlap, and are aligned; what was freed is above `top`, or is not used
// again before all blocks are freed.
unsafe impl<M: Memory> GlobalAlloc for Arena<M> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let state = self.state();
        if state.top == 0 {
            state.base = self.memory.start();
            state.top = state.base;
        }
        let Some(start) = state.top.checked_next_multiple_of(layout.align()) else { return ptr::null_mut() };
        let Some(end) = start.checked_add(layout.size()) else { return ptr::null_mut() };
        if !self.reaches(state, end) {
            return ptr::null_mut();
        }
        state.top = end;
        state.blocks += 1;
        ptr::with_exposed_provenance_mut(start)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let (state, start) = (self.state(), block.expose_provenance());
        if start < state.base {
            return;
        }
        state.blocks -= 1;
        if state.blocks == 0 {
            state.top = state.base;
        } else if state.is_last(start, layout) {
            state.top = start;
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (state, start) = (self.state(), block.expose_provenance());
        if state.is_last(start, layout) {
            return match start.checked_add(size) {
                Some(end) if self.reaches(state, end) => {
                    state.top = end;
                    block
                }
                _ => ptr::null_mut(),
            };
        }
        if size <= layout.size() {
            return block;
        }
        let Ok(larger) = Layout::from_size_align(size, layout.align()) else { return ptr::null_mut() };
        // SAFETY: the caller vouches for `block` and a size above 0, and the new block is not the old one.
        unsafe {
            let moved = self.alloc(larger);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size());
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "what an allocator returns is written to")]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Memory of 4 KiB, of which 1 KiB is there at first.
    struct Small(Box<[Cell<u64>; 512]>);

    impl Memory for Small {
        fn start(&self) -> usize {
            self.0.as_ptr().expose_provenance()
        }

        fn extend(&self, end: usize) -> Option<usize> {
            let length = (end - self.start()).max(1024).next_multiple_of(256);
            (length <= 4096).then_some(self.start() + length)
        }
    }

    fn arena() -> Arena<Small> {
        Arena::new(Small(Box::new([const { Cell::new(0) }; 512])))
    }

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    impl Arena<Small> {
        /// A block that is filled with `byte`, and its place.
        fn block(&self, size: usize, align: usize, byte: u8) -> (*mut u8, usize) {
            // SAFETY: the block has this size.
            unsafe {
                let block = self.alloc(layout(size, align));
                assert!(!block.is_null());
                block.write_bytes(byte, size);
                (block, block.addr() - self.memory.start())
            }
        }

        fn free(&self, block: *mut u8, size: usize) {
            // SAFETY: it is a block of this size.
            unsafe { self.dealloc(block, layout(size, 1)) }
        }

        fn resize(&self, block: *mut u8, size: usize, to: usize) -> *mut u8 {
            // SAFETY: it is a block of this size.
            unsafe { self.realloc(block, layout(size, 1), to) }
        }
    }

    #[test]
    fn blocks_are_aligned_and_follow_each_other() {
        let arena = arena();

        let places = [arena.block(3, 1, 1).1, arena.block(8, 8, 2).1, arena.block(1, 1, 3).1];

        assert_eq!(places, [0, 8, 16]);
    }

    #[test]
    fn the_last_block_grows_and_shrinks_in_its_place_and_others_move() {
        let arena = arena();
        let (first, _) = arena.block(10, 1, 1);
        let (last, _) = arena.block(10, 1, 2);

        assert_eq!(arena.resize(last, 10, 100), last);
        assert_eq!(arena.resize(last, 100, 20), last);
        assert_eq!(arena.block(1, 1, 3).1, 30);
        let moved = arena.resize(first, 10, 40);

        assert_eq!(moved.addr() - arena.memory.start(), 31);
        // SAFETY: the block has 40 bytes, of which 10 were written.
        assert_eq!(unsafe { std::slice::from_raw_parts(moved, 10) }, [1; 10]);
        assert_eq!(arena.resize(moved, 40, 5), moved);
    }

    #[test]
    fn the_place_of_the_last_block_and_of_all_blocks_is_used_again() {
        let arena = arena();
        let (first, _) = arena.block(100, 1, 1);
        let (last, _) = arena.block(100, 1, 2);

        arena.free(last, 100);
        let (next, place) = arena.block(50, 1, 3);
        assert_eq!(place, 100);
        arena.free(first, 100);
        arena.free(next, 50);

        assert_eq!(arena.block(10, 1, 4).1, 0);
    }

    #[test]
    fn what_outlives_its_call_stays_and_costs_later_calls_nothing() {
        let arena = arena();
        let (kept, _) = arena.block(100, 1, 7);
        for _ in 0..1000 {
            arena.settle();
            let (first, place) = arena.block(200, 1, 1);
            let (second, _) = arena.block(200, 1, 2);
            assert_eq!(place, 100);
            arena.free(first, 200);
            arena.free(second, 200);
        }

        // SAFETY: the block has 100 bytes.
        assert_eq!(unsafe { std::slice::from_raw_parts(kept, 100) }, [7; 100]);
        arena.free(kept, 100);
        assert_eq!(arena.block(1, 1, 1).1, 100, "the place of what was kept is not used again");
    }

    #[test]
    fn memory_grows_as_far_as_it_can() {
        let arena = arena();
        let (block, _) = arena.block(1000, 1, 1);
        assert_eq!(arena.state().end - arena.memory.start(), 1024);

        assert_eq!(arena.resize(block, 1000, 4000), block);
        assert!(arena.resize(block, 4000, 5000).is_null());
        // SAFETY: only the result is looked at.
        assert!(unsafe { arena.alloc(layout(100, 1)) }.is_null());
        // SAFETY: as above.
        assert!(unsafe { arena.alloc(layout(isize::MAX as usize, 1)) }.is_null());

        arena.free(block, 4000);
        assert_eq!(arena.block(4096, 1, 1).1, 0);
    }
}
