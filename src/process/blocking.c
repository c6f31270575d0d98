/* sp_blocking(): work on a thread that may block, on a copy of the caller's data.
 *
 * The job owns the copy; its end is a reply like any other, so a caller that has given up or
 * died is found gone, and the job frees itself. Threads: the caller, then a blocking thread.
 * Neighbours: reply.h, runtime/backend.h.
 */
#include "base/alloc.h"
#include "process/process.h"
#include "process/reply.h"

#include <string.h>

/* Belongs to the blocking thread once it is submitted. */
struct blocking_job {
    struct sp__job job; /* first */
    void (*fn)(void *data);
    struct sp__reply_to to;
    uint32_t size;
    _Alignas(16) char data[];
};

static void blocking_run(struct sp__job *job)
{
    struct blocking_job *own = (struct blocking_job *)job;
    own->fn(own->data);
}

static void blocking_done(struct sp__job *job)
{
    struct blocking_job *own = (struct blocking_job *)job;
    sp__reply_send(&own->to, &(struct sp__reply){ .out = own->data, .out_size = own->size });
    sp__free(own);
}

sp_err sp_blocking(void (*fn)(void *data), void *data, size_t size, sp_deadline deadline)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    if (size > UINT32_MAX)
        return SP_ERR_INVALID;
    struct blocking_job *job = sp__malloc(sizeof(*job) + size);
    if (job == NULL)
        return SP_ERR_NOMEM;
    job->job.run = blocking_run;
    job->job.done = blocking_done;
    job->fn = fn;
    job->size = (uint32_t)size;
    if (size != 0)
        memcpy(job->data, data, size);
    struct sp__pending_slot slot = { .out = data, .out_size = (uint32_t)size };
    struct sp__pending pending = { .slots = &slot, .count = 1, .remaining = 1 };
    self->pending = &pending;
    uint64_t token = sp__wait_open(&self->actor);
    job->to = (struct sp__reply_to){ .caller = sp__process_pid(self), .token = token };
    struct sp_runtime *runtime = sp__process_runtime(self);
    int64_t until = sp__scheduler_instant(runtime, deadline, sp_never());
    sp_err err = runtime->ops->blocking(runtime, &job->job);
    if (err != SP_OK) {
        sp__wait_close(&self->actor, token);
        sp__free(job);
    } else {
        err = sp__process_wait(self, token, until);
    }
    if (err != SP_ERR_NOTCONTEXT)
        self->pending = NULL;
    return err;
}
