//! A call on a descriptor, from its first try to its last: enter, try, wait, try again, leave.
//!
//! Every call has this shape: `run` notes the words of the descriptor, lets the call try what does not block, and where the kernel
//! says "not now" waits until something happens. While it waits it does not count as a user of the number; when it goes on,
//! the number must still stand for the same file (`life.rs`), else it was closed meanwhile: `Canceled`.
//!
//! *Quick waits.* To renew a registration at each wait (`desc.rs`) costs as much as a read. It is for the case that other code has
//! closed the number, and it stands for another file. Sockets tell that cheaper, by their cookie, and those of TCP have an event
//! for all that may come. Where it is that of the last registration, the wait takes this for granted, but for no longer than
//! [`QUICK`]: the number may be closed while it lasts. If nothing comes the call makes sure that the number still stands for the
//! same file, tries again, and waits for good.
//!
//! The three ways to make a system call:
//! * one that never blocks: as it is;
//! * one that hardly ever blocks, because the descriptor is ready, though another may be faster: [`Use::outside`];
//! * one that blocks: [`Use::blocking`], on the thread's own stack, with the P given away.

use super::desc::{self, Desc, Dirs, Ended, Wanted};
use super::life::Closing;
use super::poll::Poller;
use super::ring::{self, Stop, Waits};
use super::word::Seen;
use super::{io, kernel, table};
use crate::error::{Error, Result};
use crate::sched::m::{self, M};
use crate::sched::park::{self, Commit};
use crate::sched::state::Kind;
use crate::sched::{blocking, handshake, host};
use crate::sync::wordlock;
use crate::sys::atomic::Relaxed;
use crate::sys::clock::{self, NEVER};
use crate::sys::syscall::Errno;
use crate::sys::uring::Entry;
use crate::time::timeout::Timeout;
use std::ffi::CStr;

/// What a try comes to.
pub enum Try<T> {
    /// The system's last word.
    Done(T),
    /// What a try that waits for nothing has moved: there may be more.
    Part(T),
    /// Not now: wait for readiness.
    NotNow,
    Failed(Errno),
    /// It cannot be done here: see `Error`.
    Refused(Error),
}

impl Try<usize> {
    /// The kernel's answer to a call that waits for nothing, whatever the descriptor's flags.
    pub fn part(answer: kernel::Answer) -> Option<Try<usize>> {
        match answer {
            Ok(n) => Some(Try::Part(n)),
            answer => Try::from(answer),
        }
    }

    /// The kernel's answer to a plain call. None: interrupted, to be made again.
    pub fn from(answer: kernel::Answer) -> Option<Try<usize>> {
        match answer {
            Ok(n) => Some(Try::Done(n)),
            Err(libc::EAGAIN) => Some(Try::NotNow),
            Err(libc::EINTR) => None,
            Err(e) => Some(Try::Failed(e)),
        }
    }
}

/// Makes a call until it is not interrupted.
pub fn uninterrupted(mut f: impl FnMut() -> kernel::Answer) -> kernel::Answer {
    loop {
        match f() {
            Err(libc::EINTR) => {}
            r => return r,
        }
    }
}

/// A call that uses a descriptor: it counts, until it is dropped or waits.
pub struct Use {
    pub desc: &'static Desc,
    pub fd: i32,
    tag: u32,
    inside: bool,
    /// How often it has waited.
    naps: u32,
    /// A wait of it has lasted for [`QUICK`].
    lasts: bool,
}

/// How long a quick wait lasts before it makes sure that the number still stands for the same file, ns.
const QUICK: i64 = 10_000_000;
/// How often a call looks again whether a number that is given back has been, before it takes that for granted: some ms.
const LONG_CLOSE: u32 = 400;
/// So many waits of a call that were in vain are an accident: others were faster. More are a descriptor whose readiness does not
/// mean that the call goes (an eventfd with little room): then waits last a while, ns.
const IN_VAIN: u32 = 16;
const NAP: i64 = 1_000_000;

impl Use {
    /// EBADF for what is being closed; what is not open at all the kernel will say.
    pub fn enter(fd: i32) -> Result<Use> {
        let desc = table::of(fd)?;
        let mut u = Use { desc, fd, tag: 0, inside: false, naps: 0, lasts: false };
        let mut tries = 0;
        while u.try_enter() == Err(Closing::Wait) {
            if tries > LONG_CLOSE {
                desc.life.enter_late();
                u.inside = true;
                break;
            }
            wordlock::pause(&mut tries);
        }
        if !u.inside {
            return Err(Error::Os(libc::EBADF));
        }
        u.tag = desc.tag();
        Ok(u)
    }

