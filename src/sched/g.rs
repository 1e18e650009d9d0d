//! G: a goroutine's record, and the table of all of them.
//!
//! Records live in chunks that are never unmapped, so a `&'static G` stays readable whatever happened to the
//! goroutine: a stray ready reads a state word, not freed memory. Zeroed memory is a dead record. A record's
//! index in the table, with a number that counts its tickets, makes a ticket (see [`G::ticket`]).
//!
//! Who may touch what: fields in a `Cell` belong to the owner of the goroutine as the table in `state.rs` has it
//! (the M that runs it, the queue it is on, or whoever has claimed it). The state word passes that ownership on,
//! with the ordering that makes the fields visible. Atomics may be read by anybody.

use super::list::GList;
use super::state::{StateWord, Token};
use crate::sys::checkers::{self, Extent};
use crate::sys::lock::{Rank, RawLock};
use crate::sys::mem;
use crate::sys::stack::{Class, Stack};
use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU64, Ordering::*};

/// A goroutine's function.
pub type GoFn = unsafe extern "C" fn(*mut c_void);

/// What `rt_goready` wants of a user's park, and what runs after the switch: `bool unlockf(g, lock)`.
pub type UnlockFn = unsafe extern "C" fn(*mut G, *mut c_void) -> bool;

/// See the file's header.
#[repr(C, align(64))]
pub struct G {
    pub word: StateWord,
    /// Where it goes on, while it does not run.
    pub sp: Cell<*mut u8>,
    /// The next one on whatever list it is on.
    pub link: Cell<Option<&'static G>>,
    /// Its stack; none before it first runs, and for a plain thread.
    pub stack: Cell<Stack>,
    pub entry: Cell<Option<GoFn>>,
    pub arg: Cell<*mut c_void>,
    /// Positive, never used again; 0 for a plain thread's record.
    pub id: AtomicI64,
    /// The newest id it has given away: the next must be higher, also from another P's block.
    pub last_child: Cell<i64>,
    /// Why it waits: a string of static life.
    pub reason: AtomicPtr<c_char>,
    /// A copy of its name (at most 63 bytes and the zero), or null. Freed with the goroutine.
    pub name: AtomicPtr<Name>,
    /// What `rt_defer` has put off, the newest first.
    pub deferred: Cell<*mut super::exit::Deferred>,
    /// What the runtime must do if it ends inside a callback, the innermost first.
    pub cleanups: Cell<*const super::exit::Cleanup>,
    /// How often it is locked to its thread, and to which.
    pub locked: Cell<u32>,
    pub locked_m: Cell<Option<&'static super::m::M>>,
    /// What runs when it has ended and is no longer counted.
    pub on_end: Cell<Option<EndHook>>,
    /// The ticket that names the present park, or 0.
    ticket_live: AtomicU64,
    /// The ticket that names the next park, or 0.
    ticket_next: Cell<u64>,
    /// How many tickets this record has ever given out.
    ticket_count: Cell<u64>,
    index: Cell<u32>,
    pub class: Cell<Class>,
    /// It stands for a plain thread: its parks block the thread.
    pub is_thread: Cell<bool>,
    /// Its parks block the thread: it stands for one, or is in a blocking call.
    pub on_thread: Cell<bool>,
    /// Set by time when it wins a park.
    pub timed_out: Cell<bool>,
    /// The sequence of the park after its last run that burned CPU without a P.
    pub burnt: Cell<u64>,
    /// When it began to wait, for dumps.
    pub since: AtomicI64,
    /// The present park of a plain thread ends by itself.
    pub timed: AtomicBool,
}

const _: () = assert!(size_of::<G>() <= 256);

// SAFETY: the header says who touches the cells, and the state word orders it.
unsafe impl Sync for G {}

/// Told of a goroutine's end, as its last act: who waits in `rt_run`, or a waitgroup.
#[derive(Clone, Copy)]
pub struct EndHook {
    pub f: unsafe fn(*const ()),
    pub arg: *const (),
}

