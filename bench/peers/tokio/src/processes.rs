//! Tasks: starting, ending, idling, and a tree of a million.

use crate::{fail, out, system, Options};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, Notify};

pub async fn spawn(o: Options) {
    let count = o.or(1_000_000);
    let left: &'static (AtomicUsize, Notify) =
        Box::leak(Box::new((AtomicUsize::new(count), Notify::new())));
    let start = Instant::now();
    for i in 0..count {
        tokio::spawn(async {
            if left.0.fetch_sub(1, Ordering::AcqRel) == 1 {
                left.1.notify_one();
            }
        });
        if i % 100 == 99 {
            tokio::task::yield_now().await; // or a million of them wait
        }
    }
    left.1.notified().await;
    out(
        "ns_per_spawn_exit",
        start.elapsed().as_nanos() as f64 / count as f64,
    );
}

/// Adds what it gets to its state. (A channel has room for 32 messages from the start, so they
/// are as small as can be.)
async fn idler(mut input: mpsc::UnboundedReceiver<i64>, mut value: i64) {
    while let Some(n) = input.recv().await {
        value += n;
    }
    assert!(value >= 0, "the state is wrong");
}

pub async fn idle_memory(o: Options) {
    let count = o.or(1_000_000);
    // The addresses are kept in memory that is there, and not counted, before the start.
    let mut addresses: Vec<Option<mpsc::UnboundedSender<i64>>> = Vec::with_capacity(count);
    addresses.resize_with(count, || Some(mpsc::unbounded_channel().0));
    addresses.iter_mut().for_each(|address| *address = None);
    system::trim();
    let before = system::memory("VmRSS:");
    let start = Instant::now();
    for (i, address) in addresses.iter_mut().enumerate() {
        let (sender, input) = mpsc::unbounded_channel();
        *address = Some(sender);
        tokio::spawn(idler(input, i as i64));
    }
    let ns = start.elapsed().as_nanos() as f64;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = system::memory("VmRSS:");
    out("bytes_per_actor", (after - before) / count as f64);
    out("ns_per_start", ns / count as f64);
    out("rss_mib", after / 1048576.0);
    std::mem::forget(addresses);
}

/// The sum of the leaves below. It calls itself, so its future has to be boxed.
fn node(first: usize, size: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        let part = size / 10;
        let starts = (0..10).map(|i| first + i * part);
        let mut sum = 0;
        if part == 1 {
            let leaves: Vec<_> = starts.map(|n| tokio::spawn(async move { n })).collect();
            for leaf in leaves {
                sum += leaf.await.expect("a leaf");
            }
        } else {
            let nodes: Vec<_> = starts.map(|n| tokio::spawn(node(n, part))).collect();
            for node in nodes {
                sum += node.await.expect("a node");
            }
        }
        sum
    })
}

pub async fn skynet(o: Options) {
    let leaves = o.or(1_000_000);
    let start = Instant::now();
    let sum = tokio::spawn(node(0, leaves)).await.expect("the top");
    let seconds = start.elapsed().as_secs_f64();
    if sum != leaves * (leaves - 1) / 2 {
        fail("the sum is wrong (the size must be a power of ten)");
    }
    out("ms", seconds * 1000.0);
}
