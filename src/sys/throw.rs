//! The end of the process by our own hand: an invariant of the runtime is broken, or memory for the scheduler
//! itself is missing. One line, then abort. A caller's mistake is never a throw; it gets an error code.

use std::fmt::{self, Write};

/// A line of at most 240 bytes in memory of its own: no allocation, no thread-local, little stack, since a
/// throw may happen anywhere.
struct Line {
    buf: [u8; 240],
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = self.buf.len() - 1 - self.len;
        let n = s.len().min(room);
        self.buf[self.len..self.len + n].copy_from_slice(&s.as_bytes()[..n]);
        self.len += n;
        Ok(())
    }
}

/// Writes one line to standard error with a single `write`, cut at 240 bytes.
#[cold]
pub fn print_line(args: fmt::Arguments<'_>) {
    let mut line = Line { buf: [0; 240], len: 0 };
    let _ = line.write_fmt(args);
    line.buf[line.len] = b'\n';
    // SAFETY: the buffer holds len + 1 initialised bytes. There is nobody to tell when standard error is gone.
    unsafe {
        libc::write(2, line.buf.as_ptr().cast(), line.len + 1);
    }
}

/// Ends the process: `gort: fatal: ...` and abort.
#[cold]
#[inline(never)]
pub fn throw(args: fmt::Arguments<'_>) -> ! {
    print_line(format_args!("gort: fatal: {args}"));
    std::process::abort()
}

#[macro_export]
macro_rules! throw {
    ($($arg:tt)*) => { $crate::sys::throw::throw(format_args!($($arg)*)) };
}

/// Replaces std's panic hook, which wants thread-locals and tens of KiB of stack: a panic in the library is a
/// throw. Called once, when the runtime starts. The hook belongs to this copy of std, which is ours alone.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let at = info.location().map_or(("?", 0), |l| (l.file(), l.line()));
        throw(format_args!("internal error at {}:{}: {}", at.0, at.1, message(info.payload())));
    }));
}

fn message(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic")
}
