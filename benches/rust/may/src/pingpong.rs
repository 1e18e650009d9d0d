//! How long does a value take to another coroutine and back, over two channels?

use std::time::Instant;

use may::sync::mpsc;

pub fn bench() {
    let size = common::size(1_000_000);
    let (ping, pings) = mpsc::channel();
    let (pong, pongs) = mpsc::channel();
    may::go!(move || {
        for value in pings.iter() {
            pong.send(value).expect("a receiver");
        }
    });
    let mut sum = 0;
    let start = Instant::now();
    for i in 0..size {
        ping.send(i).expect("a receiver");
        sum += pongs.recv().expect("a sender");
    }
    common::report_each("pingpong", start, size);
    assert_eq!(sum, size * (size - 1) / 2);
}
