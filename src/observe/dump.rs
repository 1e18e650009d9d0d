//! The dump: every goroutine, one paragraph each, in the manner of Go's.
//!
//! ```text
//! goroutine 7 "worker" [chan receive, 3 minutes]:
//!   worker_main+0x3a (./server)
//!   started at worker_main (./server)
//! ```
//! It takes no locks and stops nobody: each record is read as it is, and a goroutine that runs meanwhile may show what it no
//! longer is. Only parked goroutines show a stack.

use super::frames::{self, Code};
use crate::sched::g::{self, G};
use crate::sched::state::Kind;
use crate::sched::{deepest, global, m, monitor, records, spawn};
use crate::sys::text::Lossy;
use crate::sys::{checkers, clock, errno, stack, thread};
use std::ffi::{CStr, c_int};
use std::fmt::{self, Write};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering::*};

/// Return addresses shown of one goroutine.
const FRAMES: usize = 16;

/// A descriptor that is written through a small buffer: no allocation.
struct Out {
    fd: RawFd,
    buf: [u8; 1024],
    len: usize,
    /// What write answered when it failed: an errno value.
    failed: c_int,
}

impl Out {
    fn new(fd: RawFd) -> Out {
        Out { fd, buf: [0; 1024], len: 0, failed: 0 }
    }

    fn flush(&mut self) {
        let mut from = 0;
        while from < self.len && self.failed == 0 {
            // SAFETY: initialised bytes of the buffer.
            let n = unsafe { libc::write(self.fd, self.buf[from..self.len].as_ptr().cast(), self.len - from) };
            match n {
                n if n > 0 => from += n as usize,
                // SAFETY: the calling thread's own errno.
                _ if unsafe { *errno::location() } == libc::EINTR => {}
                // SAFETY: as above.
                _ => self.failed = unsafe { *errno::location() },
            }
        }
        self.len = 0;
    }
}

impl Write for Out {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for &b in s.as_bytes() {
            if self.len == self.buf.len() {
                self.flush();
            }
            self.buf[self.len] = b;
            self.len += 1;
        }
        Ok(())
    }
}

/// Writes the dump to a descriptor. Answers 0 or an errno value.
pub fn write(fd: RawFd) -> c_int {
    errno::preserved(|| {
        let mut out = Out::new(fd);
        let _ = everything(&mut out);
        out.flush();
        out.failed
    })
}

/// The dump of a deadlock, to standard error.
pub fn deadlock() {
    let mut out = Out::new(2);
    let _ = out.write_str("gort: all goroutines are asleep - deadlock!\n\n");
    let _ = everything(&mut out);
    out.flush();
}

/// Told of a goroutine that held its thread for `held` ns, on that goroutine: says so, with its stack.
pub fn hog(g: &'static G, held: i64) {
    errno::preserved(|| {
        let mut out = Out::new(2);
        let here = 0usize;
        let _ = one_hog(&mut out, g, held, (&raw const here).cast());
        out.flush();
    });
}

/// Looks at a fault: where it is in the guard of the running goroutine's stack, says so, with the stack. In a signal handler.
pub fn fault(address: *const u8, sp: *const u8) {
    let Some(g) = m::current().and_then(m::M::any_goroutine) else { return };
    let (stack, class) = (g.stack.get(), g.class.get());
    let extent = stack.extent(class);
    if stack.is_none()
        || !(extent.low.wrapping_sub(class.guard()).cast_const()..extent.low.cast_const()).contains(&address)
    {
        return;
    }
    let mut out = Out::new(2);
    let _ = overflow(&mut out, g, class.size() >> 10);
    out.flush();
    let code = Code::of_process();
    let _ = frames_of(&mut out, &code, g, sp.max(extent.low));
    let _ = started(&mut out, &code, g);
    out.flush();
}

