//! What does a task cost that another forks and joins? See fib.c. Recursion needs a box for each call here.

use std::pin::Pin;
use std::time::Instant;

type Part = Pin<Box<dyn Future<Output = i64> + Send>>;

fn forks(n: i64, cut_off: i64) -> Part {
    Box::pin(async move {
        if n <= cut_off {
            return common::fib_serial(n);
        }
        let one = tokio::spawn(forks(n - 1, cut_off));
        let two = forks(n - 2, cut_off).await;
        one.await.expect("no panic") + two
    })
}

async fn measure(name: &str, n: i64, cut_off: i64) {
    let start = Instant::now();
    let result = forks(n, cut_off).await;
    common::report_each(name, start, common::fib_count(n, cut_off));
    common::fib_check(n, result);
}

pub async fn bench() {
    let n = common::size(38);
    measure("fib10", n, 10).await;
    measure("fib2", n - 10, 2).await;
    common::fib_report_serial();
}
