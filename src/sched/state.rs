//! The state word of a goroutine: who may run it, and who may wake it.
//!
//! One 64-bit word, `sequence << 8 | kind << 3 | state`. The sequence rises at each park and never falls while the record is
//! in use. Between two uses the record's memory may be given back: then the word reads as zero, which is DEAD, until the
//! record is taken again, and [`StateWord::raise_sequence`] takes the sequence up to where it was, or above. So a token is
//! never good for a second park.
//!
//! | state    | who owns the stack and the record              | leaves it by                                  |
//! |----------|------------------------------------------------|-----------------------------------------------|
//! | DEAD     | nobody; the record is on a free list           | `spawn`, by whoever took it off the list      |
//! | RUNNABLE | the queue it is on, or whoever has claimed it  | `run`, by the M that took it off the queue    |
//! | RUNNING  | its M; a plain thread's record always runs     | `wait`, `requeue` or `end`, by that M         |
//! | WAITING  | nobody: whoever changes the word               | `claim`, by the one winner; or `take_back`    |
//! | SIGNALLED| a plain thread, once its claimer is done       | `run`, by the thread itself                   |
//!
//! Races, and why they come out right:
//! * *Park against ready.* WAITING is stored on the far side of the switch, when the registers are saved, and
//!   before the lock is let go under which wakers look. So a waker either sees WAITING and everything the near
//!   side wrote (Release in `wait`, Acquire in `claim`), or it sees RUNNING and touches nothing.
//! * *Two wakers, or a waker and time.* Each tries to change exactly WAITING(kind, sequence) to RUNNABLE. One wins.
//!   The winner owns the record until it queues it: it may write results into it.
//! * *A late waker.* It carries the token of a park that is over. The sequence has risen: its claim fails.

use crate::sys::atomic::{AcqRel, Acquire, AtomicU64, Relaxed, Release};

const STATE: u64 = 0b111;
const KIND_SHIFT: u32 = 3;
const SEQ_SHIFT: u32 = 8;
const SEQ_ONE: u64 = 1 << SEQ_SHIFT;

const DEAD: u64 = 0;
const RUNNABLE: u64 = 1;
const RUNNING: u64 = 2;
const WAITING: u64 = 3;
const SIGNALLED: u64 = 4;

/// What a goroutine waits in. Only a [`Kind::Park`] may be readied from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// `rt_gopark`: the caller's own wait.
    Park = 0,
    Sleep,
    Chan,
    Sync,
    /// The end of an `rt_run`.
    Note,
    /// Readiness of descriptors.
    Io,
}

/// Names one park of one goroutine: the value that its state word has during it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token(u64);

impl Token {
    /// The word itself, for a futex.
    pub fn bits(self) -> u64 {
        self.0
    }
}

/// See the room's header.
pub struct StateWord(AtomicU64);

impl Default for StateWord {
    fn default() -> Self {
        StateWord(AtomicU64::new(DEAD))
    }
}

impl StateWord {
    fn load_own(&self) -> u64 {
        self.0.load(Relaxed)
    }

    fn set(&self, state: u64, kind: u64) {
        let seq = self.load_own() & !(SEQ_ONE - 1);
        self.0.store(seq | (kind << KIND_SHIFT) | state, Release);
    }

    /// DEAD to RUNNABLE, by the owner of the free record.
    pub fn spawn(&self) {
        debug_assert_eq!(self.load_own() & STATE, DEAD);
        self.set(RUNNABLE, 0);
    }

    /// RUNNABLE to RUNNING, by the M that took it off a queue; or by a plain thread that goes on.
    #[inline]
    pub fn run(&self) {
        debug_assert!(matches!(self.load_own() & STATE, RUNNABLE | SIGNALLED));
        self.set(RUNNING, 0);
    }

    /// RUNNABLE to SIGNALLED: the claimer of a plain thread has written all its results, the thread may go on.
    pub fn signal(&self) {
        debug_assert_eq!(self.load_own() & STATE, RUNNABLE);
        self.set(SIGNALLED, 0);
    }

    /// The word as a plain thread reads it that waits for `signal`: None if that has come.
    pub fn unsignalled(&self) -> Option<u64> {
        let word = self.0.load(Acquire);
        (word & STATE != SIGNALLED).then_some(word)
    }

    /// RUNNING to RUNNABLE, on the far side, by the M that then queues it.
    #[inline]
    pub fn requeue(&self) {
        debug_assert_eq!(self.load_own() & STATE, RUNNING);
        self.set(RUNNABLE, 0);
    }

    /// RUNNING to DEAD, by its M.
    pub fn end(&self) {
        debug_assert_eq!(self.load_own() & STATE, RUNNING);
        self.set(DEAD, 0);
    }

    /// The token of the next park, which begins with [`wait`](Self::wait). Asked by the running goroutine itself.
    #[inline]
    pub fn next_wait(&self, kind: Kind) -> Token {
        let seq = (self.load_own() & !(SEQ_ONE - 1)).wrapping_add(SEQ_ONE);
        Token(seq | ((kind as u64) << KIND_SHIFT) | WAITING)
    }

