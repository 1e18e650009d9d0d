//! What does a tree of tasks cost, per leaf? See skynet.c. The channels have room for 1.

use std::pin::Pin;
use std::time::Instant;

use tokio::sync::mpsc;

const CHILDREN: i64 = 10;

fn run(up: mpsc::Sender<i64>, first: i64, leaves: i64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let mut sum = first;
        if leaves > 1 {
            let (to, mut sums) = mpsc::channel(1);
            let leaves = leaves / CHILDREN;
            for i in 0..CHILDREN {
                tokio::spawn(run(to.clone(), first + i * leaves, leaves));
            }
            sum = 0;
            for _ in 0..CHILDREN {
                sum += sums.recv().await.expect("a sender");
            }
        }
        up.send(sum).await.expect("a receiver");
    })
}

pub async fn bench() {
    let size = common::size(1_000_000);
    let (up, mut top) = mpsc::channel(1);
    let start = Instant::now();
    tokio::spawn(run(up, 0, size));
    let sum = top.recv().await.expect("a sender");
    common::report_each("skynet", start, size);
    assert_eq!(sum, size * (size - 1) / 2);
}
