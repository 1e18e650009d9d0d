//! Hooks: functions that run, each in a goroutine of its own, once a context is cancelled.
//!
//! A hook is a timer without a time (`Timer::on_call`) on the ring of its context. Whoever ends the context takes it off the
//! ring and lets the timer go off, all under the lock of the tree. Its owner takes it off by the same lock and then frees the
//! timer, which says whether the function was ever started. So: off the ring by the owner, and it never starts; off by
//! the end, and it starts, or has no memory and tries again until it does, or until the owner stops it. All of that is the
//! timer's business and its lock's.
//!
//! The owner frees the hook, by `stop`, once, whatever has become of the function, also from the function itself. Until then the
//! hook is a user of its context.

use super::context::Ctx;
use super::ring::{Linked, Links};
use crate::error::{Error, Result};
use crate::sched::g::GoFn;
use crate::sync::block::{alloc, dealloc};
use crate::time::timer::Timer;
use std::alloc::Layout;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// See the file's header.
pub struct Hook {
    timer: &'static Timer,
    /// None: the background, which never ends.
    ctx: Option<&'static Ctx>,
    /// On the ring of its context. Under the lock of the tree.
    links: Links<Hook>,
}

// SAFETY: the links are touched under the lock of the tree, the rest never changes.
unsafe impl Sync for Hook {}

impl Linked for Hook {
    fn links(&self) -> &Links<Hook> {
        &self.links
    }
}

impl Hook {
    fn make(ctx: Option<&'static Ctx>, f: GoFn, arg: *mut c_void) -> Option<&'static Hook> {
        let timer = Timer::on_call(f, arg)?;
        // SAFETY: the layout is not empty.
        let Some(at) = NonNull::new(unsafe { alloc(Layout::new::<Hook>()) }) else {
            timer.free();
            return None;
        };
        if let Some(ctx) = ctx {
            ctx.add_ref();
        }
        let at = at.cast::<Hook>();
        // SAFETY: fresh memory of the right layout; alive until `stop`.
        unsafe {
            at.write(Hook { timer, ctx, links: Links::new() });
            Some(at.as_ref())
        }
    }

    /// Lets `f(arg)` run once the context is over; at once if it is so already. `told` gets the hook before the function can
    /// start; `up` sees to it that the runtime is up, and is asked only for a start at once.
    pub fn hang(
        ctx: Option<&'static Ctx>,
        f: GoFn,
        arg: *mut c_void,
        up: impl FnOnce() -> Result,
        told: impl Fn(&'static Hook),
    ) -> Result {
        let hook = Hook::make(ctx, f, arg).ok_or(Error::NoMemory)?;
        let Some(ctx) = ctx else {
            told(hook);
            return Ok(());
        };
        if ctx.put_on(hook, || told(hook)) {
            return Ok(());
        }
        if let Err(e) = up() {
            hook.stop();
            return Err(e);
        }
        // The function may stop the hook at once: that waits for the timer's lock, which is the last thing touched here.
        told(hook);
        hook.start();
        Ok(())
    }

    /// The context is over: its function runs. The runtime is up, and nobody frees the hook meanwhile.
    pub(super) fn start(&self) {
        self.timer.go_off();
    }

    /// Takes the hook off and frees it. True if its function was not started, and so never will be.
    pub fn stop(&'static self) -> bool {
        let (timer, ctx) = (self.timer, self.ctx);
        if let Some(ctx) = ctx {
            ctx.take_off(self);
        }
        let never = timer.free();
        let at = ptr::from_ref(self).cast_mut();
        // SAFETY: off the ring, and only its owner knows it; made with this layout.
        unsafe {
            ptr::drop_in_place(at);
            dealloc(at.cast(), Layout::new::<Hook>());
        }
        if let Some(ctx) = ctx {
            ctx.unref();
        }
        never
    }
}
