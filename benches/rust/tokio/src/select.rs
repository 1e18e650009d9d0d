//! What does a value cost that a select receives, from four channels with a sender each? The channels have room for 1
//! and for 128.

use std::time::Instant;

use tokio::sync::mpsc;

const SENDERS: i64 = 4;

async fn measure(name: &str, size: i64, capacity: usize) {
    let channel = || {
        let (sender, receiver) = mpsc::channel(capacity);
        let task = async move {
            for i in 0..size {
                sender.send(i).await.expect("a receiver");
            }
            sender.closed().await; // a closed channel would be ready for ever
        };
        (task, receiver)
    };
    let ((ta, mut a), (tb, mut b), (tc, mut c), (td, mut d)) = (channel(), channel(), channel(), channel());
    let mut sum = 0;
    let start = Instant::now();
    for task in [ta, tb, tc, td] {
        tokio::spawn(task);
    }
    for _ in 0..SENDERS * size {
        sum += tokio::select! {
            Some(value) = a.recv() => value,
            Some(value) = b.recv() => value,
            Some(value) = c.recv() => value,
            Some(value) = d.recv() => value,
        };
    }
    common::report_each(name, start, SENDERS * size);
    assert_eq!(sum, SENDERS * (size * (size - 1) / 2));
}

pub async fn bench() {
    let size = common::size(2_000_000) / SENDERS;
    measure("select_unbuffered", size, 1).await;
    measure("select_buffered", size, 128).await;
}
