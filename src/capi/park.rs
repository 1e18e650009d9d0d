//! Park and ready: the primitive under everything that blocks.

use super::base::{RT_EINVAL, RT_ETIMEDOUT, RT_OK, rt_g, rt_unlock_fn};
use super::{code_of, entry_in_lock_if, giving_in_lock};
use crate::rt;
use crate::sched::g::{self, G, UnlockFn};
use crate::sched::gopark;
use crate::sched::park::{self, Refused, Woken};
use crate::sched::state::Kind;
use crate::time::timeout::Timeout;
use std::ffi::{c_char, c_int, c_void};

/**
 * Parks the calling goroutine until somebody readies it. On a plain thread it blocks the thread.
 *
 * The goroutine becomes waiting; then, with its registers saved and off its stack, unlockf(g, lock) runs, exactly once.
 * If it answers false the goroutine goes on at once. From the moment unlockf lets go of the lock any thread may
 * ready the goroutine, and it may run elsewhere before unlockf has returned. unlockf has at least 16 KiB of stack. It may
 * unlock, ready, signal, close, use the try forms and rt_now; what would have to block answers RT_EPERM in it. It must
 * not touch the goroutine's stack after it let go of the lock.
 *
 * @param unlockf  lets go of the lock and answers whether to stay parked. NULL: always stay; right only for a wait
 *                 without end, or with a waker that tries again while it gets RT_EINVAL
 * @param lock     handed to unlockf as it is
 * @param reason   why it waits: a string of static life that dumps show, or NULL
 * Returns RT_OK once readied, or when unlockf answered false.
 * Errors: RT_EPERM: in the unlockf of another park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_gopark(unlockf: rt_unlock_fn, lock: *mut c_void, reason: *const c_char) -> c_int {
    gopark(unlockf, lock, reason, Timeout::FOREVER)
}

/**
 * rt_gopark with a timeout. Exactly one of time and ready wins. Time cannot win before unlockf has returned.
 *
 * @param unlockf     as rt_gopark; it runs also for a timeout of zero
 * @param lock        handed to unlockf as it is
 * @param reason      as rt_gopark
 * @param timeout_ns  nanoseconds, or RT_FOREVER; zero or less is over at once
 * Returns RT_OK once readied, or when unlockf answered false.
 * Errors: RT_ETIMEDOUT: time won; RT_EPERM: in the unlockf of another park; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_gopark_timeout(
    unlockf: rt_unlock_fn,
    lock: *mut c_void,
    reason: *const c_char,
    timeout_ns: i64,
) -> c_int {
    gopark(unlockf, lock, reason, Timeout(timeout_ns))
}

fn gopark(unlockf: rt_unlock_fn, lock: *mut c_void, reason: *const c_char, timeout: Timeout) -> c_int {
    // SAFETY: the same function type but for the name of the opaque first argument.
    let unlockf = unlockf
        .map(|f| unsafe { std::mem::transmute::<unsafe extern "C" fn(*mut rt_g, *mut c_void) -> bool, UnlockFn>(f) });
    let parked = entry_in_lock_if(|_| {
        let park = || gopark::gopark(unlockf, lock, reason, timeout.when());
        match park() {
            Err(Refused::NotUp) => rt::ensure_up().and_then(|()| Ok(park()?)),
            r => Ok(r?),
        }
    });
    match parked {
        Ok(Woken::Ready) => RT_OK,
        Ok(Woken::TimedOut) => RT_ETIMEDOUT,
        Err(e) => code_of(e),
    }
}

/**
 * Makes a goroutine runnable that waits in rt_gopark, as the next one of the calling processor. A plain thread is woken.
 *
 * Call it under the lock that guards the waiter, or treat every return of rt_gopark as possibly early.
 *
 * @param g  what rt_self answered there
 * Returns RT_OK.
 * Errors: RT_EINVAL: g is NULL, or does not wait in rt_gopark (it runs, is runnable, has ended, waits in a
 * channel or a sleep); nothing happens then.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_goready(g: *mut rt_g) -> c_int {
    // SAFETY: the caller passes what rt_self answered; records are never unmapped.
    let Some(g) = (unsafe { g.cast::<G>().as_ref::<'static>() }) else {
        return RT_EINVAL;
    };
    giving_in_lock(|| match g.word.waiting_in(Kind::Park) {
        Some(token) if g.word.claim(token) => {
            park::ready(g);
            RT_OK
        }
        _ => RT_EINVAL,
    })
}

/**
 * A ticket: names the caller's next park in rt_gopark or rt_gopark_timeout, and no other. The same until that park.
 *
 * Returns it: never 0, never used again. In the unlockf of a park there is no next park to name: 0. So it is where no memory
 * is left for the thread's record.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_park_ticket() -> u64 {
    let ticket = entry_in_lock_if(|m| Ok(m.curg.get().filter(|_| !m.in_commit.get()).map_or(0, G::ticket)));
    ticket.unwrap_or(0)
}

/**
 * rt_goready for one certain park: for wakers that may come late.
 *
 * @param ticket  what rt_park_ticket answered to the goroutine
 * Returns RT_OK.
 * Errors: RT_EINVAL: the park has not begun, or is over, or there is no such ticket; nothing happens then.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_goready_ticket(ticket: u64) -> c_int {
    giving_in_lock(|| match g::park_of_ticket(ticket) {
        Some((g, token)) if g.word.claim(token) => {
            park::ready(g);
            RT_OK
        }
        _ => RT_EINVAL,
    })
}
