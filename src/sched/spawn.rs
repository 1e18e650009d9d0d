//! Making goroutines: a record, an id, a promise of a stack, a place in the queue.

use super::g::{EndHook, GoFn, Name};
use super::host::Host;
use super::m::M;
use super::p::{P, SpawnCache};
use super::{global, home_thread, host, m, monitor, run};
use crate::sys::stack::Class;
use std::ffi::c_void;
use std::sync::atomic::Ordering::*;

/// What a goroutine may be given besides its function.
#[derive(Default)]
pub struct Options {
    /// None: the default class.
    pub class: Option<Class>,
    pub name: Option<Box<Name>>,
    pub on_end: Option<EndHook>,
    pub host: Option<Box<Host>>,
}

/// No memory for a goroutine.
#[derive(Debug)]
pub struct NoMemory;

/// Queues a goroutine as the calling P's next one and answers its id. The runtime is up.
pub fn spawn(f: GoFn, arg: *mut c_void, options: Options) -> Result<i64, NoMemory> {
    let m = m::current().expect("a call has an M");
    let p = m.p.get();
    let cache = p.map_or(&m.cache, |p| &p.cache);
    let default = global::default_class();
    let class = options.class.unwrap_or(default);
    if !cache.take_promise(class, default) {
        return Err(NoMemory);
    }
    let Some(g) = cache.take_record() else {
        cache.put_promise(class, default);
        return Err(NoMemory);
    };
    let spawner = m.curg.get();
    let id = cache.take_id(spawner.map_or(0, |s| s.last_child.get()));
    if let Some(s) = spawner {
        s.last_child.set(id);
    }
    g.id.store(id, Relaxed);
    g.last_child.set(0);
    g.entry.set(Some(f));
    g.arg.set(arg);
    g.class.set(class);
    g.on_end.set(options.on_end);
    g.slice_begins();
    host::begins(g, options.host);
    if let Some(name) = options.name {
        g.name.store(Box::into_raw(name), Release);
    }
    super::p::bump(&cache.spawned);
    g.word.spawn();
    if !g.is_homed.load(Relaxed) || home_thread::ready(g) {
        run::queue_next(p, g);
        if let (Some(p), Some(_)) = (p, spawner)
            && p.room() == 0
        {
            spills(m, p);
        }
    }
    Ok(id)
}

/// There is no more room on the P for what a goroutine spawns. Who has filled the global queue so for long has had enough of its slice: what
/// waits there leaves the caches, and the longer it goes on the more memory there is that is not used again.
#[cold]
#[inline(never)]
fn spills(m: &M, p: &P) {
    /// So many end a slice.
    const MOST: u32 = 4096;
    if p.spills().is_multiple_of(MOST) && !monitor::is_cooperative() {
        m.attention.ask_for_end_of_slice();
    }
}

/// What will be told of the end of the calling goroutine, if anything.
pub fn own_end() -> Option<EndHook> {
    m::current().and_then(|m| m.curg.get()).and_then(|g| g.on_end.get())
}

/// How many goroutines there ever were.
pub fn total() -> i64 {
    let on_ps: i64 = global::ever_ps().map(|p| p.cache.spawned.load(Acquire)).sum();
    let elsewhere: i64 = m::all().map(|m| m.cache.spawned.load(Acquire)).sum();
    on_ps + elsewhere
}

/// How many goroutines there are: spawned and not yet ended.
pub fn count() -> i64 {
    // The ends first: what is spawned and ends meanwhile may count, but never is one missed that is there.
    let ended = |cache: &SpawnCache| cache.ended.load(Acquire);
    let ended: i64 = global::ever_ps().map(|p| ended(&p.cache)).chain(m::all().map(|m| ended(&m.cache))).sum();
    total() - ended
}
