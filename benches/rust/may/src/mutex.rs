//! What does a lock of a mutex cost that eight coroutines want, for one increment each time? See mutex.c.

use std::sync::Arc;
use std::time::Instant;

use may::sync::Mutex;

const LOCKERS: i64 = 8;

#[derive(Default)]
#[repr(align(64))]
struct Shared {
    counter: i64,
    random: u64,
}

fn locker(shared: &Mutex<Shared>, size: i64, steps: i32) {
    let mut random = 1u64;
    for _ in 0..size {
        shared.lock().expect("no panic").counter += 1;
        random = common::lcg_steps(random, steps);
    }
    let mut shared = shared.lock().expect("no panic");
    shared.random = shared.random.wrapping_add(random);
}

fn measure(name: &str, size: i64, steps: i32) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    let start = Instant::now();
    let spawn = |_| {
        let shared = shared.clone();
        may::go!(move || locker(&shared, size, steps))
    };
    let all: Vec<_> = (0..LOCKERS).map(spawn).collect();
    for one in all {
        one.join().expect("no panic");
    }
    common::report_each(name, start, LOCKERS * size);
    let shared = shared.lock().expect("no panic");
    assert_eq!(shared.counter, LOCKERS * size);
    std::hint::black_box(shared.random);
}

pub fn bench() {
    let size = common::size(10_000_000) / LOCKERS;
    measure("mutex", size, 0);
    measure("mutex_work", size, 64);
}
