//! Goroutine stacks: slots of large slabs, each with a guard at its low end.
//!
//! A slab is one mapping of slots of one *class* (size). Address space is all it costs until a slot is touched.
//! `slab.rs` keeps the books of a class, `guard.rs` makes the guards; the per-P caches above (sched/p.rs) keep the hottest
//! slots. Slots that are used for the first time come in batches, which grow while only such are left: their guards and first
//! pages are had in one call each, by whoever takes them and outside the lock.
//!
//! *Promises.* A goroutine gets its stack when it first runs, where nothing may fail any more. So spawning
//! promises a slot: `promised <= mapped` always, and the pool grows, or refuses, at the promise. A cache of
//! slots above the pool must be promised as well, since its slots are out of the pool's reach. Where a control group limits
//! memory, a promise beyond what was granted asks whether the first pages of all promised slots that hold none still fit.
//!
//! *Giving back.* A freed slot keeps what it has touched, up to 64 KiB: [`Stack::settle`], called when its goroutine has
//! ended, gives back what lies deeper. A [`Sweep`], made by the monitor twice a second while there is anything to find, gives
//! back what no goroutine has used since the sweep before: memory of single slots, which keep their guards, and slabs as a
//! whole, with their page tables, unless they are promised.
//!
//! *How deep?* A goroutine that uses a page goes through its lowest bytes, as a rule: frames follow upon each other. So the
//! lowest line of each of the upper pages says whether the goroutine went further: it is zero unless somebody did. Frames
//! that step over it untouched are not noticed; the sweep finds what they leave.
//!
//! Frames larger than a guard can step over it. C compilers probe page by page only with
//! -fstack-clash-protection, so guards grow with the slot: 4 KiB below 64 KiB, 16 KiB below 256 KiB, else 64 KiB.

use super::checkers::{self, Extent};
use super::lock::{Rank, RawLock};
use super::slab::{Idle, Kind, SLOTS, Slabs, Slot, Whole};
use super::{errno, futex, guard, mem, memory_limit};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

/// The smallest stack that may be asked for, bytes.
pub const MIN_SIZE: usize = 16 << 10;
/// The largest that may be asked for, bytes.
pub const MAX_SIZE: usize = 1 << 37;
/// The default, bytes.
pub const DEFAULT_SIZE: usize = 256 << 10;

/// What a freed stack keeps at most, bytes: deeper use is trimmed. To have it again costs some microseconds.
const KEPT: usize = 64 << 10;
const STEPS: usize = 4;
const CLASSES: usize = 96;

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
    #[inline]
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

    /// How many slots a slab has: as many as come to 64 MiB, within bounds.
    fn slots(self) -> usize {
        ((64 << 20) / self.size()).clamp(1, SLOTS)
    }
}

/// A slot, named by its upper end. Whoever holds the value owns the slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stack(Slot);

impl Stack {
    pub const NONE: Stack = Stack(Slot { top: std::ptr::null_mut(), slab: 0 });

    /// Where the first frame ends. The two words above stay zero, for unwinders that look for a return address there:
    /// what follows is the next slot's guard.
    #[inline(always)]
    pub fn top(self) -> *mut u8 {
        self.0.top.wrapping_sub(16)
    }

    #[inline(always)]
    pub fn is_none(self) -> bool {
        self.0.top.is_null()
    }

    /// What goroutines use of it: the slot without its guard.
    pub fn extent(self, class: Class) -> Extent {
        let bytes = class.size() - class.guard();
        Extent { low: self.0.top.wrapping_sub(bytes), bytes }
    }

    /// How deep the goroutine on it went so far, bytes, rounded up to pages. A guess if it runs meanwhile.
    pub fn depth(self, class: Class) -> usize {
        self.went_deep(class).unwrap_or(mem::page_size())
    }

    /// How deep the goroutine on it went, if further than the first page.
    #[inline]
    pub fn went_deep(self, class: Class) -> Option<usize> {
        let page = mem::page_size();
        if self.is_clean(page) { None } else { Some(self.deep(class, page)) }
    }

    #[cold]
    #[inline(never)]
    fn deep(self, class: Class, page: usize) -> usize {
        let most = self.kept(class, page);
        // From page to page: what is below one that nobody went through may never have been in memory.
        (page..=most)
            .step_by(page)
            .find(|&depth| self.is_clean(depth))
            .unwrap_or_else(|| self.resident(class).max(most))
    }

