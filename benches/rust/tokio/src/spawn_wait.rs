//! How long until a task that was just spawned has run, and the one who waits for it goes on?

use std::time::Instant;

pub async fn bench() {
    let size = common::size(1_000_000);
    let start = Instant::now();
    for _ in 0..size {
        tokio::spawn(async {}).await.expect("no panic");
    }
    common::report_each("spawn_wait", start, size);
}
