//! How long do the first 2,000 primes take by the sieve of tasks? See sieve.c. The channels have room for 1.

use std::time::Instant;

use tokio::sync::mpsc;

pub async fn bench() {
    let size = common::size(2000);
    let (mut prime, mut sum) = (0, 0);
    let (to, mut from) = mpsc::channel(1);
    let start = Instant::now();
    tokio::spawn(async move {
        for i in 2i64.. {
            if to.send(i).await.is_err() {
                break;
            }
        }
    });
    for _ in 0..size {
        prime = from.recv().await.expect("a sender");
        sum += prime;
        let (to, next) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(value) = from.recv().await {
                if value % prime != 0 && to.send(value).await.is_err() {
                    break;
                }
            }
        });
        from = next;
    }
    common::report("sieve", start.elapsed().as_secs_f64() * 1e3, "ms");
    common::sieve_check(size, prime, sum);
}
