//! What a model (`--cfg loom`) has for spawning: each goroutine is a loom thread, and begins at once.

use super::g::{EndHook, GoFn};
use loom::thread::{self, JoinHandle};
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Mutex;

/// See `spawn.rs`.
#[derive(Default)]
pub struct Options {
    pub name: Option<()>,
    pub on_end: Option<EndHook>,
}

/// See `spawn.rs`.
#[derive(Debug)]
pub struct NoMemory;

loom::lazy_static! {
    static ref SPAWNED: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());
}
loom::thread_local!(static OWN_END: Cell<Option<EndHook>> = Cell::new(None));
loom::thread_local!(static REFUSALS: Cell<u32> = Cell::new(0));

/// See `spawn.rs`.
pub fn spawn(f: GoFn, arg: *mut c_void, options: Options) -> Result<i64, NoMemory> {
    let refusals = REFUSALS.with(Cell::get);
    if refusals > 0 {
        REFUSALS.with(|r| r.set(refusals - 1));
        return Err(NoMemory);
    }
    let goroutine = thread::spawn(move || {
        OWN_END.with(|end| end.set(options.on_end));
        // SAFETY: the spawner's promise, as in the runtime: the function may be called with its argument, once.
        unsafe { f(arg) };
        if let Some(hook) = options.on_end {
            // SAFETY: the hook's promise; it runs once, when its goroutine has ended.
            unsafe { (hook.f)(hook.arg) };
        }
    });
    SPAWNED.lock().unwrap().push(goroutine);
    Ok(1)
}

/// See `spawn.rs`.
pub fn own_end() -> Option<EndHook> {
    OWN_END.with(Cell::get)
}

/// The next `n` spawns of the calling thread find no memory.
pub fn refuse(n: u32) {
    REFUSALS.with(|r| r.set(n));
}

/// Waits for all goroutines. The last thing that a model does: those who might spawn have ended.
pub fn join_all() {
    loop {
        let next = SPAWNED.lock().unwrap().pop();
        match next {
            Some(goroutine) => goroutine.join().unwrap(),
            None => return,
        }
    }
}
