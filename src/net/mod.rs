//! Descriptors: a goroutine that has to wait for one parks, and the scheduler's idle threads wait for all of them.
//!
//! From the bottom up:
//!
//! | file | what it is |
//! |---|---|
//! | `word.rs` | the word of a descriptor and a direction: how a waiter and an event find each other |
//! | `life.rs` | who is inside the kernel with a number, and when it may be given back |
//! | `desc.rs` | a descriptor's record; waiting on one or several |
//! | `table.rs` | the records, by number |
//! | `epoll.rs`, `poll.rs` | the backend; the poller, and what a backend must offer |
//! | `kernel.rs` | the system calls |
//! | `call.rs` | the shape of every call: enter, try, wait, leave |
//! | `ring.rs`, `at_once.rs` | calls that would block, handed to io_uring; those that it answers at once |
//! | `io.rs`, `socket.rs`, `file.rs` | reading and writing anything; what only sockets know; files |
//! | `ready.rs` | readiness, deadlines, close |
//! | `names.rs`, `tcp.rs` | names; TCP by "host:port" |

pub mod desc;
pub mod life;
pub mod word;

#[cfg(all(test, loom))]
mod models;

#[cfg(not(loom))]
pub mod at_once;
#[cfg(not(loom))]
mod call;
#[cfg(not(loom))]
mod epoll;
#[cfg(not(loom))]
pub mod file;
#[cfg(not(loom))]
pub mod io;
#[cfg(not(loom))]
mod kernel;
#[cfg(not(loom))]
pub mod names;
#[cfg(not(loom))]
pub mod poll;
#[cfg(not(loom))]
pub mod ready;
#[cfg(not(loom))]
pub mod ring;
#[cfg(not(loom))]
pub mod socket;
#[cfg(not(loom))]
mod table;
#[cfg(not(loom))]
pub mod tcp;
