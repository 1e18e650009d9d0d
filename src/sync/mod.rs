//! Channels and locks: everything here is a queue of waiters and the waist of the scheduler.

pub mod block;
pub mod chan;
pub mod select;
pub mod waitq;

pub mod cond;
pub mod mutex;
pub mod once;
pub mod rwmutex;
pub mod sema;
pub mod waitgroup;
pub mod wordlock;

#[cfg(all(test, loom))]
mod models;
