//! G: a goroutine's record. `records.rs` has the table of all of them.
//!
//! A record's index in the table, with a number that counts its tickets, makes a ticket (see [`G::ticket`]).
//!
//! Who may touch what: fields in a `Cell` belong to the owner of the goroutine as the table in `state.rs` has it
//! (the M that runs it, the queue it is on, or whoever has claimed it). The state word passes that ownership on,
//! with the ordering that makes the fields visible. Atomics may be read by anybody.

use super::records::by_ticket;
use super::state::{StateWord, Token};
use crate::sys::atomic::prefetch;
use crate::sys::lock::{Rank, RawLock};
use crate::sys::stack::{Class, Stack};
use std::cell::Cell;
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
    index: Cell<u32>,
    pub locked_m: Cell<Option<&'static super::m::M>>,
    /// What its host asks of it, or null: see `host.rs`. Looked at with `locked_m`, before a switch to it.
    pub host: Cell<*mut super::host::Host>,
    /// What it keeps under keys, or null.
    pub keys: Cell<*mut super::exit::Locals>,
    /// What runs when it has ended and is no longer counted.
    pub on_end: Cell<Option<EndHook>>,
    /// The ticket that names the present park, or 0.
    ticket_live: AtomicU64,
    /// How many tickets this record has ever given out.
    ticket_count: Cell<u64>,
    pub class: Cell<Class>,
    /// It stands for a plain thread: its parks block the thread.
    pub is_thread: Cell<bool>,
    /// Its parks block the thread: it stands for one, or is in a blocking call.
    pub on_thread: Cell<bool>,
    /// It has a home: see `home_thread.rs`.
    pub is_homed: AtomicBool,
    /// The last of its tickets names the next park.
    has_ticket: Cell<bool>,
    /// Set by time when it wins a park.
    pub timed_out: Cell<bool>,
    /// The present park of a plain thread ends by itself.
    pub timed: AtomicBool,
    /// The sequence of the park after its last run that burned CPU without a P.
    pub burnt: Cell<u64>,
    /// When it began to wait, for dumps. Below zero: when it first stopped for what was due, and it has not waited since.
    pub since: AtomicI64,
}

const _: () = assert!(size_of::<G>() == 192);

// SAFETY: the header says who touches the cells, and the state word orders it.
unsafe impl Sync for G {}

/// Told of a goroutine's end, as its last act: who waits in `rt_run`, or a waitgroup.
#[derive(Clone, Copy)]
pub struct EndHook {
    pub f: unsafe fn(*const ()),
    pub arg: *const (),
}

/// A name, as text that ends with a zero.
#[derive(Clone, Copy)]
pub struct Name(pub [u8; 64]);

/// Tickets: the low 27 bits are the record's index, the rest counts. Counting starts at 1, so no
/// ticket is 0. 37 bits of count outlast three hours of one goroutine that does nothing but park with tickets, 100 ns
/// each; then its next ticket repeats its first, which somebody would have to have kept since.
pub const INDEX_BITS: u32 = 27;

impl G {
    /// The record is looked at soon: what a waker needs of it may have left the caches.
    #[inline(always)]
    pub fn expect(&self) {
        prefetch(ptr::from_ref(&self.word).cast());
        prefetch(ptr::from_ref(&self.timed_out).cast());
    }

    /// The goroutine goes on soon: so may the stack it comes back to.
    #[inline(always)]
    pub fn expect_run(&self) {
        prefetch(self.sp.get());
        prefetch(self.sp.get().wrapping_add(64));
    }

    /// For dumps: why and since when it waits. The time is that of the monitor's latest round, since reading the clock costs
    /// more than a park. Rounds are at most 5 ms apart while anybody runs. Who waits again right after the monitor's deep
    /// sleep, before its first round, seems to have waited since that sleep began.
    #[inline]
    pub fn begins_to_wait(&self, reason: *const c_char) {
        self.reason.store(reason.cast_mut(), Relaxed);
        self.since.store(super::monitor::coarse_now(), Relaxed);
    }

