//! How long does it take to yield to another task? Two tasks do nothing else. (With two threads each may have one for
//! itself, and then it yields to nobody.)

use std::time::Instant;

async fn yielder(size: i64) {
    for _ in 0..size {
        tokio::task::yield_now().await;
    }
}

pub async fn bench() {
    let size = common::size(2_000_000);
    let start = Instant::now();
    let both = [tokio::spawn(yielder(size)), tokio::spawn(yielder(size))];
    for one in both {
        one.await.expect("no panic");
    }
    common::report_each("switch", start, 2 * size);
}
