/* base/lock.h and lock_linux.c: one holder at a time, each sees what the one before did, and
 * nobody sleeps on a free lock. The kernel's part is the checker's futex.
 */
#include "base/lock.h"

#include "model.h"

#include "runtime/real/futex.h"
#include "support/test.h"

#include <linux/futex.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    struct sp__lock lock;
    int guarded;
} state;

/* The only system calls of lock_linux.c. */
long syscall(long number, ...)
{
    va_list arguments;
    va_start(arguments, number);
    _Atomic uint32_t *word = va_arg(arguments, _Atomic uint32_t *);
    int operation = va_arg(arguments, int);
    int value = va_arg(arguments, int);
    va_end(arguments);
    MODEL_ASSERT(number == SYS_futex);
    if (operation == FUTEX_WAIT_PRIVATE)
        sp__futex_wait(word, (uint32_t)value, INT64_MAX);
    else
        sp__futex_wake(word, value);
    return 0;
}

static void hold(void)
{
    sp__lock_lock(&state.lock);
    state.guarded++;
    sp__lock_unlock(&state.lock);
}

static void hold_twice(void)
{
    hold();
    hold();
}

static void try_it(void)
{
    if (!sp__lock_try(&state.lock))
        return;
    state.guarded += 10;
    sp__lock_unlock(&state.lock);
}

static void lock_final(void)
{
    MODEL_ASSERT(!model_sleeps(1) && !model_sleeps(2) && !model_sleeps(3));
    MODEL_ASSERT(atomic_load_explicit(&state.lock.state, memory_order_relaxed) == 0);
}

#define LOCK_MODEL(what, a, b, c)                                                           \
    {                                                                                       \
        .name = what, .state = &state, .state_size = sizeof(state), .threads = { a, b, c }, \
        .thread_names = { "first", "second", "third" }, .final = lock_final,                \
    }

static const struct model two = LOCK_MODEL("lock, two threads", hold, hold, NULL);
static const struct model three = LOCK_MODEL("lock, three threads", hold, hold, hold);
static const struct model again = LOCK_MODEL("lock, taken twice", hold_twice, hold, NULL);
static const struct model tries = LOCK_MODEL("lock, tried", hold, try_it, hold);

TEST(a_lock_has_one_holder_and_nobody_sleeps_on_a_free_one)
{
    model_must_hold(&two);
    model_must_hold(&again);
    model_must_hold(&tries);
    model_must_hold(&three);
}

TEST(each_order_is_needed)
{
    static const struct model *const models[] = { &two, &again, &tries, NULL };
    static const char *const files[] = { "lock.h", "lock_linux.c", NULL };
    model_weaken_each(&(struct model_part){ .models = models, .files = files });
}
