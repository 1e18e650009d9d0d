//! The table of all G records.
//!
//! Records live in chunks that are never unmapped, so a `&'static G` stays readable whatever happened to the
//! goroutine: a stray ready reads a state word, not freed memory. Zeroed memory is a dead record.
//!
//! Sixty-four records make a group, which is whole pages. A group with free records is in `with_free`, and the lowest one is
//! used first: so those above become free as a whole. A [`Sweep`] gives the memory of such a group back if nobody has used it
//! since the sweep before. Then its records read as zero, which is dead; but the counts that tell one life of a record from
//! the next must not start again, or an old token or ticket would be good once more. So the group keeps the highest of each,
//! and a record that comes out of the table goes on from there.

use super::g::{Counts, G, INDEX_BITS};
use super::list::GList;
use crate::sys::bits::Bits;
use crate::sys::checkers::{self, Extent};
use crate::sys::lock::{Rank, RawLock};
use crate::sys::mem;
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::*};

const GROUP: usize = 64;
const GROUPS: usize = 64;
/// Records of a chunk.
const CHUNK: usize = GROUP * GROUPS;
const CHUNKS: usize = (1 << INDEX_BITS) / CHUNK;

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

struct Group {
    /// A bit for each free record.
    free: u64,
    /// From where the counts of records go on.
    counts: Counts,
    /// It was free as a whole when the last sweep came by, and nobody has used it since.
    idle: bool,
    /// Some of it may be in memory.
    resident: bool,
}

struct Table {
    groups: Vec<Group>,
    with_free: Bits,
}

struct Records {
    lock: RawLock,
    table: UnsafeCell<Table>,
}

// SAFETY: `table` is touched under the lock.
unsafe impl Sync for Records {}

static RECORDS: Records = Records {
    lock: RawLock::new(Rank::Records),
    table: UnsafeCell::new(Table { groups: Vec::new(), with_free: Bits::new() }),
};

fn with<R>(f: impl FnOnce(&mut Table) -> R) -> R {
    RECORDS.lock.lock();
    // SAFETY: the lock is held, and `f` does not come back here.
    let r = f(unsafe { &mut *RECORDS.table.get() });
    RECORDS.lock.unlock();
    r
}

/// Moves up to `n` dead records to `into`. False if there is not even one, for want of memory.
pub fn allocate(into: &GList, n: usize) -> bool {
    with(|table| {
        while into.len() < n
            && let Some(number) = table.least()
        {
            let group = &mut table.groups[number];
            (group.idle, group.resident) = (false, true);
            while into.len() < n && group.free != 0 {
                let index = number * GROUP + group.free.trailing_zeros() as usize;
                group.free &= group.free - 1;
                let g = record(index);
                g.begin(index as u32, group.counts);
                into.push_back(g);
            }
            table.with_free.set(number, table.groups[number].free != 0);
        }
    });
    !into.is_empty()
}

/// Gives up to `n` dead records of `from` back.
pub fn release(from: &GList, n: usize) {
    with(|table| {
        for g in std::iter::from_fn(|| from.pop()).take(n) {
            let index = g.index();
            table.groups[index / GROUP].free |= 1 << (index % GROUP);
            table.with_free.add(index / GROUP);
        }
    });
}

impl Table {
    /// The lowest group with a free record; a new one if there is none, and memory for it.
    fn least(&mut self) -> Option<usize> {
        if let Some(number) = self.with_free.least() {
            return Some(number);
        }
        let number = self.groups.len();
        let slot = TABLE.get(number / GROUPS)?;
        if self.groups.try_reserve(1).is_err() || !self.with_free.make_room(number + 1) {
            return None;
        }
        if slot.load(Relaxed).is_null() {
            let bytes = CHUNK * size_of::<G>();
            let low = mem::map(bytes)?;
            checkers::holds_pointers(Extent { low, bytes });
            slot.store(low.cast(), Release);
        }
        self.groups.push(Group { free: u64::MAX, counts: Counts::ZERO, idle: false, resident: false });
        self.with_free.add(number);
        Some(number)
    }
}

/// Every record that was ever in use.
pub fn all() -> impl Iterator<Item = &'static G> {
    let groups = with(|table| table.groups.len());
    // A group that was given back has nobody alive in it, and to look would bring it back.
    let used = (0..groups).filter(|&n| with(|table| table.groups[n].resident));
    used.flat_map(|n| (n * GROUP..(n + 1) * GROUP).map(record))
}

/// For a fork: nobody else may be at the table.
pub fn lock() {
    RECORDS.lock.lock();
}

pub fn unlock() {
    RECORDS.lock.unlock();
}

/// A walk over all groups that gives back what was idle since the walk before.
pub struct Sweep {
    group: usize,
    left: bool,
}

impl Sweep {
    pub const fn new() -> Sweep {
        Sweep { group: 0, left: false }
    }

    /// Goes on until the walk is over (true) or `enough` says so, asked after each chunk.
    pub fn go_on(&mut self, mut enough: impl FnMut() -> bool) -> bool {
        loop {
            let is_over = with(|table| {
                let end = (self.group + GROUPS).min(table.groups.len());
                while self.group < end {
                    self.group = self.look(table, self.group, end);
                }
                end == table.groups.len()
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

    /// Looks at a group, and at those behind it that go with it; all are of one chunk. Answers the next.
    fn look(&mut self, table: &mut Table, first: usize, end: usize) -> usize {
        let mut past = first;
        while past < end {
            let group = &mut table.groups[past];
            if group.free != u64::MAX || !group.resident {
                break;
            }
            if !std::mem::replace(&mut group.idle, true) {
                self.left = true;
                break;
            }
            let records = (past * GROUP..(past + 1) * GROUP).map(record);
            group.counts = records.fold(group.counts, |counts, g| counts.max(g.counts()));
            group.resident = false;
            past += 1;
        }
        if past > first {
            let low = ptr::from_ref(record(first * GROUP)).cast_mut().cast();
            // SAFETY: nobody owns these records, and nobody takes one while the lock is held. Late wakers may look: what they
            // read is dead, before and after.
            unsafe { mem::advise(low, (past - first) * GROUP * size_of::<G>(), libc::MADV_DONTNEED) };
            return past;
        }
        first + 1
    }
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
        let group = g.index() / GROUP;
        release(&list, usize::MAX);
        for _ in 0..2 {
            assert!(Sweep::new().go_on(|| false));
        }
        assert!(!with(|table| table.groups[group].resident));
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
