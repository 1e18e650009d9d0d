//! Running goroutines: the switches, what is done on their far side, and the loop of a worker.
//!
//! Names after Go: `schedule` finds and executes for ever, on the worker's own stack (g0); `execute` switches to a
//! goroutine; `switch_out` is how a goroutine leaves, by a direct switch to the next one of its P or by way of g0.
//!
//! *The far side.* What must happen when the near side's registers are saved travels through the switch as a pointer
//! to a [`Switched`] on the near side's stack. The far side copies it and carries it out ([`finish`]) before
//! anything else. It reads nothing of that stack afterwards: the goroutine may be running elsewhere.
//!
//! *Direct switches* go only to `runnext` or the local queue, and only with built-in commits. By way of g0: a user's
//! `unlockf` (it gets a deep stack, and its "false" must be undoable), no next goroutine, a fresh one without a cached
//! stack, attention wanted, and every so often the clock and the global queue.
//!
//! No function here that contains a switch keeps an M or a P across it, reads another thread-local, or lets the compiler
//! see errno: `switch_out` carries errno in a local and stores it through the new M's pointer.

use super::find;
use super::g::{self, G, GoFn, UnlockFn};
use super::handshake;
use super::m::{self, M};
use super::p::{P, bump};
use super::park::Commit;
use super::state::Token;
use super::timers::Timers;
use super::{blocking, burners, deepest, exit, global, home_thread, host, locked, park, queue};
use crate::sys::clock::NEVER;
use crate::sys::stack::Stack;
use crate::sys::{checkers, context, cxx};
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::Ordering::*;

/// What a goroutine asks of the far side when it leaves.
#[derive(Clone, Copy)]
pub enum What {
    /// It waits: built-in commit, and the heap that `prepare` left locked.
    Park { token: Token, commit: Commit, timers: Option<&'static Timers> },
    /// It waits, and a user's function decides. Only by way of g0.
    User { token: Token, unlockf: UnlockFn, lock: *mut c_void, when: i64, timers: Option<&'static Timers> },
    /// See [`queue_up`].
    Started { urgent: bool, lost: bool },
    /// A function runs on the scheduler's stack, without a P, and then the goroutine goes on.
    Blocking { f: GoFn, arg: *mut c_void },
    /// It goes behind everything that is runnable on its P; or on none, if it has used up a slice and most of what is ready waits there.
    Yield { to_global: bool },
    /// It has ended: its record and its stack are free.
    End,
}

struct Switched {
    g: &'static G,
    what: What,
}

/// Leaves the calling goroutine. Returns when it runs again, maybe on another thread.
#[inline(always)]
pub fn switch_out(g: &'static G, what: What) {
    switch_with(&Switched { g, what });
}

#[inline(never)]
fn switch_with(switched: &Switched) {
    let m = m::current().expect("a goroutine runs on a thread with an M");
    // SAFETY: m.errno is the errno of the thread that owns m, which is this one.
    let errno = unsafe { *m.errno.get() };
    // SAFETY: null, or the exception state of this thread.
    let cxx = unsafe { m.cxx.get().as_ref().copied() };
    let by_g0 = matches!(switched.what, What::User { .. } | What::Started { .. } | What::Blocking { .. })
        || m.p.get().is_none();
    let direct = if by_g0 { None } else { next_direct(m) };
    m.yielded.set(direct.is_none() && matches!(switched.what, What::Yield { .. }));
    let to = match direct {
        Some(next) => {
            m.curg.set(Some(next));
            next.word.run();
            next.sp.get()
        }
        None => m.g0_sp.get(),
    };
    let checked = if checkers::on() { checkers::leaves(extent_of(m, direct)) } else { ptr::null_mut() };
    // SAFETY: `to` is the scheduler's context of this M, suspended while a goroutine runs, or that of a goroutine that
    // this P took off its queue, and which so is ours. `switched` stays valid until the far side has carried it out.
    // No pointer to a thread-local is kept: m is not used again.
    let back = unsafe { context::switch(switched.g.sp.as_ptr(), to, ptr::from_ref(switched).cast()) };
    if checkers::on() {
        checkers::arrived(checked);
    }
    let m = m::current().expect("a goroutine runs on a thread with an M");
    // SAFETY: whoever resumed us passes null or its Switched, valid until finish has copied it.
    unsafe { finish(m, back) };
    // SAFETY: as above. A goroutine that began before there was a C++ runtime has no exceptions.
    unsafe { put_exceptions(m, cxx.unwrap_or(cxx::Globals::NONE)) };
    // SAFETY: as above, with the M of the present thread.
    unsafe { *m.errno.get() = errno };
    // What has blocked on its thread was not away, and nobody has asked whether it may be.
    if host::is_hosted(switched.g) && !matches!(switched.what, What::Blocking { .. }) {
        host::resumed(switched.g);
    }
}

/// The stack that a switch goes to: that of `g`, or the scheduler's.
fn extent_of(m: &M, g: Option<&G>) -> checkers::Extent {
    g.map_or(m.g0_extent.get(), |g| g.stack.get().extent(g.class.get()))
}

/// The next goroutine to switch to without the scheduler, ready to be resumed.
fn next_direct(m: &M) -> Option<&'static G> {
    let g = next_local(m)?;
    if is_elsewhere(m, g) || (g.stack.get().is_none() && !bind_cached(m, g)) {
        m.handoff.set(Some(g));
        return None;
    }
    Some(g)
}

/// Whether a goroutine that the P has for the next belongs to another thread.
#[inline(always)]
fn is_elsewhere(m: &M, g: &G) -> bool {
    g.locked_m.get().is_some() || (host::is_hosted(g) && home_thread::is_elsewhere(m, g))
}

/// The next goroutine of the P, if nothing else has to be seen to first.
fn next_local(m: &M) -> Option<&'static G> {
    if m.is_bound() {
        return home_thread::next_local(m);
    }
    let p = m.p();
    if m.attention.is_wanted()
        || burners::at_cap()
        || queue::has_first()
        || (p.count_switch() && p.timers.earliest() != NEVER)
    {
        return None;
    }
    if let Some(g) = p.take_next() {
        return Some(g);
    }
    if p.global_is_due() && queue::has_global() {
        return None;
    }
    p.new_slice();
    p.pop()
}

