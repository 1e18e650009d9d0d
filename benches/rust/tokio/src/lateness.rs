//! How late do 1,000 tasks wake that each sleep 1 ms, 1,000 times? tokio's timers count in ms, and round up.

use std::time::{Duration, Instant};

const SLEEP: Duration = Duration::from_millis(1);

async fn sleeper(size: i64) -> Vec<Duration> {
    let mut late = vec![SLEEP; size as usize];
    for mine in &mut late {
        let start = Instant::now();
        tokio::time::sleep(SLEEP).await;
        *mine = start.elapsed() - SLEEP;
    }
    late
}

pub async fn bench() {
    let size = common::size(1000);
    let before = common::cpu();
    let all: Vec<_> = (0..1000).map(|_| tokio::spawn(sleeper(size))).collect();
    let mut late = Vec::new();
    for one in all {
        late.extend(one.await.expect("no panic"));
    }
    common::report_lateness(before, late);
}