    fn try_enter(&mut self) -> std::result::Result<(), Closing> {
        let r = self.desc.life.enter();
        self.inside = r.is_ok();
        if r == Err(Closing::Refused { last: true }) {
            let _ = close_number(self.desc, self.fd);
        }
        r
    }

    /// The call no longer uses the number. If it was the last of one that is being closed: what closing it answers.
    pub fn leave(&mut self) -> Option<Result> {
        if std::mem::replace(&mut self.inside, false) && self.desc.life.leave() {
            return Some(close_number(self.desc, self.fd));
        }
        None
    }

    /// Words that are noted before a try.
    pub fn look(&self) -> [Seen; 2] {
        self.desc.look()
    }

    /// Ends a call whose deadline is over before it tries. A deadline that is over may be that of a file which is gone.
    pub fn check_deadline(&mut self, dirs: Dirs) -> Result {
        let over = |d: &Desc| match d.deadline(dirs) {
            NEVER => false,
            at => at <= clock::now(),
        };
        if over(self.desc) {
            self.desc.check(self.fd, &Poller)?;
            self.tag = self.desc.tag();
            if over(self.desc) {
                return Err(Error::TimedOut);
            }
        }
        Ok(())
    }

    /// Waits for readiness, if nothing has happened since the words were noted. False: such files have none.
    pub fn wait(&mut self, dirs: Dirs, seen: [Seen; 2], when: i64, reason: &'static CStr) -> Result<bool> {
        self.naps += 1;
        if self.naps > IN_VAIN && dirs != Dirs::BOTH {
            if let Some(closed) = self.leave() {
                return closed.and(Err(Error::Canceled));
            }
            nap(when)?;
            self.again()?;
        }
        let mut wanted = [Wanted::new(self.desc, self.fd, dirs, seen)];
        if !self.lasts && io::is_tcp(self) && is_plain_goroutine() {
            wanted[0].cookie = kernel::cookie(self.fd);
        }
        let is_quick = wanted[0].cookie != 0;
        let until = if is_quick { when.min(clock::after(QUICK)) } else { when };
        let (inside, life) = (&mut self.inside, &self.desc.life);
        let ended = desc::wait(&mut wanted, until, true, &Poller, reason, || {
            *inside = false;
            if life.leave() {
                crate::throw!("a call that parks was the last of a descriptor that is closed");
            }
        });
        if is_quick && ended == Err(Error::NoMemory) {
            // For the time that only a quick wait has.
            self.lasts = true;
            return Ok(true);
        }
        if is_quick && ended == Err(Error::TimedOut) && clock::now() < when.min(self.desc.deadline(dirs)) {
            self.lasts = true;
            self.again()?;
            // Before anything is read: if it is another file by now, what comes there is not this call's.
            self.desc.check(self.fd, &Poller)?;
            self.again()?;
            return Ok(true);
        }
        let ended = ended?;
        if self.inside {
            // It has not left, so the number has not been given back: another tag is the news that it is another file since before this
            // call, which is the one that it has tried.
            self.tag = self.desc.tag();
        } else {
            self.again()?;
        }
        Ok(ended != Ended::NoEvents)
    }

    /// Goes on after a wait, if the number still stands for the same file. (A wait whose time was over already has not left.)
    pub fn again(&mut self) -> Result {
        if !self.inside {
            self.try_enter().map_err(|_| Error::Canceled)?;
        }
        if self.desc.tag() == self.tag { Ok(()) } else { Err(Error::Canceled) }
    }

    /// Whether a read would find nothing: nothing has happened since one took all there was. What happens later is an event, so the
    /// wait that follows needs no try before it. Once a call: then it tries. Only for goroutines that may wait.
    pub fn is_drained(&self, seen: [Seen; 2]) -> bool {
        self.naps == 0 && self.desc.drained.load(Relaxed) == seen[0].bits() && is_plain_goroutine()
    }

    /// A read has taken all the bytes there were; `seen` was noted before it. That there will be an event for what comes next is certain
    /// only of a file that is registered, as one is that the call has waited for, and if none has told of an end already.
    pub fn drained(&self, seen: [Seen; 2]) {
        if self.naps > 0 && !self.desc.ends.load(Relaxed) {
            self.desc.drained.store(seen[0].bits(), Relaxed);
        }
    }

    /// Whether the number still stands for the file that the call began with, and nobody closes it. By a call that is inside.
    pub fn is_same(&self) -> bool {
        !self.desc.life.is_closing() && self.desc.tag() == self.tag
    }

