/* Looking into servers, and holding them: ahead of what waits in the mailbox, between two messages, and
 * without harm to anybody. */
#include "behaviour/sys.h"
#include "process/process.h"
#include "support/puppet.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct gate {
    _Atomic bool entered;
    _Atomic bool open;
};

struct till {
    int money;
    struct gate *gate;
};

SP_SERVER(till, struct till);
SP_CAST(till, put, int);
SP_CAST(till, hang, sp_empty);
SP_CALL(till, take, int, int);
SP_CALL(till, later, sp_empty, int);
SP_CALL(till, ask_back, sp_pid, sp_err);

static sp_err till_init(struct till *till, const struct till *args)
{
    *till = *args;
    return SP_OK;
}

static void till_on_put(struct till *till, const int *in)
{
    till->money += *in;
}

static void till_on_hang(struct till *till, const sp_empty *in)
{
    (void)in;
    atomic_store(&till->gate->entered, true);
    while (!atomic_load(&till->gate->open))
        sp_yield();
}

static sp_err till_on_take(struct till *till, const int *in, int *out)
{
    if (*in > till->money)
        return SP_ERR_INVALID;
    *out = till->money -= *in;
    return SP_OK;
}

static sp_request kept;

static sp_err till_on_later(struct till *till, const sp_empty *in, int *out)
{
    (void)till;
    (void)in;
    (void)out;
    CHECK_OK(sp_request_take(&kept));
    return SP_ERR_DEFERRED;
}

/* Asks about somebody who waits for it. */
static sp_err till_on_ask_back(struct till *till, const sp_pid *in, sp_err *out)
{
    char text[8];
    (void)till;
    *out = sp_sys_state(*in, text, sizeof(text), sp_after_sec(60));
    return SP_OK;
}

__attribute__((no_sanitize("undefined"))) static void till_format(const struct till *till,
                                                                  char *text, size_t size)
{
    if (till->money == 666)
        *(volatile int *)NULL = 0;
    (void)snprintf(text, size, "%d coins", till->money);
}

static void till_health(const struct till *till, struct sp_health *out)
{
    out->status = SP_HEALTHY;
    if (till->gate == NULL)
        return;
    atomic_store(&till->gate->entered, true);
    while (!atomic_load(&till->gate->open))
        sp_yield();
}

SP_STATE(till, struct till);
SP_ON_INIT(till);
SP_ON_CAST(till, put);
SP_ON_CAST(till, hang);
SP_ON_CALL(till, take);
SP_ON_CALL(till, later);
SP_ON_CALL(till, ask_back);
SP_ON_FORMAT(till);
SP_ON_HEALTH(till);
SP_CLASS(till, .init = till__init, .format = till__format, .health = till__health);

/* Has no format function. */
SP_SERVER(mute, sp_empty);
SP_CALL(mute, about, sp_pid, sp_err);

/* Has a till ask about this one, while it waits for the till. */
static sp_err mute_on_about(int *state, const sp_pid *in, sp_err *out)
{
    sp_pid self = sp_self();
    (void)state;
    return till_ask_back((till_ref){ *in }, &self, out, sp_after_sec(60));
}

SP_STATE(mute, int);
SP_ON_CALL(mute, about);
SP_CLASS(mute, .init = NULL);

static till_ref till_new(int money, struct gate *gate)
{
    till_ref ref;
    CHECK_OK(till_start(&(struct till){ .money = money, .gate = gate }, NULL, &ref));
    return ref;
}

static const char *state_of(sp_pid pid)
{
    static char text[64];
    memset(text, 'x', sizeof(text));
    CHECK_OK(sp_sys_state(pid, text, sizeof(text), WORLD_PATIENCE));
    return text;
}

static enum sp_process_status status_of(sp_pid pid)
{
    struct sp_process_info info;
    CHECK_OK(sp_process_info(pid, &info));
    return info.status;
}

static struct sp_sys_event event_next(void)
{
    struct sp_message *message;
    CHECK_OK(sp_receive(WORLD_PATIENCE, &message));
    const struct sp_sys_event *event = sp_sys_event_of(message);
    CHECK(event != NULL);
    struct sp_sys_event copy = *event;
    sp_message_free(message);
    return copy;
}

