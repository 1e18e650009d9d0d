//! Goroutine stacks: slots of large slabs, each with a guard at its low end.
//!
//! A slab is one mapping of many slots of one *class* (size). Address space is all it costs until a slot is
//! touched. A slot's guard is made when the slot is first handed out, and stays. Freed slots are kept in the
//! pool of their class, guard and touched pages and all; the per-P caches above (sched/p.rs) keep the hottest.
//!
//! *Promises.* A goroutine gets its stack when it first runs, where nothing may fail any more. So spawning
//! promises a slot: `promised <= mapped` always, and the pool grows, or refuses, at the promise. A cache of
//! slots above the pool must be promised as well, since its slots are out of the pool's reach.
//!
//! *Guards* are made with MADV_GUARD_INSTALL (Linux 6.13), which splits no mapping. Older kernels get mprotect,
//! which costs two mappings a stack; there the number of slots is held below a quarter of vm.max_map_count, so
//! that a stack without a guard is never handed out and the host keeps its share of mappings.
//!
//! Frames larger than a guard can step over it. C compilers probe page by page only with
//! -fstack-clash-protection, so guards grow with the slot: 4 KiB below 64 KiB, 16 KiB below 256 KiB, else 64 KiB.

use super::checkers::{self, Extent};
use super::lock::{Rank, RawLock};
use super::mem;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The smallest stack that may be asked for, bytes.
pub const MIN_SIZE: usize = 16 << 10;
/// The largest that may be asked for, bytes.
pub const MAX_SIZE: usize = 1 << 37;
/// The default, bytes.
pub const DEFAULT_SIZE: usize = 256 << 10;

const STEPS: usize = 4;
const CLASSES: usize = 96;
const MADV_GUARD_INSTALL: i32 = 102;

/// A stack size, rounded up to one of four steps per power of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Class(u8);

impl Class {
    /// The class for `bytes` of address space; None above what any machine can map.
    pub fn of(bytes: usize) -> Option<Class> {
        let page = mem::page_size();
        // Where pages are large, some sizes are not multiples of one, and the smallest would be all guard.
        let fits = |c: &Class| c.size() >= bytes && c.size().is_multiple_of(page) && c.size() >= MIN_SIZE / 2 + page;
        (0..CLASSES as u8).map(Class).find(fits)
    }

    /// Bytes of address space, guard included.
    #[inline]
    pub fn size(self) -> usize {
        let (octave, step) = (self.0 as usize / STEPS, self.0 as usize % STEPS);
        (MIN_SIZE / STEPS * (STEPS + step)) << octave
    }

    /// Bytes of the guard at the low end.
    pub fn guard(self) -> usize {
        let bytes: usize = match self.size() {
            s if s < 64 << 10 => 4 << 10,
            s if s < 256 << 10 => 16 << 10,
            _ => 64 << 10,
        };
        bytes.next_multiple_of(mem::page_size())
    }

    /// The class as a number, and back.
    pub fn number(self) -> u8 {
        self.0
    }

    pub fn from_number(n: u8) -> Class {
        debug_assert!((n as usize) < CLASSES);
        Class(n)
    }

    fn pool(self) -> &'static Pool {
        &POOLS[self.0 as usize]
    }
}

/// A slot, named by its upper end. Whoever holds the value owns the slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stack {
    top: *mut u8,
}

impl Stack {
    pub const NONE: Stack = Stack { top: std::ptr::null_mut() };

    /// Where the first frame ends. The two words above stay zero, for unwinders that look for a return address there:
    /// what follows is the next slot's guard.
    #[inline(always)]
    pub fn top(self) -> *mut u8 {
        self.top.wrapping_sub(16)
    }

    #[inline(always)]
    pub fn is_none(self) -> bool {
        self.top.is_null()
    }

    /// What goroutines use of it: the slot without its guard.
    pub fn extent(self, class: Class) -> Extent {
        let bytes = class.size() - class.guard();
        Extent { low: self.top.wrapping_sub(bytes), bytes }
    }
}

struct Pool {
    lock: RawLock,
    inner: UnsafeCell<Inner>,
}

struct Inner {
    promised: usize,
    mapped: usize,
    /// Slots that were in use before. Its capacity is at least `mapped`, so that giving back cannot fail.
    free: Vec<Stack>,
    /// Slots never handed out: the slab's next slot and how many are left.
    fresh: Vec<(*mut u8, usize)>,
    /// Every slab: its start and its bytes.
    slabs: Vec<(*mut u8, usize)>,
    /// The numbers of those that a checker was told of, where one watches.
    told: Vec<(usize, Extent)>,
}

