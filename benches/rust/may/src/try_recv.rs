//! What does it cost to ask a channel that is empty for a value, by a call that never waits?

use std::time::Instant;

use may::sync::mpsc;

pub fn bench() {
    let size = common::size(100_000_000);
    let (sender, receiver) = mpsc::channel::<i64>();
    let mut found = 0;
    let start = Instant::now();
    for _ in 0..size {
        found += i64::from(receiver.try_recv().is_ok());
    }
    common::report_each("try_recv", start, size);
    assert_eq!(found, 0);
    drop(sender);
}
