//! The dump: every goroutine, one paragraph each, in the manner of Go's.
//!
//! ```text
//! goroutine 7 "worker" [chan receive, 3 minutes]:
//!   worker_main+0x3a (./server)
//!   started at worker_main (./server)
//! ```
//! It stops nobody: each record is read as it is, and a goroutine that runs meanwhile may show what it no longer is. Only
//! parked goroutines show a stack.
//!
//! The descriptor may be as slow as it likes: its reader may even be a goroutine of this process. So whatever others wait for
//! is held only while a goroutine is looked at ([`Picture`]): the lock of names, that of the table of records, and the pin
//! that keeps stacks mapped. Nothing is held while it is written.

use super::frames::{self, Address, Code};
use crate::sched::g::{self, G, GoFn, Name};
use crate::sched::state::Kind;
use crate::sched::{deepest, global, m, monitor, records, spawn};
use crate::sys::stack::{self, Class, Stack};
use crate::sys::text::Lossy;
use crate::sys::{checkers, clock, errno, thread};
use std::ffi::{CStr, c_int};
use std::fmt::{self, Write};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering::*, fence};

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
    let frames = frames_of(&code, stack, class, sp.max(extent.low));
    let _ = show_frames(&mut out, &code, &frames);
    let _ = own_start(&mut out, &code, g);
    out.flush();
}

fn overflow(out: &mut Out, g: &'static G, kib: usize) -> fmt::Result {
    write!(out, "gort: stack overflow: goroutine {}", g.id.load(Relaxed))?;
    // Without the lock: it is the goroutine's own, and only its end drops the name.
    // SAFETY: null, or a name that lives as long as the goroutine.
    name(out, unsafe { g.name.load(Acquire).as_ref() })?;
    writeln!(
        out,
        " has used up its {kib} KiB; rt_go_with (stack_size) or RT_STACK_SIZE give it more, rt_blocking a thread's"
    )
}

fn one_hog(out: &mut Out, g: &'static G, held: i64, sp: *const u8) -> fmt::Result {
    write!(out, "gort: hog: goroutine {}", g.id.load(Relaxed))?;
    name(out, g::name_of(g).as_ref())?;
    writeln!(out, " held its processor for {} ms and more:", held / 1_000_000)?;
    let code = Code::of_process();
    let stack = g.stack.get();
    if !stack.is_none() {
        show_frames(out, &code, &frames_of(&code, stack, g.class.get(), sp))?;
    }
    own_start(out, &code, g)
}

fn everything(out: &mut Out) -> fmt::Result {
    let procs = global::procs();
    let threads = if procs == 0 { 0 } else { monitor::threads() };
    writeln!(out, "gort {}: {} goroutines, {threads} threads, {procs} Ps", env!("CARGO_PKG_VERSION"), spawn::count())?;
    let code = Code::of_process();
    if let Some(d) = deepest::so_far() {
        write!(out, "deepest stack of those that ended: {} of {} KiB, started at ", d.bytes >> 10, d.of >> 10)?;
        show(out, &code, Address::Entry(d.entry))?;
    }
    for picture in records::all().filter_map(|g| Picture::of(g, &code)) {
        goroutine(out, &code, &picture)?;
    }
    Ok(())
}

/// What a dump shows of a goroutine, copied.
struct Picture {
    id: i64,
    name: Option<Name>,
    state: State,
    /// It has a home.
    is_homed: bool,
    /// It waited when the look began, and no longer when that was over.
    has_gone_on: bool,
    entry: Option<GoFn>,
    /// How much of its stack it has used, of how much.
    depth: Option<(usize, usize)>,
    frames: Frames,
}

