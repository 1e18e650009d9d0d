//! Models of channels and locks: the code that ships, between plain threads, in every interleaving within bounds.
//! A wait with a timeout may time out at any moment.

use super::chan::{Chan, Dir};
use super::cond::Cond;
use super::mutex::Mutex;
use super::once::Once;
use super::rwmutex::RwMutex;
use super::select::{Case, select};
use super::sema::Sema;
use super::waitgroup::WaitGroup;
use crate::error::Error;
use crate::time::timeout::Timeout;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::ptr::NonNull;

fn bounded(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    // Who waits looks again and again: with three threads that takes more steps than loom allows by itself.
    builder.max_branches = 20_000;
    builder.check(f);
}

/// A reference to a channel, owned by a thread of the model.
struct Ref(NonNull<Chan>);

// SAFETY: a counted reference; channels may be used by any thread.
unsafe impl Send for Ref {}

impl Ref {
    fn make(cap: usize) -> Ref {
        Ref(Chan::make(8, cap).unwrap())
    }

    fn chan(&self) -> &Chan {
        // SAFETY: the reference keeps it alive.
        unsafe { self.0.as_ref() }
    }

    fn send(&self, v: u64, timeout: Timeout) -> Result<(), Error> {
        // SAFETY: elements have eight bytes.
        unsafe { self.chan().send((&raw const v).cast(), timeout) }
    }

    fn recv(&self, timeout: Timeout) -> Result<u64, Error> {
        let mut v = 0u64;
        // SAFETY: elements have eight bytes.
        unsafe { self.chan().recv((&raw mut v).cast(), timeout) }.map(|()| v)
    }
}

impl Clone for Ref {
    fn clone(&self) -> Ref {
        self.chan().add_ref();
        Ref(self.0)
    }
}

impl Drop for Ref {
    fn drop(&mut self) {
        // SAFETY: the reference is given up.
        unsafe { Chan::unref(self.0) }
    }
}

const SOON: Timeout = Timeout(1);

/// A receiver whose time may run out, against a sender who waits as well: both succeed, or neither.
#[test]
fn loom_chan_timeout_against_sender() {
    bounded(3, || {
        let c = Ref::make(0);
        let sender = {
            let c = c.clone();
            thread::spawn(move || c.send(7, SOON))
        };
        let got = c.recv(SOON);
        let sent = sender.join().unwrap();
        match got {
            Ok(v) => assert_eq!((v, sent), (7, Ok(()))),
            Err(e) => assert_eq!((e, sent), (Error::TimedOut, Err(Error::TimedOut))),
        }
    });
}

/// The sender does not wait: what it has sent is received, also when the receiver's time runs out in that moment.
#[test]
fn loom_chan_timeout_against_try_send() {
    bounded(3, || {
        let c = Ref::make(0);
        let sender = {
            let c = c.clone();
            thread::spawn(move || c.send(7, Timeout::NOWAIT))
        };
        let got = c.recv(SOON);
        match sender.join().unwrap() {
            Ok(()) => assert_eq!(got, Ok(7)),
            Err(e) => assert_eq!((e, got), (Error::Again, Err(Error::TimedOut))),
        }
    });
}

/// A close against a receiver whose time may run out. The last reference may go while the receiver leaves.
#[test]
fn loom_chan_close_against_timeout() {
    bounded(3, || {
        let c = Ref::make(0);
        let closer = {
            let c = c.clone();
            thread::spawn(move || assert_eq!(c.chan().close(), Ok(())))
        };
        let got = c.recv(SOON);
        drop(c);
        assert!(matches!(got, Err(Error::Closed | Error::TimedOut)));
        closer.join().unwrap();
    });
}

/// A full buffer: the sender that waits gets its value in behind the one that is taken.
#[test]
fn loom_chan_buffered_order() {
    bounded(3, || {
        let c = Ref::make(1);
        assert_eq!(c.send(1, Timeout::NOWAIT), Ok(()));
        let sender = {
            let c = c.clone();
            thread::spawn(move || c.send(2, Timeout::FOREVER))
        };
        assert_eq!(c.recv(Timeout::FOREVER), Ok(1));
        assert_eq!(c.recv(Timeout::FOREVER), Ok(2));
        assert_eq!(sender.join().unwrap(), Ok(()));
    });
}

/// Receives from one of two channels.
fn receive_one(a: &Ref, b: &Ref, timeout: Timeout) -> Result<(usize, u64), Error> {
    let mut got = [0u64; 2];
    let room = got.each_mut().map(|g| std::ptr::from_mut(g).cast::<u8>());
    let chans = [a, b].map(Ref::chan);
    let case = |i: usize| Case { chan: Some(chans[i]), elem: room[i], dir: Dir::Recv };
    // SAFETY: elements have eight bytes, and stay in place.
    let (i, result) = unsafe { select(2, case, timeout, || 0) }?;
    result.map(|()| (i, got[i]))
}

