//! M: an OS thread as the runtime sees it. Workers run goroutines; any other thread that calls in gets an M as well,
//! with a G record that stands for it, so that it can wait wherever a goroutine can.
//!
//! An M belongs to its thread: the `Cell`s are that thread's, except `next_p` and `idle_link`, which others
//! write under the scheduler's lock before they set `note`. Records of Ms are never freed, only used again, because the
//! monitor and late wakers may look at one at any time.

use super::attention::{Attention, INSIDE, OUTSIDE};
use super::bias::Slots;
use super::crowd::Stretch;
use super::g::G;
use super::home_thread::Home;
use super::list::GList;
use super::p::{P, SpawnCache};
use super::patience::Fights;
use super::{exit, global, handshake, records};
use crate::sys::checkers::{self, Extent};
use crate::sys::fault::AltStack;
use crate::sys::thread::{self, Thread};
use crate::sys::{barrier, cxx, errno, mem, tls};
use std::cell::{Cell, UnsafeCell};
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering::*};

/// See the file's header.
#[repr(C, align(128))]
pub struct M {
    /// The handshake with the monitor. On a line with what each call reads.
    pub attention: Attention,
    /// The goroutine that runs here; on a plain thread the record that stands for it; none on the scheduler's stack.
    pub curg: Cell<Option<&'static G>>,
    pub p: Cell<Option<&'static P>>,
    /// The locks that it holds as their owner.
    pub slots: Slots,
    pub fights: Fights,
    /// The scheduler's stack, while a goroutine runs.
    pub g0_sp: Cell<*mut u8>,
    /// The extent of that stack, and the number a checker knows it by, where one watches.
    pub g0_extent: Cell<Extent>,
    g0_number: Cell<usize>,
    /// The thread's errno: cached, because compilers take its address for a constant across a switch.
    pub errno: Cell<*mut c_int>,
    /// The thread's state of C++ exceptions, or null: it is the running goroutine's.
    pub cxx: Cell<*mut cxx::Globals>,
    /// A user's `unlockf` is running: nothing may block.
    pub in_commit: Cell<bool>,
    pub is_worker: Cell<bool>,
    pub spinning: Cell<bool>,
    /// The goroutine that came to the scheduler's stack last gave way: it is queued behind all others, `runnext` too.
    pub yielded: Cell<bool>,
    /// The goroutine that is locked to this thread: nothing else runs here.
    locked_g: Cell<Option<&'static G>>,
    /// The home whose thread this is: nothing but its goroutines runs here.
    pub home: Cell<Option<&'static Home>>,
    /// One of the two.
    is_bound: AtomicBool,
    /// The goroutine of a home that came to the scheduler's stack last is queued elsewhere, as the carrier (`home.rs`).
    pub carried: Cell<bool>,
    /// The goroutine locked here has ended: so does the thread.
    pub exits: Cell<bool>,
    /// A goroutine taken off a queue that must be started from the scheduler's stack.
    pub handoff: Cell<Option<&'static G>>,
    rng: Cell<u64>,
    /// 1 when a waker has set `next_p`.
    pub note: AtomicU32,
    pub next_p: Cell<Option<&'static P>>,
    /// What a plain thread spawns with; a worker uses its P's.
    pub cache: SpawnCache,
    /// Times that it handed its P to a thread with a locked goroutine.
    pub handoffs: AtomicU64,
    /// The kernel's number of the thread.
    pub tid: AtomicI32,
    /// How many threads that had it are gone, or are about to be.
    pub ended: AtomicU32,
    /// What became of its P while it was outside: see `burners.rs`.
    pub lost: AtomicU8,
    /// The thread's CPU clock when the slice began in which its P was taken; when the monitor last looked; and when it last was
    /// at rest, while `lost`. Written by the monitor.
    pub cpu_then: AtomicI64,
    pub cpu_seen: Cell<i64>,
    pub cpu_lost: Cell<i64>,
    pub still_since: Cell<i64>,
    /// What is made ready here comes from a timer that is late: it goes before all else.
    pub urgent: Cell<bool>,
    /// When the monitor asked for a report, and how long the thread had waited for CPUs by then.
    pub hog_since: AtomicI64,
    pub hog_waited: AtomicI64,
    /// See `crowd.rs`. Its own thread's.
    pub stretch: Cell<Option<Stretch>>,
    /// Where signal handlers run that ask for it. The thread's own.
    alt_stack: UnsafeCell<AltStack>,
    /// The thread of a worker, to be joined.
    pub thread: UnsafeCell<Option<Thread>>,
    /// The next idle M, while this one is on that list; or the next unused one.
    pub idle_link: Cell<Option<&'static M>>,
    /// The next of all Ms, for good.
    all_link: Cell<Option<&'static M>>,
}

