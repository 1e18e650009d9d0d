//! Counts of the whole runtime, gathered from where they are kept. Each is exact in itself; together they are of no one
//! moment.

use crate::net::poll;
use crate::sched::{global, m, monitor, retake, spawn};
use crate::sys::stack;
use std::sync::atomic::Ordering::Relaxed;

/// See `rt_stats` in the header.
#[derive(Clone, Copy, Default)]
pub struct Stats {
    pub goroutines: u64,
    pub goroutines_total: u64,
    pub threads: u64,
    pub procs: u64,
    pub switches: u64,
    pub steals: u64,
    pub handoffs: u64,
    pub timers: u64,
    pub poll_fds: u64,
    pub stack_bytes_reserved: u64,
    pub stack_bytes_resident: u64,
}

pub fn read() -> Stats {
    if global::procs() == 0 {
        return Stats { goroutines_total: spawn::total() as u64, ..Stats::default() };
    }
    let (mut switches, mut steals, mut timers) = (0, 0, 0);
    for p in global::all_ps() {
        switches += p.switches.load(Relaxed);
        steals += p.steals.load(Relaxed);
        timers += p.timers.len() as u64;
    }
    timers += global::stranded_ps().map(|p| p.timers.len() as u64).sum::<u64>();
    let (reserved, resident) = stack::usage();
    Stats {
        goroutines: spawn::count().max(0) as u64,
        goroutines_total: spawn::total() as u64,
        threads: monitor::threads() as u64,
        procs: global::procs() as u64,
        switches,
        steals,
        handoffs: m::all().map(|m| m.handoffs.load(Relaxed)).sum::<u64>() + retake::total(),
        timers,
        poll_fds: poll::waited_on() as u64,
        stack_bytes_reserved: reserved as u64,
        stack_bytes_resident: resident as u64,
    }
}
