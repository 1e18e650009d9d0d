//! How a goroutine ends: its deferred functions, what it keeps under keys, and leaving from anywhere.
//!
//! Deferred functions are the program's: they run on the goroutine's stack, outside the runtime. One of them may defer
//! more, park, or leave by `goexit` in its turn; the list lives in the record, so whoever is innermost goes on with it. So
//! do the destructors of keys, which come after them (`scope/key.rs`); a plain thread has those alone.

use super::g::{G, GoFn};
use super::{handshake, host, run};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

/// A function put off to the goroutine's end.
pub struct Deferred {
    f: GoFn,
    arg: *mut c_void,
    next: *mut Deferred,
}

/// Puts `f(arg)` off to the end of the calling goroutine. False if no memory is left.
pub fn defer(g: &G, f: GoFn, arg: *mut c_void) -> bool {
    let layout = std::alloc::Layout::new::<Deferred>();
    // SAFETY: the layout is not empty.
    let at = unsafe { std::alloc::alloc(layout) }.cast::<Deferred>();
    if at.is_null() {
        return false;
    }
    // SAFETY: fresh memory of the right layout.
    unsafe { at.write(Deferred { f, arg, next: g.deferred.get() }) };
    g.deferred.set(at);
    true
}

/// Runs what was deferred, last first. Inside the runtime; leaves it for each.
pub fn run_deferred(g: &G) {
    while let Some(d) = ptr::NonNull::new(g.deferred.get()) {
        // SAFETY: made by `defer` with this layout, and taken off the list before it is used.
        let d = unsafe { Box::from_raw(d.as_ptr()) };
        g.deferred.set(d.next);
        let (f, arg) = (d.f, d.arg);
        drop(d);
        handshake::leave_for_user();
        // SAFETY: the caller of rt_defer vouches for its function and argument.
        unsafe { f(arg) };
        let _ = handshake::enter();
    }
}

/// What a goroutine keeps under keys begins with this. The scheduler knows only how it ends.
pub struct Locals {
    /// Takes a step towards the end: runs destructors, and nothing but the last step frees what is kept and clears
    /// `G::keys`. Inside the runtime, on the stack of the goroutine or of the plain thread.
    pub end: unsafe fn(&'static G),
}

/// Ends what is kept under keys. Destructors may put functions off in their turn, and these may set values.
pub fn end_locals(g: &'static G) {
    // SAFETY: null, or made by whoever has set `keys`, and alive until its `end` has cleared that.
    while let Some(locals) = unsafe { g.keys.get().as_ref() } {
        let end = locals.end;
        // SAFETY: the owner of the record calls it, inside the runtime.
        unsafe { end(g) };
        run_deferred(g);
    }
}

/// What the runtime has to do if the goroutine ends inside a callback: a note on the caller's stack, good until it is
/// taken off. Left frames stay readable, since the end runs further down the same stack.
pub struct Cleanup {
    f: unsafe fn(*const ()),
    arg: *const (),
    outer: Cell<*const Cleanup>,
}

impl Cleanup {
    /// # Safety
    /// `f(arg)` is sound to call inside the runtime while the note is on.
    pub unsafe fn new(f: unsafe fn(*const ()), arg: *const ()) -> Cleanup {
        Cleanup { f, arg, outer: Cell::new(ptr::null()) }
    }

    /// Puts the note on. It stays in place until [`take_off`](Self::take_off).
    pub fn put_on(&self, g: &G) {
        self.outer.set(g.cleanups.replace(self));
    }

    pub fn take_off(&self, g: &G) {
        g.cleanups.set(self.outer.get());
    }
}

/// Ends the calling goroutine from wherever it is. Frames are left without their destructors.
pub fn goexit(g: &'static G) -> ! {
    run_deferred(g);
    end_locals(g);
    // SAFETY: a note that is on stands in a frame of this goroutine, which is left but not overwritten.
    while let Some(c) = unsafe { g.cleanups.get().as_ref() } {
        c.take_off(g);
        // SAFETY: the promise of its maker.
        unsafe { (c.f)(c.arg) };
    }
    if host::ends(g) {
        run_deferred(g);
        end_locals(g);
    }
    run::end(g)
}