/// A select on two channels against a sender on each, none of whom waits: one winner, and who did not win has sent nothing.
#[test]
fn loom_select_one_winner() {
    bounded(1, || {
        let (a, b) = (Ref::make(0), Ref::make(0));
        let senders = [(a.clone(), 7), (b.clone(), 8)].map(|(c, v)| thread::spawn(move || c.send(v, Timeout::NOWAIT)));
        let got = receive_one(&a, &b, SOON);
        let sent = senders.map(|s| s.join().unwrap());
        match got {
            Ok((0, 7)) => assert_eq!(sent, [Ok(()), Err(Error::Again)]),
            Ok((1, 8)) => assert_eq!(sent, [Err(Error::Again), Ok(())]),
            Ok(other) => unreachable!("{other:?}"),
            Err(e) => assert_eq!((e, sent), (Error::TimedOut, [Err(Error::Again); 2])),
        }
    });
}

/// A close of one channel and a send on the other: the select takes one of them, and leaves no waiter behind.
#[test]
fn loom_select_close_against_send() {
    bounded(1, || {
        let (a, b) = (Ref::make(0), Ref::make(0));
        let closer = {
            let a = a.clone();
            thread::spawn(move || assert_eq!(a.chan().close(), Ok(())))
        };
        let sender = {
            let b = b.clone();
            thread::spawn(move || b.send(8, Timeout::NOWAIT))
        };
        let got = receive_one(&a, &b, Timeout::FOREVER);
        closer.join().unwrap();
        match got {
            Ok(v) => assert_eq!((v, sender.join().unwrap()), ((1, 8), Ok(()))),
            Err(e) => assert_eq!((e, sender.join().unwrap()), (Error::Closed, Err(Error::Again))),
        }
    });
}

struct Shared<T> {
    sync: T,
    data: UnsafeCell<u32>,
}

// SAFETY: what the models show: the data is touched by one thread at a time.
unsafe impl<T> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Shared<T> {}

fn locked(m: &Shared<Mutex>, timeout: Timeout) -> bool {
    let got = m.sync.try_lock().or_else(|_| m.sync.lock_slow(timeout));
    if got.is_ok() {
        // SAFETY: the mutex is held.
        m.data.with_mut(|d| unsafe { *d += 1 });
        assert!(m.sync.unlock_fast() || m.sync.unlock_slow().is_ok());
    }
    got.is_ok()
}

/// Two threads and the mutex between them; neither is left asleep.
#[test]
fn loom_mutex_excludes() {
    bounded(3, || {
        let m = Arc::new(Shared { sync: Mutex::new(), data: UnsafeCell::new(0) });
        let other = {
            let m = m.clone();
            thread::spawn(move || locked(&m, Timeout::FOREVER))
        };
        assert!(locked(&m, Timeout::FOREVER));
        assert!(other.join().unwrap());
        assert!(locked(&m, Timeout::NOWAIT), "free in the end");
    });
}

/// A locker whose time may run out leaves the mutex usable.
#[test]
fn loom_mutex_timeout() {
    bounded(3, || {
        let m = Arc::new(Shared { sync: Mutex::new(), data: UnsafeCell::new(0) });
        let other = {
            let m = m.clone();
            thread::spawn(move || locked(&m, SOON))
        };
        assert!(locked(&m, Timeout::FOREVER));
        other.join().unwrap();
        assert!(locked(&m, Timeout::NOWAIT), "free in the end");
    });
}

/// What a worker did before `done` is seen by who has waited.
#[test]
fn loom_waitgroup_waits() {
    bounded(3, || {
        let wg = Arc::new(Shared { sync: WaitGroup::new(), data: UnsafeCell::new(0) });
        assert_eq!(wg.sync.add(1), Ok(()));
        let worker = {
            let wg = wg.clone();
            thread::spawn(move || {
                // SAFETY: the waiter touches it after the wait only.
                wg.data.with_mut(|d| unsafe { *d += 1 });
                assert_eq!(wg.sync.add(-1), Ok(()));
            })
        };
        assert_eq!(wg.sync.wait(Timeout::FOREVER), Ok(()));
        // SAFETY: the worker is done with it.
        wg.data.with(|d| assert_eq!(unsafe { *d }, 1));
        assert_eq!(wg.sync.add(-1), Err(Error::Invalid));
        worker.join().unwrap();
    });
}