TEST(a_state_is_told_in_the_words_of_its_class)
{
    char text[4];
    world_open(NULL);
    till_ref till = till_new(7, NULL);
    CHECK_STR(state_of(till.pid), "7 coins");
    CHECK_OK(sp_sys_state(till.pid, text, sizeof(text), WORLD_PATIENCE));
    CHECK_STR(text, "7 c");
    CHECK_ERR(sp_sys_state(till.pid, text, 0, WORLD_PATIENCE), SP_ERR_INVALID);
    CHECK_ERR(sp_sys_state(till.pid, text, (size_t)SP_SYS_STATE_MAX + 1, WORLD_PATIENCE),
              SP_ERR_INVALID);
    mute_ref mute;
    CHECK_OK(mute_start(&(sp_empty){ 0 }, NULL, &mute));
    CHECK_ERR(sp_sys_state(mute.pid, text, sizeof(text), WORLD_PATIENCE), SP_ERR_NOTSUP);
    CHECK_ERR(sp_sys_state(puppet_start(NULL), text, sizeof(text), WORLD_PATIENCE), SP_ERR_NOTSUP);
    CHECK_ERR(sp_sys_state(sp_self(), text, sizeof(text), WORLD_PATIENCE), SP_ERR_DEADLOCK);
    CHECK_OK(sp_stop(till.pid, sp_reason_normal(), WORLD_PATIENCE));
    CHECK_ERR(sp_sys_state(till.pid, text, sizeof(text), WORLD_PATIENCE), SP_ERR_NOPROC);
    world_close();
    CHECK_ERR(sp_sys_state(till.pid, text, sizeof(text), WORLD_PATIENCE), SP_ERR_NOTCONTEXT);
}

TEST(a_format_function_that_faults_ends_its_server_and_who_asked_is_told)
{
    char text[64];
    world_open(NULL);
    till_ref till = till_new(666, NULL);
    CHECK_ERR(sp_sys_state(till.pid, text, sizeof(text), WORLD_PATIENCE), SP_ERR_DIED);
    world_close();
}

TEST(one_that_is_suspended_answers_questions_and_takes_no_messages)
{
    int out;
    world_open(NULL);
    till_ref till = till_new(0, NULL);
    CHECK_OK(sp_sys_suspend(till.pid, WORLD_PATIENCE));
    CHECK_OK(sp_sys_suspend(till.pid, WORLD_PATIENCE));
    for (int i = 0; i < 10; i++)
        CHECK_OK(till_put(till, &(int){ 1 }));
    CHECK_ERR(till_take(till, &(int){ 1 }, &out, sp_after_ms(1)), SP_ERR_TIMEOUT);
    CHECK_STR(state_of(till.pid), "0 coins");
    CHECK_INT(status_of(till.pid), SP_STATUS_SUSPENDED);
    CHECK_OK(sp_sys_resume(till.pid, WORLD_PATIENCE));
    CHECK_OK(sp_sys_resume(till.pid, WORLD_PATIENCE));
    CHECK_OK(till_take(till, &(int){ 0 }, &out, WORLD_PATIENCE));
    CHECK_INT(out, 10);
    CHECK(status_of(till.pid) != SP_STATUS_SUSPENDED);
    world_close();
}

TEST(one_that_is_suspended_ends_when_it_is_told_to)
{
    world_open(NULL);
    till_ref stopped = till_new(0, NULL);
    till_ref killed = till_new(0, NULL);
    till_ref left = till_new(0, NULL);
    CHECK_OK(sp_sys_suspend(stopped.pid, WORLD_PATIENCE));
    CHECK_OK(sp_sys_suspend(killed.pid, WORLD_PATIENCE));
    CHECK_OK(sp_sys_suspend(left.pid, WORLD_PATIENCE));
    CHECK_OK(till_put(stopped, &(int){ 1 }));
    CHECK_OK(sp_stop(stopped.pid, sp_reason_normal(), WORLD_PATIENCE));
    CHECK_OK(sp_kill(killed.pid));
    CHECK_OK(sp_join(killed.pid, WORLD_PATIENCE, NULL));
    world_close(); /* ends the third */
}

