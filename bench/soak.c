/* Soak: load and crashes for a long time, and at the end nothing is left behind.
 *
 * A supervisor runs workers that answer calls and cast to each other; clients call them. A
 * tormentor makes random workers exit, fault and be killed. Afterwards the books must
 * balance: every message is handled, queued, dead or dropped, every process has ended, and
 * memory has not grown since the first tenth of the time.
 */
#include "bench.h"

#include "spawned/supervisor.h"

#include <stdio.h>

#define SOAK_GROWTH_MAX (8.0 * 1048576)

/* The sanitizers keep what is freed, and remember every stack. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SOAK_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SOAK_SANITIZED 1
#endif
#endif
#ifndef SOAK_SANITIZED
#define SOAK_SANITIZED 0
#endif

enum {
    SOAK_WORKERS = 100,
    SOAK_CLIENTS = 50,
};

enum soak_torment {
    SOAK_EXIT,
    SOAK_FAULT,
    SOAK_KILL,
    SOAK_TORMENTS,
};

/* ---- workers ---------------------------------------------------------------------------- */

struct worker_args {
    int index;
};
struct worker_work {
    int64_t value;
};
struct worker_end {
    enum soak_torment how;
};
SP_SERVER(worker, struct worker_args);
SP_CALL(worker, work, struct worker_work, struct worker_work);
SP_CAST(worker, gossip, struct worker_work);
SP_CAST(worker, end, struct worker_end);

struct worker {
    int index;
    int64_t sum;
};

static void worker_name(int index, char name[32])
{
    snprintf(name, 32, "worker_%d", index);
}

static sp_err worker_init(struct worker *self, const struct worker_args *args)
{
    self->index = args->index;
    return SP_OK;
}

static sp_err worker_on_work(struct worker *self, const struct worker_work *in,
                             struct worker_work *out)
{
    char *memory = sp_alloc(256);
    snprintf(memory, 256, "%lld", (long long)in->value);
    char name[32];
    worker_name((self->index + 1) % SOAK_WORKERS, name);
    worker_ref next;
    if (worker_whereis(name, &next) == SP_OK)
        sp_ignore(worker_gossip(next, in)); /* it may have died meanwhile */
    sp_free(memory);
    self->sum += in->value;
    out->value = in->value + 1;
    return SP_OK;
}

static void worker_on_gossip(struct worker *self, const struct worker_work *in)
{
    self->sum += in->value;
}

static void worker_on_end(struct worker *self, const struct worker_end *in)
{
    (void)self;
    if (in->how == SOAK_EXIT)
        sp_exit_error(SP_ERR_CANCELLED, "torment");
    bench_write_nowhere();
}

SP_STATE(worker, struct worker);
SP_ON_INIT(worker);
SP_ON_CALL(worker, work);
SP_ON_CAST(worker, gossip);
SP_ON_CAST(worker, end);
SP_CLASS(worker, .init = worker__init);

/* ---- clients and the tormentor ------------------------------------------------------------ */

struct soak {
    sp_pid main;
    sp_time end;
};

static bool soak_over(const struct soak *soak)
{
    return sp_now().ns >= soak->end.ns;
}

static worker_ref soak_random_worker(void)
{
    char name[32];
    worker_ref ref = { SP_PID_NONE };
    worker_name((int)(sp_random() % SOAK_WORKERS), name);
    sp_ignore(worker_whereis(name, &ref)); /* none while it is restarted */
    return ref;
}

static void client_loop(void *arg)
{
    const struct soak *soak = arg;
    int64_t answered = 0;
    while (!soak_over(soak)) {
        struct worker_work in = { answered };
        struct worker_work out = { 0 };
        sp_err err = worker_work(soak_random_worker(), &in, &out, sp_after_ms(1000));
        if (err == SP_OK && out.value != answered + 1)
            bench_fail("a wrong answer");
        if (err == SP_OK)
            answered++;
        else if (err != SP_ERR_NOPROC && err != SP_ERR_DIED && err != SP_ERR_FULL)
            bench_must(err, "a call");
    }
    bench_must(bench_done_send(soak->main, &(struct bench_done){ answered }), "done");
}

