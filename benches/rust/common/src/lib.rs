//! What every bench in Rust needs, as `bench.h` has it for those in C. A program is called with the name of a bench and,
//! maybe, its size; the threads are as many as RT_MAXPROCS says.

use std::time::{Duration, Instant};

pub const LCG: u64 = 6364136223846793005;
pub const LCG_ADD: u64 = 1442695040888963407;

pub fn name() -> String {
    std::env::args().nth(1).expect("usage: PROGRAM BENCH [SIZE]")
}

/// The argument after the name, or what the bench is meant to run with.
pub fn size(usual: i64) -> i64 {
    std::env::args().nth(2).map_or(usual, |size| size.parse().expect("a size"))
}

pub fn procs() -> usize {
    std::env::var("RT_MAXPROCS").map_or(1, |procs| procs.parse().expect("RT_MAXPROCS"))
}

pub fn report(name: &str, value: f64, unit: &str) {
    println!("{name} {value:.6} {unit}");
}

pub fn report_each(name: &str, start: Instant, count: i64) {
    report(name, start.elapsed().as_nanos() as f64 / count as f64, "ns");
}

/// What /proc has under a name such as "VmRSS:".
pub fn memory_kib(name: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// The CPU time of the process.
pub fn cpu() -> Duration {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists, and `t` is there to be written.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

/// Takes that many steps, one after the other. A compiler that saw through them would make one of several.
#[inline(always)]
pub fn lcg_steps(mut random: u64, steps: i32) -> u64 {
    for _ in 0..steps {
        random = random.wrapping_mul(LCG).wrapping_add(LCG_ADD);
        // SAFETY: there is no instruction; it only looks as if it changed the number.
        unsafe { std::arch::asm!("/* {0} */", inout(reg) random, options(nomem, nostack, preserves_flags)) };
    }
    random
}

/// How long each of so many sleepers is to sleep: the same random times as in C and Go.
pub fn random_sleeps(count: i64, longest: Duration) -> Vec<Duration> {
    let mut random = 1u64;
    let next = |_| {
        random = random.wrapping_mul(LCG).wrapping_add(LCG_ADD);
        Duration::from_nanos((random >> 27) % longest.as_nanos() as u64)
    };
    (0..count).map(next).collect()
}

/// The lateness at which this part of all is below, in us.
pub fn percentile(sorted: &[Duration], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part) as usize;
    sorted[at.min(sorted.len() - 1)].as_nanos() as f64 / 1e3
}

/// What `sleepers.h` prints.
pub fn report_sleepers(name: &str, start: Instant, mut late: Vec<Duration>) {
    report(&format!("{name}_wall"), start.elapsed().as_secs_f64(), "s");
    report(&format!("{name}_cpu"), cpu().as_secs_f64(), "s");
    late.sort_unstable();
    report(&format!("{name}_late_p50"), percentile(&late, 0.5), "us");
    report(&format!("{name}_late_p99"), percentile(&late, 0.99), "us");
}

/// What `lateness.c` prints.
pub fn report_lateness(before: Duration, mut late: Vec<Duration>) {
    let used = cpu() - before;
    late.sort_unstable();
    report("lateness_p50", percentile(&late, 0.5), "us");
    report("lateness_p99", percentile(&late, 0.99), "us");
    report("lateness_max", percentile(&late, 1.0), "us");
    report("lateness_cpu", used.as_nanos() as f64 / late.len() as f64, "ns");
}

/// Computes it without goroutines, as `fib.c` does from its cut-off on.
#[inline(never)]
pub fn fib_serial(n: i64) -> i64 {
    if n < 2 { n } else { fib_serial(n - 1) + fib_serial(n - 2) }
}

/// How many goroutines fork-join takes.
pub fn fib_count(n: i64, cut_off: i64) -> i64 {
    if n <= cut_off { 0 } else { 1 + fib_count(n - 1, cut_off) + fib_count(n - 2, cut_off) }
}

pub fn fib_check(n: i64, result: i64) {
    let (mut a, mut b) = (0, 1);
    for _ in 0..n {
        (a, b) = (b, a + b);
    }
    assert_eq!(result, a);
}

pub fn fib_report_serial() {
    const SERIAL: i64 = 100000;
    let start = Instant::now();
    let sum: i64 = (0..SERIAL).map(|i| fib_serial(std::hint::black_box(9 + i % 2))).sum();
    report_each("fib_serial", start, SERIAL);
    assert_eq!(sum, SERIAL / 2 * (34 + 55));
}

/// What follows the last prime of so many, in `sieve.c`.
pub fn sieve_check(size: i64, prime: i64, sum: i64) {
    assert!(size != 2000 || (prime, sum) == (17389, 16274627));
    assert!(size != 300 || prime == 1987);
}

/// Runs the client of the echo benches for so many milliseconds, and prints what they print. It asks at this port.
pub fn echo_client(port: u16, ms: i64) -> f64 {
    let client = std::env::var("ECHO_CLIENT").expect("ECHO_CLIENT");
    let out = std::process::Command::new(client).args([port.to_string(), ms.to_string()]).output().expect("the client");
    String::from_utf8_lossy(&out.stdout).trim().parse().expect("a number of answers")
}

pub fn echo_report(before: Duration, start: Instant, answers: f64) {
    let (took, used) = (start.elapsed().as_secs_f64(), (cpu() - before).as_secs_f64());
    report("echo", answers / took, "requests/s");
    report("echo_cpu", used / answers * 1e6, "us/request");
}
