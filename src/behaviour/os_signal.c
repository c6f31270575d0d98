/* SIGINT and SIGTERM for any number of processes: a server that holds the runtime's one hook.
 *
 *     system ─> backend ─ notify(), any thread ─> cast `arrived` ─> this server ─> subscribers
 *
 * The server is started by the first subscriber and ends a moment after the last, so that nothing
 * is left of it. The hook is taken with the first subscriber, given back with the last, and after
 * a signal unless one of them keeps it.
 *
 * Threads: the server's process; notify() on a thread of the backend, which reads the hook only.
 * Neighbours: runtime/backend.h (os_signals), process/send.h.
 */
#include "spawned/os_signal.h"

#include "base/alloc.h"
#include "base/map.h"
#include "behaviour/deadline.h"
#include "process/send.h"
#include "runtime/backend.h"
#include "spawned/server.h"

#define OS_SIGNALS_NAME "sp.os_signals"

/* How long the server stays without subscribers: one that comes at once finds it. */
#define OS_SIGNALS_LINGER sp_ms(100)

const struct sp_msg_type sp_os_signal_type = { "os_signal", sizeof(struct sp_os_signal),
                                               SP__KIND_RESERVED, NULL };

struct os_signals_mode {
    enum sp_os_signal_mode mode;
};

SP_SERVER(sp__os_signals, sp_empty);
SP_CALL(sp__os_signals, subscribe, struct os_signals_mode, sp_empty);
SP_CALL(sp__os_signals, unsubscribe, sp_empty, sp_empty);

/* What notify() knows; freed when no notify() can run any more. */
struct os_signals_hook {
    struct sp_runtime *runtime;
    sp_pid server;
};

struct os_subscriber {
    sp_pid pid;
    sp_monitor_ref monitor;
    enum sp_os_signal_mode mode;
};

struct os_signals {
    struct os_signals_hook *hook; /* NULL: the signals have their default action */
    struct sp__map subscribers;   /* key of the pid -> struct os_subscriber, oldest first */
};
SP_STATE(sp__os_signals, struct os_signals);

static const struct sp_op os_signals_arrived_op;

static void os_signals_notify(void *arg, int signo)
{
    const struct os_signals_hook *hook = arg;
    struct sp_os_signal signal = { .signo = signo };
    /* NOPROC: the server is ending, and with it the subscriptions. Without memory the signal is
     * lost, as when it comes before anyone asked for it. */
    sp_ignore(sp__send_from(hook->runtime, SP_PID_NONE, hook->server, &os_signals_arrived_op.in,
                            &signal));
}

static sp_err os_signals_hook(struct os_signals *self)
{
    if (self->hook != NULL)
        return SP_OK;
    struct os_signals_hook *hook = sp__malloc(sizeof(*hook));
    if (hook == NULL)
        return SP_ERR_NOMEM;
    *hook = (struct os_signals_hook){ .runtime = sp_runtime_current(), .server = sp_self() };
    sp_err err = hook->runtime->ops->os_signals(hook->runtime, os_signals_notify, hook);
    if (err != SP_OK) {
        sp__free(hook);
        return err == SP_ERR_EXISTS ? SP_ERR_LIMIT : err;
    }
    self->hook = hook;
    return SP_OK;
}

static void os_signals_unhook(struct os_signals *self)
{
    struct os_signals_hook *hook = self->hook;
    if (hook == NULL)
        return;
    self->hook = NULL;
    sp_ignore(hook->runtime->ops->os_signals(hook->runtime, NULL, NULL));
    sp__free(hook);
}

/* The last one has gone: so do the hook, and soon the server. */
static void os_signals_end_if_unused(struct os_signals *self)
{
    if (sp__map_count(&self->subscribers) > 0)
        return;
    os_signals_unhook(self);
    sp_server_idle_after(OS_SIGNALS_LINGER);
}

static void sp__os_signals_timeout(struct os_signals *self)
{
    (void)self;
    sp_server_stop_self(sp_reason_normal());
}
SP_ON_TIMEOUT(sp__os_signals);

static sp_err os_signals_add(struct os_signals *self, sp_pid pid, enum sp_os_signal_mode mode)
{
    struct os_subscriber *one = sp__malloc(sizeof(*one));
    if (one == NULL)
        return SP_ERR_NOMEM;
    *one = (struct os_subscriber){ .pid = pid, .mode = mode };
    sp_err err = sp_monitor(pid, &one->monitor);
    if (err == SP_OK) {
        err = sp__map_add(&self->subscribers, sp_pid_key(pid), one);
        if (err != SP_OK)
            sp_ignore(sp_demonitor(one->monitor, SP_DEMONITOR_FLUSH));
    }
    if (err != SP_OK)
        sp__free(one);
    return err;
}

static sp_err sp__os_signals_on_subscribe(struct os_signals *self, const struct os_signals_mode *in,
                                          sp_empty *out)
{
    (void)out;
    sp_pid from = sp_server_from();
    struct os_subscriber *one = sp__map_get(&self->subscribers, sp_pid_key(from));
    sp_err err = os_signals_hook(self);
    if (err == SP_OK && one != NULL)
        one->mode = in->mode;
    else if (err == SP_OK)
        err = os_signals_add(self, from, in->mode);
    os_signals_end_if_unused(self);
    return err;
}
SP_ON_CALL(sp__os_signals, subscribe);

