//! Groups of goroutines that are waited for as one; the first error cancels the rest.

use super::base::RT_EINVAL;
use super::context::{self, rt_ctx};
use super::{code, code_of, entry, up, waiting};
use crate::error::{Error, Result};
use crate::rt;
use crate::scope::group::{Group, TaskFn};
use crate::sys::errno;
use std::ffi::{c_int, c_void};
use std::ptr;

/// A group: opaque, with one owner, whose rt_group_free must not overlap another call on it.
#[allow(non_camel_case_types)]
pub struct rt_group(());

/// What a goroutine of a group runs: it gets the group's context and its own argument, and answers RT_OK or an error. It
/// must not be left by an exception or longjmp.
#[allow(non_camel_case_types)]
pub type rt_group_fn = Option<unsafe extern "C" fn(ctx: *mut rt_ctx, arg: *mut c_void) -> c_int>;

/// The group behind a pointer of the caller's.
///
/// # Safety
/// `g` is NULL or a group that is not freed during the call.
unsafe fn of(g: *mut rt_group) -> Option<&'static Group> {
    // SAFETY: the caller's promise; a goroutine of the group keeps it by being counted.
    unsafe { g.cast::<Group>().as_ref() }
}

/**
 * A group without goroutines, with a context of its own.
 *
 * @param parent  the context above that of the group; NULL: the background
 * Returns the group, for the caller to free; NULL: no memory is left.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_group_new(parent: *mut rt_ctx) -> *mut rt_group {
    // SAFETY: the caller holds the parent.
    let parent = unsafe { context::of(parent) };
    let made = entry(|_| errno::preserved(|| Group::make(parent)));
    made.map_or(ptr::null_mut(), |g| ptr::from_ref(g).cast_mut().cast())
}

/**
 * The context of a group. It ends with its parent, with the first error, or when rt_group_wait returns; rt_ctx_cancel
 * ends it as well. Of the first error it has the cause.
 *
 * @param g  the group
 * Returns the context, which belongs to the group: add a reference to keep it longer. NULL for NULL.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_group_ctx(g: *mut rt_group) -> *mut rt_ctx {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { of(g) }.map_or(ptr::null_mut(), |g| context::handed_out(g.ctx()))
}

/**
 * Starts a goroutine of a group. At the limit it waits until another one has ended; also when the context is over: whether to
 * start work then is up to the caller.
 *
 * The first result that is not RT_OK is the group's, and cancels its context with that for a cause. A goroutine that leaves
 * by rt_goexit has no result. It counts until what it has put off, and the destructors of its keys, have run.
 *
 * @param g    the group
 * @param fn   what the goroutine runs
 * @param arg  handed to fn as it is
 * Returns the id of the goroutine, as rt_go.
 * Errors: as rt_go; RT_EINVAL also: g is NULL. fn will not run then, and counts nowhere.
 * Call from: any thread, also from goroutines of the group; not from the unlockf of a park. Blocks: at the limit, the
 * goroutine or the plain thread. Starts the runtime. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_group_go(g: *mut rt_group, r#fn: rt_group_fn, arg: *mut c_void) -> i64 {
    // SAFETY: the caller's promise is that of this function's documentation.
    let (Some(group), Some(f)) = (unsafe { of(g) }, r#fn) else { return RT_EINVAL.into() };
    type Given = unsafe extern "C" fn(*mut rt_ctx, *mut c_void) -> c_int;
    // SAFETY: the same function type but for the name of the opaque first argument.
    let f = unsafe { std::mem::transmute::<Given, TaskFn>(f) };
    let started: Result<i64> = entry(|m| {
        if m.in_commit.get() {
            return Err(Error::NotPermitted);
        }
        rt::ensure_up()?;
        group.go(f, arg)
    });
    started.unwrap_or_else(|e| code_of(e).into())
}

/**
 * Limits how many goroutines of a group may be at once.
 *
 * @param g      the group
 * @param limit  how many; 0: any number, as it is without this call
 * Returns RT_OK.
 * Errors: RT_EBUSY: the group has, or had, a goroutine; RT_EINVAL: g is NULL.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_group_set_limit(g: *mut rt_group, limit: usize) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    unsafe { of(g) }.map_or(RT_EINVAL, |g| code(g.set_limit(limit)))
}

/**
 * Waits until no goroutine of a group is left, and ends its context. May be called again, from several threads, and after
 * further goroutines were started, whose context is over then.
 *
 * @param g  the group
 * Returns the first result that was not RT_OK, whatever it is; RT_OK if there was none.
 * Errors: RT_EINVAL: g is NULL; RT_EPERM: called by a goroutine of the group, or it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_group_wait(g: *mut rt_group) -> c_int {
    // SAFETY: the caller's promise is that of this function's documentation.
    let Some(group) = (unsafe { of(g) }) else { return RT_EINVAL };
    waiting(|m| match m.in_commit.get() {
        true => Err(Error::NotPermitted),
        false => group.wait(|| up(m)),
    })
    .unwrap_or_else(code_of)
}

/**
 * Ends the context of a group, waits until no goroutine of it is left, and frees it.
 *
 * @param g  the group, which the caller does not use again; or NULL: then nothing happens
 * Called by a goroutine of the group, which it would wait for, or in the unlockf of a park, it does nothing.
 * Where the caller's on_park (rt_go_opts) refuses the wait, the context ends, and the group stays: it is to be freed again.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_group_free(g: *mut rt_group) {
    // SAFETY: the caller gives up what it owns.
    let Some(group) = (unsafe { of(g) }) else { return };
    let _ = waiting(|m| match m.in_commit.get() {
        true => Err(Error::NotPermitted),
        false => group.free(|| up(m)),
    });
}
