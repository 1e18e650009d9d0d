//! How long does a value take from one task to the next, around a ring of 1,000 that channels with room for 1 join?

use std::time::Instant;

use tokio::sync::mpsc;

const MEMBERS: i64 = 1000;

pub async fn bench() {
    let rounds = common::size(2_000_000) / MEMBERS;
    let (first, mut from) = mpsc::channel(1);
    for _ in 0..MEMBERS - 1 {
        let (to, next) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(value) = from.recv().await {
                to.send(value + 1).await.expect("a receiver");
            }
        });
        from = next;
    }
    let mut value = 0;
    let start = Instant::now();
    for _ in 0..rounds {
        first.send(value + 1).await.expect("a receiver");
        value = from.recv().await.expect("a sender");
    }
    common::report_each("ring", start, rounds * MEMBERS);
    drop(first);
    assert!(from.recv().await.is_none() && value == rounds * MEMBERS);
}
