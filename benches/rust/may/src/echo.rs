//! How many requests does an echo server answer, and what does each cost? 64 connections, a coroutine each, 64 bytes a
//! request.

use std::io::{Read, Write};
use std::time::Instant;

use may::net::{TcpListener, TcpStream};

fn serves(mut connection: TcpStream) {
    let mut buf = [0; 4096];
    while let Ok(n @ 1..) = connection.read(&mut buf) {
        if connection.write_all(&buf[..n]).is_err() {
            break;
        }
    }
}

pub fn bench() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    may::go!(move || {
        while let Ok((connection, _)) = listener.accept() {
            may::go!(move || serves(connection));
        }
    });
    let (before, start) = (common::cpu(), Instant::now());
    let (ended, end) = may::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(common::echo_client(port, common::size(3000))));
    let answers = end.recv().expect("the client");
    common::echo_report(before, start, answers);
}
