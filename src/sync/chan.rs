//! Channels. A lock, a ring buffer, and two queues of waiters.
//!
//! Invariants, under the lock: receivers wait only while the buffer is empty, senders only while it is full; never both.
//! So a send that finds a receiver hands the value straight to it, and a receive that finds a full buffer and a waiting
//! sender takes the oldest value and puts the sender's at the end. Order is first in, first out throughout.
//!
//! *Time against a waker.* The waker, under the lock, unlinks the waiter and claims its park; only then does it copy
//! a value. Time claims the same park from a heap. Who loses does nothing: the waker goes on to the next waiter, with
//! the value still in hand; time drops its entry. A waiter that timed out takes the lock and unlinks itself if
//! the waker has not; only then is it gone from the channel.
//!
//! *Life.* `refs` counts the callers' references, `waiters` those inside a wait that a waker has not claimed. The channel is
//! freed by whoever brings both to zero, decided under the lock, done after it. A call that is running is covered by
//! its caller's reference, a claimed waiter does not touch the channel again.
//!
//! *Without the lock.* The try forms look first, as Go's do: what they read may be old, but it was so at some moment
//! of the call. A try-receive reads empty, then closed, then empty again: once closed, empty stays.

use super::block::{alloc, dealloc};
use super::waitq::{WaitQueue, Waiter};
use crate::error::{Error, Result};
use crate::sched::bias::BiasedLock;
use crate::sched::g::G;
use crate::sched::list::GList;
use crate::sched::park::{self, Commit, Woken};
use crate::sched::state::Kind;
use crate::sys::atomic::{Acquire, AtomicBool, AtomicUsize, Relaxed, Release};
use crate::sys::lock::Rank;
use crate::time::timeout::Timeout;
use std::alloc::Layout;
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// See the file's header. The buffer follows in the same block.
pub struct Chan {
    lock: BiasedLock,
    closed: AtomicBool,
    /// Values in the buffer.
    count: AtomicUsize,
    /// Linked waiters, for those who look without the lock.
    senders_waiting: AtomicUsize,
    receivers_waiting: AtomicUsize,
    cap: usize,
    elem_size: usize,
    /// Only the library sends and closes: the channel of a timer or a context. It shows no length.
    fed: bool,
    /// Whose it is, if it belongs to something that goes with its last reference.
    owner: Cell<Option<Owner>>,
    /// Where the next value goes, and where the oldest is: indices into the buffer.
    tail: Cell<usize>,
    head: Cell<usize>,
    senders: WaitQueue,
    receivers: WaitQueue,
    refs: Cell<usize>,
    waiters: Cell<usize>,
    /// Somebody is about to free it.
    dying: Cell<bool>,
}

// SAFETY: cells and queues are touched under the lock; the sizes never change.
unsafe impl Sync for Chan {}

/// What goes with the last reference to a channel: `drop(arg)`.
#[derive(Clone, Copy)]
pub struct Owner {
    pub drop: unsafe fn(*const ()),
    pub arg: *const (),
}

/// Adds to a count that changes under the lock and is read without.
fn add(n: &AtomicUsize, delta: isize) {
    n.store(n.load(Relaxed).wrapping_add_signed(delta), Relaxed);
}

/// A direction, with what differs between the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Dir {
    Send,
    Recv,
}

/// What an attempt under the lock came to.
#[must_use]
pub enum Step {
    /// It is done; the goroutine that it served, if any, is to be readied after the unlock.
    Done(Result, Option<&'static G>),
    MustWait,
}

impl Chan {
    fn layout(elem_size: usize, cap: usize) -> Option<(Layout, usize)> {
        let buffer = Layout::from_size_align(elem_size.checked_mul(cap)?, 16).ok()?;
        Layout::new::<Chan>().extend(buffer).ok()
    }

    /// A channel with one reference; None if its size overflows or no memory is left.
    pub fn make(elem_size: usize, cap: usize) -> Option<NonNull<Chan>> {
        Self::make_any(elem_size, cap, false)
    }

    /// A channel that only the library feeds.
    pub fn make_fed(elem_size: usize, cap: usize) -> Option<NonNull<Chan>> {
        Self::make_any(elem_size, cap, true)
    }

