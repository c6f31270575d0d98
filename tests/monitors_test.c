/* Monitors: one DOWN for each, never none, never two, never after demonitor with flush.
 * Acceptance cases 14, 15, 17, 18, 20, 21, 24, 26.
 */
#include "support/puppet.h"

static uint32_t watchers_of(sp_pid pid)
{
    struct sp_process_info info;
    CHECK_OK(sp_process_info(pid, &info));
    return info.watchers;
}

/** Monitors this process holds. */
static uint32_t own_monitors(void)
{
    struct sp_process_info info;
    CHECK_OK(sp_process_info(sp_self(), &info));
    return info.monitors;
}

TEST(case_14_monitor_of_a_dead_process_gives_down_at_once)
{
    world_open(NULL);
    sp_pid dead = dead_pid();
    sp_monitor_ref ref = { 0 };
    CHECK_OK(sp_monitor(dead, &ref));
    CHECK(ref.id != 0);
    CHECK_INT(queued(), 1);
    expect_down(ref, dead, "noproc");
    expect_nothing();
    CHECK_INT(own_monitors(), 0);
    world_close();
}

TEST(case_15_monitor_of_an_unregistered_name)
{
    world_open(NULL);
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor_name("nobody", &ref));
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL);
    CHECK_INT(down->ref.id, ref.id);
    CHECK(sp_pid_is_none(down->pid));
    CHECK_STR(down->name, "nobody");
    CHECK_STR(sp_reason_text(down->reason), "noproc");
    sp_message_free(message);
    expect_nothing();
    world_close();
}

TEST(monitor_of_a_name_follows_who_held_it)
{
    world_open(NULL);
    sp_pid b = puppet_start(&(struct sp_spawn_options){ .name = "somebody" });
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor_name("somebody", &ref));
    CHECK_OK(sp_unregister("somebody"));
    puppet_exit(b, "boom");
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL);
    CHECK_INT(down->ref.id, ref.id);
    CHECK(sp_pid_equal(down->pid, b));
    CHECK_STR(down->name, "somebody");
    CHECK_STR(sp_reason_text(down->reason), "boom");
    sp_message_free(message);
    CHECK_ERR(sp_monitor_name("", &ref), SP_ERR_INVALID);
    world_close();
}

TEST(case_17_monitors_are_independent)
{
    enum { MONITORS = 20, GONE = 7 };
    world_open(NULL);
    sp_pid b = puppet_start(NULL);
    sp_monitor_ref refs[MONITORS];
    for (int i = 0; i < MONITORS; i++)
        CHECK_OK(sp_monitor(b, &refs[i]));
    CHECK_INT(watchers_of(b), MONITORS);
    CHECK(sp_demonitor(refs[GONE], SP_DEMONITOR_KEEP));
    CHECK_INT(watchers_of(b), MONITORS - 1);
    puppet_exit(b, "boom");
    bool seen[MONITORS] = { false };
    for (int n = 0; n < MONITORS - 1; n++) {
        struct sp_message *message = expect_message();
        const struct sp_down *down = sp_message_down(message);
        CHECK(down != NULL && sp_pid_equal(down->pid, b));
        int i = 0;
        while (i < MONITORS && refs[i].id != down->ref.id)
            i++;
        CHECK(i < MONITORS && i != GONE && !seen[i]);
        seen[i] = true;
        sp_message_free(message);
    }
    expect_nothing();
    CHECK_INT(own_monitors(), 0);
    world_close();
}

TEST(case_18_demonitor_with_and_without_flush)
{
    world_open(NULL);
    for (int flush = 0; flush < 2; flush++) {
        sp_pid b = puppet_start(NULL);
        sp_monitor_ref ref;
        CHECK_OK(sp_monitor(b, &ref));
        puppet_exit(b, "boom");
        CHECK_INT(queued(), 1);
        CHECK(!sp_demonitor(ref, flush ? SP_DEMONITOR_FLUSH : SP_DEMONITOR_KEEP));
        CHECK_INT(queued(), flush ? 0 : 1);
        if (!flush)
            expect_down(ref, b, "boom");
        expect_nothing();
        CHECK(!sp_demonitor(ref, SP_DEMONITOR_FLUSH)); /* unknown by now */
    }
    world_close();
}

