//! Models of timers: a firing, which is a heap that is run with the time due, against what an owner does. Each thread
//! has the time that it sets. In the end all memory must be freed, once, and not be touched after that (`sync/block.rs`).
//!
//! Two threads that spin for one lock make the runs of a third endless, whatever the bound on preemptions, unless it is
//! small: hence the differences.

use super::clock_model as clock;
use super::timer::Timer;
use crate::error::Error;
use crate::sched::{arm, list::GList, spawn};
use crate::sync::chan::Chan;
use crate::sys::atomic::{AtomicUsize, Relaxed};
use crate::sys::clock::NEVER;
use crate::time::timeout::Timeout;
use loom::thread;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

fn bounded(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    // Who waits looks again and again: with three threads that takes more steps than loom allows by itself.
    builder.max_branches = 20_000;
    builder.check(f);
}

/// It is `now`, and whoever has the P runs what is due.
fn run(p: usize, now: i64) {
    clock::set(now);
    arm::heap(p).run(now, true, &GList::new());
}

fn recv(chan: NonNull<Chan>, timeout: Timeout) -> Result<i64, Error> {
    let mut at = 0i64;
    // SAFETY: the models keep the channel of a timer while they receive from it; its elements are times.
    unsafe { chan.as_ref().recv((&raw mut at).cast(), timeout) }.map(|()| at)
}

/// What can be received of a timer now: when it fired.
fn received(t: &Timer) -> Option<i64> {
    recv(t.chan().unwrap(), Timeout::NOWAIT).ok()
}

/// The end of a model: the timer is gone for its owner, its time comes, and what it has started ends.
fn all_over() {
    for p in [0, 1] {
        run(p, NEVER - 1);
    }
    spawn::join_all();
}

/// The deadlines of a program's waits, in a model: they may be over at any moment.
const SOON: Timeout = Timeout(1);

/// Stop answers true, and no value is ever received, or false, and one was before. Nothing is received afterwards.
#[test]
fn loom_timer_stop_against_firing() {
    bounded(3, || {
        let t = Timer::feeding(10, 0).unwrap();
        let firing = thread::spawn(move || {
            run(0, 10);
            received(t)
        });
        let pending = t.stop();
        assert_eq!(received(t), None, "stale");
        let early = firing.join().unwrap();
        assert_eq!(early, (!pending).then_some(10));
        run(0, 20);
        assert_eq!(received(t), None, "stopped");
        assert!(!t.stop());
        t.free();
        all_over();
    });
}

/// The same with a receiver that waits, and whose time may run out.
#[test]
fn loom_timer_stop_against_firing_and_receiver() {
    bounded(1, || {
        let t = Timer::feeding(10, 0).unwrap();
        let firing = thread::spawn(|| run(0, 10));
        let receiver = thread::spawn(move || recv(t.chan().unwrap(), SOON));
        let pending = t.stop();
        assert_eq!(received(t), None, "stale");
        firing.join().unwrap();
        let got = receiver.join().unwrap();
        assert_eq!(got, if pending { Err(Error::TimedOut) } else { Ok(10) });
        assert_eq!(received(t), None, "stopped");
        t.free();
        all_over();
    });
}

/// Whatever a ticker had in hand, after a stop it ticks no more; a reset sets it going again.
#[test]
fn loom_timer_stop_against_ticks() {
    bounded(2, || {
        let t = Timer::feeding(10, 10).unwrap();
        let firing = thread::spawn(|| {
            run(0, 10);
            run(0, 25);
        });
        let pending = t.stop();
        assert!(pending);
        assert_eq!(received(t), None, "stale");
        firing.join().unwrap();
        run(0, 99);
        assert_eq!(received(t), None, "stopped");
        clock::set(100);
        assert!(!t.reset(20), "not pending");
        run(0, 119);
        assert_eq!(received(t), None, "too early");
        run(0, 121);
        assert_eq!(received(t), Some(121));
        run(0, 139);
        assert_eq!(received(t), None, "the new period");
        run(0, 140);
        assert_eq!(received(t), Some(140), "no drift");
        t.free();
        all_over();
    });
}

/// A reset to a later time: nothing of the old time is received once it has returned, and the new time comes once.
#[test]
fn loom_timer_reset_to_later_against_firing() {
    bounded(3, || {
        let t = Timer::feeding(10, 0).unwrap();
        let firing = thread::spawn(move || {
            run(0, 10);
            received(t)
        });
        let pending = t.reset(30);
        assert_eq!(received(t), None, "stale");
        let early = firing.join().unwrap();
        assert_eq!(early, (!pending).then_some(10));
        run(0, 29);
        assert_eq!(received(t), None, "too early");
        run(0, 30);
        assert_eq!(received(t), Some(30));
        run(0, 40);
        assert_eq!(received(t), None, "once");
        assert!(!t.stop());
        t.free();
        all_over();
    });
}

