//! Address space from the kernel.

use super::inject::{Kind, fails};
use libc::{c_int, c_void};
use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// Readable and writable zeroed memory that costs nothing until touched, or None when the kernel has none.
pub fn map(bytes: usize) -> Option<*mut u8> {
    if fails(Kind::Map) {
        return None;
    }
    // SAFETY: a fresh anonymous mapping touches no memory of anybody.
    let p = unsafe {
        libc::mmap(
            ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    (p != libc::MAP_FAILED).then_some(p.cast())
}

/// Gives a mapping back.
///
/// # Safety
/// `[addr, addr + bytes)` comes from [`map`] and nobody uses it any more.
pub unsafe fn unmap(addr: *mut u8, bytes: usize) {
    // SAFETY: as the caller promises.
    unsafe { libc::munmap(addr.cast(), bytes) };
}

/// The advice that makes a guard: what is touched there faults (Linux 6.13).
pub const MADV_GUARD_INSTALL: c_int = 102;

/// madvise, true if it worked.
///
/// # Safety
/// The range is mapped by [`map`], and losing or guarding its contents is what the caller wants.
pub unsafe fn advise(addr: *mut u8, bytes: usize, advice: c_int) -> bool {
    // The kernel rounds up, and would strike what lies behind.
    debug_assert!(bytes.is_multiple_of(page_size()), "{bytes} bytes are not whole pages");
    if advice == MADV_GUARD_INSTALL && fails(Kind::Guard) {
        return false;
    }
    // SAFETY: as the caller promises.
    unsafe { libc::madvise(addr.cast::<c_void>(), bytes, advice) == 0 }
}

/// The same advice for ranges of `bytes` that begin at `lows`, in as few calls as the kernel lets us. True if it worked.
///
/// # Safety
/// As for [`advise`].
pub unsafe fn advise_all(lows: impl Iterator<Item = *mut u8>, bytes: usize, advice: c_int) -> bool {
    in_batches(lows, bytes, |ranges| {
        // To do it twice where the one call went only so far does no harm.
        // SAFETY: as the caller promises.
        unsafe { advise_at_once(ranges, advice) || ranges.iter().all(|r| advise(r.iov_base.cast(), bytes, advice)) }
    })
}

/// Touches what is about to be written to (Linux 5.14).
const MADV_POPULATE_WRITE: c_int = 23;

/// Touches pages before they are used, where that can be had for many in one call; elsewhere the first use does.
///
/// # Safety
/// The pages are mapped by [`map`].
pub unsafe fn populate(pages: impl Iterator<Item = *mut u8>) {
    // SAFETY: as the caller promises; no contents change.
    in_batches(pages, page_size(), |ranges| unsafe { advise_at_once(ranges, MADV_POPULATE_WRITE) });
}

/// The same for pages that lie side by side. Who reads a fresh page before it writes there pays for two faults, and the other
/// processors for forgetting the first.
///
/// # Safety
/// As for [`populate`].
pub unsafe fn populate_range(low: *mut u8, bytes: usize) {
    // SAFETY: as the caller promises; no contents change.
    super::errno::preserved(|| unsafe { advise(low, bytes, MADV_POPULATE_WRITE) });
}

fn in_batches(
    mut lows: impl Iterator<Item = *mut u8>,
    bytes: usize,
    mut f: impl FnMut(&[libc::iovec]) -> bool,
) -> bool {
    let mut ranges = [libc::iovec { iov_base: ptr::null_mut(), iov_len: bytes }; 64];
    loop {
        let mut n = 0;
        for low in lows.by_ref().take(ranges.len()) {
            ranges[n].iov_base = low.cast();
            n += 1;
        }
        if n == 0 {
            return true;
        }
        if !f(&ranges[..n]) {
            return false;
        }
    }
}

/// # Safety
/// As for [`advise`].
unsafe fn advise_at_once(ranges: &[libc::iovec], advice: c_int) -> bool {
    /// Names this process where a descriptor of one is wanted; since Linux 6.14.
    const PIDFD_SELF: c_int = -10_001;
    static REFUSED: AtomicBool = AtomicBool::new(false);
    if ranges.len() < 2 || REFUSED.load(Relaxed) {
        return false;
    }
    let wanted: usize = ranges.iter().map(|r| r.iov_len).sum();
    // SAFETY: as the caller promises; the ranges are read only.
    let done =
        unsafe { libc::syscall(libc::SYS_process_madvise, PIDFD_SELF, ranges.as_ptr(), ranges.len(), advice, 0u32) };
    if done < 0 {
        // SAFETY: the calling thread's own errno.
        let error = unsafe { *super::errno::location() };
        // Not for want of memory, which may be there the next time.
        REFUSED.fetch_or(matches!(error, libc::ENOSYS | libc::EBADF | libc::EPERM | libc::EINVAL), Relaxed);
    }
    done as usize == wanted
}

/// A file's contents, to be read only; given back by [`unmap`].
pub fn map_file(path: &CStr) -> Option<&'static [u8]> {
    if fails(Kind::Map) {
        return None;
    }
    // SAFETY: the descriptor is closed once; a private mapping that is only read, of the size that the file has. One that is cut
    // off meanwhile may fault: programs and libraries in use are not.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return None;
        }
        let mut status: libc::stat = std::mem::zeroed();
        let ok = libc::fstat(fd, &mut status) == 0 && status.st_size > 0;
        let size = status.st_size as usize;
        let at = if ok {
            libc::mmap(ptr::null_mut(), size, libc::PROT_READ, libc::MAP_PRIVATE, fd, 0)
        } else {
            libc::MAP_FAILED
        };
        libc::close(fd);
        (at != libc::MAP_FAILED).then(|| std::slice::from_raw_parts(at.cast(), size))
    }
}