fn bind_cached(m: &M, g: &'static G) -> bool {
    if g.class.get() != global::default_class() {
        return false;
    }
    match m.p().cached_stack() {
        Some(s) => {
            bind(g, s);
            true
        }
        None => false,
    }
}

/// Gives a goroutine that has never run its stack and its first frame.
fn bind(g: &'static G, stack: Stack) {
    g.stack.set(stack);
    // SAFETY: the slot is ours, its top is page-aligned and writable, and nobody runs on it.
    g.sp.set(unsafe { context::initial(stack.top(), first, ptr::from_ref(g).cast()) });
}

/// Carries out what the near side asks for. On g0 a [`What::User`] may answer a goroutine that goes on at once.
///
/// # Safety
/// `switched` is null or points at the [`Switched`] of the goroutine that has just been suspended.
#[inline]
unsafe fn finish(m: &'static M, switched: *const ()) -> Option<&'static G> {
    // SAFETY: as the caller promises. Each arm copies what it needs before anything lets the near side go; field by
    // field, since one wide copy of what was just written in small pieces stalls the processor.
    let switched = unsafe { switched.cast::<Switched>().as_ref() }?;
    let g = switched.g;
    match switched.what {
        What::Park { token, commit, timers } => {
            g.word.wait(token);
            if let Some(t) = timers {
                t.armed();
            }
            commit.run();
            if let Some(t) = timers
                && m.p.get().is_none()
            {
                global::armed_elsewhere(t);
            }
            None
        }
        What::Yield { to_global } => {
            g.word.requeue();
            if host::is_hosted(g) && home_thread::put_back(g) {
                return None;
            }
            if burners::at_cap() {
                // It may hold a lock that others need, and what is on the P's own queue is held back.
                queue::push_started(g);
            } else {
                queue_last(m.p.get().filter(|_| !to_global), g);
            }
            wake_one();
            None
        }
        What::Started { urgent, lost } => {
            m.carried.set(m.home.get().is_some());
            g.word.requeue();
            if urgent {
                queue::push_urgent(g);
            } else {
                queue::push_started(g);
            }
            if lost {
                burners::is_back();
            }
            global::wake_one();
            None
        }
        What::Blocking { f, arg } => blocking::on_g0(m, g, f, arg),
        What::End => {
            free(m.p(), g);
            None
        }
        What::User { token, unlockf, lock, when, timers } => {
            let deadline = timers.map(|t| (when, t));
            finish_user(m, g, token, unlockf, lock, deadline)
        }
    }
}

/// `park_m` of Go: on g0, with the goroutine waiting, lets the user's function decide.
fn finish_user(
    m: &'static M,
    g: &'static G,
    token: Token,
    unlockf: UnlockFn,
    lock: *mut c_void,
    deadline: Option<(i64, &'static Timers)>,
) -> Option<&'static G> {
    g.word.wait(token);
    m.in_commit.set(true);
    // SAFETY: the caller of rt_gopark vouches for its function. It runs once, on this worker's own stack.
    let stays = unsafe { unlockf(ptr::from_ref(g).cast_mut(), lock) };
    m.in_commit.set(false);
    if !stays {
        if let Some((_, timers)) = deadline {
            timers.not_needed();
        }
        // If somebody has claimed it meanwhile, it is on a queue, and that ready is consumed there.
        return g.word.take_back(token).then_some(g);
    }
    if let Some((when, timers)) = deadline {
        // From here on the goroutine may be anywhere, but its record and token stay good: an entry that comes
        // too late is a dead one. Its room was promised before the park.
        timers.arm_promised(when, g, token);
        if m.p.get().is_none() {
            global::armed_elsewhere(timers);
        }
    }
    None
}

fn free(p: &'static P, g: &'static G) {
    let default = global::default_class();
    let (stack, class) = (g.stack.replace(Stack::NONE), g.class.get());
    if checkers::on() {
        checkers::cleared(stack.extent(class));
    } else if let Some(depth) = stack.went_deep(class) {
        deepest::note(g, depth);
        // SAFETY: nobody stands on the stack of a goroutine that has ended.
        unsafe { stack.settle(class) };
    }
    p.put_stack(stack, class, default);
    // Not before the stack is back: who is promised one must find it.
    p.cache.put_promise(g.class.get(), default);
    p.cache.put_record(g);
}

/// # Safety
/// The M is that of the calling thread.
#[inline(always)]
unsafe fn put_exceptions(m: &M, state: cxx::Globals) {
    let at = m.cxx.get();
    if !at.is_null() {
        // SAFETY: the thread's own exception state.
        unsafe { *at = state };
    }
}

/// The first function on every goroutine's stack.
unsafe extern "C" fn first(switched: *const (), g: *const ()) -> ! {
    // SAFETY: `bind` and `end` pass the record of the goroutine that begins.
    let g = unsafe { &*g.cast::<G>() };
    if checkers::on() {
        checkers::arrived(ptr::null_mut());
    }
    let m = m::current().expect("a goroutine runs on a thread with an M");
    // SAFETY: null, or what the goroutine that switched to us passes.
    unsafe { finish(m, switched) };
    // SAFETY: the M of this thread.
    unsafe { put_exceptions(m, cxx::Globals::NONE) };
    if host::is_hosted(g) {
        host::resumed(g);
    }
    let (Some(entry), arg) = (g.entry.get(), g.arg.get()) else { crate::throw!("a goroutine without a function") };
    handshake::leave_for_user();
    // SAFETY: the caller of rt_go vouches for its function and argument.
    unsafe { entry(arg) };
    let _ = handshake::enter();
    exit::goexit(g)
}

/// As [`first`], on a stack whose goroutine before went deep.
unsafe extern "C" fn first_on_used(switched: *const (), g: *const ()) -> ! {
    // SAFETY: `end` passes the record of the goroutine that begins. This is the uppermost frame, all below are gone.
    unsafe {
        let g = &*g.cast::<G>();
        g.stack.get().settle(g.class.get());
        first(switched, ptr::from_ref(g).cast())
    }
}

/// The goroutine has ended. The stack it stands on goes to the next goroutine if that has none.
pub fn end(g: &'static G) -> ! {
    g::drop_name(g);
    host::forget(g);
    let m = m::current().expect("a goroutine runs on a thread with an M");
    let p = m.p();
    bump(&p.cache.ended);
    if let Some(hook) = g.on_end.take() {
        // SAFETY: the hook's maker keeps its argument alive until the hook has run.
        unsafe { (hook.f)(hook.arg) };
    }
    g.ticket_ends();
    g.word.end();
    let switched = Switched { g, what: What::End };
    let locked = g.locked.replace(0) > 0 && m.home.get().is_none();
    if locked {
        g.locked_m.set(None);
        m.set_locked_g(None);
        m.exits.set(true);
    }
    // A checker sees every stack handed back before it is used again, so there the next goroutine does not take it over.
    let to = match if locked || checkers::on() { None } else { next_local(m) } {
        Some(next) if is_elsewhere(m, next) => {
            m.handoff.set(Some(next));
            m.g0_sp.get()
        }
        Some(next) if next.stack.get().is_none() && next.class.get() == g.class.get() => {
            let stack = g.stack.replace(Stack::NONE);
            let begin = match stack.went_deep(g.class.get()) {
                Some(depth) => {
                    deepest::note(g, depth);
                    first_on_used
                }
                None => first,
            };
            next.stack.set(stack);
            p.cache.put_promise(g.class.get(), global::default_class());
            p.cache.put_record(g);
            m.curg.set(Some(next));
            next.word.run();
            // SAFETY: the stack is this one, no longer of use to g; these frames hold nothing to drop.
            unsafe { context::restart(stack.top(), ptr::from_ref(next).cast(), begin) }
        }
        Some(next) if next.stack.get().is_none() && !bind_cached(m, next) => {
            m.handoff.set(Some(next));
            m.g0_sp.get()
        }
        Some(next) => {
            m.curg.set(Some(next));
            next.word.run();
            next.sp.get()
        }
        None => m.g0_sp.get(),
    };
    if checkers::on() {
        checkers::leaves_for_good(m.g0_extent.get());
    }
    let mut nowhere = ptr::null_mut();
    // SAFETY: as in switch_out. What is saved is never resumed: the far side frees the stack.
    unsafe { context::switch(&mut nowhere, to, ptr::from_ref(&switched).cast()) };
    crate::throw!("a goroutine that has ended was resumed")
}

/// `rt_gosched`: the caller goes behind everything that is runnable on its P, if its host lets it.
pub fn gosched() {
    let m = m::current().expect("a call has an M");
    let Some(g) = m.goroutine() else { return };
    if host::is_hosted(g) {
        return gosched_hosted(m, g);
    }
    if is_alone(m.p()) {
        return;
    }
    switch_out(g, What::Yield { to_global: false });
}

/// Whether there is nobody to yield to.
#[inline(always)]
fn is_alone(p: &P) -> bool {
    let alone = !p.has_ready() && !queue::has_global() && !queue::has_first();
    alone && p.timers.earliest() == NEVER && !p.is_surplus()
}

#[cold]
#[inline(never)]
fn gosched_hosted(m: &'static M, g: &'static G) {
    let alone = m.p.get().is_some_and(|p| match m.home.get() {
        Some(home) => home_thread::is_alone(p, home),
        None => is_alone(p),
    });
    if alone || host::ask(g).is_err() {
        return;
    }
    match m.p.get() {
        Some(_) => switch_out(g, What::Yield { to_global: false }),
        // It lost its P, and its host did not let it go then.
        None => queue_up(g, false, false),
    }
}

/// The calling goroutine stops to let others go, without having used up a slice: its P was taken, and no other is idle, or a
/// deadline is due. It has run already, so it goes before what is held back (`burners.rs`); and `urgent`, before all else, if it
/// has only waited for a CPU. `lost`: it still counts as away.
pub fn queue_up(g: &'static G, urgent: bool, lost: bool) {
    switch_out(g, What::Started { urgent, lost });
}

/// The slice is over: `runnext`, which shares it, goes behind the others, and the goroutine, too, or behind those that are on no P.
/// Its host has agreed.
pub fn give_way() {
    let m = m::current().expect("a call has an M");
    let p = m.p();
    if let Some(next) = p.take_next() {
        queue_last(Some(p), next);
    }
    if let Some(g) = m.goroutine().filter(|_| m.home.get().is_some() || !is_alone(p)) {
        // The global queue has but few turns while there is anything on the P. It is for a goroutine that would come before most of
        // the others otherwise.
        switch_out(g, What::Yield { to_global: queue::queued().1 > p.ready() });
    }
}

/// Makes `g` the next of `p`; without a P it goes to the global queue. Wakes a thread where that is wanted.
#[inline]
pub fn queue_next(p: Option<&'static P>, g: &'static G) {
    let Some(p) = p else {
        queue::push(g);
        return global::wake_one();
    };
    match p.swap_next(g) {
        Some(former) => {
            queue_last(Some(p), former);
            if !p.patience.is_spared() {
                wake_one();
            }
        }
        None if global::IDLE.has_room() => wake_for_lone(p),
        None => {}
    }
}

/// Readies a goroutine or thread that news from outside concern, where no P is free for it.
pub fn queue_elsewhere(g: &'static G) {
    if g.on_thread.get() {
        return park::ready(g);
    }
    if !g.is_homed.load(Relaxed) || home_thread::ready(g) {
        queue_urgent(g);
    }
}

/// Readies what a timer has woken late: before all else, unless its last run was a burn (`burners.rs`).
pub fn queue_urgent(g: &'static G) {
    if burners::was_burn(g) {
        queue::push(g);
    } else {
        queue::push_urgent(g);
    }
    global::wake_one();
}

/// Something was queued on the calling M's P. With one P there is nobody to wake: this M has it.
#[inline]
fn wake_one() {
    if global::procs() > 1 {
        global::wake_one();
    }
}

/// See `idle.rs` on the credit.
#[cold]
fn wake_for_lone(p: &'static P) {
    let credit = p.lone_credit.load(Relaxed);
    if credit > 0 {
        p.lone_credit.store(credit - 1, Relaxed);
        global::wake_one();
    }
}

/// Puts `g` behind everything on `p`, or on the global queue. Wakes nobody.
#[inline]
pub fn queue_last(p: Option<&'static P>, g: &'static G) {
    if !p.is_some_and(|p| p.push(g)) {
        queue::push(g);
    }
}

/// A worker's life, on its own stack: find a goroutine, run it until it leaves, again. Returns, without a P, when the
/// thread is to end.
pub fn schedule(m: &'static M) {
    while let Some(g) = find::runnable(m) {
        if let Some(to) = g.locked_m.get() {
            locked::hand_over(m, to);
            continue;
        }
        if let Some(home) = host::home_of(g) {
            home_thread::bring(m, home, g);
            continue;
        }
        let mut next = Some(g);
        while let Some(g) = next {
            execute(m, g);
            // A goroutine that locked itself to this thread is all that runs here.
            next = m.locked_g().map(|own| locked::wait_for_own(m, own));
        }
        if m.exits.replace(false) {
            return locked::give_p_away(m);
        }
    }
}

pub(super) fn execute(m: &'static M, g: &'static G) {
    let mut next = Some(g);
    while let Some(g) = next {
        if g.stack.get().is_none() {
            bind(g, m.p().take_stack(g.class.get(), global::default_class()));
            g.word.run();
        } else if !g.word.is_running() {
            // Running already: its `unlockf` refused to park it.
            g.word.run();
        }
        m.curg.set(Some(g));
        let checked = if checkers::on() { checkers::leaves(extent_of(m, Some(g))) } else { ptr::null_mut() };
        // SAFETY: the goroutine is ours: it came off a queue, or was taken back. Its context was saved by a switch or
        // made by bind. A worker never changes threads, so m stays right.
        let back = unsafe { context::switch(m.g0_sp.as_ptr(), g.sp.get(), ptr::null()) };
        if checkers::on() {
            checkers::arrived(checked);
        }
        // SAFETY: whoever switched to g0 passes its Switched.
        next = unsafe { finish(m, back) };
        if next.is_none() {
            m.curg.set(None);
        }
    }
}

/// Asks for news from outside, and readies whom they concern.
pub fn poll() {
    let woken = super::list::GList::new();
    super::source::ask(&woken);
    ready_news(&woken);
}

/// Readies whom news from outside concern, as [`run_timers`] does with those whose time has come.
pub fn ready_news(woken: &super::list::GList) {
    if woken.is_empty() {
        return;
    }
    let m = m::current().expect("news are asked for inside");
    let urgent = m.urgent.replace(m.urgent.get() || burners::any_lost());
    park::ready_all(woken);
    m.urgent.set(urgent);
}

/// Readies everything that is due on `p`, which the caller runs.
pub fn run_timers(p: &'static P, now: i64, owner: bool) {
    let woken = super::list::GList::new();
    let m = m::current().expect("timers are run inside");
    // Where goroutines run without a P there are those that hold one for long: what is due is not to queue behind them.
    let urgent = m.urgent.replace(m.urgent.get() || burners::any_lost());
    p.timers.run(now, owner, &woken);
    park::ready_all(&woken);
    m.urgent.set(urgent);
}

/// Lets an exception that leaves a goroutine's function end the process with a line. Once, before any goroutine.
pub fn set_up() {
    context::on_escape(|forced| {
        let id = m::current().and_then(|m| m.curg.get()).map_or(0, |g| g.id.load(Relaxed));
        let what = if forced { "pthread_exit or a cancellation" } else { "an exception" };
        crate::throw!("{what} left the function of goroutine {id}")
    });
}
