#include "behaviour/readers.h"

#include "base/alloc.h"
#include "behaviour/reader_turn.h"
#include "behaviour/server.h"
#include "behaviour/task.h"
#include "process/deadlock.h"
#include "process/resource.h"
#include "process/scheduling.h"
#include "process/signal.h"
#include "runtime/point.h"

#include <string.h>

/* Who closes a circle and is asked to look has so long to give way. Few cannot: reentrant servers. */
enum { READERS_PATIENCE_NS = 10000000 };

struct readers;

/* Of its own cache line: a reader that is done takes nobody else's. */
struct reader {
    _Alignas(64) _Atomic uint32_t busy;
    sp_pid pid; /* NONE: not started, or ended */
    sp_monitor_ref monitor;
    struct readers *all;
    struct sp__resource use; /* of the reader's process: it holds `all` */
    struct sp__process_signal kill;
};

struct readers {
    sp_pid server;
    void *state;
    _Atomic uint64_t token; /* of the server's wait; set before a reader is WAITED */
    _Atomic uint32_t references;
    uint32_t count;
    uint32_t last;                /* the one that had the last message */
    bool killed;                  /* they were told to end */
    struct sp_server_class class; /* of the readers: called as the server's */
    struct reader readers[];
};

/* What the server waits for, in reports. */
static const struct sp_msg_type readers_type = { .name = "reads" };

static struct readers *readers_of(void *extra)
{
    return *(struct readers **)extra;
}

static void readers_unref(struct readers *all)
{
    /* acq_rel: what others did with it is over before it is freed. */
    if (atomic_fetch_sub_explicit(&all->references, 1, memory_order_acq_rel) == 1)
        sp__free(all);
}

sp_err sp__readers_check(const struct sp_server_class *server_class)
{
    if (server_class->hook != &sp_readers_hook)
        return server_class->readers == 0 ? SP_OK : SP_ERR_INVALID;
    if (server_class->readers == 0 || server_class->readers > SP__READERS_MAX)
        return SP_ERR_INVALID;
    return SP_OK;
}

/* ---- a reader ---- */

/* Its message is done with, as far as the state goes. */
static void reader_done(struct reader *reader)
{
    struct sp__context *context = sp__context();
    uint64_t token = sp__reader_done(&reader->busy, &reader->all->token);
    if (token == 0)
        return;
    sp__epoch_enter(&context->epoch);
    struct sp_process *server = sp__process_lookup(context->runtime, reader->all->server);
    if (server != NULL && sp__wait_claim(&server->actor, token))
        sp__wait_finish(&server->actor, token);
    sp__epoch_leave(&context->epoch);
}

struct reading {
    struct reader *reader;
    bool done;
};

static sp_err reader_run(void *arg, struct sp_message *message, void *out)
{
    struct reading *reading = arg;
    const struct reader *reader = reading->reader;
    sp_err err =
        sp__message_op(message)->call(reader->all->state, sp__message_payload(message), out);
    /* Before the answer: who has it, and writes, need not wait for us. */
    reading->done = true;
    reader_done(reading->reader);
    return err;
}

static void reader_dispatch(void *extra, struct sp_message *moved_message)
{
    struct reading reading = { .reader = *(struct reader **)extra };
    /* Whatever else somebody sends us is for no operation of ours. */
    if (!(moved_message->flags & SP__MESSAGE_PASSED)) {
        sp_ignore(sp__server_handle(moved_message, sp__server_default_run, NULL));
        return;
    }
    sp_ignore(sp__server_handle(moved_message, reader_run, &reading));
    if (!reading.done) /* its caller has given up, or there was no memory for the reply */
        reader_done(reading.reader);
}

static sp_err reader_init(void *extra, const struct sp_server_class *class, void *state,
                          const void *args)
{
    (void)class;
    (void)state;
    /* Whoever is passed to us waits for us: so we look for circles whenever we wait. relaxed: before
     * any is. */
    atomic_fetch_or_explicit(&sp__process_self()->shared, SP__SHARED_JOINED, memory_order_relaxed);
    *(struct reader **)extra = (struct reader *)(uintptr_t)args;
    return SP_OK;
}

static bool reader_step(void *extra)
{
    (void)extra;
    return false;
}

/* Our class goes with it. */
static void reader_finish(void *extra)
{
    (void)extra; /* not set, where init did not come to run */
    const struct sp_server_class *class = sp__server_self()->class;
    readers_unref((struct readers *)(uintptr_t)sp__container_of(class, struct readers, class));
}

static const struct sp__server_hook reader_hook = {
    .extra_size = sizeof(struct reader *),
    .init = reader_init,
    .dispatch = reader_dispatch,
    .step = reader_step,
    .finish = reader_finish,
    .any_operation = true,
};

