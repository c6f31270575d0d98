/* Sending: who waits for room, high-water marks, refusals. */
#include "support/stress.h"

#include <stdatomic.h>

static const struct sp_spawn_options room_for_one = { .mailbox_max = 1 };

/* A puppet whose mailbox is full: nothing can be ordered of it. */
static sp_pid full_start(void)
{
    sp_pid pid = puppet_start(&room_for_one);
    send_note(pid, 0);
    return pid;
}

static void full_end(sp_pid pid)
{
    CHECK_OK(sp_kill(pid));
    wait_gone(pid);
}

static sp_pid full;

static void wait_main(void *arg)
{
    (void)arg;
    sp_err err = note_send_wait(full, &(struct note){ 1, sp_self() }, sp_never());
    sp_exit_error(err, "%s", sp_err_text(err));
}

static void wait_start(sp_pid pids[], int count)
{
    for (int i = 0; i < count; i++) {
        struct sp_process_info info;
        CHECK_OK(sp_spawn(wait_main, NULL, NULL, &pids[i]));
        do {
            sp_yield();
            CHECK_OK(sp_process_info(pids[i], &info));
        } while (info.status != SP_STATUS_WAITING);
        CHECK(sp_pid_equal(info.waits_for, full));
    }
}

TEST(who_waits_for_room_can_be_killed)
{
    world_open(NULL);
    sp_pid pids[3];
    full = full_start();
    wait_start(pids, 3);
    CHECK_OK(sp_kill(pids[1]));
    wait_gone(pids[1]);
    CHECK_OK(sp_kill(pids[0]));
    wait_gone(pids[0]);
    CHECK(sp_is_alive(pids[2]));
    full_end(full);
    wait_gone(pids[2]);
    stress_settle();
    world_close();
}

TEST(who_waits_for_room_learns_of_the_end)
{
    world_open(NULL);
    sp_pid pids[2];
    sp_monitor_ref refs[2];
    full = full_start();
    wait_start(pids, 2);
    for (int i = 0; i < 2; i++)
        CHECK_OK(sp_monitor(pids[i], &refs[i]));
    full_end(full);
    for (int i = 0; i < 2; i++) {
        struct sp_message *message = expect_message();
        CHECK_INT(sp_reason_code(sp_message_down(message)->reason), SP_ERR_NOPROC);
        sp_message_free(message);
    }
    stress_settle();
    world_close();
}

TEST(who_waits_for_room_gives_up_in_time)
{
    world_open(NULL);
    full = full_start();
    struct note note = { 1, sp_self() };
    CHECK_ERR(note_send_wait(full, &note, sp_nowait()), SP_ERR_TIMEOUT);
    CHECK_ERR(note_send_wait(full, &note, sp_after(sp_us(1))), SP_ERR_TIMEOUT);
    CHECK_ERR(note_send_wait(dead_pid(), &note, sp_never()), SP_ERR_NOPROC);
    full_end(full);
    CHECK_ERR(note_send_wait(full, &note, sp_never()), SP_ERR_NOPROC);
    stress_settle();
    world_close();
}

static void fill_own(void *arg)
{
    (void)arg;
    struct note note = { 1, sp_self() };
    while (note_send(sp_self(), &note) == SP_OK)
        continue;
    /* Nobody else would make room. */
    CHECK_ERR(note_send_wait(sp_self(), &note, sp_never()), SP_ERR_FULL);
}

TEST(nobody_waits_for_room_in_his_own_mailbox)
{
    sp_pid pid;
    world_open(NULL);
    CHECK_OK(sp_spawn(fill_own, NULL, &(struct sp_spawn_options){ .mailbox_max = 3 }, &pid));
    wait_gone(pid);
    world_close();
}

/* One that was let in and is killed before it comes lets in the next. */
static void drain_main(void *arg)
{
    const int *count = arg;
    struct sp_message *message;
    CHECK_OK(sp_receive(sp_never(), &message)); /* the word to begin */
    sp_message_free(message);
    for (int i = 0; i < *count; i++) {
        CHECK_OK(sp_receive(sp_never(), &message));
        sp_message_free(message);
    }
}

TEST(room_that_a_dead_sender_does_not_use_goes_to_the_next)
{
    enum { SENDERS = 8 };
    int rounds = sp_test_slow() ? 30 : 300;
    world_open(NULL);
    for (int round = 0; round < rounds; round++) {
        sp_pid pids[SENDERS];
        int count = SENDERS / 2;
        CHECK_OK(sp_spawn(drain_main, &count, &room_for_one, &full));
        send_note(full, 0);
        for (int i = 0; i < SENDERS; i++)
            CHECK_OK(sp_spawn(wait_main, NULL, NULL, &pids[i]));
        for (int i = 0; i < SENDERS / 2; i++)
            sp_ignore(sp_kill(pids[2 * i])); /* some while they wait, are let in, or send */
        wait_gone(full);                     /* with the living alone, or before */
        for (int i = 0; i < SENDERS; i++)
            wait_gone(pids[i]);
    }
    stress_settle();
    world_close();
}

/* ---- high-water marks ---- */

static atomic_int marks;
static atomic_uint mark_length;

static void mark(sp_pid pid, uint32_t length, void *arg)
{
    (void)pid;
    (void)arg;
    atomic_store(&mark_length, length);
    atomic_fetch_add(&marks, 1);
}

static void take_all(void *arg)
{
    (void)arg;
    struct sp_message *message;
    while (sp_receive(sp_nowait(), &message) == SP_OK)
        sp_message_free(message);
}

TEST(a_high_water_mark_is_told_again_after_the_ebb)
{
    world_open(NULL);
    sp_pid p = puppet_start(
        &(struct sp_spawn_options){ .high_water = 4, .on_high_water = mark, .mailbox_max = 100 });
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < 10; i++)
            send_note(p, i);
        CHECK_INT(marks, round);
        CHECK(mark_length >= 4);
        puppet_do(p, take_all, NULL);
    }
    puppet_exit(p, NULL);
    world_close();
}

/* ---- refusals ---- */

TEST(sending_needs_a_process)
{
    struct note note = { 0, SP_PID_NONE };
    CHECK_ERR(note_send(SP_PID_NONE, &note), SP_ERR_NOTCONTEXT);
    CHECK_ERR(note_send_wait(SP_PID_NONE, &note, sp_never()), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_kill(SP_PID_NONE), SP_ERR_NOTCONTEXT);
}

TEST(what_is_no_pid_is_nobody)
{
    world_open(NULL);
    struct note note = { 0, SP_PID_NONE };
    sp_pid self = sp_self();
    const sp_pid pids[] = {
        SP_PID_NONE,
        { self.serial, self.slot, 7 },                       /* of another node */
        { self.serial | (UINT64_C(1) << 63), self.slot, 0 }, /* as the dead are marked */
        { self.serial + 1, self.slot, 0 },                   /* not born yet */
        { 1, UINT32_MAX, 0 },
        { 0, 0, 0 },
    };
    for (size_t i = 0; i < sizeof pids / sizeof pids[0]; i++) {
        CHECK_ERR(note_send(pids[i], &note), SP_ERR_NOPROC);
        CHECK(!sp_is_alive(pids[i]));
    }
    CHECK_INT(accounts().dead_noproc, sizeof pids / sizeof pids[0]);
    stress_settle();
    world_close();
}