TEST(one_that_is_suspended_and_drained_works_off_its_mailbox_and_is_suspended_no_longer)
{
    struct gate gate = { .open = false };
    world_open(NULL);
    till_ref till = till_new(0, &gate);
    CHECK_OK(sp_sys_suspend(till.pid, WORLD_PATIENCE));
    CHECK_OK(till_hang(till, &(sp_empty){ 0 }));
    CHECK_ERR(sp_drain(till.pid, sp_nowait()), SP_ERR_TIMEOUT); /* it goes on draining */
    while (!atomic_load(&gate.entered))
        sp_yield();
    CHECK(status_of(till.pid) != SP_STATUS_SUSPENDED);
    atomic_store(&gate.open, true);
    CHECK_OK(sp_join(till.pid, WORLD_PATIENCE, NULL));
    world_close();
}

TEST(one_whose_handler_does_not_return_is_asked_in_vain_and_not_later_either)
{
    struct gate gate = { .open = false };
    char text[64];
    world_open(NULL);
    till_ref till = till_new(3, &gate);
    CHECK_OK(till_hang(till, &(sp_empty){ 0 }));
    while (!atomic_load(&gate.entered))
        sp_yield();
    CHECK_ERR(sp_sys_suspend(till.pid, sp_after_ms(1)), SP_ERR_TIMEOUT);
    CHECK_ERR(sp_sys_state(till.pid, text, sizeof(text), sp_nowait()), SP_ERR_TIMEOUT);
    atomic_store(&gate.open, true);
    CHECK_STR(state_of(till.pid), "3 coins"); /* it was not suspended */
    CHECK(status_of(till.pid) != SP_STATUS_SUSPENDED);
    world_close();
}

/* Questions that its process has not come to yet. */
static size_t questions_of(sp_pid pid)
{
    size_t count = 0;
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(sp_runtime_current(), pid);
    struct sp__extra *extra = atomic_load(&process->extra);
    struct sp__sys *sys = extra == NULL ? NULL : atomic_load(&extra->sys);
    if (sys != NULL) {
        sp__lock_lock(&sys->lock);
        count = sp__list_count(&sys->requests);
        sp__lock_unlock(&sys->lock);
    }
    sp__process_leave();
    return count;
}

TEST(questions_that_were_given_up_do_not_wait_for_a_handler_that_does_not_return)
{
    struct gate gate = { .open = false };
    char text[64];
    world_open(NULL);
    till_ref till = till_new(3, &gate);
    CHECK_OK(till_hang(till, &(sp_empty){ 0 }));
    while (!atomic_load(&gate.entered))
        sp_yield();
    for (int i = 0; i < 100; i++)
        CHECK_ERR(sp_sys_state(till.pid, text, sizeof(text), sp_nowait()), SP_ERR_TIMEOUT);
    CHECK_INT(questions_of(till.pid), 0);
    atomic_store(&gate.open, true);
    CHECK_STR(state_of(till.pid), "3 coins");
    world_close();
}

static void asks_for_ever(void *pid)
{
    char text[64];
    sp_ignore(sp_sys_state(*(const sp_pid *)pid, text, sizeof(text), sp_never()));
}

TEST(questions_go_with_who_asked_them)
{
    struct gate gate = { .open = false };
    sp_pid asker;
    world_open(NULL);
    till_ref till = till_new(3, &gate);
    CHECK_OK(till_hang(till, &(sp_empty){ 0 }));
    while (!atomic_load(&gate.entered))
        sp_yield();
    CHECK_OK(sp_spawn(asks_for_ever, &till.pid,
                      &(struct sp_spawn_options){ .arg_size = sizeof(till.pid) }, &asker));
    while (questions_of(till.pid) == 0)
        sp_yield();
    CHECK_OK(sp_kill(asker));
    CHECK_OK(sp_join(asker, WORLD_PATIENCE, NULL));
    CHECK_INT(questions_of(till.pid), 0);
    atomic_store(&gate.open, true);
    CHECK_STR(state_of(till.pid), "3 coins");
    world_close();
}

static void asks_health(void *arg)
{
    struct sp_health_check check;
    struct sp_health_report report;
    (void)arg;
    sp_ignore(sp_health(NULL, &check, 1, &report));
}

