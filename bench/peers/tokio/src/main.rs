//! The workloads of spawned-bench as a tokio programmer writes them: tasks and channels.
//!
//!     bench WORKLOAD WORKERS SIZE SECONDS
//!
//! SIZE and SECONDS 0 mean the defaults, which are those of spawned-bench. Prints "METRIC VALUE"
//! lines. With one worker everything runs on tokio's current-thread runtime, which is the faster
//! one; with more on its multi-thread runtime, where no part of a workload runs on the thread
//! that only waits for it. tcp_echo is a server: it prints its port and serves until its input
//! ends.

mod clocks;
mod messages;
mod processes;
mod system;

use std::future::Future;
use std::process::exit;

/// What one run is asked for.
#[derive(Clone, Copy)]
pub struct Options {
    pub workers: usize,
    pub size: usize,
    pub seconds: usize,
}

impl Options {
    /// The size, or the default.
    pub fn or(self, normal: usize) -> usize {
        if self.size > 0 {
            self.size
        } else {
            normal
        }
    }
}

pub fn out(metric: &str, value: f64) {
    println!("{metric} {value:.3}");
}

pub fn fail(why: &str) -> ! {
    eprintln!("{why}");
    exit(1)
}

/// xorshift: a random generator without a lock.
pub struct Random(u64);

impl Random {
    pub fn new(seed: usize) -> Self {
        Random((seed as u64).wrapping_mul(2654435761) + 88172645463325252)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Runs `work` as a task of a runtime with that many workers.
fn run(workers: usize, work: impl Future<Output = ()> + Send + 'static) {
    let mut builder = if workers == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = builder
        .worker_threads(workers)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async { tokio::spawn(work).await.expect("the workload") });
    // What still waits (a million idle tasks) need not be taken apart.
    exit(0)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let number = |i: usize| args.get(i).and_then(|text| text.parse::<usize>().ok());
    let (workers, size, seconds) = match (number(2), number(3), number(4)) {
        (Some(workers), Some(size), Some(seconds)) if workers > 0 => (workers, size, seconds),
        _ => fail("usage: bench WORKLOAD WORKERS SIZE SECONDS"),
    };
    let o = Options {
        workers,
        size,
        seconds,
    };
    match args[1].as_str() {
        "pingpong" => run(workers, messages::pingpong(o)),
        "ring" => run(workers, messages::ring(o)),
        "fanin" => run(workers, messages::fanin(o)),
        "mailbox_bounded" => run(workers, messages::mailbox_bounded(o)),
        "big" => run(workers, messages::big(o)),
        "call" => run(workers, messages::call(o)),
        "call_c1000" => run(workers, messages::call_c1000(o)),
        "spawn" => run(workers, processes::spawn(o)),
        "idle_memory" => run(workers, processes::idle_memory(o)),
        "skynet" => run(workers, processes::skynet(o)),
        "timers" => run(workers, clocks::timers(o)),
        "fairness" => clocks::fairness(o),
        "tcp_echo" => run(workers, system::tcp_echo()),
        other => fail(&format!("no such workload: {other}")),
    }
}