// SAFETY: the header says who touches the cells.
unsafe impl Sync for M {}

impl M {
    fn new() -> Self {
        M {
            attention: Attention::new(),
            curg: Cell::new(None),
            p: Cell::new(None),
            slots: Slots::new(),
            fights: Fights::new(),
            g0_sp: Cell::new(ptr::null_mut()),
            g0_extent: Cell::new(Extent::NONE),
            g0_number: Cell::new(0),
            errno: Cell::new(ptr::null_mut()),
            cxx: Cell::new(ptr::null_mut()),
            in_commit: Cell::new(false),
            is_worker: Cell::new(false),
            spinning: Cell::new(false),
            yielded: Cell::new(false),
            locked_g: Cell::new(None),
            home: Cell::new(None),
            is_bound: AtomicBool::new(false),
            carried: Cell::new(false),
            exits: Cell::new(false),
            handoff: Cell::new(None),
            rng: Cell::new(0),
            note: AtomicU32::new(0),
            next_p: Cell::new(None),
            cache: SpawnCache::new(),
            handoffs: AtomicU64::new(0),
            tid: AtomicI32::new(0),
            ended: AtomicU32::new(0),
            lost: AtomicU8::new(0),
            cpu_then: AtomicI64::new(-1),
            cpu_seen: Cell::new(-1),
            cpu_lost: Cell::new(-1),
            still_since: Cell::new(0),
            urgent: Cell::new(false),
            hog_since: AtomicI64::new(0),
            hog_waited: AtomicI64::new(0),
            stretch: Cell::new(None),
            alt_stack: UnsafeCell::new(AltStack::NONE),
            thread: UnsafeCell::new(None),
            idle_link: Cell::new(None),
            all_link: Cell::new(None),
        }
    }

    /// Whether a plain thread has it.
    pub fn is_plain(&self) -> bool {
        !self.is_worker.get() && self.curg.get().is_some()
    }