TEST(a_question_that_comes_while_the_health_is_told_is_answered_after_it)
{
    struct gate gate = { .open = false };
    sp_pid asker;
    world_open(NULL);
    till_ref till = till_new(3, &gate);
    CHECK_OK(sp_spawn(asks_health, NULL, NULL, NULL));
    while (!atomic_load(&gate.entered))
        sp_yield();
    CHECK_OK(sp_spawn(asks_for_ever, &till.pid,
                      &(struct sp_spawn_options){ .arg_size = sizeof(till.pid) }, &asker));
    while (questions_of(till.pid) == 0)
        sp_yield();
    atomic_store(&gate.open, true);
    CHECK_OK(sp_join(asker, WORLD_PATIENCE, NULL));
    world_close();
}

TEST(who_asks_about_one_that_waits_for_it_is_told_of_the_deadlock)
{
    sp_err inner = SP_OK;
    world_open(NULL);
    till_ref till = till_new(3, NULL);
    mute_ref mute;
    CHECK_OK(mute_start(&(sp_empty){ 0 }, NULL, &mute));
    CHECK_OK(till_ask_back(till, &mute.pid, &inner, WORLD_PATIENCE));
    CHECK_INT(inner, SP_ERR_NOTSUP);
    /* Whoever closes the circle is told; both, if both see it closed. */
    sp_err outer = mute_about(mute, &till.pid, &inner, WORLD_PATIENCE);
    CHECK_INT(outer == SP_OK ? inner : outer, SP_ERR_DEADLOCK);
    world_close();
}

TEST(what_is_measured_counts)
{
    struct sp_sys_statistics statistics;
    int out;
    world_open(NULL);
    till_ref till = till_new(3, NULL);
    CHECK_ERR(sp_sys_statistics(till.pid, &statistics, WORLD_PATIENCE), SP_ERR_NOTFOUND);
    CHECK_OK(till_take(till, &(int){ 1 }, &out, WORLD_PATIENCE));
    CHECK_OK(sp_sys_measure(till.pid, true, WORLD_PATIENCE));
    CHECK_OK(till_put(till, &(int){ 1 }));
    CHECK_OK(till_take(till, &(int){ 1 }, &out, WORLD_PATIENCE));
    CHECK_ERR(till_take(till, &(int){ 100 }, &out, WORLD_PATIENCE), SP_ERR_INVALID);
    CHECK_OK(sp_sys_statistics(till.pid, &statistics, WORLD_PATIENCE));
    CHECK_INT(statistics.handled, 3);
    CHECK_INT(statistics.failed, 1);
    CHECK_INT(statistics.mailbox, 0);
    CHECK(statistics.handled_ever >= 4);
    CHECK(statistics.longest.ns <= statistics.in_handlers.ns);
    CHECK(statistics.longest_operation[0] != '\0');
    CHECK(statistics.since.ns != 0);
    CHECK_OK(sp_sys_measure(till.pid, false, WORLD_PATIENCE));
    CHECK_ERR(sp_sys_statistics(till.pid, &statistics, WORLD_PATIENCE), SP_ERR_NOTFOUND);
    world_close();
}

TEST(messages_are_traced_until_the_limit)
{
    int out;
    world_open(NULL);
    till_ref till = till_new(3, NULL);
    CHECK_OK(sp_sys_trace(till.pid, &(struct sp_sys_trace){ .limit = 2 }, WORLD_PATIENCE));
    CHECK_ERR(till_take(till, &(int){ 100 }, &out, WORLD_PATIENCE), SP_ERR_INVALID);
    for (int i = 0; i < 3; i++)
        CHECK_OK(till_put(till, &(int){ 1 }));
    CHECK_OK(till_take(till, &(int){ 1 }, &out, WORLD_PATIENCE));
    struct sp_sys_event event = event_next();
    CHECK_INT(event.what, SP_SYS_TAKEN);
    CHECK_STR(event.operation, "take");
    CHECK(event.call && event.number == 1 && sp_pid_equal(event.from, sp_self()));
    CHECK(sp_pid_equal(event.server, till.pid));
    event = event_next();
    CHECK_INT(event.what, SP_SYS_HANDLED);
    CHECK_INT(event.result, SP_ERR_INVALID);
    CHECK(event.took.ns >= 0 && event.lost == 0);
    event = event_next();
    CHECK_STR(event.operation, "put");
    CHECK(!event.call && event.number == 2);
    CHECK_INT(event_next().what, SP_SYS_HANDLED);
    event = event_next();
    CHECK_INT(event.what, SP_SYS_ENDED);
    CHECK(event.operation == NULL);
    CHECK_INT(sp_mailbox_length(), 0);
    world_close();
}

