/* Tests of runtime/fiber: going on after a fault, and traces of suspended fibers. */
#include "runtime/fiber.h"

#include "runtime/fiber_hooks.h"
#include "support/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_DISABLE_ERROR_REPORTING (void)0
#define VALGRIND_ENABLE_ERROR_REPORTING (void)0
#endif

#define NOINLINE __attribute__((noinline))
/* These do on purpose what the sanitizers would stop. */
#define WRONG NOINLINE __attribute__((no_sanitize("address", "thread", "undefined")))

/* Only the assembly has it: how a test tells which switch is linked. */
extern void sp__fiber_context_start(void) __attribute__((weak));

/* A thread that runs one fiber at a time and survives what it does. */
struct ward {
    struct sp__fiber_pool *pool;
    struct sp__fiber_cache cache;
    struct sp__fiber *home;
    struct sp__fiber *patient; /* runs what may fault */
    struct sp__fiber *nurse;   /* fresh, for the handler to switch to */
    char *signal_stack;
    int signo;
    void *addr;
    bool overflow;
    long value;
    void *callers[3]; /* return addresses that a trace must contain, innermost first */
};

static _Thread_local struct ward *ward_of_thread;

/* The value, not its address, is read after each switch. */
static NOINLINE struct ward *ward_here(void)
{
    return ward_of_thread;
}

static void ward_on_signal(int signo, siginfo_t *info, void *ucontext)
{
    struct ward *ward = ward_here();
    ward->signo = signo;
    ward->addr = info->si_addr;
    ward->overflow = sp__fiber_guard_hit(ward->patient, info->si_addr);
    sp__fiber_switch_from_signal(ward->patient, ward->nurse, ucontext);
}

static void nurse_main(void *arg)
{
    struct ward *ward = arg;
    ward->value = ward->value * 10 + 7;
    sp__fiber_switch(ward->nurse, ward->home);
    abort();
}

#define SIGNAL_STACK ((size_t)256 << 10)

static void ward_open(struct ward *ward)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    VALGRIND_DISABLE_ERROR_REPORTING;
    CHECK_OK(sp__fiber_pool_create(NULL, &ward->pool));
    sp__fiber_cache_init(&ward->cache, ward->pool);
    ward->home = sp__fiber_adopt();
    ward->signal_stack = malloc(SIGNAL_STACK);
    CHECK(ward->home && ward->signal_stack);
    ward_of_thread = ward;
    const stack_t stack = { .ss_sp = ward->signal_stack, .ss_size = SIGNAL_STACK };
    CHECK_INT(sigaltstack(&stack, NULL), 0);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
        action.sa_sigaction = ward_on_signal;
        CHECK_INT(sigaction(signals[i], &action, NULL), 0);
    }
}

static void ward_close(struct ward *ward)
{
    struct sp__fiber_pool_stats stats;
    const stack_t none = { .ss_flags = SS_DISABLE };
    CHECK_INT(sigaltstack(&none, NULL), 0);
    free(ward->signal_stack);
    sp__fiber_cache_finish(&ward->cache);
    sp__fiber_pool_read(ward->pool, &stats);
    CHECK_INT(stats.out, 0);
    sp__fiber_release(ward->home);
    sp__fiber_pool_destroy(ward->pool);
    VALGRIND_ENABLE_ERROR_REPORTING;
}

/* Runs `fn` on a fiber, which it must end by a fault. Both fibers are to be put back. */
static void ward_run(struct ward *ward, sp__fiber_fn fn)
{
    ward->signo = 0;
    ward->value = 0;
    ward->patient = sp__fiber_cache_get(&ward->cache, fn, ward);
    ward->nurse = sp__fiber_cache_get(&ward->cache, nurse_main, ward);
    CHECK(ward->patient && ward->nurse);
    sp__fiber_switch(ward->home, ward->patient);
    CHECK_INT(ward->value, 17);
}

static void ward_clear(struct ward *ward)
{
    sp__fiber_cache_put(&ward->cache, ward->patient);
    sp__fiber_cache_put(&ward->cache, ward->nurse);
}

/* ---- faults ----------------------------------------------------------------------- */

static int *volatile nowhere = (int *)64;
static void (*volatile no_function)(void);
static volatile int sink;

WRONG static void write_nowhere(void *arg)
{
    ((struct ward *)arg)->value = 1;
    *nowhere = 1;
    abort();
}

