/* Workloads of messages between actors: pairs, rings, many to one, many to many. */
#include "bench.h"

#include <stdlib.h>

/* ---- players: pingpong and ring, as servers ------------------------------------------- */

struct player_args {
    sp_pid main;
};
struct player_meet {
    sp_pid next;
};
struct player_token {
    int64_t left;
};

SP_SERVER(player, struct player_args);
SP_CAST(player, meet, struct player_meet);
SP_CAST(player, token, struct player_token);

struct player {
    sp_pid main;
    player_ref next;
};

static sp_err player_init(struct player *self, const struct player_args *args)
{
    self->main = args->main;
    return SP_OK;
}

static void player_on_meet(struct player *self, const struct player_meet *in)
{
    self->next.pid = in->next;
}

static void player_on_token(struct player *self, const struct player_token *in)
{
    if (in->left == 0)
        bench_must(bench_done_send(self->main, &(struct bench_done){ 0 }), "done");
    else
        bench_must(player_token(self->next, &(struct player_token){ in->left - 1 }), "a hop");
}

SP_STATE(player, struct player);
SP_ON_INIT(player);
SP_ON_CAST(player, meet);
SP_ON_CAST(player, token);
SP_CLASS(player, .init = player__init);

double bench_players(uint32_t count, int64_t hops)
{
    player_ref *players = calloc(count, sizeof *players);
    if (!players)
        bench_fail("no memory");
    struct player_args args = { .main = sp_self() };
    for (uint32_t i = 0; i < count; i++)
        bench_must(player_start(&args, NULL, &players[i]), "starting a player");
    for (uint32_t i = 0; i < count; i++) {
        struct player_meet meet = { .next = players[(i + 1) % count].pid };
        bench_must(player_meet(players[i], &meet), "meeting");
    }
    int64_t start_ns = bench_now_ns();
    bench_must(player_token(players[0], &(struct player_token){ hops }), "the first hop");
    bench_await(1);
    double ns = (double)(bench_now_ns() - start_ns);
    free(players);
    return ns;
}

static void pingpong_run(const struct bench_options *options)
{
    int64_t messages = 2 * (int64_t)bench_size(options, 2000000);
    bench_out("ns_per_message", bench_players(2, messages) / (double)messages);
}

static void ring_run(const struct bench_options *options)
{
    int64_t hops = (int64_t)bench_size(options, 5000000);
    bench_out("ns_per_hop", bench_players(503, hops) / (double)hops);
}

/* ---- the same between plain processes, which hold a stack while they wait -------------- */

struct hop {
    int64_t left;
};
SP_MESSAGE(hop, struct hop);
struct hop_meet {
    sp_pid next;
};
SP_MESSAGE(hop_meet, struct hop_meet);

static void runner(void *arg)
{
    sp_pid main = *(const sp_pid *)arg;
    sp_pid next = SP_PID_NONE;
    for (;;) {
        struct sp_message *message = NULL;
        bench_must(sp_receive(sp_never(), &message), "receiving");
        const struct hop *hop = hop_of(message);
        if (!hop)
            next = hop_meet_of(message)->next;
        else if (hop->left == 0)
            bench_must(bench_done_send(main, &(struct bench_done){ 0 }), "done");
        else
            bench_must(hop_send(next, &(struct hop){ hop->left - 1 }), "a hop");
        sp_message_free(message);
    }
}

static double runners_run(uint32_t count, int64_t hops)
{
    sp_pid main = sp_self();
    sp_pid *runners = calloc(count, sizeof *runners);
    if (!runners)
        bench_fail("no memory");
    struct sp_spawn_options spawn = { .arg_size = sizeof main };
    for (uint32_t i = 0; i < count; i++)
        bench_must(sp_spawn(runner, &main, &spawn, &runners[i]), "spawning");
    for (uint32_t i = 0; i < count; i++) {
        struct hop_meet meet = { .next = runners[(i + 1) % count] };
        bench_must(hop_meet_send(runners[i], &meet), "meeting");
    }
    int64_t start_ns = bench_now_ns();
    bench_must(hop_send(runners[0], &(struct hop){ hops }), "the first hop");
    bench_await(1);
    double ns = (double)(bench_now_ns() - start_ns);
    free(runners);
    return ns;
}

static void pingpong_process_run(const struct bench_options *options)
{
    int64_t messages = 2 * (int64_t)bench_size(options, 2000000);
    bench_out("ns_per_message", runners_run(2, messages) / (double)messages);
}

