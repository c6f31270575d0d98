/* Looking into servers under every schedule: who asks and who is asked may end at any moment, no
 * question stays without an answer, who is suspended takes nothing and loses nothing. */
#include "accept.h"

#include <stdio.h>

static struct {
    int taken;
    int suspended; /* as far as somebody knows for certain: 1, or 0: not known */
    int told;
} books;

SP_SERVER(clerk, sp_empty);
SP_CAST(clerk, note, int);
SP_CALL(clerk, count, sp_empty, int);

static void clerk_on_note(int *state, const int *in)
{
    EXPECT(!books.suspended);
    EXPECT(*in == *state); /* in order, none lost */
    ++*state;
    books.taken++;
}

static sp_err clerk_on_count(int *state, const sp_empty *in, int *out)
{
    (void)in;
    EXPECT(!books.suspended);
    *out = *state;
    return SP_OK;
}

static void clerk_format(const int *state, char *text, size_t size)
{
    (void)snprintf(text, size, "%d", *state);
}

SP_STATE(clerk, int);
SP_ON_CAST(clerk, note);
SP_ON_CALL(clerk, count);
SP_ON_FORMAT(clerk);
SP_CLASS(clerk, .init = NULL, .format = clerk__format);

static clerk_ref clerk_new(void)
{
    clerk_ref ref;
    memset(&books, 0, sizeof(books));
    if (clerk_start(&(sp_empty){ 0 }, NULL, &ref) != SP_OK)
        accept_close();
    return ref;
}

static bool asked_well(sp_err err)
{
    return err == SP_OK || err == SP_ERR_NOPROC || err == SP_ERR_DIED || err == SP_ERR_NOMEM;
}

/* ---- suspended ---- */

static void notes(void *arg)
{
    clerk_ref clerk = *(const clerk_ref *)arg;
    for (int i = 0; i < 5; i++)
        EXPECT(clerk_note(clerk, &i) == SP_OK);
}

