/* Workloads of simulated worlds: spawned-bench-sim, which stands beside this program, measures them.
 *
 * It is another program because the simulation brings an allocator along. This one is a
 * child with a pipe for its output already, so it becomes the other.
 *
 * Neighbours: sim/main.c says what each measures.
 */
#include "bench.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static SP_NORETURN void sim_become(const char *workload)
{
    char path[4096];
    static const char name[] = "spawned-bench-sim";
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof(name));
    char *folder = length > 0 ? memrchr(path, '/', (size_t)length) : NULL;
    if (folder == NULL)
        bench_fail("where is spawned-bench?");
    (void)snprintf(folder + 1, sizeof(name), "%s", name);
    execl(path, name, workload, (char *)NULL);
    bench_fail("spawned-bench-sim does not start");
}

static void sim_decisions(const struct bench_options *options)
{
    (void)options;
    sim_become("sim_decisions");
}

static void sim_schedules(const struct bench_options *options)
{
    (void)options;
    sim_become("sim_schedules");
}

static void sim_idle_cluster(const struct bench_options *options)
{
    (void)options;
    sim_become("sim_idle_cluster");
}

const struct bench_workload bench_sim[] = {
    { .name = "sim_decisions",
      .about = "simulation: who of 8 goes on, a second",
      .raw = sim_decisions,
      .apart = true,
      .alone = true },
    { .name = "sim_schedules",
      .about = "simulation: whole runs of 6 processes, a second",
      .raw = sim_schedules,
      .apart = true,
      .alone = true },
    { .name = "sim_idle_cluster",
      .about = "simulation: virtual seconds of 5 idle nodes, a second",
      .raw = sim_idle_cluster,
      .apart = true,
      .alone = true },
    { .name = NULL },
};
