/* Acceptance: the coordinated shutdown (case 133), under every schedule. */
#include "accept.h"

#include <stdio.h>

static struct {
    char order[64]; /* of the tasks' beginnings */
    int runs;
    int begun;
    char first[SP_SHUTDOWN_TEXT_MAX];
} books;

/* A task, by its letter. */
struct work {
    char letter;
    sp_duration takes;
    sp_err result;
    bool dies;
};

static sp_err work_run(void *arg, sp_deadline deadline)
{
    const struct work *work = arg;
    size_t length = strlen(books.order);
    (void)deadline;
    EXPECT(length + 1 < sizeof(books.order));
    EXPECT(sp_draining());
    books.order[length] = work->letter;
    books.runs++;
    if (work->takes.ns != 0)
        sp_sleep(work->takes);
    if (work->dies)
        accept_die("boom");
    return work->result;
}

static void add(const char *phase, struct work *work)
{
    char name[2] = { work->letter, 0 };
    EXPECT(sp_shutdown_add(phase, name, work_run, work) == SP_OK);
}

static void begins(void *arg)
{
    const char *reason = arg;
    books.begun++;
    EXPECT(sp_shutdown_begin(reason) == SP_OK);
    struct sp_shutdown_report report;
    EXPECT(sp_shutdown_wait(sp_never(), &report) == SP_OK);
    if (books.first[0] == 0)
        (void)snprintf(books.first, sizeof(books.first), "%s", report.reason);
    EXPECT(strcmp(books.first, report.reason) == 0);
}

static const struct sp_shutdown_options quiet = { .no_signals = true };

static void end(void)
{
    sp_pid pid;
    EXPECT(sp_whereis("sp.shutdown", &pid) == SP_OK);
    EXPECT(sp_stop(pid, NULL, sp_never()) == SP_OK);
    EXPECT(accept_alone());
}

/* ---- case 133: in order, once, whatever fails or is late ---- */

static void case_133_main(void *unused)
{
    static struct work works[] = {
        { .letter = 'a' },
        { .letter = 'b', .result = SP_ERR_IO },
        { .letter = 'c', .takes = { SP_NS_PER_S * 60 } },
        { .letter = 'd', .dies = true },
        { .letter = 'e' },
        { .letter = 'f', .takes = { SP_NS_PER_S * 4 } },
    };
    static const char *const after_drain[] = { "drain", NULL };
    static const char *const before_handover[] = { "handover", NULL };
    static const struct sp_shutdown_phase extra = { .name = "notify",
                                                    .after = after_drain,
                                                    .before = before_handover };
    static const char *const reasons[] = { "first", "second", "third" };
    sp_pid pids[3];
    (void)unused;
    memset(&books, 0, sizeof(books));
    EXPECT(
        sp_shutdown_start(
            &(struct sp_shutdown_options){ .phases = &extra, .phase_count = 1, .no_signals = true },
            NULL) == SP_OK);
    add("flush", &works[4]);
    add("drain", &works[1]);
    add("unready", &works[0]);
    add("notify", &works[2]);
    add("handover", &works[3]);
    add("stop", &works[5]);
    for (int i = 0; i < 3; i++)
        pids[i] = accept_spawn(reasons[i], begins, (void *)(uintptr_t)reasons[i]);
    for (int i = 0; i < 3; i++)
        accept_join(pids[i]);
    EXPECT(books.runs == 6 && strcmp(books.order, "abcdef") == 0);
    struct sp_shutdown_report report;
    EXPECT(sp_shutdown_wait(sp_never(), &report) == SP_OK);
    EXPECT(report.phases == 6 && report.tasks == 7);
    EXPECT(report.problem_count == 3 && report.killed == 1);
    EXPECT(strcmp(report.problems[0].task, "b") == 0 && !report.problems[0].killed);
    EXPECT(strcmp(report.problems[1].task, "c") == 0 && report.problems[1].killed);
    EXPECT(strcmp(report.problems[1].phase, "notify") == 0);
    EXPECT(strcmp(report.problems[2].task, "d") == 0 &&
           strcmp(report.problems[2].text, "boom") == 0);
    EXPECT(report.took.ns >= SP_NS_PER_S * 9 && report.took.ns < SP_NS_PER_S * 10);
    EXPECT(sp_shutdown_begin("too late") == SP_OK);
    EXPECT(sp_shutdown_add("drain", "x", work_run, &works[0]) == SP_ERR_SHUTDOWN);
    end();
}
ACCEPT(case_133_phases_in_order_and_once, case_133_main);

/* ---- tasks are killed, and added, while it runs ---- */

static sp_err waits(void *arg, sp_deadline deadline)
{
    sp_pid *me = arg;
    (void)deadline;
    *me = sp_self();
    sp_sleep(sp_ms(10));
    *me = SP_PID_NONE;
    return SP_OK;
}

static sp_pid waiting[3];

static void kills(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++) {
        sp_ignore(sp_kill(waiting[sp_choose(3)]));
        sp_yield();
    }
}

static void adds(void *unused)
{
    static struct work work = { .letter = 'x' };
    (void)unused;
    for (int i = 0; i < 3; i++) {
        sp_err err = sp_shutdown_add("flush", "x", work_run, &work);
        EXPECT(err == SP_OK || err == SP_ERR_SHUTDOWN);
        err = sp_shutdown_remove("flush", "x");
        EXPECT(err == SP_OK || err == SP_ERR_SHUTDOWN);
    }
}