    /// RUNNING to WAITING, on the far side of the switch. From here on whoever may claim may run it.
    #[inline]
    pub fn wait(&self, token: Token) {
        debug_assert_eq!(self.load_own() & STATE, RUNNING);
        self.0.store(token.0, Release);
    }

    /// WAITING to RUNNABLE, if the park that the token names is still on. True: the caller owns the goroutine and
    /// must queue it.
    #[inline]
    #[must_use]
    pub fn claim(&self, token: Token) -> bool {
        let runnable = (token.0 & !(SEQ_ONE - 1)) | RUNNABLE;
        self.0.compare_exchange(token.0, runnable, AcqRel, Acquire).is_ok()
    }

    /// The token of the present park if it is of this kind, for a claim from outside.
    #[must_use]
    pub fn waiting_in(&self, kind: Kind) -> Option<Token> {
        let word = self.0.load(Acquire);
        let low = word & (SEQ_ONE - 1);
        (low == ((kind as u64) << KIND_SHIFT) | WAITING).then_some(Token(word))
    }

    /// The token of the present park, whatever it waits in.
    pub fn waiting(&self) -> Option<Token> {
        let word = self.0.load(Acquire);
        (word & STATE == WAITING).then_some(Token(word))
    }

    /// WAITING to RUNNING: the park is called off before it began to matter. False: somebody has claimed it.
    #[must_use]
    pub fn take_back(&self, token: Token) -> bool {
        let running = (token.0 & !(SEQ_ONE - 1)) | RUNNING;
        self.0.compare_exchange(token.0, running, AcqRel, Acquire).is_ok()
    }

    /// Whether the park that the token names is still on.
    pub fn is_waiting(&self, token: Token) -> bool {
        self.0.load(Acquire) == token.0
    }

    /// The sequence of a dead record is this at least: its memory was given back, and reads as zero.
    #[cfg(not(loom))]
    pub fn raise_sequence(&self, least: u64) {
        debug_assert_eq!(self.load_own() & STATE, DEAD);
        if self.sequence() < least {
            self.0.store(least << SEQ_SHIFT | DEAD, Relaxed);
        }
    }

    /// Rises with each park.
    #[cfg(not(loom))]
    pub fn sequence(&self) -> u64 {
        self.load_own() >> SEQ_SHIFT
    }

    /// The state in a word, for dumps.
    #[cfg(not(loom))]
    pub fn name(&self) -> &'static str {
        match self.0.load(Relaxed) & STATE {
            DEAD => "dead",
            RUNNABLE => "runnable",
            RUNNING => "running",
            WAITING => "waiting",
            _ => "signalled",
        }
    }

    /// Whether it runs, asked by the M that has it.
    pub fn is_running(&self) -> bool {
        self.load_own() & STATE == RUNNING
    }

    /// The word, for a plain thread that waits for it to change.
    pub fn raw(&self) -> &AtomicU64 {
        &self.0
    }

    /// True while the record is in use.
    #[cfg(not(loom))]
    pub fn is_alive(&self) -> bool {
        self.0.load(Acquire) & STATE != DEAD
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn running() -> StateWord {
        let w = StateWord::default();
        w.spawn();
        w.run();
        w
    }

    #[test]
    fn one_winner_and_a_late_waker_loses() {
        let w = running();
        let t = w.next_wait(Kind::Chan);
        assert!(!w.claim(t), "not before it waits");
        w.wait(t);
        assert!(w.is_waiting(t));
        assert!(w.claim(t));
        assert!(!w.claim(t));
        w.run();
        let t2 = w.next_wait(Kind::Chan);
        assert_ne!(t, t2);
        w.wait(t2);
        assert!(!w.claim(t), "an old token names no later park");
        assert!(w.claim(t2));
    }

    #[test]
    fn only_a_park_is_found_from_outside() {
        let w = running();
        assert!(w.waiting_in(Kind::Park).is_none());
        w.wait(w.next_wait(Kind::Sleep));
        assert!(w.waiting_in(Kind::Park).is_none());
        let w = running();
        let t = w.next_wait(Kind::Park);
        w.wait(t);
        assert_eq!(w.waiting_in(Kind::Park), Some(t));
    }

    #[test]
    fn taking_back_loses_against_a_claim() {
        let w = running();
        let t = w.next_wait(Kind::Park);
        w.wait(t);
        assert!(w.take_back(t));
        let t = w.next_wait(Kind::Park);
        w.wait(t);
        assert!(w.claim(t));
        assert!(!w.take_back(t));
    }

    #[test]
    fn the_sequence_survives_the_end() {
        let w = running();
        let t = w.next_wait(Kind::Park);
        w.wait(t);
        assert!(w.claim(t));
        w.run();
        w.end();
        assert!(!w.is_alive());
        w.spawn();
        w.run();
        assert_ne!(w.next_wait(Kind::Park), t);
    }
}
