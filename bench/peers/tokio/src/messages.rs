//! Messages between tasks: pairs, rings, many to one, many to many, request and reply.

use crate::{fail, out, system, Options, Random};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Passes the number it gets on, one less, until it is zero.
async fn player(
    mut input: mpsc::UnboundedReceiver<usize>,
    next: mpsc::UnboundedSender<usize>,
    done: mpsc::UnboundedSender<()>,
) {
    while let Some(left) = input.recv().await {
        if left == 0 {
            let _ = done.send(());
            return;
        }
        let _ = next.send(left - 1);
    }
}

/// The time of `hops` hops around a circle of `count` tasks. (There is one message in the
/// circle, so unbounded channels are no advantage but their speed.) Units: nanoseconds.
async fn players(count: usize, hops: usize) -> f64 {
    let (done, mut finished) = mpsc::unbounded_channel();
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..count).map(|_| mpsc::unbounded_channel()).unzip();
    for (i, input) in receivers.into_iter().enumerate() {
        tokio::spawn(player(
            input,
            senders[(i + 1) % count].clone(),
            done.clone(),
        ));
    }
    let start = Instant::now();
    let _ = senders[0].send(hops);
    finished.recv().await;
    start.elapsed().as_nanos() as f64
}

pub async fn pingpong(o: Options) {
    let messages = 2 * o.or(2_000_000);
    out(
        "ns_per_message",
        players(2, messages).await / messages as f64,
    );
}

pub async fn ring(o: Options) {
    let hops = o.or(5_000_000);
    out("ns_per_hop", players(503, hops).await / hops as f64);
}

/// Messages per second from `senders`, `each` per sender, to one receiver.
async fn fill(senders: usize, each: usize) -> f64 {
    let (sender, mut input) = mpsc::channel(1024);
    let start = Instant::now();
    let receiver = tokio::spawn(async move {
        let mut sum = 0;
        while let Some(n) = input.recv().await {
            sum += n;
        }
        sum
    });
    for _ in 0..senders {
        let sender = sender.clone();
        tokio::spawn(async move {
            for n in 0..each {
                let _ = sender.send(n).await;
            }
        });
    }
    drop(sender);
    let sum: usize = receiver.await.expect("the receiver");
    let seconds = start.elapsed().as_secs_f64();
    if sum != senders * (each * (each - 1) / 2) {
        fail("the sum is wrong");
    }
    (senders * each) as f64 / seconds
}

pub async fn fanin(o: Options) {
    out("messages_per_s", fill(100, o.or(100_000)).await);
    out("peak_rss_mib", system::memory("VmHWM:") / 1048576.0);
}

pub async fn mailbox_bounded(o: Options) {
    out("messages_per_s", fill(1, o.or(2_000_000)).await);
}

enum BigMessage {
    Ping(usize),
    Pong,
}

type BigSender = mpsc::UnboundedSender<BigMessage>;

/// Pings `pings` random others, one at a time, and answers whoever pings it.
async fn big_member(
    index: usize,
    mut input: mpsc::UnboundedReceiver<BigMessage>,
    members: std::sync::Arc<Vec<BigSender>>,
    mut pings: usize,
    done: mpsc::UnboundedSender<()>,
) {
    let mut random = Random::new(index);
    let _ = members[random.below(members.len())].send(BigMessage::Ping(index));
    while let Some(message) = input.recv().await {
        if let BigMessage::Ping(from) = message {
            let _ = members[from].send(BigMessage::Pong);
            continue;
        }
        pings -= 1;
        if pings == 0 {
            let _ = done.send(());
        } else {
            let _ = members[random.below(members.len())].send(BigMessage::Ping(index));
        }
    }
}

pub async fn big(o: Options) {
    const COUNT: usize = 500;
    let pings = o.or(2000);
    let (done, mut finished) = mpsc::unbounded_channel();
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..COUNT).map(|_| mpsc::unbounded_channel()).unzip();
    let members = std::sync::Arc::new(senders);
    let start = Instant::now();
    for (i, input) in receivers.into_iter().enumerate() {
        tokio::spawn(big_member(i, input, members.clone(), pings, done.clone()));
    }
    for _ in 0..COUNT {
        finished.recv().await;
    }
    let seconds = start.elapsed().as_secs_f64();
    out("messages_per_s", (2 * COUNT * pings) as f64 / seconds);
}

/// A request is where its reply goes to.
type Request = oneshot::Sender<usize>;

async fn counter(mut requests: mpsc::UnboundedReceiver<Request>) {
    let mut value = 0;
    while let Some(reply) = requests.recv().await {
        value += 1;
        let _ = reply.send(value);
    }
}

async fn caller(requests: mpsc::UnboundedSender<Request>, calls: usize) {
    for _ in 0..calls {
        let (reply, answer) = oneshot::channel();
        let _ = requests.send(reply);
        let _ = answer.await;
    }
}

async fn clients(count: usize, calls: usize) -> f64 {
    // A client has one request under way, so no queue can grow.
    let (requests, input) = mpsc::unbounded_channel();
    tokio::spawn(counter(input));
    let start = Instant::now();
    let all: Vec<_> = (0..count)
        .map(|_| tokio::spawn(caller(requests.clone(), calls)))
        .collect();
    for client in all {
        client.await.expect("a client");
    }
    start.elapsed().as_nanos() as f64 / (count * calls) as f64
}

pub async fn call(o: Options) {
    out("ns_per_call", clients(1, o.or(1_000_000)).await);
}

pub async fn call_c1000(o: Options) {
    out("ns_per_call", clients(1000, o.or(1000)).await);
}
