//! Names: getaddrinfo, off the scheduler, for it blocks as long as it likes and wants a deep stack.

use super::call::may_block;
use crate::error::{Error, Result};
use crate::sched::blocking;
use crate::sys::errno;
use libc::{addrinfo, c_int};
use std::ffi::CStr;
use std::ptr::{self, NonNull};

/// What a lookup has found; freed when dropped.
pub struct Lookup(NonNull<addrinfo>);

impl Lookup {
    pub fn iter(&self) -> impl Iterator<Item = &addrinfo> {
        // SAFETY: the list that getaddrinfo has made, which lives as long as this.
        let mut next = Some(unsafe { self.0.as_ref() });
        std::iter::from_fn(move || {
            let info = next?;
            // SAFETY: as above; its last member's link is null.
            next = unsafe { info.ai_next.as_ref() };
            Some(info)
        })
    }

    /// The list, which the caller frees by freeaddrinfo.
    pub fn into_raw(self) -> *mut addrinfo {
        let list = self.0.as_ptr();
        std::mem::forget(self);
        list
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        // SAFETY: made by getaddrinfo, and freed once.
        errno::preserved(|| unsafe { libc::freeaddrinfo(self.0.as_ptr()) });
    }
}

/// getaddrinfo.
pub fn look_up(node: Option<&CStr>, service: Option<&CStr>, hints: Option<&addrinfo>) -> Result<Lookup> {
    let m = may_block()?;
    let (node, service) = (node.map_or(ptr::null(), CStr::as_ptr), service.map_or(ptr::null(), CStr::as_ptr));
    let hints = hints.map_or(ptr::null(), ptr::from_ref);
    let (code, system, list) = blocking::run(m, || {
        errno::preserved(|| {
            let mut list = ptr::null_mut();
            // SAFETY: strings and hints of the caller's, that outlive the call, and room for the answer. The lookup stays on one thread.
            let code: c_int = unsafe { libc::getaddrinfo(node, service, hints, &mut list) };
            // SAFETY: the calling thread's own errno.
            (code, unsafe { *errno::location() }, list)
        })
    });
    match (code, NonNull::new(list)) {
        (0, Some(list)) => Ok(Lookup(list)),
        (0, None) => Err(Error::Name(libc::EAI_NONAME.abs())),
        (libc::EAI_SYSTEM, _) => Err(Error::Os(system)),
        (libc::EAI_MEMORY, _) => Err(Error::NoMemory),
        (code, _) => Err(Error::Name(code.abs())),
    }
}
