//! A full fence on every running thread of the process: the slow side of a handshake whose fast side has none.

use std::sync::atomic::{AtomicBool, Ordering::*, fence};

const REGISTER: i32 = 1 << 4;
const EXPEDITED: i32 = 1 << 3;

static REGISTERED: AtomicBool = AtomicBool::new(false);

fn membarrier(command: i32) -> bool {
    // SAFETY: no memory of ours is involved.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Tells the kernel that this process will ask. Again after a fork.
pub fn register() {
    REGISTERED.store(membarrier(REGISTER) && membarrier(EXPEDITED), Relaxed);
}

/// As if the kernel had none.
pub fn do_without() {
    REGISTERED.store(false, Relaxed);
}

/// Whether the barrier is the kernel's, and so costs microseconds and not milliseconds.
pub fn is_cheap() -> bool {
    REGISTERED.load(Relaxed)
}

/// The same, if the kernel has it; false if not: then nothing was done.
pub fn on_running() -> bool {
    fence(SeqCst);
    let done = REGISTERED.load(Relaxed) && membarrier(EXPEDITED);
    fence(SeqCst);
    done
}

/// The same for threads whose entries have a fence where the kernel has no barrier.
pub fn on_entries() {
    fence(SeqCst);
    if REGISTERED.load(Relaxed) {
        membarrier(EXPEDITED);
    }
    fence(SeqCst);
}

/// After it, whatever another thread wrote before is seen here, and whatever was written here before is seen by what the
/// others read from now on.
pub fn everywhere() {
    fence(SeqCst);
    if !REGISTERED.load(Relaxed) || !membarrier(EXPEDITED) {
        // Without the call (old kernels, emulators): store buffers drain, and threads are switched, in far less.
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    fence(SeqCst);
}
