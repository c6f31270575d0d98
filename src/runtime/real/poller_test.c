/* Tests of the poller alone, on a runtime that has no scheduler. */
#include "runtime/real/poller.h"

#include "runtime/backend.h"
#include "support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct poller_fixture {
    struct sp_runtime runtime;
    struct sp__context context;
    struct sp__poller *poller;
};

static int fixture_readied;

static void fixture_ready(struct sp__actor *actor)
{
    (void)actor;
    fixture_readied++;
}

static enum sp__turn fixture_turn(struct sp__actor *actor)
{
    (void)actor;
    return SP__TURN_IDLE;
}

static uint32_t fixture_cpus(void)
{
    return 2;
}

static const struct sp__backend_ops fixture_ops = { .name = "fixture",
                                                    .ready = fixture_ready,
                                                    .cpus = fixture_cpus };

static void fixture_start_spinning(struct poller_fixture *f, sp_duration spin)
{
    *f = (struct poller_fixture){ .runtime.ops = &fixture_ops, .runtime.options.poll_spin = spin };
    sp__epoch_init(&f->runtime.epoch, true);
    sp__msg_pool_init(&f->runtime.messages, NULL);
    sp__list_init(&f->runtime.contexts);
    CHECK_OK(sp__fiber_pool_create(NULL, &f->runtime.fibers));
    sp__context_init(&f->context, &f->runtime, SP__CONTEXT_FOREIGN, 0);
    CHECK_OK(sp__poller_create(&f->runtime, &f->poller));
}

static void fixture_start(struct poller_fixture *f)
{
    fixture_start_spinning(f, sp_ns(-1));
}

static void fixture_stop(struct poller_fixture *f)
{
    sp__poller_destroy(f->poller);
    sp__context_finish(&f->context);
    sp__fiber_pool_destroy(f->runtime.fibers);
    sp__msg_pool_finish(&f->runtime.messages);
    sp__epoch_finish(&f->runtime.epoch);
}

static int poll_once(struct sp__poller *poller, int64_t timeout_ns)
{
    struct sp__poller_batch batch;
    sp__poller_harvest(poller, timeout_ns, &batch);
    return (int)sp__poller_dispatch(poller, &batch);
}

/* A socket in the poller, and its other end. */
struct probe {
    struct sp__poll_file file; /* first */
    struct sp__io_waiter waiter;
    int peer;
    _Atomic int fired;
    int released;
};

static void probe_ready(struct sp__io_waiter *waiter)
{
    atomic_fetch_add(&sp__container_of(waiter, struct probe, waiter)->fired, 1);
}

static void probe_release(struct sp__poll_file *file)
{
    ((struct probe *)(void *)file)->released++;
}

static void probe_open(struct poller_fixture *f, struct probe *probe)
{
    int files[2];
    *probe = (struct probe){ .waiter.ready = probe_ready };
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, files), 0);
    probe->peer = files[1];
    sp__poll_file_init(&probe->file, files[0], probe_release);
    CHECK_OK(sp__poller_add(f->poller, &probe->file));
}

static void probe_close(struct poller_fixture *f, struct probe *probe)
{
    close(probe->peer);
    sp__poller_remove(f->poller, &probe->file);
    CHECK_INT(probe->released, 0);
    poll_once(f->poller, 0);
    CHECK_INT(probe->released, 1);
}

static void probe_send(struct probe *probe)
{
    CHECK_INT(write(probe->peer, "x", 1), 1);
}

/* Read as net.c does. True: something came. */
static bool probe_read(struct probe *probe, size_t size)
{
    char bytes[16];
    uint64_t seen;
    if (!sp__poll_may_try(&probe->file.in, &seen))
        return false;
    ssize_t count = recv(probe->file.fd, bytes, size, 0);
    if (count < (ssize_t)size && !(seen & SP__POLL_HUP))
        sp__poll_drained(&probe->file.in, seen);
    return count > 0;
}

static bool probe_arm(struct probe *probe)
{
    return sp__poll_arm_waiter(&probe->file.in, &probe->waiter);
}

