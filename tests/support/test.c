/* The checks of the test harness.
 *
 * A check may fail on any thread and on any stack, also on a small fiber's, so a failure
 * formats into static memory and leaves with _exit(). The first failure wins; a thread
 * that fails while another reports waits for the process to end.
 *
 * Neighbours: test_main.c (runs the cases).
 */
#include "support/test_internal.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct sp_test_case *test_first;
static struct sp_test_case **test_last = &test_first;

struct sp_test_verdict *sp_test_current;
void (*sp_test_on_end)(void);

void sp_test_register(struct sp_test_case *one)
{
    *test_last = one;
    test_last = &one->next;
}

struct sp_test_case *sp_test_cases(void)
{
    return test_first;
}

static void test_write(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDERR_FILENO, text, len);
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

/* The one thread that comes back from here owns the end of the process.
 * Acquire/release: pairs with itself, so that the owner sees the verdict as initialised. */
static void test_end_once(void)
{
    static atomic_flag ending = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set_explicit(&ending, memory_order_acq_rel))
        pause();
}

static SP_NORETURN void test_end(enum sp_test_state state, int status)
{
    if (sp_test_current)
        sp_test_current->state = state;
    if (sp_test_on_end)
        sp_test_on_end();
    fflush(NULL);
    _exit(status);
}

void sp_test_fail(const struct sp_test_site *site, const char *format, ...)
{
    static char text[16384];
    test_end_once();
    int head = snprintf(text, sizeof text, "%s:%d: %s: ", site->file, site->line, site->what);
    size_t len = head < 0 ? 0 : (size_t)head;
    if (len < sizeof text) {
        va_list args;
        va_start(args, format);
        int body = vsnprintf(text + len, sizeof text - len, format, args);
        va_end(args);
        len += body < 0 ? 0 : (size_t)body;
    }
    if (len > sizeof text - 2)
        len = sizeof text - 2;
    if (sp_test_current)
        snprintf(sp_test_current->reason, sizeof sp_test_current->reason, "%.*s", (int)len, text);
    text[len] = '\n';
    test_write(text, len + 1);
    test_end(SP_TEST_FAILED, 1);
}

void sp_test_skip(const char *reason)
{
    test_end_once();
    if (sp_test_current)
        snprintf(sp_test_current->reason, sizeof sp_test_current->reason, "%s", reason);
    test_end(SP_TEST_SKIPPED, 0);
}

void sp_test_check_int(const struct sp_test_site *site, long long actual, long long expected)
{
    if (actual != expected)
        sp_test_fail(site, "got %lld (%#llx), expected %lld (%#llx)", actual,
                     (unsigned long long)actual, expected, (unsigned long long)expected);
}

static const char *test_quote(const char *text)
{
    return text ? "\"" : "";
}

void sp_test_check_str(const struct sp_test_site *site, const char *actual, const char *expected)
{
    bool same = actual && expected ? strcmp(actual, expected) == 0 : actual == expected;
    if (!same)
        sp_test_fail(site, "got %s%s%s, expected %s%s%s", test_quote(actual),
                     actual ? actual : "NULL", test_quote(actual), test_quote(expected),
                     expected ? expected : "NULL", test_quote(expected));
}

void sp_test_check_contains(const struct sp_test_site *site, const char *actual, const char *part)
{
    if (!actual || !strstr(actual, part))
        sp_test_fail(site, "got %s%s%s, which does not contain \"%s\"", test_quote(actual),
                     actual ? actual : "NULL", test_quote(actual), part);
}

void sp_test_check_mem(const struct sp_test_site *site, const void *actual, const void *expected,
                       size_t len)
{
    const unsigned char *a = actual;
    const unsigned char *e = expected;
    for (size_t i = 0; i < len; i++)
        if (a[i] != e[i])
            sp_test_fail(site, "byte %zu of %zu is 0x%02x, expected 0x%02x", i, len, a[i], e[i]);
}

void sp_test_check_ptr(const struct sp_test_site *site, const volatile void *actual,
                       const volatile void *expected)
{
    if (actual != expected)
        sp_test_fail(site, "got %#zx, expected %#zx", (size_t)actual, (size_t)expected);
}

/* From the list itself and not through sp_err_name(), which is under test too. */
static const char *test_err_name(sp_err err)
{
    static const char *const names[] = {
#define TEST_ERR_NAME_(code, name, text) [code] = "SP_ERR_" #name,
        SP_ERRORS(TEST_ERR_NAME_)
#undef TEST_ERR_NAME_
    };
    size_t code = (size_t)err;
    return code < sizeof names / sizeof *names && names[code] ? names[code] : "not an sp_err";
}

void sp_test_check_err(const struct sp_test_site *site, sp_err actual, sp_err expected)
{
    if (actual != expected)
        sp_test_fail(site, "got %s (%d), expected %s (%d)", test_err_name(actual), (int)actual,
                     test_err_name(expected), (int)expected);
}

#if defined(__has_feature)
#define TEST_HAS_FEATURE(x) __has_feature(x)
#else
#define TEST_HAS_FEATURE(x) 0
#endif

bool sp_test_slow(void)
{
#if defined(SP_TEST_SLOW) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    TEST_HAS_FEATURE(address_sanitizer) || TEST_HAS_FEATURE(thread_sanitizer)
    return true;
#else
    /* Valgrind preloads its own libraries into what it runs. */
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
#endif
}