impl Inner {
    const fn new() -> Inner {
        Inner { promised: 0, mapped: 0, free: Vec::new(), fresh: Vec::new(), slabs: Vec::new(), told: Vec::new() }
    }
}

// SAFETY: `inner` is touched under `lock` only; the slots it names are memory that nobody else uses.
unsafe impl Sync for Pool {}

static POOLS: [Pool; CLASSES] =
    [const { Pool { lock: RawLock::new(Rank::Stacks), inner: UnsafeCell::new(Inner::new()) } }; CLASSES];

/// How many slots of all classes mprotect guards may serve; usize::MAX with MADV_GUARD_INSTALL, 0 if not known yet.
static GUARD_LIMIT: AtomicUsize = AtomicUsize::new(0);
/// Slots of all classes, counted where GUARD_LIMIT bounds them.
static SLOTS: AtomicUsize = AtomicUsize::new(0);

/// Promises `n` slots: [`take`] will find them. False if no memory is left.
pub fn promise(class: Class, n: usize) -> bool {
    with(class, |inner| {
        if inner.promised + n > inner.mapped && !grow(class, inner, inner.promised + n - inner.mapped) {
            return false;
        }
        inner.promised += n;
        true
    })
}

/// Takes promises back.
pub fn unpromise(class: Class, n: usize) {
    with(class, |inner| {
        debug_assert!(inner.promised >= n);
        inner.promised -= n;
    });
}

/// Fills `out` as far as the pool has slots, each with its guard, and answers how many. At least one, if the
/// caller holds a promise that it has not used.
pub fn take(class: Class, out: &mut [Stack]) -> usize {
    with(class, |inner| {
        for (n, slot) in out.iter_mut().enumerate() {
            if let Some(s) = inner.free.pop() {
                *slot = s;
                continue;
            }
            let Some((base, left)) = inner.fresh.last_mut() else {
                return n;
            };
            let at = *base;
            *base = at.wrapping_add(class.size());
            *left -= 1;
            if *left == 0 {
                inner.fresh.pop();
            }
            guard(at, class.guard());
            *slot = Stack { top: at.wrapping_add(class.size()) };
            if checkers::on() {
                let extent = slot.extent(class);
                inner.told.push((checkers::added(extent), extent));
            }
        }
        out.len()
    })
}

/// Gives slots back to the pool.
pub fn give(class: Class, slots: &[Stack]) {
    with(class, |inner| inner.free.extend_from_slice(slots));
}

/// Gives all stacks back to the system, whatever was promised.
///
/// # Safety
/// There are no goroutines, and no cache holds a slot.
pub unsafe fn release_all() {
    for class in (0..CLASSES as u8).map(Class) {
        with(class, |inner| {
            SLOTS.fetch_sub(inner.mapped, Relaxed);
            inner.told.drain(..).for_each(|(number, extent)| checkers::removed(number, extent));
            for (base, bytes) in std::mem::take(&mut inner.slabs) {
                // SAFETY: mapped by `map_slots`; nobody stands on it, as the caller promises.
                unsafe { mem::unmap(base, bytes) };
            }
            *inner = Inner::new();
        });
    }
}

/// Bytes of address space, and bytes of memory, of all stacks.
pub fn usage() -> (usize, usize) {
    let (mut reserved, mut resident) = (0, 0);
    for class in (0..CLASSES as u8).map(Class) {
        with(class, |inner| {
            for &(base, bytes) in &inner.slabs {
                reserved += bytes;
                resident += mem::resident(base, bytes);
            }
        });
    }
    (reserved, resident)
}

/// For a fork: nobody else may be at a pool.
pub fn lock_all() {
    POOLS.iter().for_each(|p| p.lock.lock());
}

pub fn unlock_all() {
    POOLS.iter().for_each(|p| p.lock.unlock());
}

/// In a forked child: the stacks are the parent's goroutines'. They stay mapped, since the child may stand on one, and
/// nobody uses them.
pub fn forget_all() {
    for class in (0..CLASSES as u8).map(Class) {
        with(class, |inner| {
            *inner = Inner::new();
        });
    }
}

fn with<R>(class: Class, f: impl FnOnce(&mut Inner) -> R) -> R {
    let pool = class.pool();
    pool.lock.lock();
    // SAFETY: the lock is held, and `f` does not come back here.
    let r = f(unsafe { &mut *pool.inner.get() });
    pool.lock.unlock();
    r
}

