/* Scripted control: each of its functions does what sim.h says, under every schedule. */
#include <spawned/os_signal.h>
#include <spawned/sim.h>
#include <spawned/spawned.h>

#include <string.h>
#include <sys/mman.h>

/* What a crash leaves alone. */
static struct {
    int starts;
    int ticks;
    int64_t wall_step; /* between two ticks */
    int64_t wall_step_max;
    int64_t wall_step_min;
    sp_time late; /* the last tick, on the node's own clock */
    bool stopped;
    bool freed;
} seen;

static void seen_begin(void)
{
    memset(&seen, 0, sizeof(seen));
    seen.wall_step_min = INT64_MAX;
}

static void release(void *arg)
{
    *(bool *)arg = true;
}

static void ticker_main(void *arg)
{
    int ticks = arg == NULL ? 100 : *(int *)arg;
    seen.starts++;
    sp_ignore(sp_defer(release, &seen.freed));
    int64_t wall = sp_wall_ns();
    for (int i = 0; i < ticks; i++) {
        sp_sleep(sp_ms(10));
        int64_t now = sp_wall_ns();
        seen.wall_step = now - wall;
        seen.wall_step_max =
            seen.wall_step > seen.wall_step_max ? seen.wall_step : seen.wall_step_max;
        seen.wall_step_min =
            seen.wall_step < seen.wall_step_min ? seen.wall_step : seen.wall_step_min;
        wall = now;
        seen.late = sp_now();
        seen.ticks++;
    }
}

SP_SIM_TEST(a_crash_ends_a_node_and_a_restart_begins_it_again)
{
    seen_begin();
    sp_sim_node *node = sp_sim_start(s, "ticker", ticker_main, NULL);
    sp_sim_run_for(s, sp_ms(105));
    int ticks = seen.ticks;
    sp_sim_crash(node);
    sp_sim_run_for(s, sp_sec(1));
    sp_sim_check(s, ticks > 0 && seen.ticks == ticks, "it ticks after its crash");
    sp_sim_check(s, !sp_sim_ended(node), "a crash is no end of its main function");
    sp_sim_restart(node);
    sp_sim_run(s);
    sp_sim_check(s, seen.starts == 2 && seen.ticks == ticks + 100 && sp_sim_ended(node),
                 "%d starts, %d ticks", seen.starts, seen.ticks);
}

/* From inside of what crashes, and of a node that restarts itself. */
static sp_sim_node *crashing;

static void suicide_main(void *arg)
{
    (void)arg;
    if (seen.starts++ < 3)
        sp_sim_restart(crashing);
    sp_yield();
    seen.ticks++;
}

SP_SIM_TEST(a_process_crashes_its_own_node)
{
    seen_begin();
    crashing = sp_sim_start(s, "suicide", suicide_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, seen.starts == 4 && seen.ticks == 1, "%d starts, %d ends", seen.starts,
                 seen.ticks);
}

static void crash_it(sp_sim *s, void *arg)
{
    (void)s;
    sp_sim_power_off(arg);
}

static void start_it(sp_sim *s, void *arg)
{
    (void)s;
    sp_sim_restart(arg);
}

SP_SIM_TEST(what_is_planned_happens_at_its_moment)
{
    seen_begin();
    int ticks = 20;
    sp_sim_node *node = sp_sim_start(s, "ticker", ticker_main, &ticks);
    sp_sim_at(s, sp_time_add(sp_sim_now(s), sp_sec(5)), start_it, node);
    sp_sim_at(s, sp_time_add(sp_sim_now(s), sp_ms(55)), crash_it, node);
    sp_sim_run(s);
    sp_sim_check(s, seen.starts == 2 && seen.ticks == 25, "%d starts, %d ticks", seen.starts,
                 seen.ticks);
    sp_sim_check(s, sp_sim_now(s).ns > sp_sec(5).ns, "it started again too early");
}

SP_SIM_TEST(a_node_that_stands_still_is_late)
{
    seen_begin();
    int ticks = 20;
    sp_sim_node *node = sp_sim_start(s, "ticker", ticker_main, &ticks);
    sp_sim_run_for(s, sp_ms(55));
    sp_sim_pause(node);
    int before = seen.ticks;
    sp_sim_run_for(s, sp_sec(1));
    sp_sim_check(s, seen.ticks == before, "it ticks while it stands still");
    sp_sim_resume(node);
    sp_sim_run(s);
    sp_sim_check(s, seen.ticks == 20 && seen.wall_step_max >= sp_sec(1).ns,
                 "%d ticks, the longest %lld ns", seen.ticks, (long long)seen.wall_step_max);
}

