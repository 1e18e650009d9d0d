//! The Ms that sleep, and the two offices that some of them have: the keeper of time, and the poller. All under the lock of
//! `global.rs`.
//!
//! *The keeper.* One sleeping M, without a P, sleeps only until the earliest deadline of all Ps, or among many a little longer
//! (`crowd.rs`); the others sleep until they are woken. An M that goes idle and knows an earlier deadline becomes the keeper, and
//! the former one, still asleep, is an idle M like any other: no thread is woken for the change (it wakes once, at its old time,
//! and sleeps on). Deadlines of busy Ps need no keeper: their own M looks, and behind it the monitor.
//!
//! *The poller.* Where there is a source of news from outside (`source.rs`), one sleeping M sleeps in it instead of on its futex:
//! the first that goes to sleep while nobody does. It may be the keeper too, and stays the poller when another replaces it as
//! that. With news it gives both offices up and takes an idle P; where there is none it queues whom they concern, before all
//! else, and sleeps as the others do: busy Ps ask for themselves.

use super::crowd::Wakes;
use super::m::M;
use super::p::P;
use super::source;
use crate::sys::clock::NEVER;
use crate::sys::futex;
use std::ptr;
use std::sync::atomic::Ordering::*;

/// What `M::note` says to a thread that sleeps: go on with the P in `next_p`, or end if there is none.
pub const GO: u32 = 1;
/// Look again what there is to do while asleep.
const LOOK: u32 = 2;

/// A thread that was asleep, and is to be roused once the lock is let go.
pub struct Sleeper {
    m: &'static M,
    polls: bool,
}

impl Sleeper {
    /// Under the lock: what it is to go on with.
    pub fn hand(&self, p: Option<&'static P>) {
        self.m.next_p.set(p);
        self.m.note.store(GO, Release);
    }

    pub fn rouse(&self) {
        if self.polls { source::interrupt() } else { futex::wake(&self.m.note, 1) }
    }
}

/// How a thread sleeps.
pub struct Sleep {
    pub until: i64,
    pub polls: bool,
}

impl Sleep {
    /// Under the lock, awake: another may sleep in the source.
    pub fn leave_source(&self) {
        if self.polls {
            source::set_watched(false);
        }
    }
}

/// The M does not lie down after all, but goes on with the P; without one it ends.
pub fn goes_on(m: &M, p: Option<&'static P>) -> Sleep {
    m.next_p.set(p);
    m.note.store(GO, Relaxed);
    Sleep { until: NEVER, polls: false }
}

/// See the file's header.
pub struct Asleep {
    /// Those without an office.
    idle: Option<&'static M>,
    keeper: Option<&'static M>,
    /// Sleeps in the source.
    poller: Option<&'static M>,
    /// When the keeper wakes by itself; NEVER without a keeper.
    keeper_until: i64,
    /// The keepers' wake-ups because of the time.
    pub wakes: Wakes,
}

impl Asleep {
    pub const fn new() -> Self {
        Asleep { idle: None, keeper: None, poller: None, keeper_until: NEVER, wakes: Wakes::new() }
    }

    /// How many there are, as far as `most`.
    pub fn count(&self, most: usize) -> usize {
        let keeps = self.keeper.is_some_and(|k| !self.is_poller(k));
        let mut n = keeps as usize + self.poller.is_some() as usize;
        let mut next = self.idle;
        while let Some(m) = next
            && n < most
        {
            n += 1;
            next = m.idle_link.get();
        }
        n
    }

    pub fn has_keeper(&self) -> bool {
        self.keeper.is_some()
    }

    /// One that is to sleep in the source from here on, which nobody does. The caller wakes it.
    pub fn pop_for_source(&mut self) -> Option<&'static M> {
        let m = match self.idle {
            Some(m) => {
                self.idle = m.idle_link.take();
                m
            }
            None => {
                let m = self.keeper?;
                self.leave_offices(m);
                m
            }
        };
        m.note.store(LOOK, Release);
        Some(m)
    }

    /// The M sleeps without an office.
    pub fn lie_idle(&mut self, m: &'static M) -> Sleep {
        m.idle_link.set(self.idle.replace(m));
        Sleep { until: NEVER, polls: false }
    }

    /// A sleeping M. Those with an office come last, for the monitor stands in where one is vacant; the poller after the keeper.
    pub fn pop(&mut self) -> Option<Sleeper> {
        if let Some(m) = self.idle {
            self.idle = m.idle_link.take();
            return Some(Sleeper { m, polls: false });
        }
        let m = self.keeper.filter(|k| !self.is_poller(k)).or(self.poller)?;
        let polls = self.is_poller(m);
        self.leave_offices(m);
        Some(Sleeper { m, polls })
    }

    fn is_poller(&self, m: &M) -> bool {
        self.poller.is_some_and(|p| ptr::eq(p, m))
    }

    pub fn is_keeper(&self, m: &M) -> bool {
        self.keeper.is_some_and(|k| ptr::eq(k, m))
    }

    fn leave_keeping(&mut self, m: &M) {
        if self.is_keeper(m) {
            (self.keeper, self.keeper_until) = (None, NEVER);
        }
    }

    /// A poller that is roused is in the source until it wakes; so long no other goes there, who might take the interruption that
    /// is meant for it.
    pub fn leave_offices(&mut self, m: &M) {
        self.leave_keeping(m);
        if self.is_poller(m) {
            self.poller = None;
        }
    }

    /// The M goes to sleep: with an office, or as one of the idle ones. `earliest` is the earliest deadline.
    pub fn lie_down(&mut self, m: &'static M, earliest: i64) -> Sleep {
        let polls = source::is_unwatched();
        if polls {
            self.poller = Some(m);
            source::set_watched(true);
        }
        let until = self.wakes.next(earliest);
        let keeps = until < self.keeper_until;
        if keeps {
            if let Some(former) = self.keeper.replace(m)
                && !self.is_poller(former)
            {
                former.idle_link.set(self.idle.replace(former));
            }
            self.keeper_until = until;
        }
        if !polls && !keeps {
            return self.lie_idle(m);
        }
        Sleep { until: if keeps { until } else { NEVER }, polls }
    }
}
