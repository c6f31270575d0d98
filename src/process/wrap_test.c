/* Numbers near their ends: serials of pids, counters of mailboxes, ids of timers and monitors, tokens of
 * waits. What takes years or hours to get there is put there.
 *
 *   number                    ends at         after, when nothing else is done
 *   serial of a slot          2^63 uses       23,000 years of spawning into one slot
 *   messages of a mailbox     2^32, wraps     minutes: lengths are differences
 *   messages handled          2^64            centuries
 *   use of a timer's slot     2^39, wraps     hours: a handle would have to be kept that long
 *   monitors of a runtime     2^64            centuries
 *   waits of a process        2^62            centuries
 */
#include "process/process.h"

#include "runtime/slab.h"
#include "support/puppet.h"

#include "spawned/registry.h"
#include "spawned/timer.h"

enum { TRIES_MAX = 10000, ROOM = 4 };

#define LAST_SERIAL (SP__SERIAL_DEAD - 1)

/* ---- serials ------------------------------------------------------------------------------ */

static void waits(void *arg)
{
    (void)arg;
    (void)sp_sleep(sp_sec(600));
}

/* Spawns until one comes to that slot; the others end. */
static sp_pid spawn_into(uint32_t slot)
{
    sp_pid pid = SP_PID_NONE;
    for (int i = 0; i < TRIES_MAX; i++) {
        CHECK_OK(sp_spawn(waits, NULL, NULL, &pid));
        if (pid.slot == slot)
            return pid;
        CHECK_OK(sp_kill(pid));
        wait_gone(pid);
    }
    FAIL("the slot is not used again");
}

static void check_stale(sp_pid stale)
{
    sp_monitor_ref ref;
    CHECK(!sp_is_alive(stale));
    CHECK_ERR(note_send(stale, &(struct note){ 1, sp_self() }), SP_ERR_NOPROC);
    CHECK_ERR(sp_signal(stale, sp_reason_shutdown()), SP_ERR_NOPROC);
    CHECK_ERR(sp_register("stale", stale), SP_ERR_NOPROC);
    CHECK_OK(sp_monitor(stale, &ref));
    expect_down(ref, stale, "noproc");
}

static void use_up(void *arg)
{
    sp_pid before[4];
    sp_pid first;
    (void)arg;
    CHECK_OK(sp_spawn(waits, NULL, NULL, &first));
    struct sp_process *process = sp__slab_get(world_runtime()->processes, first.slot);
    CHECK_OK(sp_kill(first));
    wait_gone(first);
    /* relaxed: nobody else looks at the slot. */
    atomic_store_explicit(&process->serial, (LAST_SERIAL - 4) | SP__SERIAL_DEAD,
                          memory_order_relaxed);
    for (int i = 0; i < 4; i++) {
        before[i] = spawn_into(first.slot);
        CHECK(before[i].serial == LAST_SERIAL - 3 + (uint64_t)i);
        CHECK(sp_is_alive(before[i]));
        check_stale(first);
        for (int j = 0; j < i; j++)
            check_stale(before[j]);
        check_stale((sp_pid){ before[i].serial + 1, first.slot, 0 });
        check_stale((sp_pid){ before[i].serial | SP__SERIAL_DEAD, first.slot, 0 });
        CHECK_OK(sp_kill(before[i]));
        wait_gone(before[i]);
    }
    /* As after 23,000 years more: the slot is not used once more here. */
    atomic_store_explicit(&process->serial, first.serial | SP__SERIAL_DEAD, memory_order_relaxed);
}

/* In a process of the only worker, to which the slots of the dead come back at once. */
TEST(a_slot_near_the_end_of_its_serials_tells_the_stale_from_the_living)
{
    world_open(&(struct sp_runtime_options){ .workers = 1 });
    sp_pid puppet = puppet_start(NULL);
    puppet_do(puppet, use_up, NULL);
    world_close();
}

/* ---- mailboxes ------------------------------------------------------------------------------- */

/* As if so many messages more had come and gone. */
static void count_on(uint32_t more)
{
    struct sp_process *self = sp__process_self();
    /* relaxed: nobody sends meanwhile. */
    atomic_fetch_add_explicit(&self->actor.state, (uint64_t)more << 32, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->actor.taken, more, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->actor.fetched, more, memory_order_relaxed);
    atomic_fetch_add_explicit(&self->handled, more, memory_order_relaxed);
}

