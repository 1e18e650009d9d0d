//! The benches on tokio, a file each. With one thread it is the runtime of the current thread, the quicker of the two there.
//! What a bench does is a task, not the future of `block_on`, which runs beside the workers.
//!
//! tokio has no unbuffered channel: an mpsc with room for 1 stands for it, and a wait of the sender less comes of that.
//! It has no channel with several receivers, its timers cannot be stopped, and a task that computes or blocks in the
//! kernel holds up all others of its thread: there are no such benches here.

mod buffered;
mod echo;
mod fib;
mod go;
mod lateness;
mod mutex;
mod parked;
mod pingpong;
mod ring;
mod select;
mod sieve;
mod skynet;
mod sleepers;
mod spawn_wait;
mod switch;
mod try_recv;

use std::time::Duration;

fn run(bench: impl Future<Output = ()> + Send + 'static) {
    let runtime = match common::procs() {
        1 => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        procs => tokio::runtime::Builder::new_multi_thread().worker_threads(procs).enable_all().build(),
    }
    .expect("a runtime");
    runtime.block_on(async { tokio::spawn(bench).await.expect("no panic") });
    // Tasks may be left, as in the other languages.
    std::mem::forget(runtime);
}

fn main() {
    match common::name().as_str() {
        "buffered" => run(buffered::bench()),
        "echo" => run(echo::bench()),
        "fib" => run(fib::bench()),
        "go" => run(go::bench()),
        "lateness" => run(lateness::bench()),
        "mutex" => run(mutex::bench()),
        "parked" => run(parked::bench()),
        "pingpong" => run(pingpong::bench()),
        "ring" => run(ring::bench()),
        "select" => run(select::bench()),
        "sieve" => run(sieve::bench()),
        "skynet" => run(skynet::bench()),
        "sleep" => run(sleepers::bench("sleep", 100_000, Duration::from_millis(100))),
        "sleep1m" => run(sleepers::bench("sleep1m", 1_000_000, Duration::from_secs(1))),
        "spawn_wait" => run(spawn_wait::bench()),
        "switch" => run(switch::bench()),
        "try_recv" => run(try_recv::bench()),
        other => panic!("there is no bench {other}"),
    }
    std::process::exit(0);
}