fn overflow(out: &mut Out, g: &'static G, kib: usize) -> fmt::Result {
    write!(out, "gort: stack overflow: goroutine {}", g.id.load(Relaxed))?;
    // Without the lock: it is the goroutine's own, and only its end drops the name.
    // SAFETY: null, or a name that lives as long as the goroutine.
    if let Some(name) = unsafe { g.name.load(Acquire).as_ref() }
        && let Ok(name) = CStr::from_bytes_until_nul(&name.0)
    {
        write!(out, " \"{}\"", Lossy(name.to_bytes()))?;
    }
    writeln!(
        out,
        " has used up its {kib} KiB; rt_go_with (stack_size) or RT_STACK_SIZE give it more, rt_blocking a thread's"
    )
}

fn one_hog(out: &mut Out, g: &'static G, held: i64, sp: *const u8) -> fmt::Result {
    write!(out, "gort: hog: goroutine {}", g.id.load(Relaxed))?;
    name(out, g)?;
    writeln!(out, " held its processor for {} ms and more:", held / 1_000_000)?;
    let code = Code::of_process();
    frames_of(out, &code, g, sp)?;
    started(out, &code, g)
}

fn everything(out: &mut Out) -> fmt::Result {
    let procs = global::procs();
    let threads = if procs == 0 { 0 } else { monitor::threads() };
    writeln!(out, "gort {}: {} goroutines, {threads} threads, {procs} Ps", env!("CARGO_PKG_VERSION"), spawn::count())?;
    let (code, now) = (Code::of_process(), clock::now());
    let _pin = stack::pin();
    if let Some(d) = deepest::so_far() {
        write!(out, "deepest stack of those that ended: {} of {} KiB, started at ", d.bytes >> 10, d.of >> 10)?;
        show(out, &code, d.entry)?;
    }
    for g in records::all().filter(|g| !g.is_thread.get() && g.word.is_alive()) {
        goroutine(out, &code, g, now)?;
    }
    Ok(())
}

fn goroutine(out: &mut Out, code: &Code, g: &'static G, now: i64) -> fmt::Result {
    write!(out, "\ngoroutine {}", g.id.load(Relaxed))?;
    name(out, g)?;
    let waiting = g.word.waiting();
    match waiting {
        Some(_) => writeln!(out, " [{}{}]:", reason(g), Since(now - g.since.load(Relaxed)))?,
        None => writeln!(out, " [{}]:", g.word.name())?,
    }
    if let Some(token) = waiting {
        frames_of(out, code, g, g.sp.get())?;
        if !g.word.is_waiting(token) {
            out.write_str("  (it has gone on meanwhile)\n")?;
        }
    }
    started(out, code, g)
}

fn name(out: &mut Out, g: &'static G) -> fmt::Result {
    g::with_name(g, |name| match name.and_then(|n| CStr::from_bytes_until_nul(&n.0).ok()) {
        Some(name) => write!(out, " \"{}\"", Lossy(name.to_bytes())),
        None => Ok(()),
    })
}

/// Where it was started, and how deep its stack went so far.
fn started(out: &mut Out, code: &Code, g: &'static G) -> fmt::Result {
    let Some(f) = g.entry.get() else { return Ok(()) };
    out.write_str("  started at ")?;
    show(out, code, f as usize)?;
    let (stack, class) = (g.stack.get(), g.class.get());
    if stack.is_none() {
        return Ok(());
    }
    let depth = checkers::unreported(|| stack.depth(class));
    writeln!(out, "  stack: {} of {} KiB used", depth >> 10, class.size() >> 10)
}

/// Why it waits: what the caller of a park said, or the kind of wait.
fn reason(g: &G) -> Lossy<'static> {
    let reason = g.reason.load(Relaxed);
    if reason.is_null() {
        let kind = if g.word.waiting_in(Kind::Park).is_some() { "park" } else { "wait" };
        return Lossy(kind.as_bytes());
    }
    // SAFETY: reasons are strings of static life.
    Lossy(unsafe { CStr::from_ptr(reason) }.to_bytes())
}