/// Whether the byte at `at` really can't be read: there are emulators that take any advice for good. Asked of the kernel, by
/// a write to a pipe.
pub fn is_denied(at: *const u8) -> bool {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors; the write reads one byte or answers EFAULT.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) != 0 {
            return true;
        }
        let n = libc::write(ends[1], at.cast(), 1);
        libc::close(ends[0]);
        libc::close(ends[1]);
        n != 1
    }
}

/// Puts a value where it stays for good; None when no memory is left.
pub fn leak<T>(value: T) -> Option<&'static T> {
    // SAFETY: the layout is not empty for any type that is worth leaking; the memory is fresh and never freed.
    unsafe {
        let at = std::alloc::alloc(std::alloc::Layout::new::<T>()).cast::<T>();
        if at.is_null() {
            return None;
        }
        at.write(value);
        Some(&*at)
    }
}

/// The offset of the first page of a mapping that is in memory.
pub fn first_resident(addr: *mut u8, bytes: usize) -> Option<usize> {
    let page = page_size();
    let mut in_memory = [0u8; 256];
    let step = in_memory.len() * page;
    (0..bytes).step_by(step).find_map(|at| {
        let n = step.min(bytes - at);
        // SAFETY: one byte a page of the range fits the array; mincore only looks.
        let ok = unsafe { libc::mincore(addr.add(at).cast(), n, in_memory.as_mut_ptr()) } == 0;
        let found = in_memory[..n.div_ceil(page)].iter().position(|&b| b & 1 != 0);
        found.filter(|_| ok).map(|i| at + i * page)
    })
}

/// How many bytes of a mapping are in memory.
pub fn resident(addr: *mut u8, bytes: usize) -> usize {
    let page = page_size();
    let mut in_memory = [0u8; 4096];
    let mut total = 0;
    let step = in_memory.len() * page;
    for at in (0..bytes).step_by(step) {
        let n = step.min(bytes - at);
        // SAFETY: one byte a page of the range fits the array; mincore only looks.
        let ok = unsafe { libc::mincore(addr.add(at).cast(), n, in_memory.as_mut_ptr()) } == 0;
        if ok {
            total += in_memory[..n.div_ceil(page)].iter().filter(|&&b| b & 1 != 0).count() * page;
        }
    }
    total
}

/// Makes a range inaccessible, true if it worked.
///
/// # Safety
/// The range is mapped by [`map`] and nobody uses it.
pub unsafe fn deny(addr: *mut u8, bytes: usize) -> bool {
    if fails(Kind::Guard) {
        return false;
    }
    // SAFETY: as the caller promises.
    unsafe { libc::mprotect(addr.cast::<c_void>(), bytes, libc::PROT_NONE) == 0 }
}

/// The size of a page in bytes.
#[inline]
pub fn page_size() -> usize {
    static KNOWN: AtomicUsize = AtomicUsize::new(0);
    match KNOWN.load(Relaxed) {
        0 => {
            // SAFETY: has no preconditions.
            let size = (unsafe { libc::sysconf(libc::_SC_PAGESIZE) }) as usize;
            KNOWN.store(size, Relaxed);
            size
        }
        size => size,
    }
}
