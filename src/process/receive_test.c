/* Receiving: what a selective receive passes over, notices ahead of messages, messages in hand. */
#include "support/accounts.h"

static bool select_number(const struct sp_message *message, void *arg)
{
    return sp_message_type(message) == &note_type &&
           ((const struct note *)sp_message_peek(message))->number == *(const int64_t *)arg;
}

static int64_t take(int64_t number)
{
    struct sp_message *message;
    CHECK_OK(sp_receive_select(select_number, &number, sp_nowait(), &message));
    CHECK(sp_pid_equal(sp_message_from(message), sp_self()));
    int64_t taken = note_of(message)->number;
    sp_message_free(message);
    return taken;
}

TEST(a_selective_receive_keeps_the_order_of_the_others)
{
    world_open(NULL);
    for (int i = 0; i < 6; i++)
        send_note(sp_self(), i);
    CHECK_INT(take(3), 3); /* from the middle, */
    CHECK_INT(take(0), 0); /* the front */
    CHECK_INT(take(5), 5); /* and the back of what was passed over */
    send_note(sp_self(), 6);
    CHECK_INT(sp_mailbox_length(), 4);
    CHECK_INT(expect_note(), 1);
    CHECK_INT(take(6), 6);
    CHECK_INT(expect_note(), 2);
    CHECK_INT(expect_note(), 4);
    expect_nothing();
    accounts_empty();
    world_close();
}

static bool select_all_once(const struct sp_message *message, void *arg)
{
    (void)message;
    (*(int *)arg)++;
    return false;
}

TEST(a_selective_receive_looks_at_each_message_once)
{
    world_open(NULL);
    struct sp_message *message;
    int looks = 0;
    for (int i = 0; i < 100; i++)
        send_note(sp_self(), i);
    sp_pid helper = puppet_start(NULL);
    CHECK_ERR(sp_receive_select(select_all_once, &looks, sp_after_ms(1), &message), SP_ERR_TIMEOUT);
    CHECK_INT(looks, 100);
    puppet_exit(helper, NULL);
    world_close();
}

/* ---- notices first ---- */

struct ahead {
    sp_pid peers[3];
    sp_pid tells;
};

static bool select_down(const struct sp_message *message, void *arg)
{
    (void)arg;
    return sp_message_down(message) != NULL;
}

static bool select_none(const struct sp_message *message, void *arg)
{
    (void)message;
    (void)arg;
    return false;
}

static void ahead_expect_down(sp_pid pid)
{
    struct sp_message *message;
    CHECK_OK(sp_receive_select(select_down, NULL, sp_nowait(), &message));
    CHECK(sp_pid_equal(sp_message_down(message)->pid, pid));
    sp_message_free(message);
}

/* Two numbers, then ends, then a number and an end: the ends are ahead, in their order. */
static void ahead_main(void *arg)
{
    const struct ahead *ahead = arg;
    struct sp_message *message;
    sp_monitor_ref ref;
    for (int i = 0; i < 3; i++)
        CHECK_OK(sp_monitor(ahead->peers[i], &ref));
    send_note(sp_self(), 1);
    send_note(sp_self(), 2);
    CHECK_ERR(sp_receive_select(select_none, NULL, sp_nowait(), &message), SP_ERR_TIMEOUT);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(sp_kill(ahead->peers[i]));
        wait_gone(ahead->peers[i]);
    }
    ahead_expect_down(ahead->peers[0]);
    CHECK_OK(sp_kill(ahead->peers[2]));
    wait_gone(ahead->peers[2]);
    CHECK_INT(sp_mailbox_length(), 2); /* notices do not count */
    ahead_expect_down(ahead->peers[1]);
    CHECK_OK(sp_receive(sp_nowait(), &message));
    CHECK(sp_pid_equal(sp_message_down(message)->pid, ahead->peers[2]));
    sp_message_free(message);
    CHECK_INT(expect_note(), 1);
    CHECK_INT(expect_note(), 2);
    expect_nothing();
    CHECK_OK(note_send(ahead->tells, &(struct note){ 0, sp_self() }));
}

TEST(notices_that_go_first_are_in_order_among_themselves)
{
    world_open(NULL);
    struct ahead ahead = { .tells = sp_self() };
    for (int i = 0; i < 3; i++)
        ahead.peers[i] = puppet_start(NULL);
    CHECK_OK(
        sp_spawn(ahead_main, &ahead, &(struct sp_spawn_options){ .notices_first = true }, NULL));
    CHECK_INT(expect_note(), 0);
    world_close();
}

/* ---- in hand ---- */

TEST(messages_in_hand_may_be_freed_in_any_order)
{
    static const int orders[][4] = {
        { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 3, 0, 2 }, { 2, 0, 3, 1 }
    };
    world_open(NULL);
    for (size_t k = 0; k < sizeof orders / sizeof orders[0]; k++) {
        struct sp_message *messages[4];
        for (int i = 0; i < 4; i++)
            send_note(sp_self(), i);
        for (int i = 0; i < 4; i++)
            messages[i] = expect_message();
        for (int i = 0; i < 4; i++) {
            CHECK_INT(note_of(messages[orders[k][i]])->number, orders[k][i]);
            sp_message_free(messages[orders[k][i]]);
        }
    }
    sp_message_free(NULL);
    accounts_empty();
    world_close();
}

TEST(a_message_in_hand_may_be_forwarded)
{
    world_open(NULL);
    for (int i = 0; i < 3; i++)
        send_note(sp_self(), i);
    struct sp_message *first = expect_message();
    struct sp_message *second = expect_message();
    struct sp_message *third = expect_message();
    CHECK_OK(sp_message_forward(second, sp_self()));
    sp_message_free(third);
    sp_message_free(first);
    CHECK_INT(expect_note(), 1);
    expect_nothing();
    accounts_empty();
    world_close();
}

/* A notice is a message like any other once it is forwarded. */
TEST(a_notice_that_is_forwarded_counts)
{
    world_open(NULL);
    sp_pid p = puppet_start(NULL);
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(p, &ref));
    puppet_exit(p, "boom");
    CHECK_INT(sp_mailbox_length(), 0);
    CHECK_OK(sp_message_forward(expect_message(), sp_self()));
    CHECK_INT(sp_mailbox_length(), 1);
    expect_down(ref, p, "boom");
    accounts_empty();
    world_close();
}

/* ---- who may not ---- */

TEST(receiving_needs_a_process)
{
    struct sp_message *message;
    CHECK_ERR(sp_receive(sp_nowait(), &message), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_receive_select(select_none, NULL, sp_nowait(), &message), SP_ERR_NOTCONTEXT);
    CHECK_INT(sp_mailbox_length(), 0);
    sp_message_free(NULL);
}