static void ring_process_run(const struct bench_options *options)
{
    int64_t hops = (int64_t)bench_size(options, 5000000);
    bench_out("ns_per_hop", runners_run(503, hops) / (double)hops);
}

/* ---- sink: many senders to one receiver ------------------------------------------------- */

struct sink_args {
    sp_pid main;
    int64_t expected;
};
struct sink_number {
    int64_t value;
};

SP_SERVER(sink, struct sink_args);
SP_CAST(sink, number, struct sink_number);

struct sink {
    sp_pid main;
    int64_t left;
    int64_t sum;
};

static sp_err sink_init(struct sink *self, const struct sink_args *args)
{
    self->main = args->main;
    self->left = args->expected;
    return SP_OK;
}

static void sink_on_number(struct sink *self, const struct sink_number *in)
{
    self->sum += in->value;
    if (--self->left == 0)
        bench_must(bench_done_send(self->main, &(struct bench_done){ self->sum }), "done");
}

SP_STATE(sink, struct sink);
SP_ON_INIT(sink);
SP_ON_CAST(sink, number);
SP_CLASS(sink, .init = sink__init);

/* Who sends `count` messages to `sink`. */
struct sender {
    sp_pid sink;
    int64_t count;
};

static void sender_run(void *arg)
{
    const struct sender *self = arg;
    for (int64_t i = 0; i < self->count; i++)
        bench_must(
            sp_send_wait(self->sink, &sink_number_op.in, &(struct sink_number){ i }, sp_never()),
            "sending");
}

/* Nanoseconds for `senders` times `each` messages to a mailbox of `mailbox_max`. */
static double sink_fill(int64_t senders, int64_t each, uint32_t mailbox_max)
{
    sink_ref sink;
    struct sink_args args = { .main = sp_self(), .expected = senders * each };
    struct sp_server_options options = { .spawn.mailbox_max = mailbox_max };
    bench_must(sink_start(&args, &options, &sink), "starting the receiver");
    struct sender sender = { .sink = sink.pid, .count = each };
    struct sp_spawn_options spawn = { .arg_size = sizeof sender };
    int64_t start_ns = bench_now_ns();
    for (int64_t i = 0; i < senders; i++)
        bench_must(sp_spawn(sender_run, &sender, &spawn, NULL), "spawning a sender");
    int64_t sum = bench_await(1);
    int64_t end_ns = bench_now_ns();
    if (sum != senders * (each * (each - 1) / 2))
        bench_fail("the sum is wrong");
    return (double)(end_ns - start_ns);
}

static void fanin_out(const struct bench_options *options, uint32_t mailbox_max)
{
    int64_t each = (int64_t)bench_size(options, 100000);
    double ns = sink_fill(100, each, mailbox_max);
    bench_out("messages_per_s", 100 * (double)each / (ns / 1e9));
    bench_out("peak_rss_mib", bench_memory("VmHWM:") / 1048576);
}

static void fanin_run(const struct bench_options *options)
{
    fanin_out(options, 1024);
}

static void fanin_default_run(const struct bench_options *options)
{
    fanin_out(options, 0);
}

static void fanin_unbounded_run(const struct bench_options *options)
{
    fanin_out(options, SP_MAILBOX_UNBOUNDED);
}

static void mailbox_bounded_run(const struct bench_options *options)
{
    int64_t count = (int64_t)bench_size(options, 2000000);
    bench_out("messages_per_s", (double)count / (sink_fill(1, count, 1024) / 1e9));
}

/* ---- big: everybody to everybody -------------------------------------------------------- */

struct crowd {
    sp_pid main;
    uint32_t count;
    sp_pid members[];
};
struct big_args {
    const struct crowd *crowd;
    int64_t pings;
};
struct big_go {
    char unused;
};

SP_SERVER(big, struct big_args);
SP_CAST(big, go, struct big_go);
SP_CAST(big, ping, struct big_go);
SP_CAST(big, pong, struct big_go);

struct big {
    const struct crowd *crowd;
    int64_t left;
};

static sp_err big_init(struct big *self, const struct big_args *args)
{
    self->crowd = args->crowd;
    self->left = args->pings;
    return SP_OK;
}

static void big_next(struct big *self)
{
    if (self->left-- == 0) {
        bench_must(bench_done_send(self->crowd->main, &(struct bench_done){ 0 }), "done");
        return;
    }
    big_ref other = { self->crowd->members[sp_random() % self->crowd->count] };
    bench_must(big_ping(other, &(struct big_go){ 0 }), "a ping");
}

static void big_on_go(struct big *self, const struct big_go *in)
{
    (void)in;
    big_next(self);
}

