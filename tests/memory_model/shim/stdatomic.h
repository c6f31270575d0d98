/* <stdatomic.h> for code under the model checker: the same operations, each says first where in
 * the source it stands. The compiler's instrumentation hands the operation itself to hooks.c.
 *
 * The order of evaluation matters: operands may hold operations of their own. */
#ifndef SP_TEST_MEMORY_MODEL_STDATOMIC_H
#define SP_TEST_MEMORY_MODEL_STDATOMIC_H

#include_next <stdatomic.h>

void model_site(const char *file, int line, const char *function, const char *operation,
                const char *operand);

#define MODEL_AT(operation, operand) model_site(__FILE__, __LINE__, __func__, operation, operand)

#undef atomic_init
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_and_explicit
#undef atomic_fetch_or_explicit
#undef atomic_thread_fence
#undef atomic_signal_fence

#ifdef __clang__
#define MODEL_LOAD(at, order) __c11_atomic_load(at, order)
#define MODEL_STORE(at, value, order) __c11_atomic_store(at, value, order)
#define MODEL_EXCHANGE(at, value, order) __c11_atomic_exchange(at, value, order)
#define MODEL_STRONG(at, expected, value, order, fail) \
    __c11_atomic_compare_exchange_strong(at, expected, value, order, fail)
#define MODEL_WEAK(at, expected, value, order, fail) \
    __c11_atomic_compare_exchange_weak(at, expected, value, order, fail)
#define MODEL_FETCH(what, at, value, order) __c11_atomic_fetch_##what(at, value, order)
#else
#define MODEL_LOAD(at, order) __atomic_load_n(at, order)
#define MODEL_STORE(at, value, order) __atomic_store_n(at, value, order)
#define MODEL_EXCHANGE(at, value, order) __atomic_exchange_n(at, value, order)
#define MODEL_STRONG(at, expected, value, order, fail) \
    __atomic_compare_exchange_n(at, expected, value, 0, order, fail)
#define MODEL_WEAK(at, expected, value, order, fail) \
    __atomic_compare_exchange_n(at, expected, value, 1, order, fail)
#define MODEL_FETCH(what, at, value, order) __atomic_fetch_##what(at, value, order)
#endif

#define atomic_load_explicit(at, order) \
    ({                                  \
        MODEL_AT("load", #at);          \
        MODEL_LOAD(at, order);          \
    })
#define atomic_store_explicit(at, value, order) \
    ({                                          \
        __auto_type model_value_ = (value);     \
        MODEL_AT("store", #at);                 \
        MODEL_STORE(at, model_value_, order);   \
    })
#define atomic_init(at, value) atomic_store_explicit(at, value, memory_order_relaxed)
#define atomic_exchange_explicit(at, value, order) \
    ({                                             \
        __auto_type model_value_ = (value);        \
        MODEL_AT("exchange", #at);                 \
        MODEL_EXCHANGE(at, model_value_, order);   \
    })
#define atomic_compare_exchange_strong_explicit(at, expected, value, order, fail) \
    ({                                                                            \
        __auto_type model_value_ = (value);                                       \
        MODEL_AT("compare_exchange_strong", #at);                                 \
        MODEL_STRONG(at, expected, model_value_, order, fail);                    \
    })
#define atomic_compare_exchange_weak_explicit(at, expected, value, order, fail) \
    ({                                                                          \
        __auto_type model_value_ = (value);                                     \
        MODEL_AT("compare_exchange_weak", #at);                                 \
        MODEL_WEAK(at, expected, model_value_, order, fail);                    \
    })
#define MODEL_FETCH_AT(what, at, value, order)      \
    ({                                              \
        __auto_type model_value_ = (value);         \
        MODEL_AT(#what, #at);                       \
        MODEL_FETCH(what, at, model_value_, order); \
    })
#define atomic_fetch_add_explicit(at, value, order) MODEL_FETCH_AT(add, at, value, order)
#define atomic_fetch_sub_explicit(at, value, order) MODEL_FETCH_AT(sub, at, value, order)
#define atomic_fetch_and_explicit(at, value, order) MODEL_FETCH_AT(and, at, value, order)
#define atomic_fetch_or_explicit(at, value, order) MODEL_FETCH_AT(or, at, value, order)
#define atomic_thread_fence(order)    \
    ({                                \
        MODEL_AT("fence", "");        \
        __atomic_thread_fence(order); \
    })
#define atomic_signal_fence(order)    \
    ({                                \
        MODEL_AT("light fence", "");  \
        __atomic_signal_fence(order); \
    })

#endif
