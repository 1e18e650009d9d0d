//! Blocking calls of the program's that it announces: on the scheduler's stack of the thread, which is large, and without the
//! P, which goes to another thread at once.
//!
//! While the function runs the goroutine stands for its thread: what would park it blocks the thread (`G::on_thread`). It
//! is a thread without a P as those that lost theirs are, and comes back as they do (`burners.rs`). A goroutine with a host comes
//! back on its own stack first, since the host may want it to go on at once (`host.rs`).

use super::g::{G, GoFn};
use super::m::{self, M};
use super::{burners, global, handshake, host, locked, queue, run};
use crate::sys::context;
use std::ffi::c_void;

/// Runs `f(arg)` so. On a plain thread, and nested, it just runs.
pub fn call(m: &'static M, f: GoFn, arg: *mut c_void) {
    match m.goroutine() {
        Some(g) => {
            run::switch_out(g, run::What::Blocking { f, arg });
            if host::is_hosted(g) {
                // It has no P, and finds that out as it would after a call that nobody knew of.
                handshake::leave_for_user();
                let _ = handshake::enter();
            }
        }
        None => {
            handshake::leave_for_user();
            // SAFETY: the caller of rt_blocking vouches for its function and argument.
            unsafe { f(arg) };
            let _ = handshake::enter();
        }
    }
}

/// Runs `f` so, which makes system calls that block. On a plain thread, and nested, it just runs, inside: a stop of the runtime waits
/// for it.
pub fn run<R>(m: &'static M, f: impl FnOnce() -> R) -> R {
    struct Job<F, R> {
        f: Option<F>,
        r: Option<R>,
    }
    unsafe extern "C" fn begin<F: FnOnce() -> R, R>(job: *mut c_void) {
        // SAFETY: the job below, whose owner waits.
        let job = unsafe { &mut *job.cast::<Job<F, R>>() };
        job.r = job.f.take().map(|f| f());
    }
    fn start<F: FnOnce() -> R, R>(_: &F) -> GoFn {
        begin::<F, R>
    }
    if m.goroutine().is_none() {
        return f();
    }
    let begin = start(&f);
    let mut job = Job { f: Some(f), r: None };
    call(m, begin, (&raw mut job).cast());
    job.r.expect("a blocking call has run when it returns")
}

/// On g0, with the goroutine's registers saved. Answers it if it goes on at once.
pub fn on_g0(m: &'static M, g: &'static G, f: GoFn, arg: *mut c_void) -> Option<&'static G> {
    g.on_thread.set(true);
    // It may have lost its P before, and go on without.
    if !m.attention.is_taken() {
        burners::begins_to_block(m);
    }
    locked::give_p_away(m);
    handshake::leave_for_user();
    // SAFETY: the caller of rt_blocking vouches for its function and argument; the goroutine is suspended at its sp.
    unsafe { context::call(f, arg, g.sp.get()) };
    let _ = handshake::enter();
    debug_assert!(m::current().is_some_and(|now| std::ptr::eq(now, m)), "a worker's own stack stays on its thread");
    g.on_thread.set(false);
    g.slice_begins();
    if host::is_hosted(g) {
        // Whether it may wait for a P is asked on its own stack.
        m.attention.lost();
        return Some(g);
    }
    let _ = burners::comes_back(m);
    if let Some(p) = global::take_idle_p() {
        p.new_slice();
        locked::take(m, p);
        burners::is_back();
        return Some(g);
    }
    g.word.requeue();
    queue::push_started(g);
    burners::is_back();
    global::wake_one();
    None
}
