//! What do many tasks cost that sleep at the same time, each once and for a random time, and how late do they wake? See
//! sleepers.h. tokio's timers count in ms, and round up.

use std::time::{Duration, Instant};

async fn sleep(ns: Duration) -> Duration {
    let start = Instant::now();
    tokio::time::sleep(ns).await;
    start.elapsed() - ns
}

pub async fn bench(name: &'static str, usual: i64, longest: Duration) {
    let count = common::size(usual);
    let sleeps = common::random_sleeps(count, longest);
    let start = Instant::now();
    let all: Vec<_> = sleeps.into_iter().map(|ns| tokio::spawn(sleep(ns))).collect();
    let mut late = Vec::with_capacity(count as usize);
    for one in all {
        late.push(one.await.expect("no panic"));
    }
    common::report_sleepers(name, start, late);
}