    /// The record that stands for its plain thread.
    pub fn thread_record(&self) -> Option<&'static G> {
        self.curg.get()
    }

    /// Waits for the end of a worker's thread. Only when nobody makes threads any more.
    pub fn join(&self) {
        // SAFETY: the monitor, which alone writes it, has ended.
        if let Some(thread) = unsafe { (*self.thread.get()).take() } {
            thread.join();
        }
    }

    /// The goroutine that runs here on its own stack, if it is one.
    #[inline]
    pub fn goroutine(&self) -> Option<&'static G> {
        self.curg.get().filter(|g| !g.on_thread.get())
    }

    /// The goroutine that runs here, on its own stack or in a blocking call.
    pub fn any_goroutine(&self) -> Option<&'static G> {
        self.curg.get().filter(|g| !g.is_thread.get())
    }

    /// The goroutine that is locked to this thread.
    pub fn locked_g(&self) -> Option<&'static G> {
        self.locked_g.get()
    }

    pub fn set_locked_g(&self, g: Option<&'static G>) {
        self.locked_g.set(g);
        self.is_bound.store(g.is_some(), Relaxed);
    }

    /// Its thread becomes that of a home, or is it no more.
    pub fn set_home(&self, home: Option<&'static Home>) {
        self.home.set(home);
        self.is_bound.store(home.is_some(), Relaxed);
    }

    /// Whether not every goroutine may run here.
    #[inline(always)]
    pub fn is_bound(&self) -> bool {
        self.is_bound.load(Relaxed)
    }

    /// The P of a worker that has one.
    #[inline]
    pub fn p(&self) -> &'static P {
        match self.p.get() {
            Some(p) => p,
            None => crate::throw!("a worker without a P schedules"),
        }
    }

    /// A pseudo-random number (xorshift64*).
    pub fn random(&self) -> u32 {
        let mut x = self.rng.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.rng.set(x);
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// Takes the thread that calls: its thread-local word names this M from here on.
    fn bind(&'static self, is_worker: bool) {
        static SEEDS: AtomicI64 = AtomicI64::new(1);
        let seed = (SEEDS.fetch_add(1, Relaxed) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.rng.set(seed ^ crate::sys::clock::now() as u64 | 1);
        self.errno.set(errno::location());
        self.is_worker.set(is_worker);
        // Nothing is ever taken from a plain thread.
        self.attention.reset(INSIDE, is_worker && !barrier::is_cheap());
        self.tid.store(thread::own_id(), Relaxed);
        self.hog_since.store(0, Relaxed);
        tls::set(ptr::from_ref(self).cast_mut().cast());
    }

    /// A worker's thread ends.
    pub fn unbind_worker(&'static self) {
        if checkers::on() {
            checkers::removed(self.g0_number.get(), self.g0_extent.get());
        }
        // SAFETY: the M is this thread's, which runs no handler.
        unsafe { (*self.alt_stack.get()).take_off() };
        tls::set(ptr::null_mut());
        self.attention.reset(OUTSIDE, false);
        free(self);
    }

    /// A worker's thread begins.
    pub fn bind_worker(&'static self) {
        self.bind(true);
        self.cxx.set(cxx::globals());
        exact_wakeups();
        // SAFETY: the M is this thread's.
        unsafe { (*self.alt_stack.get()).put_on() };
        if checkers::on() {
            self.g0_extent.set(thread::own_stack());
            self.g0_number.set(checkers::added(self.g0_extent.get()));
        }
    }
}

/// The kernel may not gather this thread's time-outs with later ones: its default is up to 50 us late.
pub fn exact_wakeups() {
    // SAFETY: changes an attribute of the calling thread, which is ours. Where it fails, sleeps are less exact.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1, 0, 0, 0) };
}

/// The calling thread's M, if it has one.
#[inline(always)]
pub fn current() -> Option<&'static M> {
    // SAFETY: the word is null or an M, and Ms are never freed.
    unsafe { tls::get().cast::<M>().as_ref() }
}

struct FreeMs(UnsafeCell<Option<&'static M>>);

// SAFETY: touched under the scheduler's lock.
unsafe impl Sync for FreeMs {}

static FREE: FreeMs = FreeMs(UnsafeCell::new(None));

/// An M that no thread has; None when no memory is left.
pub fn allocate() -> Option<&'static M> {
    global::lock();
    // SAFETY: the scheduler's lock is held.
    let free = unsafe { &mut *FREE.0.get() };
    let old = *free;
    if let Some(m) = old {
        *free = m.idle_link.take();
    }
    global::unlock();
    old.or_else(|| {
        let m = mem::leak(M::new())?;
        global::lock();
        // SAFETY: null or an M, which is never freed.
        m.all_link.set(unsafe { ALL.load(Relaxed).as_ref() });
        ALL.store(ptr::from_ref(m).cast_mut(), Release);
        global::unlock();
        Some(m)
    })
}

static ALL: AtomicPtr<M> = AtomicPtr::new(ptr::null_mut());

