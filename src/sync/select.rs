//! Select: several sends and receives of which exactly one goes.
//!
//! As Go's: lock all channels in address order, look at the cases in a random order, and if one can go, do it. Otherwise
//! put a waiter on every channel and park; the commit unlocks them. Whoever serves one of the waiters first claims
//! the park, and with it the whole select: there is one state word, so there is one winner. The select then locks all
//! channels again and takes its other waiters off.
//!
//! *The commit and the waker.* The commit unlocks one channel after the other; a waker on the first may ready the goroutine
//! while the commit still reads the list of the others, which stands on the goroutine's stack. That is sound because the
//! goroutine must lock all channels before it does anything else, and the last one is unlocked by the commit's last
//! step, which reads nothing afterwards.
//!
//! *Life of the channels.* A waiter of a select stays counted on its channel until the select takes it off, also when it was
//! chosen, so no channel goes away under the second locking.
//!
//! Up to [`SMALL`] cases everything is on the caller's stack; above, one block of memory.

use super::chan::{self, Chan, Dir, Step};
use super::waitq::Waiter;
use crate::error::{Error, Result};
use crate::sched::park::{self, Commit, Woken};
use crate::sched::state::Kind;
use crate::time::timeout::Timeout;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// More cases than this are refused.
pub const MOST: usize = 65_536;
/// So many cases need no memory.
const SMALL: usize = 8;

/// One case, from the caller.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// None is never ready.
    pub chan: Option<&'a Chan>,
    pub elem: *mut u8,
    pub dir: Dir,
}

/// What a select works with, per case.
struct Slot<'a> {
    case: Case<'a>,
    chan: &'a Chan,
    /// Its place in the caller's list.
    index: usize,
    waiter: MaybeUninit<Waiter>,
}

/// The case that went, and how.
pub type Went = (usize, Result);

