//! What belongs to a piece of work as a whole: contexts, which tell all who take part that it is over; groups of goroutines
//! that are waited for as one; and what a goroutine keeps for itself under keys.
//!
//! | file | what it is |
//! |---|---|
//! | `ring.rs` | lists linked through what stands on them |
//! | `context.rs` | contexts: cancellation travels down a tree |
//! | `hook.rs` | functions that run once a context is cancelled |
//! | `group.rs` | groups: the first error cancels the rest |
//! | `key.rs` | the table of keys |
//! | `local.rs` | what one goroutine keeps, and the destructors at its end |

pub mod context;
pub mod hook;
pub mod key;
mod ring;

#[cfg(not(loom))]
pub mod group;
#[cfg(not(loom))]
pub mod local;

#[cfg(all(test, loom))]
mod models;