static void dying_main(void *unused)
{
    static const char *const names[] = { "one", "two", "three" };
    sp_pid pids[3];
    (void)unused;
    memset(&books, 0, sizeof(books));
    memset(waiting, 0, sizeof(waiting));
    EXPECT(sp_shutdown_start(&quiet, NULL) == SP_OK);
    for (int i = 0; i < 3; i++)
        EXPECT(sp_shutdown_add(i == 2 ? "flush" : "drain", names[i], waits, &waiting[i]) == SP_OK);
    pids[0] = accept_spawn("adds", adds, NULL);
    pids[1] = accept_spawn("begins", begins, (void *)(uintptr_t) "now");
    pids[2] = accept_spawn("kills", kills, NULL);
    for (int i = 0; i < 3; i++)
        accept_join(pids[i]);
    struct sp_shutdown_report report;
    EXPECT(sp_shutdown_wait(sp_never(), &report) == SP_OK);
    EXPECT(report.phases == 5 && report.killed == 0 && report.problem_count <= 3);
    EXPECT(books.runs <= 1 && report.tasks == 4 + (uint32_t)books.runs);
    end();
}
ACCEPT(tasks_that_die_hold_up_nobody, dying_main);

/* ---- the coordinator itself dies: who waits is told ---- */

static void is_told(void *unused)
{
    (void)unused;
    sp_err err = sp_shutdown_wait(sp_never(), NULL);
    EXPECT(err == SP_OK || err == SP_ERR_DIED || err == SP_ERR_NOTFOUND);
}

static void killed_main(void *unused)
{
    sp_pid coordinator, pids[2];
    (void)unused;
    memset(&books, 0, sizeof(books));
    EXPECT(sp_shutdown_start(&quiet, NULL) == SP_OK);
    EXPECT(sp_shutdown_start(&quiet, NULL) == SP_ERR_EXISTS);
    EXPECT(sp_shutdown_add("drain", "one", waits, &waiting[0]) == SP_OK);
    EXPECT(sp_whereis("sp.shutdown", &coordinator) == SP_OK);
    pids[0] = accept_spawn("waits", is_told, NULL);
    pids[1] = accept_spawn("waits too", is_told, NULL);
    sp_err err = sp_shutdown_begin("now");
    EXPECT(err == SP_OK);
    sp_yield();
    sp_ignore(sp_kill(coordinator));
    accept_join(pids[0]);
    accept_join(pids[1]);
    EXPECT(sp_shutdown_begin("late") == SP_ERR_NOTFOUND);
    EXPECT(sp_shutdown_wait(sp_never(), NULL) == SP_ERR_NOTFOUND);
    accept_settle();
}
ACCEPT(a_coordinator_that_is_killed, killed_main);

/* ---- a total: what is left of it is the budget, and then phases are skipped ---- */

static void total_main(void *unused)
{
    static struct work slow[] = { { .letter = 'a', .takes = { SP_NS_PER_S * 3600 } },
                                  { .letter = 'b', .takes = { SP_NS_PER_S * 3600 } },
                                  { .letter = 'c' } };
    (void)unused;
    memset(&books, 0, sizeof(books));
    EXPECT(
        sp_shutdown_start(&(struct sp_shutdown_options){ .no_signals = true, .total = sp_sec(7) },
                          NULL) == SP_OK);
    add("drain", &slow[0]);
    add("handover", &slow[1]);
    add("flush", &slow[2]);
    EXPECT(sp_shutdown_begin("now") == SP_OK);
    struct sp_shutdown_report report;
    EXPECT(sp_shutdown_wait(sp_never(), &report) == SP_OK);
    EXPECT(report.took.ns >= SP_NS_PER_S * 7 && report.took.ns < SP_NS_PER_S * 8);
    EXPECT(strcmp(books.order, "ab") == 0 && report.killed == 2);
    EXPECT(report.problem_count == 4); /* flush and stop were skipped */
    accept_settle();                   /* who was killed is not waited for */
    end();
}
ACCEPT(a_total_is_kept, total_main);

/* ---- the dry run ---- */

static void list_main(void *unused)
{
    static struct work works[] = { { .letter = 'a' }, { .letter = 'b' } };
    struct sp_shutdown_step steps[8];
    size_t count;
    (void)unused;
    memset(&books, 0, sizeof(books));
    EXPECT(sp_shutdown_list(steps, 8, sp_never(), &count) == SP_ERR_NOTFOUND);
    EXPECT(sp_shutdown_start(&quiet, NULL) == SP_OK);
    add("drain", &works[0]);
    add("drain", &works[1]);
    add("drain", &works[0]);
    EXPECT(sp_shutdown_add("nowhere", "x", work_run, &works[0]) == SP_ERR_NOTFOUND);
    EXPECT(sp_shutdown_add("drain", "", work_run, &works[0]) == SP_ERR_INVALID);
    EXPECT(sp_shutdown_list(steps, 3, sp_never(), &count) == SP_OK);
    EXPECT(count == 6);
    EXPECT(strcmp(steps[0].phase, "unready") == 0 && steps[0].task[0] == 0);
    EXPECT(strcmp(steps[1].phase, "drain") == 0 && strcmp(steps[1].task, "a") == 0);
    EXPECT(strcmp(steps[2].task, "b") == 0 && steps[2].budget.ns == sp_sec(5).ns);
    EXPECT(books.runs == 0 && !sp_draining());
    EXPECT(sp_shutdown_remove("drain", "a") == SP_OK);
    EXPECT(sp_shutdown_remove("drain", "a") == SP_ERR_NOTFOUND);
    EXPECT(sp_shutdown_list(NULL, 0, sp_never(), &count) == SP_OK && count == 5);
    end();
}
ACCEPT(a_dry_run_lists_the_steps, list_main);
