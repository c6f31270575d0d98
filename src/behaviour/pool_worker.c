/* The worker's side of a pool: a server of the user's class behind a hook.
 *
 * What comes from the pool carries a job; the worker takes the job's message out and handles it as
 * if it had come by its own mailbox. Everything else is handled as ever, operations that somebody
 * sends to the worker itself included.
 *
 * Between the return of a job's handler and its answer the job is marked DONE. A worker does not
 * end in between unless a destructor of the user's faults, so DONE and answered are the same. If it
 * ends before, its frame answers DIED, but not where the pool may have the job done again.
 *
 * Threads: the worker's process. Neighbours: pool.h.
 */
#include "behaviour/pool.h"

#include "base/alloc.h"
#include "process/trace.h"
#include "process/send.h"
#include "process/watched.h"

#include <string.h>

/** What a worker is doing, behind the state. */
struct worker {
    struct sp_message *carrier; /* of the job in hand; NULL: none */
    struct sp_message *message; /* of the job in hand */
    uint32_t untold;            /* jobs that are done, and the pool does not know */
    bool left;
};

static void carry_destroy(void *payload)
{
    sp__pool_job_unref(((struct sp__pool_carry *)payload)->job);
}

/* Handled by the hook, not by an operation; never refused by a mailbox. */
const struct sp_op sp__pool_carry_op = {
    .in = { "job", sizeof(struct sp__pool_carry), SP__KIND_CAST | SP__KIND_RESERVED,
            carry_destroy },
};
const struct sp_op sp__pool_retire_op = {
    .in = { "retire", sizeof(sp_empty), SP__KIND_CAST | SP__KIND_RESERVED, NULL },
};

void sp__pool_def_unref(struct sp__pool_def *def)
{
    /* acq_rel: pairs with the others' own, so that the last one sees what they did. */
    if (atomic_fetch_sub_explicit(&def->refs, 1, memory_order_acq_rel) == 1)
        sp__free(def);
}

static struct sp__pool_def *worker_def(void)
{
    return (struct sp__pool_def *)(uintptr_t)sp__server_self()->class->hook_class;
}

/* ---- one job ---- */

static sp_err worker_operate(const struct sp_op *op, struct sp_message *message, void *out)
{
    struct sp__server *server = sp__server_self();
    if (op->call != NULL)
        return op->call(server->state, sp__message_payload(message), out);
    op->cast(server->state, sp__message_payload(message));
    return SP_OK;
}

/* The handler of a job. Who was given up for stuck does not answer any more. */
static sp_err worker_run(void *arg, struct sp_message *message, void *out)
{
    const struct sp__pool_carry *carry = arg;
    sp_err result = worker_operate(carry->job->op, message, out);
    if (!sp__pool_job_move(carry, SP__JOB_STARTED, SP__JOB_DONE))
        sp__server_self()->frame->call = false;
    return result;
}

static struct sp_message *message_copy(struct sp_message *message)
{
    unsigned flags = message->flags & (SP__MESSAGE_CALL | SP__MESSAGE_ANSWERED);
    struct sp_message *copy =
        (message->flags & SP__MESSAGE_TRACED)
            ? sp__trace_copy(sp__context(), message, flags)
            : sp__message_new(message->type, message->size, flags, message->from);
    if (copy == NULL)
        return NULL;
    if (flags & SP__MESSAGE_CALL)
        *sp__message_call(copy) = *sp__message_call(message);
    memcpy(sp__message_payload(copy), sp__message_payload(message), message->size);
    return copy;
}

/* The message to work on; NULL: no memory. */
static struct sp_message *worker_message(struct sp__pool_job *job)
{
    struct sp_message *message = job->message;
    if (job->keep)
        return message_copy(message);
    job->message = NULL;
    return message;
}

static void worker_work(struct worker *self, const struct sp__pool_carry *carry)
{
    self->message = worker_message(carry->job);
    if (worker_def()->timed)
        /* release: pairs with the load in pool_staff.c; who finds it has begun may look at what is
         * left of the job. */
        atomic_store_explicit(&carry->job->begun_ns, sp_now().ns, memory_order_release);
    if (self->message == NULL) {
        (void)sp__pool_job_move(carry, SP__JOB_STARTED, SP__JOB_NOMEM);
        return;
    }
    /* It was counted when the pool took it, and the carrier is counted for it here. */
    sp__process_put_back(sp__context(), sp__process_self(), self->message);
    sp__watched_put_back(sp__context(), self->message);
    struct sp__pool_carry copy = *carry;
    if (sp__server_handle(self->message, worker_run, &copy) == SP__HANDLED_SKIPPED)
        (void)sp__pool_job_move(carry, SP__JOB_STARTED, SP__JOB_SKIPPED);
    self->message = NULL;
}

