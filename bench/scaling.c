/* Scaling: how much faster the work that can be shared is done by more workers.
 *
 * Each part runs in a child of its own, once with one worker and once with `workers`; the
 * figure is the ratio of the two times. With one worker it therefore shows the noise.
 *
 * Neighbours: bench.h; the parts are workloads of the other tables.
 */
#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- fanout_cpu: work for the processor alone, in many small pieces ------------------------ */

enum {
    FANOUT_PIECES = 1000,
    FANOUT_STEPS = 100000,
};

struct piece {
    sp_pid main;
    uint64_t steps;
};

static void piece_run(void *arg)
{
    const struct piece *self = arg;
    uint64_t x = 88172645463325252u;
    for (uint64_t i = 0; i < self->steps; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    bench_must(bench_done_send(self->main, &(struct bench_done){ (int64_t)(x & 1) }), "done");
}

static void fanout_cpu_run(const struct bench_options *options)
{
    struct piece piece = { .main = sp_self(), .steps = bench_size(options, FANOUT_STEPS) };
    struct sp_spawn_options spawn = { .arg_size = sizeof piece };
    int64_t start_ns = bench_now_ns();
    for (int i = 0; i < FANOUT_PIECES; i++)
        bench_must(sp_spawn(piece_run, &piece, &spawn, NULL), "spawning a piece");
    bench_await(FANOUT_PIECES);
    bench_out("ms", (double)(bench_now_ns() - start_ns) / 1e6);
}

/* ---- scaling --------------------------------------------------------------------------------- */

struct scaling_part {
    const struct bench_workload *workload;
    const struct bench_options *options;
    int64_t ns; /* how long it took; 0: it failed */
};

static int part_main(void *arg)
{
    struct scaling_part *part = arg;
    int64_t start_ns = bench_now_ns();
    part->workload->run(part->options);
    part->ns = bench_now_ns() - start_ns;
    return EXIT_SUCCESS;
}

/* Its own figures go nowhere; its time comes back through memory that both share. */
static double part_ns(const struct bench_workload *workload, const struct bench_options *options)
{
    struct scaling_part *part =
        mmap(NULL, sizeof *part, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (part == MAP_FAILED)
        bench_fail("no memory");
    *part = (struct scaling_part){ .workload = workload, .options = options };
    pid_t child = fork();
    if (child < 0)
        bench_fail("no process");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a run that takes too long is killed whole */
        if (!freopen("/dev/null", "w", stdout))
            bench_fail("no output");
        struct sp_runtime_options create = { .workers = options->workers };
        _exit(sp_main(part_main, part, &create));
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0 || part->ns == 0)
        bench_fail("a part failed");
    double ns = (double)part->ns;
    munmap(part, sizeof *part);
    return ns;
}

static void part_out(const char *name, const struct bench_options *options)
{
    char metric[64];
    struct bench_options one = *options;
    const struct bench_workload *workload = bench_workload_find(name);
    one.workers = 1;
    snprintf(metric, sizeof metric, "%s_speedup", name);
    double one_ns = part_ns(workload, &one);
    bench_out(metric, one_ns / part_ns(workload, options));
}

static void scaling_raw(const struct bench_options *options)
{
    part_out("big", options);
    part_out("skynet", options);
    part_out("call_c1000", options);
    part_out("spawn", options);
    part_out("fanout_cpu", options);
}

const struct bench_workload bench_scaling[] = {
    { .name = "fanout_cpu",
      .about = "1,000 processes of 100,000 steps of arithmetic each",
      .run = fanout_cpu_run },
    { .name = "scaling",
      .about = "speed-up from 1 to N workers of big, skynet, call_c1000, spawn, fanout_cpu",
      .raw = scaling_raw },
    { .name = NULL },
};
