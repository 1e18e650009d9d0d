//! How long does a value take to another task and back, over two channels with room for 1?

use std::time::Instant;

use tokio::sync::mpsc;

pub async fn bench() {
    let size = common::size(1_000_000);
    let (ping, mut pings) = mpsc::channel(1);
    let (pong, mut pongs) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(value) = pings.recv().await {
            pong.send(value).await.expect("a receiver");
        }
    });
    let mut sum = 0;
    let start = Instant::now();
    for i in 0..size {
        ping.send(i).await.expect("a receiver");
        sum += pongs.recv().await.expect("a sender");
    }
    common::report_each("pingpong", start, size);
    assert_eq!(sum, size * (size - 1) / 2);
}
