//! The shim of the Python package: what it needs of the library that ctypes can't give it. Private between the two: not in
//! `gort.h`, and without meaning for a program that has no Python, whose functions it finds by name (`table.rs`).
//!
//! * `state`: a thread state of Python's for each goroutine, and the gate that closes when Python ends.
//! * `runner`: goroutines that run Python.
//! * `locals`: what `threading.local` keeps, between two functions of a runner.
//! * `calls`, `channels`, `descriptors`: built-in functions for what is called often. Those of `calls` and
//!   `channels` release Python's lock only where they must wait, those of `descriptors` for each system call. They cost a fifth of
//!   a call through ctypes. `args` is what they share.

mod args;
mod calls;
mod channels;
mod descriptors;
mod locals;
mod runner;
mod state;
mod table;

use std::ffi::{c_int, c_void};

/// Changes whenever the package and the library would not understand each other.
const ABI: c_int = 3;

/// Which version of the shim this is.
#[unsafe(no_mangle)]
pub extern "C" fn gort_py_abi() -> c_int {
    ABI
}

/// Puts the shim's functions into `namespace`, a dict. `fail` raises what a code of the library means. Called through PyDLL.
/// Answers 0; 1: this Python lacks something; 2: the slot of thread states was not found; 3: Python has an exception;
/// 4: it is not the main interpreter that asks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gort_py_attach(namespace: *mut c_void, fail: *mut c_void) -> c_int {
    if !table::load() {
        return 1;
    }
    // SAFETY: the caller holds Python's lock.
    if unsafe { (table::py().PyInterpreterState_Get)() != (table::py().PyInterpreterState_Main)() } {
        return 4;
    }
    if !state::find_slot() {
        return 2;
    }
    // SAFETY: the caller holds Python's lock and passes two objects.
    if unsafe { calls::offer(namespace, fail) } { 0 } else { 3 }
}
