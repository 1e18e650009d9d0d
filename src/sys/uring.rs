//! A ring of io_uring (7), as much of it as is needed here: one entry at a time goes in, and answers come out.
//!
//! Queues are memory that is shared with the kernel. Each has one word that we write and one that the kernel does; what lies
//! between the two belongs to whoever reads it next. The caller sees to it that one thread at a time uses a ring (`net/ring.rs`
//! has a lock). Constants and layouts from linux/io_uring.h.
//!
//! An entry is in the kernel when [`Ring::submit`] has returned: what it points at need stand no longer, but for buffers. If
//! the kernel does not take it, it is taken back, so nothing is ever left in the queue.
//!
//! *An answer that finds no room* stays with the kernel, which says so in a flag and hands it on when asked while there is room.
//! The flag is looked at after our word has been moved. The kernel may have found the queue full before, and set the flag after that look;
//! then the descriptor is readable, and whoever waits for that comes again.

use super::atomic::full_fence;
use super::syscall::{Errno, call, call3};
use std::sync::atomic::{AtomicU32, Ordering::*};

/// What is to be done, as the kernel reads it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Entry {
    opcode: u8,
    flags: u8,
    ioprio: u16,
    fd: i32,
    off: u64,
    addr: u64,
    len: u32,
    op_flags: u32,
    user_data: u64,
    rest: [u64; 3],
}

/// On a thread of the kernel's, at once: it may block there.
const ASYNC: u8 = 1 << 4;
/// Of an accept: not to wait (Linux 6.10).
const ACCEPT_DONTWAIT: u16 = 1 << 1;

impl Entry {
    /// preadv, on a thread of the kernel's from the beginning, which reads as much as a plain call would: else it may answer the part that
    /// is in memory. So its number is looked up late (`net/ring.rs`). The list of buffers is read during the submission.
    pub fn read(fd: i32, iov: &[libc::iovec], offset: u64) -> Entry {
        Entry {
            opcode: 1,
            flags: ASYNC,
            fd,
            addr: iov.as_ptr() as u64,
            len: iov.len() as u32,
            off: offset,
            ..Entry::default()
        }
    }

    /// pwritev. Its number is looked up during the submission; what then would wait goes to a thread of the kernel's.
    pub fn write(fd: i32, iov: &[libc::iovec], offset: u64) -> Entry {
        Entry { opcode: 2, flags: 0, ..Entry::read(fd, iov, offset) }
    }

    pub fn fsync(fd: i32) -> Entry {
        Entry { opcode: 3, flags: ASYNC, fd, ..Entry::default() }
    }

    /// accept4 that answers EAGAIN where nobody has come, whatever the socket's flags. Kernels before 6.10 say EINVAL.
    pub fn accept_now(fd: i32, addr: *mut libc::sockaddr, addrlen: *mut libc::socklen_t, flags: i32) -> Entry {
        let (addr, off, op_flags) = (addr as u64, addrlen as u64, flags as u32);
        Entry { opcode: 13, ioprio: ACCEPT_DONTWAIT, fd, addr, off, op_flags, ..Entry::default() }
    }

    pub fn connect(fd: i32, addr: *const libc::sockaddr, len: libc::socklen_t) -> Entry {
        Entry { opcode: 16, flags: ASYNC, fd, addr: addr as u64, off: len as u64, ..Entry::default() }
    }

    /// Stops the entry that was submitted under that name, which then answers ECANCELED or EINTR, if it is not over first.
    pub fn cancel(name: u64) -> Entry {
        Entry { opcode: 14, fd: -1, addr: name, ..Entry::default() }
    }
}

/// An answer. `name` is what its entry was submitted under.
#[repr(C)]
#[derive(Clone, Copy)]
struct Answer {
    name: u64,
    result: i32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct Offsets {
    head: u32,
    tail: u32,
    mask: u32,
    entries: u32,
    /// Submissions: flags, dropped, array. Answers: overflow, the answers themselves, flags.
    more: [u32; 3],
    reserved: u32,
    user_addr: u64,
}

#[repr(C)]
#[derive(Default)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    sq_thread: [u32; 2],
    features: u32,
    wq_fd: u32,
    reserved: [u32; 3],
    sq: Offsets,
    cq: Offsets,
}

/// One mapping for both queues; no answer is dropped; what an entry points at is read during the submission; a file's own position.
const WANTED: u32 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3;
/// Where the queues, and the entries, are mapped from.
const OFF_QUEUES: usize = 0;
const OFF_ENTRIES: usize = 0x1000_0000;
const ENTER_GETEVENTS: usize = 1;
/// The number of answers is ours; more than the kernel has is as many as it has.
const SETUP_CQSIZE: u32 = 1 << 3;
const SETUP_CLAMP: u32 = 1 << 4;
/// In the flags: answers wait with the kernel.
const CQ_OVERFLOW: u32 = 1 << 1;
const REGISTER_IOWQ_MAX_WORKERS: usize = 19;
/// One goes in at a time.
const ENTRIES: u32 = 4;
/// Threads of the kernel's for one thread of ours: those that write files, and those for all else, reads among them. Its own limit
/// of the former is four for each CPU: with a file system that has stopped to answer, four would hold up all.
const KERNEL_THREADS: [u32; 2] = [256, 1024];

