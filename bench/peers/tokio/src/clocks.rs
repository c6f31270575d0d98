//! A million timers, and who gets a turn beside endless loops.

use crate::{out, system, Options, Random};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Lateness in steps of 10 us: 10 s of them, and one for all above.
const LATE_STEP_NS: u128 = 10_000;
const LATE_STEPS: usize = 1_000_001;

fn late_at(late: &[u32], rank: usize) -> f64 {
    let mut seen = 0;
    let step = late.iter().position(|&n| {
        seen += n as usize;
        seen >= rank
    });
    (step.unwrap_or(LATE_STEPS - 1) + 1) as f64 * LATE_STEP_NS as f64 / 1e6
}

/// Counts how late each of `count` ticks is that come with the time they were due.
async fn clockwork(mut ticks: mpsc::UnboundedReceiver<Instant>, count: usize) -> Vec<u32> {
    let mut late = vec![0u32; LATE_STEPS];
    for _ in 0..count {
        let due = ticks.recv().await.expect("a tick");
        let step = Instant::now().saturating_duration_since(due).as_nanos() / LATE_STEP_NS;
        late[(step as usize).min(LATE_STEPS - 1)] += 1;
    }
    late
}

pub async fn timers(o: Options) {
    let count = o.or(1_000_000);
    let mut random = Random::new(0);
    let (sender, ticks) = mpsc::unbounded_channel();
    let receiver = tokio::spawn(clockwork(ticks, count));
    let cpu = system::cpu_seconds();
    let start = Instant::now();
    for i in 0..count {
        let due = Instant::now() + Duration::from_nanos(random.below(2_000_000_000) as u64);
        let sender = sender.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(due.into()).await;
            let _ = sender.send(due);
        });
        if i % 100 == 99 {
            tokio::task::yield_now().await; // or nothing fires before all are armed
        }
    }
    let armed = start.elapsed();
    let late = receiver.await.expect("the receiver");
    let wall = start.elapsed();
    out("cpu_s", system::cpu_seconds() - cpu);
    out("p50_late_ms", late_at(&late, count / 2));
    out("p99_late_ms", late_at(&late, count * 99 / 100));
    out("max_late_ms", late_at(&late, count));
    out("arm_ns_per_timer", armed.as_nanos() as f64 / count as f64);
    out("wall_s", wall.as_secs_f64());
}

async fn pair(stop: Arc<AtomicBool>, trips: Arc<AtomicU64>) {
    let (ping, mut pings) = mpsc::unbounded_channel::<()>();
    let (pong, mut pongs) = mpsc::unbounded_channel::<()>();
    tokio::spawn(async move {
        while pings.recv().await.is_some() {
            let _ = pong.send(());
        }
    });
    let mut us: Vec<f32> = Vec::with_capacity(1 << 24);
    let mut start = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let _ = ping.send(());
        pongs.recv().await;
        let now = Instant::now();
        us.push((now - start).as_nanos() as f32 / 1000.0);
        start = now;
        trips.fetch_add(1, Ordering::Relaxed);
    }
    us.sort_unstable_by(f32::total_cmp);
    out("p50_us", us[us.len() / 2] as f64);
    out("p99_us", us[us.len() * 99 / 100] as f64);
    out("max_us", us[us.len() - 1] as f64);
    out("round_trips", us.len() as f64);
}

/// The workers are the runtime's threads; this thread keeps the time, whatever they do.
pub fn fairness(o: Options) {
    let seconds = if o.seconds > 0 { o.seconds } else { 3 };
    let stop = Arc::new(AtomicBool::new(false));
    let trips = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(o.workers)
        .enable_all()
        .build()
        .expect("a runtime");
    for _ in 0..o.workers {
        let stop = stop.clone();
        runtime.spawn(async move { while !stop.load(Ordering::Relaxed) {} });
    }
    std::thread::sleep(Duration::from_millis(100));
    let pair = runtime.spawn(pair(stop.clone(), trips.clone()));
    std::thread::sleep(Duration::from_secs(seconds as u64));
    let before_stop = trips.load(Ordering::Relaxed);
    if before_stop == 0 {
        println!("p50_us starved");
        std::process::exit(0);
    }
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(pair).expect("the pair");
}