TEST(a_trace_is_filtered)
{
    int out;
    char name[SP_SYS_NAME_MAX + 1];
    world_open(NULL);
    till_ref till = till_new(3, NULL);
    CHECK_OK(sp_sys_trace(till.pid, &(struct sp_sys_trace){ .failed = true }, WORLD_PATIENCE));
    CHECK_OK(till_take(till, &(int){ 1 }, &out, WORLD_PATIENCE));
    CHECK_ERR(till_take(till, &(int){ 100 }, &out, WORLD_PATIENCE), SP_ERR_INVALID);
    struct sp_sys_event event = event_next();
    CHECK_INT(event.what, SP_SYS_HANDLED);
    CHECK_INT(event.result, SP_ERR_INVALID);
    CHECK_OK(
        sp_sys_trace(till.pid, &(struct sp_sys_trace){ .operation = "later" }, WORLD_PATIENCE));
    CHECK_INT(event_next().what, SP_SYS_ENDED); /* of the one before */
    CHECK_OK(till_take(till, &(int){ 1 }, &out, WORLD_PATIENCE));
    CHECK_ERR(till_later(till, &(sp_empty){ 0 }, &out, sp_after_ms(1)), SP_ERR_TIMEOUT);
    CHECK_STR(event_next().operation, "later");
    CHECK_INT(event_next().result, SP_ERR_DEFERRED);
    CHECK_OK(sp_sys_trace(till.pid, &(struct sp_sys_trace){ .from = till.pid }, WORLD_PATIENCE));
    CHECK_INT(event_next().what, SP_SYS_ENDED);
    CHECK_OK(till_take(till, &(int){ 1 }, &out, WORLD_PATIENCE));
    CHECK_OK(sp_sys_trace_stop(till.pid, WORLD_PATIENCE));
    CHECK_OK(sp_sys_trace_stop(till.pid, WORLD_PATIENCE));
    CHECK_INT(event_next().what, SP_SYS_ENDED);
    CHECK_INT(sp_mailbox_length(), 0);
    memset(name, 'n', sizeof(name) - 1);
    name[SP_SYS_NAME_MAX] = '\0';
    CHECK_ERR(sp_sys_trace(till.pid, &(struct sp_sys_trace){ .operation = name }, WORLD_PATIENCE),
              SP_ERR_INVALID);
    CHECK_ERR(sp_sys_trace(till.pid, &(struct sp_sys_trace){ .limit = SP_SYS_TRACE_MAX + 1 },
                           WORLD_PATIENCE),
              SP_ERR_INVALID);
    world_close();
}

TEST(a_trace_loses_what_its_reader_has_no_room_for_and_ends_with_either)
{
    int out;
    world_open(NULL);
    till_ref till = till_new(3, NULL);
    CHECK_OK(sp_sys_trace(till.pid, &(struct sp_sys_trace){ .pending_max = 1 }, WORLD_PATIENCE));
    for (int i = 0; i < 3; i++)
        CHECK_OK(till_take(till, &(int){ 0 }, &out, WORLD_PATIENCE));
    CHECK_INT(sp_mailbox_length(), 1);
    CHECK_INT(event_next().what, SP_SYS_TAKEN);
    CHECK_OK(till_take(till, &(int){ 0 }, &out, WORLD_PATIENCE));
    CHECK_INT(event_next().lost, 5);
    CHECK_OK(sp_stop(till.pid, sp_reason_normal(), WORLD_PATIENCE));
    CHECK_INT(event_next().what, SP_SYS_ENDED);
    sp_pid gone = puppet_start(NULL);
    till = till_new(3, NULL);
    CHECK_OK(sp_sys_trace(till.pid, &(struct sp_sys_trace){ .to = gone }, WORLD_PATIENCE));
    CHECK_OK(sp_kill(gone));
    CHECK_OK(sp_join(gone, WORLD_PATIENCE, NULL));
    CHECK_OK(till_take(till, &(int){ 0 }, &out, WORLD_PATIENCE));
    CHECK_OK(till_take(till, &(int){ 0 }, &out, WORLD_PATIENCE));
    world_close();
}