fn rlocked(rw: &Shared<RwMutex>) -> u32 {
    assert!(rw.sync.try_rlock().is_ok() || rw.sync.rlock_slow().is_ok());
    // SAFETY: held for reading.
    let seen = rw.data.with(|d| unsafe { *d });
    assert!(rw.sync.runlock_fast() || rw.sync.runlock_slow().is_ok());
    seen
}

fn wlocked(rw: &Shared<RwMutex>) {
    assert!(rw.sync.try_lock().is_ok() || rw.sync.lock_slow().is_ok());
    // SAFETY: held for writing.
    rw.data.with_mut(|d| unsafe { *d += 1 });
    assert!(rw.sync.unlock_fast() || rw.sync.unlock_slow().is_ok());
}

fn shared_rwmutex() -> Arc<Shared<RwMutex>> {
    Arc::new(Shared { sync: RwMutex::new(), data: UnsafeCell::new(0) })
}

/// A writer that waits against two readers that don't: nobody reads what is being written, and the last one to leave
/// lets the writer in.
#[test]
fn loom_rwmutex_writer_against_readers() {
    bounded(2, || {
        let rw = shared_rwmutex();
        let readers = [(); 2].map(|()| {
            let rw = rw.clone();
            thread::spawn(move || {
                if rw.sync.try_rlock().is_ok() {
                    // SAFETY: held for reading.
                    assert!(rw.data.with(|d| unsafe { *d }) <= 1);
                    assert!(rw.sync.runlock_fast() || rw.sync.runlock_slow().is_ok());
                }
            })
        });
        wlocked(&rw);
        for r in readers {
            r.join().unwrap();
        }
        assert_eq!(rlocked(&rw), 1);
        assert_eq!(rw.sync.unlock_slow(), Err(Error::NotPermitted));
        assert_eq!(rw.sync.runlock_slow(), Err(Error::NotPermitted));
    });
}

/// Two writers and a reader: the second writer waits behind the first or behind the reader.
#[test]
fn loom_rwmutex_writers_and_reader() {
    bounded(2, || {
        let rw = shared_rwmutex();
        let writer = {
            let rw = rw.clone();
            thread::spawn(move || wlocked(&rw))
        };
        let reader = {
            let rw = rw.clone();
            thread::spawn(move || assert!(rlocked(&rw) <= 2))
        };
        wlocked(&rw);
        writer.join().unwrap();
        reader.join().unwrap();
        assert_eq!(rlocked(&rw), 2);
        assert_eq!(rw.sync.try_lock(), Ok(()), "free in the end");
    });
}

fn acquired(s: &Sema, timeout: Timeout) -> Result<(), Error> {
    s.try_acquire().or_else(|_| s.acquire_slow(timeout))
}

fn released(s: &Sema) {
    assert!(s.release_fast() || s.release_slow().is_ok());
}

/// A release against a waiter whose time may run out: it has the unit, or the count has.
#[test]
fn loom_sema_hand_over_against_timeout() {
    bounded(3, || {
        let s = Arc::new(Shared { sync: Sema::with_count(0), data: UnsafeCell::new(0) });
        let giver = {
            let s = s.clone();
            thread::spawn(move || {
                // SAFETY: who acquires touches it after this release only.
                s.data.with_mut(|d| unsafe { *d = 7 });
                released(&s.sync);
            })
        };
        let mut got = acquired(&s.sync, SOON);
        if got.is_err() {
            assert_eq!(got, Err(Error::TimedOut));
            giver.join().unwrap();
            got = s.sync.try_acquire();
        }
        assert_eq!(got, Ok(()));
        // SAFETY: the giver is done with it.
        s.data.with(|d| assert_eq!(unsafe { *d }, 7));
        assert_eq!(s.sync.try_acquire(), Err(Error::Again));
    });
}

/// The unit that is not taken for want of time goes to the next waiter.
#[test]
fn loom_sema_next_waiter() {
    bounded(2, || {
        let s = Arc::new(Shared { sync: Sema::with_count(0), data: UnsafeCell::new(0) });
        let [hurried, patient] = [SOON, Timeout::FOREVER].map(|timeout| {
            let s = s.clone();
            thread::spawn(move || s.sync.acquire_slow(timeout))
        });
        released(&s.sync);
        if hurried.join().unwrap().is_ok() {
            released(&s.sync);
        }
        assert_eq!(patient.join().unwrap(), Ok(()));
        assert_eq!(s.sync.try_acquire(), Err(Error::Again));
    });
}

struct Guarded {
    mutex: Mutex,
    cond: Cond,
}

impl Guarded {
    fn shared() -> Arc<Shared<Guarded>> {
        Arc::new(Shared { sync: Guarded { mutex: Mutex::new(), cond: Cond::new() }, data: UnsafeCell::new(0) })
    }