TEST(demonitor_of_a_living_process_ends_the_watch)
{
    world_open(NULL);
    sp_pid b = puppet_start(NULL);
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(b, &ref));
    CHECK(sp_demonitor(ref, SP_DEMONITOR_FLUSH));
    CHECK(!sp_demonitor(ref, SP_DEMONITOR_FLUSH));
    CHECK_INT(watchers_of(b), 0);
    puppet_exit(b, "boom");
    expect_nothing();
    CHECK(!sp_demonitor((sp_monitor_ref){ 0 }, SP_DEMONITOR_FLUSH));
    world_close();
}

static void ten_notes(void *arg)
{
    for (int n = 0; n < 10; n++)
        send_note(*(sp_pid *)arg, n);
}

TEST(case_20_messages_sent_before_death_come_before_down)
{
    int rounds = sp_test_slow() ? 50 : 500;
    world_open(NULL);
    for (int i = 0; i < rounds; i++) {
        sp_pid self = sp_self();
        sp_monitor_ref ref;
        sp_pid b;
        CHECK_OK(sp_spawn(
            ten_notes, &self,
            &(struct sp_spawn_options){ .out_monitor = &ref, .arg_size = sizeof self }, &b));
        for (int n = 0; n < 10; n++)
            CHECK_INT(expect_note(), n);
        expect_down(ref, b, "normal");
    }
    expect_nothing();
    world_close();
}

static void order_monitor(void *arg)
{
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(*(sp_pid *)arg, &ref));
}

/** Takes three notes and a DOWN out of a puppet's mailbox; where was the DOWN? */
static void order_find_down(void *arg)
{
    for (int at = 0; at < 4; at++) {
        struct sp_message *message = expect_message();
        if (sp_message_down(message) != NULL)
            *(int *)arg = at;
        sp_message_free(message);
    }
}

TEST(notices_come_in_order_or_first_where_asked_for)
{
    world_open(NULL);
    for (int first = 0; first < 2; first++) {
        sp_pid a = puppet_start(&(struct sp_spawn_options){ .notices_first = first != 0 });
        sp_pid b = puppet_start(NULL);
        puppet_do(a, order_monitor, &b);
        for (int n = 0; n < 3; n++)
            send_note(a, n);
        puppet_exit(b, "boom");
        CHECK_INT(puppet_mailbox(a), 4);
        int at = -1;
        puppet_do(a, order_find_down, &at);
        CHECK_INT(at, first ? 0 : 3);
    }
    world_close();
}

static void wait_for_note(void *arg)
{
    (void)arg;
    CHECK_INT(expect_note(), 1);
}

TEST(case_21_the_name_is_free_when_down_is_seen)
{
    int rounds = sp_test_slow() ? 100 : 1000;
    world_open(NULL);
    for (int i = 0; i < rounds; i++) {
        sp_monitor_ref ref;
        sp_pid b;
        CHECK_OK(sp_spawn(wait_for_note, NULL,
                          &(struct sp_spawn_options){ .name = "n", .out_monitor = &ref }, &b));
        send_note(b, 1);
        expect_down(ref, b, "normal");
        CHECK_OK(sp_register("n", sp_self()));
        CHECK_OK(sp_unregister("n"));
    }
    world_close();
}

static void die_at_once(void *arg)
{
    (void)arg;
}

/* Also a DOWN `noproc` for a process that is about to be gone. */
TEST(case_21_the_name_is_free_when_any_down_is_seen)
{
    int rounds = sp_test_slow() ? 200 : 5000;
    world_open(NULL);
    for (int i = 0; i < rounds; i++) {
        sp_pid b;
        CHECK_OK(sp_spawn(die_at_once, NULL, &(struct sp_spawn_options){ .name = "n" }, &b));
        for (int spin = (i * 37) % 500; spin > 0; spin--)
            CHECK(sp_now().ns >= 0);
        sp_monitor_ref ref;
        CHECK_OK(sp_monitor(b, &ref));
        sp_message_free(expect_message());
        CHECK_OK(sp_register("n", sp_self()));
        CHECK_OK(sp_unregister("n"));
    }
    world_close();
}

TEST(case_24_dead_monitors_leave_nothing_behind)
{
    enum { WATCHERS = 1000 };
    world_open(NULL);
    sp_pid b = puppet_start(NULL);
    for (int i = 0; i < WATCHERS; i++) {
        sp_pid watcher;
        CHECK_OK(sp_spawn(order_monitor, &b, NULL, &watcher));
        wait_gone(watcher);
    }
    CHECK_INT(watchers_of(b), 0);
    puppet_expect_quiet(b);
    world_close();
}

