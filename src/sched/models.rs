//! Models of the scheduler's protocols: every interleaving, within loom's bounds, of the code that ships.

use super::g::G;
use super::home::Line;
use super::idle::Idle;
use super::runq::RunQueue;
use super::state::{Kind, StateWord};
use crate::sys::atomic::{Acquire, AtomicU32, AtomicUsize, Relaxed, Release};
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;

fn bounded(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

/// A goroutine whose saved registers are a cell that loom watches: two owners at once, or an owner that does not
/// see what the near side wrote, fail the model.
struct Parked {
    word: StateWord,
    registers: UnsafeCell<u32>,
    queued: AtomicUsize,
}

// SAFETY: what the state word is there to show.
unsafe impl Sync for Parked {}
// SAFETY: as above.
unsafe impl Send for Parked {}

impl Parked {
    fn running() -> Arc<Self> {
        let word = StateWord::default();
        word.spawn();
        word.run();
        Arc::new(Parked { word, registers: UnsafeCell::new(0), queued: AtomicUsize::new(0) })
    }

    /// Whoever has claimed it queues it, and the next M runs it.
    fn won(&self) {
        // SAFETY: the claim made this thread the owner.
        self.registers.with_mut(|r| unsafe { *r += 1 });
        self.queued.fetch_add(1, Relaxed);
    }
}

/// A park, a stray ready, a ticketed ready and time: exactly one wakes the goroutine.
#[test]
fn loom_park_against_ready_and_time() {
    loom::model(|| {
        let g = Parked::running();
        let token = g.word.next_wait(Kind::Park);
        let stray = {
            let g = g.clone();
            thread::spawn(move || match g.word.waiting_in(Kind::Park) {
                Some(t) if g.word.claim(t) => g.won(),
                _ => {}
            })
        };
        let time = {
            let g = g.clone();
            thread::spawn(move || {
                if g.word.claim(token) {
                    g.won();
                }
            })
        };
        // SAFETY: the goroutine runs here; this is its near side saving registers.
        g.registers.with_mut(|r| unsafe { *r += 1 });
        g.word.wait(token);
        stray.join().unwrap();
        time.join().unwrap();
        let mut woken = g.queued.load(Relaxed);
        if g.word.claim(token) {
            g.won();
            woken += 1;
        }
        assert_eq!(woken, 1);
    });
}

/// `unlockf` answers false while a waker is at it: the goroutine goes on here or there, never both.
#[test]
fn loom_a_refused_park_against_ready() {
    loom::model(|| {
        let g = Parked::running();
        let token = g.word.next_wait(Kind::Park);
        let waker = {
            let g = g.clone();
            thread::spawn(move || {
                if g.word.claim(token) {
                    g.won();
                }
            })
        };
        // SAFETY: as above.
        g.registers.with_mut(|r| unsafe { *r += 1 });
        g.word.wait(token);
        if g.word.take_back(token) {
            g.won();
        }
        waker.join().unwrap();
        assert_eq!(g.queued.load(Relaxed), 1);
    });
}

/// The owner of a run queue pushes and pops while a thief steals: each goroutine comes out exactly once.
#[test]
fn loom_run_queue_against_a_thief() {
    bounded(3, || {
        let victim = Arc::new(RunQueue::new());
        let all: [&'static G; 3] = std::array::from_fn(|_| &*Box::leak(Box::new(G::model())));
        let thief = {
            let victim = victim.clone();
            thread::spawn(move || {
                let own = RunQueue::new();
                let first = own.steal_from(&victim);
                first.into_iter().chain(std::iter::from_fn(|| own.pop())).collect::<Vec<_>>()
            })
        };
        let mut out = Vec::new();
        for (i, g) in all.iter().enumerate() {
            assert!(victim.push(g));
            if i == 1 {
                out.extend(victim.pop());
            }
        }
        out.extend(std::iter::from_fn(|| victim.pop()));
        out.extend(thief.join().unwrap());
        assert_eq!(out.len(), all.len());
        for g in all {
            assert_eq!(out.iter().filter(|o| std::ptr::eq(**o, g)).count(), 1);
        }
    });
}

/// The scheduler in small: one P, one thread that runs it, a queue that is a number.
struct Small {
    idle: Idle,
    queue: AtomicUsize,
    idle_p: Mutex<bool>,
    note: AtomicU32,
}

impl Small {
    fn new() -> Arc<Self> {
        Arc::new(Small {
            idle: Idle::new(),
            queue: AtomicUsize::new(0),
            idle_p: Mutex::new(false),
            note: AtomicU32::new(0),
        })
    }

    fn take_p(&self) -> bool {
        let mut idle_p = self.idle_p.lock().unwrap();
        let had = std::mem::take(&mut *idle_p);
        if had {
            self.idle.p_busy();
        }
        had
    }

    /// As `global::hand_p_over` and `global::stop_spinning`.
    fn wake_one(&self) {
        while self.idle.wake_wanted(|| true) {
            if self.take_p() {
                self.note.store(1, Release);
                return;
            }
            if !self.idle.stop_spinning() || self.idle.idle_ps() == 0 || self.queue.load(Relaxed) == 0 {
                return;
            }
        }
    }

    fn submit(&self) {
        self.queue.fetch_add(1, Release);
        self.wake_one();
    }

    /// A worker's life until it has run `items`; it starts as a spinner with the P, as every woken one does.
    fn work(&self, mut items: usize) {
        self.idle.spin_anyway();
        let mut spinning = true;
        loop {
            let n = self.queue.swap(0, Acquire);
            items -= n;
            if items == 0 {
                return;
            }
            if n > 0 && std::mem::take(&mut spinning) && self.idle.stop_spinning() && self.idle.idle_ps() != 0 {
                unreachable!("the only P is busy");
            }
            *self.idle_p.lock().unwrap() = true;
            self.idle.p_idle();
            if std::mem::take(&mut spinning) {
                let _ = self.idle.stop_spinning();
            } else {
                self.idle.before_recheck();
            }
            if self.queue.load(Relaxed) > 0 && self.take_p() {
                self.idle.spin_anyway();
            } else {
                while self.note.load(Acquire) == 0 {
                    thread::yield_now();
                }
                self.note.store(0, Relaxed);
            }
            spinning = true;
        }
    }
}

/// No goroutine is left on a queue while everybody sleeps. A lost one leaves the worker waiting for ever, which
/// loom reports.
#[test]
fn loom_idle_one_submitter() {
    bounded(3, || {
        let s = Small::new();
        let worker = {
            let s = s.clone();
            thread::spawn(move || s.work(2))
        };
        s.submit();
        s.submit();
        worker.join().unwrap();
    });
}

/// Two submitters: one of them may find the other's count of spinning where no spinner is.
#[test]
fn loom_idle_two_submitters() {
    bounded(3, || {
        let s = Small::new();
        let worker = {
            let s = s.clone();
            thread::spawn(move || s.work(2))
        };
        let other = {
            let s = s.clone();
            thread::spawn(move || s.submit())
        };
        s.submit();
        other.join().unwrap();
        worker.join().unwrap();
    });
}

/// A home in small: its line, the queue in which its carrier stands, and what runs on its thread.
struct Homely {
    line: Line,
    queue: Mutex<Option<&'static G>>,
    running: UnsafeCell<u32>,
}

// SAFETY: `running` is what the protocol guards, and loom watches it.
unsafe impl Sync for Homely {}
// SAFETY: as above.
unsafe impl Send for Homely {}

impl Homely {
    fn new() -> Arc<Self> {
        Arc::new(Homely { line: Line::new(), queue: Mutex::new(None), running: UnsafeCell::new(0) })
    }

    fn queue(&self, g: &'static G) {
        assert!(self.queue.lock().unwrap().replace(g).is_none(), "two carriers");
    }

    fn ready(&self) {
        let g: &'static G = Box::leak(Box::new(G::model()));
        if self.line.ready(g, || ()).is_some() {
            self.queue(g);
        }
    }

    /// The thread's life until it has run `all`. After the first it lets others have its P.
    fn run(&self, all: u32, next: impl Fn(&Line) -> Option<&'static G>) {
        let mut ran = 0;
        loop {
            let mut carrier = loop {
                let brought = self.queue.lock().unwrap().take();
                match brought {
                    None => thread::yield_now(),
                    some => break some,
                }
            };
            while carrier.take().is_some() {
                // SAFETY: the carrier alone is here.
                self.running.with_mut(|r| unsafe { *r += 1 });
                ran += 1;
                if ran == all {
                    return;
                }
                if ran == 1
                    && let Some(g) = self.line.next()
                {
                    self.queue(g);
                    break;
                }
                carrier = next(&self.line);
            }
        }
    }
}

fn homely(next: fn(&Line) -> Option<&'static G>) {
    bounded(3, move || {
        let home = Homely::new();
        let thread = {
            let home = home.clone();
            thread::spawn(move || home.run(3, next))
        };
        let other = {
            let home = home.clone();
            thread::spawn(move || home.ready())
        };
        home.ready();
        home.ready();
        other.join().unwrap();
        thread.join().unwrap();
    });
}

/// Everybody who is readied runs, once, and never two at a time.
#[test]
fn loom_a_home_forgets_nobody() {
    homely(|line| line.next_or(|| ()).ok());
}

/// To fall asleep on a look without the lock forgets who came in between.
#[test]
#[should_panic]
fn loom_a_home_that_looks_without_the_lock_fails() {
    homely(Line::next_or_looking_first);
}