SP_SIM_TEST(a_wall_clock_is_stepped_and_timers_do_not_notice)
{
    seen_begin();
    int ticks = 20;
    sp_sim_node *node = sp_sim_start(s, "ticker", ticker_main, &ticks);
    sp_sim_run_for(s, sp_ms(55));
    sp_sim_clock_step(node, sp_sec(3600));
    sp_sim_run_for(s, sp_ms(50));
    sp_sim_clock_step(node, (sp_duration){ -sp_sec(7200).ns });
    sp_sim_run(s);
    sp_sim_check(s, seen.wall_step_max > sp_sec(3600).ns && seen.wall_step_min < -sp_sec(7190).ns,
                 "steps of %lld and %lld ns", (long long)seen.wall_step_max,
                 (long long)seen.wall_step_min);
    sp_sim_check(s, sp_sim_now(s).ns < sp_ms(400).ns, "timers noticed");
}

SP_SIM_TEST(clocks_that_drift_fire_early_or_late)
{
    seen_begin();
    int ticks = 100;
    sp_sim_node *node = sp_sim_start(s, "ticker", ticker_main, &ticks);
    sp_sim_clock_drift(node, 1000000); /* twice as fast */
    sp_sim_run(s);
    sp_sim_check(s, sp_sim_now(s).ns < sp_ms(600).ns && seen.late.ns > sp_ms(1000).ns,
                 "100 ticks took %lld ns, its own clock says %lld", (long long)sp_sim_now(s).ns,
                 (long long)seen.late.ns);
}

SP_SIM_TEST(a_wall_clock_that_stands_goes_on_from_where_it_should)
{
    seen_begin();
    int ticks = 20;
    sp_sim_node *node = sp_sim_start(s, "ticker", ticker_main, &ticks);
    sp_sim_run_for(s, sp_ms(55));
    sp_sim_clock_freeze(node, true);
    sp_sim_run_for(s, sp_ms(50));
    sp_sim_check(s, seen.wall_step == 0, "it goes on: %lld ns", (long long)seen.wall_step);
    sp_sim_clock_freeze(node, false);
    sp_sim_run(s);
    sp_sim_check(s, seen.wall_step_max >= sp_ms(50).ns, "it has lost time");
}

static void stoppable_main(void *arg)
{
    struct sp_message *message;
    (void)arg;
    if (sp_os_signal_subscribe(SP_OS_SIGNAL_ONCE, (sp_deadline){ 0 }) != SP_OK)
        return;
    sp_label("it can be told to stop");
    if (sp_receive(sp_never(), &message) == SP_OK) {
        seen.stopped = sp_os_signal_of(message) != NULL;
        sp_message_free(message);
    }
}

SP_SIM_TEST(a_node_is_told_to_stop)
{
    seen_begin();
    sp_sim_node *node = sp_sim_start(s, "stoppable", stoppable_main, NULL);
    sp_sim_check(s, sp_sim_stop_at(s, "it can be told to stop"), "it does not come there");
    sp_sim_stop(node);
    sp_sim_run(s);
    sp_sim_check(s, seen.stopped && sp_sim_ended(node), "it was not told");
}

SP_SIM_TEST(who_takes_no_signals_is_gone_when_told_to_stop)
{
    seen_begin();
    sp_sim_node *node = sp_sim_start(s, "ticker", ticker_main, NULL);
    sp_sim_run_for(s, sp_ms(55));
    sp_sim_stop(node);
    sp_sim_run(s);
    sp_sim_check(s, seen.ticks < 10 && !sp_sim_ended(node), "it ended by itself");
}

static void victim_main(void *arg)
{
    (void)arg;
    sp_sleep(sp_sec(1));
    seen.ticks++;
}

static void mourner_main(void *arg)
{
    struct sp_message *message;
    sp_monitor_ref down;
    (void)arg;
    if (sp_spawn(victim_main, NULL,
                 &(struct sp_spawn_options){ .name = "victim", .out_monitor = &down },
                 NULL) != SP_OK)
        return;
    if (sp_receive(sp_never(), &message) == SP_OK) {
        const struct sp_down *end = sp_message_down(message);
        seen.stopped = end != NULL && sp_reason_kind(end->reason) == SP_REASON_KILLED;
        sp_message_free(message);
    }
}

SP_SIM_TEST(a_process_is_killed_by_its_name)
{
    seen_begin();
    sp_sim_node *node = sp_sim_start(s, "mourner", mourner_main, NULL);
    sp_sim_run_for(s, sp_ms(500));
    sp_sim_check(s, !sp_sim_kill(node, "nobody"), "nobody is there");
    sp_sim_check(s, sp_sim_kill(node, "victim"), "the victim is not there");
    sp_sim_run(s);
    sp_sim_check(s, seen.stopped && seen.ticks == 0, "it lived on");
}

