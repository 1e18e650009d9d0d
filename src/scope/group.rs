//! Groups: goroutines that share a context and are waited for as one. The first result other than 0 is the group's and
//! ends the context; all others are dropped.
//!
//! Built from what there is: a context, a waitgroup that counts the tasks, a semaphore with a unit for each that may run at
//! once. A task is counted before it is spawned, and takes its unit before that, so what cannot be spawned gives both
//! back and was never there. It gives them back at the end of its goroutine, when deferred functions and destructors have run:
//! the unit first, the count last, since with the count the group may go.
//!
//! *The first error.* A task's result is put into `result` by compare-and-swap, and who wins ends the context with it. All this
//! comes before the task's end is counted: a wait that finds the count at zero finds result and context settled.
//!
//! *The limit* may change as long as nothing has begun. `begun` counts what has, twice, and its lowest bit is the lock of
//! `set_limit`: that takes it only in a word that says that nothing has begun, and a task begins only in a word without it.
//! So a limit is set entirely before the first task, or not at all.
//!
//! A group has one owner. Its free waits for all tasks, and must not overlap another call.

use super::context::Ctx;
use crate::error::{Error, Result};
use crate::sched::g::EndHook;
use crate::sched::handshake;
use crate::sched::spawn::{self, Options};
use crate::sync::sema::Sema;
use crate::sync::waitgroup::WaitGroup;
use crate::sync::wordlock;
use crate::sys::atomic::{AcqRel, Acquire, AtomicI32, AtomicU64, Relaxed, Release};
use crate::sys::errno;
use crate::time::timeout::Timeout;
use std::alloc::{Layout, alloc, dealloc};
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

/// What a task runs: its context, its argument, its result.
pub type TaskFn = unsafe extern "C" fn(*mut Ctx, *mut c_void) -> c_int;

/// The lock of `set_limit`.
const SETTING: u64 = 1;
/// A task that has begun.
const TASK: u64 = 2;

/// See the file's header.
pub struct Group {
    ctx: &'static Ctx,
    tasks: WaitGroup,
    begun: AtomicU64,
    /// A unit for each task that may run; none: no limit. Written under SETTING; only read once a task has begun.
    limit: UnsafeCell<Option<Sema>>,
    result: AtomicI32,
}

// SAFETY: `limit` is written under SETTING, before any task has begun, and read by tasks; `begun` orders the two.
unsafe impl Sync for Group {}

/// A task on its way to its goroutine.
struct Task {
    group: &'static Group,
    f: TaskFn,
    arg: *mut c_void,
}

/// Puts a value into memory of its own; None when none is left.
fn boxed<T>(value: T) -> Option<NonNull<T>> {
    // SAFETY: no type here is empty.
    let at = NonNull::new(unsafe { alloc(Layout::new::<T>()) })?.cast::<T>();
    // SAFETY: fresh memory of the right layout.
    unsafe { at.write(value) };
    Some(at)
}

/// Takes the value back, and its memory away.
///
/// # Safety
/// Made by [`boxed`], and not used again.
unsafe fn unboxed<T>(at: NonNull<T>) -> T {
    // SAFETY: the caller's promise.
    unsafe {
        let value = at.read();
        dealloc(at.as_ptr().cast(), Layout::new::<T>());
        value
    }
}

impl Group {
    /// A group below a context. None without memory.
    pub fn make(parent: Option<&'static Ctx>) -> Option<&'static Group> {
        let ctx = Ctx::make(parent, crate::sys::clock::NEVER, 0, || Ok(()))?;
        let group = Group {
            ctx,
            tasks: WaitGroup::new(),
            begun: AtomicU64::new(0),
            limit: UnsafeCell::new(None),
            result: AtomicI32::new(0),
        };
        match boxed(group) {
            // SAFETY: just made; alive until `free`.
            Some(at) => Some(unsafe { at.as_ref() }),
            None => {
                ctx.unref();
                None
            }
        }
    }

    pub fn ctx(&self) -> &'static Ctx {
        self.ctx
    }

    /// At most so many tasks at once from here on; 0: any number. `Busy` once a task has begun.
    pub fn set_limit(&self, limit: usize) -> Result {
        wordlock::lock(&self.begun, SETTING, |word| word < TASK).ok_or(Error::Busy)?;
        let units = (limit > 0).then(|| Sema::with_count(limit.min(u32::MAX as usize) as u32));
        // SAFETY: SETTING is held, so no task has begun and none begins.
        unsafe { *self.limit.get() = units };
        self.begun.store(0, Release);
        Ok(())
    }

    /// The semaphore of a limit, asked for by a task that has begun.
    fn units(&self) -> Option<&Sema> {
        // SAFETY: nobody writes it any more.
        unsafe { (*self.limit.get()).as_ref() }
    }

