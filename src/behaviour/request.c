/* Requests whose reply comes later: in a map of their server, found by value. */
#include "base/alloc.h"
#include "behaviour/server.h"
#include "process/deadlock.h"
#include "process/resource.h"
#include "process/send.h"

/* The promise of a process to answer: its end drops the request. */
struct sp__adoption {
    struct sp__resource resource;
    sp_request request;
};

sp_err sp_request_take(sp_request *out_request)
{
    struct sp_process *self = sp__process_self();
    struct sp__server *server = sp__server_self();
    struct sp__frame *frame = server == NULL ? NULL : server->frame;
    if (frame == NULL || frame->message == NULL || !frame->call ||
        frame->message->type == &sp__server_start_type)
        return SP_ERR_NOTCONTEXT;
    struct sp__extra *extra = sp__process_extra(self);
    struct sp__request *request = extra == NULL ? NULL : sp__calloc(1, sizeof(*request));
    if (request == NULL)
        return SP_ERR_NOMEM;
    request->to = *sp__message_call(frame->message);
    request->op = sp__message_op(frame->message);
    uint64_t id =
        1 + atomic_fetch_add_explicit(&sp__process_runtime(self)->next_id, 1, memory_order_relaxed);
    sp__lock_lock(&self->lock);
    sp_err err = sp__map_add(&extra->requests, id, request);
    sp__lock_unlock(&self->lock);
    if (err != SP_OK) {
        sp__free(request);
        return err;
    }
    sp__edge_loosen(&request->to);
    frame->call = false;
    frame->message->flags |= SP__MESSAGE_ANSWERED;
    *out_request = (sp_request){ sp__process_pid(self), id };
    return SP_OK;
}

/* Which request is meant: any, or one of this operation, or one adopted like this. */
struct request_match {
    const struct sp_op *op;
    const struct sp__adoption *adoption;
};

/* Take it out of its server, where it matches. */
static struct sp__request *request_remove(struct sp_runtime *runtime, sp_request handle,
                                          const struct request_match *match, sp_err *out_err)
{
    struct sp__request *request = NULL;
    *out_err = SP_ERR_STALE;
    sp__process_enter();
    struct sp_process *server = sp__process_lookup(runtime, handle.server);
    if (server != NULL) {
        sp__lock_lock(&server->lock);
        struct sp__extra *extra = server->closed ? NULL : server->extra;
        request = extra == NULL ? NULL : sp__map_get(&extra->requests, handle.id);
        if (request != NULL && match->op != NULL && request->op != match->op) {
            *out_err = SP_ERR_INVALID;
            request = NULL;
        }
        if (request != NULL && match->adoption != NULL && request->adoption != match->adoption)
            request = NULL; /* somebody else has adopted it since */
        if (request != NULL)
            sp__map_remove(&extra->requests, handle.id);
        sp__lock_unlock(&server->lock);
        if (request != NULL && sp__actor_draining(&server->actor))
            sp__actor_wake(&server->actor); /* it may have been the last */
    }
    sp__process_leave();
    return request;
}

static sp_err request_end(sp_request handle, const struct request_match *match,
                          const struct sp__reply *reply)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    sp_err err;
    struct sp__request *request = request_remove(sp__process_runtime(self), handle, match, &err);
    if (request == NULL)
        return err;
    if (match->adoption == NULL && request->adoption != NULL &&
        sp_pid_equal(request->adopter, sp_self())) {
        sp__resource_remove(&request->adoption->resource);
        sp__free(request->adoption);
    }
    struct sp__reply_to to = request->to;
    sp__free(request);
    sp__reply_send(&to, reply); /* last: a late reply's destructor is the user's */
    return SP_OK;
}

sp_err sp_request_reply(sp_request request, const struct sp_op *op, const void *out)
{
    struct sp__reply reply = { .out = out,
                               .out_size = op->out_size,
                               .out_destroy = op->out_destroy };
    sp_err err = request_end(request, &(struct request_match){ .op = op }, &reply);
    if (err != SP_OK && op->out_destroy != NULL)
        op->out_destroy((void *)(uintptr_t)out);
    return err;
}