#[derive(Clone, Copy)]
enum State {
    /// Why, and for how many ns.
    Waits(Lossy<'static>, i64),
    Other(&'static str),
}

/// Return addresses, the innermost first.
struct Frames {
    addresses: [usize; FRAMES],
    len: usize,
}

impl Frames {
    const NONE: Frames = Frames { addresses: [0; FRAMES], len: 0 };
}

impl Picture {
    /// Takes a picture, if the record is a goroutine's. One that is neither here nor there is looked at again, within reason.
    fn of(g: &'static G, code: &Code) -> Option<Picture> {
        const LOOKS: usize = 4;
        let mut last = None;
        for _ in 0..LOOKS {
            let (picture, is_sharp) = Picture::at_once(g, code)?;
            last = Some(picture);
            if is_sharp {
                break;
            }
        }
        last
    }

    /// One look, and whether all that it saw was of one goroutine. Nothing here blocks: see [`stack::Pin`].
    fn at_once(g: &'static G, code: &Code) -> Option<(Picture, bool)> {
        let _pin = stack::pin();
        // The word before all else: what is read behind it is as new as the life that it tells of.
        if !g.word.is_alive() || g.is_thread.get() {
            return None;
        }
        let waiting = g.word.waiting();
        let id = g.id.load(Relaxed);
        let state = match waiting {
            Some(_) => State::Waits(reason(g), clock::now() - g.since.load(Relaxed)),
            None => State::Other(g.word.name()),
        };
        let (sp, stack, class) = (g.sp.get(), g.stack.get(), g.class.get());
        let (name, entry, is_homed) = (g::name_of(g), g.entry.get(), g.is_homed.load(Relaxed));
        // A goroutine may have ended in between, and its record be another's by now: then the class need not be that of the
        // stack, and what lies below the stack is a guard. What was read is read before the word is again.
        fence(Acquire);
        let is_sharp = match waiting {
            Some(token) => g.word.is_waiting(token),
            None => g.word.is_alive() && g.id.load(Relaxed) == id,
        };
        let (mut depth, mut frames) = (None, Frames::NONE);
        // From here on the goroutine may end, and its stack be another's: it stays mapped, and its guard where it is.
        if is_sharp && !stack.is_none() {
            if waiting.is_some() {
                frames = frames_of(code, stack, class, sp);
            }
            depth = Some(depth_of(stack, class));
        }
        let has_gone_on = waiting.is_some_and(|token| !g.word.is_waiting(token));
        Some((Picture { id, name, state, is_homed, has_gone_on, entry, depth, frames }, is_sharp))
    }
}

fn goroutine(out: &mut Out, code: &Code, picture: &Picture) -> fmt::Result {
    write!(out, "\ngoroutine {}", picture.id)?;
    name(out, picture.name.as_ref())?;
    match picture.state {
        State::Waits(reason, since) => write!(out, " [{reason}{}", Since(since))?,
        State::Other(state) => write!(out, " [{state}")?,
    }
    writeln!(out, "{}]:", if picture.is_homed { ", home" } else { "" })?;
    show_frames(out, code, &picture.frames)?;
    if picture.has_gone_on {
        out.write_str("  (it has gone on meanwhile)\n")?;
    }
    started(out, code, picture.entry, picture.depth)
}

fn name(out: &mut Out, name: Option<&Name>) -> fmt::Result {
    match name.and_then(|n| CStr::from_bytes_until_nul(&n.0).ok()) {
        Some(name) => write!(out, " \"{}\"", Lossy(name.to_bytes())),
        None => Ok(()),
    }
}

/// Where it was started, and how deep its stack went so far.
fn started(out: &mut Out, code: &Code, entry: Option<GoFn>, depth: Option<(usize, usize)>) -> fmt::Result {
    let Some(f) = entry else { return Ok(()) };
    out.write_str("  started at ")?;
    show(out, code, Address::Entry(f as usize))?;
    match depth {
        Some((bytes, of)) => writeln!(out, "  stack: {} of {} KiB used", bytes >> 10, of >> 10),
        None => Ok(()),
    }
}

/// Bytes used of a stack, and bytes of it.
fn depth_of(stack: Stack, class: Class) -> (usize, usize) {
    (checkers::unreported(|| stack.depth(class)), class.size())
}

/// Where the goroutine was started and how deep it went, of the caller's own.
fn own_start(out: &mut Out, code: &Code, g: &'static G) -> fmt::Result {
    let (stack, class) = (g.stack.get(), g.class.get());
    started(out, code, g.entry.get(), (!stack.is_none()).then(|| depth_of(stack, class)))
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

/// The frames on a stack from `sp` on. The stack stays mapped: it is the caller's own, or a pin is on.
fn frames_of(code: &Code, stack: Stack, class: Class, sp: *const u8) -> Frames {
    let mut frames = Frames::NONE;
    let (low, top) = (stack.extent(class).low.cast_const(), stack.top().cast_const());
    if (low..top).contains(&sp) {
        // SAFETY: from the saved stack pointer to the top of a slot, above its guard.
        frames.len = checkers::unreported(|| unsafe { code.scan(sp, top, &mut frames.addresses) });
        checkers::counts_as_written(&mut frames.addresses);
    }
    frames
}

fn show_frames(out: &mut Out, code: &Code, frames: &Frames) -> fmt::Result {
    frames.addresses[..frames.len].iter().try_for_each(|&address| {
        out.write_str("  ")?;
        show(out, code, Address::Return(address))
    })
}

fn show(out: &mut Out, code: &Code, address: Address) -> fmt::Result {
    match (frames::place(&code.symbols, address), address) {
        (Some(place), _) => line(out, &place),
        (None, Address::Entry(at) | Address::Return(at)) => writeln!(out, "{at:#x}"),
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
