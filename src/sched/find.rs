//! Finding the next goroutine: `findRunnable` of Go, on the worker's own stack.
//!
//! In order: deadlines that are due; `runnext`; every 61st slice the global queue; the local queue; a batch of the
//! global queue; news from outside; other Ps, as a spinner; then the idle protocol of `idle.rs`, and sleep.
//!
//! A spinner looks round for a while before it gives up, since sleeping and waking cost far more than the look. It
//! takes a `runnext` only if that stood untouched for [`STALE`]: a goroutine made ready just now will run on its own
//! P, with its waker's data in the cache, and a ping-pong pair must not be torn apart. For the same reason a P whose
//! goroutines have fought for a channel with another's takes from queues only what is worth it (`patience.rs`).

use super::attention::Wanted;
use super::burners;
use super::crowd;
use super::g::G;
use super::global::{self, IDLE};
use super::list::GList;
use super::locked;
use super::m::M;
use super::p::P;
use super::patience::Look;
use super::queue;
use super::run;
use super::source;
use crate::sys::atomic::{spin_hint, thread_yield};
use crate::sys::clock::{self, NEVER};
use crate::sys::cpu;
use std::ptr;
use std::sync::atomic::{AtomicI64, Ordering::*};

/// How long a spinner looks round before it sleeps, ns: about what a futex wake-up costs.
const SPIN: i64 = 40_000;
/// How often a spinner asks for news from outside, ns: a few times what it costs to ask.
const ASK: i64 = 2_000;
/// How long a `runnext` must stand untouched before a thief takes it, ns.
const STALE: i64 = 10_000;
/// What a P gains when a thief found its lone `runnext` worth taking, and its bounds. See `idle.rs`.
const CREDIT_GAIN: i32 = 4;
const CREDIT_MOST: i32 = 16;

/// How long spinners spin: nothing where there is but one CPU.
static SPIN_TIME: AtomicI64 = AtomicI64::new(SPIN);

/// Called once, before the first worker.
pub fn set_up() {
    SPIN_TIME.store(if cpu::affinity() > 1 { SPIN } else { 0 }, Relaxed);
}

