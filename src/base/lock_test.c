/* The lock: exclusion under contention, try, and waking sleepers. */
#include "base/lock.h"

#include "support/test.h"

#include <pthread.h>
#include <sched.h>

struct shared {
    struct sp__lock lock;
    long plain SP__GUARDED_BY(lock);
    long rounds;
    _Atomic int inside;
};

static void *lock_count(void *arg)
{
    struct shared *s = arg;
    for (long i = 0; i < s->rounds; i++) {
        sp__lock_lock(&s->lock);
        CHECK_INT(atomic_fetch_add_explicit(&s->inside, 1, memory_order_relaxed), 0);
        s->plain++;
        atomic_fetch_sub_explicit(&s->inside, 1, memory_order_relaxed);
        sp__lock_unlock(&s->lock);
    }
    return NULL;
}

static void *lock_count_trying(void *arg)
{
    struct shared *s = arg;
    for (long i = 0; i < s->rounds; i++) {
        while (!sp__lock_try(&s->lock))
            sched_yield();
        s->plain++;
        sp__lock_unlock(&s->lock);
    }
    return NULL;
}

TEST(lock_with_many_threads_excludes)
{
    enum { THREADS = 8 };
    static struct shared s;
    pthread_t threads[THREADS];
    s.rounds = sp_test_slow() ? 5000 : 50000;
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, i == 0 ? lock_count_trying : lock_count, &s),
                  0);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(s.plain, THREADS * s.rounds);
    CHECK_INT(atomic_load_explicit(&s.lock.state, memory_order_relaxed), 0);
}

/* The analysis refuses to take what is held, which is what the next case is about. */
static bool lock_try_unanalysed(struct sp__lock *lock) SP__NO_THREAD_SAFETY
{
    return sp__lock_try(lock);
}

static void lock_unlock_unanalysed(struct sp__lock *lock) SP__NO_THREAD_SAFETY
{
    sp__lock_unlock(lock);
}

TEST(lock_try_when_held_fails_and_when_free_takes)
{
    struct sp__lock lock;
    sp__lock_init(&lock);
    CHECK_INT(sizeof(lock), 4);
    CHECK(lock_try_unanalysed(&lock));
    CHECK(!lock_try_unanalysed(&lock));
    lock_unlock_unanalysed(&lock);
    sp__lock_lock(&lock);
    CHECK(!lock_try_unanalysed(&lock));
    sp__lock_unlock(&lock);
    CHECK(lock_try_unanalysed(&lock));
    lock_unlock_unanalysed(&lock);
}

static void *lock_pass(void *arg)
{
    struct shared *s = arg;
    sp__lock_lock(&s->lock);
    s->plain++;
    sp__lock_unlock(&s->lock);
    return NULL;
}

/* State 2 says that somebody went to sleep; each of them must be woken in turn. */
TEST(lock_unlock_when_others_sleep_wakes_all_of_them)
{
    enum { THREADS = 4 };
    static struct shared s;
    pthread_t threads[THREADS];
    sp__lock_lock(&s.lock);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, lock_pass, &s), 0);
    while (atomic_load_explicit(&s.lock.state, memory_order_relaxed) != 2)
        sched_yield();
    sp__lock_unlock(&s.lock);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(s.plain, THREADS);
}
