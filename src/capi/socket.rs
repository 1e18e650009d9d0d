//! Sockets: messages, connections, TCP by "host:port", names.

use super::base::{RT_EINVAL, RT_OK};
use super::{answer, code, waiting};
use crate::net::socket::{self, Message};
use crate::net::{names, tcp};
use crate::sys::clock::NEVER;
use crate::time::timeout::Timeout;
use libc::{SOCK_CLOEXEC, SOCK_NONBLOCK, addrinfo, msghdr, sockaddr, socklen_t, ssize_t};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

/// # Safety
/// What the message points at is the caller's, until this returns.
unsafe fn transfer(fd: c_int, message: &Message, flags: c_int) -> ssize_t {
    let mut done = 0;
    // SAFETY: as the caller promises.
    answer(waiting(|_| unsafe { socket::transfer(fd, message, flags, &mut done) }))
}

/**
 * recv(2): a message, or bytes of a stream, from a socket.
 *
 * @param fd     the socket
 * @param buf    where they go
 * @param len    room there, bytes
 * @param flags  those of recv; with MSG_DONTWAIT it never waits and answers RT_EAGAIN
 * Returns how many bytes; 0 at the end of a stream.
 * Errors: what recv answers, such as -ENOTSOCK; and as rt_read.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_recv(fd: c_int, buf: *mut c_void, len: usize, flags: c_int) -> ssize_t {
    // SAFETY: the caller's buffer.
    unsafe { rt_recvfrom(fd, buf, len, flags, ptr::null_mut(), ptr::null_mut()) }
}

/**
 * send(2): a message, or bytes of a stream, to a connected socket. As rt_write on how much of a stream. There is never a
 * SIGPIPE.
 *
 * @param fd     the socket
 * @param buf    the bytes
 * @param len    how many
 * @param flags  those of send; with MSG_DONTWAIT it never waits and answers RT_EAGAIN
 * Returns how many bytes.
 * Errors: what send answers, such as -ENOTCONN; and as rt_write.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_send(fd: c_int, buf: *const c_void, len: usize, flags: c_int) -> ssize_t {
    // SAFETY: the caller's buffer.
    unsafe { rt_sendto(fd, buf, len, flags, ptr::null(), 0) }
}

/**
 * recvfrom(2): as rt_recv, and from whom.
 *
 * @param fd       the socket
 * @param buf      where the bytes go
 * @param len      room there, bytes
 * @param flags    as rt_recv
 * @param addr     out: the sender's address; or NULL
 * @param addrlen  in: room at addr, bytes; out: the address's size; NULL if addr is
 * Returns as rt_recv.
 * Errors: as rt_recv.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_recvfrom(
    fd: c_int,
    buf: *mut c_void,
    len: usize,
    flags: c_int,
    addr: *mut sockaddr,
    addrlen: *mut socklen_t,
) -> ssize_t {
    if (buf.is_null() && len != 0) || (addrlen.is_null() && !addr.is_null()) {
        return RT_EINVAL as ssize_t;
    }
    // SAFETY: the caller's buffer and address.
    unsafe { transfer(fd, &Message::Receive { buf: buf.cast(), len, addr, addrlen }, flags) }
}

/**
 * sendto(2): as rt_send, to an address.
 *
 * @param fd       the socket
 * @param buf      the bytes
 * @param len      how many
 * @param flags    as rt_send
 * @param addr     the address; or NULL
 * @param addrlen  its size, bytes
 * Returns as rt_send.
 * Errors: as rt_send.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_sendto(
    fd: c_int,
    buf: *const c_void,
    len: usize,
    flags: c_int,
    addr: *const sockaddr,
    addrlen: socklen_t,
) -> ssize_t {
    if buf.is_null() && len != 0 {
        return RT_EINVAL as ssize_t;
    }
    // SAFETY: the caller's buffer and address.
    unsafe { transfer(fd, &Message::Send { buf: buf.cast(), len, addr, addrlen }, flags) }
}

/**
 * recvmsg(2): a message in several buffers, with its control data.
 *
 * @param fd     the socket
 * @param msg    in and out, as recvmsg has it
 * @param flags  as rt_recv
 * Returns as rt_recv.
 * Errors: as rt_recv; RT_EINVAL: msg is NULL.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_recvmsg(fd: c_int, msg: *mut msghdr, flags: c_int) -> ssize_t {
    if msg.is_null() {
        return RT_EINVAL as ssize_t;
    }
    // SAFETY: the caller's message.
    unsafe { transfer(fd, &Message::ReceiveMsg(msg), flags) }
}

/**
 * sendmsg(2): a message from several buffers, with control data. As rt_write on how much of a stream.
 *
 * @param fd     the socket
 * @param msg    the message
 * @param flags  as rt_send
 * Returns as rt_send.
 * Errors: as rt_send; RT_EINVAL: msg is NULL.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_sendmsg(fd: c_int, msg: *const msghdr, flags: c_int) -> ssize_t {
    if msg.is_null() {
        return RT_EINVAL as ssize_t;
    }
    // SAFETY: the caller's message.
    unsafe { transfer(fd, &Message::SendMsg(msg), flags) }
}

/**
 * accept(2): the next connection of a listening socket, as a non-blocking descriptor that is closed on exec.
 *
 * @param fd       the listening socket
 * @param addr     out: the peer's address; or NULL
 * @param addrlen  in: room at addr, bytes; out: the address's size; NULL if addr is
 * Returns the new descriptor.
 * Errors: what accept answers, such as -EMFILE: who comes then waits in the queue, and is there for a later call; and as
 * rt_read.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_accept(fd: c_int, addr: *mut sockaddr, addrlen: *mut socklen_t) -> c_int {
    // SAFETY: as the caller promises.
    unsafe { rt_accept4(fd, addr, addrlen, SOCK_NONBLOCK | SOCK_CLOEXEC) }
}

/**
 * accept4(2): as rt_accept, with the caller's flags alone.
 *
 * @param fd       the listening socket
 * @param addr     as rt_accept
 * @param addrlen  as rt_accept
 * @param flags    SOCK_NONBLOCK, SOCK_CLOEXEC, both, or 0
 * Returns the new descriptor.
 * Errors: as rt_accept.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_accept4(fd: c_int, addr: *mut sockaddr, addrlen: *mut socklen_t, flags: c_int) -> c_int {
    if addrlen.is_null() && !addr.is_null() {
        return RT_EINVAL;
    }
    // SAFETY: the caller's room for an address.
    answer(waiting(|_| unsafe { socket::accept(fd, addr, addrlen, flags) }).map(|fd| fd as usize)) as c_int
}

/**
 * connect(2): connects a socket, and waits until it is.
 *
 * @param fd       the socket
 * @param addr     where to
 * @param addrlen  the address's size, bytes
 * Returns RT_OK.
 * Errors: what connect answers, such as -ECONNREFUSED; RT_EINVAL: addr is NULL; and as rt_write. On a blocking socket a
 * deadline and rt_close end it only where the system has io_uring.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_connect(fd: c_int, addr: *const sockaddr, addrlen: socklen_t) -> c_int {
    if addr.is_null() {
        return RT_EINVAL;
    }
    // SAFETY: the caller's address.
    code(waiting(|_| unsafe { socket::connect(fd, addr, addrlen, NEVER) }))
}

/**
 * Listens for TCP connections.
 *
 * @param address  "host:port", "[IPv6 address]:port", or ":port" for all addresses of this machine, IPv6 and IPv4; port 0: any
 *                 that is free
 * @param backlog  how many connections may wait to be accepted; below 1: as many as the system allows
 * Returns a non-blocking descriptor that is closed on exec, for rt_accept.
 * Errors: RT_EINVAL: address is NULL, or has no port; RT_EAI_BASE less an EAI code: the name; what socket, bind and listen
 * answer, such as -EADDRINUSE; RT_EPERM: in an unlockf; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread, while a name is looked up. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_tcp_listen(address: *const c_char, backlog: c_int) -> c_int {
    if address.is_null() {
        return RT_EINVAL;
    }
    // SAFETY: the caller's string.
    let address = unsafe { CStr::from_ptr(address) }.to_bytes();
    answer(waiting(|_| tcp::listen(address, backlog)).map(|fd| fd as usize)) as c_int
}

/**
 * Connects by TCP. Of a name's addresses the first that answers is taken; each gets its part of the time.
 *
 * @param address     "host:port" or "[IPv6 address]:port"; without a host this machine
 * @param timeout_ns  how long to wait, nanoseconds; RT_FOREVER or RT_NOWAIT. A name's lookup counts, but is not cut short
 * Returns a non-blocking descriptor that is closed on exec.
 * Errors: as rt_tcp_listen; what connect answers, such as -ECONNREFUSED; RT_ETIMEDOUT; RT_EAGAIN: it would have to wait, with
 * RT_NOWAIT.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_tcp_dial(address: *const c_char, timeout_ns: i64) -> c_int {
    if address.is_null() {
        return RT_EINVAL;
    }
    // SAFETY: the caller's string.
    let address = unsafe { CStr::from_ptr(address) }.to_bytes();
    answer(waiting(|_| tcp::dial(address, Timeout(timeout_ns))).map(|fd| fd as usize)) as c_int
}

/**
 * getaddrinfo(3), on a thread of its own: other goroutines go on.
 *
 * @param node     the name; or NULL
 * @param service  the service or port; or NULL
 * @param hints    as getaddrinfo has them; or NULL
 * @param res      out: the list, to be freed by freeaddrinfo
 * Returns RT_OK.
 * Errors: RT_EAI_BASE less an EAI code (rt_strerror knows it); what the system answers instead of EAI_SYSTEM; RT_ENOMEM;
 * RT_EINVAL: res is NULL; RT_EPERM: in an unlockf.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rt_getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    res: *mut *mut addrinfo,
) -> c_int {
    // SAFETY: NULL, or a string of the caller's.
    let text = |at: *const c_char| (!at.is_null()).then(|| unsafe { CStr::from_ptr(at) });
    // SAFETY: NULL, or room for a pointer; NULL, or hints.
    let (Some(res), hints) = (unsafe { (res.as_mut(), hints.as_ref()) }) else { return RT_EINVAL };
    match waiting(|_| names::look_up(text(node), text(service), hints)) {
        Ok(found) => {
            *res = found.into_raw();
            RT_OK
        }
        Err(e) => super::code_of(e),
    }
}
