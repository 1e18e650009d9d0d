//! Models of waiting for descriptors: the code that ships, against a kernel that is a few atomics, in every interleaving within
//! bounds. Variants that are wrong on purpose must fail: each stands behind the model that finds it.

use super::desc::{self, Desc, Dirs, Registered, Registry, Wanted};
use super::life::{Closing, Life};
use super::word::{Event, Word};
use crate::error::{Error, Result};
use crate::sched::list::GList;
use crate::sched::park;
use crate::sys::atomic::{AcqRel, Acquire, AtomicBool, AtomicU32, AtomicUsize, Release};
use crate::sys::clock::NEVER;
use loom::sync::Arc;
use loom::thread;

fn bounded(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(f);
}

/// A time of which a model says nothing but that it may be over.
const SOON: i64 = 1;

/// What stands behind the number, for the kernel: which file, how much there is to read, and what the poller was told.
struct Kernel {
    file: AtomicU32,
    /// Bytes to be read from the first and second file.
    bytes: [AtomicUsize; 2],
    /// The file and tag that are registered: `file << 16 | tag + 1`, 0: none.
    registered: AtomicU32,
    closed: AtomicUsize,
}

impl Kernel {
    fn new() -> Kernel {
        Kernel {
            file: AtomicU32::new(0),
            bytes: [AtomicUsize::new(0), AtomicUsize::new(0)],
            registered: AtomicU32::new(0),
            closed: AtomicUsize::new(0),
        }
    }

    /// read, without waiting: one byte.
    fn read(&self) -> bool {
        let file = self.file.load(Acquire) as usize;
        self.bytes[file].fetch_update(AcqRel, Acquire, |n| n.checked_sub(1)).is_ok()
    }

    /// Bytes arrive; the event that this makes is the caller's to deliver.
    fn arrives(&self, file: u32, bytes: usize) -> Option<u32> {
        self.bytes[file as usize].fetch_add(bytes, AcqRel);
        self.event_of(file)
    }

    fn event_of(&self, file: u32) -> Option<u32> {
        let registered = self.registered.load(Acquire);
        (registered != 0 && registered >> 16 == file).then(|| (registered & 0xffff) - 1)
    }
}

struct World {
    desc: &'static Desc,
    kernel: Kernel,
}

// SAFETY: records are shared, and the kernel is atomics.
unsafe impl Send for World {}
// SAFETY: as above.
unsafe impl Sync for World {}

impl World {
    fn new() -> Arc<World> {
        Arc::new(World { desc: Box::leak(Box::new(Desc::new())), kernel: Kernel::new() })
    }

    fn deliver(&self, tag: u32) {
        let woken = GList::new();
        self.desc.deliver(tag, Dirs::READ, false, &woken);
        while let Some(g) = woken.pop() {
            park::ready(g);
        }
    }

    /// Bytes arrive in a file, and the poller learns of it.
    fn brings(&self, file: u32, bytes: usize) {
        if let Some(tag) = self.kernel.arrives(file, bytes) {
            self.deliver(tag);
        }
    }

    /// As `Use::enter`.
    fn enters(&self) -> Result {
        loop {
            match self.desc.life.enter() {
                Ok(()) => return Ok(()),
                Err(Closing::Wait) => thread::yield_now(),
                Err(Closing::Refused { last }) => {
                    if last {
                        self.closes_number();
                    }
                    return Err(Error::Os(9));
                }
            }
        }
    }

    /// One read, as `call.rs` makes it.
    fn reads(&self, when: i64) -> Result {
        self.enters()?;
        let mut tag = self.desc.tag();
        loop {
            let seen = self.desc.look();
            if self.kernel.read() {
                self.leaves();
                return Ok(());
            }
            let mut wanted = [Wanted::new(self.desc, 3, Dirs::READ, seen)];
            let mut inside = true;
            let ended = desc::wait(&mut wanted, when, true, self, c"model", || {
                inside = false;
                assert!(!self.desc.life.leave(), "the last one parks");
            });
            if let Err(e) = ended {
                if inside {
                    self.leaves();
                }
                return Err(e);
            }
            if inside {
                tag = self.desc.tag();
                continue;
            }
            if self.enters().is_err() {
                return Err(Error::Canceled);
            }
            if self.desc.tag() != tag {
                self.leaves();
                return Err(Error::Canceled);
            }
        }
    }