/// See the file's header.
pub struct Ring {
    fd: i32,
    submitted: *const AtomicU32,
    mask: u32,
    entries: *mut Entry,
    flags: *const AtomicU32,
    taken: *const AtomicU32,
    answered: *const AtomicU32,
    answers: *const Answer,
    answers_mask: u32,
    _queues_at: Mapping,
    _entries_at: Mapping,
}

/// Memory that is shared with the kernel, until this is dropped.
struct Mapping {
    at: usize,
    bytes: usize,
}

impl Mapping {
    /// # Safety
    /// The descriptor is that of a ring; `bytes` lie there.
    unsafe fn new(fd: i32, bytes: usize, offset: usize) -> Result<Mapping, Errno> {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_POPULATE);
        // SAFETY: a new mapping; as the caller promises.
        unsafe {
            let at = call(libc::SYS_mmap, [0, bytes, prot as usize, flags as usize, fd as usize, offset])?;
            // A forked child has no use for it, and must not share it.
            let _ = call3(libc::SYS_madvise, at, bytes, libc::MADV_DONTFORK as usize);
            Ok(Mapping { at, bytes })
        }
    }

    fn start(&self) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.at)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: a mapping of our own; its ring goes with it.
        let _ = unsafe { call3(libc::SYS_munmap, self.at, self.bytes, 0) };
    }
}

impl Ring {
    /// A ring with room for so many answers at once, closed on exec. Dropping it gives its memory back; its descriptor is closed by
    /// [`close`].
    pub fn open(answers: u32) -> Result<Ring, Errno> {
        let mut params =
            Params { flags: SETUP_CQSIZE | SETUP_CLAMP, cq_entries: answers.max(ENTRIES), ..Params::default() };
        // SAFETY: the kernel fills the parameters in.
        let fd = unsafe { call3(libc::SYS_io_uring_setup, ENTRIES as usize, &raw mut params as usize, 0) }? as i32;
        if params.features & WANTED != WANTED {
            close(fd);
            return Err(libc::ENOSYS);
        }
        Ring::mapped(fd, &params).inspect_err(|_| close(fd))
    }

    fn mapped(fd: i32, p: &Params) -> Result<Ring, Errno> {
        let [flags, _, array] = p.sq.more;
        let [_, answers, _] = p.cq.more;
        let after_array = array as usize + p.sq_entries as usize * size_of::<u32>();
        let after_answers = answers as usize + p.cq_entries as usize * size_of::<Answer>();
        // SAFETY: the sizes and places are the kernel's. The words and records lie in the mappings, aligned, and are there as long as
        // the process is. Nobody else knows them yet.
        unsafe {
            let queues_at = Mapping::new(fd, after_array.max(after_answers), OFF_QUEUES)?;
            let entries_at = Mapping::new(fd, p.sq_entries as usize * size_of::<Entry>(), OFF_ENTRIES)?;
            let queues = queues_at.start();
            for i in 0..p.sq_entries {
                queues.add(array as usize).cast::<u32>().add(i as usize).write(i);
            }
            let word = |at: u32| queues.add(at as usize).cast::<AtomicU32>().cast_const();
            let limits = KERNEL_THREADS;
            let limits_at = &raw const limits as usize;
            let a = [fd as usize, REGISTER_IOWQ_MAX_WORKERS, limits_at, limits.len(), 0, 0];
            // Linux 5.15; without it the kernel's limit holds.
            let _ = call(libc::SYS_io_uring_register, a);
            Ok(Ring {
                fd,
                submitted: word(p.sq.tail),
                mask: p.sq_entries - 1,
                entries: entries_at.start().cast(),
                flags: word(flags),
                taken: word(p.cq.head),
                answered: word(p.cq.tail),
                answers: queues.add(answers as usize).cast(),
                answers_mask: p.cq_entries - 1,
                _queues_at: queues_at,
                _entries_at: entries_at,
            })
        }
    }

    /// Readable whenever there are answers.
    pub fn fd(&self) -> i32 {
        self.fd
    }

    /// Has the kernel begin with an entry, whose answer will have this name.
    ///
    /// # Safety
    /// The entry's buffers are good until its answer is there. One thread at a time.
    pub unsafe fn submit(&self, entry: Entry, name: u64) -> Result<(), Errno> {
        // SAFETY: the words and entries stay mapped; between two submissions the queue is empty, and so this entry is ours.
        unsafe {
            let at = (*self.submitted).load(Relaxed);
            self.entries.add((at & self.mask) as usize).write(Entry { user_data: name, ..entry });
            (*self.submitted).store(at.wrapping_add(1), Release);
            loop {
                // Not more than this one: what else the call may answer is an error, and then nothing was taken.
                match call(libc::SYS_io_uring_enter, [self.fd as usize, 1, 0, 0, 0, 0]) {
                    Ok(1..) => return Ok(()),
                    Err(libc::EINTR) => {}
                    r => {
                        (*self.submitted).store(at, Release);
                        return Err(r.err().unwrap_or(libc::EAGAIN));
                    }
                }
            }
        }
    }

