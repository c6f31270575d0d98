/* Host names: looked up on a thread for blocking work, while the process waits.
 *
 * The job outlives a caller that gave up or died; whoever is last of the two frees it.
 *
 * Threads: `sp__job.run` and `done` on a blocking thread; the rest in the process.
 * Neighbours: runtime/io.h (resolve), backend.h (blocking).
 */
#include "base/alloc.h"
#include "io/listener.h"

#include <string.h>

enum { RESOLVE_MAX = 16 /* addresses of a host that are looked at */ };

struct resolve {
    struct sp__job job; /* first */
    struct sp__resource resource;
    _Atomic uint32_t users; /* the job, and the caller */
    struct sp_runtime *runtime;
    struct sp__actor *actor;
    uint64_t token;
    sp_err err;
    uint16_t port;
    size_t count;
    sp_address found[RESOLVE_MAX];
    char host[SP_HOST_MAX + 1];
};

static void resolve_unref(struct resolve *self)
{
    /* acq_rel: the last one sees all that the other did. */
    if (atomic_fetch_sub_explicit(&self->users, 1, memory_order_acq_rel) == 1)
        sp__free(self);
}

static void resolve_run(struct sp__job *job)
{
    struct resolve *self = (struct resolve *)(void *)job;
    self->err = self->runtime->ops->io->resolve(self->runtime, self->host, self->port, self->found,
                                                RESOLVE_MAX, &self->count);
}

static void resolve_done(struct sp__job *job)
{
    struct resolve *self = (struct resolve *)(void *)job;
    sp__process_enter();
    if (sp__wait_claim(self->actor, self->token))
        sp__wait_finish(self->actor, self->token);
    sp__process_leave();
    resolve_unref(self);
}

/* The caller ends. */
static void resolve_release(struct sp__resource *resource)
{
    resolve_unref(sp__container_of(resource, struct resolve, resource));
}

static sp_err resolve_create(struct sp_process *self, const char *host, uint16_t port,
                             struct resolve **out)
{
    struct resolve *resolve = sp__calloc(1, sizeof(*resolve));
    if (resolve == NULL)
        return SP_ERR_NOMEM;
    resolve->job = (struct sp__job){ .run = resolve_run, .done = resolve_done };
    resolve->resource.release = resolve_release;
    atomic_init(&resolve->users, 2);
    resolve->runtime = sp__process_runtime(self);
    resolve->actor = &self->actor;
    resolve->port = port;
    memcpy(resolve->host, host, strlen(host) + 1);
    *out = resolve;
    return SP_OK;
}

static sp_err resolve_submit(struct sp_process *self, struct resolve *resolve, int64_t instant)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    resolve->token = sp__wait_open(&self->actor);
    sp_err err = runtime->ops->blocking(runtime, &resolve->job);
    if (err != SP_OK) {
        (void)sp__wait_close(&self->actor, resolve->token);
        resolve_unref(resolve); /* the job's */
        return err;
    }
    return sp__process_wait(self, resolve->token, instant);
}

sp_err sp_resolve(const char *host, uint16_t port, sp_deadline deadline, sp_address *addresses,
                  size_t max, size_t *out_count)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    if (*host == '\0' || strlen(host) > SP_HOST_MAX || max == 0)
        return SP_ERR_INVALID;
    int64_t instant = sp__scheduler_instant(sp__process_runtime(self), deadline, sp_after_sec(10));
    struct resolve *resolve;
    sp_err err = resolve_create(self, host, port, &resolve);
    if (err != SP_OK)
        return err;
    sp__resource_add(self, &resolve->resource);
    err = resolve_submit(self, resolve, instant);
    if (err == SP_OK)
        err = resolve->err;
    if (err == SP_OK) {
        *out_count = resolve->count < max ? resolve->count : max;
        memcpy(addresses, resolve->found, *out_count * sizeof(*addresses));
    }
    if (err != SP_ERR_NOTCONTEXT)
        sp__resource_remove(&resolve->resource);
    resolve_unref(resolve);
    return err;
}
