//! Looking in: dumps and counts.

use super::base::{RT_EINVAL, RT_ENOMEM, RT_OK};
use super::{code_of, entry, entry_if, known_size};
use crate::observe::{dump, stats};
use crate::sched::blocking;
use crate::sys::errno;
use std::ffi::{c_int, c_void};

/// What rt_stats_read answers. Set struct_size; the rest is written.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct rt_stats {
    /// sizeof(rt_stats)
    pub struct_size: usize,
    /// Goroutines there are.
    pub goroutines: u64,
    /// Goroutines there ever were.
    pub goroutines_total: u64,
    /// Threads the runtime has.
    pub threads: u64,
    /// How many goroutines may run at once.
    pub procs: u64,
    /// Switches to a goroutine.
    pub switches: u64,
    /// Times that work was taken from another P.
    pub steals: u64,
    /// Times that a P was handed to another thread while its goroutine ran on or kept its thread.
    pub handoffs: u64,
    /// Deadlines and timers that are pending, dead ones not yet swept included.
    pub timers: u64,
    /// Descriptors that are waited on.
    pub poll_fds: u64,
    /// Address space of all stacks, bytes.
    pub stack_bytes_reserved: u64,
    /// Memory that stacks hold, bytes; as the system counts it.
    pub stack_bytes_resident: u64,
}

/**
 * Reads the counts of the runtime. Each is exact in itself; together they are of no one moment.
 *
 * @param stats  in: struct_size; out: the counts, up to the smaller of the caller's size and the library's
 * Returns RT_OK.
 * Errors: RT_EINVAL: stats is NULL, struct_size is smaller than in version 0.1, or what lies behind the known members is
 * not zero; RT_ENOMEM.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_stats_read(stats: *mut rt_stats) -> c_int {
    // SAFETY: the caller passes NULL or a struct that begins with its size.
    let size = match unsafe { stats.cast::<usize>().as_ref() } {
        // SAFETY: the caller vouches for so many bytes.
        Some(&size) if unsafe { known_size(stats) }.is_some() => size,
        _ => return RT_EINVAL,
    };
    let Ok(s) = entry_if(|_| Ok(errno::preserved(stats::read))) else { return RT_ENOMEM };
    let out = rt_stats {
        struct_size: size,
        goroutines: s.goroutines,
        goroutines_total: s.goroutines_total,
        threads: s.threads,
        procs: s.procs,
        switches: s.switches,
        steals: s.steals,
        handoffs: s.handoffs,
        timers: s.timers,
        poll_fds: s.poll_fds,
        stack_bytes_reserved: s.stack_bytes_reserved,
        stack_bytes_resident: s.stack_bytes_resident,
    };
    // SAFETY: the caller's struct is at least as large.
    unsafe { stats.write_unaligned(out) };
    RT_OK
}

/**
 * Writes every goroutine to a descriptor: id, name, state, what it waits for and how long, where it was started, and, if it is
 * parked, its stack with the names there are. Nothing stops meanwhile: what runs may show what it no longer is.
 *
 * @param fd  a descriptor to write to
 * Returns RT_OK.
 * Errors: what write answers, such as -EBADF; RT_ENOMEM.
 * Call from: any thread. Blocks: the caller, as write does. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_dump(fd: c_int) -> c_int {
    struct Call {
        fd: c_int,
        answer: c_int,
    }
    unsafe extern "C" fn write(call: *mut c_void) {
        // SAFETY: the call below, which waits for this function.
        let call = unsafe { &mut *call.cast::<Call>() };
        call.answer = entry(|_| -dump::write(call.fd));
    }
    let mut call = Call { fd, answer: RT_OK };
    // The stack of a goroutine may be small, and the descriptor slow.
    let entered = entry_if(|m| {
        if m.in_commit.get() {
            call.answer = -dump::write(fd);
        } else {
            blocking::call(m, write, (&raw mut call).cast());
        }
        Ok(())
    });
    entered.map_or_else(code_of, |()| call.answer)
}

/**
 * Writes a dump to standard error whenever a signal comes. The signal's handler is replaced; a thread of its own writes the
 * dump.
 *
 * @param signo  a signal, such as SIGQUIT or SIGUSR1
 * Returns RT_OK.
 * Errors: RT_EINVAL: no such signal, or one that can't be handled; else what pipe or the making of a thread answers.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
#[unsafe(no_mangle)]
pub extern "C" fn rt_dump_on_signal(signo: c_int) -> c_int {
    entry_if(|_| Ok(errno::preserved(|| -dump::on_signal(signo)))).unwrap_or_else(code_of)
}
