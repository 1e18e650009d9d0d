//! How long does it take to yield to another coroutine? Two coroutines do nothing else. (With two threads each may have one
//! for itself, and then it yields to nobody.)

use std::time::Instant;

fn yielder(size: i64) {
    for _ in 0..size {
        may::coroutine::yield_now();
    }
}

pub fn bench() {
    let size = common::size(2_000_000);
    let start = Instant::now();
    let both = [may::go!(move || yielder(size)), may::go!(move || yielder(size))];
    for one in both {
        one.join().expect("no panic");
    }
    common::report_each("switch", start, 2 * size);
}