/// A reset to an earlier time, on another P: the new entry fires once, also while the old one comes up, which is dead.
#[test]
fn loom_timer_reset_to_earlier_against_firing() {
    reset_to_earlier(|| (), || (), &[31]);
}

/// The same where neither heap has room, so that the timer's own entry is on a list when it is reset. It stays with the first
/// P, which may run it.
#[test]
fn loom_timer_reset_without_memory_against_firing() {
    reset_to_earlier(|| full(true), || (), &[30, 31]);
}

/// The same, and there is room again when the first comes up.
#[test]
fn loom_timer_reset_without_memory_against_memory() {
    reset_to_earlier(|| full(true), || full(false), &[30, 31]);
}

/// No memory is left for entries, or there is some again.
fn full(full: bool) {
    (0..2).for_each(|p| arm::heap(p).set_full(full));
}

fn reset_to_earlier(first: fn(), firing: fn(), times: &'static [i64]) {
    bounded(3, move || {
        first();
        let t = Timer::feeding(30, 0).unwrap();
        let firing = thread::spawn(move || {
            firing();
            run(0, 30);
            received(t)
        });
        arm::take_p(1);
        let pending = t.reset(20);
        run(1, 31);
        let late = received(t);
        let early = firing.join().unwrap();
        match pending {
            true => assert!(
                early.is_some() != late.is_some() && early.or(late).is_some_and(|at| times.contains(&at)),
                "{early:?} {late:?}"
            ),
            false => assert_eq!((early, late), (Some(30), Some(31))),
        }
        run(0, 40);
        run(1, 40);
        assert_eq!(received(t), None, "once");
        t.free();
        all_over();
    });
}

/// The same on the same P, and the timer is freed at once: two entries, and each gives its reference back.
#[test]
fn loom_timer_reset_and_free_against_firing() {
    reset_and_free(|| ());
}

/// The same without room in the heap: one entry, which is changed in its place.
#[test]
fn loom_timer_reset_and_free_without_memory() {
    reset_and_free(|| full(true));
}

fn reset_and_free(first: fn()) {
    bounded(3, move || {
        first();
        let t = Timer::feeding(30, 0).unwrap();
        let firing = thread::spawn(|| run(0, 30));
        assert!(t.reset(20), "nobody has received");
        t.free();
        firing.join().unwrap();
        all_over();
    });
}

/// A reset to the time that never comes.
#[test]
fn loom_timer_reset_to_never_against_firing() {
    bounded(3, || {
        let t = Timer::feeding(10, 0).unwrap();
        let firing = thread::spawn(move || {
            run(0, 10);
            received(t)
        });
        let pending = t.reset(NEVER);
        assert_eq!(received(t), None, "stale");
        assert_eq!(firing.join().unwrap(), (!pending).then_some(10));
        run(0, NEVER - 1);
        assert_eq!(received(t), None, "never");
        assert!(t.stop(), "it was still pending");
        t.free();
        all_over();
    });
}

/// A sweep of the heap takes what is dead, whatever is being reset, and not the entry that counts.
#[test]
fn loom_timer_reset_against_sweep() {
    bounded(3, || {
        let t = Timer::feeding(40, 0).unwrap();
        for _ in 0..64 {
            arm::heap(0).one_died();
        }
        assert!(t.reset(30));
        let sweep = thread::spawn(|| run(0, 5));
        assert!(t.reset(20));
        sweep.join().unwrap();
        run(0, 19);
        assert_eq!(received(t), None, "too early");
        run(0, 20);
        assert_eq!(received(t), Some(20));
        t.free();
        all_over();
    });
}

/// A P is given up, and what its heap holds goes to another, while somebody runs it.
#[test]
fn loom_timer_moved_against_firing() {
    bounded(3, || {
        let t = Timer::feeding(10, 0).unwrap();
        let firing = thread::spawn(move || {
            run(0, 10);
            received(t)
        });
        assert!(arm::heap(1).take_over(arm::heap(0)));
        run(1, 10);
        let late = received(t);
        let early = firing.join().unwrap();
        assert!(early.is_some() != late.is_some() || received(t).is_some(), "{early:?} {late:?}");
        assert!(!t.stop(), "once");
        t.free();
        all_over();
    });
}

