/* Tests of the system's clocks and random source. */
#include "runtime/real/clock.h"

#include "support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* The latest instant any thread has seen: nobody may read an earlier one afterwards. */
static _Atomic int64_t clock_latest;

static void *clock_race(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200000; i++) {
        /* seq_cst on both: the value was read before the clock is. */
        int64_t seen = atomic_load(&clock_latest);
        int64_t now = sp__clock_monotonic_ns();
        CHECK(now >= seen);
        while (seen < now && !atomic_compare_exchange_weak(&clock_latest, &seen, now))
            continue;
    }
    return NULL;
}

TEST(clock_monotonic_on_several_threads_never_goes_back)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, clock_race, NULL), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
}

TEST(clock_wall_is_the_systems)
{
    int64_t before = (int64_t)time(NULL);
    int64_t wall = sp__clock_wall_ns() / 1000000000;
    int64_t after = (int64_t)time(NULL);
    /* time() may lag behind by a tick. */
    CHECK(wall >= before - 1 && wall <= after + 1);
}

TEST(entropy_of_any_size_fills_all_and_differs)
{
    static unsigned char a[100000];
    static unsigned char b[sizeof a];
    CHECK_OK(sp__entropy(a, sizeof a));
    CHECK_OK(sp__entropy(b, sizeof b));
    CHECK(memcmp(a, b, sizeof a) != 0);
    unsigned zeros = 0;
    for (size_t i = 0; i < sizeof a; i++)
        zeros += a[i] == 0;
    CHECK(zeros < sizeof a / 64); /* about 1 in 256 */
}

TEST(entropy_of_no_bytes_writes_nothing)
{
    unsigned char byte = 7;
    CHECK_OK(sp__entropy(&byte, 0));
    CHECK_INT(byte, 7);
}