SP_SIM_TEST(the_clock_goes_on_while_nobody_does)
{
    seen_begin();
    int ticks = 2;
    sp_sim_start(s, "ticker", ticker_main, &ticks);
    for (int i = 0; i < 3; i++)
        sp_sim_check(s, sp_sim_step(s), "there is nothing to do");
    uint64_t steps = sp_sim_steps(s);
    sp_sim_advance(s, sp_sec(60));
    sp_sim_check(s, sp_sim_steps(s) == steps && sp_sim_now(s).ns > sp_sec(60).ns, "somebody did");
    sp_sim_run(s);
    sp_sim_check(s, seen.ticks == 2, "%d ticks", seen.ticks);
}

static void hungry_main(void *arg)
{
    (void)arg;
    sp_label("it is hungry");
    for (int i = 0; i < 10; i++) {
        void *bytes = sp_try_alloc(1000);
        seen.ticks += bytes == NULL;
        sp_free(bytes);
    }
}

SP_SIM_TEST(one_allocation_fails)
{
    seen_begin();
    sp_sim_node *node = sp_sim_start(s, "hungry", hungry_main, NULL);
    sp_sim_fail_allocation(node, 1000000);
    sp_sim_run(s);
    sp_sim_check(s, seen.ticks == 0 && !sp_sim_allocation_failed(node), "one failed");
    sp_sim_restart(node);
    sp_sim_check(s, sp_sim_stop_at(s, "it is hungry"), "it is not");
    sp_sim_fail_allocation(node, 3);
    sp_sim_run(s);
    sp_sim_check(s, sp_sim_allocation_failed(node), "none failed");
}

/* ---- convergence ---- */

static void settles_main(void *arg)
{
    (void)arg;
    seen.freed = false;
    sp_eventually_begin("it settles");
    sp_sleep(sp_ms(100));
    sp_eventually_end("it settles");
    seen.freed = true;
}

static bool is_settled(sp_sim *s, void *arg)
{
    (void)s;
    (void)arg;
    return seen.freed;
}

SP_SIM_TEST(it_settles_when_faults_stop, .faults = SP_SIM_CRASH | SP_SIM_PAUSE | SP_SIM_CLOCK,
            .faults_until = { 1000000000 })
{
    seen_begin();
    sp_sim_start(s, "settles", settles_main, NULL);
    sp_sim_eventually(s, "it has settled", is_settled, NULL, sp_sec(1));
    sp_sim_run(s);
    sp_sometimes(sp_sim_now(s).ns > sp_sec(1).ns, "a fault delayed it");
}

/* ---- the end ---- */

enum { JOBS_STEPS_MAX = 60 };

static void job_run(void *arg)
{
    **(int **)arg += 1;
}

static void job_owner_main(void *arg)
{
    sp_ignore(sp_blocking(job_run, &arg, sizeof(arg), sp_never()));
}

static void jobs_main(void *arg)
{
    for (int i = 0; i < 2; i++)
        sp_ignore(sp_spawn(job_owner_main, arg, NULL, NULL));
}

/* Who stops the runtime waits for jobs whose owners are gone, and does not ask again and again. */
SP_SIM_TEST(the_end_waits_for_jobs)
{
    int done = 0;
    sp_sim_start(s, "jobs", jobs_main, &done);
    sp_sim_run(s);
    sp_sim_check(s, sp_sim_steps(s) <= JOBS_STEPS_MAX, "%llu steps",
                 (unsigned long long)sp_sim_steps(s));
    sp_sometimes(done == 2, "both jobs are done");
}

/* ---- what is given back ---- */

enum {
    PAGES = 64,
    PAGE_WORDS = 512,
    PAGES_SELDOM = 100, /* one run in so many writes to all of them */
};

/* Pages that few runs write to are zero in each: at first, when they were written to in the run before,
 * and in many runs before. */
static void pages_main(void *arg)
{
    size_t size = PAGES * PAGE_WORDS * sizeof(uint64_t);
    uint64_t *words = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool *clean = arg;
    if (words == MAP_FAILED)
        return;
    for (size_t i = 0; i < (size_t)PAGES * PAGE_WORDS; i++)
        *clean = *clean && words[i] == 0;
    size_t pages = sp_random() % PAGES_SELDOM == 0 ? PAGES : 1;
    for (size_t page = 0; page < pages; page++)
        words[page * PAGE_WORDS + sp_random() % PAGE_WORDS] = UINT64_MAX << (sp_random() % 64);
    (void)munmap(words, size);
}

SP_SIM_TEST(pages_are_zero_in_every_run)
{
    bool clean = true;
    sp_sim_start(s, "pages", pages_main, &clean);
    sp_sim_run(s);
    sp_sim_check(s, clean, "something is left of an earlier run");
}
