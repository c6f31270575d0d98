/* Relations beside what tests/links_test.c and monitors_test.c see of the whole: attached threads,
 * ends that meet, what is left in either table.
 */
#include "process/relation.h"

#include "support/stress.h"

#include <string.h>

static struct sp_process_info info_of(sp_pid pid)
{
    struct sp_process_info info;
    CHECK_OK(sp_process_info(pid, &info));
    return info;
}

static void check_relations(sp_pid pid, uint32_t links, uint32_t monitors, uint32_t watchers)
{
    struct sp_process_info info = info_of(pid);
    CHECK_INT(info.links, links);
    CHECK_INT(info.monitors, monitors);
    CHECK_INT(info.watchers, watchers);
}

TEST(relations_are_in_both_tables_or_in_none)
{
    world_open(NULL);
    sp_pid a = puppet_start(NULL);
    sp_monitor_ref first, second;
    check_relations(a, 0, 0, 0);
    CHECK_OK(sp_link(a));
    CHECK_OK(sp_link(a)); /* at most one */
    CHECK_OK(sp_monitor(a, &first));
    CHECK_OK(sp_monitor(a, &second));
    check_relations(a, 1, 0, 2);
    check_relations(sp_self(), 1, 2, 0);
    CHECK(sp_demonitor(first, SP_DEMONITOR_KEEP));
    CHECK(!sp_demonitor(first, SP_DEMONITOR_KEEP));
    check_relations(a, 1, 0, 1);
    sp_unlink(a);
    sp_unlink(a);
    check_relations(a, 0, 0, 1);
    puppet_exit(a, "boom");
    check_relations(sp_self(), 0, 0, 0);
    expect_down(second, a, "boom");
    expect_nothing();
    stress_settle();
    world_close();
}

TEST(one_may_watch_oneself_and_never_hear_of_it)
{
    world_open(NULL);
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(sp_self(), &ref));
    CHECK_OK(sp_link(sp_self()));
    check_relations(sp_self(), 0, 1, 1);
    CHECK(sp_demonitor(ref, SP_DEMONITOR_FLUSH));
    check_relations(sp_self(), 0, 0, 0);
    CHECK_OK(sp_monitor(sp_self(), &ref)); /* and this one goes with it */
    world_close();
}

/* ---- attached threads, which no signal can end ---- */

static sp_pid thread_pid;

static void thread_waits(void *arg)
{
    const sp_pid *main = arg;
    struct sp_message *message;
    CHECK_OK(note_send(*main, &(struct note){ 1, sp_self() }));
    CHECK_ERR(sp_receive(sp_never(), &message), SP_ERR_NOTCONTEXT);
    /* It is no process any more, and everything says so. */
    CHECK(sp_pid_is_none(sp_self()));
    CHECK_ERR(sp_receive(sp_never(), &message), SP_ERR_NOTCONTEXT);
    CHECK_ERR(note_send(*main, &(struct note){ 2, *main }), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_link(*main), SP_ERR_NOTCONTEXT);
    sp_yield();
    sp_sleep(sp_ms(1));
}

TEST(an_attached_thread_that_is_killed_is_no_process_any_more)
{
    struct stress_crew crew = { 0 };
    world_open(NULL);
    sp_pid self = sp_self();
    sp_monitor_ref ref;
    stress_threads(&crew, 1, thread_waits, &self);
    struct sp_message *message = expect_message();
    thread_pid = note_of(message)->from;
    sp_message_free(message);
    CHECK_OK(sp_monitor(thread_pid, &ref));
    /* Anything else is a notice to it. */
    CHECK_OK(sp_signal(thread_pid, sp_reason_kill()));
    expect_down(ref, thread_pid, "killed");
    stress_wait(&crew);
    stress_settle();
    world_close();
}

static void thread_is_told(void *arg)
{
    const sp_pid *main = arg;
    CHECK(sp_trap_exit(false)); /* it stays on */
    CHECK(sp_trap_exit(false));
    CHECK_OK(note_send(*main, &(struct note){ 1, sp_self() }));
    expect_exit(*main, "boom");
    expect_exit(*main, "normal");
    CHECK_OK(note_send(*main, &(struct note){ 2, sp_self() }));
}

TEST(an_attached_thread_always_traps)
{
    struct stress_crew crew = { 0 };
    world_open(NULL);
    sp_pid self = sp_self();
    stress_threads(&crew, 1, thread_is_told, &self);
    struct sp_message *message = expect_message();
    thread_pid = note_of(message)->from;
    sp_message_free(message);
    CHECK(info_of(thread_pid).trap_exit);
    CHECK_OK(sp_signal(thread_pid, sp_reason_error(SP_ERR_IO, "boom")));
    CHECK_OK(sp_signal(thread_pid, sp_reason_normal()));
    CHECK_INT(expect_note(), 2);
    stress_wait(&crew);
    stress_settle();
    world_close();
}

/* ---- ends that meet ---- */

static void link_and_exit(void *arg)
{
    const sp_pid *peer = arg;
    sp_ignore(sp_link(*peer));
    sp_exit_error(SP_OK, "first");
}

/* Count an EXIT with either reason; whose it is. */
static sp_pid take_exit(struct sp_message *message, int *count)
{
    const struct sp_exit_notice *notice = sp_message_exit(message);
    CHECK(notice != NULL);
    const char *reason = sp_reason_text(notice->reason);
    CHECK(strcmp(reason, "first") == 0 || strcmp(reason, "noproc") == 0);
    sp_pid pid = notice->pid;
    sp_message_free(message);
    ++*count;
    return pid;
}

/* Who links with one that is ending gets its end, or NOPROC: never nothing. Two come where its own
 * link was told before ours was made; the second may come later. */
TEST(a_link_to_one_that_ends_is_told_or_refused)
{
    int count = 0;
    int times = stress_times(500);
    struct sp_message *message;
    world_open(NULL);
    for (int i = times; i > 0; i--) {
        sp_pid self = sp_self();
        sp_pid pid;
        CHECK_OK(sp_spawn(link_and_exit, &self, NULL, &pid));
        CHECK_OK(sp_link(pid)); /* traps: so a dead one is a notice too */
        while (!sp_pid_equal(take_exit(expect_message(), &count), pid))
            continue;
    }
    stress_settle();
    while (sp_receive(sp_nowait(), &message) == SP_OK)
        (void)take_exit(message, &count);
    CHECK(count <= 2 * times);
    world_close();
}

TEST(relations_need_a_process)
{
    sp_monitor_ref ref;
    CHECK_ERR(sp_link(SP_PID_NONE), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_monitor(SP_PID_NONE, &ref), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_monitor_name("x", &ref), SP_ERR_NOTCONTEXT);
    CHECK(!sp_demonitor((sp_monitor_ref){ 1 }, SP_DEMONITOR_FLUSH));
    CHECK(!sp_trap_exit(true));
    sp_unlink(SP_PID_NONE);
}