/* It has ended, whatever way: nothing of it reads any more, and nobody finds it. */
static void reader_released(struct sp__resource *resource)
{
    reader_done(sp__container_of(resource, struct reader, use));
}

static void reader_equip(struct sp_process *process, void *arg)
{
    struct reader *reader = arg;
    reader->use = (struct sp__resource){ .late = true, .release = reader_released };
    sp__resource_add(process, &reader->use);
}

/* ---- the server: passing reads ---- */

/* Errors: NOPROC (it has ended). Ownership: taken on SP_OK only. */
static sp_err reader_push(struct reader *reader, struct sp_message *message)
{
    struct sp__context *context = sp__context();
    uint32_t number;
    sp_err err = SP_ERR_NOPROC;
    /* relaxed: the push publishes it. */
    atomic_store_explicit(&reader->busy, SP__READER_BUSY, memory_order_relaxed);
    message->flags |= SP__MESSAGE_PASSED;
    sp__edge_redirect(sp__message_call(message), reader->pid);
    sp__epoch_enter(&context->epoch);
    struct sp_process *process = sp__process_lookup(context->runtime, reader->pid);
    if (process != NULL)
        err = sp__mailbox_push(&process->actor, message, false, &number);
    sp__epoch_leave(&context->epoch);
    if (err == SP_OK)
        return SP_OK;
    message->flags &= (uint16_t)~SP__MESSAGE_PASSED;
    sp__edge_redirect(sp__message_call(message), reader->all->server);
    atomic_store_explicit(&reader->busy, SP__READER_IDLE, memory_order_relaxed);
    reader->pid = SP_PID_NONE;
    return err;
}

static bool readers_idle(const struct readers *all)
{
    for (uint32_t i = 0; i < all->count; i++)
        /* relaxed: as in pass. */
        if (atomic_load_explicit(&all->readers[i].busy, memory_order_relaxed) == SP__READER_IDLE &&
            !sp_pid_is_none(all->readers[i].pid))
            return true;
    return false;
}

/* To an idle reader, if there is one. Ownership: taken on true. */
static bool readers_pass(struct sp_process *self, struct readers *all, struct sp_message *message)
{
    for (uint32_t i = 0; i < all->count; i++) {
        all->last = all->last + 1 == all->count ? 0 : all->last + 1;
        struct reader *reader = &all->readers[all->last];
        /* relaxed: what follows an IDLE that we see too late is seen by the next one. */
        if (atomic_load_explicit(&reader->busy, memory_order_relaxed) != SP__READER_IDLE ||
            sp_pid_is_none(reader->pid))
            continue;
        sp__point(SP__POINT_SEND, sp__point_pid(reader->pid), message->type->name);
        if (reader_push(reader, message) == SP_OK) {
            sp__process_passed(self);
            return true;
        }
    }
    return false;
}

static bool readers_is_read(const struct sp_message *message)
{
    return (message->type->kind & ~SP__KIND_RESERVED) == SP__KIND_CALL &&
           (message->flags & SP__MESSAGE_CALL) && !(message->flags & SP__MESSAGE_ANSWERED) &&
           sp__message_op(message)->read_only &&
           sp__message_op(message)->server == sp__server_self()->class;
}

/* ---- the server: being alone ---- */

/* `again`: also where they were told before, so that what hangs in their exits goes on. */
static void readers_kill(struct readers *all, bool again)
{
    if (all->killed && !again)
        return;
    all->killed = true;
    for (uint32_t i = 0; i < all->count; i++)
        if (!sp_pid_is_none(all->readers[i].pid))
            sp__task_signal_again(sp__context()->runtime, all->readers[i].pid,
                                  &all->readers[i].kill);
}

/* In the exit: a circle or a kill ends the readers, nothing ends the wait. */
static void reader_wait_held(struct sp_process *self, struct readers *all, uint64_t token)
{
    while (!sp__wait_done(&self->actor, token)) {
        if (sp__deadlock_closed(self, token))
            readers_kill(all, false);
        if (sp__process_park_held(self))
            readers_kill(all, true);
    }
}

/* Whose message we look for. */
struct search {
    sp_pid from;
    bool found;
};

/* The first message of theirs, if it is a read: none of one sender overtakes another. */
static bool readers_seeks(struct sp_message *message, void *arg)
{
    struct search *search = arg;
    if (search->found || !sp_pid_equal(message->from, search->from))
        return false;
    search->found = true;
    return readers_is_read(message);
}

/* Of a circle, `last` waits for us. What it asks of us may be a read, for which one is idle: only the
 * writer that waits now was in its way. */
