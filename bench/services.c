/* Workloads of what stands on messages: supervisors, faults, names, groups. */
#include "bench.h"

#include "spawned/supervisor.h"

#include <stdatomic.h>
#include <stdio.h>

/* ---- restarts: a child that ends as soon as it runs ---------------------------------------- */

enum restart_how {
    RESTART_EXIT,
    RESTART_FAULT,
};

struct mayfly_args {
    sp_pid main;
    enum restart_how how;
    int64_t *left; /* restarts; only its one child of the moment writes it */
};
SP_SERVER(mayfly, struct mayfly_args);

struct mayfly {
    struct mayfly_args args;
};

static sp_err mayfly_init(struct mayfly *self, const struct mayfly_args *args)
{
    self->args = *args;
    sp_server_continue();
    return SP_OK;
}

static void mayfly_continue(struct mayfly *self)
{
    if ((*self->args.left)-- == 0) {
        bench_must(bench_done_send(self->args.main, &(struct bench_done){ 0 }), "done");
        return;
    }
    if (self->args.how == RESTART_EXIT)
        sp_exit_error(SP_ERR_INVALID, "planned");
    bench_write_nowhere();
}

SP_STATE(mayfly, struct mayfly);
SP_ON_INIT(mayfly);
SP_ON_CONTINUE(mayfly);
SP_CLASS(mayfly, .init = mayfly__init, .on_continue = mayfly__continue);

static double restarts_run(int64_t count, enum restart_how how)
{
    int64_t left = count;
    struct mayfly_args args = { .main = sp_self(), .how = how, .left = &left };
    struct sp_child_spec child = {
        .id = "mayfly", .server = &mayfly_class, .args = &args, .args_size = sizeof args
    };
    struct sp_supervisor_spec spec = { .max_restarts = SP_RESTARTS_UNLIMITED,
                                       .children = &child,
                                       .child_count = 1 };
    sp_pid supervisor;
    int64_t start_ns = bench_now_ns();
    bench_must(sp_supervisor_start(&spec, NULL, &supervisor), "starting the supervisor");
    bench_await(1);
    double ns = (double)(bench_now_ns() - start_ns);
    bench_must(sp_stop(supervisor, NULL, sp_never()), "stopping the supervisor");
    return ns / (double)count;
}

static void supervisor_restart_run(const struct bench_options *options)
{
    int64_t count = (int64_t)bench_size(options, 100000);
    bench_out("ns_per_restart", restarts_run(count, RESTART_EXIT));
}

static void fault_restart_run(const struct bench_options *options)
{
    int64_t count = (int64_t)bench_size(options, 20000);
    bench_out("ns_per_restart", restarts_run(count, RESTART_FAULT));
}

/* ---- registry ------------------------------------------------------------------------------ */

static void idle_run(void *arg)
{
    (void)arg;
    struct sp_message *message = NULL;
    bench_must(sp_receive(sp_never(), &message), "receiving");
}

static void registry_run(const struct bench_options *options)
{
    enum { NAMES = 10000 };
    int64_t lookups = (int64_t)bench_size(options, 1000000);
    static char names[NAMES][16];
    static sp_pid pids[NAMES];
    for (int i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof names[i], "name_%d", i);
        bench_must(sp_spawn(idle_run, NULL, NULL, &pids[i]), "spawning");
    }
    int64_t start_ns = bench_now_ns();
    for (int i = 0; i < NAMES; i++)
        bench_must(sp_register(names[i], pids[i]), "registering");
    int64_t registered_ns = bench_now_ns();
    for (int64_t i = 0; i < lookups; i++) {
        sp_pid pid;
        bench_must(sp_whereis(names[i * 7919 % NAMES], &pid), "looking up");
    }
    int64_t found_ns = bench_now_ns();
    for (int i = 0; i < NAMES; i++)
        bench_must(sp_unregister(names[i]), "unregistering");
    int64_t end_ns = bench_now_ns();
    bench_out("ns_per_whereis", (double)(found_ns - registered_ns) / (double)lookups);
    bench_out("ns_per_register", (double)(registered_ns - start_ns) / NAMES);
    bench_out("ns_per_unregister", (double)(end_ns - found_ns) / NAMES);
}

/* ---- groups ----------------------------------------------------------------------------------- */

struct listener_args {
    sp_pid main;
    int64_t expected;
    _Atomic int64_t *missing; /* listeners that have not heard everything */
};
struct listener_word {
    int64_t value;
};
SP_SERVER(listener, struct listener_args);
SP_CAST(listener, word, struct listener_word);

struct listener {
    struct listener_args args;
};

static sp_err listener_init(struct listener *self, const struct listener_args *args)
{
    self->args = *args;
    return sp_group_join("listeners", sp_self());
}

static void listener_on_word(struct listener *self, const struct listener_word *in)
{
    (void)in;
    if (--self->args.expected > 0)
        return;
    /* acq_rel: the last one ends the run, after all others. */
    if (atomic_fetch_sub_explicit(self->args.missing, 1, memory_order_acq_rel) == 1)
        bench_must(bench_done_send(self->args.main, &(struct bench_done){ 0 }), "done");
}

SP_STATE(listener, struct listener);
SP_ON_INIT(listener);
SP_ON_CAST(listener, word);
SP_CLASS(listener, .init = listener__init);

static void pg_broadcast_run(const struct bench_options *options)
{
    enum { MEMBERS = 100000 };
    int64_t count = (int64_t)bench_size(options, 10);
    _Atomic int64_t missing = MEMBERS;
    struct listener_args args = { .main = sp_self(), .expected = count, .missing = &missing };
    for (int i = 0; i < MEMBERS; i++)
        bench_must(listener_start(&args, NULL, NULL), "starting");
    int64_t start_ns = bench_now_ns();
    for (int64_t i = 0; i < count; i++) {
        struct sp_broadcast counts = { 0 };
        struct listener_word word = { i };
        bench_must(sp_group_send("listeners", &listener_word_op.in, &word, &counts), "sending");
        if (counts.sent != MEMBERS)
            bench_fail("a member was missed");
        sp_yield(); /* who only sends fills all mailboxes first */
    }
    bench_await(1);
    double ns = (double)(bench_now_ns() - start_ns);
    bench_out("ns_per_delivery", ns / MEMBERS / (double)count);
}

const struct bench_workload bench_services[] = {
    { .name = "supervisor_restart",
      .about = "a child that exits with an error at once, restarted 100,000 times",
      .run = supervisor_restart_run,
      .quiet = true },
    { .name = "fault_restart",
      .about = "a child that writes through a null pointer at once, restarted 20,000 times",
      .run = fault_restart_run,
      .quiet = true },
    { .name = "registry",
      .about = "10,000 names: registered, looked up 1,000,000 times, unregistered",
      .run = registry_run },
    { .name = "pg_broadcast",
      .about = "10 broadcasts to a group of 100,000 servers",
      .run = pg_broadcast_run },
    { .name = NULL },
};
