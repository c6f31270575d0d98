/* spawned-bench: every workload runs, with little work, and says its figures as promised. */
#include "support/run.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BENCH SP_TEST_BIN_DIR "/spawned-bench"

/* One figure of each workload of "all". */
static const char *const bench_figures[][2] = {
    { "pingpong", "ns_per_message" },
    { "pingpong_process", "ns_per_message" },
    { "ring", "ns_per_hop" },
    { "ring_process", "ns_per_hop" },
    { "fanin", "messages_per_s" },
    { "fanin_default", "messages_per_s" },
    { "fanin_unbounded", "peak_rss_mib" },
    { "mailbox_bounded", "messages_per_s" },
    { "big", "messages_per_s" },
    { "selective_receive", "ns_per_message_skipped" },
    { "observe_recorder", "ns_per_event" },
    { "observe_log", "off_ns" },
    { "call", "ns_per_call" },
    { "call_c1000", "ns_per_call" },
    { "deadlock_check", "ns_per_check" },
    { "readonly_scaling", "times_as_many" },
    { "spawn", "ns_per_spawn_exit" },
    { "idle_memory", "bytes_per_actor" },
    { "skynet", "ms" },
    { "timers", "p99_late_ms" },
    { "timer_cancel", "cancel_ns_per_timer" },
    { "tcp_echo", "p50_us_c1" },
    { "tcp_echo_floor", "p50_us_c1" },
    { "fairness", "p50_us" },
    { "supervisor_restart", "ns_per_restart" },
    { "fault_restart", "ns_per_restart" },
    { "registry", "ns_per_whereis" },
    { "pg_broadcast", "ns_per_delivery" },
    { "task_join", "ns_per_task" },
    { "task_group", "ns_per_task" },
    { "parallel_map", "ns_per_task" },
    { "fanout_cpu", "ms" },
    { "scaling", "fanout_cpu_speedup" },
    { "floor_hop", "ns_per_hop" },
    { "floor_switch", "ns_per_switch" },
    { "floor_line", "ns_per_round_trip" },
    { "floor_wake", "ns_per_round_trip" },
    { "floor_malloc", "ns_per_pair" },
    { "floor_clock", "ns_per_read" },
    { "fairness_floor", "max_us" },
    { "observe_page", "table_ms" },
    { "observe_metrics", "pingpong_percent" },
    { "observe_trace", "ns_per_call_off" },
    { "observe_scrape", "scrape_ms" },
#ifdef SPAWNED_HTTP
    { "observe_endpoint", "scrape_ms" },
    { "observe_stuck", "overview_ms" },
#endif
    { "router_cast", "ns_over" },
    { "pool_scale", "ns_job" },
    { "shutdown_million", "ms" },
    { "router_random", "ns_over" },
    { "router_smallest", "ns_over" },
    { "router_smallest_all", "ns_over" },
    { "router_hash", "ns_over" },
    { "router_sticky", "ns_over" },
    { "router_call", "ns_over" },
    { "check_linearizable", "c50_ms" },
    { "check_cycles", "lists_ms" },
};

#define BENCH_FIGURES (sizeof bench_figures / sizeof bench_figures[0])

static void bench_run(const char *const *args, struct sp_test_output *out_output)
{
    if (access(BENCH, X_OK) != 0)
        SKIP("built without the benchmarks");
    sp_test_run(&(struct sp_test_command){ .program = BENCH, .args = args }, out_output);
}

static void check_figure(const char *out, const char *workload, const char *metric)
{
    char line[256];
    snprintf(line, sizeof line,
             "\"workload\":\"%s\",\"schedulers\":2,\"metric\":\"%s\",\"value\":", workload, metric);
    CHECK_CONTAINS(out, line);
}

TEST(bench_all_runs_every_workload)
{
    const char *args[] = { "all", "--json",    "--workers", "2",         "--reps", "1", "--size",
                           "10",  "--seconds", "1",         "--timeout", "600",    NULL };
    struct sp_test_output output;
    bench_run(args, &output);
    CHECK_STR(output.err, "");
    if (output.status != 0 || strstr(output.out, "exit_status") != NULL)
        FAIL("status %d: %s", output.status, output.out);
    for (size_t i = 0; i < BENCH_FIGURES; i++)
        check_figure(output.out, bench_figures[i][0], bench_figures[i][1]);
    CHECK_CONTAINS(output.out, "{\"peer\":\"spawned\",\"version\":\"");
    sp_test_output_free(&output);
}

TEST(bench_list_shows_what_is_tested_here)
{
    const char *args[] = { "--list", NULL };
    struct sp_test_output output;
    bench_run(args, &output);
    CHECK_INT(output.status, 0);
    size_t lines = 0;
    for (const char *at = output.out; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    CHECK_INT(lines, BENCH_FIGURES + 4); /* and soak, and those of simulated worlds */
    sp_test_output_free(&output);
}

TEST(bench_soak_balances_its_books)
{
    const char *args[] = { "soak", "--workers", "2", "--reps", "1", "--seconds", "2", NULL };
    struct sp_test_output output;
    bench_run(args, &output);
    CHECK_STR(output.err, "");
    CHECK_INT(output.status, 0);
    CHECK_CONTAINS(output.out, "calls_per_s");
    sp_test_output_free(&output);
}

TEST(bench_of_simulated_worlds_runs_once_whatever_the_workers)
{
    const char *args[] = {
        "sim_decisions", "sim_schedules", "sim_idle_cluster", "--json", "--reps", "1", NULL
    };
    struct sp_test_output output;
    bench_run(args, &output);
    CHECK_STR(output.err, "");
    CHECK_INT(output.status, 0);
    CHECK_CONTAINS(output.out, "\"sim_decisions\",\"schedulers\":1,\"metric\":\"decisions_per_s\"");
    CHECK_CONTAINS(output.out, "\"sim_schedules\",\"schedulers\":1,\"metric\":\"schedules_per_s\"");
    CHECK_CONTAINS(output.out, "\"metric\":\"times_real_time\"");
    CHECK(strstr(output.out, "\"schedulers\":2") == NULL);
    sp_test_output_free(&output);
}

static void check_refused(const char *const *args, const char *text)
{
    struct sp_test_output output;
    bench_run(args, &output);
    CHECK_INT(output.status, 1);
    CHECK_CONTAINS(output.err, text);
    CHECK_INT(output.out_len, 0);
    sp_test_output_free(&output);
}

TEST(bench_wrong_options_explain_themselves)
{
    check_refused((const char *[]){ "nonsense", NULL }, "no workload \"nonsense\"");
    check_refused((const char *[]){ "ring", "--workers", "0", NULL }, "a number from 1");
    check_refused((const char *[]){ "ring", "--reps", "x", NULL }, "--reps x");
    check_refused((const char *[]){ "--unknown", NULL }, "usage:");
    check_refused((const char *[]){ NULL }, "usage:");
}
