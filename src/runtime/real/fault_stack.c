/* Walking with _Unwind_Backtrace(). See fault_stack.h. */
#include "runtime/real/fault_stack.h"

#include "runtime/fiber_hooks.h"
#include "runtime/real/fault_code.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unwind.h>

enum {
    STACK_ABORT_DEPTH = 4, /* frames of the C library from the signal up to abort() */
};

/* Every address under which the C library's functions may be known: the executable may have
 * stubs for them. */
static const struct stack_function {
    const char *name;
    bool asserts;
} stack_functions[] = {
    { "abort", false },
    { "__assert_fail", true },
    { "__assert_perror_fail", true },
    { "__assert", true },
};

#define STACK_FUNCTIONS (sizeof stack_functions / sizeof stack_functions[0])

static void *stack_addresses[STACK_FUNCTIONS][2];

struct stack_walk {
    const struct sp__fiber *fiber;
    void **frames;
    int max;
    volatile int *count;
    bool inside; /* past the handler's own frames */
};

static _Unwind_Reason_Code stack_step(struct _Unwind_Context *context, void *arg)
{
    struct stack_walk *walk = arg;
    int interrupted = 0;
    uintptr_t pc = _Unwind_GetIPInfo(context, &interrupted);
    if (!walk->inside && !interrupted)
        return _URC_NO_REASON;
    /* The innermost frame may have begun to leave the stack: that is what overflow is. */
    if (walk->inside && !sp__fiber_contains(walk->fiber, (const void *)_Unwind_GetCFA(context)))
        return _URC_END_OF_STACK;
    walk->inside = true;
    if (pc == 0)
        return _URC_END_OF_STACK;
    int n = *walk->count;
    walk->frames[n] = (void *)pc;
    *walk->count = n + 1;
    return n + 1 < walk->max ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void sp__fault_stack_walk(const struct sp__fiber *fiber, void **frames, int max,
                          volatile int *out_count)
{
    struct stack_walk walk = { .fiber = fiber, .frames = frames, .max = max, .count = out_count };
    *out_count = 0;
    (void)_Unwind_Backtrace(stack_step, &walk);
}

SP__FIBER_UNSANITIZED uintptr_t sp__fault_stack_caller(const struct sp__fiber *fiber,
                                                       const struct sp__fiber_frame *from)
{
    if (from->lr != 0)
        return from->lr;
    const uintptr_t *top = (const uintptr_t *)from->sp;
    bool readable = from->sp % sizeof *top == 0 && sp__fiber_contains(fiber, top);
    return readable ? *top : 0;
}

/* A frame on both machines: the caller's frame pointer, then the return address. */
SP__FIBER_UNSANITIZED int sp__fault_stack_follow(const struct sp__fiber *fiber,
                                                 const struct sp__fiber_frame *from, void **frames,
                                                 int max)
{
    int n = 0;
    if (from->pc != 0)
        frames[n++] = (void *)from->pc;
    uintptr_t caller = sp__fault_stack_caller(fiber, from);
    if (sp__fault_code_of(from->pc) == SP__FAULT_CODE_UNKNOWN &&
        sp__fault_code_of(caller) != SP__FAULT_CODE_UNKNOWN)
        frames[n++] = (void *)caller;
    uintptr_t above = from->sp;
    for (uintptr_t fp = from->fp; n < max;) {
        const uintptr_t *link = (const uintptr_t *)fp;
        if (fp < above || fp % sizeof *link != 0 || !sp__fiber_contains(fiber, link) ||
            !sp__fiber_contains(fiber, link + 1) || link[1] == 0)
            break;
        frames[n++] = (void *)link[1];
        above = fp + 1;
        fp = link[0];
    }
    return n;
}

static _Unwind_Reason_Code stack_prime(struct _Unwind_Context *context, void *arg)
{
    void **function = arg;
    int interrupted = 0;
    uintptr_t pc = _Unwind_GetIPInfo(context, &interrupted);
    if (_Unwind_GetCFA(context) != 0)
        *function = _Unwind_FindEnclosingFunction((void *)pc);
    return _URC_NO_REASON;
}

void sp__fault_stack_prepare(void)
{
    void *function = NULL;
    (void)_Unwind_Backtrace(stack_prime, &function);
    for (size_t i = 0; i < STACK_FUNCTIONS; i++) {
        stack_addresses[i][0] = dlsym(RTLD_DEFAULT, stack_functions[i].name);
        stack_addresses[i][1] = dlsym(RTLD_NEXT, stack_functions[i].name);
    }
}

/* The function around a return address, if it is one of ours to know. */
static const struct stack_function *stack_function_at(void *frame)
{
    void *start = _Unwind_FindEnclosingFunction(frame);
    for (size_t i = 0; start && i < STACK_FUNCTIONS; i++)
        if (start == stack_addresses[i][0] || start == stack_addresses[i][1])
            return &stack_functions[i];
    return NULL;
}

/* A return address may be one past the end of a function that ends in a call. */
static enum sp__fault_code stack_code_at(void *frame)
{
    return sp__fault_code_of((uintptr_t)frame - 1);
}

static bool stack_is_abort(void *frame)
{
    const struct stack_function *function = stack_function_at(frame);
    return function && !function->asserts;
}

static bool stack_is_assert(void *frame)
{
    const struct stack_function *function = stack_function_at(frame);
    return function && function->asserts;
}

/* The frame above abort(), or 0. */
static int stack_above_abort(void *const *frames, int count)
{
    for (int i = 0; i < count && i < STACK_ABORT_DEPTH; i++) {
        if (stack_is_abort(frames[i]))
            return i + 1;
        if (stack_code_at(frames[i]) != SP__FAULT_CODE_SYSTEM)
            return 0;
    }
    return 0;
}

int sp__fault_stack_aborter(void *const *frames, int count)
{
    int at = stack_above_abort(frames, count);
    if (at == 0)
        return 0;
    /* assert() reports in one function and aborts in another, or does both in one. */
    if (at + 1 < count && stack_is_assert(frames[at]))
        at += 1;
    else if (at + 2 < count && stack_code_at(frames[at]) == SP__FAULT_CODE_SYSTEM &&
             stack_is_assert(frames[at + 1]))
        at += 2;
    if (at >= count)
        return 0;
    enum sp__fault_code code = stack_code_at(frames[at]);
    return code == SP__FAULT_CODE_USER || code == SP__FAULT_CODE_UNKNOWN ? at : 0;
}