    /// The goroutine that went deep is done with it: gives back what it used deeply, and begins to look anew.
    ///
    /// # Safety
    /// The stack is the caller's, and nothing is in use below the uppermost frames.
    pub unsafe fn settle(self, class: Class) {
        let page = mem::page_size();
        let most = self.kept(class, page);
        for depth in (page..=most).step_by(page) {
            if self.is_clean(depth) {
                return;
            }
            // SAFETY: a line of the stack, which is the caller's and below what it uses.
            unsafe { self.line(depth).write([0; LINE]) };
        }
        let extent = self.extent(class);
        // SAFETY: nothing there is in use, as the caller promises.
        unsafe { mem::advise(extent.low, extent.bytes - most, libc::MADV_DONTNEED) };
    }

    /// Bytes that stay when the stack is free.
    fn kept(self, class: Class, page: usize) -> usize {
        KEPT.max(page).min(class.size() - class.guard())
    }

    /// Whether nobody went through the page that ends `depth` bytes below the upper end.
    #[inline(always)]
    fn is_clean(self, depth: usize) -> bool {
        // SAFETY: a line of a slot, above its guard. A slot is mapped while somebody has it, or a pin is on; who runs on it may
        // write there, and then either answer is right.
        (0..LINE).fold(0, |all, n| all | unsafe { self.line(depth).cast::<u64>().add(n).read_volatile() }) == 0
    }

    /// The lowest line of the page that ends `depth` bytes below the upper end.
    #[inline(always)]
    fn line(self, depth: usize) -> *mut [u64; LINE] {
        self.0.top.wrapping_sub(depth).cast()
    }

    /// From the lowest page that is in memory to the upper end, bytes, as far as no gap as large as all above it is in between.
    fn resident(self, class: Class) -> usize {
        let (extent, page) = (self.extent(class), mem::page_size());
        let mut depth = page;
        let mut next = self.kept(class, page).max(2 * page).min(extent.bytes);
        while depth < next {
            let low = self.0.top.wrapping_sub(next);
            match mem::first_resident(low, next - depth) {
                Some(at) => (depth, next) = (next - at, (2 * next).min(extent.bytes)),
                None => break,
            }
        }
        depth
    }
}

/// Words of a line.
const LINE: usize = 8;
/// The most slots that go in or out at a time. A P asks for 16 (sched/p.rs).
const BATCH: usize = 64;

struct Pool {
    /// Most classes are never used.
    is_used: AtomicBool,
    lock: RawLock,
    inner: UnsafeCell<Inner>,
}

struct Inner {
    promised: usize,
    mapped: usize,
    /// Slots that hold no memory.
    empty: usize,
    /// So many may be promised without asking whether there is memory for them.
    granted: usize,
    slabs: Slabs,
    /// How many slots without memory go at a time: rises while there are no others.
    batch: usize,
    /// What a checker was told of, where one watches: by slab, with its number there.
    told: Vec<(u32, usize, Extent)>,
}

impl Inner {
    const fn new() -> Inner {
        Inner { promised: 0, mapped: 0, empty: 0, granted: 0, slabs: Slabs::new(), batch: 1, told: Vec::new() }
    }
}

impl Inner {
    fn promise(&mut self, class: Class, n: usize) -> bool {
        if self.promised + n > self.mapped && !grow(class, self, self.promised + n - self.mapped) {
            return false;
        }
        self.promised += n;
        true
    }

    /// Asks whether `n` more promised slots would find memory for their first pages, and for some more beyond them.
    fn grant(&mut self, n: usize) -> bool {
        /// What a goroutine costs besides the first page of its stack: its record, page tables and the like.
        const BESIDES: usize = 1 << 10;
        let room = memory_limit::headroom();
        let (least, in_memory) = (self.promised + n, self.mapped - self.empty);
        let fits = |promised: usize| {
            let bytes = promised.saturating_sub(in_memory) * (mem::page_size() + BESIDES);
            room.is_none_or(|room| bytes as u64 <= room)
        };
        let granted = [least + (least / 4).max(256), least].into_iter().find(|&n| fits(n));
        self.granted = granted.unwrap_or(self.promised);
        granted.is_some()
    }
}

// SAFETY: `inner` is touched under `lock` only; the slots it names are memory that nobody else uses.
unsafe impl Sync for Pool {}

static POOLS: [Pool; CLASSES] = [const {
    Pool { is_used: AtomicBool::new(false), lock: RawLock::new(Rank::Stacks), inner: UnsafeCell::new(Inner::new()) }
}; CLASSES];

/// Promises `n` slots: [`take`] will find them. False if no memory is left.
pub fn promise(class: Class, n: usize) -> bool {
    with(class, |inner| {
        (inner.promised + n <= inner.granted || errno::preserved(|| inner.grant(n))) && inner.promise(class, n)
    })
}

