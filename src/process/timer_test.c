/* Timers beside what tests/timers_test.c sees of the whole: full mailboxes, the reserved keys,
 * numbers that are guessed, who ends in between.
 */
#include "process/timer.h"

#include "support/stress.h"

#include <stdatomic.h>

#define NEVER_IN_THIS_TEST sp_sec(600)

static sp_err start(sp_pid to, int64_t number, struct sp_timer_options options, sp_timer *out)
{
    return sp_timer_start(to, &note_type, &(struct note){ number, sp_self() }, &options, out);
}

static atomic_int boxes;

struct box {
    int content;
};

static void box_destroy(struct box *box)
{
    (void)box;
    atomic_fetch_sub(&boxes, 1);
}

SP_MESSAGE_MOVED(box_message, struct box, box_destroy);

TEST(what_a_timer_cannot_deliver_is_destroyed_and_counted)
{
    world_open(NULL);
    sp_pid full = puppet_start(&(struct sp_spawn_options){ .mailbox_max = 1 });
    send_note(full, 0);
    atomic_store(&boxes, 100);
    for (int i = 0; i < 100; i++)
        CHECK_OK(sp_timer_start(full, &box_message_type, &(struct box){ i },
                                &(struct sp_timer_options){ .after = sp_us(i) }, NULL));
    while (atomic_load(&boxes) != 0)
        sp_yield();
    CHECK_INT(accounts().dropped_full, 100);
    CHECK_OK(sp_kill(full));
    wait_gone(full);
    stress_settle();
    world_close();
}

/* A tick of a key is never refused: there is one at most. */
static void key_over_the_bound(void *arg)
{
    const sp_pid *main = arg;
    struct sp_message *message;
    send_note(sp_self(), 1);
    CHECK_OK(start(sp_self(), 2, (struct sp_timer_options){ .after = sp_us(1), .key = 3 }, NULL));
    while (sp_mailbox_length() != 2)
        sp_yield();
    CHECK_OK(sp_receive(sp_nowait(), &message));
    sp_message_free(message);
    CHECK_OK(sp_receive(sp_nowait(), &message));
    CHECK_INT(note_of(message)->number, 2);
    sp_message_free(message);
    CHECK_OK(note_send(*main, &(struct note){ 9, sp_self() }));
}

TEST(a_tick_of_a_key_comes_though_the_mailbox_is_full)
{
    world_open(NULL);
    sp_pid self = sp_self();
    CHECK_OK(
        sp_spawn(key_over_the_bound, &self, &(struct sp_spawn_options){ .mailbox_max = 1 }, NULL));
    CHECK_INT(expect_note(), 9);
    world_close();
}

TEST(a_periodic_timer_ends_with_who_gets_its_messages)
{
    world_open(NULL);
    sp_pid p = puppet_start(NULL);
    sp_timer timer;
    CHECK_OK(start(p, 1, (struct sp_timer_options){ .period = sp_us(10) }, &timer));
    while (puppet_mailbox(p) < 3)
        continue;
    puppet_exit(p, NULL);
    CHECK_ERR(sp_timer_cancel(timer, NULL), SP_ERR_STALE);
    stress_settle();
    world_close();
}

TEST(numbers_that_are_guessed_are_stale)
{
    world_open(NULL);
    sp_timer timer;
    CHECK_OK(start(sp_self(), 1, (struct sp_timer_options){ .after = NEVER_IN_THIS_TEST }, &timer));
    for (int bit = 0; bit < 64; bit++) {
        sp_timer other = { timer.id ^ (UINT64_C(1) << bit) };
        CHECK_ERR(sp_timer_cancel(other, NULL), SP_ERR_STALE);
    }
    CHECK_ERR(sp_timer_cancel((sp_timer){ 0 }, NULL), SP_ERR_STALE);
    CHECK_ERR(sp_timer_cancel((sp_timer){ UINT64_MAX }, NULL), SP_ERR_STALE);
    sp_duration left = sp_ns(0);
    CHECK_OK(sp_timer_cancel(timer, &left));
    CHECK(left.ns > 0);
    CHECK_ERR(sp_timer_cancel(timer, NULL), SP_ERR_STALE);
    stress_settle();
    world_close();
}

TEST(the_librarys_own_keys_are_not_the_users)
{
    const uint64_t own = (UINT64_C(1) << 63) | 5;
    world_open(NULL);
    sp_timer timer;
    struct sp_timer_options options = { .after = NEVER_IN_THIS_TEST, .key = own };
    struct note note = { 1, sp_self() };
    CHECK_ERR(start(sp_self(), 1, options, &timer), SP_ERR_INVALID);
    CHECK_OK(sp__timer_start_key(own, &note_type, &note, &options, &timer));
    CHECK_ERR(sp_timer_cancel_key(own, NULL), SP_ERR_STALE);
    CHECK_INT(accounts().timers, 1);
    CHECK_OK(sp__timer_stop_key(own, NULL));
    CHECK_ERR(sp__timer_stop_key(own, NULL), SP_ERR_STALE);
    stress_settle();
    world_close();
}

TEST(a_key_belongs_to_one_process)
{
    world_open(NULL);
    sp_pid p = puppet_start(NULL);
    struct sp_timer_options options = { .after = NEVER_IN_THIS_TEST, .key = 1 };
    CHECK_ERR(start(p, 1, options, NULL), SP_ERR_INVALID);
    CHECK_OK(start(sp_self(), 1, options, NULL));
    options.key = 2;
    CHECK_OK(start(sp_self(), 2, options, NULL));
    CHECK_OK(sp_timer_cancel_key(1, NULL));
    CHECK_ERR(sp_timer_cancel_key(1, NULL), SP_ERR_STALE);
    CHECK_OK(sp_timer_cancel_key(2, NULL));
    puppet_exit(p, NULL);
    stress_settle();
    world_close();
}

TEST(timers_need_a_process)
{
    struct sp_timer_options options = { .after = NEVER_IN_THIS_TEST };
    sp_timer timer;
    CHECK_ERR(start(SP_PID_NONE, 1, options, &timer), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_timer_cancel((sp_timer){ 1 }, NULL), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp__timer_stop_key(1, NULL), SP_ERR_NOTCONTEXT);
}
