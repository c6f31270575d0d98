/* What the compiler's instrumentation calls: -fsanitize=thread, without the sanitizer's library.
 *
 * Outside of a model's threads (setup, final, the tests) everything happens as it stands.
 */
#include "run.h"

/* ---- plain accesses ---- */

static void hooks_plain(void *at, size_t size, bool write)
{
    race_plain(at, size, write);
}

#define HOOKS_PLAIN(name, size, write) \
    void __tsan_##name(void *at);      \
    void __tsan_##name(void *at)       \
    {                                  \
        hooks_plain(at, size, write);  \
    }
#define HOOKS_SIZE(size)                           \
    HOOKS_PLAIN(read##size, size, false)           \
    HOOKS_PLAIN(write##size, size, true)           \
    HOOKS_PLAIN(unaligned_read##size, size, false) \
    HOOKS_PLAIN(unaligned_write##size, size, true) \
    HOOKS_PLAIN(volatile_read##size, size, false)  \
    HOOKS_PLAIN(volatile_write##size, size, true)
HOOKS_SIZE(1)
HOOKS_SIZE(2)
HOOKS_SIZE(4)
HOOKS_SIZE(8)
HOOKS_SIZE(16)

void __tsan_init(void);
void __tsan_init(void)
{
}
void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
    (void)caller;
}
void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}
void __tsan_read_range(void *at, size_t size);
void __tsan_read_range(void *at, size_t size)
{
    hooks_plain(at, size, false);
}
void __tsan_write_range(void *at, size_t size);
void __tsan_write_range(void *at, size_t size)
{
    hooks_plain(at, size, true);
}

/* ---- atomic operations ---- */

static uint64_t hooks_request(struct request request)
{
    return run_request(&request);
}

/* True: swapped. `*expected` gets what was found. */
static bool hooks_compare(struct request request, uint64_t *expected)
{
    request.kind = REQUEST_COMPARE;
    request.expected = *expected;
    *expected = run_request(&request);
    return request.success;
}

#define HOOKS_UPDATE(bits, name, what)                                                             \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *at, uint##bits##_t value, \
                                                int order);                                        \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *at, uint##bits##_t value, \
                                                int order)                                         \
    {                                                                                              \
        return (uint##bits##_t)hooks_request((struct request){ .kind = REQUEST_UPDATE,             \
                                                               .op = what,                         \
                                                               .order = order,                     \
                                                               .size = bits / 8,                   \
                                                               .at = (void *)(uintptr_t)at,        \
                                                               .operand = value });                \
    }

#define HOOKS_COMPARE(bits, name)                                                           \
    int __tsan_atomic##bits##_##name(volatile uint##bits##_t *at, uint##bits##_t *expected, \
                                     uint##bits##_t value, int order, int fail);            \
    int __tsan_atomic##bits##_##name(volatile uint##bits##_t *at, uint##bits##_t *expected, \
                                     uint##bits##_t value, int order, int fail)             \
    {                                                                                       \
        uint64_t found = *expected;                                                         \
        bool done = hooks_compare((struct request){ .order = order,                         \
                                                    .fail_order = fail,                     \
                                                    .size = bits / 8,                       \
                                                    .at = (void *)(uintptr_t)at,            \
                                                    .operand = value },                     \
                                  &found);                                                  \
        *expected = (uint##bits##_t)found;                                                  \
        return done;                                                                        \
    }

/* clang's form of a swap tells no weak one from a strong one: the shim does. */
#define HOOKS_ATOMIC(bits)                                                                         \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at, int order);       \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at, int order)        \
    {                                                                                              \
        return (uint##bits##_t)hooks_request((struct request){ .kind = REQUEST_LOAD,               \
                                                               .order = order,                     \
                                                               .size = bits / 8,                   \
                                                               .at = (void *)(uintptr_t)at });     \
    }                                                                                              \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *at, uint##bits##_t value,            \
                                     int order);                                                   \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *at, uint##bits##_t value, int order) \
    {                                                                                              \
        hooks_request((struct request){ .kind = REQUEST_STORE,                                     \
                                        .order = order,                                            \
                                        .size = bits / 8,                                          \
                                        .at = (void *)(uintptr_t)at,                               \
                                        .operand = value });                                       \
    }                                                                                              \
    HOOKS_UPDATE(bits, exchange, UPDATE_EXCHANGE)                                                  \
    HOOKS_UPDATE(bits, fetch_add, UPDATE_ADD)                                                      \
    HOOKS_UPDATE(bits, fetch_sub, UPDATE_SUB)                                                      \
    HOOKS_UPDATE(bits, fetch_and, UPDATE_AND)                                                      \
    HOOKS_UPDATE(bits, fetch_or, UPDATE_OR)                                                        \
    HOOKS_UPDATE(bits, fetch_xor, UPDATE_XOR)                                                      \
    HOOKS_COMPARE(bits, compare_exchange_strong)                                                   \
    HOOKS_COMPARE(bits, compare_exchange_weak)                                                     \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                     \
        volatile uint##bits##_t *at, uint##bits##_t expected, uint##bits##_t value, int order,     \
        int fail);                                                                                 \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                     \
        volatile uint##bits##_t *at, uint##bits##_t expected, uint##bits##_t value, int order,     \
        int fail)                                                                                  \
    {                                                                                              \
        uint64_t found = expected;                                                                 \
        hooks_compare((struct request){ .order = order,                                            \
                                        .fail_order = fail,                                        \
                                        .size = bits / 8,                                          \
                                        .at = (void *)(uintptr_t)at,                               \
                                        .operand = value },                                        \
                      &found);                                                                     \
        return (uint##bits##_t)found;                                                              \
    }
HOOKS_ATOMIC(8)
HOOKS_ATOMIC(16)
HOOKS_ATOMIC(32)
HOOKS_ATOMIC(64)

static void hooks_fence(int order)
{
    if (model_run.current != 0)
        hooks_request((struct request){ .kind = REQUEST_FENCE, .order = order });
}

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
    hooks_fence(order);
}
void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
    (void)order;
    hooks_fence(ORDER_LIGHT);
}

void model_membarrier(void)
{
    model_site(__FILE__, __LINE__, __func__, "fence", "membarrier");
    hooks_fence(ORDER_HEAVY);
}

void model_wait(void)
{
    hooks_request((struct request){ .kind = REQUEST_WAIT });
}

void model_sleep(void)
{
    hooks_request((struct request){ .kind = REQUEST_SLEEP });
}