WRONG static int recurse(int depth)
{
    volatile char frame[300];
    frame[depth % 300] = (char)depth;
    int below = depth < 0 ? 0 : recurse(depth + 1);
    return below + frame[depth % 300];
}

WRONG static void overflow(void *arg)
{
    ((struct ward *)arg)->value = 1;
    sink = recurse(0);
    abort();
}

static void call_abort(void *arg)
{
    ((struct ward *)arg)->value = 1;
    abort();
}

TEST(fiber_fault_by_a_bad_address_goes_on_in_another)
{
    struct ward ward = { 0 };
    ward_open(&ward);
    ward_run(&ward, write_nowhere);
    CHECK_INT(ward.signo, SIGSEGV);
    CHECK_PTR(ward.addr, (void *)64);
    CHECK(!ward.overflow);
    ward_clear(&ward);
    ward_close(&ward);
}

TEST(fiber_fault_by_stack_overflow_hits_the_guard)
{
    struct ward ward = { 0 };
    void *low = NULL;
    void *high = NULL;
    ward_open(&ward);
    ward_run(&ward, overflow);
    CHECK_INT(ward.signo, SIGSEGV);
    CHECK(ward.overflow);
    CHECK(!sp__fiber_contains(ward.patient, ward.addr));
    sp__fiber_stack_bounds(ward.patient, &low, &high);
    CHECK_INT(sp__fiber_stack_high_water(ward.patient), (char *)high - (char *)low);
    ward_clear(&ward);
    ward_close(&ward);
}

TEST(fiber_fault_by_abort_goes_on_in_another)
{
    struct ward ward = { 0 };
    ward_open(&ward);
    for (int i = 0; i < 3; i++) {
        ward_run(&ward, call_abort);
        CHECK_INT(ward.signo, SIGABRT);
        ward_clear(&ward);
    }
    sigset_t mask;
    CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    CHECK_INT(sigismember(&mask, SIGABRT), 0);
    CHECK_INT(sigismember(&mask, SIGSEGV), 0);
    ward_close(&ward);
}

TEST(fiber_take_interrupted_gives_each_of_a_chain_once)
{
    struct ward ward = { 0 };
    ward_open(&ward);
    ward_run(&ward, write_nowhere);
    CHECK_INT(sp__fiber_interrupted_depth(ward.nurse, 8), 1);
    CHECK_INT(sp__fiber_interrupted_depth(ward.nurse, 0), 0);
    CHECK_INT(sp__fiber_interrupted_depth(ward.patient, 8), 0);
    CHECK_PTR(sp__fiber_take_interrupted(ward.nurse), ward.patient);
    CHECK_PTR(sp__fiber_take_interrupted(ward.nurse), NULL);
    ward_clear(&ward);

    /* One that was not asked forgets with its next use. */
    ward_run(&ward, write_nowhere);
    ward_clear(&ward);
    ward_run(&ward, write_nowhere);
    CHECK_INT(sp__fiber_interrupted_depth(ward.nurse, 8), 1);
    CHECK_PTR(sp__fiber_take_interrupted(ward.patient), NULL);
    ward_clear(&ward);
    ward_close(&ward);
}

TEST(fiber_faults_many_times_leave_nothing_behind)
{
    int times = sp_test_slow() ? 500 : 20000;
    struct ward ward = { 0 };
    ward_open(&ward);
    for (int i = 0; i < times; i++) {
        ward_run(&ward, i % 4 ? write_nowhere : overflow);
        CHECK_INT(ward.overflow, i % 4 == 0);
        ward_clear(&ward);
    }
    ward_close(&ward);
}

static void *ward_thread(void *arg)
{
    struct ward ward = { 0 };
    (void)arg;
    ward_open(&ward);
    for (int i = 0; i < 200; i++) {
        ward_run(&ward, i % 2 ? write_nowhere : overflow);
        ward_clear(&ward);
    }
    ward_close(&ward);
    return NULL;
}

TEST(fiber_faults_on_several_threads_at_once)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, ward_thread, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
}

#if defined(__x86_64__)
/* Faults while the direction flag is set, x87 registers are full and modes are odd. */
WRONG static void fault_in_odd_state(void *arg)
{
    ((struct ward *)arg)->value = 1;
    unsigned mxcsr = 0x7f80;
    unsigned short fpucw = 0xf7f;
    __asm__ volatile("ldmxcsr %0\n\tfldcw %1\n\tfld1\n\tfld1\n\tfld1\n\tfld1\n\tfld1\n\tfld1\n\t"
                     "fld1\n\tfld1\n\tstd\n\tmovl $1, 64"
                     :
                     : "m"(mxcsr), "m"(fpucw)
                     : "memory", "cc");
    abort();
}

