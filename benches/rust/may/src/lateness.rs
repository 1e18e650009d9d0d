//! How late do 1,000 coroutines wake that each sleep 1 ms, 1,000 times?

use std::time::{Duration, Instant};

const SLEEP: Duration = Duration::from_millis(1);

fn sleeper(size: i64) -> Vec<Duration> {
    let mut late = vec![SLEEP; size as usize];
    for mine in &mut late {
        let start = Instant::now();
        may::coroutine::sleep(SLEEP);
        *mine = start.elapsed() - SLEEP;
    }
    late
}

pub fn bench() {
    let size = common::size(1000);
    let before = common::cpu();
    let all: Vec<_> = (0..1000).map(|_| may::go!(move || sleeper(size))).collect();
    let mut late = Vec::new();
    for one in all {
        late.extend(one.join().expect("no panic"));
    }
    common::report_lateness(before, late);
}