/// How long, from a minute on, as Go has it.
struct Since(i64);

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 / 1_000_000 {
            ms if ms < 1_000 => write!(f, ", {ms} ms"),
            ms if ms < 60_000 => write!(f, ", {} s", ms / 1_000),
            ms => write!(f, ", {} minutes", ms / 60_000),
        }
    }
}

/// The frames of a goroutine from `sp` on.
fn frames_of(out: &mut Out, code: &Code, g: &'static G, sp: *const u8) -> fmt::Result {
    let top = g.stack.get().top().cast_const();
    let size = g.class.get().size() - g.class.get().guard();
    if sp.is_null() || top.is_null() || !(top.wrapping_sub(size)..top).contains(&sp) {
        return Ok(());
    }
    let mut result = Ok(());
    // SAFETY: from the saved stack pointer to the top of the goroutine's own slot, above its guard. It stays mapped: it is the
    // caller's own, or a pin is on.
    checkers::unreported(|| unsafe {
        code.scan(sp, top, FRAMES, |place| {
            result = result.and_then(|()| out.write_str("  ")).and_then(|()| line(out, place));
        });
    });
    result
}

fn show(out: &mut Out, code: &Code, address: usize) -> fmt::Result {
    match frames::place(&code.symbols, address) {
        Some(place) => line(out, &place),
        None => writeln!(out, "{address:#x}"),
    }
}

fn line(out: &mut Out, place: &frames::Place<'_>) -> fmt::Result {
    if let Some(name) = place.name {
        write!(out, "{}", Lossy(name.to_bytes()))?;
    }
    if place.offset > 0 {
        write!(out, "+{:#x}", place.offset)?;
    }
    writeln!(out, " ({})", Lossy(place.object.to_bytes()))
}

/// Writes a dump to standard error whenever the signal comes. Answers 0 or an errno value.
pub fn on_signal(signo: c_int) -> c_int {
    static PIPE: AtomicI32 = AtomicI32::new(-1);
    extern "C" fn handler(_: c_int) {
        let fd = PIPE.load(Relaxed);
        errno::preserved(|| {
            // SAFETY: one byte into our own pipe, which never blocks: a full one has a dump coming anyway.
            unsafe { libc::write(fd, c"d".as_ptr().cast(), 1) };
        });
    }
    if PIPE.load(Relaxed) < 0 {
        match start_dumper() {
            Ok(fd) => PIPE.store(fd, Relaxed),
            Err(e) => return e,
        }
    }
    // SAFETY: plain data, zero is valid; the handler does what a handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        if libc::sigaction(signo, &action, std::ptr::null_mut()) != 0 { *errno::location() } else { 0 }
    }
}

/// A thread that writes a dump for each byte that comes through a pipe. Answers the pipe's end to write to.
fn start_dumper() -> Result<RawFd, c_int> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        // SAFETY: the calling thread's own errno.
        return Err(unsafe { *errno::location() });
    }
    let (from, to) = (ends[0], ends[1]);
    // SAFETY: our own descriptor: the handler must never block.
    unsafe { libc::fcntl(to, libc::F_SETFL, libc::O_NONBLOCK) };
    unsafe fn dumper(from: *const ()) {
        let from = from.addr() as RawFd;
        let mut byte = 0u8;
        // SAFETY: one byte of room, from our own pipe.
        while unsafe { libc::read(from, (&raw mut byte).cast(), 1) } == 1 {
            write(2);
        }
    }
    // SAFETY: `dumper` may run on any thread, with the descriptor for its argument.
    match unsafe { thread::spawn(c"gort-dump", 256 << 10, dumper, ptr::without_provenance(from as usize)) } {
        Ok(thread) => {
            thread.detach();
            Ok(to)
        }
        Err(e) => {
            // SAFETY: our own descriptors, which nobody else knows.
            unsafe {
                libc::close(from);
                libc::close(to);
            }
            Err(e.0)
        }
    }
}