sp_err sp_request_fail(sp_request request, sp_err err)
{
    /* SP_OK would promise a reply that is not there. */
    return request_end(request, &(struct request_match){ 0 },
                       &(struct sp__reply){ .err = err == SP_OK ? SP_ERR_NOREPLY : err });
}

void sp_request_drop(sp_request request)
{
    sp_ignore(request_end(request, &(struct request_match){ 0 },
                          &(struct sp__reply){ .err = SP_ERR_NOREPLY }));
}

bool sp_request_expired(sp_request request)
{
    struct sp_process *self = sp__process_self();
    bool expired = true;
    if (self == NULL)
        return true;
    sp__process_enter();
    struct sp_process *server = sp__process_lookup(sp__process_runtime(self), request.server);
    if (server != NULL) {
        sp__lock_lock(&server->lock);
        struct sp__extra *extra = server->closed ? NULL : server->extra;
        struct sp__request *found =
            extra == NULL ? NULL : sp__map_get(&extra->requests, request.id);
        expired = found == NULL || sp__reply_expired(&found->to);
        sp__lock_unlock(&server->lock);
    }
    sp__process_leave();
    return expired;
}

static void adoption_release(struct sp__resource *resource)
{
    struct sp__adoption *adoption = sp__container_of(resource, struct sp__adoption, resource);
    sp_ignore(request_end(adoption->request, &(struct request_match){ .adoption = adoption },
                          &(struct sp__reply){ .err = SP_ERR_NOREPLY }));
    sp__free(adoption);
}

/* Under the server's lock: note who answers. */
static bool adoption_note(struct sp_process *server, sp_request handle,
                          struct sp__adoption *adoption)
{
    struct sp__extra *extra = server->closed ? NULL : server->extra;
    struct sp__request *request = extra == NULL ? NULL : sp__map_get(&extra->requests, handle.id);
    if (request == NULL)
        return false;
    request->adoption = adoption;
    request->adopter = sp_self();
    return true;
}

sp_err sp_request_adopt(sp_request request)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp__adoption *adoption = sp__malloc(sizeof(*adoption));
    if (adoption == NULL)
        return SP_ERR_NOMEM;
    *adoption =
        (struct sp__adoption){ .resource = { .release = adoption_release }, .request = request };
    bool noted = false;
    sp__process_enter();
    struct sp_process *server = sp__process_lookup(sp__process_runtime(self), request.server);
    if (server != NULL) {
        sp__lock_lock(&server->lock);
        noted = adoption_note(server, request, adoption);
        sp__lock_unlock(&server->lock);
    }
    sp__process_leave();
    if (!noted) {
        sp__free(adoption);
        return SP_ERR_STALE;
    }
    sp__resource_add(self, &adoption->resource);
    return SP_OK;
}

const struct sp__request *sp__request_of(struct sp_process *server, sp_pid caller, uint64_t token)
{
    struct sp__extra *extra = server->extra;
    uint32_t cursor = 0;
    sp__map_item item;
    while (extra != NULL && sp__map_next(&extra->requests, &cursor, &item)) {
        const struct sp__request *request = item.value;
        if (request->to.token == token && sp_pid_equal(request->to.caller, caller))
            return request;
    }
    return NULL;
}

bool sp__request_taken(struct sp_process *server, const struct sp__reply_to *to)
{
    return sp__request_of(server, to->caller, to->token) != NULL;
}

void sp__requests_fail(struct sp_process *self, const struct sp_reason *reason)
{
    struct sp__extra *extra = self->extra;
    if (extra == NULL)
        return;
    /* Closed: nobody else touches the map any more. */
    uint32_t cursor = 0;
    sp__map_item item;
    while (sp__map_next(&extra->requests, &cursor, &item)) {
        struct sp__request *request = item.value;
        sp__reply_send(&request->to, &(struct sp__reply){ .err = SP_ERR_DIED, .reason = reason });
        sp__map_remove(&extra->requests, item.key);
        sp__free(request);
    }
}
