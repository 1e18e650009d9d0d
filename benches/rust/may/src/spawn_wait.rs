//! How long until a coroutine that was just spawned has run, and the one who waits for it goes on?

use std::time::Instant;

pub fn bench() {
    let size = common::size(1_000_000);
    let start = Instant::now();
    for _ in 0..size {
        may::go!(|| ()).join().expect("no panic");
    }
    common::report_each("spawn_wait", start, size);
}