/// The same while an owner resets it, and no memory is left: its own entry is found wherever it is by then.
#[test]
fn loom_timer_moved_without_memory_against_reset() {
    bounded(3, || {
        full(true);
        let t = Timer::feeding(30, 0).unwrap();
        let moving = thread::spawn(|| assert!(arm::heap(1).take_over(arm::heap(0))));
        assert!(t.reset(20));
        moving.join().unwrap();
        (0..2).for_each(|p| run(p, 19));
        assert_eq!(received(t), None, "too early");
        (0..2).for_each(|p| run(p, 20));
        assert_eq!(received(t), Some(20));
        (0..2).for_each(|p| run(p, 40));
        assert_eq!(received(t), None, "once");
        t.free();
        all_over();
    });
}

/// An entry that stays on its list, while another that stands there comes up, is on that list all the time.
#[test]
fn loom_timer_kept_without_memory_against_reset() {
    bounded(3, || {
        full(true);
        let first = Timer::feeding(10, 0).unwrap();
        let t = Timer::feeding(30, 0).unwrap();
        let firing = thread::spawn(|| run(0, 10));
        arm::take_p(1);
        assert!(t.reset(20));
        firing.join().unwrap();
        assert_eq!(received(first), Some(10));
        (0..2).for_each(|p| run(p, 20));
        assert_eq!(received(t), Some(20));
        (0..2).for_each(|p| run(p, 40));
        assert_eq!(received(t), None, "once");
        first.free();
        t.free();
        all_over();
    });
}

/// The runtime stops and with it every timer, while an owner resets one.
#[test]
fn loom_timer_lost_against_reset() {
    bounded(3, || {
        let t = Timer::feeding(30, 0).unwrap();
        let stopping = thread::spawn(|| arm::heap(0).clear());
        if !t.reset(20) {
            assert!(t.stop(), "stopped before the reset, and once only");
        }
        stopping.join().unwrap();
        t.free();
        all_over();
    });
}

/// The same without memory. A reset that comes meanwhile may be undone; the runtime refuses it while it stops.
#[test]
fn loom_timer_lost_without_memory_against_reset() {
    bounded(3, || {
        full(true);
        let t = Timer::feeding(30, 0).unwrap();
        let stopping = thread::spawn(|| arm::heap(0).clear());
        t.reset(20);
        stopping.join().unwrap();
        t.free();
        all_over();
    });
}

/// How often the function of a timer has run.
#[derive(Clone)]
struct Ran(Arc<AtomicUsize>);

impl Ran {
    fn never() -> Ran {
        Ran(Arc::new(AtomicUsize::new(0)))
    }

    fn times(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// A timer that counts. The model keeps the count until all is over.
    fn timer(&self, ns: i64) -> &'static Timer {
        unsafe extern "C-unwind" fn count(ran: *mut c_void) {
            // SAFETY: see above.
            unsafe { (*ran.cast::<AtomicUsize>()).fetch_add(1, Relaxed) };
        }
        Timer::running(ns, count, Arc::as_ptr(&self.0).cast_mut().cast()).unwrap()
    }
}

/// The function runs if and only if stop answers false.
#[test]
fn loom_timer_stop_against_function() {
    bounded(2, || {
        let ran = Ran::never();
        let t = ran.timer(10);
        let firing = thread::spawn(|| run(0, 10));
        let pending = t.stop();
        firing.join().unwrap();
        run(0, 20);
        t.free();
        all_over();
        assert_eq!(ran.times(), if pending { 0 } else { 1 });
    });
}

/// The same, and when stop_wait has returned the function does not run.
#[test]
fn loom_timer_stop_wait_against_function() {
    bounded(2, || {
        let ran = Ran::never();
        let t = ran.timer(10);
        let firing = thread::spawn(|| run(0, 10));
        let pending = t.stop_wait().unwrap();
        let times = if pending { 0 } else { 1 };
        assert_eq!(ran.times(), times, "it has not ended");
        firing.join().unwrap();
        t.free();
        all_over();
        assert_eq!(ran.times(), times);
    });
}

/// Two of its functions run: stop_wait waits for both.
#[test]
fn loom_timer_stop_wait_for_two() {
    bounded(1, || {
        let ran = Ran::never();
        let t = ran.timer(10);
        run(0, 10);
        assert!(!t.reset(10));
        run(0, 20);
        assert_eq!(t.stop_wait(), Ok(false));
        assert_eq!(ran.times(), 2);
        t.free();
        all_over();
    });
}

