//! Descriptors, for Python.

use super::args::{Args, LOOK_NS, Wrong, call, counted, fail, is_main, of_system, patient};
use super::state;
use super::table::{Buffer, Object, py};
use crate::capi::base::{RT_EAGAIN, RT_EPERM, RT_ETIMEDOUT, RT_FOREVER, RT_NOWAIT};
use crate::capi::{net, socket, time};
use std::ffi::{c_int, c_void};
use std::ptr;

/// Before a call on a descriptor that may wait: on the main thread this waits in its place, as `patient` does; where that
/// refuses, so does this.
fn patient_fd(fd: c_int, events: c_int) -> Result<(), Wrong> {
    if state::may_not_wait() {
        fail(RT_EPERM.into());
        return Err(Wrong);
    }
    if !is_main() {
        return Ok(());
    }
    loop {
        let begun = time::rt_now();
        let code = state::released(|| net::rt_fd_wait(fd, events, LOOK_NS));
        // SAFETY: the lock is held.
        if unsafe { (py().PyErr_CheckSignals)() } < 0 {
            return Err(Wrong);
        }
        // Sooner it was the descriptor's deadline, which the call itself reports, as it does all else.
        if code != RT_ETIMEDOUT || time::rt_now() - begun < LOOK_NS {
            return Ok(());
        }
    }
}

call! {
    /// `fd_wait(fd, events, timeout_ns)`: the events that are ready.
    fd_wait(args: 3) {
        let (fd, events, timeout) = (args.fd(0)?, args.int(1)?.try_into().unwrap_or(0), args.int(2)?);
        let mut code = net::rt_fd_wait(fd, events, RT_NOWAIT);
        if code == RT_EAGAIN && timeout != RT_NOWAIT {
            code = patient(timeout, |timeout| net::rt_fd_wait(fd, events, timeout))?;
        }
        Ok(counted(code.into()))
    }
}

call! {
    /// `fd_accept(fd)`: the connection.
    fd_accept(args: 1) {
        let fd = args.fd(0)?;
        patient_fd(fd, net::RT_POLL_READ)?;
        // SAFETY: no address is asked for.
        Ok(of_system(state::released(|| unsafe { socket::rt_accept(fd, ptr::null_mut(), ptr::null_mut()) }).into()))
    }
}

call! {
    /// `fd_recv(fd, n)`: bytes.
    fd_recv(args: 2) {
        let (fd, n) = (args.fd(0)?, args.int(1)?);
        if n < 0 {
            // SAFETY: the lock is held.
            unsafe { (py().PyErr_SetString)(*py().PyExc_ValueError, c"negative buffersize in recv".as_ptr()) };
            return Err(Wrong);
        }
        patient_fd(fd, net::RT_POLL_READ)?;
        // SAFETY: the lock is held but while it waits; the bytes are nobody else's yet, and have room for n.
        unsafe {
            let mut bytes = (py().PyBytes_FromStringAndSize)(ptr::null(), n as isize);
            if bytes.is_null() {
                return Err(Wrong);
            }
            let at = (py().PyBytes_AsString)(bytes);
            let got = state::released(|| net::rt_read(fd, at.cast(), n as usize));
            if got < 0 {
                (py().Py_DecRef)(bytes);
                return Ok(of_system(got as i64));
            }
            if got as i64 != n {
                // On failure it has dropped the bytes and says so itself.
                (py()._PyBytes_Resize)(&mut bytes, got);
            }
            Ok(bytes)
        }
    }
}

/// Runs `io` on the bytes of an object, which stay where they are meanwhile.
fn with_buffer(
    object: Object,
    writable: bool,
    io: impl FnOnce(*mut c_void, usize) -> Result<i64, Wrong>,
) -> Result<Object, Wrong> {
    let mut buffer = Buffer::EMPTY;
    // SAFETY: the lock is held; PyBUF_SIMPLE or PyBUF_WRITABLE: contiguous bytes.
    unsafe {
        if (py().PyObject_GetBuffer)(object, &mut buffer, writable.into()) < 0 {
            return Err(Wrong);
        }
        let n = io(buffer.buf, buffer.len as usize);
        (py().PyBuffer_Release)(&mut buffer);
        Ok(of_system(n?))
    }
}

call! {
    /// `fd_recv_into(fd, buffer)`: how many bytes.
    fd_recv_into(args: 2) {
        let fd = args.fd(0)?;
        patient_fd(fd, net::RT_POLL_READ)?;
        with_buffer(args.0[1], true, |at, len| {
            // SAFETY: the buffer has room for len bytes.
            Ok(state::released(|| unsafe { net::rt_read(fd, at, len) }) as i64)
        })
    }
}

call! {
    /// `fd_send(fd, bytes)`: how many went.
    fd_send(args: 2) {
        let fd = args.fd(0)?;
        patient_fd(fd, net::RT_POLL_WRITE)?;
        with_buffer(args.0[1], false, |at, len| {
            // SAFETY: the buffer has len bytes.
            Ok(state::released(|| unsafe { net::rt_write(fd, at, len) }) as i64)
        })
    }
}

call! {
    /// `fd_send_all(fd, bytes)`: 0.
    fd_send_all(args: 2) {
        let fd = args.fd(0)?;
        if is_main() {
            return with_buffer(args.0[1], false, |at, len| send_patiently(fd, at.cast(), len));
        }
        patient_fd(fd, net::RT_POLL_WRITE)?;
        with_buffer(args.0[1], false, |at, len| {
            // SAFETY: as above; nobody asks how many went before an error.
            Ok(state::released(|| unsafe { net::rt_write_all(fd, at, len, ptr::null_mut()) }).into())
        })
    }
}

/// All bytes to a socket, on the main thread: each wait is one that looks for signals.
fn send_patiently(fd: c_int, at: *const u8, len: usize) -> Result<i64, Wrong> {
    let mut done = 0;
    while done < len {
        let code = patient(RT_FOREVER, |timeout| net::rt_fd_wait(fd, net::RT_POLL_WRITE, timeout))?;
        if code < 0 {
            return Ok(code.into());
        }
        // SAFETY: the buffer has len bytes. This never waits.
        let n = unsafe { socket::rt_send(fd, at.add(done).cast(), len - done, libc::MSG_DONTWAIT) };
        if n >= 0 {
            done += n as usize;
        } else if n as i64 != i64::from(RT_EAGAIN) {
            return Ok(n as i64);
        }
    }
    Ok(0)
}
