//! The timeouts of the calls: nanoseconds, with two special values.

use crate::error::{Error, Result};
use crate::sys::clock::NEVER;

/// The special values, as callers pass them.
const FOREVER: i64 = i64::MIN;
const NOWAIT: i64 = 0;

/// `RT_FOREVER` (the least value), `RT_NOWAIT` (0), a time that is over (below 0), or nanoseconds from now.
#[derive(Clone, Copy)]
pub struct Timeout(pub i64);

impl Timeout {
    pub const FOREVER: Timeout = Timeout(FOREVER);
    pub const NOWAIT: Timeout = Timeout(NOWAIT);

    /// The call has to wait: until when, or why not.
    pub fn begin(self) -> Result<i64> {
        match self.0 {
            FOREVER => Ok(NEVER),
            NOWAIT => Err(Error::Again),
            ns if ns < 0 => Err(Error::TimedOut),
            ns => Ok(after(ns)),
        }
    }

    /// The same for waits that begin whatever the time: what is over is a time in the past.
    pub fn when(self) -> i64 {
        match self.0 {
            FOREVER => NEVER,
            ns if ns <= 0 => 0,
            ns => after(ns),
        }
    }
}

#[cfg(not(loom))]
use crate::sys::clock::after;

/// A model has no clock: any time may be over at any moment.
#[cfg(loom)]
fn after(ns: i64) -> i64 {
    ns
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn special_values() {
        assert_eq!(Timeout::FOREVER.begin(), Ok(i64::MAX));
        assert_eq!(Timeout::NOWAIT.begin(), Err(Error::Again));
        assert_eq!(Timeout(-1).begin(), Err(Error::TimedOut));
        assert_eq!(Timeout(i64::MIN + 1).begin(), Err(Error::TimedOut));
        assert_eq!(Timeout(i64::MAX).begin(), Ok(i64::MAX));
        let now = crate::sys::clock::now();
        assert!(Timeout(1000).begin().unwrap() >= now + 1000);
        assert_eq!(Timeout(-5).when(), 0);
    }
}
