//! Select: several channel operations of which one goes.

use super::base::RT_EINVAL;
use super::chan::rt_chan;
use super::{code, code_of, waiting};
use crate::error::{Error, Result};
use crate::sync::chan::{Chan, Dir};
use crate::sync::select::{self, Case};
use crate::time::timeout::Timeout;
use std::ffi::{c_int, c_void};

/// A case that sends.
pub const RT_SEND: i32 = 1;
/// A case that receives.
pub const RT_RECV: i32 = 2;

/// One case of a select.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct rt_select_case {
    /// The channel; NULL is never ready.
    pub chan: *mut rt_chan,
    /// What is sent, or where to receive to; as in rt_chan_send and rt_chan_recv.
    pub elem: *mut c_void,
    /// RT_SEND or RT_RECV.
    pub dir: i32,
    /// Out, for the case that went: RT_OK or RT_ECLOSED.
    pub result: i32,
}

/**
 * Performs one of several sends and receives: one that can go at once, each of those as likely as the others; else it
 * waits for the first that can. A case on a closed channel can go: its result is RT_ECLOSED.
 *
 * @param cases       the cases; of the one that goes `result` is written, the others stay untouched
 * @param ncases      how many; at most 65,536. None: only time ends the wait
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT (Go's default case); below zero it is over already
 * Returns the index of the case that went.
 * Errors: RT_EAGAIN: for RT_NOWAIT; RT_ETIMEDOUT; RT_EINVAL: cases is NULL, too many, a `dir` that is neither, a
 * send without elem; RT_EPERM: a send to a channel that the library feeds, or it would block in the unlockf of a park;
 * RT_ENOMEM (never with up to 8 cases, but for a timeout). One misused case refuses the whole call.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_select(cases: *mut rt_select_case, ncases: usize, timeout_ns: i64) -> c_int {
    if ncases > select::MOST || (cases.is_null() && ncases > 0) {
        return RT_EINVAL;
    }
    // SAFETY: the caller passes so many cases; an empty list needs no address.
    let cases = if ncases == 0 { &mut [] } else { unsafe { std::slice::from_raw_parts_mut(cases, ncases) } };
    if let Some(e) = cases.iter().find_map(|c| checked(c).err()) {
        return code_of(e);
    }
    // SAFETY: the caller holds the channels and the elements until the call ends; the cases were checked.
    let went = waiting(|m| unsafe { select::select(ncases, |i| case(&cases[i]), Timeout(timeout_ns), || m.random()) });
    match went {
        Ok((i, result)) => {
            cases[i].result = code(result);
            i as c_int
        }
        Err(e) => code_of(e),
    }
}

fn checked(c: &rt_select_case) -> Result {
    // SAFETY: the caller holds a reference, or passes NULL.
    let chan = unsafe { c.chan.cast::<Chan>().as_ref() };
    match (c.dir, chan) {
        (RT_RECV, _) | (RT_SEND, None) => Ok(()),
        (RT_SEND, Some(chan)) if chan.is_fed() => Err(Error::NotPermitted),
        (RT_SEND, Some(chan)) if c.elem.is_null() && chan.elem_size() > 0 => Err(Error::Invalid),
        (RT_SEND, Some(_)) => Ok(()),
        _ => Err(Error::Invalid),
    }
}

fn case<'a>(c: &rt_select_case) -> Case<'a> {
    let dir = if c.dir == RT_SEND { Dir::Send } else { Dir::Recv };
    // SAFETY: the caller holds a reference for the length of the call, or passes NULL.
    Case { chan: unsafe { c.chan.cast::<Chan>().as_ref() }, elem: c.elem.cast(), dir }
}
