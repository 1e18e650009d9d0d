//! Small files of the kernel's, and its list of our threads, read into memory of the caller's. std allocates on the way, and
//! ends the process where it cannot.

use std::ffi::CStr;
use std::os::fd::RawFd;

/// The contents of a file as far as they fit; None if it cannot be read.
pub fn read<'a>(path: &CStr, into: &'a mut [u8]) -> Option<&'a [u8]> {
    read_at(libc::AT_FDCWD, path, into)
}

/// What `parse` makes of a file of text, as far as that is 4 KiB.
pub fn parse<T>(path: &CStr, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let mut text = [0; 4096];
    parse(str::from_utf8(read(path, &mut text)?).ok()?)
}

fn read_at<'a>(folder: RawFd, path: &CStr, into: &'a mut [u8]) -> Option<&'a [u8]> {
    // SAFETY: a string; the descriptor is closed once; each read has the room that is left.
    unsafe {
        let fd = libc::openat(folder, path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return None;
        }
        let mut len = 0;
        let ok = loop {
            match libc::read(fd, into[len..].as_mut_ptr().cast(), into.len() - len) {
                n if n > 0 => len += n as usize,
                0 => break true,
                _ if *super::errno::location() == libc::EINTR => {}
                _ => break false,
            }
        };
        libc::close(fd);
        ok.then_some(&into[..len])
    }
}

/// How many threads this process has, without those whose names begin with `but`. None where that cannot be told.
pub fn threads(but: &[u8]) -> Option<usize> {
    // SAFETY: a string; the descriptor is closed once.
    unsafe {
        let folder = libc::open(c"/proc/self/task".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC);
        if folder < 0 {
            return None;
        }
        let n = count_threads(folder, but);
        libc::close(folder);
        n
    }
}

/// Records of a folder, as getdents64 writes them.
#[repr(align(8))]
struct Records([u8; 4096]);

const LENGTH_AT: usize = 16;
const NAME_AT: usize = 19;

fn count_threads(folder: RawFd, but: &[u8]) -> Option<usize> {
    let mut records = Records([0; 4096]);
    let mut threads = 0;
    loop {
        // SAFETY: the kernel writes whole records, at most so many bytes.
        let n = unsafe { libc::syscall(libc::SYS_getdents64, folder, records.0.as_mut_ptr(), records.0.len()) };
        let mut rest = records.0.get(..usize::try_from(n).ok()?)?;
        if rest.is_empty() {
            return Some(threads);
        }
        while !rest.is_empty() {
            let length = u16::from_ne_bytes(rest.get(LENGTH_AT..LENGTH_AT + 2)?.try_into().ok()?);
            let (record, others) = rest.split_at_checked(usize::from(length))?;
            let name = CStr::from_bytes_until_nul(record.get(NAME_AT..)?).ok()?.to_bytes();
            if name.first().is_some_and(u8::is_ascii_digit) && !name_of(folder, name, |n| n.starts_with(but))? {
                threads += 1;
            }
            rest = others;
        }
    }
}

/// Looks at the name of the thread with this number.
fn name_of<R>(folder: RawFd, number: &[u8], f: impl FnOnce(&[u8]) -> R) -> Option<R> {
    const FILE: &[u8] = b"/comm\0";
    let mut path = [0u8; 32];
    path.get_mut(..number.len())?.copy_from_slice(number);
    path.get_mut(number.len()..number.len() + FILE.len())?.copy_from_slice(FILE);
    let mut name = [0u8; 64];
    read_at(folder, CStr::from_bytes_until_nul(&path).ok()?, &mut name).map(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_far_as_they_fit() {
        let (mut large, mut small) = ([0; 4096], [0; 5]);
        let whole = read(c"/proc/self/status", &mut large).unwrap();
        assert!(whole.starts_with(b"Name:\t") && whole.len() > 100);
        assert_eq!(read(c"/proc/self/status", &mut small).unwrap(), b"Name:");
        assert!(read(c"/nowhere", &mut small).is_none());
        assert!(read(c"/", &mut small).is_none());
    }

    #[test]
    fn threads_are_counted_but_for_some() {
        use std::sync::mpsc::channel;
        let (begun, began) = channel();
        let (end, ends) = channel::<()>();
        let thread = std::thread::Builder::new()
            .name("other-thread".into())
            .spawn(move || {
                begun.send(()).unwrap();
                let _ = ends.recv();
            })
            .unwrap();
        began.recv().unwrap();
        // Tests run side by side, each on a thread of its own: one look is not like the next.
        let all = threads(b"nobody").unwrap();
        assert!(all >= 2, "{all}");
        assert!((0..1000).any(|_| threads(b"other-").unwrap() < threads(b"nobody").unwrap()));
        drop(end);
        thread.join().unwrap();
    }
}
