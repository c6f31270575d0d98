/* Links: who is told of whose end, and that nothing is told after unlink.
 * Acceptance cases 9, 10, 12, 20, 24.
 */
#include "support/puppet.h"

#include <stdlib.h>

static sp_pid trapping_puppet(void)
{
    return puppet_start(&(struct sp_spawn_options){ .trap_exit = true });
}

static uint32_t links_of(sp_pid pid)
{
    struct sp_process_info info;
    CHECK_OK(sp_process_info(pid, &info));
    return info.links;
}

TEST(case_09_linking_to_a_dead_pid_fails)
{
    world_open(NULL);
    sp_pid b = puppet_start(NULL);
    CHECK_ERR(puppet_link(b, dead_pid()), SP_ERR_NOPROC);
    CHECK_ERR(puppet_link(b, SP_PID_NONE), SP_ERR_NOPROC);
    puppet_expect_quiet(b);
    CHECK_INT(links_of(b), 0);
    world_close();
}

TEST(case_10_linking_to_a_dead_pid_while_trapping_gives_a_notice)
{
    world_open(NULL);
    sp_pid b = trapping_puppet();
    sp_pid dead = dead_pid();
    CHECK_OK(puppet_link(b, dead));
    puppet_expect_exit(b, dead, "noproc");
    puppet_expect_quiet(b);
    CHECK_INT(links_of(b), 0);
    world_close();
}

TEST(a_link_is_symmetric_and_there_is_one_per_pair)
{
    world_open(NULL);
    sp_pid a = puppet_start(NULL);
    sp_pid b = trapping_puppet();
    CHECK_OK(puppet_link(a, b));
    CHECK_OK(puppet_link(a, b));
    CHECK_OK(puppet_link(b, a));
    CHECK_INT(links_of(a), 1);
    CHECK_INT(links_of(b), 1);
    puppet_exit(a, "boom");
    puppet_expect_exit(b, a, "boom");
    puppet_expect_quiet(b);
    CHECK_INT(links_of(b), 0);
    world_close();
}

TEST(a_link_to_oneself_does_nothing)
{
    world_open(NULL);
    sp_pid a = trapping_puppet();
    CHECK_OK(puppet_link(a, a));
    CHECK_INT(links_of(a), 0);
    world_close();
}

static void order_unlink(void *arg)
{
    sp_unlink(*(sp_pid *)arg);
}

TEST(unlink_works_from_both_ends)
{
    world_open(NULL);
    for (int end = 0; end < 2; end++) {
        sp_pid a = puppet_start(NULL);
        sp_pid b = trapping_puppet();
        CHECK_OK(puppet_link(a, b));
        puppet_do(end == 0 ? a : b, order_unlink, end == 0 ? &b : &a);
        CHECK_INT(links_of(a), 0);
        CHECK_INT(links_of(b), 0);
        puppet_exit(a, "boom");
        puppet_expect_quiet(b);
        puppet_do(b, order_unlink, &a); /* of a link that does not exist */
    }
    world_close();
}

TEST(unlink_removes_a_notice_that_was_queued)
{
    world_open(NULL);
    sp_pid a = puppet_start(NULL);
    sp_pid b = trapping_puppet();
    CHECK_OK(puppet_link(b, a));
    puppet_exit(a, "boom");
    CHECK_INT(puppet_mailbox(b), 1);
    puppet_do(b, order_unlink, &a);
    puppet_expect_quiet(b);
    world_close();
}

/** Ends at once, with an error. */
static void die_boom(void *arg)
{
    (void)arg;
    sp_exit_error(SP_OK, "boom");
}

/* Here unlink also removes the notice that is queued, so there is nothing to take out. */
TEST(case_12_after_unlink_nothing_arrives_later)
{
    int rounds = sp_test_slow() ? 200 : 2000;
    world_open(NULL);
    (void)sp_trap_exit(true);
    for (int i = 0; i < rounds; i++) {
        sp_pid b;
        CHECK_OK(sp_spawn(die_boom, NULL, &(struct sp_spawn_options){ .link = true }, &b));
        for (int spin = (i * 37) % 500; spin > 0; spin--)
            CHECK(sp_now().ns >= 0);
        sp_unlink(b);
        wait_gone(b);
        expect_nothing();
    }
    world_close();
}

static void ten_notes(void *arg)
{
    for (int n = 0; n < 10; n++)
        send_note(*(sp_pid *)arg, n);
    sp_exit_error(SP_OK, "done");
}

