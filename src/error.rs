//! What can go wrong in a call, as callers see it. `capi` turns it into a negative errno value, nobody else.

/// See `rt_strerror` for what each means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Not now, and the caller did not want to wait.
    Again,
    /// The channel is closed.
    Closed,
    /// Time is over.
    TimedOut,
    /// An impossible argument.
    Invalid,
    /// No memory.
    NoMemory,
    /// Too late.
    Busy,
    /// The runtime stops.
    Canceled,
    /// Nothing can ever happen again.
    Deadlock,
    /// It has to wait, and the runtime is down: `capi` starts it and tries again.
    NotUp,
    /// Not from here, or not what is so.
    NotPermitted,
    /// What the system says: an errno value, above zero.
    Os(i32),
    /// What the resolver says of a name: the number of an EAI code, above zero.
    Name(i32),
}

pub type Result<T = ()> = std::result::Result<T, Error>;