static sp_err sp__os_signals_on_unsubscribe(struct os_signals *self, const sp_empty *in,
                                            sp_empty *out)
{
    (void)in;
    (void)out;
    struct os_subscriber *one = sp__map_remove(&self->subscribers, sp_pid_key(sp_server_from()));
    bool found = one != NULL;
    if (found) {
        sp_ignore(sp_demonitor(one->monitor, SP_DEMONITOR_FLUSH));
        sp__free(one);
    }
    os_signals_end_if_unused(self); /* in any case: the message has cancelled the timeout */
    return found ? SP_OK : SP_ERR_NOTFOUND;
}
SP_ON_CALL(sp__os_signals, unsubscribe);

static void sp__os_signals_down(struct os_signals *self, const struct sp_down *down)
{
    sp__free(sp__map_remove(&self->subscribers, sp_pid_key(down->pid)));
    os_signals_end_if_unused(self);
}
SP_ON_DOWN(sp__os_signals);

static void os_signals_arrived(void *state, const void *in)
{
    struct os_signals *self = state;
    uint32_t cursor = 0;
    sp__map_item item;
    bool keep = false;
    while (sp__map_next(&self->subscribers, &cursor, &item)) {
        const struct os_subscriber *one = item.value;
        keep = keep || one->mode == SP_OS_SIGNAL_KEEP;
        /* NOPROC: its DOWN is under way. */
        sp_ignore(sp_send(one->pid, &sp_os_signal_type, in));
    }
    if (!keep)
        os_signals_unhook(self);
    os_signals_end_if_unused(self);
}

/* Written out because it goes past a full mailbox. */
static const struct sp_op os_signals_arrived_op = {
    .in = { "arrived", sizeof(struct sp_os_signal), SP__KIND_CAST | SP__KIND_RESERVED, NULL },
    .server = &sp__os_signals_class,
    .cast = os_signals_arrived,
};

/* Runs on every way out. */
static void os_signals_release(void *state)
{
    struct os_signals *self = state;
    uint32_t cursor = 0;
    sp__map_item item;
    os_signals_unhook(self);
    while (sp__map_next(&self->subscribers, &cursor, &item))
        sp__free(item.value);
    sp__map_finish(&self->subscribers);
}

static sp_err sp__os_signals_init(struct os_signals *self, const sp_empty *args)
{
    (void)args;
    *self = (struct os_signals){ 0 };
    sp__map_init(&self->subscribers, (struct sp__hash_seed){ sp_random(), sp_random() });
    sp_server_idle_after(OS_SIGNALS_LINGER); /* who started it may not come to subscribe */
    return sp_defer(os_signals_release, self);
}
SP_ON_INIT(sp__os_signals);

/* Written out for the name that inspection and the log show. */
const struct sp_server_class sp__os_signals_class = {
    .name = "os_signals",
    .state_size = sizeof(struct os_signals),
    .init = sp__os_signals__init,
    .on_down = sp__os_signals__down,
    .on_timeout = sp__os_signals__timeout,
};

/* ---- subscribers ---- */

/* Finds the server or starts it. EXISTS: another one was faster. */
static sp_err os_signals_server(sp__os_signals_ref *out_ref)
{
    if (sp__os_signals_whereis(OS_SIGNALS_NAME, out_ref) == SP_OK)
        return SP_OK;
    return sp__os_signals_start(
        &(sp_empty){ 0 }, &(struct sp_server_options){ .spawn.name = OS_SIGNALS_NAME }, out_ref);
}

/* The server found by name may just be ending, or be started by another. */
static bool os_signals_try_again(sp_err err)
{
    return err == SP_ERR_EXISTS || err == SP_ERR_NOPROC || err == SP_ERR_DIED;
}

sp_err sp_os_signal_subscribe(enum sp_os_signal_mode mode, sp_deadline deadline)
{
    struct os_signals_mode in = { .mode = mode };
    if (sp_runtime_current() == NULL)
        return SP_ERR_NOTCONTEXT;
    if ((unsigned)mode > SP_OS_SIGNAL_KEEP)
        return SP_ERR_INVALID;
    sp_deadline until = sp__deadline_fix(deadline, sp_after_sec(5));
    for (;;) {
        sp__os_signals_ref ref;
        sp_empty out;
        sp_err err = os_signals_server(&ref);
        if (err == SP_OK)
            err = sp__os_signals_subscribe(ref, &in, &out, until);
        if (!os_signals_try_again(err))
            return err;
        if (sp__deadline_passed(until))
            return SP_ERR_TIMEOUT;
        sp_yield();
    }
}

sp_err sp_os_signal_unsubscribe(sp_deadline deadline)
{
    sp__os_signals_ref ref;
    sp_empty out;
    if (sp_runtime_current() == NULL)
        return SP_ERR_NOTCONTEXT;
    if (sp__os_signals_whereis(OS_SIGNALS_NAME, &ref) != SP_OK)
        return SP_ERR_NOTFOUND;
    sp_err err = sp__os_signals_unsubscribe(ref, &(sp_empty){ 0 }, &out, deadline);
    return os_signals_try_again(err) ? SP_ERR_NOTFOUND : err;
}