static void suspended(void *unused)
{
    int out = 0;
    char text[8];
    (void)unused;
    clerk_ref clerk = clerk_new();
    sp_pid writer = SP_PID_NONE;
    EXPECT(sp_spawn(notes, &clerk, &(struct sp_spawn_options){ .arg_size = sizeof(clerk) },
                    &writer) == SP_OK);
    EXPECT(sp_sys_suspend(clerk.pid, sp_never()) == SP_OK);
    books.suspended = 1;
    int taken = books.taken;
    accept_join(writer);
    EXPECT(sp_sys_state(clerk.pid, text, sizeof(text), sp_never()) == SP_OK);
    EXPECT(taken == books.taken && text[0] == '0' + taken);
    EXPECT(clerk_count(clerk, &(sp_empty){ 0 }, &out, sp_after_ms(5)) == SP_ERR_TIMEOUT);
    books.suspended = 0;
    EXPECT(sp_sys_resume(clerk.pid, sp_never()) == SP_OK);
    EXPECT(clerk_count(clerk, &(sp_empty){ 0 }, &out, sp_never()) == SP_OK);
    EXPECT(out == 5);
    sp_ignore(sp_stop(clerk.pid, NULL, sp_never()));
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(sys_suspended_nothing_is_taken_and_nothing_lost, suspended);

/* ---- who is asked ends, who asks ends ---- */

static void asks(void *arg)
{
    clerk_ref clerk = *(const clerk_ref *)arg;
    char text[8];
    struct sp_sys_statistics statistics;
    EXPECT(asked_well(sp_sys_suspend(clerk.pid, sp_never())));
    EXPECT(asked_well(sp_sys_state(clerk.pid, text, sizeof(text), sp_never())));
    EXPECT(asked_well(sp_sys_measure(clerk.pid, true, sp_never())));
    EXPECT(asked_well(sp_sys_resume(clerk.pid, sp_never())));
    sp_err err = sp_sys_statistics(clerk.pid, &statistics, sp_never());
    EXPECT(asked_well(err) || err == SP_ERR_NOTFOUND);
    EXPECT(asked_well(sp_sys_trace(clerk.pid, NULL, sp_never())));
    EXPECT(asked_well(sp_sys_trace_stop(clerk.pid, sp_never())));
}

static sp_pid asker(clerk_ref clerk)
{
    sp_pid pid = SP_PID_NONE;
    EXPECT(sp_spawn(asks, &clerk, &(struct sp_spawn_options){ .arg_size = sizeof(clerk) }, &pid) ==
           SP_OK);
    return pid;
}

static void ends(sp_err (*end)(sp_pid pid))
{
    clerk_ref clerk = clerk_new();
    sp_pid one = asker(clerk);
    sp_pid other = asker(clerk);
    sp_ignore(clerk_note(clerk, &(int){ 0 }));
    sp_ignore(end(clerk.pid));
    accept_join(one);
    accept_join(other);
    accept_join(clerk.pid);
    EXPECT(accept_alone());
    accept_close();
}

static sp_err stop(sp_pid pid)
{
    return sp_stop(pid, NULL, sp_never());
}

static void asked_is_killed(void *unused)
{
    (void)unused;
    ends(sp_kill);
}
ACCEPT(sys_who_is_asked_is_killed, asked_is_killed);

static void asked_stops(void *unused)
{
    (void)unused;
    ends(stop);
}
ACCEPT(sys_who_is_asked_stops, asked_stops);

static void asking_is_killed(void *unused)
{
    int out = 0;
    (void)unused;
    clerk_ref clerk = clerk_new();
    sp_pid one = asker(clerk);
    sp_yield();
    sp_ignore(sp_kill(one));
    accept_join(one);
    EXPECT(sp_sys_resume(clerk.pid, sp_never()) == SP_OK);
    EXPECT(clerk_count(clerk, &(sp_empty){ 0 }, &out, sp_never()) == SP_OK);
    sp_ignore(sp_stop(clerk.pid, NULL, sp_never()));
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(sys_who_asks_is_killed, asking_is_killed);

/* Who was told that it took too long finds the server as it was. */
static void given_up(void *unused)
{
    struct sp_process_info info;
    (void)unused;
    clerk_ref clerk = clerk_new();
    sp_pid writer = SP_PID_NONE;
    EXPECT(sp_spawn(notes, &clerk, &(struct sp_spawn_options){ .arg_size = sizeof(clerk) },
                    &writer) == SP_OK);
    sp_err err = sp_sys_suspend(clerk.pid, sp_after_ms(1));
    EXPECT(err == SP_OK || err == SP_ERR_TIMEOUT);
    accept_join(writer);
    struct sp_sys_statistics statistics; /* asked later, answered later */
    EXPECT(sp_sys_statistics(clerk.pid, &statistics, sp_never()) == SP_ERR_NOTFOUND);
    EXPECT(sp_process_info(clerk.pid, &info) == SP_OK);
    EXPECT((info.status == SP_STATUS_SUSPENDED) == (err == SP_OK));
    sp_ignore(sp_stop(clerk.pid, NULL, sp_never()));
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(sys_given_up_nothing_is_suspended, given_up, .abstract_time = true);

/* ---- a trace ---- */

static void traced(void *unused)
{
    (void)unused;
    clerk_ref clerk = clerk_new();
    EXPECT(sp_sys_trace(clerk.pid, &(struct sp_sys_trace){ .limit = 3 }, sp_never()) == SP_OK);
    sp_pid writer = SP_PID_NONE;
    EXPECT(sp_spawn(notes, &clerk, &(struct sp_spawn_options){ .arg_size = sizeof(clerk) },
                    &writer) == SP_OK);
    for (uint64_t i = 0; i < 7; i++) {
        struct sp_message *message = accept_next();
        const struct sp_sys_event *event = sp_sys_event_of(message);
        EXPECT(event != NULL && event->lost == 0);
        EXPECT(event->what == (i == 6 ? SP_SYS_ENDED : i % 2 == 0 ? SP_SYS_TAKEN : SP_SYS_HANDLED));
        EXPECT(i == 6 || (event->number == i / 2 + 1 && sp_pid_equal(event->from, writer)));
        sp_message_free(message);
    }
    accept_join(writer);
    sp_ignore(sp_stop(clerk.pid, NULL, sp_never()));
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(sys_a_trace_tells_all_in_order, traced);
