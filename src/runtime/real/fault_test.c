/* Tests of the containment of faults, on one thread with two fibers and no scheduler:
 * the victim's, and the spare one that a contained fault starts.
 */
#include "runtime/real/fault.h"

#include "runtime/fiber_hooks.h"
#include "runtime/real/fault_code.h"
#include "support/test.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Stays as it is, at one address, and faults by itself. */
#ifdef __clang__
#define NOINLINE __attribute__((noinline, no_sanitize("undefined")))
#else
#define NOINLINE __attribute__((noipa, no_sanitize("undefined")))
#endif

#if defined(SP__FIBER_ASAN) || defined(SP__FIBER_TSAN)
#define SANITIZED 1
#define FUNCTION_SIZE 1000
#else
#define SANITIZED 0
#define FUNCTION_SIZE 200 /* of those below, at most */
#endif

struct fixture {
    struct sp_runtime runtime;
    struct sp__context context;
    struct sp__actor victim;
    void (*body)(void);
    bool returned;
    bool faulted;
    struct sp_fault fault;
};

/* The victim's fiber. */
static void fixture_run(void *arg)
{
    struct fixture *f = arg;
    f->body();
    f->returned = true;
    sp__fiber_switch(f->context.fiber, f->context.origin);
}

/* The spare one: what the scheduler does after a fault. */
static void fixture_after_fault(void *arg)
{
    struct fixture *f = arg;
    struct sp__context *context = &f->context;
    CHECK_INT(context->after, SP__AFTER_FAULT);
    CHECK_PTR(context->after_actor, &f->victim);
    context->after = SP__AFTER_NOTHING;
    f->fault = *sp__fault_of(context);
    f->faulted = true;
    struct sp__fiber *faulted = sp__fiber_take_interrupted(context->fiber);
    CHECK_PTR(faulted, context->after_fiber);
    sp__fiber_cache_put(&context->fibers, faulted);
    sp__fiber_switch(context->fiber, context->origin);
}

static void fixture_start(struct fixture *f)
{
    *f = (struct fixture){ 0 };
    sp__epoch_init(&f->runtime.epoch, true);
    sp__msg_pool_init(&f->runtime.messages, NULL);
    sp__list_init(&f->runtime.contexts);
    CHECK_OK(sp__fiber_pool_create(NULL, &f->runtime.fibers));
    CHECK_OK(sp__fault_install());
    sp__context_init(&f->context, &f->runtime, SP__CONTEXT_WORKER, 0);
    CHECK_OK(sp__fault_thread_start(&f->context));
    f->context.origin = sp__fiber_adopt();
    CHECK(f->context.origin != NULL);
}

static void fixture_stop(struct fixture *f)
{
    sp__fiber_release(f->context.origin);
    sp__fault_thread_end(&f->context);
    sp__context_finish(&f->context);
    sp__fault_uninstall();
    sp__fiber_pool_destroy(f->runtime.fibers);
    sp__msg_pool_finish(&f->runtime.messages);
    sp__epoch_finish(&f->runtime.epoch);
}

/* Run `body` as an actor would be. True: it faulted, and was contained. */
static bool fixture_try(struct fixture *f, void (*body)(void))
{
    struct sp__context *context = &f->context;
    f->body = body;
    f->returned = f->faulted = false;
    struct sp__fiber *fiber = sp__fiber_cache_get(&context->fibers, fixture_run, f);
    if (!context->spare)
        context->spare = sp__fiber_cache_get(&context->fibers, fixture_after_fault, f);
    CHECK(fiber && context->spare);
    context->current = &f->victim;
    context->fiber = fiber;
    sp__fiber_switch(context->origin, fiber);
    context->current = NULL;
    CHECK(f->returned != f->faulted);
    sp__fiber_cache_put(&context->fibers, context->fiber);
    return f->faulted;
}

static void fixture_end_spare(struct fixture *f)
{
    if (f->context.spare)
        sp__fiber_cache_put(&f->context.fibers, f->context.spare);
    f->context.spare = NULL;
}

