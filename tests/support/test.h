/* The test harness: cases that register themselves, each run in a process of its own.
 *
 *     #include "support/test.h"
 *
 *     TEST(wheel_cancel_before_due_returns_what_was_left)
 *     {
 *         CHECK_ERR(wheel_cancel(&w, id, &left), SP_OK);
 *         CHECK_INT(left.ns, 500);
 *     }
 *
 * A case runs in a forked child, so it may crash, leak threads or leave a runtime behind
 * without touching the next one. A failed check writes what it saw and ends the child with
 * _exit() from wherever it is, thread or fiber, without unwinding. A case passes only if
 * its function returned and the child then exited with 0 (leak checkers get their say).
 * A watchdog aborts a case that runs longer than SP_TEST_TIMEOUT seconds (default 120,
 * ten times that under sanitizers, Valgrind and emulators): a guard, never a wait.
 *
 * Options of every test executable: --list, --filter SUBSTRING, --no-fork, --jobs N,
 * --verbose. Its last line is `N passed, N failed` (and `, N skipped` if any).
 *
 * Neighbours: run.h runs other programs from a case.
 */
#ifndef SP_TEST_SUPPORT_TEST_H
#define SP_TEST_SUPPORT_TEST_H

#include "spawned/err.h"

#include <stdbool.h>
#include <stddef.h>

/** One registered case; made by TEST(). */
struct sp_test_case {
    const char *name;
    const char *file;
    int line;
    void (*run)(void);
    struct sp_test_case *next;
};

/** Where a check stands and what it says; made by the CHECK macros. */
struct sp_test_site {
    const char *file;
    int line;
    const char *what; /**< source text of the check */
};

/** Defines and registers a case. Cases run in the order of their definition. */
#define TEST(name)                                                                               \
    static void sp_test_##name##_run(void);                                                      \
    __attribute__((constructor)) static void sp_test_##name##_register(void)                     \
    {                                                                                            \
        static struct sp_test_case one = { #name, __FILE__, __LINE__, sp_test_##name##_run, 0 }; \
        sp_test_register(&one);                                                                  \
    }                                                                                            \
    static void sp_test_##name##_run(void)

#define SP_TEST_SITE_(what) (&(const struct sp_test_site){ __FILE__, __LINE__, what })

/** `expr` is true. */
#define CHECK(expr) \
    ((expr) ? (void)0 : sp_test_fail(SP_TEST_SITE_("CHECK(" #expr ")"), "it is false"))

/** Two integers (of any integer type, enum or bool) are equal. */
#define CHECK_INT(actual, expected)                                                                \
    sp_test_check_int(SP_TEST_SITE_("CHECK_INT(" #actual ", " #expected ")"), (long long)(actual), \
                      (long long)(expected))

/** Two strings are equal; NULL equals only NULL. */
#define CHECK_STR(actual, expected) \
    sp_test_check_str(SP_TEST_SITE_("CHECK_STR(" #actual ", " #expected ")"), (actual), (expected))

/** The string `actual` contains `part`. */
#define CHECK_CONTAINS(actual, part)                                                          \
    sp_test_check_contains(SP_TEST_SITE_("CHECK_CONTAINS(" #actual ", " #part ")"), (actual), \
                           (part))

/** `len` bytes are equal. */
#define CHECK_MEM(actual, expected, len)                                                          \
    sp_test_check_mem(SP_TEST_SITE_("CHECK_MEM(" #actual ", " #expected ", " #len ")"), (actual), \
                      (expected), (len))

/** Two pointers are equal. */
#define CHECK_PTR(actual, expected) \
    sp_test_check_ptr(SP_TEST_SITE_("CHECK_PTR(" #actual ", " #expected ")"), (actual), (expected))

/** Two sp_err are equal; shows their names. */
#define CHECK_ERR(actual, expected) \
    sp_test_check_err(SP_TEST_SITE_("CHECK_ERR(" #actual ", " #expected ")"), (actual), (expected))

/** The call returned SP_OK. */
#define CHECK_OK(actual) sp_test_check_err(SP_TEST_SITE_("CHECK_OK(" #actual ")"), (actual), SP_OK)

/** Fails the case with a message, printf-like. */
#define FAIL(...) sp_test_fail(SP_TEST_SITE_("FAIL"), __VA_ARGS__)

/** Ends the case as skipped; `reason` is shown. */
#define SKIP(reason) sp_test_skip(reason)

void sp_test_register(struct sp_test_case *one);

void sp_test_fail(const struct sp_test_site *site, const char *format, ...)
    SP_NORETURN SP_PRINTF(2, 3);
void sp_test_skip(const char *reason) SP_NORETURN;

void sp_test_check_int(const struct sp_test_site *site, long long actual, long long expected);
void sp_test_check_str(const struct sp_test_site *site, const char *actual, const char *expected);
void sp_test_check_contains(const struct sp_test_site *site, const char *actual, const char *part);
void sp_test_check_mem(const struct sp_test_site *site, const void *actual, const void *expected,
                       size_t len);
void sp_test_check_ptr(const struct sp_test_site *site, const volatile void *actual,
                       const volatile void *expected);
void sp_test_check_err(const struct sp_test_site *site, sp_err actual, sp_err expected);

/** True under a sanitizer, Valgrind or an emulator: such a run is 10 to 50 times slower, so
 *  a case may choose a smaller workload. */
bool sp_test_slow(void);

#endif
