/* spawned-bench-sim: how fast simulated worlds run.
 *
 * A program of its own, because the simulation brings an allocator along that the other
 * benchmarks must not have; spawned-bench starts it for workloads called sim_*, and reads what it says.
 *
 *   sim_decisions      one run: 8 processes that give way again and again, so that each step is a
 *                      decision among 8, made at random; the rolling hash is on, as it always is.
 *                      decisions_per_s; with_trace_per_s the same with the last steps kept.
 *   sim_schedules      runs of a program of 6 processes: 3 clients cast to 2 servers, and main. Its
 *                      runtime's creation and end are included. schedules_per_s, steps_per_schedule.
 *   sim_idle_cluster   5 nodes that do nothing but beat every 100 ms: virtual seconds a second.
 *
 * Threads: one. Neighbours: bench/sim.c.
 */
#include "sim/campaign.h"

#include <inttypes.h>
#include <spawned/sim.h>
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BENCH_YIELDERS = 8,
    BENCH_YIELDS = 20000,
    BENCH_CLIENTS = 3,
    BENCH_CASTS = 2,
    BENCH_NODES = 5,
    BENCH_BEAT_MS = 100,
    BENCH_IDLE_S = 2000,
    BENCH_LOOK = 256, /* asking for the time costs as much as a step */
};

static double bench_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void bench_must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "spawned-bench-sim: %s\n", what);
    exit(EXIT_FAILURE);
}

/* ---- decisions ---- */

static void yielder_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < BENCH_YIELDS; i++)
        sp_yield();
}

static void yielders_main(void *arg)
{
    (void)arg;
    sp_monitor_ref refs[BENCH_YIELDERS];
    struct sp_message *message;
    for (int i = 0; i < BENCH_YIELDERS; i++)
        sp_ignore(sp_spawn(yielder_main, NULL,
                           &(struct sp_spawn_options){ .out_monitor = &refs[i] }, NULL));
    for (int i = 0; i < BENCH_YIELDERS; i++)
        if (sp_receive(sp_never(), &message) == SP_OK)
            sp_message_free(message);
}

SP_SIM_TEST(sim_decisions)
{
    sp_sim_start(s, "node", yielders_main, NULL);
    sp_sim_run(s);
}

/* ---- schedules ---- */

SP_SERVER(tally, int);
SP_CAST(tally, add, int);

static void tally_on_add(int *sum, const int *in)
{
    *sum += *in;
}

SP_STATE(tally, int);
SP_ON_CAST(tally, add);
SP_CLASS(tally, .init = NULL);

static void client_main(void *arg)
{
    const tally_ref *tallies = arg;
    for (int i = 0; i < BENCH_CASTS; i++)
        sp_ignore(tally_add(tallies[i], &(int){ 1 }));
}

static void clients_main(void *arg)
{
    (void)arg;
    int zero = 0;
    tally_ref tallies[BENCH_CASTS];
    for (int i = 0; i < BENCH_CASTS; i++)
        sp_ignore(tally_start(&zero, NULL, &tallies[i]));
    for (int i = 0; i < BENCH_CLIENTS; i++)
        sp_ignore(sp_spawn(client_main, tallies,
                           &(struct sp_spawn_options){ .arg_size = sizeof(tallies) }, NULL));
}

SP_SIM_TEST(sim_schedules)
{
    sp_sim_start(s, "node", clients_main, NULL);
    sp_sim_run(s);
}

/* ---- an idle cluster ---- */

static void beating_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < BENCH_IDLE_S * 1000 / BENCH_BEAT_MS; i++)
        sp_sleep(sp_ms(BENCH_BEAT_MS));
}

SP_SIM_TEST(sim_idle_cluster, .steps_max = UINT64_C(1) << 40)
{
    static const char *const names[BENCH_NODES] = { "a", "b", "c", "d", "e" };
    for (int i = 0; i < BENCH_NODES; i++)
        sp_sim_start(s, names[i], beating_main, NULL);
    sp_sim_run(s);
}

/* ---- measuring ---- */

struct bench_sum {
    uint64_t runs;
    uint64_t steps;
    uint64_t choices;
    double seconds;
    double virtual_seconds;
};

/* Runs of one test for about `seconds`, after one that is not counted. */
static struct bench_sum bench_runs(const struct sp_sim_test *test, double seconds)
{
    struct bench_sum sum = { 0 };
    struct sim_campaign campaign;
    struct sim_plan plan;
    struct sim_result result;
    sim_campaign_init(
        &campaign, &(struct sim_campaign_options){ .test = test, .strategy = "random", .seed = 1 });
    for (double since = bench_now(); sum.runs == 0 || sum.seconds < seconds;) {
        bench_must(sim_campaign_next(&campaign, &plan, &result) == SP_OK, "no memory");
        bench_must(!result.failed, result.text);
        sim_schedule_finish(&result.schedule);
        if (campaign.runs == 1 && test->options.steps_max == 0) {
            since = bench_now();
            continue;
        }
        sum.runs++;
        sum.steps += result.steps;
        sum.choices += result.choices;
        sum.virtual_seconds += (double)result.time_ns / 1e9;
        if (sum.runs % BENCH_LOOK == 0 || result.steps > BENCH_LOOK)
            sum.seconds = bench_now() - since;
    }
    sim_campaign_finish(&campaign);
    return sum;
}

int main(int argc, char **argv)
{
    const struct sp_sim_test *test = sim_tests();
    while (test != NULL && (argc != 2 || strcmp(test->name, argv[1]) != 0))
        test = test->next;
    bench_must(test != NULL,
               "usage: spawned-bench-sim sim_decisions|sim_schedules|sim_idle_cluster");
    bench_must(sim_run_start(true) == SP_OK, "no memory");
    struct bench_sum sum = bench_runs(test, 1.0);
    if (strcmp(test->name, "sim_schedules") == 0) {
        printf("schedules_per_s %.0f\n", (double)sum.runs / sum.seconds);
        printf("steps_per_schedule %.1f\n", (double)sum.steps / (double)sum.runs);
    } else if (strcmp(test->name, "sim_decisions") == 0) {
        printf("decisions_per_s %.0f\n", (double)sum.choices / sum.seconds);
    } else {
        printf("times_real_time %.0f\n", sum.virtual_seconds / sum.seconds);
        printf("steps_per_s %.0f\n", (double)sum.steps / sum.seconds);
    }
    sim_run_finish();
    return EXIT_SUCCESS;
}
