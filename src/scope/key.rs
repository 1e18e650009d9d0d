//! Keys: what a goroutine's own values are kept under (`local.rs` has the values). The table of all keys, and its entries.
//!
//! A key names an entry and an incarnation of it: entries are used again, and what was kept under a former incarnation must
//! not be found under a later one. The word of an entry is `incarnation << 1 | in use`; it never takes a value twice. What a
//! goroutine keeps has the word that its key had, all 64 bits of it, and counts while the entry still has it. The key that
//! callers hold has the incarnation's low 16 bits alone, so one that was deleted 65,536 incarnations of its entry ago
//! may be taken for a new one: then it is a new one, and nothing old is found.
//!
//! Making and deleting are rare and take the table's lock. Finding a value and its destructor takes none:
//!
//! | delete and make anew, under the lock    | a goroutine ends and looks for a destructor  |
//! |-----------------------------------------|----------------------------------------------|
//! | 1 word = this incarnation, not in use   | 1 the word is that of the value              |
//! | 2 destructor = the new one (Release)    | 2 read the destructor (Acquire)              |
//! | 3 word = the next one, in use (Release) | 3 the word still is                          |
//!
//! If the right side reads the new destructor in 2, it sees the left side's 1 in 3, and drops it. So a destructor is never
//! called with a value of another incarnation. One that is being deleted may still be called by an end that looked before.
//!
//! Chunks of entries are made when they are first needed, and stay: lookers hold no lock.

use crate::sched::g::GoFn;
use crate::sys::atomic::{Acquire, AtomicPtr, AtomicU64, Relaxed, Release};
use std::mem;

/// A key's destructor, which gets the value.
pub type Destructor = GoFn;

const IN_USE: u64 = 1;

/// See the file's header. Zeroed is not in use.
pub struct Entry {
    word: AtomicU64,
    /// An `Option<Destructor>`.
    destructor: AtomicPtr<()>,
}