    fn lock(&self) {
        assert!(self.mutex.try_lock().is_ok() || self.mutex.lock_slow(Timeout::FOREVER).is_ok());
    }

    fn unlock(&self) {
        assert!(self.mutex.unlock_fast() || self.mutex.unlock_slow().is_ok());
    }
}

/// Sets the data under the mutex, and signals after it has let go.
fn set_and_signal(g: &Shared<Guarded>) {
    g.sync.lock();
    // SAFETY: the mutex is held.
    g.data.with_mut(|d| unsafe { *d += 1 });
    g.sync.unlock();
    g.sync.cond.signal();
}

/// A waiter without a deadline is not left asleep: the signal comes too early to matter, or it wakes it.
#[test]
fn loom_cond_no_lost_signal() {
    bounded(3, || {
        let g = Guarded::shared();
        let signaller = {
            let g = g.clone();
            thread::spawn(move || set_and_signal(&g))
        };
        g.sync.lock();
        // SAFETY: the mutex is held.
        while g.data.with(|d| unsafe { *d }) == 0 {
            assert_eq!(g.sync.cond.wait(&g.sync.mutex, Timeout::FOREVER), Ok(()));
        }
        g.sync.unlock();
        signaller.join().unwrap();
        assert_eq!(g.sync.cond.wait(&g.sync.mutex, Timeout::FOREVER), Err(Error::NotPermitted));
    });
}

/// A signal against the end of a waiter's time: either way it has the mutex again.
#[test]
fn loom_cond_signal_against_timeout() {
    bounded(3, || {
        let g = Guarded::shared();
        let signaller = {
            let g = g.clone();
            thread::spawn(move || set_and_signal(&g))
        };
        g.sync.lock();
        let woken = g.sync.cond.wait(&g.sync.mutex, SOON);
        // SAFETY: the mutex is held.
        let seen = g.data.with_mut(|d| unsafe { std::mem::replace(&mut *d, 5) });
        g.sync.unlock();
        match woken {
            Ok(()) => assert_eq!(seen, 1, "nothing but the signal wakes"),
            Err(e) => assert_eq!(e, Error::TimedOut),
        }
        signaller.join().unwrap();
    });
}

/// A signal is not spent on a waiter that says that its time was over. That one has a mutex of its own, and the others
/// don't wait for theirs, to keep the model small; what is of no interest is not followed.
#[test]
fn loom_cond_next_waiter() {
    bounded(1, || {
        let g = Guarded::shared();
        let hurried = {
            let g = g.clone();
            thread::spawn(move || {
                let own = Mutex::new();
                assert_eq!(own.try_lock(), Ok(()));
                g.sync.cond.wait(&own, SOON)
            })
        };
        let patient = {
            let g = g.clone();
            thread::spawn(move || {
                if g.sync.mutex.try_lock().is_err() {
                    return;
                }
                // SAFETY: the mutex is held.
                if g.data.with_mut(|d| unsafe { std::mem::replace(&mut *d, 1) }) == 0 {
                    assert_eq!(g.sync.cond.wait(&g.sync.mutex, Timeout::FOREVER), Ok(()));
                }
                g.sync.unlock();
            })
        };
        // Lets them go first at no cost.
        thread::yield_now();
        if g.sync.mutex.try_lock().is_err() {
            loom::skip_branch();
            g.sync.lock();
        }
        // SAFETY: the mutex is held.
        if g.data.with_mut(|d| unsafe { std::mem::replace(&mut *d, 1) }) == 0 {
            loom::skip_branch();
        }
        g.sync.unlock();
        g.sync.cond.signal();
        if hurried.join().unwrap().is_ok() {
            loom::skip_branch();
            g.sync.cond.signal();
        }
        patient.join().unwrap();
    });
}

/// One of two calls, and both see what it did.
#[test]
fn loom_once_calls_once() {
    bounded(3, || {
        let o = Arc::new(Shared { sync: Once::new(), data: UnsafeCell::new(0) });
        let call = |o: &Shared<Once>| {
            if !o.sync.is_done() && o.sync.begin().unwrap() {
                // SAFETY: others touch it after the finish only, and read it.
                o.data.with_mut(|d| unsafe { *d += 1 });
                o.sync.finish();
            }
            // SAFETY: the first call is over.
            o.data.with(|d| assert_eq!(unsafe { *d }, 1));
            assert!(o.sync.is_done());
        };
        let other = {
            let o = o.clone();
            thread::spawn(move || call(&o))
        };
        call(&o);
        other.join().unwrap();
    });
}
