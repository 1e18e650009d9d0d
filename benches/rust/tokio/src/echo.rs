//! How many requests does an echo server answer, and what does each cost? 64 connections, a task each, 64 bytes a request.

use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn serves(mut connection: TcpStream) {
    let mut buf = [0; 4096];
    while let Ok(n @ 1..) = connection.read(&mut buf).await {
        if connection.write_all(&buf[..n]).await.is_err() {
            break;
        }
    }
}

pub async fn bench() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(serves(connection));
        }
    });
    let (before, start) = (common::cpu(), Instant::now());
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || ended.send(common::echo_client(port, common::size(3000))));
    let answers = end.await.expect("the client");
    common::echo_report(before, start, answers);
}