static bool fault_names(const struct sp_fault *fault, const void *function, size_t size)
{
    for (int i = 0; i < fault->frame_count; i++) {
        uintptr_t at = (uintptr_t)fault->frames[i];
        if (at > (uintptr_t)function && at <= (uintptr_t)function + size)
            return true;
    }
    return false;
}

/* ---- bodies: each faults in a function of its own, called by another --------------- */

static volatile int zero;
static volatile int sink;
static int *volatile nowhere;

/* The call is not the function's last act, so that its frame is there. */
#define BODY(name)                  \
    static NOINLINE void name(void) \
    {                               \
        name##_inner();             \
        sink = 1;                   \
    }

static NOINLINE void write_null_inner(void)
{
    *nowhere = 1;
}
BODY(write_null)

static NOINLINE void call_null_inner(void)
{
    void (*volatile function)(void) = NULL;
    function();
    sink = 2;
}
BODY(call_null)

static int data[4];

static NOINLINE void jump_into_data_inner(void)
{
    void (*volatile function)(void) = (void (*)(void))(uintptr_t)data;
    function();
    sink = 2;
}
BODY(jump_into_data)

static NOINLINE int recurse(int depth)
{
    volatile char frame[512];
    frame[depth % 512] = (char)depth;
    /* Never zero, which the compiler does not know. */
    return depth + zero < 0 ? 0 : recurse(depth + 1) + frame[(depth + 1) % 512];
}
static NOINLINE void overflow_inner(void)
{
    sink = recurse(0);
}
BODY(overflow)

#ifdef __x86_64__ /* other machines have a quotient for that */
static NOINLINE void divide_inner(void)
{
    sink = sink / zero;
}
BODY(divide)
#endif

static NOINLINE void illegal_inner(void)
{
#if defined(__x86_64__)
    __asm__ volatile("ud2");
#else
    __asm__ volatile("udf #0");
#endif
    sink = 2;
}
BODY(illegal)

static NOINLINE void abort_now_inner(void)
{
    abort();
}
BODY(abort_now)

static NOINLINE void assert_now_inner(void)
{
    assert(zero && "planted");
}
BODY(assert_now)

/* A page of a file that is no longer so long. */
static NOINLINE volatile char *cut_page(void)
{
    char name[] = "/tmp/spawned-fault-XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0);
    CHECK_INT(unlink(name), 0);
    CHECK_INT(ftruncate(fd, 4096), 0);
    volatile char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(page != MAP_FAILED);
    CHECK_INT(ftruncate(fd, 0), 0);
    close(fd);
    return page;
}

static NOINLINE void bus_inner(void)
{
    *cut_page() = 1;
}
BODY(bus)

/* A return address and a frame pointer that lead nowhere: the unwinder must survive them. */
static NOINLINE void ruin_inner(void)
{
    uintptr_t *frame = __builtin_frame_address(0);
    for (int i = 0; i < 4; i++)
        ((volatile uintptr_t *)frame)[i] = 0x10;
    *nowhere = 1;
}
BODY(ruin)

/* ---- contained -------------------------------------------------------------------- */

struct contained {
    const char *name;
    void (*body)(void);
    const void *function;
    int signal;
};

static void check_contained(const struct contained *one)
{
    struct fixture f;
    fixture_start(&f);
    CHECK(fixture_try(&f, one->body));
    CHECK_INT(f.fault.signal, one->signal);
    CHECK(f.fault.frame_count >= 2);
    CHECK(fault_names(&f.fault, one->function, FUNCTION_SIZE));
    CHECK(fault_names(&f.fault, (const void *)(uintptr_t)one->body, FUNCTION_SIZE));
    CHECK(f.fault.handler == NULL);
    fixture_end_spare(&f);
    fixture_stop(&f);
}

