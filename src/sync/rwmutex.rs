//! RWMutex, 48 bytes in the caller's memory: one word, and a queue of waiting writers and one of waiting readers.
//!
//! What it promises is Go's: many readers or one writer; a writer that waits holds back new readers; a writer that
//! leaves lets in everybody who waits to read, before the next writer. So neither side starves. Writers go in the order
//! they came.
//!
//! The word, `readers << 4 | flags`:
//!
//! | part    | means                                                                                   |
//! |---------|-----------------------------------------------------------------------------------------|
//! | readers | how many hold it for reading                                                            |
//! | WRITER  | it is held for writing                                                                  |
//! | QUEUE   | the lock of both queues (wordlock.rs)                                                   |
//! | WRITERS | writers wait: the queue of writers is not empty                                         |
//! | READERS | readers wait: the queue of readers is not empty                                         |
//!
//! What always holds:
//! * Free is zero. While nobody has it, nobody waits and nobody holds QUEUE.
//! * WRITERS and READERS change under QUEUE. READERS is set only beside WRITER or WRITERS: readers wait for no other.
//! * While WRITERS is set no reader comes in.
//! * The last holder leaves (readers 1 to 0, WRITER to 0) only while QUEUE is clear, or as the one who holds it.
//!
//! ```text
//! waiter                                        last holder
//! 1 the word says wait: set QUEUE in that word  1 the word says others wait, QUEUE is clear: set QUEUE in that word;
//! 2 queue a node, set WRITERS or READERS          nobody waits: let go by that same compare-and-swap
//! 3 park; the far side clears QUEUE             2 claim who comes next
//!                                               3 one write: the new holders, who still waits, QUEUE clear
//!                                               4 ready them
//! ```
//! *Nobody waits for a lock that is free.* Both 1 are compare-and-swaps of one word. If the waiter's comes first, the
//! holder's fails or finds QUEUE set, and it looks again when the far side has cleared it: it sees the flag. If the
//! holder's comes first, the waiter's fails, and it looks again.
//!
//! *Who waits is made a holder by who leaves*; it does not compete when it runs. That keeps the order of writers with
//! no state for "woken and on its way", at the price of a switch for each contended writer. Nobody gives up waiting
//! (there is no timeout), so a claim never fails. Rejected: Go's own construction, a mutex among the writers beside the
//! count of readers. Its unlock touches the mutex after it has let readers in, and the last of those may free the
//! memory. Here 3 is the last touch.

use super::mutex::unlock_queue;
use super::waitq::{WaitQueue, Waiter};
use super::wordlock;
use crate::error::{Error, Result};
use crate::sched::list::GList;
use crate::sched::park;
use crate::sched::state::Kind;
use crate::sys::atomic::{AcqRel, Acquire, AtomicU64, Relaxed, Release};
use crate::sys::clock::NEVER;
use std::ffi::CStr;
use std::ptr;

const WRITER: u64 = 1;
const QUEUE: u64 = 2;
const WRITERS: u64 = 4;
const READERS: u64 = 8;
/// One that reads.
const READER: u64 = 16;

/// See the file's header. Zeroed is free.
#[repr(C)]
pub struct RwMutex {
    state: AtomicU64,
    writers: WaitQueue,
    readers: WaitQueue,
}

// SAFETY: the queues are touched under their lock, the flag QUEUE.
unsafe impl Sync for RwMutex {}

impl RwMutex {
    #[cfg(loom)]
    pub fn new() -> Self {
        RwMutex { state: AtomicU64::new(0), writers: WaitQueue::new(), readers: WaitQueue::new() }
    }

    /// Takes it for writing if it is free at this moment.
    #[inline(always)]
    pub fn try_lock(&self) -> Result {
        self.state.compare_exchange(0, WRITER, Acquire, Relaxed).map(drop).map_err(|_| Error::Again)
    }

    /// Takes it for reading if no writer has it or waits for it.
    #[inline(always)]
    pub fn try_rlock(&self) -> Result {
        let mut state = self.state.load(Relaxed);
        while state & (WRITER | WRITERS) == 0 {
            // QUEUE may be set: by a writer that is about to wait. This reader comes before it.
            match self.state.compare_exchange_weak(state, state + READER, Acquire, Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => state = now,
            }
        }
        Err(Error::Again)
    }

    /// Takes it for writing when the fast path (a `try_lock`) has failed.
    #[cold]
    pub fn lock_slow(&self) -> Result {
        while wordlock::lock(&self.state, QUEUE, |s| s != 0).is_none() {
            if self.try_lock().is_ok() {
                return Ok(());
            }
        }
        self.wait(&self.writers, WRITERS, c"sync.RWMutex.Lock")
    }