    fn make_any(elem_size: usize, cap: usize, fed: bool) -> Option<NonNull<Chan>> {
        let (layout, _) = Self::layout(elem_size, cap)?;
        // SAFETY: the layout is not empty, it holds at least the header.
        let at = NonNull::new(unsafe { alloc(layout) })?.cast::<Chan>();
        let chan = Chan {
            lock: BiasedLock::new(Rank::Channel),
            closed: AtomicBool::new(false),
            count: AtomicUsize::new(0),
            senders_waiting: AtomicUsize::new(0),
            receivers_waiting: AtomicUsize::new(0),
            cap,
            elem_size,
            fed,
            owner: Cell::new(None),
            tail: Cell::new(0),
            head: Cell::new(0),
            senders: WaitQueue::new(),
            receivers: WaitQueue::new(),
            refs: Cell::new(1),
            waiters: Cell::new(0),
            dying: Cell::new(false),
        };
        // SAFETY: fresh memory of the right layout.
        unsafe { at.write(chan) };
        Some(at)
    }

    /// One more reference.
    pub fn add_ref(&self) {
        self.lock.lock();
        self.refs.set(self.refs.get() + 1);
        self.lock.unlock();
    }

    /// One reference less; the last one frees the channel once nobody waits on it.
    ///
    /// # Safety
    /// The caller owns the reference, and uses the channel no more.
    pub unsafe fn unref(this: NonNull<Chan>) {
        // SAFETY: the caller's reference keeps it alive up to here.
        let chan = unsafe { this.as_ref() };
        chan.lock.lock();
        chan.refs.set(chan.refs.get() - 1);
        // SAFETY: the reference is given up, nothing here touches the channel again.
        unsafe { Self::unlock_and_free_if_unused(this) };
    }

    /// # Safety
    /// The lock is held, and the caller does not touch the channel again.
    pub unsafe fn unlock_and_free_if_unused(this: NonNull<Chan>) {
        // SAFETY: alive, because the lock is held.
        let chan = unsafe { this.as_ref() };
        // Once only: the timer of an `rt_after` may come by with its last value while its receiver lets go.
        let unused = chan.refs.get() == 0 && chan.waiters.get() == 0 && !chan.dying.replace(true);
        let layout = Self::layout(chan.elem_size, chan.cap);
        let owner = chan.owner.get();
        chan.lock.unlock();
        if unused && let Some((layout, _)) = layout {
            if let Some(owner) = owner {
                // SAFETY: the owner promised it at `set_owner`; the channel is gone for everybody else.
                unsafe { (owner.drop)(owner.arg) };
            }
            // SAFETY: no reference and no waiter is left, so nobody can reach it; made with this very layout.
            unsafe {
                ptr::drop_in_place(this.as_ptr());
                dealloc(this.as_ptr().cast(), layout);
            }
        }
    }

    /// What `cap` callers see.
    pub fn cap(&self) -> usize {
        if self.fed { 0 } else { self.cap }
    }

    /// Only the library sends to it and closes it.
    #[inline]
    pub fn is_fed(&self) -> bool {
        self.fed
    }

    /// What goes with the last reference.
    pub fn set_owner(&self, owner: Owner) {
        self.lock.lock();
        self.owner.set(Some(owner));
        self.lock.unlock();
    }

    /// Whether it is about to be freed: by somebody else, and nobody can receive from it any more. Under the lock.
    pub fn is_dying(&self) -> bool {
        self.dying.get()
    }

    /// Throws away what is buffered. True if there was anything. The caller holds the lock of whoever feeds the channel, so nothing
    /// comes meanwhile, and an empty buffer needs no look at the channel's own lock.
    pub fn drain(&self) -> bool {
        if self.count.load(Relaxed) == 0 {
            return false;
        }
        self.lock.lock();
        let any = self.count.load(Relaxed) > 0;
        self.head.set(self.tail.get());
        self.count.store(0, Release);
        self.lock.unlock();
        any
    }

    pub fn elem_size(&self) -> usize {
        self.elem_size
    }

    /// Values in the buffer: true at some moment of the call.
    pub fn len(&self) -> usize {
        if self.fed { 0 } else { self.count.load(Relaxed) }
    }

