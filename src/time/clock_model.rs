//! What a model (`--cfg loom`) has for a clock: each thread reads the time that it has set.

use std::cell::Cell;

loom::thread_local!(static NOW: Cell<i64> = Cell::new(0));

/// The calling thread's time, which begins at zero.
pub fn set(now: i64) {
    NOW.with(|n| n.set(now));
}

/// See `sys/clock.rs`.
pub fn now() -> i64 {
    NOW.with(Cell::get)
}

/// See `sys/clock.rs`.
pub fn after(ns: i64) -> i64 {
    now().saturating_add(ns)
}