    /// Takes it for reading when the fast path (a `try_rlock`) has failed.
    #[cold]
    pub fn rlock_slow(&self) -> Result {
        while wordlock::lock(&self.state, QUEUE, |s| s & (WRITER | WRITERS) != 0).is_none() {
            if self.try_rlock().is_ok() {
                return Ok(());
            }
        }
        self.wait(&self.readers, READERS, c"sync.RWMutex.RLock")
    }

    /// Waits in a queue: QUEUE is held, and was taken in a word that says so. Whoever readies the caller has made it a
    /// holder.
    fn wait(&self, queue: &WaitQueue, flag: u64, reason: &'static CStr) -> Result {
        let wait = match park::prepare(Kind::Sync, NEVER) {
            Ok(wait) => wait,
            Err(e) => {
                self.state.fetch_and(!QUEUE, Release);
                return Err(e.into());
            }
        };
        let waiter = Waiter::new(&wait, ptr::null_mut());
        // SAFETY: QUEUE is held; the waiter stays here until it is unlinked.
        unsafe { queue.push_back(&waiter) };
        self.state.fetch_or(flag, Relaxed);
        // It has no deadline, so it was readied.
        let _ = park::park(wait, reason, unlock_queue(&self.state, QUEUE));
        Ok(())
    }

    /// Lets go of what was held for writing and nobody waits for. False, and nothing, in any other state.
    #[inline(always)]
    pub fn unlock_fast(&self) -> bool {
        self.state.compare_exchange(WRITER, 0, Release, Relaxed).is_ok()
    }

    /// Lets go of what was held for writing, in whatever state it is. `NotPermitted` if it is not.
    #[cold]
    pub fn unlock_slow(&self) -> Result {
        let mut tries = 0;
        loop {
            let state = self.state.load(Relaxed);
            if state & WRITER == 0 {
                return Err(Error::NotPermitted);
            }
            if state & QUEUE != 0 {
                wordlock::pause(&mut tries);
                continue;
            }
            let new = if state == WRITER { 0 } else { state | QUEUE };
            if self.state.compare_exchange_weak(state, new, AcqRel, Relaxed).is_err() {
                continue;
            }
            match state & (WRITERS | READERS) {
                0 => {}
                WRITERS => self.let_writer_in(),
                _ => self.let_readers_in(),
            }
            return Ok(());
        }
    }

    /// Lets go of what was held for reading, unless the caller is the last and somebody waits or is about to. False,
    /// and nothing, then, in any other state, and if others came between.
    #[inline(always)]
    pub fn runlock_fast(&self) -> bool {
        let state = self.state.load(Relaxed);
        (state >= 2 * READER || state == READER)
            && self.state.compare_exchange(state, state - READER, Release, Relaxed).is_ok()
    }

    /// Lets go of what was held for reading, in whatever state it is. `NotPermitted` if it is not.
    #[cold]
    pub fn runlock_slow(&self) -> Result {
        let mut tries = 0;
        loop {
            let state = self.state.load(Relaxed);
            if state < READER {
                return Err(Error::NotPermitted);
            }
            let last = state < 2 * READER;
            if last && state & QUEUE != 0 {
                wordlock::pause(&mut tries);
                continue;
            }
            // Readers wait behind writers only: the last reader has to look for those.
            let writers = last && state & WRITERS != 0;
            let new = if writers { state | QUEUE } else { state - READER };
            if self.state.compare_exchange_weak(state, new, AcqRel, Relaxed).is_err() {
                continue;
            }
            if writers {
                self.let_writer_in();
            }
            return Ok(());
        }
    }

    /// QUEUE is held, by the last holder, and a writer waits. Nobody else writes the word now.
    fn let_writer_in(&self) {
        // SAFETY: QUEUE is held; the waiter is not used after it was readied.
        let Some(w) = (unsafe { self.writers.pop_claimed(|| ()) }) else {
            unreachable!("a writer that waits for ever has gone");
        };
        let g = w.g;
        self.state.store(WRITER | self.waiting(), Release);
        park::ready(g);
    }

    /// QUEUE is held, by the writer that leaves, and readers wait. Nobody else writes the word now.
    fn let_readers_in(&self) {
        let woken = GList::new();
        // SAFETY: QUEUE is held; the waiters are not used after they were readied.
        while let Some(w) = unsafe { self.readers.pop_claimed(|| ()) } {
            woken.push_back(w.g);
        }
        self.state.store((woken.len() as u64 * READER) | self.waiting(), Release);
        while let Some(g) = woken.pop() {
            park::ready(g);
        }
    }

    /// The flags of who waits. Under QUEUE.
    fn waiting(&self) -> u64 {
        let flag = |queue: &WaitQueue, flag| if queue.is_empty() { 0 } else { flag };
        flag(&self.writers, WRITERS) | flag(&self.readers, READERS)
    }
}