    fn leaves(&self) {
        if self.desc.life.leave() {
            self.closes_number();
        }
    }

    /// close(2), after which the number is the second file.
    fn closes_number(&self) {
        assert_eq!(self.kernel.closed.fetch_add(1, AcqRel), 0, "closed twice");
        self.kernel.registered.store(0, Release);
        self.kernel.file.store(1, Release);
        self.desc.life.closed();
    }

    /// As `ready::close`.
    fn closes(&self) -> bool {
        if self.enters().is_err() {
            return false;
        }
        let first = self.desc.begin_close(3, self);
        self.leaves();
        first
    }
}

impl Registry for World {
    /// Tells at once of what is there, as epoll does when something is added or changed; the model's poller is this thread then, but
    /// for the lock, which it holds: the event is noted for the word alone.
    fn register(&self, _: i32, tag: u32, known: bool) -> Result<Registered> {
        let file = self.kernel.file.load(Acquire);
        let stands = self.kernel.registered.load(Acquire);
        if known && (stands == 0 || stands >> 16 != file) {
            return Ok(Registered::Gone);
        }
        self.kernel.registered.store(file << 16 | (tag + 1), Release);
        Ok(Registered::Yes)
    }

    fn remove(&self, _: i32) {
        self.kernel.registered.store(0, Release);
    }
}

/// A reader and a byte that arrives: the reader gets it. The record is registered from before, as it is after a first wait.
#[test]
fn loom_net_ready_against_park() {
    bounded(3, || {
        let w = World::new();
        assert_eq!(w.desc.set_deadline(3, Dirs::READ, 0, &*w), Ok(()));
        let kernel = {
            let w = w.clone();
            thread::spawn(move || w.brings(0, 1))
        };
        assert_eq!(w.reads(NEVER), Ok(()));
        kernel.join().unwrap();
    });
}

/// Two who wait for one event: both are woken, or find that it has come. `consume` is what a reader does with the event it finds.
fn one_edge(consume: fn(&Word)) {
    bounded(2, move || {
        let shared = Arc::new((Word::new(), AtomicBool::new(false)));
        let waiter = |shared: Arc<(Word, AtomicBool)>| {
            move || {
                let seen = shared.0.look();
                if shared.1.load(Acquire) {
                    return false;
                }
                let waits = shared.0.begin_wait(seen);
                if !waits {
                    consume(&shared.0);
                }
                waits
            }
        };
        let kernel = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1.store(true, Release);
                shared.0.ready(0) == Event::Wake
            })
        };
        let other = thread::spawn(waiter(shared.clone()));
        let waits = [waiter(shared.clone())(), other.join().unwrap()];
        let woken = kernel.join().unwrap();
        assert!(woken || waits == [false, false], "a waiter was left behind");
    });
}

#[test]
fn loom_net_one_edge_wakes_all() {
    one_edge(|_| ());
}

/// An event that one of the readers uses up, as Go's pdReady.
#[test]
#[should_panic(expected = "a waiter was left behind")]
fn loom_net_edge_used_up_must_fail() {
    one_edge(Word::use_up);
}

/// Time against an event: the reader gets the byte or leaves it; a second reader then finds it.
#[test]
fn loom_net_timeout_against_ready() {
    bounded(3, || {
        let w = World::new();
        assert_eq!(w.desc.set_deadline(3, Dirs::READ, 0, &*w), Ok(()));
        let kernel = {
            let w = w.clone();
            thread::spawn(move || w.brings(0, 1))
        };
        let r = w.reads(SOON);
        kernel.join().unwrap();
        match r {
            Ok(()) => assert!(!w.kernel.read()),
            e => assert_eq!((e, w.kernel.read()), (Err(Error::TimedOut), true)),
        }
        assert_eq!(w.desc.waited_on(), 0);
    });
}