    /// Hands on each answer that is there: its name and result.
    ///
    /// # Safety
    /// One thread at a time.
    pub unsafe fn take(&self, mut each: impl FnMut(u64, i32)) {
        // SAFETY: the words and answers stay mapped; what lies before the kernel's word is ours until we move our own.
        unsafe {
            loop {
                let (from, to) = ((*self.taken).load(Relaxed), (*self.answered).load(Acquire));
                let mut at = from;
                while at != to {
                    let Answer { name, result, .. } = *self.answers.add((at & self.answers_mask) as usize);
                    each(name, result);
                    at = at.wrapping_add(1);
                }
                (*self.taken).store(to, Release);
                full_fence();
                if (*self.flags).load(Relaxed) & CQ_OVERFLOW == 0 {
                    return;
                }
                match call(libc::SYS_io_uring_enter, [self.fd as usize, 0, 0, ENTER_GETEVENTS, 0, 0]) {
                    Ok(_) | Err(libc::EINTR) => {}
                    // No memory for the moment, say. It is still readable.
                    Err(_) => return,
                }
            }
        }
    }

    /// Waits until an answer is there.
    pub fn wait(&self) {
        // SAFETY: touches no memory.
        let _ = unsafe { call(libc::SYS_io_uring_enter, [self.fd as usize, 0, 1, ENTER_GETEVENTS, 0, 0]) };
    }
}

/// Closes a ring's descriptor. The process that has mapped it keeps it; a forked child has done with it.
pub fn close(fd: i32) {
    // SAFETY: a descriptor of our own.
    let _ = unsafe { call3(libc::SYS_close, fd as usize, 0, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;

    #[test]
    fn entries_are_answered_under_their_names() {
        let Ok(ring) = Ring::open(64) else { return };
        let mut file = std::fs::File::from(tempfile());
        file.write_all(b"some bytes").unwrap();
        let mut bytes = [0u8; 4];
        let iov = [libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }];
        let mut seen = Vec::new();
        // SAFETY: the buffer stands until the answer is there; there is one thread.
        unsafe {
            ring.submit(Entry::read(file.as_raw_fd(), &iov, 5), 17).unwrap();
            ring.submit(Entry::fsync(-1), 18).unwrap();
            while seen.len() < 2 {
                ring.take(|name, result| seen.push((name, result)));
            }
        }
        seen.sort();
        assert_eq!(seen, [(17, 4), (18, -libc::EBADF)]);
        assert_eq!(&bytes, b"byte");
        close(ring.fd());
    }

    #[test]
    fn answers_without_room_are_kept() {
        let Ok(ring) = Ring::open(4) else { return };
        // Kernels before 5.19 take nothing while answers wait for room.
        // SAFETY: the entries point at nothing; there is one thread.
        let submit = |name| unsafe { matches!(ring.submit(Entry::cancel(u64::MAX), name), Ok(()) | Err(libc::EBUSY)) };
        let mut seen = Vec::new();
        assert!(submit(1) && submit(2));
        // SAFETY: there is one thread.
        unsafe {
            ring.take(|name, result| {
                assert_eq!(result, -libc::ENOENT);
                seen.push(name);
                // More come while there is room for but two, and one finds none.
                assert!(name != 1 || submit(3) && submit(4) && submit(5));
            });
        }
        assert_eq!(seen, [1, 2, 3, 4, 5]);
        for name in 10..30 {
            assert!(submit(name));
        }
        seen.clear();
        // SAFETY: there is one thread.
        unsafe { ring.take(|name, _| seen.push(name)) };
        assert!(seen.iter().copied().eq(10..10 + seen.len() as u64) && seen.len() > 4, "{seen:?}");
        close(ring.fd());
    }

    #[test]
    fn what_blocks_is_canceled() {
        let Ok(ring) = Ring::open(64) else { return };
        let mut ends = [0; 2];
        // SAFETY: room for two descriptors.
        assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
        let mut byte = 0u8;
        let iov = [libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 }];
        let mut seen = Vec::new();
        // SAFETY: as above.
        unsafe {
            ring.submit(Entry::read(ends[0], &iov, u64::MAX), 1).unwrap();
            ring.take(|_, _| panic!("nobody has written"));
            ring.submit(Entry::cancel(1), 2).unwrap();
            while !seen.iter().any(|&(name, _)| name == 1) {
                ring.take(|name, result| seen.push((name, result)));
            }
        }
        let result = seen.iter().find(|&&(name, _)| name == 1).unwrap().1;
        assert!([-libc::ECANCELED, -libc::EINTR].contains(&result), "{result}");
        ends.into_iter().chain([ring.fd()]).for_each(close);
    }

    /// A file without a name.
    fn tempfile() -> std::os::fd::OwnedFd {
        use std::os::fd::FromRawFd;
        // SAFETY: a string; the descriptor is fresh.
        unsafe {
            let fd = libc::memfd_create(c"ring".as_ptr(), libc::MFD_CLOEXEC);
            assert!(fd >= 0);
            std::os::fd::OwnedFd::from_raw_fd(fd)
        }
    }
}
