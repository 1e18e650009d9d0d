//! Contexts: cancellation that reaches everybody who takes part in a piece of work.

use super::base::{RT_EINVAL, RT_FOREVER, RT_OK, rt_fn};
use super::chan::rt_chan;
use super::{code, code_of, entry, up};
use crate::error::Error;
use crate::scope::context::Ctx;
use crate::scope::hook::Hook;
use crate::sys::clock::{self, NEVER};
use crate::sys::errno;
use std::ffi::{c_int, c_void};
use std::ptr;

/// A context: opaque, reference counted. NULL, where a context is wanted, is the background.
#[allow(non_camel_case_types)]
pub struct rt_ctx(());

/// A function that waits for the end of a context: opaque, with one owner, who frees it by rt_ctx_hook_stop.
#[allow(non_camel_case_types)]
pub struct rt_ctx_hook(());

/// What stands for the background: an address that is nothing else's.
static BACKGROUND: u8 = 0;

fn background() -> *mut rt_ctx {
    (&raw const BACKGROUND).cast_mut().cast()
}

/// The context behind a pointer of the caller's; none for the background.
///
/// # Safety
/// `ctx` is NULL, the background, or a context of which the caller holds a reference.
pub(super) unsafe fn of(ctx: *const rt_ctx) -> Option<&'static Ctx> {
    if ptr::eq(ctx, background()) {
        return None;
    }
    // SAFETY: the caller's promise; what outlives the call holds a reference of its own.
    unsafe { ctx.cast::<Ctx>().as_ref() }
}

pub(super) fn handed_out(ctx: &'static Ctx) -> *mut rt_ctx {
    ptr::from_ref(ctx).cast_mut().cast()
}

