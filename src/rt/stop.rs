//! `rt_stop`: waits until nobody needs the runtime, and takes it down without a trace.
//!
//! 1. Say STOPPING: nothing new begins. A barrier: every thread that enters from here on sees it.
//! 2. Wait until there are no goroutines and no other plain thread is inside a call; or give up and be UP again.
//! 3. End the monitor, then the workers, which have nothing to do; join them.
//! 4. Stop the timers, give the stacks back, forget the Ps' caches. Records of goroutines and threads stay: a stray
//!    ready may look at one.

use super::{DOWN, LOCK, RESERVED, STATE, STOPPING, UP};
use crate::error::{Error, Result};
use crate::sched::attention::INSIDE;
use crate::sched::m;
use crate::sched::{global, handshake, monitor, spawn};
use crate::sys::{barrier, clock, errno, stack};
use crate::time::timeout::Timeout;
use std::ptr;
use std::sync::atomic::Ordering::*;
use std::thread;
use std::time::Duration;

/// Stops the runtime. On a plain thread; `Busy` if another is at it.
pub fn stop(me: &'static m::M, timeout: Timeout) -> Result {
    errno::preserved(|| match STATE.compare_exchange(UP, STOPPING, SeqCst, SeqCst) {
        Err(DOWN) => Ok(()),
        Err(_) => Err(Error::Busy),
        Ok(_) => {
            barrier::everywhere();
            let r = wait_for_quiet(me, timeout);
            match r {
                Ok(()) => take_down(),
                Err(_) => STATE.store(UP, Release),
            }
            r
        }
    })
}

fn wait_for_quiet(me: &'static m::M, timeout: Timeout) -> Result {
    let mut until = None;
    let mut nap = 20;
    let others = || m::all().any(|m| !ptr::eq(m, me) && m.is_plain() && m.attention.place() == INSIDE);
    while spawn::count() > 0 || others() || handshake::any_stranger() {
        let until = match until {
            Some(until) => until,
            None => *until.insert(timeout.begin()?),
        };
        if clock::now() >= until {
            return Err(Error::TimedOut);
        }
        thread::sleep(Duration::from_micros(nap));
        nap = (nap * 2).min(1000);
    }
    Ok(())
}

fn take_down() {
    LOCK.lock();
    monitor::stop();
    global::end_threads();
    m::all().for_each(m::M::join);
    global::tear_down();
    stack::wait_for_pins();
    // A plain thread that ends gives its promises back under the same lock.
    global::lock();
    m::all().for_each(|m| m.cache.drop_promises());
    // SAFETY: there are no goroutines, no cache knows a stack any more, and nobody looks at one.
    unsafe { stack::release_all() };
    global::unlock();
    RESERVED.store(0, Relaxed);
    STATE.store(DOWN, Release);
    LOCK.unlock();
}
