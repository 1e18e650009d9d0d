//! What a test says to a library that was built with the feature `fault-injection`, and asks of it. Not in the header: other
//! builds have nothing of this.

use super::base::{RT_EINVAL, RT_OK};
use crate::sys::inject;
use std::ffi::{CStr, c_char, c_int};

/// `int gort_fail(const char *rules)`: takes rules as those of GORT_FAIL (`sys/inject.rs`) in place of those there are, and
/// counts anew. NULL: nothing fails. RT_EINVAL for rules that are none; then nothing fails either.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gort_fail(rules: *const c_char) -> c_int {
    // SAFETY: the caller passes NULL or a string.
    let rules = if rules.is_null() { c"" } else { unsafe { CStr::from_ptr(rules) } };
    if inject::set(rules.to_bytes()) { RT_OK } else { RT_EINVAL }
}

/// `uint64_t gort_failed(void)`: how many have failed so, in all.
#[unsafe(no_mangle)]
pub extern "C" fn gort_failed() -> u64 {
    inject::failed()
}

/// `int64_t gort_live(void)`: blocks of memory that the library has allocated and not freed, but for the records of threads
/// and Ps, which stay for good.
#[unsafe(no_mangle)]
pub extern "C" fn gort_live() -> i64 {
    inject::live()
}