/**
 * The background: the context that never ends. It is immortal: references to it count nothing.
 *
 * Returns it, never NULL. NULL means the same wherever a context is wanted.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_ctx_background() -> *mut rt_ctx {
    background()
}

/**
 * A context that ends with its parent, or by rt_ctx_cancel.
 *
 * The last rt_ctx_unref does not cancel: a context that nobody holds any more just leaves its parent.
 *
 * @param parent  the context above it, which it holds; NULL: the background
 * Returns the context, with one reference that the caller owns; it is cancelled already if its parent is. NULL: no memory
 * is left.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_ctx_with_cancel(parent: *mut rt_ctx) -> *mut rt_ctx {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { with_deadline(parent, NEVER, 0) }
}

/**
 * rt_ctx_with_cancel that also ends after a time, with RT_ETIMEDOUT.
 *
 * @param parent      as rt_ctx_with_cancel
 * @param timeout_ns  nanoseconds from now; RT_FOREVER, and what would overflow: no deadline of its own; zero or less is over
 *                    already
 * Returns as rt_ctx_with_deadline.
 * Call from: any thread. Blocks: nothing. Starts the runtime if there is a deadline to wait for. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_ctx_with_timeout(parent: *mut rt_ctx, timeout_ns: i64) -> *mut rt_ctx {
    let now = clock::now();
    let deadline = if timeout_ns == RT_FOREVER { NEVER } else { now.saturating_add(timeout_ns) };
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { with_deadline(parent, deadline, now) }
}

/**
 * rt_ctx_with_cancel that also ends at a point in time, with RT_ETIMEDOUT. If that of its parent comes before, that is its
 * deadline.
 *
 * rt_stop cancels contexts that have a deadline to come, with RT_ECANCELED. In a forked child such a deadline does not come.
 *
 * @param parent       as rt_ctx_with_cancel
 * @param deadline_ns  nanoseconds as rt_now has them; RT_FOREVER and INT64_MAX: no deadline of its own; what is past is over
 *                     already
 * Returns the context, with one reference that the caller owns. NULL: no memory is left, or the runtime is being stopped and
 * the caller is no goroutine.
 * Call from: any thread. Blocks: nothing. Starts the runtime if there is a deadline to wait for. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_ctx_with_deadline(parent: *mut rt_ctx, deadline_ns: i64) -> *mut rt_ctx {
    let deadline = if deadline_ns == RT_FOREVER { NEVER } else { deadline_ns };
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { with_deadline(parent, deadline, clock::now()) }
}

unsafe fn with_deadline(parent: *mut rt_ctx, deadline: i64, now: i64) -> *mut rt_ctx {
    // SAFETY: the caller holds the parent.
    let parent = unsafe { of(parent) };
    let made = entry(|m| errno::preserved(|| Ctx::make(parent, deadline, now, || up(m))));
    made.map_or(ptr::null_mut(), handed_out)
}

/**
 * Adds a reference.
 *
 * @param ctx  a context; for the background nothing happens
 * Returns ctx.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_ctx_ref(ctx: *mut rt_ctx) -> *mut rt_ctx {
    // SAFETY: the caller holds a reference.
    if let Some(c) = unsafe { of(ctx) } {
        c.add_ref();
    }
    ctx
}

/**
 * Drops a reference. Children and hooks hold their context, too. When nobody does, it leaves its parent, its deadline is
 * dropped, and its channel goes with the last reference to that; nobody is told.
 *
 * @param ctx  a context of which the caller owns a reference; for the background nothing happens
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_ctx_unref(ctx: *mut rt_ctx) {
    // SAFETY: the caller owns the reference that it gives up.
    if let Some(c) = unsafe { of(ctx) } {
        entry(|_| errno::preserved(|| c.unref()));
    }
}

/**
 * Ends a context and all that are below it, unless it is over: their channels are closed and their hooks start.
 *
 * @param ctx    the context
 * @param cause  what rt_ctx_cause answers from then on, of those below as well; 0: RT_ECANCELED
 * Returns RT_OK, also for a context that is over: nothing changes then.
 * Errors: RT_EINVAL: ctx is the background; RT_EPERM: in the unlockf of a park. RT_ENOMEM, RT_ECANCELED: it has ended, but
 * functions of its hooks do not start: there is no memory for the runtime, or it is being stopped, and the caller is no
 * goroutine.
 * Call from: any thread. Blocks: nothing. Starts the runtime if there are hooks. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_ctx_cancel(ctx: *mut rt_ctx, cause: c_int) -> c_int {
    // SAFETY: the caller holds a reference.
    let Some(ctx) = (unsafe { of(ctx) }) else { return RT_EINVAL };
    entry(|m| match m.in_commit.get() {
        true => code_of(Error::NotPermitted),
        false => code(errno::preserved(|| ctx.cancel(cause, || up(m)))),
    })
}

/**
 * Whether a context is over.
 *
 * @param ctx  the context
 * Returns RT_OK while it is not; RT_ETIMEDOUT if a deadline has ended it, its own or that of one above it; else
 * RT_ECANCELED. It never changes once it is not RT_OK, which it is before rt_ctx_done is seen closed.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_ctx_err(ctx: *const rt_ctx) -> c_int {
    // SAFETY: the caller holds a reference.
    unsafe { of(ctx) }.map_or(RT_OK, |c| code(c.err()))
}

/**
 * Why a context is over.
 *
 * @param ctx  the context
 * Returns the cause that was given to rt_ctx_cancel, also where it came from above; without one as rt_ctx_err.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_ctx_cause(ctx: *const rt_ctx) -> c_int {
    // SAFETY: the caller holds a reference.
    unsafe { of(ctx) }.map_or(RT_OK, |c| c.cause().unwrap_or_else(|| code(c.err())))
}

/**
 * When a context ends by itself: its own deadline, or one above it that comes before.
 *
 * @param ctx  the context
 * Returns nanoseconds as rt_now has them; RT_FOREVER: there is no deadline.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_ctx_deadline(ctx: *const rt_ctx) -> i64 {
    // SAFETY: the caller holds a reference.
    unsafe { of(ctx) }.map(Ctx::deadline).filter(|&d| d != NEVER).unwrap_or(RT_FOREVER)
}

/**
 * The channel that is closed when a context ends: a receive from it waits for the end, also as a case of a select. It has
 * elements of size 0, of which there never is one.
 *
 * @param ctx  the context
 * Returns the channel, which belongs to the context: add a reference to keep it longer. NULL for the background, which never
 * ends, as a receive from NULL never does.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_ctx_done(ctx: *mut rt_ctx) -> *mut rt_chan {
    // SAFETY: the caller holds a reference.
    unsafe { of(ctx) }.map_or(ptr::null_mut(), |c| c.done().as_ptr().cast())
}

/**
 * Lets a function run, in a goroutine of its own, once a context is over; at once if it is so already. Without memory for
 * the goroutine it is tried again until there is some. rt_stop does not wait for the end of contexts.
 *
 * @param ctx  the context, which the hook holds until it is stopped
 * @param fn   the function
 * @param arg  handed to it as it is
 * @param out  out: the hook, which the caller owns and frees by rt_ctx_hook_stop, whether the function runs or not. It is
 *             there before the function starts
 * Returns RT_OK.
 * Errors: RT_EINVAL: fn or out is NULL; RT_ENOMEM; RT_ECANCELED: the context is over, and the runtime is being stopped;
 * RT_EPERM: in the unlockf of a park.
 * Call from: any thread. Blocks: nothing. Starts the runtime if the context is over. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_ctx_after_func(
    ctx: *mut rt_ctx,
    r#fn: rt_fn,
    arg: *mut c_void,
    out: *mut *mut rt_ctx_hook,
) -> c_int {
    let Some(f) = r#fn.filter(|_| !out.is_null()) else { return RT_EINVAL };
    // SAFETY: the caller holds a reference.
    let ctx = unsafe { of(ctx) };
    // SAFETY: not NULL, so the caller passes room for a pointer.
    let told = |hook: &'static Hook| unsafe { out.write(ptr::from_ref(hook).cast_mut().cast()) };
    entry(|m| match m.in_commit.get() {
        true => code_of(Error::NotPermitted),
        false => code(errno::preserved(|| Hook::hang(ctx, f, arg, || up(m), told))),
    })
}

/**
 * Takes a hook off its context and frees it. It does not wait for the function if that runs, and may be called from it.
 *
 * @param hook  the hook, which the caller does not use again; or NULL: then nothing happens
 * Returns true if the function will never start; false if it was started, and for NULL.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_ctx_hook_stop(hook: *mut rt_ctx_hook) -> bool {
    // SAFETY: the caller gives up what rt_ctx_after_func has made.
    let hook = unsafe { hook.cast::<Hook>().as_ref::<'static>() };
    hook.is_some_and(|h| entry(|_| errno::preserved(|| h.stop())))
}