/// No memory for the function's goroutine: it is tried again, and stop's answer is still right.
#[test]
fn loom_timer_stop_against_a_function_without_memory() {
    bounded(2, || {
        let ran = Ran::never();
        let t = ran.timer(10);
        let firing = thread::spawn(|| {
            spawn::refuse(1);
            run(0, 10);
            run(0, 2_000_000);
        });
        let pending = t.stop();
        firing.join().unwrap();
        t.free();
        all_over();
        assert_eq!(ran.times(), if pending { 0 } else { 1 });
    });
}

/// The function may free its timer, and stop_wait in it does not wait for itself.
#[test]
fn loom_timer_free_in_its_function() {
    unsafe extern "C-unwind" fn frees(at: *mut c_void) {
        // SAFETY: the model's place for the timer, which is there before the time comes.
        let t = unsafe { *at.cast::<&'static Timer>() };
        assert_eq!(t.stop_wait(), Ok(false));
        t.free();
    }
    bounded(3, || {
        let mut place: Option<&'static Timer> = None;
        place = Timer::running(10, frees, (&raw mut place).cast());
        assert!(place.is_some());
        run(0, 10);
        all_over();
    });
}

/// An owner that frees its timer while it fires. Whoever lets go last frees the memory.
#[test]
fn loom_timer_free_against_firing() {
    bounded(3, || {
        let t = Timer::feeding(10, 0).unwrap();
        let firing = thread::spawn(|| run(0, 10));
        t.free();
        firing.join().unwrap();
        all_over();
    });
}

/// The same for a function: it may still run.
#[test]
fn loom_timer_free_against_function() {
    bounded(2, || {
        let ran = Ran::never();
        let t = ran.timer(10);
        let firing = thread::spawn(|| run(0, 10));
        t.free();
        firing.join().unwrap();
        all_over();
        assert!(ran.times() <= 1);
    });
}

/// A timer that nobody owns any more: its function runs, though there is no memory for its goroutine at first.
#[test]
fn loom_timer_detach_against_function() {
    bounded(3, || {
        let ran = Ran::never();
        let t = ran.timer(10);
        let firing = thread::spawn(|| {
            spawn::refuse(1);
            run(0, 10);
        });
        t.detach();
        firing.join().unwrap();
        all_over();
        assert_eq!(ran.times(), 1);
    });
}

/// `rt_after`: the last reference to the channel goes while the timer fires, and takes the timer along.
#[test]
fn loom_timer_after_unref_against_firing() {
    bounded(3, || {
        let chan = Timer::feeding(10, 0).unwrap().give_to_chan();
        let firing = thread::spawn(|| run(0, 10));
        assert!(matches!(recv(chan, SOON), Ok(10) | Err(Error::TimedOut)));
        // SAFETY: the only reference.
        unsafe { Chan::unref(chan) };
        firing.join().unwrap();
        all_over();
    });
}

/// The same while a receiver waits, whom the firing serves: then the firing frees the channel, or it was not the last.
#[test]
fn loom_timer_after_unref_against_receiver() {
    bounded(1, || {
        let t = Timer::feeding(10, 0).unwrap();
        t.give_to_chan();
        let receiver = thread::spawn(|| recv(t.chan().unwrap(), Timeout::FOREVER));
        // SAFETY: the only reference, which keeps it alive.
        while !unsafe { t.chan().unwrap().as_ref() }.has_receiver() {
            thread::yield_now();
        }
        let firing = thread::spawn(|| run(0, 10));
        // SAFETY: the only reference. The wait of the receiver keeps the channel alive.
        unsafe { Chan::unref(t.chan().unwrap()) };
        firing.join().unwrap();
        assert_eq!(receiver.join().unwrap(), Ok(10));
        all_over();
    });
}

/// That the models can fail: an owner whose free overlaps another call, which is misuse, touches what is freed.
#[test]
#[should_panic]
fn loom_timer_misuse_free_against_stop() {
    bounded(2, || {
        let t = Timer::feeding(10, 0).unwrap();
        run(0, 10);
        let stop = thread::spawn(|| t.stop());
        t.free();
        stop.join().unwrap();
    });
}

/// That the models can fail: nobody frees the timer.
#[test]
#[should_panic(expected = "never freed")]
fn loom_timer_misuse_no_free() {
    bounded(2, || {
        let _forgotten = Timer::feeding(10, 0).unwrap();
        all_over();
    });
}