/// A name in memory of its own.
pub struct Name(pub [u8; 64]);

/// Tickets: the low 27 bits are the record's index, the rest counts. Counting starts at 1, so no
/// ticket is 0. 37 bits of count outlast three hours of one goroutine that does nothing but park with tickets, 100 ns
/// each; then its next ticket repeats its first, which somebody would have to have kept since.
const INDEX_BITS: u32 = 27;
const CHUNK: usize = 4096;
const CHUNKS: usize = (1 << INDEX_BITS) / CHUNK;

impl G {
    /// For dumps: why and since when it waits. The time is the monitor's, 10 ms coarse, since reading the clock costs more
    /// than a park.
    #[inline]
    pub fn begins_to_wait(&self, reason: *const c_char) {
        self.reason.store(reason.cast_mut(), Relaxed);
        self.since.store(super::monitor::coarse_now(), Relaxed);
    }

    /// Whether time ends the present park, for a plain thread.
    pub fn has_deadline(&self) -> bool {
        self.timed.load(Relaxed)
    }

    /// The ticket of the next park: the same until that park. Asked by the goroutine itself.
    pub fn ticket(&self) -> u64 {
        if self.ticket_next.get() == 0 {
            let n = (self.ticket_count.get() % ((1 << (64 - INDEX_BITS)) - 1)) + 1;
            self.ticket_count.set(n);
            self.ticket_next.set((n << INDEX_BITS) | self.index.get() as u64);
        }
        self.ticket_next.get()
    }

    /// A user's park begins: its ticket, if one was asked for, names it. Before the switch.
    pub fn ticket_begins(&self) {
        self.ticket_live.store(self.ticket_next.take(), Relaxed);
    }

    /// Whether `ticket` names the park that is on, given that `token` was read from the word before.
    pub fn is_ticket_of(&self, ticket: u64) -> bool {
        self.ticket_live.load(Relaxed) == ticket
    }

    /// The goroutine ends: no ticket of it is good any more.
    pub fn ticket_ends(&self) {
        self.ticket_next.set(0);
        self.ticket_live.store(0, Relaxed);
    }
}

/// The record a ticket names, if there is such a record.
pub fn by_ticket(ticket: u64) -> Option<&'static G> {
    let index = (ticket & ((1 << INDEX_BITS) - 1)) as usize;
    let chunk = TABLE[index / CHUNK].load(Acquire);
    if ticket == 0 || chunk.is_null() {
        return None;
    }
    // SAFETY: a chunk has CHUNK records, is never unmapped, and zeroed records are valid.
    Some(unsafe { &*chunk.add(index % CHUNK) })
}

static TABLE: [AtomicPtr<G>; CHUNKS] = [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS];

struct Free {
    list: GList,
    /// Indices below this have been handed out at least once.
    next: usize,
}

struct Records {
    lock: RawLock,
    free: UnsafeCell<Free>,
}

// SAFETY: `free` is touched under the lock.
unsafe impl Sync for Records {}

static RECORDS: Records =
    Records { lock: RawLock::new(Rank::Records), free: UnsafeCell::new(Free { list: GList::new(), next: 0 }) };

/// Moves up to `n` dead records to `into`. False if there is not even one, for want of memory.
pub fn allocate(into: &GList, n: usize) -> bool {
    RECORDS.lock.lock();
    // SAFETY: the lock is held.
    let free = unsafe { &mut *RECORDS.free.get() };
    for _ in 0..n {
        match free.list.pop().or_else(|| fresh(&mut free.next)) {
            Some(g) => into.push_back(g),
            None => break,
        }
    }
    RECORDS.lock.unlock();
    !into.is_empty()
}

/// Gives up to `n` dead records of `from` back.
pub fn release(from: &GList, n: usize) {
    RECORDS.lock.lock();
    // SAFETY: the lock is held.
    let free = unsafe { &mut *RECORDS.free.get() };
    for _ in 0..n {
        match from.pop() {
            Some(g) => free.list.push_front(g),
            None => break,
        }
    }
    RECORDS.lock.unlock();
}

