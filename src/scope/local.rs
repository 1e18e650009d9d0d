//! What a goroutine keeps for itself: a block of pairs, one for each key up to the highest that it has set. A plain thread has
//! such a block in the record that stands for it.
//!
//! The block is its goroutine's alone, in `G::keys`. It grows by moving. A pair counts while its word is that of its key
//! (`key.rs`), so nobody has to look through the blocks when a key is deleted.
//!
//! *The end.* After the deferred functions, values whose key has a destructor are handed to it, in the order of their keys, each
//! cleared first; so are in a further round those that were set meanwhile, in at most [`ROUNDS`] rounds. Destructors are
//! code of the program: they run outside of the runtime, on the goroutine's stack, and may set, park, defer, or leave by
//! `rt_goexit`. Hence how far the end is stands in the block: whoever is innermost goes on with it.
//! A step of the end (`step`) is a round, or what is left of one. The step after the last round, with nothing of the program
//! to run any more, frees the block.

use super::key;
use crate::error::{Error, Result};
use crate::sched::exit::Locals;
use crate::sched::g::G;
use crate::sched::handshake;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// As POSIX has it for threads.
const ROUNDS: u32 = 4;
/// Pairs of the first block.
const LEAST: usize = 8;

/// See the file's header. The pairs follow in the same memory.
#[repr(C)]
struct Block {
    /// What `G::keys` shows to the scheduler.
    head: Locals,
    pairs: u32,
    /// The end: rounds that are over, the pair that comes next, and whether this round has called anybody.
    round: Cell<u32>,
    next: Cell<u32>,
    called: Cell<bool>,
}

/// Zeroed it counts for no key.
struct Pair {
    word: Cell<u64>,
    value: Cell<*mut c_void>,
}

impl Block {
    fn layout(pairs: usize) -> Option<(Layout, usize)> {
        Layout::new::<Block>().extend(Layout::array::<Pair>(pairs).ok()?).ok()
    }

    fn of(g: &G) -> Option<&Block> {
        // SAFETY: null, or the head of a block of this room, which its goroutine, the caller, frees at its end alone.
        unsafe { g.keys.get().cast::<Block>().as_ref() }
    }

    fn pairs(&self) -> &[Pair] {
        let at = ptr::from_ref(self).wrapping_add(1).cast::<Pair>();
        // SAFETY: so many follow, with no gap: both sizes are multiples of the larger alignment. Zeroed pairs are valid.
        unsafe { std::slice::from_raw_parts(at, self.pairs as usize) }
    }

    fn make(pairs: usize) -> Option<NonNull<Block>> {
        let (layout, _) = Block::layout(pairs)?;
        // SAFETY: the layout is not empty.
        let at = NonNull::new(unsafe { alloc_zeroed(layout) })?.cast::<Block>();
        let block = Block {
            head: Locals { end: step },
            pairs: pairs as u32,
            round: Cell::new(0),
            next: Cell::new(0),
            called: Cell::new(false),
        };
        // SAFETY: fresh memory of the right layout.
        unsafe { at.write(block) };
        Some(at)
    }

    /// # Safety
    /// Made by [`make`](Self::make), and nobody's any more.
    unsafe fn free(this: *mut Block) {
        // SAFETY: the caller's promise; it was made with this layout. Nothing in it needs a drop.
        unsafe {
            if let Some((layout, _)) = Block::layout((*this).pairs as usize) {
                dealloc(this.cast(), layout);
            }
        }
    }
}

const _: () =
    assert!(size_of::<Block>().is_multiple_of(align_of::<Pair>()) && align_of::<Block>() >= align_of::<Pair>());

/// The value that the caller has under a key; null if it has none, or there is no such key.
#[inline]
pub fn get(g: &G, key: u32) -> *mut c_void {
    let pair = Block::of(g).zip(key::find(key)).and_then(|(block, (index, word))| {
        let pair = block.pairs().get(index as usize)?;
        (pair.word.get() == word).then_some(pair)
    });
    pair.map_or(ptr::null_mut(), |pair| pair.value.get())
}

/// Keeps a value under a key, for the caller alone.
pub fn set(g: &G, key: u32, value: *mut c_void) -> Result {
    let (index, word) = key::find(key).ok_or(Error::Invalid)?;
    let mut pair = Block::of(g).and_then(|block| block.pairs().get(index as usize));
    if pair.is_none() {
        if value.is_null() {
            return Ok(());
        }
        grow(g, index as usize + 1).ok_or(Error::NoMemory)?;
        pair = Block::of(g).and_then(|block| block.pairs().get(index as usize));
    }
    let pair = pair.expect("the block has grown");
    pair.word.set(word);
    pair.value.set(value);
    Ok(())
}

/// Gives the caller a larger block, with what it has now. None, and no change, without memory.
fn grow(g: &G, pairs: usize) -> Option<()> {
    let new = Block::make(pairs.next_power_of_two().max(LEAST))?;
    if let Some(old) = Block::of(g) {
        // SAFETY: just made, with more pairs than the old one has.
        let block = unsafe { new.as_ref() };
        block.round.set(old.round.get());
        block.next.set(old.next.get());
        block.called.set(old.called.get());
        for (to, from) in block.pairs().iter().zip(old.pairs()) {
            to.word.set(from.word.get());
            to.value.set(from.value.get());
        }
        // SAFETY: its goroutine has another one from here on.
        unsafe { Block::free(ptr::from_ref(old).cast_mut()) };
    }
    g.keys.set(new.as_ptr().cast());
    Some(())
}

/// A step of the end: see the file's header, and `Locals::end`.
unsafe fn step(g: &'static G) {
    let over = |block: &Block| block.round.get() == ROUNDS;
    // The block moves when a destructor sets a value: it is looked up again each time.
    while let Some(block) = Block::of(g).filter(|block| !over(block)) {
        let next = block.next.get();
        let Some(pair) = block.pairs().get(next as usize) else {
            if block.called.replace(false) {
                block.round.set(block.round.get() + 1);
                block.next.set(0);
                return;
            }
            break;
        };
        block.next.set(next + 1);
        let value = pair.value.get();
        if !value.is_null()
            && let Some(destructor) = key::destructor(next, pair.word.get())
        {
            pair.value.set(ptr::null_mut());
            block.called.set(true);
            handshake::leave_for_user();
            // SAFETY: whoever made the key vouches for its destructor, and whoever set the value for that.
            unsafe { destructor(value) };
            let _ = handshake::enter();
        }
    }
    let block = g.keys.replace(ptr::null_mut());
    // SAFETY: the goroutine's own, which forgets it here.
    unsafe { Block::free(block.cast()) };
}