/* ---- waiting ---- */

TEST(poller_with_nothing_to_tell_returns_none)
{
    struct poller_fixture f;
    fixture_start(&f);
    CHECK_INT(poll_once(f.poller, 0), 0);
    CHECK_INT(poll_once(f.poller, 1000), 0);
    CHECK_INT(poll_once(f.poller, 2000000), 0);
    CHECK_INT(poll_once(f.poller, -1), 0);
    fixture_stop(&f);
}

TEST(poller_interrupted_before_comes_back_at_once)
{
    struct poller_fixture f;
    fixture_start(&f);
    for (int i = 0; i < 3; i++) {
        sp__poller_interrupt(f.poller);
        sp__poller_interrupt(f.poller);
        CHECK_INT(poll_once(f.poller, INT64_MAX), 0);
        CHECK_INT(poll_once(f.poller, 0), 0); /* one for all */
    }
    fixture_stop(&f);
}

static void *interrupt_main(void *arg)
{
    sp__poller_interrupt(arg);
    return NULL;
}

TEST(poller_asleep_is_woken_by_an_interrupt)
{
    struct poller_fixture f;
    fixture_start(&f);
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        CHECK_INT(pthread_create(&thread, NULL, interrupt_main, f.poller), 0);
        CHECK_INT(poll_once(f.poller, INT64_MAX), 0);
        pthread_join(thread, NULL);
    }
    fixture_stop(&f);
}

/* ---- readiness ---- */

TEST(poller_tells_of_bytes_once)
{
    struct poller_fixture f;
    struct probe probe;
    fixture_start(&f);
    probe_open(&f, &probe);
    CHECK(!probe_read(&probe, 16)); /* known without asking */
    poll_once(f.poller, 0);         /* writable; said with the first event */
    CHECK(!probe_read(&probe, 16));
    CHECK(probe_arm(&probe));
    probe_send(&probe);
    CHECK_INT(poll_once(f.poller, INT64_MAX), 1);
    CHECK_INT(probe.fired, 1);
    CHECK(probe_read(&probe, 16)); /* short: it is empty now, and nobody has to ask */
    CHECK(!probe_read(&probe, 16));
    probe_send(&probe);
    CHECK_INT(poll_once(f.poller, INT64_MAX), 1);
    CHECK_INT(probe.fired, 1); /* not armed */
    probe_close(&f, &probe);
    fixture_stop(&f);
}

TEST(poller_event_between_attempt_and_arm_is_not_lost)
{
    struct poller_fixture f;
    struct probe probe;
    fixture_start(&f);
    probe_open(&f, &probe);
    poll_once(f.poller, 0);
    CHECK(!probe_read(&probe, 16));
    probe_send(&probe);
    CHECK_INT(poll_once(f.poller, INT64_MAX), 1);
    CHECK(!probe_arm(&probe));
    CHECK(probe_read(&probe, 16));
    CHECK(probe_arm(&probe));
    CHECK(sp__poll_disarm(&probe.file.in));
    CHECK_INT(probe.fired, 0);
    probe_close(&f, &probe);
    fixture_stop(&f);
}

TEST(poller_full_read_is_not_taken_for_the_last)
{
    struct poller_fixture f;
    struct probe probe;
    fixture_start(&f);
    probe_open(&f, &probe);
    probe_send(&probe);
    probe_send(&probe);
    poll_once(f.poller, 0);
    CHECK(probe_read(&probe, 1));
    CHECK(probe_read(&probe, 1)); /* although no event came in between */
    CHECK(!probe_read(&probe, 1));
    probe_close(&f, &probe);
    fixture_stop(&f);
}

TEST(poller_end_of_stream_is_found_behind_a_short_read)
{
    struct poller_fixture f;
    struct probe probe;
    char byte;
    uint64_t seen;
    fixture_start(&f);
    probe_open(&f, &probe);
    probe_send(&probe);
    shutdown(probe.peer, SHUT_WR); /* one event for both */
    poll_once(f.poller, 0);
    CHECK(probe_read(&probe, 16));
    CHECK(sp__poll_may_try(&probe.file.in, &seen));
    CHECK_INT(recv(probe.file.fd, &byte, 1, 0), 0);
    probe_close(&f, &probe);
    fixture_stop(&f);
}

