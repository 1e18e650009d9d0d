//! The benches on may, a file each.
//!
//! may's channels have no bound: where the others send over one that blocks, one of a size that is never reached is fair
//! (pingpong, ring), and what needs the bound is left out (buffered, the sieve, select). A stack is a mapping of
//! its own with a guard in another, and the system allows 65,530 of them: what has more coroutines at once is left
//! out, too. So is what asks for coroutines to be interrupted, and timers.

mod echo;
mod lateness;
mod mutex;
mod pingpong;
mod ring;
mod spawn_wait;
mod switch;
mod try_recv;

fn main() {
    let procs = common::procs();
    may::config().set_workers(procs).set_pool_capacity(10_000);
    let bench = match common::name().as_str() {
        "echo" => echo::bench,
        "lateness" => lateness::bench,
        "mutex" => mutex::bench,
        "pingpong" => pingpong::bench,
        "ring" => ring::bench,
        "spawn_wait" => spawn_wait::bench,
        "switch" => switch::bench,
        "try_recv" => try_recv::bench,
        other => panic!("there is no bench {other}"),
    };
    may::go!(bench).join().expect("no panic");
    std::process::exit(0);
}
