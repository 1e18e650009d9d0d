//! A park of the program's own: `gopark` of Go, with a function of the program's that lets go of its lock.
//!
//! Unlike a built-in commit that function may refuse, ready others, and take its time. So it runs on the worker's own
//! stack, after the goroutine waits (`run.rs`), and the deadline is armed only when it has returned. By then the
//! goroutine may be anywhere; an entry that names a park which is over is simply dead.

use super::g::{G, UnlockFn};
use super::park::{Commit, Refused, Wait, Woken, sleep_until_signalled};
use super::state::Kind;
use super::{global, host, m, run};
use crate::sys::clock::NEVER;
use crate::sys::errno;
use std::ffi::{c_char, c_void};
use std::ptr;

/// A user's park: see `rt_gopark` in the header for what `unlockf` may do. True if time ended it.
pub fn gopark(
    unlockf: Option<UnlockFn>,
    lock: *mut c_void,
    reason: *const c_char,
    when: i64,
) -> Result<Woken, Refused> {
    let m = m::current().expect("a call has an M");
    if m.in_commit.get() {
        return Err(Refused::InCommit);
    }
    let g = m.curg.get().expect("a caller that may block has a record");
    if g.on_thread.get() && global::procs() == 0 {
        return Err(Refused::NotUp);
    }
    host::ask(g)?;
    let token = g.word.next_wait(Kind::Park);
    g.timed_out.set(false);
    g.begins_to_wait(reason);
    let mut wait = Wait { g, token, when, timers: None };
    if g.on_thread.get() {
        g.ticket_begins();
        return Ok(gopark_thread(m, &wait, unlockf, lock));
    }
    if when != NEVER {
        let t = &m.p.get().unwrap_or_else(global::some_p).timers;
        errno::preserved(|| t.promise()).map_err(|_| Refused::NoMemory)?;
        wait.timers = Some(t);
    }
    g.ticket_begins();
    match unlockf {
        Some(unlockf) => run::switch_out(g, run::What::User { token, unlockf, lock, when, timers: wait.timers }),
        None if when == NEVER => {
            run::switch_out(g, run::What::Park { token, commit: Commit::none(), timers: None });
        }
        None => {
            // The commit of a park with a deadline but nothing to unlock goes the way of the others.
            unsafe extern "C" fn stay(_: *mut G, _: *mut c_void) -> bool {
                true
            }
            run::switch_out(g, run::What::User { token, unlockf: stay, lock, when, timers: wait.timers });
        }
    }
    if g.timed_out.get() {
        return Ok(Woken::TimedOut);
    }
    if let Some(t) = wait.timers {
        t.one_died();
    }
    Ok(Woken::Ready)
}

fn gopark_thread(m: &'static m::M, wait: &Wait, unlockf: Option<UnlockFn>, lock: *mut c_void) -> Woken {
    wait.g.word.wait(wait.token);
    let stays = unlockf.is_none_or(|f| {
        m.in_commit.set(true);
        // SAFETY: the caller of rt_gopark vouches for its function; it runs once, on this thread's own stack.
        let stays = errno::preserved(|| unsafe { f(ptr::from_ref(wait.g).cast_mut(), lock) });
        m.in_commit.set(false);
        stays
    });
    if !stays && wait.g.word.take_back(wait.token) {
        return Woken::Ready;
    }
    // Not staying, but readied meanwhile: that ready is consumed, whatever the time.
    let when = if stays { wait.when } else { NEVER };
    sleep_until_signalled(&Wait { g: wait.g, token: wait.token, when, timers: None })
}