static void torment_loop(void *arg)
{
    const struct soak *soak = arg;
    while (!soak_over(soak)) {
        worker_ref victim = soak_random_worker();
        enum soak_torment how = (enum soak_torment)(sp_random() % SOAK_TORMENTS);
        sp_err err = how == SOAK_KILL ? sp_kill(victim.pid)
                                      : worker_end(victim, &(struct worker_end){ how });
        if (err != SP_OK && err != SP_ERR_NOPROC && err != SP_ERR_FULL)
            bench_must(err, "tormenting");
        sp_sleep(sp_us(500));
    }
    bench_must(bench_done_send(soak->main, &(struct bench_done){ 0 }), "done");
}

/* ---- the whole ------------------------------------------------------------------------------ */

static sp_pid soak_start_workers(void)
{
    struct sp_child_spec children[SOAK_WORKERS];
    struct worker_args args[SOAK_WORKERS];
    static char names[SOAK_WORKERS][32];
    for (int i = 0; i < SOAK_WORKERS; i++) {
        worker_name(i, names[i]);
        args[i] = (struct worker_args){ i };
        children[i] = (struct sp_child_spec){
            .id = names[i],
            .server = &worker_class,
            .args = &args[i],
            .args_size = sizeof args[i],
            .options.spawn.name = names[i],
        };
    }
    struct sp_supervisor_spec spec = {
        .max_restarts = SP_RESTARTS_UNLIMITED,
        .children = children,
        .child_count = SOAK_WORKERS,
    };
    sp_pid supervisor;
    bench_must(sp_supervisor_start(&spec, NULL, &supervisor), "starting the supervisor");
    return supervisor;
}

/* One round of load and crashes, to its end. Returns the answered calls. */
static int64_t soak_round(sp_duration length)
{
    struct soak soak = { .main = sp_self(), .end = sp_time_add(sp_now(), length) };
    struct sp_spawn_options spawn = { .arg_size = sizeof soak };
    struct sp_stats before;
    sp_runtime_stats(sp_runtime_current(), &before);
    sp_pid supervisor = soak_start_workers();
    bench_must(sp_spawn(torment_loop, &soak, &spawn, NULL), "spawning the tormentor");
    for (int i = 0; i < SOAK_CLIENTS; i++)
        bench_must(sp_spawn(client_loop, &soak, &spawn, NULL), "spawning a client");
    int64_t answered = bench_await(SOAK_CLIENTS + 1);
    bench_must(sp_stop(supervisor, NULL, sp_never()), "stopping the supervisor");
    bench_await_processes(before.processes);
    return answered;
}

static void soak_check(const struct sp_stats *stats)
{
    uint64_t known = stats->handled + stats->queued + stats->dead_noproc + stats->dropped_full +
                     stats->dropped_stale + stats->dropped_shed;
    if (stats->sent != known)
        bench_fail("messages are missing: sent is not handled + queued + dead + dropped");
    if (stats->timers != 0)
        bench_fail("timers are left");
    if (sp_registered_count() > 1)
        bench_fail("names are left");
}

static void soak_run(const struct bench_options *options)
{
    int64_t ms = (int64_t)(options->seconds ? options->seconds : 60) * 1000;
    int64_t answered = soak_round(sp_ms(ms / 10));
    double early = bench_memory("VmRSS:");
    answered += soak_round(sp_ms(ms - ms / 10));
    double late = bench_memory("VmRSS:");
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    soak_check(&stats);
    bench_out("calls_per_s", (double)answered / ((double)ms / 1000));
    bench_out("processes_ended", (double)stats.exited);
    bench_out("faults", (double)stats.faults);
    bench_out("rss_growth_mib", (late - early) / 1048576);
    if (!SOAK_SANITIZED && late > early * 1.1 + SOAK_GROWTH_MAX)
        bench_fail("memory grows");
}

const struct bench_workload bench_soak[] = {
    { .name = "soak",
      .about = "calls between supervised servers that exit, fault and are killed; 60 s",
      .run = soak_run,
      .quiet = true,
      .apart = true },
    { .name = NULL },
};