static void big_on_ping(struct big *self, const struct big_go *in)
{
    (void)self;
    bench_must(big_pong((big_ref){ sp_server_from() }, in), "a pong");
}

static void big_on_pong(struct big *self, const struct big_go *in)
{
    (void)in;
    big_next(self);
}

SP_STATE(big, struct big);
SP_ON_INIT(big);
SP_ON_CAST(big, go);
SP_ON_CAST(big, ping);
SP_ON_CAST(big, pong);
SP_CLASS(big, .init = big__init);

static void big_run(const struct bench_options *options)
{
    enum { COUNT = 500 };
    int64_t pings = (int64_t)bench_size(options, 2000);
    struct crowd *crowd = calloc(1, sizeof *crowd + COUNT * sizeof(sp_pid));
    if (!crowd)
        bench_fail("no memory");
    crowd->main = sp_self();
    crowd->count = COUNT;
    struct big_args args = { .crowd = crowd, .pings = pings };
    for (uint32_t i = 0; i < COUNT; i++) {
        big_ref ref;
        bench_must(big_start(&args, NULL, &ref), "starting");
        crowd->members[i] = ref.pid;
    }
    int64_t start_ns = bench_now_ns();
    for (uint32_t i = 0; i < COUNT; i++)
        bench_must(big_go((big_ref){ crowd->members[i] }, &(struct big_go){ 0 }), "go");
    bench_await(COUNT);
    double ns = (double)(bench_now_ns() - start_ns);
    bench_out("messages_per_s", 2.0 * COUNT * (double)pings / (ns / 1e9));
}

/* ---- selective receive over a long mailbox ------------------------------------------------ */

static bool is_done(const struct sp_message *message, void *arg)
{
    (void)arg;
    return sp_message_type(message) == &bench_done_type;
}

/* A message from itself, found behind BACKLOG others that it leaves where they are. */
static void selective_run(void *arg)
{
    enum { BACKLOG = 100000 };
    const struct sender *self = arg;
    for (int64_t i = 0; i < BACKLOG; i++)
        bench_must(hop_send(sp_self(), &(struct hop){ i }), "the backlog");
    int64_t start_ns = bench_now_ns();
    for (int64_t i = 0; i < self->count; i++) {
        struct sp_message *message = NULL;
        bench_must(bench_done_send(sp_self(), &(struct bench_done){ i }), "sending");
        bench_must(sp_receive_select(is_done, NULL, sp_never(), &message), "selecting");
        sp_message_free(message);
    }
    double ns = (double)(bench_now_ns() - start_ns);
    bench_out("ns_per_message_skipped", ns / (double)self->count / BACKLOG);
    bench_must(bench_done_send(self->sink, &(struct bench_done){ 0 }), "done");
}

static void selective_receive_run(const struct bench_options *options)
{
    struct sender self = { .sink = sp_self(), .count = (int64_t)bench_size(options, 100) };
    struct sp_spawn_options spawn = { .arg_size = sizeof self,
                                      .mailbox_max = SP_MAILBOX_UNBOUNDED };
    bench_must(sp_spawn(selective_run, &self, &spawn, NULL), "spawning");
    bench_await(1);
}

const struct bench_workload bench_messages[] = {
    { .name = "pingpong",
      .about = "2 servers, 2,000,000 round trips of casts",
      .run = pingpong_run },
    { .name = "pingpong_process",
      .about = "the same between plain processes that receive",
      .run = pingpong_process_run },
    { .name = "ring", .about = "503 servers, 1 token, 5,000,000 hops", .run = ring_run },
    { .name = "ring_process",
      .about = "the same with plain processes that receive",
      .run = ring_process_run },
    { .name = "fanin",
      .about = "100 senders x 100,000 integers to a mailbox of 1,024, waiting for room",
      .run = fanin_run },
    { .name = "fanin_default",
      .about = "the same with a mailbox of the default size",
      .run = fanin_default_run },
    { .name = "fanin_unbounded",
      .about = "the same with an unbounded mailbox",
      .run = fanin_unbounded_run },
    { .name = "mailbox_bounded",
      .about = "1 sender, 2,000,000 integers to a mailbox of 1,024, waiting for room",
      .run = mailbox_bounded_run },
    { .name = "big",
      .about = "500 servers, 2,000 pings each to random others, waiting for each pong",
      .run = big_run },
    { .name = "selective_receive",
      .about = "100 selective receives over a backlog of 100,000 messages",
      .run = selective_receive_run },
    { .name = NULL },
};
