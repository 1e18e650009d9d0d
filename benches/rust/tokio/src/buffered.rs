//! What does an element cost on its way from one producer to one consumer, over a channel that holds 128?

use std::time::Instant;

use tokio::sync::mpsc;

pub async fn bench() {
    let size = common::size(10_000_000);
    let (sender, mut receiver) = mpsc::channel(128);
    let mut sum = 0;
    let start = Instant::now();
    tokio::spawn(async move {
        for i in 0..size {
            sender.send(i).await.expect("a receiver");
        }
    });
    while let Some(value) = receiver.recv().await {
        sum += value;
    }
    common::report_each("buffered", start, size);
    assert_eq!(sum, size * (size - 1) / 2);
}