static bool readers_let_in(struct sp_process *self, struct readers *all, sp_pid last)
{
    struct search search = { .from = last };
    if (!readers_idle(all))
        return false;
    struct sp_message *message = sp__process_take_if(self, readers_seeks, &search);
    if (message == NULL)
        return false;
    if (readers_pass(self, all, message))
        return true;
    sp__process_append(self, message, false); /* it ended: so do we; the order counts no more */
    return false;
}

/* The call that they wait for. */
static bool readers_seeks_call(struct sp_message *message, void *arg)
{
    const struct search *search = arg;
    return sp_pid_equal(message->from, search->from) && (message->flags & SP__MESSAGE_CALL) &&
           !(message->flags & SP__MESSAGE_ANSWERED);
}

/* What `last` asks of us will not be done. */
static bool readers_refuse(struct sp_process *self, uint64_t token, sp_pid last)
{
    struct search search = { .from = last };
    struct sp_message *message = sp__process_take_if(self, readers_seeks_call, &search);
    if (message == NULL)
        return false;
    sp_ignore(sp__deadlock_closed(self, token)); /* for the log */
    sp__process_took(sp__context(), self, message);
    sp__reply_fail_message(message, SP_ERR_DEADLOCK, NULL);
    sp__message_destroy(message);
    return true;
}

/* Did `pid` call what we are to do? */
static bool readers_called_by(sp_pid pid)
{
    const struct sp__frame *frame = sp__server_self()->frame;
    return frame != NULL && frame->call && sp_pid_equal(frame->message->from, pid);
}

/* Who gives way, where our wait has closed a circle? What we are to do is mostly innocent: it came
 * between a read and what that asks of us. Errors: DEADLOCK (it is not). */
static sp_err readers_judge(struct sp_process *self, struct readers *all, uint64_t token,
                            int64_t *until)
{
    sp_pid last;
    int64_t asked_until = *until;
    *until = INT64_MAX;
    if (!sp__deadlock_found(self, token, &last) || readers_let_in(self, all, last))
        return SP_OK;
    int64_t now = sp__now(sp__process_runtime(self));
    if (asked_until == INT64_MAX && !readers_called_by(last)) {
        /* Most look at once, and give up. */
        *until = now + READERS_PATIENCE_NS;
        sp__deadlock_leave_to(self, last);
        return SP_OK;
    }
    if (asked_until != INT64_MAX && now < asked_until) {
        *until = asked_until;
        return SP_OK;
    }
    if (asked_until != INT64_MAX && readers_refuse(self, token, last))
        return SP_OK;
    return sp__deadlock_closed(self, token) ? SP_ERR_DEADLOCK : SP_OK;
}

static sp_err reader_wait_judging(struct sp_process *self, struct readers *all, uint64_t token)
{
    int64_t until = INT64_MAX; /* when somebody else is to have given way */
    sp_err err = SP_OK;
    while (err == SP_OK && !sp__wait_done(&self->actor, token)) {
        sp_ignore(sp__process_check(self)); /* ends us, or comes back */
        err = readers_judge(self, all, token, &until);
        if (err == SP_OK)
            sp__process_park(self, false, until);
    }
    return err == SP_OK || !sp__wait_close(&self->actor, token) ? SP_OK : err;
}

/* Wait until this one is idle. `held`: whatever comes; a circle then ends the readers.
 *  Errors: DEADLOCK. */
static sp_err reader_wait(struct sp_process *self, struct reader *reader, bool held)
{
    struct readers *all = reader->all;
    struct sp__pending pending = { .slots = NULL, .type = &readers_type, .judges = !held };
    uint64_t token = sp__wait_open(&self->actor);
    if (!sp__reader_await(&reader->busy, &all->token, token)) {
        sp__wait_close(&self->actor, token);
        return SP_OK;
    }
    sp__edge_begin(self, &pending, reader->pid, token, SP_WAIT_CALL);
    sp_err err = SP_OK;
    if (held)
        reader_wait_held(self, all, token);
    else
        err = reader_wait_judging(self, all, token);
    sp__edge_end(self);
    return err;
}

/* Nobody reads any more, and nobody will before we pass something again.
 *  Errors: DEADLOCK (one that reads waits for us). */
static sp_err readers_wait(struct readers *all, bool held)
{
    struct sp_process *self = sp__process_self();
    sp_err err = SP_OK;
    bool before = sp_shield(true);
    for (uint32_t i = 0; i < all->count && err == SP_OK;) {
        if (sp__reader_is_idle(&all->readers[i].busy)) {
            i++;
            continue;
        }
        err = reader_wait(self, &all->readers[i], held);
        i = 0; /* while we waited, others may have been let in */
    }
    (void)sp_shield(before);
    return err;
}