static void order_demonitor_flush(void *arg)
{
    CHECK(!sp_demonitor(*(sp_monitor_ref *)arg, SP_DEMONITOR_FLUSH));
}

struct monitor_job {
    sp_pid pid;
    sp_monitor_ref ref;
};

static void order_monitor_job(void *arg)
{
    struct monitor_job *job = arg;
    CHECK_OK(sp_monitor(job->pid, &job->ref));
}

TEST(case_26_unwatch_between_enqueue_and_handling)
{
    world_open(NULL);
    for (int first = 0; first < 2; first++) {
        sp_pid a = puppet_start(&(struct sp_spawn_options){ .notices_first = first != 0 });
        struct monitor_job job = { .pid = puppet_start(NULL) };
        puppet_do(a, order_monitor_job, &job);
        send_note(a, 1);
        puppet_exit(job.pid, "boom");
        send_note(a, 2);
        CHECK_INT(puppet_mailbox(a), 3);
        puppet_do(a, order_demonitor_flush, &job.ref);
        CHECK_INT(puppet_mailbox(a), 2);
    }
    world_close();
}

static void die_boom(void *arg)
{
    (void)arg;
    sp_exit_error(SP_OK, "boom");
}

TEST(spawn_monitor_always_sees_the_real_reason)
{
    int rounds = sp_test_slow() ? 200 : 2000;
    world_open(NULL);
    for (int i = 0; i < rounds; i++) {
        sp_monitor_ref ref;
        sp_pid b;
        CHECK_OK(sp_spawn(die_boom, NULL, &(struct sp_spawn_options){ .out_monitor = &ref }, &b));
        expect_down(ref, b, "boom");
    }
    expect_nothing();
    world_close();
}

/* A monitor set while its target dies: one DOWN, with the reason or with noproc. */
TEST(a_monitor_set_at_any_moment_gives_exactly_one_down)
{
    int rounds = sp_test_slow() ? 200 : 2000;
    world_open(NULL);
    for (int i = 0; i < rounds; i++) {
        sp_pid b;
        CHECK_OK(sp_spawn(die_boom, NULL, NULL, &b));
        for (int spin = (i * 37) % 500; spin > 0; spin--)
            CHECK(sp_now().ns >= 0);
        sp_monitor_ref ref;
        CHECK_OK(sp_monitor(b, &ref));
        struct sp_message *message = expect_message();
        const struct sp_down *down = sp_message_down(message);
        CHECK(down != NULL && down->ref.id == ref.id);
        const char *text = sp_reason_text(down->reason);
        if (sp_reason_kind(down->reason) != SP_REASON_NOPROC)
            CHECK_STR(text, "boom");
        sp_message_free(message);
        expect_nothing();
    }
    world_close();
}

TEST(demonitor_with_flush_at_any_moment_leaves_no_down)
{
    int rounds = sp_test_slow() ? 200 : 2000;
    world_open(NULL);
    for (int i = 0; i < rounds; i++) {
        sp_monitor_ref ref;
        sp_pid b;
        CHECK_OK(sp_spawn(die_boom, NULL, &(struct sp_spawn_options){ .out_monitor = &ref }, &b));
        for (int spin = (i * 37) % 500; spin > 0; spin--)
            CHECK(sp_now().ns >= 0);
        (void)sp_demonitor(ref, SP_DEMONITOR_FLUSH);
        expect_nothing();
        wait_gone(b);
        expect_nothing();
    }
    CHECK_INT(own_monitors(), 0);
    world_close();
}

TEST(a_process_may_monitor_itself)
{
    world_open(NULL);
    sp_pid p = puppet_start(NULL);
    puppet_do(p, order_monitor, &p);
    CHECK_INT(watchers_of(p), 1);
    puppet_exit(p, NULL);
    world_close();
}

TEST(monitors_need_a_process)
{
    sp_monitor_ref ref = { 5 };
    CHECK_ERR(sp_monitor(SP_PID_NONE, &ref), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_monitor_name("name", &ref), SP_ERR_NOTCONTEXT);
    CHECK_INT(ref.id, 5);
    CHECK(!sp_demonitor(ref, SP_DEMONITOR_FLUSH));
}
