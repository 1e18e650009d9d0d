//! What do 1,000,000 tasks cost that all wait for the same: how long until all are there and wait, how much memory does
//! each hold, and how long until all were woken and have ended? They wait for a semaphore that is closed in the end, for
//! tokio has no channel with several receivers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::*};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};

struct All {
    gate: Semaphore,
    arrived: AtomicI64,
    ended: AtomicI64,
    none_left: Notify,
}

async fn parked(all: Arc<All>) {
    if all.arrived.fetch_sub(1, AcqRel) == 1 {
        all.none_left.notify_one();
    }
    assert!(all.gate.acquire().await.is_err());
    if all.ended.fetch_sub(1, AcqRel) == 1 {
        all.none_left.notify_one();
    }
}

fn memory_kib() -> i64 {
    common::memory_kib("VmRSS:") + common::memory_kib("VmPTE:")
}

pub async fn bench() {
    let size = common::size(1_000_000);
    let rest = std::env::args().nth(3).map_or(3, |rest| rest.parse().expect("seconds"));
    let (arrived, ended) = (AtomicI64::new(size), AtomicI64::new(size));
    let all = Arc::new(All { gate: Semaphore::new(0), arrived, ended, none_left: Notify::new() });
    let before_kib = memory_kib();

    let start = Instant::now();
    for _ in 0..size {
        tokio::spawn(parked(all.clone()));
    }
    all.none_left.notified().await;
    common::report("parked_create", start.elapsed().as_secs_f64(), "s");

    tokio::time::sleep(Duration::from_millis(100)).await;
    common::report("parked_bytes", (memory_kib() - before_kib) as f64 * 1024.0 / size as f64, "B");

    let start = Instant::now();
    all.gate.close();
    all.none_left.notified().await;
    common::report("parked_release", start.elapsed().as_secs_f64(), "s");

    if rest > 0 {
        tokio::time::sleep(Duration::from_secs(rest)).await;
        let left = common::memory_kib("VmRSS:") as f64 / common::memory_kib("VmHWM:") as f64;
        common::report("parked_left", 100.0 * left, "%");
    }
}