    /// Has the kernel carry out an entry that may take long. A close, a deadline of these directions or a time ends it. None: no ring
    /// takes it.
    ///
    /// # Safety
    /// What the entry points at is good for what the kernel does with it, until this returns.
    pub unsafe fn by_ring(
        &self,
        entry: impl FnOnce() -> Entry,
        waits: Waits,
        dirs: Dirs,
        until: i64,
    ) -> Option<Result<kernel::Answer>> {
        let ring = ring::get()?;
        may_block().ok()?;
        let stop = Stop { of: self, dirs, until };
        self.desc.life.blocks();
        // SAFETY: as the caller promises.
        let r = unsafe { ring::run(ring, entry(), waits, stop) };
        self.desc.life.unblocks();
        r
    }

    /// Makes a call that may block but hardly ever does.
    pub fn outside<R>(&self, f: impl FnOnce() -> R) -> Result<R> {
        let m = may_block()?;
        self.desc.life.blocks();
        let r = handshake::outside(m, f);
        self.desc.life.unblocks();
        Ok(r)
    }

    /// Makes a call that blocks.
    pub fn blocking<R>(&self, f: impl FnOnce() -> R) -> Result<R> {
        let m = may_block()?;
        self.desc.life.blocks();
        let r = blocking::run(m, f);
        self.desc.life.unblocks();
        Ok(r)
    }
}

/// Holds the position of a file on disk, as the kernel does in a call that moves it, over all the calls that a read or write here is made
/// of. While it is held nothing waits for readiness: whoever else wants it waits as well.
pub struct Position {
    desc: &'static Desc,
    held: bool,
}

impl Position {
    /// That of the descriptor, not held.
    pub fn new(u: &Use) -> Position {
        Position { desc: u.desc, held: false }
    }

    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Holds it, if it is not held yet. `u` counts as a call that blocks while it waits for that.
    pub fn hold(&mut self, u: &Use) -> Result {
        if self.held {
            return Ok(());
        }
        if self.desc.position.try_lock().is_err() {
            u.desc.life.blocks();
            let locked = self.desc.position.lock_slow(Timeout::FOREVER);
            u.desc.life.unblocks();
            locked?;
            self.held = true;
            return if u.is_same() { Ok(()) } else { Err(Error::Canceled) };
        }
        self.held = true;
        Ok(())
    }

    pub fn let_go(&mut self) {
        if std::mem::replace(&mut self.held, false) && !self.desc.position.unlock_fast() {
            let _ = self.desc.position.unlock_slow();
        }
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let _ = self.leave();
    }
}

/// Waits a while, whatever happens, but not beyond `when`.
fn nap(when: i64) -> Result {
    let wait = park::prepare(Kind::Io, clock::after(NAP).min(when))?;
    let _ = park::park(wait, IO_WAIT, Commit::none());
    Ok(())
}

/// The caller's thread, if it may block here.
pub fn may_block() -> Result<&'static M> {
    m::current().filter(|m| !m.in_commit.get()).ok_or(Error::NotPermitted)
}

/// Whether the caller is a goroutine that may wait, and has no host, who would be asked twice.
fn is_plain_goroutine() -> bool {
    may_block().is_ok_and(|m| m.goroutine().is_some_and(|g| !host::is_hosted(g)))
}

/// Closes a number that no call uses any more. That may take long, if what was written has to go out first.
fn close_number(desc: &Desc, fd: i32) -> Result {
    let close = || {
        let r = kernel::close(fd);
        desc.life.closed();
        r
    };
    let closed = match may_block() {
        Ok(m) => handshake::outside(m, close),
        Err(_) => close(),
    };
    match closed {
        // The number is free all the same.
        Ok(_) | Err(libc::EINTR) => Ok(()),
        Err(e) => Err(Error::Os(e)),
    }
}

/// What such a file's reads and writes wait for, for dumps.
pub const IO_WAIT: &CStr = c"IO wait";

/// Runs a call: `attempt` until it is done, waiting for `dirs` between.
pub fn run<T>(fd: i32, dirs: Dirs, mut attempt: impl FnMut(&Use, [Seen; 2]) -> Try<T>) -> Result<T> {
    let mut u = Use::enter(fd)?;
    u.check_deadline(dirs)?;
    loop {
        let seen = u.look();
        match attempt(&u, seen) {
            Try::Done(t) | Try::Part(t) => return Ok(t),
            Try::Failed(e) => return Err(Error::Os(e)),
            Try::Refused(e) => return Err(e),
            Try::NotNow => {
                u.wait(dirs, seen, NEVER, IO_WAIT)?;
            }
        }
    }
}