TEST(poller_disarmed_way_does_not_fire)
{
    struct poller_fixture f;
    struct probe probe;
    fixture_start(&f);
    probe_open(&f, &probe);
    poll_once(f.poller, 0);
    CHECK(!probe_read(&probe, 16));
    CHECK(probe_arm(&probe));
    CHECK(sp__poll_disarm(&probe.file.in));
    CHECK(!sp__poll_disarm(&probe.file.in));
    CHECK(probe_arm(&probe)); /* still known to be empty */
    CHECK(sp__poll_disarm(&probe.file.in));
    probe_send(&probe);
    CHECK_INT(poll_once(f.poller, INT64_MAX), 1);
    CHECK_INT(probe.fired, 0);
    CHECK(!sp__poll_disarm(&probe.file.in));
    probe_close(&f, &probe);
    fixture_stop(&f);
}

TEST(poller_finishes_the_wait_of_an_actor)
{
    struct poller_fixture f;
    struct probe probe;
    struct sp__actor actor;
    memset(&actor, 0, sizeof(actor));
    fixture_start(&f);
    probe_open(&f, &probe);
    sp__actor_init(&actor, &f.runtime, fixture_turn, 10);
    poll_once(f.poller, 0);
    CHECK(!probe_read(&probe, 16));
    uint64_t token = sp__wait_open(&actor);
    CHECK(sp__poll_arm(&probe.file.in, &actor, token));
    CHECK(sp__actor_try_park(&actor, false));
    probe_send(&probe);
    CHECK_INT(poll_once(f.poller, INT64_MAX), 1);
    CHECK(sp__wait_done(&actor, token));
    CHECK_INT(fixture_readied, 1);
    /* One that was given up is left alone. */
    CHECK(probe_read(&probe, 16));
    token = sp__wait_open(&actor);
    CHECK(sp__poll_arm(&probe.file.in, &actor, token));
    CHECK(sp__wait_close(&actor, token));
    probe_send(&probe);
    CHECK_INT(poll_once(f.poller, INT64_MAX), 1);
    CHECK(!sp__wait_done(&actor, token));
    CHECK_INT(fixture_readied, 1);
    probe_close(&f, &probe);
    fixture_stop(&f);
}

TEST(poller_takes_many_events_in_batches)
{
    enum { COUNT = 3 * SP__POLLER_BATCH };
    static struct probe probes[COUNT];
    struct poller_fixture f;
    fixture_start(&f);
    for (int i = 0; i < COUNT; i++)
        probe_open(&f, &probes[i]);
    while (poll_once(f.poller, 0) > 0)
        continue;
    for (int i = 0; i < COUNT; i++) {
        CHECK(!probe_read(&probes[i], 16));
        CHECK(probe_arm(&probes[i]));
        probe_send(&probes[i]);
    }
    int events = 0;
    while (events < COUNT)
        events += poll_once(f.poller, INT64_MAX);
    CHECK_INT(events, COUNT);
    for (int i = 0; i < COUNT; i++) {
        CHECK_INT(probes[i].fired, 1);
        probe_close(&f, &probes[i]);
    }
    fixture_stop(&f);
}

/* ---- removal ---- */

TEST(poller_frees_what_was_removed_when_it_is_destroyed)
{
    struct poller_fixture f;
    struct probe probe;
    fixture_start(&f);
    probe_open(&f, &probe);
    close(probe.peer);
    sp__poller_remove(f.poller, &probe.file);
    CHECK_INT(probe.released, 0);
    fixture_stop(&f);
    CHECK_INT(probe.released, 1);
}