/* Without memory to say so, the pool learns of it by our end. */
static void worker_tell(const struct sp_op *op)
{
    if (sp_send(worker_def()->pool, &op->in, &(sp_empty){ 0 }) == SP_ERR_NOMEM)
        sp_exit(sp_reason_out_of_memory());
}

/* The pool looks at what we hold: one word tells of all that is done. While there is more to do it is
 * told seldom; what is next may be no job, so the step before it looks again. */
static void worker_report(struct worker *self)
{
    struct sp_process *process = sp__process_self();
    if (self->untold == 0)
        return;
    if (self->untold < worker_def()->tell_every && sp__process_has_next(process)) {
        process->attention |= SP__ATTEND_STEP;
        return;
    }
    self->untold = 0;
    worker_tell(&sp__pool_done_op);
}

static void worker_carry(struct worker *self, struct sp_message *message)
{
    const struct sp__pool_carry *carry = sp__message_payload(message);
    self->carrier = message;
    sp__process_took(sp__context(), sp__process_self(), message);
    sp__watched_took(sp__process_self(), message);
    bool mine = sp__pool_job_move(carry, SP__JOB_GIVEN, SP__JOB_STARTED);
    if (mine)
        worker_work(self, carry);
    self->carrier = NULL;
    sp__message_destroy(message);
    self->untold += mine;
    worker_report(self);
}

/* ---- the hook ---- */

/* Not of a job: the server's own handling, but the operations are those of the user's class. */
static sp_err worker_other(void *arg, struct sp_message *message, void *out)
{
    (void)arg;
    uint8_t kind = message->type->kind;
    bool operation = kind == SP__KIND_CALL || kind == SP__KIND_CAST;
    if (operation && sp__message_op(message)->server == worker_def()->users)
        return worker_operate(sp__message_op(message), message, out);
    if (message->type == &sp__pool_retire_op.in) {
        sp_server_stop_self(sp_reason_shutdown());
        return SP_OK;
    }
    return sp__server_default_run(NULL, message, out);
}

static void worker_dispatch(void *extra, struct sp_message *moved_message)
{
    if (moved_message->type == &sp__pool_carry_op.in)
        worker_carry(extra, moved_message);
    else
        sp_ignore(sp__server_handle(moved_message, worker_other, NULL));
}

static sp_err worker_init(void *extra, const struct sp_server_class *class, void *state,
                          const void *args)
{
    (void)extra;
    sp_err err = sp__server_class_init(class, state, args);
    if (err == SP_OK)
        err = sp_send(worker_def()->pool, &sp__pool_ready_op.in, &(sp_empty){ 0 });
    return err;
}

static bool worker_step(void *extra)
{
    sp__process_self()->attention &= (uint16_t)~SP__ATTEND_STEP;
    worker_report(extra);
    return false;
}

/* The frames of the job in hand: the pool answers, or nobody yet. */
static void worker_silence(const struct worker *self)
{
    for (struct sp__frame *frame = sp__server_self()->frame; frame != NULL; frame = frame->outer)
        if (frame->message == self->message)
            frame->call = false;
}

/* May be left by a fault of a destructor, and run again. */
static void worker_finish(void *extra)
{
    struct worker *self = extra;
    struct sp_message *carrier = self->carrier;
    self->carrier = NULL;
    if (carrier != NULL && self->message != NULL) {
        const struct sp__pool_carry *carry = sp__message_payload(carrier);
        if (carry->job->keep)
            worker_silence(self);
    }
    if (carrier != NULL)
        sp__message_destroy(carrier);
    struct sp__pool_def *def = worker_def();
    if (!self->left)
        sp__pool_def_unref(def);
    self->left = true;
}

const struct sp__server_hook sp__pool_worker_hook = {
    .extra_size = sizeof(struct worker),
    .init = worker_init,
    .dispatch = worker_dispatch,
    .step = worker_step,
    .finish = worker_finish,
    .any_operation = true,
};