/// A close against a reader: the number is closed once, and the reader does not touch the file that gets it next.
#[test]
fn loom_net_close_against_park() {
    bounded(3, || {
        let w = World::new();
        assert_eq!(w.desc.set_deadline(3, Dirs::READ, 0, &*w), Ok(()));
        // What the next file brings is not for a reader of this one.
        w.kernel.bytes[1].store(1, Release);
        let closer = {
            let w = w.clone();
            thread::spawn(move || assert!(w.closes()))
        };
        let r = w.reads(NEVER);
        closer.join().unwrap();
        assert_eq!(w.kernel.closed.load(Acquire), 1);
        match r {
            // It began after the end: with the next file, whose number this is.
            Ok(()) => assert_eq!(w.kernel.bytes[1].load(Acquire), 0),
            e => {
                assert!(e == Err(Error::Canceled) || e == Err(Error::Os(9)));
                assert_eq!(w.kernel.bytes[1].load(Acquire), 1);
            }
        }
        assert_eq!(w.desc.waited_on(), 0);
    });
}

/// Two who close: one does, and the other is told.
#[test]
fn loom_net_two_closers() {
    bounded(3, || {
        let w = World::new();
        let other = {
            let w = w.clone();
            thread::spawn(move || w.closes())
        };
        // A call that is inside meanwhile leaves last, or not at all.
        if w.enters().is_ok() {
            w.leaves();
        }
        assert!(other.join().unwrap());
        assert_eq!(w.kernel.closed.load(Acquire), 1);
    });
}

/// A call against a close: the number is closed once, by the last who leaves, and nobody is inside then. The closer has entered before.
fn call_against_close(counted: bool) {
    struct Number {
        life: Life,
        open: AtomicBool,
    }
    impl Number {
        fn close(&self) {
            assert!(self.open.swap(false, AcqRel), "closed twice");
            self.life.closed();
        }
    }
    bounded(3, move || {
        let n = Arc::new(Number { life: Life::new(), open: AtomicBool::new(true) });
        assert!(n.life.enter().is_ok());
        let closer = {
            let n = n.clone();
            thread::spawn(move || {
                assert!(n.life.begin_close());
                if n.life.leave() {
                    n.close();
                }
            })
        };
        let entered = match counted {
            true => n.life.enter(),
            false if n.life.is_closing() => Err(Closing::Refused { last: false }),
            false => Ok(()),
        };
        match entered {
            Ok(()) => {
                // Inside the kernel with the file that stood there, or after the end of it.
                let open = n.open.load(Acquire);
                thread::yield_now();
                assert_eq!(open, n.open.load(Acquire), "closed while it was used");
                if counted && n.life.leave() {
                    n.close();
                }
            }
            Err(Closing::Refused { last: true }) => n.close(),
            Err(_) => {}
        }
        closer.join().unwrap();
        assert!(!n.open.load(Acquire), "never closed");
    });
}

/// A call that links itself for the ring against a close that looks whether there are any: one of the two sees the other.
fn call_in_ring_against_close(link: fn(&Desc), is_none: fn(&Desc) -> bool) {
    bounded(3, move || {
        let desc: &'static Desc = Box::leak(Box::new(Desc::new()));
        assert!(desc.life.enter().is_ok());
        let closer = thread::spawn(move || {
            assert!(desc.life.begin_close());
            is_none(desc)
        });
        link(desc);
        let goes_on = !desc.life.is_closing();
        let unseen = closer.join().unwrap();
        assert!(!(goes_on && unseen), "nobody ends the call");
    });
}

const A_CALL: *const () = std::ptr::dangling();

#[test]
fn loom_net_call_in_ring_against_close() {
    call_in_ring_against_close(|desc| desc.calls.link(A_CALL), |desc| desc.calls.is_none());
}

