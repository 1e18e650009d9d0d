//! The table of all G records.
//!
//! Records live in chunks that are never unmapped, so a `&'static G` stays readable whatever happened to the
//! goroutine: a stray ready reads a state word, not freed memory. Zeroed memory is a dead record.
//!
//! Sixty-four records make a group. The lowest group with a free record is used first: so those above become free as a whole.
//! A [`Sweep`] gives the memory of such groups back if nobody has used them since the sweep before; in *units*, which are as
//! many groups as make whole pages. Then their records read as zero, which is dead; but the counts that tell one life of a
//! record from the next must not start again, or an old token or ticket would be good once more. So a group keeps the highest
//! of each, and a record that comes out of the table goes on from there. What is known of the groups of a chunk stands behind
//! its records.

use super::g::{Counts, G, INDEX_BITS};
use super::list::GList;
use crate::sys::checkers::{self, Extent};
use crate::sys::lock::{Rank, RawLock};
use crate::sys::mem;
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

const GROUP: usize = 64;
/// Groups of a chunk: a bit each in a word.
const GROUPS: usize = 64;
/// Records of a chunk.
const CHUNK: usize = GROUP * GROUPS;
const CHUNKS: usize = (1 << INDEX_BITS) / CHUNK;
/// Groups of 4 KiB pages are three of them; of larger ones so many that it comes out even.
const SMALL_PAGE: usize = 4096;
const _: () = assert!(GROUP * size_of::<G>() == 3 * SMALL_PAGE);

/// The record a ticket names, if there is such a record.
pub fn by_ticket(ticket: u64) -> Option<&'static G> {
    let index = (ticket & ((1 << INDEX_BITS) - 1)) as usize;
    let chunk = TABLE[index / CHUNK].load(Acquire);
    if ticket == 0 || chunk.is_null() {
        return None;
    }
    Some(at(chunk, index))
}

static TABLE: [AtomicPtr<G>; CHUNKS] = [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS];

fn at(chunk: *mut G, index: usize) -> &'static G {
    // SAFETY: a chunk has CHUNK records, is page-aligned and never unmapped, and zeroed records are valid.
    unsafe { &*chunk.add(index % CHUNK) }
}

/// The record of an index that was handed out.
fn record(index: usize) -> &'static G {
    at(TABLE[index / CHUNK].load(Acquire), index)
}

/// What is known of a group. Zeroed: none of it was ever handed out.
struct Group {
    /// A bit for each record that is in use.
    used: u64,
    /// From where the counts of records go on.
    counts: Counts,
    /// It was free as a whole when the last sweep came by, and nobody has used it since.
    idle: bool,
    /// Some of it may be in memory.
    resident: bool,
}

/// What is known of the groups of a chunk.
struct Groups {
    /// A bit for each that has no free record.
    full: u64,
    all: [Group; GROUPS],
}

/// The bytes of a chunk's records, and with its groups.
const RECORDS: usize = CHUNK * size_of::<G>();
const BYTES: usize = RECORDS + size_of::<Groups>();
const _: () = assert!(RECORDS.is_multiple_of(align_of::<Groups>()));

struct Table {
    /// Chunks there are.
    chunks: usize,
    /// Those below have no free record.
    first: usize,
}

struct Records {
    lock: RawLock,
    table: UnsafeCell<Table>,
}

// SAFETY: `table` is touched under the lock.
unsafe impl Sync for Records {}

static TABLE_OF_ALL: Records =
    Records { lock: RawLock::new(Rank::Records), table: UnsafeCell::new(Table { chunks: 0, first: 0 }) };

fn with<R>(f: impl FnOnce(&mut Table) -> R) -> R {
    TABLE_OF_ALL.lock.lock();
    // SAFETY: the lock is held, and `f` does not come back here.
    let r = f(unsafe { &mut *TABLE_OF_ALL.table.get() });
    TABLE_OF_ALL.lock.unlock();
    r
}

/// Moves up to `n` dead records to `into`. False if there is not even one, for want of memory.
pub fn allocate(into: &GList, n: usize) -> bool {
    with(|table| {
        while into.len() < n
            && let Some(chunk) = table.least()
        {
            let groups = table.groups(chunk);
            let number = groups.full.trailing_ones() as usize;
            let group = &mut groups.all[number];
            group.idle = false;
            if !std::mem::replace(&mut group.resident, true) && mem::page_size() == SMALL_PAGE {
                let low = ptr::from_ref(record(chunk * CHUNK + number * GROUP)).cast_mut().cast();
                // SAFETY: the pages of a group, of a chunk that is mapped for good.
                unsafe { mem::populate_range(low, GROUP * size_of::<G>()) };
            }
            while into.len() < n && group.used != u64::MAX {
                let index = chunk * CHUNK + number * GROUP + group.used.trailing_ones() as usize;
                group.used |= group.used + 1;
                let g = record(index);
                g.begin(index as u32, group.counts);
                into.push_back(g);
            }
            if group.used == u64::MAX {
                groups.full |= 1 << number;
            }
        }
    });
    !into.is_empty()
}

/// Gives up to `n` dead records of `from` back.
pub fn release(from: &GList, n: usize) {
    with(|table| {
        for g in std::iter::from_fn(|| from.pop()).take(n) {
            let (chunk, number) = (g.index() / CHUNK, g.index() % CHUNK / GROUP);
            let groups = table.groups(chunk);
            groups.all[number].used &= !(1 << (g.index() % GROUP));
            groups.full &= !(1 << number);
            table.first = table.first.min(chunk);
        }
    });
}

