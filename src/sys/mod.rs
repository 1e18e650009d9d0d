//! What the operating system and the processor give: switches, stacks, the thread-local word, futexes, clocks.
//!
//! This room has never heard of goroutines. Everything above may use it; it uses nothing of the crate.

pub mod atomic;
pub mod futex;
pub mod lock;
pub mod throw;

#[cfg(not(loom))]
pub mod barrier;
#[cfg(loom)]
pub mod barrier_model;
#[cfg(not(loom))]
pub mod bits;
#[cfg(not(loom))]
pub mod checkers;
pub mod clock;
#[cfg(not(loom))]
pub mod context;
#[cfg(not(loom))]
pub mod cpu;
#[cfg(not(loom))]
pub mod cxx;
#[cfg(not(loom))]
pub mod env;
#[cfg(not(loom))]
pub mod errno;
#[cfg(not(loom))]
pub mod fault;
#[cfg(not(loom))]
pub mod files;
#[cfg(not(loom))]
pub mod guard;
#[cfg(not(loom))]
pub mod inject;
#[cfg(not(loom))]
pub mod mem;
#[cfg(not(loom))]
pub mod memory_limit;
#[cfg(not(loom))]
pub mod slab;
#[cfg(not(loom))]
pub mod stack;
#[cfg(not(loom))]
pub mod syscall;
#[cfg(not(loom))]
pub mod text;
#[cfg(not(loom))]
pub mod thread;
#[cfg(not(loom))]
pub mod ticks;
#[cfg(not(loom))]
pub mod tls;
#[cfg(not(loom))]
pub mod uring;