/// The same for slots of which hardly any will ever be used.
pub fn reserve(class: Class, n: usize) -> bool {
    with(class, |inner| {
        inner.granted += n;
        inner.promise(class, n)
    })
}

/// Takes promises back.
pub fn unpromise(class: Class, n: usize) {
    with(class, |inner| {
        debug_assert!(inner.promised >= n);
        inner.promised -= n;
    });
}

/// Fills `out` as far as the pool has slots that are at hand, each with its guard, and answers how many. At least one, if
/// the caller holds a promise that it has not used.
pub fn take(class: Class, out: &mut [Stack]) -> usize {
    let mut slots = [Stack::NONE.0; BATCH];
    let wanted = out.len().min(BATCH);
    let (kind, n) = with(class, |inner| {
        let (kind, n) = inner.slabs.take(class.size(), &mut slots[..wanted], inner.batch);
        inner.empty -= if kind == Kind::Warm { 0 } else { n };
        inner.batch = if kind == Kind::Warm || checkers::on() { 1 } else { (inner.batch * 4).min(BATCH) };
        if kind == Kind::Fresh && checkers::on() {
            for slot in &slots[..n] {
                let extent = Stack(*slot).extent(class);
                inner.told.push((slot.slab, checkers::added(extent), extent));
            }
        }
        (kind, n)
    });
    let slots = &slots[..n];
    if kind == Kind::Fresh {
        guard::at_first_use(slots.iter().map(|s| s.top.wrapping_sub(class.size())), class.guard());
    }
    if kind != Kind::Warm && n > 1 {
        let page = mem::page_size();
        // SAFETY: the upper pages of slots that are ours, each of which will be used soon.
        unsafe { mem::populate(slots.iter().map(|s| s.top.wrapping_sub(page))) };
    }
    out.iter_mut().zip(slots).for_each(|(to, from)| *to = Stack(*from));
    n
}

/// Gives slots back to the pool.
pub fn give(class: Class, stacks: &[Stack]) {
    let mut slots = [Stack::NONE.0; BATCH];
    for stacks in stacks.chunks(BATCH) {
        slots.iter_mut().zip(stacks).for_each(|(to, from)| *to = from.0);
        with(class, |inner| inner.slabs.give(class.size(), &slots[..stacks.len()]));
    }
}

/// A walk over all slabs that gives back what was idle since the walk before. See the file's header.
pub struct Sweep {
    class: u8,
    slab: usize,
    /// Something free still holds memory: the next walk may find it idle.
    left: bool,
}

impl Sweep {
    pub const fn new() -> Sweep {
        Sweep { class: 0, slab: 0, left: false }
    }

    /// Goes on until the walk is over (true) or `enough` says so, asked after each slab that had something.
    pub fn go_on(&mut self, mut enough: impl FnMut() -> bool) -> bool {
        while (self.class as usize) < CLASSES {
            let class = Class(self.class);
            // A checker knows each slot by its first use.
            let idle = if checkers::on() { None } else { self.next_idle(class) };
            match idle {
                Some(Idle::Slab(whole)) => unmap(class, whole),
                Some(Idle::Slots(..)) => {}
                None => {
                    (self.class, self.slab) = (self.class + 1, 0);
                    continue;
                }
            }
            if enough() {
                return false;
            }
        }
        true
    }

    /// Whether a walk that is over has left anything for the next.
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// The next slab of the class with something to give back. The memory of single slots goes under the lock, so that nobody
    /// takes one meanwhile.
    fn next_idle(&mut self, class: Class) -> Option<Idle> {
        if !class.pool().is_used.load(Relaxed) {
            return None;
        }
        with(class, |inner| {
            if self.slab == 0 {
                // What was granted for a flood is over with it.
                inner.granted = inner.granted.min(inner.promised);
            }
            while self.slab < inner.slabs.numbers() {
                let n = self.slab;
                self.slab += 1;
                let free = inner.mapped - inner.promised;
                match inner.slabs.look(n, class.size(), |slots| slots <= free && !is_pinned()) {
                    Some(Idle::Slots(tops, count)) => {
                        let usable = class.size() - class.guard();
                        let lows = tops[..count].iter().map(|top| top.wrapping_sub(usable));
                        // SAFETY: free slots, which nobody takes while the lock is held.
                        unsafe { mem::advise_all(lows, usable, libc::MADV_DONTNEED) };
                        inner.empty += count;
                        return Some(Idle::Slots(tops, count));
                    }
                    Some(Idle::Slab(whole)) => {
                        inner.mapped -= whole.slots;
                        inner.empty -= whole.empty;
                        return Some(Idle::Slab(whole));
                    }
                    None => {}
                }
            }
            self.left |= inner.slabs.has_more();
            None
        })
    }
}

