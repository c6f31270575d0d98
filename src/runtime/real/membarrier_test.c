/* The barrier that one side pays for both: neither may miss the other (Dekker's pattern). */
#include "runtime/real/membarrier.h"

#include "base/atomic.h"
#include "support/test.h"

#include <pthread.h>
#include <sched.h>

struct duel {
    SP__CACHE_ALIGNED _Atomic int light; /* written by the side that only orders its compiler */
    SP__CACHE_ALIGNED _Atomic int heavy; /* written by the side that asks for the barrier */
    SP__CACHE_ALIGNED _Atomic long round;
    SP__CACHE_ALIGNED _Atomic long done;
    int light_saw; /* of heavy; handed over by `done` */
    long rounds;
};

/* Mostly spins, because both sides shall run at once; yields where there is one core only. */
static void duel_wait(_Atomic long *counter, long round)
{
    /* acquire: pairs with the release of the other side, and hands over what it wrote. */
    for (int spins = 1; atomic_load_explicit(counter, memory_order_acquire) != round; spins++) {
        if (spins % 256 == 0)
            sched_yield();
        sp__cpu_relax();
    }
}

/* relaxed throughout, but for the hand-over of rounds: the barriers are what is tested. */
static void *light_side(void *arg)
{
    struct duel *duel = arg;
    for (long round = 1; round <= duel->rounds; round++) {
        duel_wait(&duel->round, round);
        atomic_store_explicit(&duel->light, 1, memory_order_relaxed);
        sp__fence_light();
        duel->light_saw = atomic_load_explicit(&duel->heavy, memory_order_relaxed);
        atomic_store_explicit(&duel->done, round, memory_order_release);
    }
    return NULL;
}

TEST(membarrier_makes_one_of_the_two_see_the_other)
{
    static struct duel duel;
    pthread_t thread;
    if (!sp__membarrier_available())
        SKIP("the kernel has no membarrier()");
    duel.rounds = sp_test_slow() ? 5000 : 50000;
    CHECK_INT(pthread_create(&thread, NULL, light_side, &duel), 0);
    for (long round = 1; round <= duel.rounds; round++) {
        atomic_store_explicit(&duel.light, 0, memory_order_relaxed);
        atomic_store_explicit(&duel.heavy, 0, memory_order_relaxed);
        atomic_store_explicit(&duel.round, round, memory_order_release);
        for (long i = 0; i < round % 64; i++)
            sp__cpu_relax();
        atomic_store_explicit(&duel.heavy, 1, memory_order_relaxed);
        sp__membarrier();
        int heavy_saw = atomic_load_explicit(&duel.light, memory_order_relaxed);
        duel_wait(&duel.done, round);
        CHECK(heavy_saw == 1 || duel.light_saw == 1);
    }
    CHECK_INT(pthread_join(thread, NULL), 0);
}

TEST(membarrier_can_be_announced_twice)
{
    bool first = sp__membarrier_available();
    CHECK_INT(sp__membarrier_available(), first);
}