static void odd_state_nurse(void *arg)
{
    struct ward *ward = arg;
    unsigned mxcsr = 0;
    unsigned short fpucw = 0;
    unsigned long flags = 0;
    volatile long double one = 1; /* a full x87 stack would make a NaN of the sum */
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1\n\tpushfq\n\tpopq %2"
                     : "=m"(mxcsr), "=m"(fpucw), "=r"(flags));
    CHECK_INT(mxcsr & 0xff80, 0x1f80);
    CHECK_INT(fpucw, 0x37f);
    CHECK_INT(flags & 0x400, 0);
    CHECK_INT((long)(one + one), 2);
    nurse_main(ward);
}

TEST(fiber_fault_in_odd_processor_state_starts_clean)
{
    if (!sp__fiber_context_start)
        SKIP("ucontext leaves it to the C library");
    struct ward ward = { 0 };
    ward_open(&ward);
    ward.patient = sp__fiber_cache_get(&ward.cache, fault_in_odd_state, &ward);
    ward.nurse = sp__fiber_cache_get(&ward.cache, odd_state_nurse, &ward);
    sp__fiber_switch(ward.home, ward.patient);
    CHECK_INT(ward.value, 17);
    ward_clear(&ward);
    ward_close(&ward);
}
#endif

/* ---- traces ----------------------------------------------------------------------- */

/* Three frames whose return addresses are known; the innermost does `what`. */
static NOINLINE void trace_inner(struct ward *ward, void (*what)(struct ward *))
{
    ward->callers[0] = __builtin_return_address(0);
    what(ward);
    sink++;
}

static NOINLINE void trace_middle(struct ward *ward, void (*what)(struct ward *))
{
    ward->callers[1] = __builtin_return_address(0);
    trace_inner(ward, what);
    sink++;
}

static NOINLINE void trace_outer(struct ward *ward, void (*what)(struct ward *))
{
    ward->callers[2] = __builtin_return_address(0);
    trace_middle(ward, what);
    sink++;
}

static void trace_check(const struct ward *ward, void *const *pcs, int n)
{
    size_t found = 0;
    for (int i = 0; i < n && found < 3; i++)
        found += pcs[i] == ward->callers[found];
    CHECK_INT(found, 3);
}

static void trace_switch(struct ward *ward)
{
    sp__fiber_switch(ward->patient, ward->home);
    sink++;
}

static void trace_suspended(void *arg)
{
    trace_outer(arg, trace_switch);
    abort();
}

TEST(fiber_backtrace_of_a_suspended_one_names_its_callers)
{
    struct ward ward = { 0 };
    void *pcs[32];
    ward_open(&ward);
    ward.patient = sp__fiber_cache_get(&ward.cache, trace_suspended, &ward);
    int fresh = sp__fiber_backtrace(ward.patient, pcs, 32);
    CHECK(fresh <= 1);
    sp__fiber_switch(ward.home, ward.patient);
    int n = sp__fiber_backtrace(ward.patient, pcs, 32);
    CHECK(n >= 5 && n < 12);
    trace_check(&ward, pcs, n);
    CHECK_INT(sp__fiber_backtrace(ward.patient, pcs, 2), 2);
    CHECK_INT(sp__fiber_backtrace(ward.patient, pcs, 0), 0);
    sp__fiber_cache_put(&ward.cache, ward.patient);
    ward_close(&ward);
}

WRONG static void trace_write_nowhere(struct ward *ward)
{
    ward->value = 1;
    *nowhere = 1;
    sink = recurse(-1);
}

WRONG static void trace_call_null(struct ward *ward)
{
    ward->value = 1;
    no_function();
    sink++;
}

static void trace_fault(void *arg)
{
    trace_outer(arg, trace_write_nowhere);
    abort();
}

static void trace_null(void *arg)
{
    trace_outer(arg, trace_call_null);
    abort();
}

TEST(fiber_backtrace_of_a_faulted_one_names_its_callers)
{
    struct ward ward = { 0 };
    void *pcs[32];
    ward_open(&ward);
    ward_run(&ward, trace_fault);
    trace_check(&ward, pcs, sp__fiber_backtrace(ward.patient, pcs, 32));
    ward_clear(&ward);
    ward_close(&ward);
}