/* The log has said who waits for whom. */
static SP_NORETURN void readers_stuck(void)
{
    sp_exit_error(SP_ERR_DEADLOCK, "a read waits for this server, which waits for its reads");
}

/* Anything but a read that is passed. */
static sp_err readers_alone_run(void *arg, struct sp_message *message, void *out)
{
    struct readers *all = arg;
    bool is_call = (message->type->kind & ~SP__KIND_RESERVED) == SP__KIND_CALL;
    sp_err err = readers_is_read(message) ? SP_OK : readers_wait(all, false);
    if (err != SP_OK && !is_call)
        readers_stuck(); /* nobody could be told */
    return err == SP_OK ? sp__server_default_run(NULL, message, out) : err;
}

/* ---- the server: its hook ---- */

static bool readers_ended(struct readers *all, const struct sp_message *message)
{
    const struct sp_down *down = sp_message_down(message);
    for (uint32_t i = 0; down != NULL && i < all->count; i++) {
        if (all->readers[i].monitor.id != down->ref.id)
            continue;
        all->readers[i].pid = SP_PID_NONE;
        return true;
    }
    return false;
}

/* One of the readers has ended: so do we. */
static sp_err readers_ended_run(void *arg, struct sp_message *message, void *out)
{
    (void)arg;
    (void)out;
    sp_server_stop_self(sp_reason_ref(sp_message_down(message)->reason));
    return SP_OK;
}

static void readers_dispatch(void *extra, struct sp_message *moved_message)
{
    struct readers *all = readers_of(extra);
    if (readers_is_read(moved_message) && readers_pass(sp__process_self(), all, moved_message))
        return;
    sp__server_run_fn run =
        readers_ended(all, moved_message) ? readers_ended_run : readers_alone_run;
    sp_ignore(sp__server_handle(moved_message, run, all));
}

static sp_err reader_start(struct readers *all, struct reader *reader)
{
    struct sp_scheduling scheduling;
    sp_err err = sp_scheduling_get(&scheduling);
    if (err != SP_OK)
        return err;
    const struct sp_spawn_options options = { .out_monitor = &reader->monitor,
                                              .scheduling = &scheduling };
    const struct sp__equipment equipment = { .give = reader_equip, .arg = reader };
    reader->all = all;
    /* relaxed: the server holds one, so that nobody takes the last meanwhile. */
    atomic_fetch_add_explicit(&all->references, 1, memory_order_relaxed);
    err = sp__server_spawn(&all->class, reader, 0, &options, &equipment, &reader->pid);
    if (err != SP_OK) /* else it is given back in the reader's finish */
        readers_unref(all);
    return err;
}

static sp_err readers_init(void *extra, const struct sp_server_class *class, void *state,
                           const void *args)
{
    struct readers *all = sp__aligned_alloc(
        _Alignof(struct readers), sizeof(*all) + class->readers * sizeof(all->readers[0]));
    if (all == NULL)
        return SP_ERR_NOMEM;
    memset(all, 0, sizeof(*all) + class->readers * sizeof(all->readers[0]));
    *(struct readers **)extra = all;
    all->server = sp_self();
    /* Whenever we wait we look for a circle, as who is joined does: our readers may close one. */
    atomic_fetch_or_explicit(&sp__process_self()->shared, SP__SHARED_JOINED, memory_order_relaxed);
    all->state = state;
    atomic_init(&all->references, 1);
    all->class = (struct sp_server_class){ .name = class->name, .hook = &reader_hook };
    sp_err err = SP_OK;
    for (; all->count < class->readers && err == SP_OK; all->count++)
        err = reader_start(all, &all->readers[all->count]);
    return err == SP_OK ? sp__server_class_init(class, state, args) : err;
}

static void readers_alone(void *extra)
{
    if (readers_wait(readers_of(extra), false) != SP_OK)
        readers_stuck();
}

static void readers_quiesce(void *extra, bool at_once)
{
    struct readers *all = readers_of(extra);
    if (all == NULL)
        return;
    if (at_once)
        readers_kill(all, false);
    sp_ignore(readers_wait(all, true));
    readers_kill(all, false);
}

static bool readers_step(void *extra)
{
    (void)extra;
    return false;
}

static void readers_finish(void *extra)
{
    if (readers_of(extra) != NULL)
        readers_unref(readers_of(extra));
}

const struct sp__server_hook sp_readers_hook = {
    .extra_size = sizeof(struct readers *),
    .init = readers_init,
    .dispatch = readers_dispatch,
    .step = readers_step,
    .alone = readers_alone,
    .quiesce = readers_quiesce,
    .finish = readers_finish,
    .any_operation = true,
};