TEST(case_20_messages_sent_before_death_come_before_the_exit_notice)
{
    int rounds = sp_test_slow() ? 50 : 500;
    world_open(NULL);
    (void)sp_trap_exit(true);
    for (int i = 0; i < rounds; i++) {
        sp_pid self = sp_self();
        sp_pid b;
        CHECK_OK(sp_spawn(ten_notes, &self,
                          &(struct sp_spawn_options){ .link = true, .arg_size = sizeof self }, &b));
        for (int n = 0; n < 10; n++)
            CHECK_INT(expect_note(), n);
        expect_exit(b, "done");
    }
    expect_nothing();
    world_close();
}

static void link_and_monitor(void *arg)
{
    sp_monitor_ref ref;
    CHECK_OK(sp_link(*(sp_pid *)arg));
    CHECK_OK(sp_monitor(*(sp_pid *)arg, &ref));
}

TEST(case_24_dead_watchers_leave_nothing_behind)
{
    enum { WATCHERS = 1000 };
    static sp_monitor_ref refs[WATCHERS];
    world_open(NULL);
    sp_pid b = puppet_start(NULL);
    for (int i = 0; i < WATCHERS; i++)
        CHECK_OK(sp_spawn(link_and_monitor, &b,
                          &(struct sp_spawn_options){ .out_monitor = &refs[i] }, NULL));
    for (int i = 0; i < WATCHERS; i++)
        sp_message_free(expect_message());
    struct sp_process_info info;
    CHECK_OK(sp_process_info(b, &info));
    CHECK_INT(info.links, 0);
    CHECK_INT(info.watchers, 0);
    CHECK_INT(info.memory, 0);
    puppet_expect_quiet(b);
    world_close();
}

TEST(spawn_link_always_sees_the_real_reason)
{
    int rounds = sp_test_slow() ? 200 : 2000;
    world_open(NULL);
    (void)sp_trap_exit(true);
    for (int i = 0; i < rounds; i++) {
        sp_pid b;
        CHECK_OK(sp_spawn(die_boom, NULL, &(struct sp_spawn_options){ .link = true }, &b));
        expect_exit(b, "boom");
    }
    expect_nothing();
    world_close();
}

/** Spawns a linked process that dies, and waits to be taken along. */
static void link_to_doomed(void *arg)
{
    (void)arg;
    CHECK_OK(sp_spawn(die_boom, NULL, &(struct sp_spawn_options){ .link = true }, NULL));
    for (;;) {
        struct sp_message *message;
        CHECK_OK(sp_receive(sp_never(), &message));
        sp_message_free(message);
    }
}

TEST(a_linked_process_dies_wherever_it_waits)
{
    world_open(NULL);
    for (int i = 0; i < 100; i++) {
        sp_monitor_ref ref;
        sp_pid pid;
        CHECK_OK(sp_spawn(link_to_doomed, NULL, &(struct sp_spawn_options){ .out_monitor = &ref },
                          &pid));
        expect_down(ref, pid, "boom");
    }
    world_close();
}

/** Links to its neighbour when told, from both sides at once. */
static void order_link(void *arg)
{
    sp_err err = sp_link(*(sp_pid *)arg);
    CHECK(err == SP_OK || err == SP_ERR_NOPROC);
}

TEST(both_ends_may_link_and_unlink_at_once)
{
    int rounds = sp_test_slow() ? 100 : 1000;
    world_open(NULL);
    sp_pid a = trapping_puppet();
    sp_pid b = trapping_puppet();
    for (int i = 0; i < rounds; i++) {
        puppet_tell(a, order_link, &b);
        puppet_tell(b, order_link, &a);
        puppet_tell(a, order_unlink, &b);
        puppet_tell(b, i % 2 == 0 ? order_unlink : order_link, &a);
    }
    (void)puppet_mailbox(a);
    (void)puppet_mailbox(b);
    CHECK_INT(links_of(a), links_of(b));
    puppet_do(a, order_unlink, &b);
    puppet_do(b, order_unlink, &a);
    CHECK_INT(links_of(a), 0);
    CHECK_INT(links_of(b), 0);
    puppet_exit(a, "boom");
    puppet_expect_quiet(b);
    world_close();
}

TEST(links_need_a_process)
{
    CHECK_ERR(sp_link(SP_PID_NONE), SP_ERR_NOTCONTEXT);
    sp_unlink(SP_PID_NONE);
    CHECK(!sp_trap_exit(true));
}
