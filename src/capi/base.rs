//! Version, errors, the types of callbacks.

use crate::time::timeout::Timeout;
use libc::{EAGAIN, EBUSY, ECANCELED, EDEADLK, EINVAL, ENOMEM, EPERM, EPIPE, ETIMEDOUT};
use std::ffi::{CStr, c_char, c_int, c_void};

/// Success.
pub const RT_OK: c_int = 0;
/// Not now, and the caller did not want to wait.
pub const RT_EAGAIN: c_int = -EAGAIN;
/// The channel is closed.
pub const RT_ECLOSED: c_int = -EPIPE;
/// Time is over.
pub const RT_ETIMEDOUT: c_int = -ETIMEDOUT;
/// The work was cancelled.
pub const RT_ECANCELED: c_int = -ECANCELED;
/// A NULL or impossible argument.
pub const RT_EINVAL: c_int = -EINVAL;
/// No memory is left.
pub const RT_ENOMEM: c_int = -ENOMEM;
/// Too late for this call.
pub const RT_EBUSY: c_int = -EBUSY;
/// Nothing can ever happen again.
pub const RT_EDEADLK: c_int = -EDEADLK;
/// The call may not be made here, or not in this state.
pub const RT_EPERM: c_int = -EPERM;

/// What the resolver says comes as this less the number of the EAI code: it is no errno value.
pub const RT_EAI_BASE: c_int = -20000;

/// A timeout that never ends.
pub const RT_FOREVER: i64 = i64::MIN;
/// A timeout that never waits.
pub const RT_NOWAIT: i64 = 0;

/// A goroutine, as others name it: opaque. Stays valid, if useless, after the goroutine has ended.
#[allow(non_camel_case_types)]
pub struct rt_g(());

/// A function that takes one pointer: what a goroutine runs. It must not be left by an exception or longjmp.
#[allow(non_camel_case_types)]
pub type rt_fn = Option<unsafe extern "C" fn(arg: *mut c_void)>;

/// Decides whether a park holds: see rt_gopark.
#[allow(non_camel_case_types)]
pub type rt_unlock_fn = Option<unsafe extern "C" fn(g: *mut rt_g, lock: *mut c_void) -> bool>;

/**
 * The version of the library that runs, "MAJOR.MINOR.PATCH".
 *
 * Returns a string of static life.
 * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/**
 * One line that explains a result code.
 *
 * @param code  what a call answered: 0 or a negative errno value
 * Returns a string of static life, in English; for an unknown code a general one, never NULL.
 * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_strerror(code: c_int) -> *const c_char {
    let text = match code {
        RT_OK => c"success",
        RT_EAGAIN => c"would have to wait, and the timeout is RT_NOWAIT",
        RT_ECLOSED => c"the channel is closed",
        RT_ETIMEDOUT => c"the timeout is over",
        RT_ECANCELED => c"canceled",
        RT_EINVAL => c"invalid argument",
        RT_ENOMEM => c"out of memory",
        RT_EBUSY => c"too late: already in use",
        RT_EDEADLK => c"all goroutines are asleep: deadlock",
        RT_EPERM => c"not permitted here, or not in this state",
        c if c > 0 => c"not an error",
        c if c < RT_EAI_BASE => text_of_eai(RT_EAI_BASE - c),
        c => text_of_errno(-c),
    };
    text.as_ptr()
}

/// A table of our own: the system's is translated, which is nothing for a signal handler.
fn text_of_errno(errno: c_int) -> &'static CStr {
    match errno {
        libc::ENOENT => c"no such file or directory",
        libc::EINTR => c"interrupted",
        libc::EIO => c"input or output error",
        libc::ENXIO => c"no such device or address",
        libc::EBADF => c"not an open descriptor, or not for this",
        libc::EACCES => c"permission denied",
        libc::EFAULT => c"bad address",
        libc::EEXIST => c"the file exists",
        libc::ENODEV => c"no such device",
        libc::ENOTDIR => c"not a directory",
        libc::EISDIR => c"a directory",
        libc::ENFILE => c"too many open files in the system",
        libc::EMFILE => c"too many open files",
        libc::ENOTTY => c"not for such a file",
        libc::ETXTBSY => c"the program runs",
        libc::EFBIG => c"the file is too large",
        libc::ENOSPC => c"no space is left on the device",
        libc::ESPIPE => c"such a file has no offset",
        libc::EROFS => c"the file system is for reading only",
        libc::EMLINK => c"too many links",
        libc::ENAMETOOLONG => c"the name is too long",
        libc::ELOOP => c"too many symbolic links",
        libc::EOVERFLOW => c"a value is too large",
        libc::EPROTO => c"protocol error",
        libc::EMSGSIZE => c"the message is too long",
        libc::ENOTSOCK => c"not a socket",
        libc::EDESTADDRREQ => c"a destination is required",
        libc::EPROTOTYPE => c"the wrong kind of socket for the protocol",
        libc::ENOPROTOOPT => c"no such option of the protocol",
        libc::EPROTONOSUPPORT => c"the protocol is not supported",
        libc::EOPNOTSUPP => c"not supported by such a descriptor",
        libc::EAFNOSUPPORT => c"the address family is not supported",
        libc::EADDRINUSE => c"the address is in use",
        libc::EADDRNOTAVAIL => c"the address is not to be had here",
        libc::ENETDOWN => c"the network is down",
        libc::ENETUNREACH => c"the network cannot be reached",
        libc::ECONNABORTED => c"the connection was aborted",
        libc::ECONNRESET => c"the connection was reset by its peer",
        libc::ENOBUFS => c"no room for buffers",
        libc::EISCONN => c"the socket is connected",
        libc::ENOTCONN => c"the socket is not connected",
        libc::ECONNREFUSED => c"the connection was refused",
        libc::EHOSTDOWN => c"the host is down",
        libc::EHOSTUNREACH => c"the host cannot be reached",
        libc::EALREADY => c"already under way",
        libc::EINPROGRESS => c"under way",
        libc::ENOSYS => c"the system has no such call",
        libc::EDQUOT => c"the quota is used up",
        libc::ESTALE => c"a stale file handle",
        _ => c"unknown error",
    }
}

fn text_of_eai(eai: c_int) -> &'static CStr {
    match -eai {
        libc::EAI_BADFLAGS => c"name lookup: bad flags",
        libc::EAI_NONAME => c"name lookup: no such name or service",
        libc::EAI_AGAIN => c"name lookup: failed for now",
        libc::EAI_FAIL => c"name lookup: failed",
        libc::EAI_NODATA => c"name lookup: the name has no address",
        libc::EAI_FAMILY => c"name lookup: the address family is not supported",
        libc::EAI_SOCKTYPE => c"name lookup: no such type of socket",
        libc::EAI_SERVICE => c"name lookup: no such service for this type of socket",
        libc::EAI_MEMORY => c"name lookup: out of memory",
        libc::EAI_SYSTEM => c"name lookup: the system failed",
        libc::EAI_OVERFLOW => c"name lookup: the answer is too long",
        _ => c"name lookup: unknown error",
    }
}

// What the rooms below take for the special timeouts is what the header says.
const _: () = assert!(RT_FOREVER == Timeout::FOREVER.0 && RT_NOWAIT == Timeout::NOWAIT.0);
