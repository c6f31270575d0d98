/* Reasons: kinds, texts, references, chains of causes. */
#include "spawned/reason.h"

#include "base/alloc.h"
#include "process/process.h"
#include "support/test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

TEST(reasons_say_what_they_are)
{
    static const struct {
        const struct sp_reason *(*make)(void);
        enum sp_reason_kind kind;
        const char *text;
        bool normal;
    } all[] = {
        { sp_reason_normal, SP_REASON_NORMAL, "normal", true },
        { sp_reason_shutdown, SP_REASON_SHUTDOWN, "shutdown", true },
        { sp_reason_kill, SP_REASON_KILL, "kill", false },
        { sp_reason_killed, SP_REASON_KILLED, "killed", false },
        { sp_reason_noproc, SP_REASON_NOPROC, "noproc", false },
        { sp_reason_noconnection, SP_REASON_NOCONNECTION, "noconnection", false },
        { sp_reason_out_of_memory, SP_REASON_OUT_OF_MEMORY, "out_of_memory", false },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const struct sp_reason *reason = all[i].make();
        CHECK_INT(sp_reason_kind(reason), all[i].kind);
        CHECK_STR(sp_reason_text(reason), all[i].text);
        CHECK_INT(sp_reason_is_normal(reason), all[i].normal);
        CHECK_INT(sp_reason_code(reason), SP_OK);
        CHECK(sp_reason_cause(reason) == NULL);
        CHECK(sp_reason_fault(reason) == NULL);
        CHECK(sp_pid_is_none(sp_reason_process(reason)));
        CHECK_PTR(sp_reason_ref(reason), reason); /* never freed, however often it is let go */
        sp_reason_unref(reason);
        sp_reason_unref(reason);
        CHECK_STR(sp_reason_text(reason), all[i].text);
    }
    sp_reason_unref(NULL);
}

TEST(reasons_with_a_text_format_it)
{
    const struct sp_reason *error = sp_reason_error(SP_ERR_IO, "disk %d of %s", 7, "nine");
    CHECK_STR(sp_reason_text(error), "disk 7 of nine");
    CHECK_INT(sp_reason_kind(error), SP_REASON_ERROR);
    CHECK_INT(sp_reason_code(error), SP_ERR_IO);
    CHECK(!sp_reason_is_normal(error));
    const struct sp_reason *with = sp_reason_shutdown_with("at %s", "noon");
    CHECK_STR(sp_reason_text(with), "shutdown(at noon)");
    CHECK(sp_reason_is_normal(with));
    sp_reason_unref(error);
    sp_reason_unref(with);
}

TEST(a_long_text_is_cut_and_not_overrun)
{
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    const struct sp_reason *error = sp_reason_error(SP_ERR_IO, "%s", text);
    size_t length = strlen(sp_reason_text(error));
    CHECK(length > 100 && length < sizeof text);
    CHECK(strspn(sp_reason_text(error), "x.") == length);
    sp_reason_unref(error);
}

TEST(reasons_are_equal_by_what_they_say)
{
    const struct sp_reason *a = sp_reason_error(SP_ERR_IO, "same");
    const struct sp_reason *b = sp_reason_error(SP_ERR_IO, "same");
    const struct sp_reason *code = sp_reason_error(SP_ERR_FULL, "same");
    const struct sp_reason *text = sp_reason_error(SP_ERR_IO, "other");
    const struct sp_reason *kind = sp_reason_shutdown_with("same");
    CHECK(sp_reason_equal(a, a) && sp_reason_equal(a, b));
    CHECK(!sp_reason_equal(a, code) && !sp_reason_equal(a, text) && !sp_reason_equal(a, kind));
    CHECK(!sp_reason_equal(sp_reason_kill(), sp_reason_killed()));
    const struct sp_reason *all[] = { a, b, code, text, kind };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sp_reason_unref(all[i]);
}

/* ---- chains ---- */

TEST(who_dies_of_another_keeps_the_cause)
{
    sp_pid first = { 11, 1, 0 };
    sp_pid second = { 22, 2, 0 };
    const struct sp_reason *root = sp__reason_of(sp_reason_error(SP_ERR_IO, "boom"), first);
    CHECK(sp_pid_equal(sp_reason_process(root), first));
    const struct sp_reason *next = sp__reason_of(sp__reason_derive(root), second);
    CHECK_STR(sp_reason_text(next), "boom");
    CHECK_INT(sp_reason_code(next), SP_ERR_IO);
    CHECK_PTR(sp_reason_cause(next), root);
    CHECK(sp_pid_equal(sp_reason_process(next), second));
    sp_reason_unref(root); /* the chain holds it */
    CHECK_STR(sp_reason_text(sp_reason_cause(next)), "boom");
    sp_reason_unref(next);
}

