//! Models of contexts, hooks and keys: what ends a context, in every order, against what is done to it meanwhile. In the
//! end all memory must be freed, once, and not be touched after that (`sync/block.rs`).
//!
//! Time is a heap that is run with the time due. Two threads that wait for one lock make the runs of a third many: hence
//! the differences in what is bounded.

use super::context::Ctx;
use super::hook::Hook;
use super::key::{Destructor, Entry};
use crate::error::Error;
use crate::sched::list::GList;
use crate::sched::{arm, spawn};
use crate::sync::chan::Chan;
use crate::sys::atomic::{AtomicUsize, Relaxed};
use crate::sys::clock::NEVER;
use crate::time::timeout::Timeout;
use loom::thread;
use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;

fn bounded(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(f);
}

fn with_cancel(parent: Option<&'static Ctx>) -> &'static Ctx {
    with_deadline(parent, NEVER)
}

/// It is the time 0.
fn with_deadline(parent: Option<&'static Ctx>, deadline: i64) -> &'static Ctx {
    Ctx::make(parent, deadline, 0, || Ok(())).unwrap()
}

fn cancel(ctx: &'static Ctx, cause: i32) {
    assert_eq!(ctx.cancel(cause, || Ok(())), Ok(()));
}

/// It is `now`, and whoever has the P runs what is due.
fn run(now: i64) {
    arm::heap(0).run(now, true, &GList::new());
}

fn recv(ctx: &Ctx, timeout: Timeout) -> Result<(), Error> {
    // SAFETY: the models hold the context meanwhile, and the channel's elements are empty.
    unsafe { Chan::recv(ctx.done().as_ref(), std::ptr::null_mut(), timeout) }
}

/// It is over in every respect. Answers how.
fn over(ctx: &Ctx) -> (Error, Option<i32>) {
    assert_eq!(recv(ctx, Timeout::NOWAIT), Err(Error::Closed));
    (ctx.err().unwrap_err(), ctx.cause())
}

/// The end of a model: whatever is still in the heap comes up, and what was started ends.
fn all_over() {
    run(NEVER - 1);
    spawn::join_all();
}

/// A child that is made while its parent ends is found by the end, or born over.
#[test]
fn loom_ctx_child_against_cancel() {
    bounded(3, || {
        let root = with_cancel(None);
        root.add_ref();
        let other = thread::spawn(|| {
            let child = with_cancel(Some(root));
            root.unref();
            child
        });
        cancel(root, 7);
        assert_eq!(over(root), (Error::Canceled, Some(7)));
        let child = other.join().unwrap();
        assert_eq!(over(child), (Error::Canceled, Some(7)));
        root.unref();
        child.unref();
        all_over();
    });
}

/// Whoever finds the channel closed finds the reason, and all above it over.
#[test]
fn loom_ctx_waiter_against_cancel() {
    bounded(2, || {
        let root = with_cancel(None);
        let child = with_cancel(Some(root));
        let waiter = thread::spawn(|| {
            assert_eq!(recv(child, Timeout::FOREVER), Err(Error::Closed));
            assert_eq!(over(child), (Error::Canceled, Some(7)));
            assert_eq!(over(root), (Error::Canceled, Some(7)));
            child.unref();
        });
        cancel(root, 7);
        waiter.join().unwrap();
        root.unref();
        all_over();
    });
}

/// Two that cancel, one of them from above: the first cause stays.
#[test]
fn loom_ctx_two_causes() {
    bounded(3, || {
        let root = with_cancel(None);
        let child = with_cancel(Some(root));
        let other = thread::spawn(|| {
            cancel(child, 1);
            over(child)
        });
        cancel(root, 2);
        assert_eq!(over(root), (Error::Canceled, Some(2)));
        let how = over(child);
        assert!(matches!(how, (Error::Canceled, Some(1 | 2))));
        assert_eq!(other.join().unwrap(), how);
        child.unref();
        root.unref();
        all_over();
    });
}

/// The last user of a child goes while the walk from above is there. The grandchild outlives it.
#[test]
fn loom_ctx_unref_against_cancel() {
    bounded(3, || {
        let root = with_cancel(None);
        let child = with_cancel(Some(root));
        let grandchild = with_cancel(Some(child));
        let other = thread::spawn(|| {
            child.unref();
            grandchild.unref();
        });
        cancel(root, 0);
        assert_eq!(over(root), (Error::Canceled, None));
        root.unref();
        other.join().unwrap();
        all_over();
    });
}

/// All users of a tree go at once: the root is the last, whoever comes last.
#[test]
fn loom_ctx_unref_of_all() {
    bounded(3, || {
        let root = with_cancel(None);
        let child = with_cancel(Some(root));
        let other = thread::spawn(|| child.unref());
        root.unref();
        other.join().unwrap();
        all_over();
    });
}

/// Exactly one of time and a call ends it.
#[test]
fn loom_ctx_deadline_against_cancel() {
    bounded(3, || {
        let ctx = with_deadline(None, 10);
        let firing = thread::spawn(|| run(10));
        cancel(ctx, 7);
        let how = over(ctx);
        assert!(matches!(how, (Error::Canceled, Some(7)) | (Error::TimedOut, None)));
        firing.join().unwrap();
        assert_eq!(over(ctx), how);
        ctx.unref();
        all_over();
    });
}

/// The deadline comes while the last user goes.
#[test]
fn loom_ctx_deadline_against_unref() {
    bounded(3, || {
        let ctx = with_deadline(None, 10);
        let firing = thread::spawn(|| run(10));
        ctx.unref();
        firing.join().unwrap();
        all_over();
    });
}

/// The entry of a child comes up when the whole tree is gone, and finds the lock of its root.
#[test]
fn loom_ctx_deadline_against_unref_of_all() {
    bounded(3, || {
        let root = with_cancel(None);
        let child = with_deadline(Some(root), 10);
        let firing = thread::spawn(|| run(10));
        root.unref();
        child.unref();
        firing.join().unwrap();
        all_over();
    });
}

/// The child's deadline comes, and its parent's, in either order or at once.
#[test]
fn loom_ctx_two_deadlines() {
    bounded(3, || {
        let root = with_deadline(None, 20);
        let child = with_deadline(Some(root), 10);
        let firing = thread::spawn(|| run(10));
        run(20);
        firing.join().unwrap();
        assert_eq!(over(root), (Error::TimedOut, None));
        assert_eq!(over(child), (Error::TimedOut, None));
        child.unref();
        root.unref();
        all_over();
    });
}

/// A sweep of the heap takes what is dead while its context goes.
#[test]
fn loom_ctx_unref_against_sweep() {
    bounded(3, || {
        let root = with_cancel(None);
        let child = with_deadline(Some(root), 40);
        for _ in 0..64 {
            arm::heap(0).one_died();
        }
        let sweep = thread::spawn(|| run(5));
        child.unref();
        root.unref();
        sweep.join().unwrap();
        all_over();
    });
}

/// The runtime stops while a call cancels.
#[test]
fn loom_ctx_lost_against_cancel() {
    bounded(3, || {
        let root = with_deadline(None, 10);
        let child = with_deadline(Some(root), 5);
        let stopping = thread::spawn(|| arm::heap(0).clear());
        cancel(root, 7);
        let how = over(root);
        assert!(matches!(how, (Error::Canceled, Some(7) | None)));
        stopping.join().unwrap();
        assert_eq!(over(root), how);
        assert!(matches!(over(child), (Error::Canceled, Some(7) | None)));
        child.unref();
        root.unref();
        all_over();
    });
}

/// The runtime stops while the last user goes.
#[test]
fn loom_ctx_lost_against_unref() {
    bounded(3, || {
        let ctx = with_deadline(None, 10);
        let stopping = thread::spawn(|| arm::heap(0).clear());
        ctx.unref();
        stopping.join().unwrap();
        all_over();
    });
}

/// How often the function of a hook has run.
#[derive(Clone)]
struct Ran(Arc<AtomicUsize>);

impl Ran {
    fn never() -> Ran {
        Ran(Arc::new(AtomicUsize::new(0)))
    }

    fn times(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Hangs a function on a context that counts. The model keeps the count until all is over.
    fn hang(&self, ctx: &'static Ctx) -> &'static Hook {
        unsafe extern "C-unwind" fn count(ran: *mut c_void) {
            // SAFETY: see above.
            unsafe { (*ran.cast::<AtomicUsize>()).fetch_add(1, Relaxed) };
        }
        let made = Cell::new(None);
        let arg = Arc::as_ptr(&self.0).cast_mut().cast();
        assert_eq!(Hook::hang(Some(ctx), count, arg, || Ok(()), |hook| made.set(Some(hook))), Ok(()));
        made.get().unwrap()
    }
}

/// The function runs if and only if stop answers false.
#[test]
fn loom_ctx_hook_stop_against_cancel() {
    bounded(3, || {
        let (ran, ctx) = (Ran::never(), with_cancel(None));
        let hook = ran.hang(ctx);
        ctx.add_ref();
        let other = thread::spawn(|| {
            cancel(ctx, 0);
            ctx.unref();
        });
        let never = hook.stop();
        other.join().unwrap();
        ctx.unref();
        all_over();
        assert_eq!(ran.times(), if never { 0 } else { 1 });
    });
}

/// The same with a deadline, and without memory for the goroutine at first.
#[test]
fn loom_ctx_hook_stop_against_a_deadline_without_memory() {
    bounded(2, || {
        let (ran, ctx) = (Ran::never(), with_deadline(None, 10));
        let hook = ran.hang(ctx);
        let firing = thread::spawn(|| {
            spawn::refuse(1);
            run(10);
            run(2_000_000);
        });
        let never = hook.stop();
        firing.join().unwrap();
        ctx.unref();
        all_over();
        assert_eq!(ran.times(), if never { 0 } else { 1 });
    });
}

/// A hook that is hung on a context while that ends runs once.
#[test]
fn loom_ctx_hook_hung_against_cancel() {
    bounded(3, || {
        let (ran, ctx) = (Ran::never(), with_cancel(None));
        ctx.add_ref();
        let other = thread::spawn(|| {
            cancel(ctx, 0);
            ctx.unref();
        });
        let hook = ran.hang(ctx);
        other.join().unwrap();
        spawn::join_all();
        assert_eq!(ran.times(), 1);
        assert!(!hook.stop());
        ctx.unref();
        all_over();
    });
}

/// The runtime stops: no hook starts, and its owner is told so.
#[test]
fn loom_ctx_hook_against_lost() {
    bounded(3, || {
        let (ran, ctx) = (Ran::never(), with_deadline(None, 10));
        let hook = ran.hang(ctx);
        let stopping = thread::spawn(|| arm::heap(0).clear());
        assert!(hook.stop());
        stopping.join().unwrap();
        assert_eq!(over(ctx), (Error::Canceled, None));
        ctx.unref();
        all_over();
        assert_eq!(ran.times(), 0);
    });
}

/// The function may free its own hook, and with it be the last that holds the context.
#[test]
fn loom_ctx_hook_stopped_by_its_function() {
    unsafe extern "C-unwind" fn stops(at: *mut c_void) {
        // SAFETY: the model's place for the hook, which is there before the function starts.
        let hook = unsafe { (*at.cast::<Cell<Option<&'static Hook>>>()).get() };
        assert!(!hook.unwrap().stop());
    }
    bounded(3, || {
        let place: Arc<Cell<Option<&'static Hook>>> = Arc::new(Cell::new(None));
        let ctx = with_cancel(None);
        let arg = Arc::as_ptr(&place).cast_mut().cast();
        assert_eq!(Hook::hang(Some(ctx), stops, arg, || Ok(()), |hook| place.set(Some(hook))), Ok(()));
        cancel(ctx, 0);
        ctx.unref();
        all_over();
    });
}

/// A runtime that can't be had: the context ends all the same, and no hook starts.
#[test]
fn loom_ctx_cancel_without_runtime() {
    bounded(3, || {
        let (ran, ctx) = (Ran::never(), with_cancel(None));
        let hook = ran.hang(ctx);
        assert_eq!(ctx.cancel(7, || Err(Error::NoMemory)), Err(Error::NoMemory));
        assert_eq!(over(ctx), (Error::Canceled, Some(7)));
        assert!(hook.stop());
        ctx.unref();
        all_over();
        assert_eq!(ran.times(), 0);
    });
}

/// A destructor is found for the incarnation that it belongs to, or none is.
#[test]
fn loom_key_destructor_against_another_incarnation() {
    unsafe extern "C-unwind" fn first(_: *mut c_void) {}
    unsafe extern "C-unwind" fn second(at: *mut c_void) {
        // So that it is another function.
        assert!(at.is_null());
    }
    bounded(3, || {
        let entry = Arc::new(Entry::new());
        let word = entry.take(Some(first as Destructor));
        let other = {
            let entry = entry.clone();
            thread::spawn(move || {
                entry.give_back();
                entry.take(Some(second as Destructor))
            })
        };
        if let Some(found) = entry.destructor(word) {
            assert!(std::ptr::fn_addr_eq(found, first as Destructor));
        }
        let later = other.join().unwrap();
        assert!(later > word && entry.destructor(word).is_none());
        assert!(std::ptr::fn_addr_eq(entry.destructor(later).unwrap(), second as Destructor));
    });
}

/// That the models can fail: one user too many goes, and touches what is freed.
#[test]
#[should_panic]
fn loom_ctx_misuse_unref_twice() {
    bounded(3, || {
        let ctx = with_cancel(None);
        let other = thread::spawn(|| ctx.unref());
        ctx.unref();
        other.join().unwrap();
    });
}

/// That the models can fail: nobody frees the child, which holds its parent.
#[test]
#[should_panic(expected = "never freed")]
fn loom_ctx_misuse_no_unref() {
    bounded(3, || {
        let root = with_cancel(None);
        with_cancel(Some(root));
        root.unref();
        all_over();
    });
}