static PINS: AtomicUsize = AtomicUsize::new(0);

/// While there is one, no slab is unmapped: for those who look at the stacks of others. The end of the runtime waits for all
/// of them. So it is for a look, and never held across what may block.
pub struct Pin(());

/// What is read of a goroutine's record after this names a stack that stays mapped.
pub fn pin() -> Pin {
    PINS.fetch_add(1, AcqRel);
    Pin(())
}

/// Waits until nobody looks at the stacks of others. Those who do make no calls that block.
pub fn wait_for_pins() {
    while PINS.load(Acquire) != 0 {
        futex::nap(20_000);
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        PINS.fetch_sub(1, Release);
    }
}

/// Asked under the lock of a pool. A change, if to the same: who pins later sees that the slab's last stack was given back.
fn is_pinned() -> bool {
    PINS.fetch_add(0, AcqRel) != 0
}

/// Gives a slab back that the books have no more.
fn unmap(class: Class, whole: Whole) {
    // SAFETY: mapped by `map_slabs`, perhaps as a part of more; nobody knows it any more.
    unsafe { mem::unmap(whole.base, whole.slots * class.size()) };
    guard::unmapped(whole.guards);
}

/// Gives all stacks back to the system, whatever was promised.
///
/// # Safety
/// There are no goroutines, and no cache holds a slot.
pub unsafe fn release_all() {
    for class in (0..CLASSES as u8).map(Class) {
        let old = with(class, |inner| std::mem::replace(inner, Inner::new()));
        old.told.iter().for_each(|&(_, number, extent)| checkers::removed(number, extent));
        (0..old.slabs.numbers()).filter_map(|n| old.slabs.whole(n)).for_each(|whole| unmap(class, whole));
    }
}

/// Bytes of address space, and bytes of memory, of all stacks.
pub fn usage() -> (usize, usize) {
    let (mut reserved, mut resident) = (0, 0);
    for class in (0..CLASSES as u8).map(Class) {
        // Slab by slab: the look at memory takes long.
        for n in 0..with(class, |inner| inner.slabs.numbers()) {
            if let Some(Whole { base, slots, .. }) = with(class, |inner| inner.slabs.whole(n)) {
                reserved += slots * class.size();
                resident += mem::resident(base, slots * class.size());
            }
        }
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
    // Whoever looked at stacks was another thread.
    PINS.store(0, Relaxed);
}

fn with<R>(class: Class, f: impl FnOnce(&mut Inner) -> R) -> R {
    let pool = class.pool();
    pool.lock.lock();
    // SAFETY: the lock is held, and `f` does not come back here.
    let inner = unsafe { &mut *pool.inner.get() };
    let r = f(inner);
    debug_assert!(inner.promised <= inner.mapped && inner.empty <= inner.mapped);
    pool.lock.unlock();
    r
}

/// Maps at least `need` more slots; half of what is there already, if the system has it.
fn grow(class: Class, inner: &mut Inner, need: usize) -> bool {
    let wish = need.max((inner.mapped / 2).clamp(64, 16 << 10)).next_multiple_of(class.slots());
    errno::preserved(|| map_slabs(class, inner, wish) || (wish > need && map_slabs(class, inner, need)))
}

fn map_slabs(class: Class, inner: &mut Inner, slots: usize) -> bool {
    let Some(bytes) = class.size().checked_mul(slots) else {
        return false;
    };
    if !inner.slabs.make_room(slots.div_ceil(class.slots())) {
        return false;
    }
    let Some(base) = mem::map(bytes) else {
        return false;
    };
    let Some(guards) = guard::at_mapping(base, slots, class.size(), class.guard()) else {
        // SAFETY: mapped above, and nobody has seen it.
        unsafe { mem::unmap(base, bytes) };
        return false;
    };
    // Where transparent huge pages are "always", each first touch would cost 2 MiB.
    // SAFETY: our own fresh mapping; the advice changes no contents. Failure means there are no huge pages.
    unsafe { mem::advise(base, bytes, libc::MADV_NOHUGEPAGE) };
    for first in (0..slots).step_by(class.slots()) {
        let here = class.slots().min(slots - first);
        inner.slabs.add(base.wrapping_add(first * class.size()), here, guards.saturating_sub(first).min(here));
    }
    inner.mapped += slots;
    class.pool().is_used.store(true, Relaxed);
    inner.empty += slots;
    true
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
