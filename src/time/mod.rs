//! Deadlines and sleep. `heap.rs` is pure and stands below the scheduler, whose Ps hold heaps; the rest is built on
//! the waist like everything that blocks.

pub mod timeout;

#[cfg(not(loom))]
pub mod heap;
#[cfg(not(loom))]
pub mod sleep;
#[cfg(not(loom))]
pub mod timer;