/// Performs one of the cases, waiting for it as long as `timeout` says.
///
/// # Safety
/// The elements are as `Chan::send` and `Chan::recv` want them, and stay in place until this returns.
pub unsafe fn select<'a>(
    n: usize,
    case: impl Fn(usize) -> Case<'a>,
    timeout: Timeout,
    random: impl FnMut() -> u32,
) -> Result<Went> {
    let slots = |i: usize| {
        let case = case(i);
        case.chan.map(|chan| Slot { case, chan, index: i, waiter: MaybeUninit::uninit() })
    };
    if n <= SMALL {
        let mut space = [const { MaybeUninit::<Slot<'a>>::uninit() }; SMALL];
        let mut order = [0u16; SMALL];
        let mut used = 0;
        for slot in (0..n).filter_map(slots) {
            space[used].write(slot);
            used += 1;
        }
        // SAFETY: the first `used` are initialised; slots need no drop.
        let slots = unsafe { std::slice::from_raw_parts_mut(space.as_mut_ptr().cast::<Slot<'a>>(), used) };
        // SAFETY: as the caller promises.
        return unsafe { run(slots, &mut order[..used], timeout, random) };
    }
    let (mut space, mut order) = (Vec::new(), Vec::new());
    space.try_reserve_exact(n).map_err(|_| Error::NoMemory)?;
    order.try_reserve_exact(n).map_err(|_| Error::NoMemory)?;
    space.extend((0..n).filter_map(slots));
    order.resize(space.len(), 0u16);
    // SAFETY: as the caller promises.
    unsafe { run(&mut space, &mut order, timeout, random) }
}

/// The select proper: `slots` are the cases with a channel, `order` has room for their numbers.
unsafe fn run(
    slots: &mut [Slot<'_>],
    order: &mut [u16],
    timeout: Timeout,
    mut random: impl FnMut() -> u32,
) -> Result<Went> {
    // The order of the looks: a random permutation, so that of several ready cases each is as likely as the others.
    for i in 0..order.len() {
        let j = ((random() as u64 * (i as u64 + 1)) >> 32) as usize;
        order[i] = order[j];
        order[j] = i as u16;
    }
    // The first that may go, with no lock but its own: what is done under that was ready then. Only "none of them" is an answer
    // that takes all locks at once. The locks of channels that others are busy with are dear.
    for &i in order.iter() {
        let slot = &slots[i as usize];
        let nothing = match slot.case.dir {
            Dir::Send => slot.chan.is_full(),
            Dir::Recv => slot.chan.is_empty(),
        };
        if nothing {
            continue;
        }
        slot.chan.lock().lock();
        // SAFETY: the channel is locked, and the caller vouches for the element.
        let step = unsafe {
            match slot.case.dir {
                Dir::Send => slot.chan.send_now(slot.case.elem),
                Dir::Recv => slot.chan.recv_now(slot.case.elem),
            }
        };
        let went = slot.index;
        slot.chan.lock().unlock();
        if let Step::Done(result, served) = step {
            if let Some(g) = served {
                park::ready(g);
            }
            return Ok((went, result));
        }
    }
    slots.sort_unstable_by_key(|s| std::ptr::from_ref(s.chan).addr());
    let all = All::of(slots);
    all.lock();
    for &i in order.iter() {
        let slot = &slots[i as usize];
        // SAFETY: the channel is locked; the element is as the caller promises.
        let step = unsafe {
            match slot.case.dir {
                Dir::Send => slot.chan.send_now(slot.case.elem),
                Dir::Recv => slot.chan.recv_now(slot.case.elem),
            }
        };
        if let Step::Done(result, served) = step {
            let went = (slot.index, result);
            all.unlock();
            if let Some(g) = served {
                park::ready(g);
            }
            return Ok(went);
        }
    }
    wait(slots, order, timeout)
}

/// Puts a waiter on every channel, all of which are locked, and parks.
fn wait(slots: &mut [Slot<'_>], order: &[u16], timeout: Timeout) -> Result<Went> {
    let wait = match timeout.begin().and_then(|when| Ok(park::prepare(Kind::Chan, when)?)) {
        Ok(wait) => wait,
        Err(e) => {
            All::of(slots).unlock();
            return Err(e);
        }
    };
    // In the order of the looks, so that of several cases on one channel each is as likely to be served first.
    for &i in order {
        let slot = &mut slots[i as usize];
        let mut waiter = Waiter::new(&wait, slot.case.elem);
        waiter.of_select = true;
        let waiter = &*slot.waiter.write(waiter);
        // SAFETY: the lock is held; the slot stays where it is until the waiter is taken off below.
        unsafe { slot.chan.enlist(slot.case.dir, waiter) };
    }
    let reason = if slots.is_empty() { c"select (no cases)" } else { c"select" };
    let all = All::of(slots);
    let woken = park::park(wait, reason, all.commit());
    all.lock();
    let mut chosen = None;
    for (i, slot) in slots.iter().enumerate() {
        // SAFETY: written above, for every slot.
        let waiter = unsafe { slot.waiter.assume_init_ref() };
        slot.chan.delist(slot.case.dir, waiter);
        if waiter.chosen.get() {
            chosen = Some((i, waiter.granted.get()));
        }
    }
    let went = chosen.map(|(i, granted)| {
        let slot = &slots[i];
        if !granted && slot.case.dir == Dir::Recv {
            // SAFETY: the element has room, as the caller promises.
            unsafe { chan::zero(slot.case.elem, slot.chan.elem_size()) };
        }
        (slot.index, granted.then_some(()).ok_or(Error::Closed))
    });
    // SAFETY: all are locked, and none is touched again.
    unsafe { all.unlock_for_good() };
    match (woken, went) {
        (Woken::Ready, Some(went)) => Ok(went),
        (Woken::TimedOut, None) => Err(Error::TimedOut),
        _ => unreachable!("exactly one of time and a waker wins"),
    }
}

/// All channels of a select, in the order of their addresses; one that stands in several cases counts once.
#[derive(Clone, Copy)]
struct All {
    first: *const (),
    len: usize,
}

impl All {
    fn of(slots: &[Slot<'_>]) -> All {
        All { first: slots.as_ptr().cast(), len: slots.len() }
    }

    fn chan(&self, i: usize) -> &Chan {
        // SAFETY: the slots outlive every use of this value: it is made and used within one select, and the commit runs
        // before the select goes on (see the file's header).
        unsafe { (*self.first.cast::<Slot<'_>>().add(i)).chan }
    }

    /// Whether channel `i` is the first of its kind.
    fn is_first(&self, i: usize) -> bool {
        i == 0 || !std::ptr::eq(self.chan(i), self.chan(i - 1))
    }

    fn lock(&self) {
        for i in (0..self.len).filter(|&i| self.is_first(i)) {
            self.chan(i).lock().lock();
        }
    }

    fn unlock(&self) {
        // From the end: the list is read before the last unlock, never after it.
        for i in (0..self.len).rev().filter(|&i| self.is_first(i)) {
            self.chan(i).lock().unlock();
        }
    }

    /// # Safety
    /// All are locked, and the caller does not touch them again.
    unsafe fn unlock_for_good(&self) {
        for i in (0..self.len).rev().filter(|&i| self.is_first(i)) {
            // SAFETY: the caller's promise.
            unsafe { Chan::unlock_and_free_if_unused(NonNull::from(self.chan(i))) };
        }
    }

    /// Unlocks them all when the goroutine waits.
    fn commit(&self) -> Commit {
        unsafe fn unlock(all: *const ()) {
            // SAFETY: `all` stands in the frame of `wait`; copied before anything is unlocked.
            let all = unsafe { *all.cast::<All>() };
            all.unlock();
        }
        // SAFETY: unlocks what the waiter has locked; reads nothing of its stack after the last unlock.
        unsafe { Commit::new(unlock, std::ptr::from_ref(self).cast()) }
    }
}