/// A closer that looks without a fence.
#[test]
#[should_panic(expected = "nobody ends the call")]
fn loom_net_close_without_fence_must_fail() {
    call_in_ring_against_close(|desc| desc.calls.link(A_CALL), |desc| desc.calls.is_none_unfenced());
}

/// A call that links itself without a fence.
#[test]
#[should_panic(expected = "nobody ends the call")]
fn loom_net_link_without_fence_must_fail() {
    call_in_ring_against_close(|desc| desc.calls.link_unfenced(A_CALL), |desc| desc.calls.is_none());
}

#[test]
fn loom_net_call_against_close() {
    call_against_close(true);
}

/// A call that looks only whether the descriptor is being closed, and does not count itself.
#[test]
#[should_panic(expected = "closed while it was used")]
fn loom_net_uncounted_call_must_fail() {
    call_against_close(false);
}

/// The number is closed elsewhere and used again while a reader of the old file waits: a reader of the new one notices, gets what
/// the new file brings, and the old reader is told.
#[test]
fn loom_net_reuse_behind_our_back() {
    bounded(2, || {
        let w = World::new();
        assert_eq!(w.desc.set_deadline(3, Dirs::READ, 0, &*w), Ok(()));
        let old_tag = w.desc.tag();
        // Not by the library: the poller forgets the file by itself.
        w.kernel.registered.store(0, Release);
        w.kernel.file.store(1, Release);
        let stale = {
            let w = w.clone();
            // An event that was on its way.
            thread::spawn(move || w.deliver(old_tag))
        };
        let kernel = {
            let w = w.clone();
            thread::spawn(move || w.brings(1, 1))
        };
        let r = w.reads(SOON);
        stale.join().unwrap();
        kernel.join().unwrap();
        match r {
            Ok(()) => assert!(!w.kernel.read()),
            e => assert_eq!((e, w.kernel.read()), (Err(Error::TimedOut), true)),
        }
        assert_eq!(w.desc.waited_on(), 0);
    });
}

/// The word alone: a waiter that has begun to wait is woken; one that has not finds another epoch. `late`: it notes the word after
/// the try.
fn word(late: bool, begin: fn(&Word, super::word::Seen) -> bool) {
    bounded(3, move || {
        let shared = Arc::new((Word::new(), AtomicBool::new(false)));
        let kernel = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1.store(true, Release);
                shared.0.ready(0) == Event::Wake
            })
        };
        let waits = loop {
            let early = shared.0.look();
            if shared.1.load(Acquire) {
                break false;
            }
            let seen = if late { shared.0.look() } else { early };
            if begin(&shared.0, seen) {
                break true;
            }
            thread::yield_now();
        };
        let woken = kernel.join().unwrap();
        assert!(!waits || woken, "a lost event");
    });
}

#[test]
fn loom_net_word() {
    word(false, Word::begin_wait);
}

#[test]
#[should_panic(expected = "a lost event")]
fn loom_net_word_noted_late_must_fail() {
    word(true, Word::begin_wait);
}

/// A wait that begins whatever came between.
#[test]
#[should_panic(expected = "a lost event")]
fn loom_net_word_blind_wait_must_fail() {
    word(false, |word, _| {
        word.begin_wait_blindly();
        true
    });
}

/// An event of a former file wakes nobody, whenever it comes.
fn stale(ready: fn(&Word) -> Event) {
    bounded(3, move || {
        let word = Arc::new(Word::new());
        let late = {
            let word = word.clone();
            thread::spawn(move || ready(&word))
        };
        // The number is another file's, of which a waiter knows.
        word.renew(1);
        let waits = word.begin_wait(word.look());
        let event = late.join().unwrap();
        assert!(event != Event::Wake, "woken for another file");
        assert!(waits || event != Event::Stale);
    });
}

#[test]
fn loom_net_stale_event_against_reuse() {
    stale(|word| word.ready(0));
}

#[test]
#[should_panic(expected = "woken for another file")]
fn loom_net_event_without_tag_must_fail() {
    stale(Word::ready_whatever_tag);
}
