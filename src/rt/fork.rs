//! Fork. The parent goes on undisturbed; the child has no runtime, and what next needs one starts a fresh one.
//!
//! Only the forking thread lives on in the child. The locks of the runtime are taken before the fork and are simply free
//! again in the child, so that what they guard is whole there. The child forgets Ps, threads and goroutines of the parent:
//! their memory stays (the child may stand on a goroutine's stack), nobody will use it. A child forked on a goroutine may
//! only exec or exit.

use super::{DOWN, LOCK, RESERVED, STATE, run};
use crate::net::{at_once, poll, ring};
use crate::sched::{deepest, g, global, handshake, home_thread, m, queue, records, timers};
use crate::scope::key;
use crate::sys::{cxx, inject, lock, stack, ticks};
use std::sync::atomic::{AtomicBool, Ordering::*};

/// Asks to be told of forks. Once.
pub fn install() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if !DONE.swap(true, Relaxed) {
        // SAFETY: the three functions are what pthread_atfork wants. Without memory for the entry a forked child is as
        // before: it has to exec.
        unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    }
}

unsafe extern "C" fn prepare() {
    LOCK.lock();
    run::lock();
    ring::lock();
    at_once::lock();
    home_thread::lock_all();
    global::lock();
    queue::lock_all();
    key::lock_table();
    g::lock_names();
    records::lock();
    stack::lock_all();
    deepest::lock();
    cxx::keep_away();
}

unsafe extern "C" fn parent() {
    unlock_all();
}

fn unlock_all() {
    cxx::go_on();
    deepest::unlock();
    stack::unlock_all();
    records::unlock();
    g::unlock_names();
    key::unlock_table();
    queue::unlock_all();
    global::unlock();
    home_thread::unlock_all();
    at_once::unlock();
    ring::unlock();
    run::unlock();
    LOCK.unlock();
}

unsafe extern "C" fn child() {
    lock::forked();
    ticks::forked();
    unlock_all();
    inject::forked();
    STATE.store(DOWN, Release);
    RESERVED.store(0, Relaxed);
    timers::forked();
    handshake::forget_strangers();
    run::forget_all();
    m::forget_others();
    home_thread::forget();
    global::forget();
    poll::forget();
    stack::forget_all();
}
