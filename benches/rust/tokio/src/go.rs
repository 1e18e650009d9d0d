//! What does a task cost from its spawn to its end, and how much memory do a million of them take that nobody waits for?

use std::time::Instant;

pub async fn bench() {
    let size = common::size(1_000_000);
    let metrics = tokio::runtime::Handle::current().metrics();
    let start = Instant::now();
    for _ in 0..size {
        tokio::spawn(async {});
    }
    let spawned = start.elapsed();
    while metrics.num_alive_tasks() > 1 {
        tokio::task::yield_now().await;
    }
    common::report_each("go", start, size);
    common::report("go_spawn", spawned.as_nanos() as f64 / size as f64, "ns");
    common::report("go_peak", common::memory_kib("VmHWM:") as f64 * 1024.0 / 1e6, "MB");
}
