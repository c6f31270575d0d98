//! What the workloads ask the system for, and the echo server.

use crate::fail;
use std::io::Read;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A figure of /proc/self/status. Units: bytes.
pub fn memory(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find(|line| line.starts_with(key));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    match kib.and_then(|text| text.parse::<f64>().ok()) {
        Some(kib) => kib * 1024.0,
        None => fail("a figure is missing in /proc/self/status"),
    }
}

/// Gives memory that is free back to the system.
pub fn trim() {
    unsafe { libc::malloc_trim(0) };
}

/// Seconds of processor time, all threads.
pub fn cpu_seconds() -> f64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Sends back what a connection says, until it ends.
async fn echo(mut connection: TcpStream) {
    let mut buffer = [0u8; 4096];
    loop {
        match connection.read(&mut buffer).await {
            Ok(n) if n > 0 => {
                if connection.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

/// Serves until its input ends.
pub async fn tcp_echo() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    println!(
        "port {}",
        listener.local_addr().expect("its address").port()
    );
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    loop {
        let (connection, _) = listener.accept().await.expect("a connection");
        connection.set_nodelay(true).expect("no delay");
        tokio::spawn(echo(connection));
    }
}
