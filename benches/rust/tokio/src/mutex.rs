//! What does a lock of a mutex cost that eight tasks want, for one increment each time? See mutex.c. It is tokio's own
//! mutex, which may be held across a wait.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;

const LOCKERS: i64 = 8;

#[derive(Default)]
#[repr(align(64))]
struct Shared {
    counter: i64,
    random: u64,
}

async fn locker(shared: Arc<Mutex<Shared>>, size: i64, steps: i32) {
    let mut random = 1u64;
    for _ in 0..size {
        shared.lock().await.counter += 1;
        random = common::lcg_steps(random, steps);
    }
    let mut shared = shared.lock().await;
    shared.random = shared.random.wrapping_add(random);
}

async fn measure(name: &str, size: i64, steps: i32) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    let start = Instant::now();
    let all: Vec<_> = (0..LOCKERS).map(|_| tokio::spawn(locker(shared.clone(), size, steps))).collect();
    for one in all {
        one.await.expect("no panic");
    }
    common::report_each(name, start, LOCKERS * size);
    let shared = shared.lock().await;
    assert_eq!(shared.counter, LOCKERS * size);
    std::hint::black_box(shared.random);
}

pub async fn bench() {
    let size = common::size(10_000_000) / LOCKERS;
    measure("mutex", size, 0).await;
    measure("mutex_work", size, 64).await;
}
