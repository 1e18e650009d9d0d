//! gort: goroutines, channels and a scheduler behind a C ABI.
//!
//! The map of the house, from the bottom up; a room uses only rooms above it in this list:
//!
//! * `error`: what can go wrong in a call.
//! * `sys`: the system and the processor: context switch, stacks, futexes, locks, clocks, threads.
//! * `time::heap`, `time::timeout`: a heap of times; the timeouts of calls.
//! * `sched`: goroutines, threads, Ps; park and ready, the waist that everything else stands on.
//! * `sync`: channels, select, mutex, rwmutex, cond, once, semaphore, waitgroup.
//! * `time`: sleep and timers.
//! * `net`: descriptors: the poller, reading and writing, sockets, files, names.
//! * `scope`: contexts, groups, goroutine-local keys.
//! * `observe`: dumps and counts.
//! * `rt`: birth and death of the runtime.
//! * `capi`: the only room with C types. `include/gort.h` is generated from it.
//! * `python`: the shim of the Python package.
//!
//! `docs/ARCHITECTURE.md` says more. Built with `--cfg loom`, only the protocols and their models remain.

#![cfg_attr(loom, allow(dead_code, unused_imports, reason = "a model build has no callers but the models"))]

mod error;
mod net;
mod sched;
mod scope;
mod sync;
mod sys;
mod time;

#[cfg(not(loom))]
mod capi;
#[cfg(not(loom))]
mod observe;
#[cfg(not(loom))]
mod python;
#[cfg(not(loom))]
mod rt;
