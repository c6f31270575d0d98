#include "support/puppet.h"

#include <stdio.h>

/** One order; `done` is where the answer goes, or SP_PID_NONE. */
struct puppet_order {
    puppet_order_fn fn;
    void *arg;
    sp_pid done;
    int64_t number;
};
SP_MESSAGE(puppet_order, struct puppet_order);

/** The answer to it. */
SP_MESSAGE(puppet_done, int64_t);

static struct sp_runtime *world;
static int64_t puppet_orders; /* given so far; the case's thread only */

void world_open(const struct sp_runtime_options *options)
{
    static const struct sp_runtime_options two_workers = { .workers = 2 };
    CHECK_OK(sp_runtime_create(options != NULL ? options : &two_workers, &world));
    CHECK_OK(sp_thread_attach(world));
}

void world_close(void)
{
    sp_thread_detach();
    struct sp_stop_report report;
    CHECK_OK(sp_runtime_destroy(world, sp_after_sec(60), &report));
    CHECK_INT(report.stuck, 0);
    world = NULL;
}

struct sp_runtime *world_runtime(void)
{
    return world;
}

static bool puppet_is_order(const struct sp_message *message, void *arg)
{
    (void)arg;
    return sp_message_type(message) == &puppet_order_type;
}

static bool puppet_is_no_order(const struct sp_message *message, void *arg)
{
    return !puppet_is_order(message, arg);
}

static void puppet_main(void *arg)
{
    (void)arg;
    for (;;) {
        struct sp_message *message;
        CHECK_OK(sp_receive_select(puppet_is_order, NULL, sp_never(), &message));
        struct puppet_order order = *puppet_order_of(message);
        sp_message_free(message);
        if (order.fn == NULL)
            return;
        order.fn(order.arg);
        if (!sp_pid_is_none(order.done))
            CHECK_OK(puppet_done_send(order.done, &order.number));
    }
}

sp_pid puppet_start(const struct sp_spawn_options *options)
{
    sp_pid pid;
    CHECK_OK(sp_spawn(puppet_main, NULL, options, &pid));
    return pid;
}

static bool puppet_is_done(const struct sp_message *message, void *arg)
{
    return sp_message_type(message) == &puppet_done_type &&
           *(const int64_t *)sp_message_peek(message) == *(const int64_t *)arg;
}

void puppet_do(sp_pid puppet, puppet_order_fn fn, void *arg)
{
    struct puppet_order order = { fn, arg, sp_self(), ++puppet_orders };
    CHECK_OK(puppet_order_send(puppet, &order));
    struct sp_message *answer;
    CHECK_OK(sp_receive_select(puppet_is_done, &order.number, WORLD_PATIENCE, &answer));
    sp_message_free(answer);
}

void puppet_tell(sp_pid puppet, puppet_order_fn fn, void *arg)
{
    struct puppet_order order = { fn, arg, SP_PID_NONE, 0 };
    CHECK_OK(puppet_order_send(puppet, &order));
}

static void puppet_order_exit(void *arg)
{
    sp_exit_error(SP_OK, "%s", (const char *)arg);
}

void puppet_exit(sp_pid puppet, const char *text)
{
    /* The text is not written through; orders carry plain pointers. */
    union {
        const char *text;
        void *arg;
    } borrowed = { .text = text };
    puppet_tell(puppet, text == NULL ? NULL : puppet_order_exit, borrowed.arg);
    wait_gone(puppet);
}

static bool puppet_count_one(const struct sp_message *message, void *arg)
{
    *(size_t *)arg += !puppet_is_order(message, NULL);
    return false;
}

static void puppet_order_mailbox(void *arg)
{
    *(size_t *)arg = queued();
}

size_t queued(void)
{
    size_t count = 0;
    struct sp_message *message;
    CHECK_ERR(sp_receive_select(puppet_count_one, &count, sp_nowait(), &message), SP_ERR_TIMEOUT);
    return count;
}

