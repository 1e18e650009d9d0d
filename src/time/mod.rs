//! Deadlines and sleep. `heap.rs` is pure and stands below the scheduler, whose Ps hold heaps; the rest is built on
//! the waist like everything that blocks.

pub mod heap;
pub mod timeout;
pub mod timer;

#[cfg(not(loom))]
pub mod sleep;

#[cfg(loom)]
mod clock_model;
#[cfg(all(test, loom))]
mod models;