TEST(the_reason_of_two_who_end_with_it_tells_them_apart)
{
    sp_pid first = { 11, 1, 0 };
    sp_pid second = { 22, 2, 0 };
    const struct sp_reason *a = sp__reason_of(sp_reason_error(SP_ERR_IO, "boom"), first);
    const struct sp_reason *b = sp__reason_of(sp_reason_ref(a), second);
    CHECK(sp_pid_equal(sp_reason_process(a), first));
    CHECK(sp_pid_equal(sp_reason_process(b), second));
    CHECK(sp_reason_equal(a, b));
    /* A static one is copied, but for `normal`, whom nobody asks. */
    const struct sp_reason *killed = sp__reason_of(sp_reason_killed(), first);
    CHECK(killed != sp_reason_killed() && sp_reason_equal(killed, sp_reason_killed()));
    CHECK(sp_pid_equal(sp_reason_process(killed), first));
    CHECK_PTR(sp__reason_of(sp_reason_normal(), first), sp_reason_normal());
    sp_reason_unref(a);
    sp_reason_unref(b);
    sp_reason_unref(killed);
}

TEST(a_chain_keeps_its_newest_links_and_its_root)
{
    const struct sp_reason *reason = sp_reason_error(SP_ERR_IO, "root");
    for (int i = 0; i < 1000; i++) {
        const struct sp_reason *next = sp__reason_derive(reason);
        sp_reason_unref(reason);
        reason = next;
    }
    int length = 0;
    const struct sp_reason *last = reason;
    for (; sp_reason_cause(last) != NULL; last = sp_reason_cause(last))
        length++;
    CHECK(length >= 1 && length <= SP_REASON_CHAIN_MAX);
    CHECK_STR(sp_reason_text(last), "root");
    sp_reason_unref(reason);
}

/* ---- faults ---- */

static void check_fault_text(struct sp_fault fault, const char *text)
{
    fault.handler = "deposit";
    const struct sp_reason *reason = sp__reason_fault(&fault);
    CHECK_STR(sp_reason_text(reason), text);
    CHECK_INT(sp_reason_kind(reason), SP_REASON_FAULT);
    CHECK_INT(sp_reason_fault(reason)->signal, fault.signal);
    CHECK(sp_reason_fault(reason) != &fault); /* a copy */
    const struct sp_reason *derived = sp__reason_derive(reason);
    sp_reason_unref(reason);
    CHECK_INT(sp_reason_fault(derived)->signal, fault.signal);
    sp_reason_unref(derived);
}

TEST(a_fault_says_where_it_has_an_address)
{
    void *address = (void *)(uintptr_t)0xbad0;
    check_fault_text((struct sp_fault){ .signal = SIGSEGV }, "fault: SIGSEGV at 0x0 in deposit");
    check_fault_text((struct sp_fault){ .signal = SIGBUS, .address = address },
                     "fault: SIGBUS at 0xbad0 in deposit");
    check_fault_text((struct sp_fault){ .signal = SIGABRT }, "fault: SIGABRT in deposit");
    check_fault_text((struct sp_fault){ .signal = SIGFPE }, "fault: SIGFPE in deposit");
    check_fault_text((struct sp_fault){ .signal = SIGILL }, "fault: SIGILL in deposit");
    check_fault_text((struct sp_fault){ .signal = SIGSEGV, .stack_overflow = true },
                     "fault: stack overflow in deposit");
}

#ifdef SPAWNED_FAULT_INJECTION
TEST(a_reason_without_memory_is_out_of_memory)
{
    const struct sp_reason *root = sp_reason_error(SP_ERR_IO, "root");
    sp__alloc_fail_from(0);
    CHECK_PTR(sp_reason_error(SP_ERR_IO, "x"), sp_reason_out_of_memory());
    CHECK_PTR(sp_reason_shutdown_with("x"), sp_reason_out_of_memory());
    CHECK_PTR(sp__reason_fault(&(struct sp_fault){ .handler = "x" }), sp_reason_out_of_memory());
    /* Better the reason without its cause than none. */
    CHECK_PTR(sp__reason_derive(root), root);
    CHECK_PTR(sp__reason_of(sp_reason_killed(), (sp_pid){ 1, 1, 0 }), sp_reason_killed());
    sp__alloc_fail_after(-1);
    sp_reason_unref(root);
    sp_reason_unref(root);
}
#endif
