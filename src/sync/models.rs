//! Models of channels and locks: the code that ships, between plain threads, in every interleaving within bounds.
//! A wait with a timeout may time out at any moment.

use super::chan::Chan;
use super::mutex::Mutex;
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