/// The next goroutine for this worker. Sleeps until there is one; None when the thread is to end.
pub fn runnable(m: &'static M) -> Option<&'static G> {
    loop {
        let wanted = attend(m);
        let p = match m.p.get() {
            Some(p) => p,
            None => {
                let p = wait_for_p(m)?;
                // What was asked while it slept is nobody's.
                let _ = attend(m);
                p
            }
        };
        if let Some(g) = m.handoff.take() {
            return Some(g);
        }
        if p.is_surplus() {
            m.p.set(None);
            global::put_idle_p(p);
            if m.spinning.get() {
                stop_spinning(m);
            }
            continue;
        }
        // The slice that a pair shares through `runnext` is over for both. After a yield `runnext` stays before the yielder.
        if wanted.slice_over
            && !m.yielded.replace(false)
            && let Some(next) = p.take_next()
        {
            run::queue_last(Some(p), next);
        }
        if p.timers.earliest() != NEVER {
            run::run_timers(p, clock::now(), true);
        }
        for stranded in global::stranded_ps() {
            run::run_timers(stranded, clock::now(), false);
        }
        let first = first(p, wanted.look);
        if first.is_none() && burners::at_cap() && !burners::take_admission() {
            // What others' timers wake may go, and whom news from outside concern.
            run_timers_of_others(p);
            run::poll();
            if !queue::has_first() {
                go_idle(m, p);
            }
            continue;
        }
        // At the end of a slice the global queue has its turn too: a pair that readies itself has few slices.
        let global =
            if first.is_none() && wanted.slice_over { queue::take_one().inspect(|_| p.new_slice()) } else { None };
        if let Some(g) = first.or(global).or_else(|| local(p)).or_else(|| queue::take_batch(p)).or_else(|| polled(p)) {
            if m.spinning.get() {
                stop_spinning(m);
            }
            p.count_switch();
            return Some(g);
        }
        crowd::has_run_out(m, p);
        if let Some(g) = steal(m, p) {
            stop_spinning(m);
            p.count_switch();
            return Some(g);
        }
        go_idle(m, p);
    }
}

/// What the monitor wants. A report was wanted of who ran here before.
pub fn attend(m: &M) -> Wanted {
    let wanted = m.attention.attend();
    if wanted.hog {
        m.hog_since.store(0, Relaxed);
    }
    wanted
}

fn run_timers_of_others(p: &'static P) {
    let now = clock::now();
    for other in global::all_ps().filter(|other| !ptr::eq(*other, p) && other.timers.earliest() <= now) {
        run::run_timers(other, now, false);
    }
}

/// What goes before the others, though not for ever: what a timer woke late; and in turn with all the rest, or before it
/// where the rest is held back, what stopped without having had a slice. That waits where it stopped for what is due.
#[inline]
fn first(p: &'static P, looked: bool) -> Option<&'static G> {
    if !queue::has_first() {
        return None;
    }
    let tick = p.tick.load(Relaxed);
    let alone = burners::at_cap() || !(p.has_ready() || queue::has_global());
    let urgent = if alone || tick & 3 != 3 { queue::take_urgent() } else { None };
    urgent
        .or_else(|| {
            let turn = alone || (tick & 1 == 0 && !looked);
            if turn { queue::take_started() } else { None }
        })
        .inspect(|_| p.new_slice())
}

fn local(p: &'static P) -> Option<&'static G> {
    if let Some(g) = p.take_next() {
        return Some(g);
    }
    let global = if p.global_is_due() { queue::take_one() } else { None };
    p.new_slice();
    global.or_else(|| p.pop())
}

/// Asks for news from outside.
fn polled(p: &'static P) -> Option<&'static G> {
    if source::is_unwatched() {
        run::poll();
        return p.take_next().or_else(queue::take_urgent).inspect(|_| p.new_slice());
    }
    None
}

/// A `runnext` that a spinner keeps an eye on.
struct Seen {
    p: &'static P,
    next: *const G,
    switches: u64,
    since: i64,
}

impl Seen {
    fn look(p: &'static P, since: i64) -> Option<Seen> {
        let next = p.peek_next();
        (!next.is_null()).then(|| Seen { p, next, switches: p.switches.load(Relaxed), since })
    }

    fn is_same(&self) -> bool {
        ptr::eq(self.p.peek_next(), self.next) && self.p.switches.load(Relaxed) == self.switches
    }
}

/// Looks at the other Ps. If it answers a goroutine, the caller spins.
fn steal(m: &'static M, p: &'static P) -> Option<&'static G> {
    let n = global::procs();
    if n == 1 {
        return None;
    }
    if !m.spinning.get() {
        if !IDLE.start_spinning(n) {
            return None;
        }
        m.spinning.set(true);
    }
    let begin = clock::now();
    let mut now = begin;
    let mut seen: Option<Seen> = None;
    let mut asked = begin;
    let is_patient = p.patience.lasts(begin);
    let mut look: Option<Look> = None;
    loop {
        let may_rob = |victim: &'static P| !is_patient || is_worth(&mut look, victim, now);
        if let Some(g) = steal_round(m, p, now, may_rob) {
            return Some(g);
        }
        if now - asked >= ASK {
            asked = now;
            if let Some(g) = polled(p) {
                return Some(g);
            }
        }
        match &seen {
            Some(s) if s.is_same() => {
                if now - s.since >= STALE
                    && let Some(g) = s.p.steal_next(s.next)
                {
                    let credit = s.p.lone_credit.load(Relaxed);
                    s.p.lone_credit.store((credit + CREDIT_GAIN).min(CREDIT_MOST), Relaxed);
                    return Some(g);
                }
            }
            _ => seen = Seen::look(global::p(m.random() % n), now).filter(|s| !ptr::eq(s.p, p)),
        }
        // Alone in a crowd, what comes next comes with the time.
        let spin_time = if crowd::is_there() && IDLE.idle_ps() + 1 >= n { 0 } else { SPIN_TIME.load(Relaxed) };
        // With one CPU there is no spinning, but whoever looks at a `runnext` looks long enough to judge it.
        if now - begin >= spin_time
            && (seen.is_none() || now - begin >= spin_time.max(2 * STALE))
            && look.as_ref().is_none_or(|look| look.is_over(now))
        {
            look.inspect(Look::spare);
            return None;
        }
        if SPIN_TIME.load(Relaxed) == 0 {
            thread_yield();
        }
        for _ in 0..20 {
            spin_hint();
        }
        now = clock::now();
    }
}

/// Whether the patient thief robs the victim. It looks at one at a time.
fn is_worth(look: &mut Option<Look>, victim: &'static P, now: i64) -> bool {
    let look = look.get_or_insert_with(|| Look::at(victim, now));
    look.is_at(victim) && look.finds_worth(now)
}

/// One look at everybody's queues and deadlines, from a random start in a random order.
fn steal_round(
    m: &'static M,
    p: &'static P,
    now: i64,
    mut may_rob: impl FnMut(&'static P) -> bool,
) -> Option<&'static G> {
    let n = global::procs();
    if let Some(g) = queue::take_batch(p) {
        return Some(g);
    }
    let mut at = m.random() % n;
    let step = coprime_step(m.random(), n);
    for _ in 0..n {
        let victim = global::p(at);
        at = (at + step) % n;
        if victim.timers.earliest() <= now {
            run::run_timers(victim, now, false);
            if let Some(g) = p.take_next() {
                return Some(g);
            }
        }
        if !ptr::eq(victim, p)
            && victim.has_queued()
            && may_rob(victim)
            && let Some(g) = p.rob(victim)
        {
            return Some(g);
        }
    }
    None
}

/// A step that visits every P before it comes back to the first.
fn coprime_step(random: u32, n: u32) -> u32 {
    fn gcd(a: u32, b: u32) -> u32 {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    let mut step = random % n + 1;
    while gcd(step, n) != 1 {
        step += 1;
    }
    step % n
}

/// The spinner has found work.
fn stop_spinning(m: &'static M) {
    m.spinning.set(false);
    global::stop_spinning();
}

/// The sleeper's half of the idle protocol, up to the second look: the M has no P afterwards.
fn go_idle(m: &'static M, p: &'static P) {
    m.p.set(None);
    global::put_idle_p(p);
    if m.spinning.replace(false) {
        let _ = IDLE.stop_spinning();
    } else {
        IDLE.before_recheck();
    }
}

/// The rest of it: the second look, and sleep. Returns with a P, as a spinner, when there may be work; None when the
/// thread is to end.
fn wait_for_p(m: &'static M) -> Option<&'static P> {
    burners::parked(m);
    let again = global::has_work() || global::earliest() <= clock::now();
    let p = match again.then(global::take_idle_p).flatten() {
        Some(p) => {
            IDLE.spin_anyway();
            p
        }
        None => {
            let woken = GList::new();
            let p = global::sleep(m, &woken)?;
            locked::take(m, p);
            crowd::begins(m, p);
            m.spinning.set(true);
            run::ready_news(&woken);
            return Some(p);
        }
    };
    locked::take(m, p);
    m.spinning.set(true);
    Some(p)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stealing_visits_every_p() {
        for n in 1..40 {
            for random in 0..100 {
                let step = coprime_step(random, n);
                let mut seen = vec![false; n as usize];
                let mut at = random % n;
                for _ in 0..n {
                    seen[at as usize] = true;
                    at = (at + step) % n;
                }
                assert!(seen.iter().all(|&s| s), "n {n} random {random} step {step}");
            }
        }
    }
}
