//! TCP by "host:port": listening and dialling, IPv4, IPv6 and names, as Go's net does.
//!
//! The sockets are non-blocking, close-on-exec, and send small writes at once (TCP_NODELAY, as in Go; what a listening socket
//! accepts inherits it).

use super::names::{self, Lookup};
use super::{kernel, ready, socket};
use crate::error::{Error, Result};
use crate::sys::clock::{self, NEVER};
use crate::time::timeout::Timeout;
use libc::{addrinfo, c_int};
use std::ffi::{CStr, c_char};

/// A host and a port, each as a string of C.
struct Address {
    host: [c_char; 256],
    port: [c_char; 32],
}

impl Address {
    /// Takes "host:port", "[host]:port" or ":port" apart.
    fn parse(text: &[u8]) -> Result<Address> {
        let colon = text.iter().rposition(|&b| b == b':').ok_or(Error::Invalid)?;
        let (host, port) = (&text[..colon], &text[colon + 1..]);
        let host = match host {
            [b'[', inside @ .., b']'] => inside,
            // More colons are an IPv6 address, whose end nobody can tell.
            host if host.contains(&b':') || host.contains(&b'[') || host.contains(&b']') => return Err(Error::Invalid),
            host => host,
        };
        let number = port.iter().all(u8::is_ascii_digit);
        let too_high = || port.iter().fold(0u32, |n, d| (n * 10 + (d - b'0') as u32).min(100_000)) > 65_535;
        if port.is_empty() || (number && too_high()) {
            return Err(Error::Invalid);
        }
        let mut address = Address { host: [0; 256], port: [0; 32] };
        copy(host, &mut address.host)?;
        copy(port, &mut address.port)?;
        Ok(address)
    }

    fn look_up(&self, flags: c_int) -> Result<Lookup> {
        // SAFETY: all zeroes is a hint that asks for nothing.
        let mut hints: addrinfo = unsafe { std::mem::zeroed() };
        hints.ai_family = libc::AF_UNSPEC;
        hints.ai_socktype = libc::SOCK_STREAM;
        hints.ai_protocol = libc::IPPROTO_TCP;
        hints.ai_flags = flags;
        let host = (self.host[0] != 0).then(|| string(&self.host));
        names::look_up(host, Some(string(&self.port)), Some(&hints))
    }
}

/// Copies text that must leave room for the zero at the end.
fn copy(from: &[u8], to: &mut [c_char]) -> Result {
    if from.len() >= to.len() || from.contains(&0) {
        return Err(Error::Invalid);
    }
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from as c_char;
    }
    Ok(())
}

fn string(text: &[c_char]) -> &CStr {
    // SAFETY: `copy` has left a zero at the end.
    unsafe { CStr::from_ptr(text.as_ptr()) }
}

/// A socket that is closed unless it is kept.
struct Socket(i32);

impl Socket {
    fn open(info: &addrinfo) -> Result<Socket> {
        let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let fd = kernel::socket(info.ai_family, kind, info.ai_protocol).map_err(Error::Os)? as i32;
        socket::is_new(fd);
        let _ = kernel::set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
        Ok(Socket(fd))
    }

    fn keep(self) -> i32 {
        let fd = self.0;
        std::mem::forget(self);
        fd
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = ready::close(self.0);
    }
}

/// Listens at an address. Without a host: on all of them, IPv6 and IPv4 by one socket where there is IPv6.
pub fn listen(address: &[u8], backlog: c_int) -> Result<i32> {
    let everywhere = address.first() == Some(&b':');
    let found = Address::parse(address)?.look_up(libc::AI_PASSIVE)?;
    let backlog = if backlog > 0 { backlog } else { libc::SOMAXCONN };
    let mut first = None;
    let v6_first = |v6: bool| found.iter().filter(move |i| (i.ai_family == libc::AF_INET6) == v6);
    let in_order =
        if everywhere { v6_first(true).chain(v6_first(false)) } else { v6_first(false).chain(v6_first(true)) };
    for info in in_order {
        match listen_at(info, backlog, everywhere) {
            Ok(fd) => return Ok(fd),
            Err(e) => first = first.or(Some(e)),
        }
    }
    Err(first.unwrap_or(Error::Os(libc::EADDRNOTAVAIL)))
}

fn listen_at(info: &addrinfo, backlog: c_int, everywhere: bool) -> Result<i32> {
    let s = Socket::open(info)?;
    // A port that connections of a former process still use may be listened at.
    kernel::set_option(s.0, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1).map_err(Error::Os)?;
    if info.ai_family == libc::AF_INET6 {
        kernel::set_option(s.0, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, !everywhere as c_int).map_err(Error::Os)?;
    }
    // SAFETY: an address of the length that stands beside it.
    unsafe { kernel::bind(s.0, info.ai_addr, info.ai_addrlen) }.map_err(Error::Os)?;
    kernel::listen(s.0, backlog).map_err(Error::Os)?;
    Ok(s.keep())
}

/// The least time that one of several addresses gets, ns (Go's).
const LEAST: i64 = 2_000_000_000;

/// Connects to an address: to the first of those a name stands for that answers.
pub fn dial(address: &[u8], timeout: Timeout) -> Result<i32> {
    let address = Address::parse(address)?;
    let until = timeout.when();
    // What needs no name is found at once; a name is asked for elsewhere, and that may take long.
    let found = match address.look_up(libc::AI_NUMERICHOST) {
        Err(Error::Name(_)) => {
            timeout.begin()?;
            address.look_up(0)?
        }
        found => found?,
    };
    let mut left = found.iter().count() as i64;
    let mut first = None;
    for info in found.iter() {
        let most = match until {
            NEVER | 0 => until,
            until => {
                let now = clock::now();
                until.min(now.saturating_add(((until - now) / left).max(LEAST)))
            }
        };
        match dial_at(info, most) {
            Ok(fd) => return Ok(fd),
            Err(Error::NotUp) => return Err(Error::NotUp),
            // A time that is over is over for all, and says nothing of any of them.
            Err(Error::TimedOut) if most == 0 => return Err(timeout.begin().err().unwrap_or(Error::TimedOut)),
            Err(e) => first = first.or(Some(e)),
        }
        left -= 1;
    }
    Err(first.unwrap_or(Error::Os(libc::EADDRNOTAVAIL)))
}

fn dial_at(info: &addrinfo, until: i64) -> Result<i32> {
    let s = Socket::open(info)?;
    // SAFETY: an address of the length that stands beside it.
    unsafe { socket::connect(s.0, info.ai_addr, info.ai_addrlen, until) }?;
    Ok(s.keep())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, String)> {
        let a = Address::parse(text.as_bytes()).ok()?;
        Some((string(&a.host).to_str().unwrap().into(), string(&a.port).to_str().unwrap().into()))
    }

    #[test]
    fn addresses_are_taken_apart() {
        let is = |text, host: &str, port: &str| assert_eq!(parts(text), Some((host.into(), port.into())), "{text}");
        is("127.0.0.1:80", "127.0.0.1", "80");
        is("[::1]:8080", "::1", "8080");
        is("[fe80::1%eth0]:1", "fe80::1%eth0", "1");
        is(":0", "", "0");
        is("localhost:http", "localhost", "http");
        is("h:65535", "h", "65535");
        for bad in ["", "h", "h:", ":", "::1:80", "[::1]", "[::1]:", "[::1:80", "::1]:80", "h:65536", "h:99999999999"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
        assert_eq!(parts(&format!("{}:1", "h".repeat(256))), None);
        assert_eq!(parts("h\0i:1"), None);
    }
}
