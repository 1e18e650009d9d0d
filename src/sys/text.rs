//! Text for lines and dumps that needs no memory: std allocates for both of these, and what there is to say is often that no
//! memory is left.

use std::ffi::{CStr, c_int};
use std::fmt;

/// Bytes that should be UTF-8; what is not has the usual sign in its place.
#[derive(Clone, Copy)]
pub struct Lossy<'a>(pub &'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{fffd}")?;
            }
        }
        Ok(())
    }
}

/// What the system calls an errno value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemError(pub c_int);

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 96];
        // SAFETY: room for so many bytes; what does not fit is cut off, with its zero.
        let ok = unsafe { libc::strerror_r(self.0, text.as_mut_ptr().cast(), text.len()) } == 0;
        match CStr::from_bytes_until_nul(&text) {
            Ok(text) if ok => write!(f, "{}", Lossy(text.to_bytes())),
            _ => write!(f, "error {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_utf8_is_marked() {
        assert_eq!(Lossy(b"plain").to_string(), "plain");
        assert_eq!(Lossy("g\u{f6}rt".as_bytes()).to_string(), "g\u{f6}rt");
        assert_eq!(Lossy(b"a\xffb\xc3").to_string(), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn errors_have_the_words_of_the_system() {
        let ours = SystemError(libc::EAGAIN).to_string();
        let theirs = std::io::Error::from_raw_os_error(libc::EAGAIN).to_string();
        assert!(theirs.starts_with(&ours), "{ours} / {theirs}");
        assert!(SystemError(123_456).to_string().contains("123456"));
    }
}