/// Maps at least `need` more slots; half of what is there already, if the system has it.
fn grow(class: Class, inner: &mut Inner, need: usize) -> bool {
    let wish = need.max((inner.mapped / 2).clamp(64, 16 << 10));
    map_slots(class, inner, wish) || (wish > need && map_slots(class, inner, need))
}

fn map_slots(class: Class, inner: &mut Inner, slots: usize) -> bool {
    let Some(bytes) = class.size().checked_mul(slots) else {
        return false;
    };
    if inner.free.try_reserve(inner.mapped + slots - inner.free.len()).is_err()
        || inner.fresh.try_reserve(1).is_err()
        || inner.slabs.try_reserve(1).is_err()
    {
        return false;
    }
    let Some(base) = mem::map(bytes) else {
        return false;
    };
    let limit = guard_limit(base);
    if SLOTS.fetch_add(slots, Relaxed) + slots > limit {
        SLOTS.fetch_sub(slots, Relaxed);
        // SAFETY: mapped above, and nobody has seen it.
        unsafe { mem::unmap(base, bytes) };
        return false;
    }
    // Where transparent huge pages are "always", each first touch would cost 2 MiB.
    // SAFETY: our own fresh mapping; the advice changes no contents. Failure means there are no huge pages.
    unsafe { mem::advise(base, bytes, libc::MADV_NOHUGEPAGE) };
    inner.fresh.push((base, slots));
    inner.slabs.push((base, bytes));
    inner.mapped += slots;
    true
}

/// Finds out once what kind of guards the kernel has, by putting one at `probe`, where one will be anyway.
fn guard_limit(probe: *mut u8) -> usize {
    let known = GUARD_LIMIT.load(Relaxed);
    if known != 0 {
        return known;
    }
    // SAFETY: the low end of a fresh slab, which will be the guard of its first slot.
    let limit = if !checkers::is_valgrind()
        && unsafe { mem::advise(probe, mem::page_size(), MADV_GUARD_INSTALL) }
        && mem::is_denied(probe)
    {
        usize::MAX
    } else {
        let maps = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
        maps.and_then(|s| s.trim().parse::<usize>().ok()).unwrap_or(65_530) / 4
    };
    GUARD_LIMIT.store(limit, Relaxed);
    limit
}

fn guard(low: *mut u8, bytes: usize) {
    // SAFETY: the low end of a slot that nobody has used yet.
    let ok = unsafe {
        if GUARD_LIMIT.load(Relaxed) == usize::MAX {
            mem::advise(low, bytes, MADV_GUARD_INSTALL)
        } else {
            mem::deny(low, bytes)
        }
    };
    if !ok {
        crate::throw!("no guard for a stack at {low:p}: error {}", std::io::Error::last_os_error());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_rise_and_cover() {
        assert_eq!(Class::of(1).unwrap().size(), MIN_SIZE);
        assert_eq!(Class::of(DEFAULT_SIZE).unwrap().size(), DEFAULT_SIZE);
        assert_eq!(Class::of(DEFAULT_SIZE + 1).unwrap().size(), 320 << 10);
        for c in 1..CLASSES as u8 {
            assert!(Class(c).size() > Class(c - 1).size());
            assert_eq!(Class(c).size() % 4096, 0);
            assert!(Class(c).guard() * 4 <= Class(c).size());
        }
        assert!(Class::of(usize::MAX).is_none());
    }

    #[test]
    fn a_promise_is_kept_and_slots_come_back() {
        let class = Class::of(80 << 10).unwrap();
        assert!(promise(class, 100));
        let mut slots = [Stack::NONE; 100];
        let mut got = 0;
        while got < 100 {
            let n = take(class, &mut slots[got..]);
            assert!(n > 0);
            got += n;
        }
        for s in slots {
            // SAFETY: the slot is ours; its top word is above the guard.
            unsafe { s.top().cast::<u64>().sub(1).write(1) };
        }
        let before = slots[99];
        give(class, &slots);
        unpromise(class, 100);
        assert!(promise(class, 1));
        let mut one = [Stack::NONE; 1];
        assert_eq!(take(class, &mut one), 1);
        assert!(one[0] == before, "the last slot freed is the first one reused");
        give(class, &one);
        unpromise(class, 1);
    }

    #[test]
    fn what_cannot_be_mapped_is_refused() {
        let huge = Class::of(1 << 36).unwrap();
        assert!(!promise(huge, 1 << 20));
        assert!(promise(Class::of(MIN_SIZE).unwrap(), 1));
        unpromise(Class::of(MIN_SIZE).unwrap(), 1);
    }
}
