//! Readiness as callers ask for it, deadlines, and the end of a descriptor.
//!
//! Level-triggered: both waits ask the kernel before they wait and after each wake-up, so what edges there were does not matter.

use super::call::{IO_WAIT, Use};
use super::desc::{self, Dirs, Ended, Wanted};
use super::poll::Poller;
use super::{kernel, ring, table};
use crate::error::{Error, Result};
use crate::sched::park::{self, Commit};
use crate::sched::state::Kind;
use crate::sync::wordlock;
use crate::sys::clock::NEVER;
use crate::sys::errno;
use crate::time::timeout::Timeout;
use libc::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDHUP, pollfd};

/// What of these directions is ready: an error or a hang-up counts for each.
fn ready(fd: i32, dirs: Dirs) -> Result<Dirs> {
    let of = |dir: Dirs, events: i16| if dirs.has(dir) { events } else { 0 };
    let found = kernel::poll_one(fd, of(Dirs::READ, POLLIN) | of(Dirs::WRITE, POLLOUT)).map_err(Error::Os)?;
    if found & POLLNVAL != 0 {
        return Err(Error::Os(libc::EBADF));
    }
    if found & (POLLERR | POLLHUP) != 0 {
        return Ok(dirs);
    }
    Ok(Dirs((found & POLLIN != 0) as u8 | ((found & POLLOUT != 0) as u8) << 1))
}

/// Waits until one of the directions is ready. Answers those that are.
pub fn wait(fd: i32, dirs: Dirs, timeout: Timeout) -> Result<Dirs> {
    let mut u = Use::enter(fd)?;
    u.check_deadline(dirs)?;
    let mut when = None;
    loop {
        let seen = u.look();
        let found = ready(fd, dirs)?;
        if found != Dirs::NONE {
            return Ok(found);
        }
        let when = match when {
            Some(when) => when,
            None => *when.insert(timeout.begin()?),
        };
        u.wait(dirs, seen, when, IO_WAIT)?;
    }
}

/// Sets the deadlines of these directions, 0 for none.
pub fn set_deadline(fd: i32, dirs: Dirs, at: i64) -> Result {
    let u = Use::enter(fd)?;
    match kernel::file_type(fd).map_err(Error::Os)? {
        libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK => Err(Error::Os(libc::EOPNOTSUPP)),
        _ => {
            u.desc.set_deadline(fd, dirs, at, &Poller)?;
            ring::stir(u.desc);
            Ok(())
        }
    }
}

/// Forgets what is known of a number, and leaves it open.
pub fn forget(fd: i32) -> Result {
    let known = table::get(fd);
    if let Some(desc) = known {
        desc.forget(fd, &Poller);
        ring::stir(desc);
    }
    kernel::is_blocking(fd).map(|_| ()).map_err(Error::Os)
}

/// Closes a descriptor: wakes everybody who waits for it, and gives the number back once no call uses it any more. Calls that are
/// about to leave the kernel are waited for. One that blocks there is not: it closes the number when it leaves.
pub fn close(fd: i32) -> Result {
    let mut u = Use::enter(fd)?;
    // What is not open must not be forgotten: it may be about to be opened.
    kernel::is_blocking(fd).map_err(Error::Os).or_else(|e| match e {
        // One that was opened with O_PATH knows no flags.
        Error::Os(libc::EBADF) => Err(e),
        _ => Ok(true),
    })?;
    if !u.desc.begin_close(fd, &Poller) {
        return Err(Error::Os(libc::EBADF));
    }
    ring::stir(u.desc);
    let mut tries = 0;
    while u.desc.life.others_leave_soon() {
        wordlock::pause(&mut tries);
    }
    u.leave().unwrap_or(Ok(()))
}

/// Waits until one of several descriptors has one of its events. Answers how many have, 0 when time is over.
///
/// # Safety
/// `fds` may be read and written until this returns.
pub unsafe fn poll(fds: *mut pollfd, n: usize, timeout: Timeout) -> Result<usize> {
    let mut when = None;
    let mut wanted: Vec<Wanted> = Vec::new();
    loop {
        wanted.clear();
        // Without room there is but the look.
        let room = errno::preserved(|| wanted.try_reserve_exact(n));
        if room.is_ok() {
            for i in 0..n {
                // SAFETY: as the caller promises.
                let one = unsafe { &*fds.add(i) };
                if one.fd >= 0
                    && let Ok(desc) = table::of(one.fd)
                {
                    wanted.push(Wanted::new(desc, one.fd, dirs_of(one.events), desc.look()));
                }
            }
        }
        // SAFETY: as the caller promises.
        match unsafe { kernel::poll(fds, n) } {
            Ok(0) => {}
            Err(libc::EINTR) => continue,
            r => return r.map_err(Error::Os),
        }
        let when = match (when, timeout.begin()) {
            (Some(when), _) => when,
            (None, Ok(begun)) => *when.insert(begun),
            (None, Err(_)) => return Ok(0),
        };
        room.map_err(|_| Error::NoMemory)?;
        let r =
            if wanted.is_empty() { pause(when) } else { desc::wait(&mut wanted, when, false, &Poller, c"poll", || ()) };
        match r {
            Ok(_) => {}
            Err(Error::TimedOut) => return Ok(0),
            // Closed elsewhere: the next look says so.
            Err(Error::Os(libc::EBADF)) => {}
            Err(e) => return Err(e),
        }
    }
}

/// Where the events of a poll come from. An error or a hang-up comes without being asked for.
fn dirs_of(events: i16) -> Dirs {
    const WRITES: i16 = POLLOUT | libc::POLLWRNORM | libc::POLLWRBAND;
    const READS: i16 = POLLIN | POLLPRI | POLLRDHUP | libc::POLLRDNORM | libc::POLLRDBAND;
    match (events & READS != 0, events & WRITES != 0) {
        (true, true) => Dirs::BOTH,
        (false, true) => Dirs::WRITE,
        _ => Dirs::READ,
    }
}

/// Nothing is waited for but time.
fn pause(when: i64) -> Result<Ended> {
    let wait = park::prepare(Kind::Io, when)?;
    let _ = park::park(wait, c"poll", Commit::none());
    if when == NEVER { Ok(Ended::Again) } else { Err(Error::TimedOut) }
}