impl Table {
    /// What is known of a chunk that there is.
    fn groups(&mut self, chunk: usize) -> &mut Groups {
        debug_assert!(chunk < self.chunks);
        let records = TABLE[chunk].load(Relaxed);
        // SAFETY: it stands behind the records, in memory that is mapped for good and was zeroed; the table's lock is held, and
        // with it the table borrowed.
        unsafe { &mut *records.byte_add(RECORDS).cast::<Groups>() }
    }

    /// The lowest chunk with a free record; a new one if there is none, and memory for it.
    fn least(&mut self) -> Option<usize> {
        while self.first < self.chunks {
            if self.groups(self.first).full != u64::MAX {
                return Some(self.first);
            }
            self.first += 1;
        }
        let slot = TABLE.get(self.chunks)?;
        let low = mem::map(BYTES)?;
        checkers::holds_pointers(Extent { low, bytes: RECORDS });
        slot.store(low.cast(), Release);
        self.chunks += 1;
        Some(self.first)
    }
}

/// Every record that was ever in use.
pub fn all() -> impl Iterator<Item = &'static G> {
    let chunks = with(|table| table.chunks);
    // A group that was given back has nobody alive in it, and to look would bring it back.
    let resident = |n: &usize| with(|table| table.groups(n / GROUPS).all[n % GROUPS].resident);
    (0..chunks * GROUPS).filter(resident).flat_map(|n| (n * GROUP..(n + 1) * GROUP).map(record))
}

/// For a fork: nobody else may be at the table.
pub fn lock() {
    TABLE_OF_ALL.lock.lock();
}

pub fn unlock() {
    TABLE_OF_ALL.lock.unlock();
}

/// A walk over all groups that gives back what was idle since the walk before.
pub struct Sweep {
    chunk: usize,
    left: bool,
}

impl Sweep {
    pub const fn new() -> Sweep {
        Sweep { chunk: 0, left: false }
    }

    /// Goes on until the walk is over (true) or `enough` says so, asked after each chunk.
    pub fn go_on(&mut self, mut enough: impl FnMut() -> bool) -> bool {
        loop {
            let is_over = with(|table| {
                if self.chunk < table.chunks {
                    self.left |= sweep(table, self.chunk);
                    self.chunk += 1;
                }
                self.chunk == table.chunks
            });
            if is_over || enough() {
                return is_over;
            }
        }
    }

    /// Whether a walk that is over has left anything for the next.
    pub fn has_left(&self) -> bool {
        self.left
    }
}

/// Gives back what is idle of a chunk. True if something free is left in memory, which may be so at the next look.
fn sweep(table: &mut Table, chunk: usize) -> bool {
    let unit = (mem::page_size() / SMALL_PAGE).max(1);
    let groups = table.groups(chunk);
    let mut left = false;
    // Idle units that lie side by side go in one call.
    let mut run = 0..0;
    for first in (0..GROUPS).step_by(unit) {
        let all = &mut groups.all[first..(first + unit).min(GROUPS)];
        let is_free = all.len() == unit && all.iter().all(|g| g.used == 0) && all.iter().any(|g| g.resident);
        let is_idle = is_free && all.iter().all(|g| g.idle || !g.resident);
        if is_free && !is_idle {
            all.iter_mut().for_each(|g| g.idle = true);
            left = true;
        }
        if is_idle {
            run = if run.end == first { run.start..first + unit } else { first..first + unit };
            for (n, group) in all.iter_mut().enumerate().filter(|(_, g)| g.resident) {
                let index = chunk * CHUNK + (first + n) * GROUP;
                let records = (index..index + GROUP).map(record);
                group.counts = records.fold(group.counts, |counts, g| counts.max(g.counts()));
                group.resident = false;
            }
        }
        if !run.is_empty() && (!is_idle || run.end >= GROUPS) {
            let low = ptr::from_ref(record(chunk * CHUNK + run.start * GROUP)).cast_mut().cast();
            // SAFETY: whole pages of records that nobody owns, and nobody takes one while the lock is held. Late wakers may
            // look: what they read is dead, before and after.
            unsafe { mem::advise(low, run.len() * GROUP * size_of::<G>(), libc::MADV_DONTNEED) };
            run = 0..0;
        }
    }
    left
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
    fn what_is_given_back_counts_on() {
        let list = GList::new();
        assert!(allocate(&list, 3 * CHUNK));
        let mut middle = None;
        for n in 0..list.len() {
            let g = list.pop().unwrap();
            g.word.spawn();
            g.word.run();
            g.word.end();
            let _ = g.ticket();
            g.ticket_ends();
            list.push_back(g);
            // Groups at the ends may be shared with other tests.
            if n == CHUNK {
                middle = Some(g);
            }
        }
        let (g, before) = (middle.unwrap(), middle.unwrap().counts());
        let (chunk, group) = (g.index() / CHUNK, g.index() % CHUNK / GROUP);
        release(&list, usize::MAX);
        for _ in 0..2 {
            assert!(Sweep::new().go_on(|| false));
        }
        assert!(!with(|table| table.groups(chunk).all[group].resident));
        assert!(allocate(&list, 3 * CHUNK));
        let again = std::iter::from_fn(|| list.pop()).inspect(|other| {
            if ptr::eq(*other, g) {
                assert!(g.counts().sequence >= before.sequence && g.counts().tickets >= before.tickets);
            }
        });
        let back = GList::new();
        again.for_each(|g| back.push_back(g));
        release(&back, usize::MAX);
    }
}