/// Every record that was ever in use.
pub fn all() -> impl Iterator<Item = &'static G> {
    RECORDS.lock.lock();
    // SAFETY: the lock is held.
    let used = unsafe { (*RECORDS.free.get()).next };
    RECORDS.lock.unlock();
    (0..used).map(|i| {
        let chunk = TABLE[i / CHUNK].load(Acquire);
        // SAFETY: a record that was handed out is in a chunk that is mapped for good.
        unsafe { &*chunk.add(i % CHUNK) }
    })
}

static NAMES: RawLock = RawLock::new(Rank::Names);

/// Looks at a goroutine's name, which stays while `f` runs.
pub fn with_name<R>(g: &G, f: impl FnOnce(Option<&Name>) -> R) -> R {
    NAMES.lock();
    // SAFETY: null, or made by Box::into_raw; `drop_name` waits for the lock.
    let r = f(unsafe { g.name.load(Acquire).as_ref() });
    NAMES.unlock();
    r
}

/// The goroutine ends: so does its name.
pub fn drop_name(g: &G) {
    if g.name.load(Relaxed).is_null() {
        return;
    }
    NAMES.lock();
    let name = g.name.swap(ptr::null_mut(), AcqRel);
    NAMES.unlock();
    // SAFETY: made by Box::into_raw at the spawn, and taken out of the record under the lock that readers hold.
    drop(unsafe { Box::from_raw(name) });
}

/// For a fork: nobody else may be at the table, or at a name.
pub fn lock_table() {
    NAMES.lock();
    RECORDS.lock.lock();
}

pub fn unlock_table() {
    RECORDS.lock.unlock();
    NAMES.unlock();
}

/// The record after all that were ever used. Under the lock of the table.
fn fresh(next: &mut usize) -> Option<&'static G> {
    let slot = TABLE.get(*next / CHUNK)?;
    if slot.load(Relaxed).is_null() {
        let bytes = CHUNK * size_of::<G>();
        let low = mem::map(bytes)?;
        checkers::holds_pointers(Extent { low, bytes });
        slot.store(low.cast(), Release);
    }
    // SAFETY: the chunk is mapped for good, page-aligned, and zeroed memory is a valid dead record.
    let g: &'static G = unsafe { &*slot.load(Relaxed).add(*next % CHUNK) };
    g.index.set(*next as u32);
    *next += 1;
    Some(g)
}

/// The token of a user's park that is on, if it is the one that `ticket` names.
pub fn park_of_ticket(ticket: u64) -> Option<(&'static G, Token)> {
    let g = by_ticket(ticket)?;
    // The word first: if a claim with this token succeeds, the goroutine has not run since, and the ticket read in
    // between belongs to that very park.
    let token = g.word.waiting_in(super::state::Kind::Park)?;
    g.is_ticket_of(ticket).then_some((g, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let list = GList::new();
        assert!(allocate(&list, 10));
        assert_eq!(list.len(), 10);
        let g = list.pop().unwrap();
        assert!(!g.word.is_alive());
        list.push_front(g);
        release(&list, 100);
        assert!(list.is_empty());
    }

    #[test]
    fn tickets_name_one_park() {
        let list = GList::new();
        assert!(allocate(&list, 1));
        let g = list.pop().unwrap();
        let t = g.ticket();
        assert_ne!(t, 0);
        assert_eq!(t, g.ticket(), "the same until the park");
        assert!(ptr::eq(by_ticket(t).unwrap(), g));
        assert!(!g.is_ticket_of(t), "not before the park");
        g.ticket_begins();
        assert!(g.is_ticket_of(t));
        g.ticket_begins();
        assert!(!g.is_ticket_of(t), "not in the next one");
        assert_ne!(g.ticket(), t);
        g.ticket_ends();
        assert!(by_ticket(0).is_none());
        assert!(by_ticket(u64::MAX).is_none());
        list.push_back(g);
        release(&list, 1);
    }
}