#define CONTAINED(what, signo)                                                                 \
    TEST(fault_##what##_is_contained)                                                          \
    {                                                                                          \
        check_contained(                                                                       \
            &(struct contained){ #what, what, (const void *)(uintptr_t)what##_inner, signo }); \
    }

CONTAINED(write_null, SIGSEGV)
CONTAINED(call_null, SIGSEGV)
CONTAINED(jump_into_data, SIGSEGV)
CONTAINED(illegal, SIGILL)
CONTAINED(abort_now, SIGABRT)
CONTAINED(assert_now, SIGABRT)
CONTAINED(bus, SIGBUS)
#ifdef __x86_64__
CONTAINED(divide, SIGFPE)
#endif

TEST(fault_record_of_a_null_write_has_address_and_pc)
{
    struct fixture f;
    fixture_start(&f);
    CHECK(fixture_try(&f, write_null));
    CHECK_PTR(f.fault.address, NULL);
    CHECK(!f.fault.stack_overflow);
    uintptr_t pc = (uintptr_t)f.fault.pc;
    CHECK(pc >= (uintptr_t)write_null_inner && pc < (uintptr_t)write_null_inner + FUNCTION_SIZE);
    CHECK_PTR(f.fault.frames[0], f.fault.pc);
    fixture_end_spare(&f);
    fixture_stop(&f);
}

TEST(fault_stack_overflow_is_contained_and_told)
{
    struct fixture f;
    fixture_start(&f);
    CHECK(fixture_try(&f, overflow));
    CHECK_INT(f.fault.signal, SIGSEGV);
    CHECK(f.fault.stack_overflow);
    CHECK_INT(f.fault.frame_count, SP_FAULT_FRAMES_MAX);
    CHECK(fault_names(&f.fault, (const void *)(uintptr_t)recurse, FUNCTION_SIZE));
    fixture_end_spare(&f);
    fixture_stop(&f);
}

TEST(fault_on_a_ruined_stack_is_contained)
{
    struct fixture f;
    fixture_start(&f);
    CHECK(fixture_try(&f, ruin));
    CHECK(f.fault.frame_count >= 1);
    /* And the next one is walked again. */
    CHECK(fixture_try(&f, write_null));
    CHECK(fault_names(&f.fault, (const void *)(uintptr_t)write_null, FUNCTION_SIZE));
    fixture_end_spare(&f);
    fixture_stop(&f);
}

static void no_fault(void)
{
    sink = 3;
}

TEST(fault_many_one_after_another_hold_nothing)
{
    struct fixture f;
    fixture_start(&f);
    static void (*const bodies[])(void) = { write_null, abort_now, overflow, no_fault, call_null };
    struct sp__fiber_pool_stats warm = { 0 };
    for (int i = 0; i < 10000; i++) {
        CHECK_INT(fixture_try(&f, bodies[i % 5]), bodies[i % 5] != no_fault);
        fixture_end_spare(&f);
        if (i == 100)
            sp__fiber_pool_read(f.runtime.fibers, &warm);
    }
    struct sp__fiber_pool_stats stats;
    sp__fiber_pool_read(f.runtime.fibers, &stats);
    CHECK_INT(stats.out, warm.out);
    CHECK_INT(stats.regions, warm.regions);
    fixture_stop(&f);
}

/* ---- not contained: in a child, of whose end the signal tells ----------------------- */

static void child_quiet(void)
{
    struct rlimit none = { 0, 0 };
    (void)setrlimit(RLIMIT_CORE, &none);
    int null = open("/dev/null", O_WRONLY);
    (void)dup2(null, STDERR_FILENO);
}

/* Does a child that runs `body` die of `signo`? A sanitizer reports the signal and exits. */
static bool child_dies(void (*body)(void), int signo)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        child_quiet();
        body();
        _exit(0);
    }
    int status = 0;
    CHECK_INT(waitpid(child, &status, 0), child);
    if (SANITIZED && WIFEXITED(status))
        return WEXITSTATUS(status) != 0;
    return WIFSIGNALED(status) && WTERMSIG(status) == signo;
}

static void child_contain(void (*body)(void))
{
    struct fixture f;
    fixture_start(&f);
    (void)fixture_try(&f, body);
}

static const char *volatile no_text;

static void in_libc(void)
{
    sink = (int)strlen(no_text);
}
static void child_in_libc(void)
{
    child_contain(in_libc);
}
TEST(fault_inside_the_c_library_ends_the_program)
{
    CHECK(child_dies(child_in_libc, SIGSEGV));
}

static void in_library(void)
{
    void *low;
    void *high;
    sp__fiber_stack_bounds((struct sp__fiber *)nowhere, &low, &high);
}
static void child_in_library(void)
{
    child_contain(in_library);
}
TEST(fault_inside_this_library_ends_the_program)
{
    CHECK(child_dies(child_in_library, SIGSEGV));
}

static void double_free(void)
{
    char *volatile memory = malloc(100);
    free(memory);
    char *volatile again = memory;
    free(again);
}
static void child_double_free(void)
{
    child_contain(double_free);
}
TEST(fault_of_a_corrupt_heap_ends_the_program)
{
    if (SANITIZED)
        SKIP("the sanitizers have a heap of their own");
    CHECK(child_dies(child_double_free, SIGABRT));
}

static void raise_abort(void)
{
    raise(SIGABRT);
}
static void child_raise(void)
{
    child_contain(raise_abort);
}
static void send_segv(void)
{
    kill(getpid(), SIGSEGV);
    for (;;)
        pause();
}
static void child_send(void)
{
    child_contain(send_segv);
}
TEST(fault_signals_that_are_sent_end_the_program)
{
    CHECK(child_dies(child_raise, SIGABRT));
    CHECK(child_dies(child_send, SIGSEGV));
}

static void child_policy(void)
{
    struct fixture f;
    fixture_start(&f);
    f.runtime.options.on_fault = SP_FAULT_ABORT;
    (void)fixture_try(&f, write_null);
}
TEST(fault_with_policy_abort_ends_the_program)
{
    CHECK(child_dies(child_policy, SIGSEGV));
}

static void child_foreign(void)
{
    struct fixture f;
    fixture_start(&f);
    f.context.kind = SP__CONTEXT_FOREIGN;
    (void)fixture_try(&f, write_null);
}
static void child_outside(void)
{
    struct fixture f;
    fixture_start(&f);
    write_null(); /* on the thread's own stack, no actor */
}
static void child_in_epoch(void)
{
    struct fixture f;
    fixture_start(&f);
    sp__epoch_enter(&f.context.epoch);
    (void)fixture_try(&f, write_null);
}
TEST(fault_outside_of_an_actor_ends_the_program)
{
    CHECK(child_dies(child_foreign, SIGSEGV));
    CHECK(child_dies(child_outside, SIGSEGV));
    CHECK(child_dies(child_in_epoch, SIGSEGV));
}

/* ---- handlers that were there before ------------------------------------------------ */

static void exit_42(int signo)
{
    (void)signo;
    _exit(42);
}

static void child_own_handler(void)
{
    struct sigaction action = { .sa_handler = exit_42 };
    CHECK_INT(sigaction(SIGSEGV, &action, NULL), 0);
    child_outside();
}

TEST(fault_not_contained_goes_to_the_handler_that_was_there)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        child_quiet();
        child_own_handler();
        _exit(0);
    }
    int status = 0;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 42);
}

TEST(fault_uninstall_restores_what_was_there)
{
    struct sigaction action = { .sa_handler = exit_42 };
    struct sigaction now;
    CHECK_INT(sigaction(SIGFPE, &action, NULL), 0);
    CHECK_OK(sp__fault_install());
    CHECK_OK(sp__fault_install());
    sp__fault_uninstall();
    CHECK_INT(sigaction(SIGFPE, NULL, &now), 0);
    CHECK(now.sa_handler != exit_42);
    sp__fault_uninstall();
    CHECK_INT(sigaction(SIGFPE, NULL, &now), 0);
    CHECK(now.sa_handler == exit_42);
}

TEST(fault_code_tells_whose_it_is)
{
    CHECK_OK(sp__fault_install());
    CHECK_INT(sp__fault_code_of((uintptr_t)write_null), SP__FAULT_CODE_USER);
    CHECK_INT(sp__fault_code_of((uintptr_t)sp__fault_code_of), SP__FAULT_CODE_OURS);
    CHECK_INT(sp__fault_code_of((uintptr_t)&errno), SP__FAULT_CODE_UNKNOWN);
    CHECK_INT(sp__fault_code_of(16), SP__FAULT_CODE_UNKNOWN);
    sp__fault_uninstall();
}