    /// Starts a task, when the limit lets it. Answers its goroutine's id. The runtime is up.
    pub fn go(&'static self, f: TaskFn, arg: *mut c_void) -> Result<i64> {
        let task = errno::preserved(|| boxed(Task { group: self, f, arg })).ok_or(Error::NoMemory)?;
        self.begin();
        let r = self.start(task);
        if r.is_err() {
            self.begun.fetch_sub(TASK, Release);
            // SAFETY: no goroutine has it.
            errno::preserved(|| _ = unsafe { unboxed(task) });
        }
        r
    }

    fn begin(&self) {
        let mut tries = 0;
        loop {
            let word = self.begun.load(Relaxed);
            if word & SETTING != 0 {
                wordlock::pause(&mut tries);
            } else if self.begun.compare_exchange_weak(word, word + TASK, AcqRel, Relaxed).is_ok() {
                return;
            }
        }
    }

    fn start(&'static self, task: NonNull<Task>) -> Result<i64> {
        if let Some(units) = self.units()
            && units.try_acquire().is_err()
        {
            units.acquire_slow(Timeout::FOREVER)?;
        }
        let hook = EndHook { f: task_ended, arg: ptr::from_ref(self).cast() };
        let options = Options { on_end: Some(hook), ..Options::default() };
        let spawned = self.tasks.add(1).and_then(|()| {
            let spawned = errno::preserved(|| spawn::spawn(run_task, task.as_ptr().cast(), options));
            spawned.map_err(|_| {
                let _ = self.tasks.add(-1);
                Error::NoMemory
            })
        });
        if spawned.is_err() {
            self.give_unit_back();
        }
        spawned
    }

    fn give_unit_back(&self) {
        if let Some(units) = self.units()
            && !units.release_fast()
        {
            // It was taken, so the count cannot be full.
            let _ = units.release_slow();
        }
    }

    /// A task has answered something other than 0.
    fn failed(&self, result: i32) {
        if self.result.compare_exchange(0, result, AcqRel, Relaxed).is_ok() {
            // On a goroutine, so the runtime is up.
            let _ = errno::preserved(|| self.ctx.cancel(result, || Ok(())));
        }
    }

    /// Whether the caller is one of the tasks.
    fn is_own(&self) -> bool {
        spawn::own_end().is_some_and(|hook| ptr::eq(hook.arg, ptr::from_ref(self).cast()))
    }

    /// Waits for all tasks, ends the context, and answers the first result that was not 0. `NotPermitted` in a task. `up` as that
    /// of [`Ctx::cancel`].
    pub fn wait(&self, up: impl FnOnce() -> Result) -> Result<i32> {
        if self.is_own() {
            return Err(Error::NotPermitted);
        }
        self.tasks.wait(Timeout::FOREVER)?;
        // What a hook finds missing is no failure of the group's.
        let _ = errno::preserved(|| self.ctx.cancel(0, up));
        Ok(self.result.load(Acquire))
    }

    /// Ends the context, waits for all tasks, and frees the group. `NotPermitted` in a task, and nothing happens.
    pub fn free(&'static self, up: impl FnOnce() -> Result) -> Result {
        if self.is_own() {
            return Err(Error::NotPermitted);
        }
        let _ = errno::preserved(|| self.ctx.cancel(0, up));
        self.tasks.wait(Timeout::FOREVER)?;
        // SAFETY: its owner gives it up, and no task is left. The end of the last one touches it no more: see waitgroup.rs.
        let group = errno::preserved(|| unsafe { unboxed(NonNull::from(self)) });
        errno::preserved(|| group.ctx.unref());
        Ok(())
    }
}

/// A task's goroutine has ended.
unsafe fn task_ended(group: *const ()) {
    // SAFETY: the task is counted, so the group is there until this has lowered the count.
    let group = unsafe { &*group.cast::<Group>() };
    group.give_unit_back();
    // It counts at least this task.
    let _ = group.tasks.add(-1);
}

/// What a task's goroutine runs, outside of the runtime.
unsafe extern "C" fn run_task(task: *mut c_void) {
    let Some(task) = NonNull::new(task.cast::<Task>()) else { return };
    // SAFETY: handed over at the spawn. It goes before the program's function, which may never come back here.
    let Task { group, f, arg } = errno::preserved(|| unsafe { unboxed(task) });
    // SAFETY: whoever started the task vouches for its function and argument. The group, and so its context, is there as
    // long as the task is counted.
    let result = unsafe { f(ptr::from_ref(group.ctx).cast_mut(), arg) };
    if result != 0 {
        let (_, outer) = handshake::enter();
        group.failed(result);
        handshake::leave(outer);
    }
}