/* Full at exactly its bound, in order, and nothing lost, before, at and behind the end. */
TEST(a_mailbox_counts_on_behind_the_end_of_its_counters)
{
    world_open(&(struct sp_runtime_options){ .mailbox_max = ROOM });
    count_on(UINT32_MAX - 3 * ROOM);
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < ROOM; i++) {
            CHECK_INT(queued(), i);
            send_note(sp_self(), round * ROOM + i);
        }
        CHECK_ERR(note_send(sp_self(), &(struct note){ 99, sp_self() }), SP_ERR_FULL);
        CHECK_INT(queued(), ROOM);
        for (int i = 0; i < ROOM; i++)
            CHECK_INT(expect_note(), round * ROOM + i);
        expect_nothing();
    }
    struct sp_process_info info;
    CHECK_OK(sp_process_info(sp_self(), &info));
    CHECK(info.handled == (uint64_t)UINT32_MAX - 3 * ROOM + 8 * ROOM);
    world_close();
}

/* ---- timers, monitors, waits -------------------------------------------------------------------- */

enum { NUMBER_BITS = 24, USE_BITS = 39 };
#define TIMER_FREE (UINT64_C(1) << 63)

static sp_timer start_timer(void)
{
    sp_timer timer;
    CHECK_OK(sp_timer_start(sp_self(), &note_type, &(struct note){ 7, sp_self() },
                            &(struct sp_timer_options){ .after = sp_sec(600) }, &timer));
    return timer;
}

/* The timer's id lies behind its node; see struct timer in timer.c. */
static _Atomic uint64_t *timer_id(sp_timer timer)
{
    char *slot = sp__slab_get(world_runtime()->timer_slots,
                              (uint32_t)(timer.id & ((1u << NUMBER_BITS) - 1)));
    _Atomic uint64_t *id = (_Atomic uint64_t *)(void *)(slot + sizeof(struct sp__timer_node));
    return id;
}

TEST(a_timers_slot_tells_the_stale_from_the_new_behind_the_end_of_its_uses)
{
    sp_timer stale[5];
    sp_duration left;
    world_open(NULL);
    sp_timer timer = start_timer();
    uint64_t number = timer.id & ((1u << NUMBER_BITS) - 1);
    CHECK(atomic_load(timer_id(timer)) == timer.id);
    CHECK_OK(sp_timer_cancel(timer, &left));
    uint64_t use = (UINT64_C(1) << USE_BITS) - 3;
    atomic_store(timer_id(timer), (use << NUMBER_BITS) | number | TIMER_FREE);
    for (int i = 0; i < 5; i++) {
        timer = start_timer();
        CHECK((timer.id & ((1u << NUMBER_BITS) - 1)) == number); /* the slot given back last */
        for (int j = 0; j < i; j++)
            CHECK_ERR(sp_timer_cancel(stale[j], &left), SP_ERR_STALE);
        CHECK_OK(sp_timer_cancel(timer, &left));
        CHECK_ERR(sp_timer_cancel(timer, &left), SP_ERR_STALE);
        stale[i] = timer;
    }
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    CHECK_INT(stats.timers, 0);
    world_close();
}

static void monitors_from(uint64_t last)
{
    sp_monitor_ref refs[4];
    /* relaxed: nobody monitors meanwhile. */
    atomic_store_explicit(&world_runtime()->next_id, last - 2, memory_order_relaxed);
    sp_pid puppet = puppet_start(NULL);
    for (int i = 0; i < 4; i++)
        CHECK_OK(sp_monitor(puppet, &refs[i]));
    CHECK(sp_demonitor(refs[1], SP_DEMONITOR_FLUSH));
    CHECK(!sp_demonitor(refs[1], SP_DEMONITOR_FLUSH));
    CHECK_OK(sp_kill(puppet));
    wait_gone(puppet);
    for (int i = 0; i < 4; i++)
        CHECK(i == 1 || !sp_demonitor(refs[i], SP_DEMONITOR_KEEP));
    CHECK_INT(queued(), 3);
    CHECK(!sp_demonitor(refs[2], SP_DEMONITOR_FLUSH));
    CHECK_INT(queued(), 2);
    expect_down(refs[0], puppet, "killed");
    expect_down(refs[3], puppet, "killed");
}

TEST(monitors_are_told_apart_where_their_ids_outgrow_a_word)
{
    world_open(NULL);
    monitors_from(UINT64_C(1) << 32);
    monitors_from(UINT64_C(1) << 63);
    monitors_from(UINT64_MAX - 2);
    world_close();
}

TEST(waits_end_where_their_tokens_outgrow_a_word)
{
    world_open(NULL);
    struct sp_process *self = sp__process_self();
    uint64_t tokens[] = { (UINT64_C(1) << 32) - 3, (UINT64_C(1) << 62) - 3 };
    for (int i = 0; i < 2; i++) {
        /* relaxed: it does not wait. */
        atomic_store_explicit(&self->actor.wait, tokens[i] << 2, memory_order_relaxed);
        for (int j = 0; j < 6; j++)
            (void)sp_sleep(sp_us(10));
        send_note(sp_self(), i);
        CHECK_INT(expect_note(), i);
    }
    world_close();
}