TEST(poller_forgets_a_removed_file_that_a_child_still_has)
{
    struct poller_fixture f;
    struct probe probe;
    fixture_start(&f);
    probe_open(&f, &probe);
    poll_once(f.poller, 0);
    int copy = fcntl(probe.file.fd, F_DUPFD_CLOEXEC, 0); /* as fork() would */
    sp__poller_remove(f.poller, &probe.file);
    probe_send(&probe);
    CHECK_INT(poll_once(f.poller, 0), 0);
    close(copy);
    close(probe.peer);
    fixture_stop(&f);
}

TEST(poller_asleep_is_woken_when_too_much_is_removed)
{
    static struct probe probes[SP__POLLER_DEAD_MAX + 1];
    struct poller_fixture f;
    fixture_start(&f);
    for (int i = 0; i <= SP__POLLER_DEAD_MAX; i++) {
        probe_open(&f, &probes[i]);
        close(probes[i].peer);
        sp__poller_remove(f.poller, &probes[i].file);
    }
    /* It interrupted itself, so this does not sleep for ever. */
    CHECK_INT(poll_once(f.poller, INT64_MAX), 0);
    CHECK_INT(probes[0].released, 1);
    CHECK_INT(probes[SP__POLLER_DEAD_MAX].released, 1);
    fixture_stop(&f);
}

/* ---- at the same time ---- */

struct race {
    struct poller_fixture *fixture;
    _Atomic bool over;
};

static void *race_poll(void *arg)
{
    struct race *race = arg;
    struct sp__context context;
    sp__context_init(&context, &race->fixture->runtime, SP__CONTEXT_FOREIGN, 0);
    while (!atomic_load(&race->over))
        poll_once(race->fixture->poller, INT64_MAX);
    sp__context_finish(&context);
    return NULL;
}

/* Every arm either fires once or is disarmed; no byte is left without an event. */
TEST(poller_fires_each_arm_once_whatever_happens_at_the_same_time)
{
    enum { ROUNDS = 20000 };
    struct poller_fixture f;
    struct probe probe;
    fixture_start(&f);
    struct race race = { .fixture = &f };
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, race_poll, &race), 0);
    probe_open(&f, &probe);
    int expected = 0;
    for (int i = 0; i < ROUNDS; i++) {
        while (probe_read(&probe, 16))
            continue;
        if (!probe_arm(&probe))
            continue;
        probe_send(&probe);
        if (i % 3 == 0 && sp__poll_disarm(&probe.file.in))
            continue;
        expected++;
        while (atomic_load(&probe.fired) != expected)
            sp__cpu_relax();
    }
    CHECK_INT(atomic_load(&probe.fired), expected);
    CHECK(expected > 0);
    atomic_store(&race.over, true);
    sp__poller_interrupt(f.poller);
    pthread_join(thread, NULL);
    probe_close(&f, &probe);
    fixture_stop(&f);
}

TEST(spinning_finds_events_and_ends_with_the_time)
{
    struct poller_fixture f;
    struct probe probe;
    fixture_start_spinning(&f, sp_us(50));
    probe_open(&f, &probe);
    for (int i = 0; i < 1000; i++) {
        /* Alternately of use and in vain: it spins, rests, and spins again. */
        CHECK_INT(poll_once(f.poller, 1000), i == 0 ? 1 : 0); /* writable; said with the first */
        CHECK_INT(poll_once(f.poller, 100000), 0);
        while (probe_read(&probe, 16))
            continue;
        CHECK(probe_arm(&probe));
        probe_send(&probe);
        CHECK_INT(poll_once(f.poller, INT64_MAX), 1);
    }
    CHECK_INT(atomic_load(&probe.fired), 1000);
    probe_close(&f, &probe);
    fixture_stop(&f);
}

TEST(spinning_is_interrupted)
{
    struct poller_fixture f;
    fixture_start_spinning(&f, sp_ms(1));
    struct race race = { .fixture = &f };
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, race_poll, &race), 0);
    for (int i = 0; i < 1000; i++)
        sp__poller_interrupt(f.poller);
    atomic_store(&race.over, true);
    sp__poller_interrupt(f.poller);
    pthread_join(thread, NULL);
    fixture_stop(&f);
}
