//! How long does a value take from one coroutine to the next, around a ring of 1,000 that channels join?

use std::time::Instant;

use may::sync::mpsc;

const MEMBERS: i64 = 1000;

pub fn bench() {
    let rounds = common::size(2_000_000) / MEMBERS;
    let (first, mut from) = mpsc::channel();
    for _ in 0..MEMBERS - 1 {
        let (to, next) = mpsc::channel();
        may::go!(move || {
            for value in from.iter() {
                to.send(value + 1).expect("a receiver");
            }
        });
        from = next;
    }
    let mut value = 0;
    let start = Instant::now();
    for _ in 0..rounds {
        first.send(value + 1).expect("a receiver");
        value = from.recv().expect("a sender");
    }
    common::report_each("ring", start, rounds * MEMBERS);
    drop(first);
    assert!(from.recv().is_err() && value == rounds * MEMBERS);
}
