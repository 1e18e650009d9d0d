//! `rt_sleep`: a park that only time ends.

use crate::error::Result;
use crate::sched::park::{self, Commit};
use crate::sched::state::Kind;
use crate::sys::clock;

/// Waits `ns` nanoseconds; zero or less is over at once.
pub fn sleep(ns: i64) -> Result {
    if ns <= 0 {
        return Ok(());
    }
    let wait = park::prepare(Kind::Sleep, clock::after(ns))?;
    // Nobody else can claim it, so it can only have been time.
    let _ = park::park(wait, c"sleep", Commit::none());
    Ok(())
}