/// Every M there ever was.
pub fn all() -> impl Iterator<Item = &'static M> {
    // SAFETY: null or an M, which is never freed.
    let mut next = unsafe { ALL.load(Acquire).as_ref() };
    std::iter::from_fn(move || {
        let m = next?;
        next = m.all_link.get();
        Some(m)
    })
}

/// In a forked child: all threads but this one are gone.
pub fn forget_others() {
    let me = current();
    for m in all() {
        if !me.is_some_and(|me| ptr::eq(me, m)) {
            m.attention.reset(OUTSIDE, false);
            m.curg.set(None);
            m.p.set(None);
            m.slots.forget();
            m.is_worker.set(true);
            m.set_locked_g(None);
            m.set_home(None);
        }
        m.lost.store(0, Relaxed);
        // SAFETY: nobody else is there. The thread can be neither joined nor detached here: the handle is lost.
        unsafe { *m.thread.get() = None };
        m.cache.drop_promises();
        m.cache.forget_counts();
    }
}

/// The M's thread is gone.
pub fn free(m: &'static M) {
    m.ended.fetch_add(1, Release);
    global::lock();
    // SAFETY: the scheduler's lock is held.
    let free = unsafe { &mut *FREE.0.get() };
    m.idle_link.set(*free);
    *free = Some(m);
    global::unlock();
}

/// The calling plain thread's M, made for a call that cannot say that no memory is left.
#[cold]
#[inline(never)]
pub fn attach() -> &'static M {
    try_attach().unwrap_or_else(|| crate::throw!("no memory for a thread's record"))
}

/// The calling plain thread's M, made; None when no memory is left.
#[cold]
#[inline(never)]
pub fn try_attach() -> Option<&'static M> {
    errno::preserved(|| {
        let m = allocate()?;
        let list = GList::new();
        records::allocate(&list, 1);
        let Some(g) = list.pop() else {
            free(m);
            return None;
        };
        g.is_thread.set(true);
        g.on_thread.set(true);
        g.id.store(0, Relaxed);
        g.word.spawn();
        g.word.run();
        m.curg.set(Some(g));
        m.p.set(None);
        m.bind(false);
        on_thread_exit(m);
        Some(m)
    })
}

/// Asks to be told when the thread ends, whoever made it.
fn on_thread_exit(m: &'static M) {
    static MADE: AtomicBool = AtomicBool::new(false);
    static KEY: AtomicU32 = AtomicU32::new(0);
    global::lock();
    if !MADE.load(Relaxed) {
        let mut key = 0;
        // SAFETY: key is a valid out pointer, and `detach` matches the type of a destructor.
        if unsafe { libc::pthread_key_create(&mut key, Some(detach)) } == 0 {
            KEY.store(key, Relaxed);
            MADE.store(true, Relaxed);
        }
    }
    global::unlock();
    if MADE.load(Relaxed) {
        // SAFETY: the key was made above. Without it, or on failure, the record of the thread is lost: a leak.
        unsafe { libc::pthread_setspecific(KEY.load(Relaxed), ptr::from_ref(m).cast()) };
    }
}

unsafe extern "C" fn detach(m: *mut std::ffi::c_void) {
    // SAFETY: the value of the key is the M that `attach` made for this thread.
    let m: &'static M = unsafe { &*m.cast::<M>() };
    if let Some(g) = m.curg.get()
        && !g.keys.get().is_null()
    {
        let _ = handshake::enter();
        exit::end_locals(g);
    }
    tls::set(ptr::null_mut());
    m.attention.reset(OUTSIDE, false);
    if let Some(g) = m.curg.take() {
        g.ticket_ends();
        g.word.end();
        g.is_thread.set(false);
        g.on_thread.set(false);
        m.cache.put_record(g);
    }
    // A stop of the runtime takes the promises back under the same lock.
    global::lock();
    m.cache.flush(global::default_class());
    global::unlock();
    free(m);
}