TEST(fiber_backtrace_of_a_call_through_null_begins_with_the_caller)
{
    struct ward ward = { 0 };
    void *pcs[32];
    ward_open(&ward);
    ward_run(&ward, trace_null);
    CHECK_PTR(ward.addr, NULL);
    int n = sp__fiber_backtrace(ward.patient, pcs, 32);
    CHECK(n >= 4);
    uintptr_t into = (uintptr_t)pcs[0] - (uintptr_t)trace_call_null;
    CHECK(into > 0 && into < 4096);
    trace_check(&ward, pcs, n);
    ward_clear(&ward);
    ward_close(&ward);
}

/* Faults with this frame pointer: code compiled without keeps there what it likes. */
WRONG static void fault_with_frame(struct ward *ward, uintptr_t fp)
{
    ward->value = 1;
#if defined(__x86_64__)
    __asm__ volatile("movq %0, %%rbp\n\tmovl $1, 64" : : "r"(fp) : "memory");
#elif defined(__aarch64__)
    __asm__ volatile("mov x29, %0\n\tmov x9, #64\n\tstr x9, [x9]" : : "r"(fp) : "x9", "memory");
#else
    sink = fp != 0;
    *nowhere = 1;
#endif
    abort();
}

WRONG static void fault_frame_nowhere(void *arg)
{
    fault_with_frame(arg, 0xdeadbeef00);
}

/* The return address would lie beyond the stack, in the next one's guard. */
WRONG static void fault_frame_at_the_top(void *arg)
{
    struct ward *ward = arg;
    void *low = NULL;
    void *high = NULL;
    sp__fiber_stack_bounds(ward->patient, &low, &high);
    fault_with_frame(ward, (uintptr_t)high - sizeof(uintptr_t));
}

WRONG static void fault_frame_in_a_circle(void *arg)
{
    volatile uintptr_t link[2];
    link[0] = (uintptr_t)link;
    link[1] = 0x1234;
    fault_with_frame(arg, link[0]);
}

static int trace_length(sp__fiber_fn fn)
{
    struct ward ward = { 0 };
    void *pcs[32];
    ward_open(&ward);
    ward_run(&ward, fn);
    int n = sp__fiber_backtrace(ward.patient, pcs, 32);
    ward_clear(&ward);
    ward_close(&ward);
    return n;
}

TEST(fiber_backtrace_with_a_wild_frame_pointer_ends_early)
{
#if defined(__x86_64__) || defined(__aarch64__)
    CHECK_INT(trace_length(fault_frame_nowhere), 1);
    CHECK_INT(trace_length(fault_frame_at_the_top), 1);
    CHECK_INT(trace_length(fault_frame_in_a_circle), 2);
#else
    SKIP("written in assembly for two machines");
#endif
}

/* The C library's unwinder, by the tables in the assembly. */
struct unwound {
    int frames;
    uintptr_t last;
};

static _Unwind_Reason_Code unwound_step(struct _Unwind_Context *context, void *arg)
{
    struct unwound *unwound = arg;
    unwound->frames++;
    if (_Unwind_GetIP(context) != 0)
        unwound->last = _Unwind_GetIP(context);
    return unwound->frames < 100 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void unwind_main(void *arg)
{
    struct ward *ward = arg;
    struct unwound unwound = { 0 };
    (void)_Unwind_Backtrace(unwound_step, &unwound);
    CHECK(unwound.frames >= 3 && unwound.frames < 10);
    uintptr_t into = unwound.last - (uintptr_t)sp__fiber_context_start;
    CHECK(into > 0 && into < 64);
    sp__fiber_switch(ward->patient, ward->home);
    abort();
}

TEST(fiber_unwinding_by_tables_stops_at_the_base)
{
    if (!sp__fiber_context_start)
        SKIP("ucontext leaves it to the C library");
    struct ward ward = { 0 };
    ward_open(&ward);
    ward.patient = sp__fiber_cache_get(&ward.cache, unwind_main, &ward);
    /* Another lies above, with its guard: a step too far would fault. */
    ward.nurse = sp__fiber_cache_get(&ward.cache, nurse_main, &ward);
    sp__fiber_switch(ward.home, ward.patient);
    CHECK_INT(ward.signo, 0);
    ward_clear(&ward);
    ward_close(&ward);
}