    /// It stops because something is due, with its slice not over, and so is to go on soon. False: it has stopped so for as long as a
    /// slice takes, without having waited. That was one, and it is to queue like all the others.
    pub fn may_go_on_soon(&self) -> bool {
        let now = super::monitor::coarse_now();
        let since = -self.since.load(Relaxed);
        let has_slice = since <= 0 || now - since < super::retake::SLICE;
        if since <= 0 || !has_slice {
            self.since.store(if has_slice { -now } else { 0 }, Relaxed);
        }
        has_slice
    }

    /// It has stopped otherwise, or is new: what it runs from here on is a slice.
    pub fn slice_begins(&self) {
        if self.since.load(Relaxed) < 0 {
            self.since.store(0, Relaxed);
        }
    }

    /// Whether time ends the present park, for a plain thread.
    pub fn has_deadline(&self) -> bool {
        self.timed.load(Relaxed)
    }

    /// The ticket of the next park: the same until that park. Asked by the goroutine itself.
    pub fn ticket(&self) -> u64 {
        if !self.has_ticket.replace(true) {
            let n = (self.ticket_count.get() % ((1 << (64 - INDEX_BITS)) - 1)) + 1;
            self.ticket_count.set(n);
        }
        self.last_ticket()
    }

    fn last_ticket(&self) -> u64 {
        (self.ticket_count.get() << INDEX_BITS) | self.index.get() as u64
    }

    /// A user's park begins: its ticket, if one was asked for, names it. Before the switch.
    pub fn ticket_begins(&self) {
        let live = if self.has_ticket.take() { self.last_ticket() } else { 0 };
        self.ticket_live.store(live, Relaxed);
    }

    /// Whether `ticket` names the park that is on, given that `token` was read from the word before.
    pub fn is_ticket_of(&self, ticket: u64) -> bool {
        self.ticket_live.load(Relaxed) == ticket
    }

    /// The goroutine ends: no ticket of it is good any more.
    pub fn ticket_ends(&self) {
        self.has_ticket.set(false);
        self.ticket_live.store(0, Relaxed);
    }

    /// A dead record comes out of the table, where it has this index. Its counts go on from where they were.
    pub fn begin(&self, index: u32, from: Counts) {
        self.index.set(index);
        self.word.raise_sequence(from.sequence);
        self.ticket_count.set(self.ticket_count.get().max(from.tickets));
    }

    /// What must not start again when the memory of a dead record is given back.
    pub fn counts(&self) -> Counts {
        Counts { sequence: self.word.sequence(), tickets: self.ticket_count.get() }
    }

    /// Its place in the table.
    pub fn index(&self) -> usize {
        self.index.get() as usize
    }
}

/// Counts that tell one life of a record from another: of parks, and of tickets.
#[derive(Clone, Copy)]
pub struct Counts {
    pub sequence: u64,
    pub tickets: u64,
}

impl Counts {
    pub fn max(self, other: Counts) -> Counts {
        Counts { sequence: self.sequence.max(other.sequence), tickets: self.tickets.max(other.tickets) }
    }
}

static NAMES: RawLock = RawLock::new(Rank::Names);

/// A goroutine's name. A copy: whoever shows it may be slow, and every goroutine with a name waits for this lock at its end.
pub fn name_of(g: &G) -> Option<Name> {
    NAMES.lock();
    // SAFETY: null, or made by Box::into_raw; `drop_name` waits for the lock.
    let name = unsafe { g.name.load(Acquire).as_ref() }.copied();
    NAMES.unlock();
    name
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

/// For a fork: nobody else may be at a name.
pub fn lock_names() {
    NAMES.lock();
}

pub fn unlock_names() {
    NAMES.unlock();
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
    use super::super::list::GList;
    use super::super::records::{allocate, release};
    use super::*;

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