size_t puppet_mailbox(sp_pid puppet)
{
    size_t length = SIZE_MAX;
    puppet_do(puppet, puppet_order_mailbox, &length);
    return length;
}

struct puppet_link {
    sp_pid pid;
    sp_err err;
};

static void puppet_order_link(void *arg)
{
    struct puppet_link *link = arg;
    link->err = sp_link(link->pid);
}

sp_err puppet_link(sp_pid puppet, sp_pid pid)
{
    struct puppet_link link = { .pid = pid };
    puppet_do(puppet, puppet_order_link, &link);
    return link.err;
}

struct puppet_exit_notice {
    sp_pid pid;
    const char *text;
};

static void puppet_check_exit(struct sp_message *message, sp_pid pid, const char *text)
{
    const struct sp_exit_notice *notice = sp_message_exit(message);
    if (notice == NULL)
        FAIL("expected EXIT %s, got message '%s'", text, sp_message_type(message)->name);
    CHECK(sp_pid_equal(notice->pid, pid));
    CHECK_STR(sp_reason_text(notice->reason), text);
    sp_message_free(message);
}

static void puppet_order_expect_exit(void *arg)
{
    const struct puppet_exit_notice *expected = arg;
    struct sp_message *message;
    CHECK_OK(sp_receive_select(puppet_is_no_order, NULL, WORLD_PATIENCE, &message));
    puppet_check_exit(message, expected->pid, expected->text);
}

void puppet_expect_exit(sp_pid puppet, sp_pid pid, const char *text)
{
    puppet_do(puppet, puppet_order_expect_exit, &(struct puppet_exit_notice){ pid, text });
}

void puppet_expect_quiet(sp_pid puppet)
{
    CHECK_INT(puppet_mailbox(puppet), 0);
}

struct sp_message *expect_message(void)
{
    struct sp_message *message;
    CHECK_OK(sp_receive(WORLD_PATIENCE, &message));
    return message;
}

void expect_down(sp_monitor_ref ref, sp_pid pid, const char *text)
{
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    if (down == NULL)
        FAIL("expected DOWN %s, got message '%s'", text, sp_message_type(message)->name);
    CHECK_STR(sp_reason_text(down->reason), text);
    CHECK_INT(down->ref.id, ref.id);
    CHECK(sp_pid_equal(down->pid, pid));
    sp_message_free(message);
}

void expect_exit(sp_pid pid, const char *text)
{
    puppet_check_exit(expect_message(), pid, text);
}

void expect_nothing(void)
{
    struct sp_message *message;
    if (sp_receive(sp_nowait(), &message) == SP_OK)
        FAIL("expected nothing, got message '%s'", sp_message_type(message)->name);
    CHECK_INT(sp_mailbox_length(), 0);
}

void expect_death(sp_pid pid, const char *text)
{
    const struct sp_reason *reason;
    CHECK_OK(sp_join(pid, WORLD_PATIENCE, &reason));
    CHECK_STR(sp_reason_text(reason), text);
    sp_reason_unref(reason);
}

void wait_gone(sp_pid pid)
{
    CHECK_OK(sp_join(pid, WORLD_PATIENCE, NULL));
}

static void dead_pid_main(void *arg)
{
    (void)arg;
}

sp_pid dead_pid(void)
{
    sp_pid pid;
    CHECK_OK(sp_spawn(dead_pid_main, NULL, NULL, &pid));
    wait_gone(pid);
    return pid;
}

void send_note(sp_pid to, int64_t number)
{
    CHECK_OK(note_send(to, &(struct note){ number, sp_self() }));
}

int64_t expect_note(void)
{
    struct sp_message *message = expect_message();
    const struct note *note = note_of(message);
    if (note == NULL)
        FAIL("expected a note, got message '%s'", sp_message_type(message)->name);
    int64_t number = note->number;
    sp_message_free(message);
    return number;
}
