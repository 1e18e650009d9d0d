//! The environment, read where it stands: std copies what it reads, and ends the process where it has no memory for that.

use std::ffi::CStr;

/// Looks at a variable's value, if it is set. The program must not change the environment meanwhile, as with every getenv.
pub fn with<R>(name: &CStr, f: impl FnOnce(Option<&[u8]>) -> R) -> R {
    // SAFETY: a string; null, or a string that stays while nobody changes the environment.
    let value = unsafe { libc::getenv(name.as_ptr()).as_ref().map(|at| CStr::from_ptr(at).to_bytes()) };
    f(value)
}
