//! What a host of another language asks of its goroutines (`rt_go_opts`): a home, which is a thread for several of them
//! (`home_thread.rs`); and hooks, told when one is switched to, asked before it is switched away, told when it ends.
//!
//! A host such as an interpreter keeps a thread-local "current state" of its own, which has to follow the goroutine, and at
//! times holds a lock with which nobody may wait. So:
//!
//! * `on_park` is *asked* where a wait is prepared (`park::prepare`, `gopark`), before anything is queued, and where the
//!   goroutine would yield; a call that knows no way back asks before it begins (`park::ask`). If it refuses, the call that would
//!   have had to wait answers its code, and nothing has happened.
//! * No goroutine that refuses is switched away against its will. Where another would give way (its slice is over, a deadline
//!   is due, its P was taken), it goes on, and if its P was taken, without one through that call, as in park and ready
//!   (`handshake.rs`). So code between an entry and its exit may find no P on the M of a goroutine with hooks.
//! * `on_resume` is *told* on the far side of each switch back, before anything else of the goroutine runs.
//! * `on_exit` is told when all else of the goroutine has run. It is code of the program's like any deferred function, for it
//!   gives up what the host has kept: that may take long and even wait. From its return on no hook is called any more, so that what
//!   `arg` names may be gone.
//!
//! `on_park` and `on_resume` run inside, `on_park` even with locks of the runtime's in hand: as in an `unlockf` nothing may wait in
//! them, and what would have to is refused.
//!
//! Hooks and home stand in a block of their own beside the record, made at the spawn and freed when the record dies. Goroutines without
//! pay for a look at a null pointer.

use super::g::{G, GoFn};
use super::handshake;
use super::home_thread::Home;
use super::m;
use super::park::Refused;
use crate::sys::errno;
use std::alloc::Layout;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::Relaxed;

/// Asked whether the goroutine may be switched away: 0, or a negative code.
pub type AskFn = unsafe extern "C" fn(*mut c_void) -> c_int;

/// See the file's header.
#[derive(Clone, Copy)]
pub struct Hooks {
    pub on_park: Option<AskFn>,
    pub on_resume: Option<GoFn>,
    pub on_exit: Option<GoFn>,
    pub arg: *mut c_void,
}

impl Hooks {
    pub fn is_empty(&self) -> bool {
        self.on_park.is_none() && self.on_resume.is_none() && self.on_exit.is_none()
    }
}

/// The block beside a record.
pub struct Host {
    /// Taken off when no hook is to be called any more.
    hooks: Cell<Option<Hooks>>,
    /// The thread that it belongs to, with others.
    home: Option<&'static Home>,
}

impl Host {
    /// None when no memory is left.
    pub fn new(hooks: Option<Hooks>, home: Option<&'static Home>) -> Option<Box<Host>> {
        // SAFETY: the layout is not empty; what is written is a whole block, and a Box gives it back with the same layout.
        unsafe {
            let at = NonNull::new(std::alloc::alloc(Layout::new::<Host>()).cast::<Host>())?;
            at.write(Host { hooks: Cell::new(hooks), home });
            Some(Box::from_raw(at.as_ptr()))
        }
    }
}

/// The block of a goroutine, by its owner.
fn of(g: &G) -> Option<&Host> {
    // SAFETY: null, or made at the spawn, and alive until `forget`, which the goroutine calls at its end.
    unsafe { g.host.get().as_ref() }
}

/// The home of a goroutine, asked by its owner.
#[inline]
pub fn home_of(g: &G) -> Option<&'static Home> {
    of(g).and_then(|h| h.home)
}

/// The goroutine is made: what its host wants.
pub fn begins(g: &G, host: Option<Box<Host>>) {
    let home = host.as_ref().and_then(|h| h.home);
    if let Some(home) = home {
        home.begins();
    }
    g.is_homed.store(home.is_some(), Relaxed);
    g.host.set(host.map_or(ptr::null_mut(), Box::into_raw));
}

/// The record is dead: so is its block.
pub fn forget(g: &G) {
    let host = g.host.replace(ptr::null_mut());
    if !host.is_null() {
        // SAFETY: made by `Host::new`, and taken out of the record.
        let host = unsafe { Box::from_raw(host) };
        // Whoever is told of the end may free the home: its thread keeps it as long as it needs it.
        if let Some(home) = host.home {
            home.ended();
        }
    }
}

/// Whether it has one.
#[inline(always)]
pub fn is_hosted(g: &G) -> bool {
    !g.host.get().is_null()
}

/// Asks the host of the calling goroutine whether it may be switched away.
#[inline(always)]
pub fn ask(g: &G) -> Result<(), Refused> {
    if is_hosted(g) { ask_hook(g) } else { Ok(()) }
}

#[cold]
#[inline(never)]
fn ask_hook(g: &G) -> Result<(), Refused> {
    let Some((hooks, on_park)) = of(g).and_then(|h| h.hooks.get()).and_then(|h| Some((h, h.on_park?))) else {
        return Ok(());
    };
    // SAFETY: whoever spawned the goroutine vouches for its hooks and their argument until `on_exit` has returned.
    match call(|| unsafe { on_park(hooks.arg) }) {
        0 => Ok(()),
        code @ -4095..0 => Err(Refused::Host(-code)),
        _ => Err(Refused::Host(libc::EPERM)),
    }
}

/// The calling goroutine, which has a host, goes on, or begins.
#[cold]
#[inline(never)]
pub fn resumed(g: &G) {
    if let Some((hooks, on_resume)) = of(g).and_then(|h| h.hooks.get()).and_then(|h| Some((h, h.on_resume?))) {
        // SAFETY: as in `ask_hook`.
        call(|| unsafe { on_resume(hooks.arg) });
    }
}

/// Runs a hook inside: nothing in it may wait.
fn call<R>(hook: impl FnOnce() -> R) -> R {
    let m = m::current().expect("a goroutine runs on a thread with an M");
    let nested = m.in_commit.replace(true);
    let r = errno::preserved(hook);
    m.in_commit.set(nested);
    r
}

/// All else of the goroutine has run. Inside, with a P afterwards. True if something of the program's has run, which may have
/// put functions off.
pub fn ends(g: &'static G) -> bool {
    let Some(hooks) = of(g).and_then(|h| h.hooks.get()) else { return false };
    handshake::leave_for_user();
    if let Some(on_exit) = hooks.on_exit {
        // It may leave by rt_goexit, which comes here again: it is told once.
        of(g).inspect(|h| h.hooks.set(Some(Hooks { on_exit: None, ..hooks })));
        // SAFETY: as in `ask_hook`.
        unsafe { on_exit(hooks.arg) };
    }
    // Before the entry, which may have to give way: what the hooks know may be gone.
    of(g).inspect(|h| h.hooks.set(None));
    let _ = handshake::enter();
    true
}
