//! The scheduler: goroutines (G) run on OS threads (M) that hold a P, the right to run goroutine code.
//!
//! The names, the order in which work is found and the idle protocol are Go's (runtime/proc.go); what differs, and why:
//!
//! * A goroutine that leaves switches straight to the next one of its P, without the scheduler's stack (`run.rs`).
//! * Stacks are bound at the first run, and a goroutine that ends hands its stack on (`run.rs`, `sys/stack.rs`).
//! * Any thread of the program takes part: it has a record like a goroutine's, and its parks put the thread to
//!   sleep (`park.rs`).
//! * A thread that finds work wakes another only if there is visibly more; a lone `runnext` as a rule wakes nobody
//!   (`idle.rs`). The sleeper that waits for the earliest deadline is replaced, not woken (`asleep.rs`).
//!
//! From the bottom up:
//!
//! | file | what it is |
//! |---|---|
//! | `state.rs` | the state word: who owns a goroutine, who wins a wake-up |
//! | `g.rs`, `records.rs`, `list.rs` | records and tickets; the table of all; lists |
//! | `timers.rs`, `arm.rs` | the deadlines of a P; the P where a timer goes |
//! | `runq.rs` | the run queue of a P |
//! | `p.rs`, `m.rs` | Ps with their queues and caches; Ms |
//! | `queue.rs` | goroutines queued outside the Ps |
//! | `idle.rs`, `asleep.rs`, `global.rs` | when threads sleep and wake; who sleeps; what all share |
//! | `find.rs`, `run.rs` | finding the next goroutine; switching |
//! | `source.rs` | where idle threads wait for news from outside |
//! | `patience.rs` | goroutines that fight for a channel are left together |
//! | `exit.rs`, `locked.rs` | how a goroutine ends; goroutines locked to a thread |
//! | `home.rs`, `home_thread.rs` | goroutines that share a thread: whose turn it is; the thread |
//! | `host.rs` | what a host of another language asks of its goroutines |
//! | `monitor.rs` | the thread that watches, and makes threads |
//! | `sweep.rs`, `deepest.rs` | giving idle memory back; how deep stacks went |
//! | `attention.rs`, `retake.rs` | how a P is taken from code outside the runtime; when and from whom |
//! | `burners.rs`, `report.rs` | threads without a P, and what they hold back; telling of those that hog |
//! | `blocking.rs` | blocking calls that the program announces |
//! | `park.rs`, `note.rs` | the waist: park and ready; an event on top of it |
//! | `gopark.rs` | a park of the program's own |
//! | `handshake.rs` | in and out of the runtime |
//! | `spawn.rs` | making goroutines |

pub mod arm;
pub mod attention;
pub mod bias;
pub mod home;
pub mod idle;
pub mod next;
pub mod park;
pub mod runq;
pub mod state;
pub mod timers;

#[cfg(loom)]
#[path = "g_model.rs"]
pub mod g;
#[cfg(not(loom))]
pub mod g;
pub mod list;
#[cfg(loom)]
#[path = "spawn_model.rs"]
pub mod spawn;

#[cfg(all(test, loom))]
mod models;
#[cfg(loom)]
pub mod retake_models;

#[cfg(not(loom))]
mod asleep;
#[cfg(not(loom))]
pub mod blocking;
#[cfg(not(loom))]
pub mod burners;
#[cfg(not(loom))]
mod crowd;
#[cfg(not(loom))]
pub mod deepest;
#[cfg(not(loom))]
pub mod exit;
#[cfg(not(loom))]
pub mod find;
#[cfg(not(loom))]
pub mod global;
#[cfg(not(loom))]
pub mod gopark;
#[cfg(not(loom))]
pub mod handshake;
#[cfg(not(loom))]
pub mod home_thread;
#[cfg(not(loom))]
pub mod host;
#[cfg(not(loom))]
pub mod locked;
#[cfg(not(loom))]
pub mod m;
#[cfg(not(loom))]
pub mod monitor;
#[cfg(not(loom))]
pub mod note;
#[cfg(not(loom))]
pub mod p;
#[cfg(not(loom))]
pub mod patience;
#[cfg(not(loom))]
pub mod queue;
#[cfg(not(loom))]
pub mod records;
#[cfg(not(loom))]
pub mod report;
#[cfg(not(loom))]
pub mod retake;
#[cfg(not(loom))]
pub mod run;
#[cfg(not(loom))]
pub mod source;
#[cfg(not(loom))]
pub mod spawn;
#[cfg(not(loom))]
pub mod sweep;