    fn slot(&self, index: usize) -> *mut u8 {
        let buffer = size_of::<Chan>().next_multiple_of(16);
        ptr::from_ref(self).cast_mut().cast::<u8>().wrapping_add(buffer + index * self.elem_size)
    }

    fn after(&self, index: usize) -> usize {
        if index + 1 == self.cap { 0 } else { index + 1 }
    }

    /// Copies one element; a null end means there is nothing to copy, or nobody wants it.
    ///
    /// # Safety
    /// Non-null ends hold `elem_size` bytes and don't overlap.
    #[inline(always)]
    unsafe fn copy(&self, from: *const u8, to: *mut u8) {
        if from.is_null() || to.is_null() {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe {
            if self.elem_size == 8 {
                to.cast::<u64>().write_unaligned(from.cast::<u64>().read_unaligned());
            } else {
                ptr::copy_nonoverlapping(from, to, self.elem_size);
            }
        }
    }

    /// Under the lock, with room in the buffer.
    unsafe fn push(&self, elem: *const u8) {
        // SAFETY: the slot is inside the buffer and free; elem as the caller promises.
        unsafe { self.copy(elem, self.slot(self.tail.get())) };
        self.tail.set(self.after(self.tail.get()));
    }

    /// Under the lock, with a value in the buffer.
    unsafe fn pop(&self, elem: *mut u8) {
        // SAFETY: the slot is inside the buffer and holds a value; elem as the caller promises.
        unsafe { self.copy(self.slot(self.head.get()), elem) };
        self.head.set(self.after(self.head.get()));
    }

    /// Claims the waiter that came first, under the lock.
    #[inline(always)]
    fn claim(&self, dir: Dir) -> Option<&Waiter> {
        let (queue, waiting) = self.queue(dir);
        // SAFETY: the lock is held; the callers ready the goroutine last.
        let w = unsafe { queue.pop_claimed(|| add(waiting, -1)) }?;
        if !w.of_select {
            self.waiters.set(self.waiters.get() - 1);
        }
        Some(w)
    }

    fn queue(&self, dir: Dir) -> (&WaitQueue, &AtomicUsize) {
        match dir {
            Dir::Send => (&self.senders, &self.senders_waiting),
            Dir::Recv => (&self.receivers, &self.receivers_waiting),
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    /// Sends if that needs no waiting. Under the lock.
    ///
    /// # Safety
    /// The lock is held. `elem` holds `elem_size` bytes, or is null if that is 0.
    #[inline(always)]
    pub unsafe fn send_now(&self, elem: *const u8) -> Step {
        if self.closed.load(Relaxed) {
            return Step::Done(Err(Error::Closed), None);
        }
        if let Some(w) = self.claim(Dir::Recv) {
            // SAFETY: the receiver waits; we own it until it is readied.
            unsafe { self.copy(elem, w.elem) };
            w.granted.set(true);
            return Step::Done(Ok(()), Some(w.g));
        }
        let count = self.count.load(Relaxed);
        if count == self.cap {
            return Step::MustWait;
        }
        // SAFETY: there is room, and the lock is held.
        unsafe { self.push(elem) };
        self.count.store(count + 1, Release);
        Step::Done(Ok(()), None)
    }

    /// Receives if that needs no waiting. Under the lock. Closed and drained: the element is zeroed.
    ///
    /// # Safety
    /// The lock is held. `elem` has room for `elem_size` bytes, or is null.
    #[inline(always)]
    pub unsafe fn recv_now(&self, elem: *mut u8) -> Step {
        let count = self.count.load(Relaxed);
        if count > 0 {
            // SAFETY: there is a value, and the lock is held.
            unsafe { self.pop(elem) };
            let Some(w) = self.claim(Dir::Send) else {
                self.count.store(count - 1, Release);
                return Step::Done(Ok(()), None);
            };
            // SAFETY: the pop has made room; the sender waits, its element is alive until it is readied.
            unsafe { self.push(w.elem) };
            w.granted.set(true);
            return Step::Done(Ok(()), Some(w.g));
        }
        if let Some(w) = self.claim(Dir::Send) {
            // SAFETY: as above.
            unsafe { self.copy(w.elem, elem) };
            w.granted.set(true);
            return Step::Done(Ok(()), Some(w.g));
        }
        if self.closed.load(Relaxed) {
            // SAFETY: as the caller promises.
            unsafe { zero(elem, self.elem_size) };
            return Step::Done(Err(Error::Closed), None);
        }
        Step::MustWait
    }

    /// Lets go of the lock, then readies whoever the step has served.
    #[inline(always)]
    fn finish(&self, result: Result, served: Option<&'static G>) -> Result {
        self.lock.unlock();
        if let Some(g) = served {
            park::ready(g);
        }
        result
    }

    /// Sends a copy of `elem`, waiting for room or a receiver as long as `timeout` says.
    ///
    /// # Safety
    /// `elem` holds `elem_size` bytes, or is null if that is 0.
    #[inline]
    pub unsafe fn send(&self, elem: *const u8, timeout: Timeout) -> Result {
        self.lock.lock();
        // SAFETY: the lock is held; elem as the caller promises.
        match unsafe { self.send_now(elem) } {
            Step::Done(result, served) => self.finish(result, served),
            Step::MustWait => match self.wait(Dir::Send, elem.cast_mut(), timeout)? {
                true => Ok(()),
                false => Err(Error::Closed),
            },
        }
    }

    /// Receives into `elem`, waiting as long as `timeout` says. Closed and drained: the element is zeroed.
    ///
    /// # Safety
    /// `elem` has room for `elem_size` bytes, or is null: then the value is thrown away.
    #[inline]
    pub unsafe fn recv(&self, elem: *mut u8, timeout: Timeout) -> Result {
        self.lock.lock();
        // SAFETY: the lock is held; elem as the caller promises.
        match unsafe { self.recv_now(elem) } {
            Step::Done(result, served) => self.finish(result, served),
            Step::MustWait => {
                // Once closed under us the channel may be gone: the reference of this wait ended with the claim.
                let size = self.elem_size;
                if self.wait(Dir::Recv, elem, timeout)? {
                    return Ok(());
                }
                // SAFETY: as the caller promises.
                unsafe { zero(elem, size) };
                Err(Error::Closed)
            }
        }
    }

    /// Lets go of the lock and waits. True: a waker granted it; false: the channel was closed.
    #[inline(never)]
    fn wait(&self, dir: Dir, elem: *mut u8, timeout: Timeout) -> Result<bool> {
        let wait = match timeout.begin().and_then(|when| Ok(park::prepare(Kind::Chan, when)?)) {
            Ok(wait) => wait,
            Err(e) => {
                self.lock.unlock();
                return Err(e);
            }
        };
        let waiter = Waiter::new(&wait, elem);
        // SAFETY: the lock is held. The waiter stays here until a claim has unlinked it or it does so below.
        unsafe { self.enlist(dir, &waiter) };
        let reason = if dir == Dir::Send { c"chan send" } else { c"chan receive" };
        match park::park(wait, reason, self.lock.commit()) {
            Woken::Ready => Ok(waiter.granted.get()),
            Woken::TimedOut => {
                self.lock.lock();
                self.delist(dir, &waiter);
                // SAFETY: the lock is held, and the channel is not touched again.
                unsafe { Self::unlock_and_free_if_unused(NonNull::from(self)) };
                Err(Error::TimedOut)
            }
        }
    }

    /// Queues a waiter, under the lock.
    ///
    /// # Safety
    /// The waiter stays where it is until it is unlinked.
    pub unsafe fn enlist(&self, dir: Dir, waiter: &Waiter) {
        let (queue, waiting) = self.queue(dir);
        // SAFETY: the caller's promise.
        unsafe { queue.push_back(waiter) };
        add(waiting, 1);
        self.waiters.set(self.waiters.get() + 1);
    }

    /// A waiter that no claim has taken off the count leaves, under the lock.
    pub fn delist(&self, dir: Dir, waiter: &Waiter) {
        let (queue, waiting) = self.queue(dir);
        if queue.remove(waiter) {
            add(waiting, -1);
        }
        self.waiters.set(self.waiters.get() - 1);
    }

    /// The lock, for a select.
    pub fn lock(&self) -> &BiasedLock {
        &self.lock
    }

    /// Whether a try-send has nothing to do: not closed and full at one moment of the call. No lock.
    #[inline]
    pub fn is_full(&self) -> bool {
        if self.is_closed() {
            return false;
        }
        if self.cap == 0 { self.receivers_waiting.load(Relaxed) == 0 } else { self.count.load(Acquire) == self.cap }
    }

    /// Whether a try-receive has nothing to do: empty and not closed at one moment of the call. No lock.
    #[inline]
    pub fn is_empty(&self) -> bool {
        let nothing =
            if self.cap == 0 { self.senders_waiting.load(Acquire) == 0 } else { self.count.load(Acquire) == 0 };
        nothing && !self.is_closed()
    }

    /// For models that have to know that somebody waits.
    #[cfg(loom)]
    pub fn has_receiver(&self) -> bool {
        self.receivers_waiting.load(Relaxed) != 0
    }

    /// Closes the channel and wakes every waiter.
    pub fn close(&self) -> Result {
        self.lock.lock();
        if self.closed.load(Relaxed) {
            self.lock.unlock();
            return Err(Error::Closed);
        }
        self.closed.store(true, Release);
        let woken = GList::new();
        for dir in [Dir::Recv, Dir::Send] {
            // `granted` stays false: receivers zero their element themselves.
            while let Some(w) = self.claim(dir) {
                woken.push_back(w.g);
            }
        }
        self.lock.unlock();
        while let Some(g) = woken.pop() {
            park::ready(g);
        }
        Ok(())
    }
}

/// What is freed is out of use. Since this changes the lock, loom tries every use of it on both sides of the end.
#[cfg(loom)]
impl Drop for Chan {
    fn drop(&mut self) {
        assert!(self.lock.try_lock(), "freed under its lock");
    }
}

/// What a receive answers with `Closed`.
///
/// # Safety
/// `elem` has room for `size` bytes, or is null.
pub unsafe fn zero(elem: *mut u8, size: usize) {
    if !elem.is_null() {
        // SAFETY: the caller's promise.
        unsafe { elem.write_bytes(0, size) };
    }
}

/// A wait on no channel: nothing but time ends it.
pub fn wait_on_nil(sends: bool, timeout: Timeout) -> Result {
    let wait = park::prepare(Kind::Chan, timeout.begin()?)?;
    let reason = if sends { c"chan send (nil chan)" } else { c"chan receive (nil chan)" };
    match park::park(wait, reason, Commit::none()) {
        Woken::TimedOut => Err(Error::TimedOut),
        Woken::Ready => unreachable!("nobody knows of this park"),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_overflow_are_refused() {
        // What is made and not looked at need not be made.
        let is_made = |size, cap| std::hint::black_box(Chan::make(size, cap)).is_some();
        assert!(!is_made(usize::MAX, 2));
        assert!(!is_made(1, usize::MAX));
        assert!(!is_made(1 << 40, 1 << 20));
    }

    #[test]
    fn the_ring_keeps_its_order() {
        let chan = Chan::make(2, 3).unwrap();
        // SAFETY: one reference, dropped at the end; elements have two bytes.
        unsafe {
            let c = chan.as_ref();
            let mut got = [0u8; 2];
            for round in 0..10u8 {
                for i in 0..3 {
                    assert_eq!(c.send([round, i].as_ptr(), Timeout::NOWAIT), Ok(()));
                }
                assert_eq!(c.send([9, 9].as_ptr(), Timeout::NOWAIT), Err(Error::Again));
                assert!(c.is_full());
                for i in 0..3 {
                    assert_eq!(c.recv(got.as_mut_ptr(), Timeout::NOWAIT), Ok(()));
                    assert_eq!(got, [round, i]);
                }
                assert!(c.is_empty());
                assert_eq!(c.recv(got.as_mut_ptr(), Timeout::NOWAIT), Err(Error::Again));
            }
            assert_eq!(c.send([7, 8].as_ptr(), Timeout::NOWAIT), Ok(()));
            assert_eq!(c.close(), Ok(()));
            assert_eq!(c.close(), Err(Error::Closed));
            assert_eq!(c.recv(got.as_mut_ptr(), Timeout::FOREVER), Ok(()));
            assert_eq!(got, [7, 8]);
            assert_eq!(c.recv(got.as_mut_ptr(), Timeout::FOREVER), Err(Error::Closed));
            assert_eq!(got, [0, 0]);
            Chan::unref(chan);
        }
    }
}