impl Entry {
    #[cfg(loom)]
    pub fn new() -> Self {
        Entry { word: AtomicU64::new(0), destructor: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// The word, if it is in use.
    #[inline]
    pub fn word(&self) -> Option<u64> {
        Some(self.word.load(Acquire)).filter(|word| word & IN_USE != 0)
    }

    /// A new incarnation. Under the lock; it is not in use. Answers the word.
    pub fn take(&self, destructor: Option<Destructor>) -> u64 {
        let word = self.word.load(Relaxed) + (2 | IN_USE);
        // SAFETY: an optional function pointer has the size of a pointer, and none is null.
        let destructor = unsafe { mem::transmute::<Option<Destructor>, *mut ()>(destructor) };
        self.destructor.store(destructor, Release);
        self.word.store(word, Release);
        word
    }

    /// It is not in use any more. Under the lock.
    pub fn give_back(&self) {
        self.word.store(self.word.load(Relaxed) & !IN_USE, Relaxed);
    }

    /// The destructor of the incarnation that had this word, if that is not over and has one.
    pub fn destructor(&self, word: u64) -> Option<Destructor> {
        if self.word.load(Acquire) != word {
            return None;
        }
        let destructor = self.destructor.load(Acquire);
        if self.word.load(Relaxed) != word {
            return None;
        }
        // SAFETY: written by `take`.
        unsafe { mem::transmute::<*mut (), Option<Destructor>>(destructor) }
    }
}

#[cfg(not(loom))]
pub use table::{create, delete, destructor, find, lock_table, unlock_table};

#[cfg(not(loom))]
mod table {
    use super::{Destructor, Entry};
    use crate::sys::lock::{Rank, RawLock};
    use std::alloc::{Layout, alloc_zeroed};
    use std::cell::Cell;
    use std::ptr;
    use std::sync::atomic::{AtomicPtr, Ordering::*};

    /// A key is `incarnation << 16 | index + 1`: so 0 is none.
    const MOST: usize = u16::MAX as usize;
    const CHUNK: usize = 256;

    struct Row {
        entry: Entry,
        /// While it is free: the index of the next free one, and 1. Under the lock.
        next_free: Cell<u32>,
    }

    struct Table {
        lock: RawLock,
        chunks: [AtomicPtr<Row>; MOST.div_ceil(CHUNK)],
        /// The index of the entry that was given back last, and 1.
        free: Cell<u32>,
        /// Indices below this were in use once.
        used: Cell<u32>,
    }

    // SAFETY: the cells are touched under the lock.
    unsafe impl Sync for Table {}

    static TABLE: Table = Table {
        lock: RawLock::new(Rank::Keys),
        chunks: [const { AtomicPtr::new(ptr::null_mut()) }; MOST.div_ceil(CHUNK)],
        free: Cell::new(0),
        used: Cell::new(0),
    };

    fn row(index: u32) -> Option<&'static Row> {
        let chunk = TABLE.chunks.get(index as usize / CHUNK)?.load(Acquire);
        // SAFETY: null, or a chunk of so many rows, which is never freed.
        unsafe { chunk.as_ref().map(|first| &*ptr::from_ref(first).add(index as usize % CHUNK)) }
    }

    /// A new key; None if there are too many, or no memory is left.
    pub fn create(destructor: Option<Destructor>) -> Option<u32> {
        TABLE.lock.lock();
        let taken = take_row().map(|(index, row)| {
            let incarnation = (row.entry.take(destructor) >> 1) as u32;
            incarnation << 16 | (index + 1)
        });
        TABLE.lock.unlock();
        taken
    }

    /// Under the lock.
    fn take_row() -> Option<(u32, &'static Row)> {
        if let Some(index) = TABLE.free.get().checked_sub(1) {
            let row = row(index)?;
            TABLE.free.set(row.next_free.get());
            return Some((index, row));
        }
        let index = TABLE.used.get();
        if index as usize == MOST {
            return None;
        }
        let chunk = &TABLE.chunks[index as usize / CHUNK];
        if chunk.load(Relaxed).is_null() {
            let layout = Layout::array::<Row>(CHUNK).ok()?;
            // SAFETY: the layout is not empty. Zeroed rows are free.
            let at = unsafe { alloc_zeroed(layout) }.cast::<Row>();
            if at.is_null() {
                return None;
            }
            chunk.store(at, Release);
        }
        TABLE.used.set(index + 1);
        Some((index, row(index)?))
    }

    /// The index and the present word of a key; None if there is no such key.
    #[inline]
    pub fn find(key: u32) -> Option<(u32, u64)> {
        let index = (key & 0xffff).checked_sub(1)?;
        let word = row(index)?.entry.word()?;
        ((word >> 1) as u16 == (key >> 16) as u16).then_some((index, word))
    }

    /// The key is no more. False if there is none.
    pub fn delete(key: u32) -> bool {
        TABLE.lock.lock();
        let found = find(key).and_then(|(index, _)| Some((index, row(index)?)));
        if let Some((index, row)) = found {
            row.entry.give_back();
            row.next_free.set(TABLE.free.replace(index + 1));
        }
        TABLE.lock.unlock();
        found.is_some()
    }

    /// See [`Entry::destructor`].
    pub fn destructor(index: u32, word: u64) -> Option<Destructor> {
        row(index)?.entry.destructor(word)
    }

    /// For a fork: nobody else may be at the table.
    pub fn lock_table() {
        TABLE.lock.lock();
    }

    pub fn unlock_table() {
        TABLE.lock.unlock();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::ffi::c_void;

    unsafe extern "C" fn nothing(_: *mut c_void) {}

    #[test]
    fn a_key_is_found_until_it_is_deleted() {
        let a = create(Some(nothing)).unwrap();
        let b = create(None).unwrap();
        assert_ne!(a, b);
        let (index, word) = find(a).unwrap();
        assert!(destructor(index, word).is_some());
        let (other, other_word) = find(b).unwrap();
        assert!(destructor(other, other_word).is_none());
        assert!(delete(a));
        assert!(!delete(a));
        assert!(find(a).is_none());
        assert!(destructor(index, word).is_none());
        assert!(delete(b));
        for bad in [0, 1 << 16, u32::MAX, 0xffff] {
            assert!(find(bad).is_none());
            assert!(!delete(bad));
        }
    }

    #[test]
    fn an_incarnation_never_comes_back() {
        let first = create(None).unwrap();
        let (index, mut last) = find(first).unwrap();
        assert!(delete(first));
        // More than a key can count. Other tests may take the entry in between.
        for _ in 0..70_000 {
            let key = create(None).unwrap();
            assert_ne!(key, 0);
            let (i, word) = find(key).unwrap();
            assert!(i != index || word > last);
            if i == index {
                last = word;
            }
            assert!(delete(key));
        }
    }
}
