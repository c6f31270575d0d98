/* Servers from inside: what call.c and the hooks need of a running one.
 *
 *   sp_process.data -> struct sp__server: frame * | class | since | state ... | hook's extra
 *   on the stack of a handler: struct sp__frame, what is being handled
 *
 * Threads: the server's process; `handling_since` is read by others under its lock.
 * Neighbours: server.c, server_end.c, server_self.c, call.c, request.c, server_hook.h.
 */
#ifndef SPAWNED_BEHAVIOUR_SERVER_H
#define SPAWNED_BEHAVIOUR_SERVER_H

#include "behaviour/server_hook.h"
#include "process/process.h"
#include "process/reply.h"

/** What a handler works on. */
struct sp__frame {
    struct sp_message *message; /* NULL: none, or freed already */
    struct sp__frame *outer;
    void *out;      /* zeroed reply of a call */
    void *out_heap; /* where it did not fit on the stack */
    bool call;      /* an answer is due */
    bool kept;
    sp_err start_err; /* of a start that failed: what its caller gets */
};

struct sp__server {
    struct sp__frame *frame; /* innermost; NULL: between messages; see struct sp__serving */
    const struct sp_server_class *class;
    _Alignas(16) char state[];
};

_Static_assert(offsetof(struct sp__frame, message) == offsetof(struct sp__handling, message) &&
                   offsetof(struct sp__server, frame) == offsetof(struct sp__serving, innermost),
               "as the process layer looks at them");

extern const struct sp__behaviour sp__server_behaviour;

/** The running process as a server, or NULL. Context: any. */
struct sp__server *sp__server_self(void);

/** Handle a message, whatever it is. Context: the server's process, between messages; may suspend. */
void sp__server_message(struct sp_process *self, struct sp_message *moved_message) SP_NONNULL;

/** At the end of the process: whose requests these frames (or NULL) handle are told, what is in hand
 *  is freed. Context: the server's process. */
void sp__server_frames_abort(struct sp_process *self, struct sp__frame *frame,
                             const struct sp_reason *reason) SP_NONNULL_ARGS(1, 3);

/** The callbacks of struct sp__behaviour at the end. */
void sp__server_quiesce(struct sp_process *self) SP_NONNULL;
void sp__server_terminate(struct sp_process *self, const struct sp_reason *reason) SP_NONNULL;
void sp__server_finish(struct sp_process *self, const struct sp_reason *reason) SP_NONNULL;

/** The reply does not go out: destroys it; the destructor accepts what was never written. Context: the
 *  server's process. */
void sp__frame_drop_out(struct sp__frame *frame) SP_NONNULL;

/** End with this reason after the message that is handled; the first one counts. Ownership: takes
 *  the reason. Context: the server's process. */
void sp__server_ask_stop(struct sp_process *self, const struct sp_reason *moved_reason) SP_NONNULL;

/** The hook's part behind the state. */
void *sp__server_extra_of(struct sp__server *server) SP_NONNULL;

static inline const struct sp_op *sp__message_op(const struct sp_message *message)
{
    return sp__container_of(message->type, const struct sp_op, in);
}

static inline bool sp__message_is_call(const struct sp_message *message)
{
    return (message->type->kind & ~SP__KIND_RESERVED) == SP__KIND_CALL;
}

/** Run the class's init, or what stands for it where there is none.
 *  Errors: what init returned. */
SP_NODISCARD sp_err sp__server_class_init(const struct sp_server_class *server_class, void *state,
                                          const void *args) SP_NONNULL_ARGS(1, 2);

/** The request of a start: a call that carries the arguments. */
extern const struct sp_msg_type sp__server_start_type;
struct sp__server_start {
    const void *args; /* the copy behind it, or NULL */
    _Alignas(16) char copy[];
};

/** Start a server without waiting for its init, which gets a copy of `args` (or NULL); one that fails is an
 *  exit like any other. Equipment as of sp__spawn().
 *  Errors: as sp_spawn(). Context: process. */
SP_NODISCARD sp_err sp__server_spawn(const struct sp_server_class *server_class, const void *args,
                                     size_t args_size, const struct sp_spawn_options *options,
                                     const struct sp__equipment *equipment, sp_pid *out_pid)
    SP_NONNULL_ARGS(1);

/** As sp_server_call(); where the server is dead before it has the request, `*out_dead` is set and
 *  the request is still the caller's.
 *  Errors, context: as sp_server_call(). */
SP_NODISCARD sp_err sp__server_call(sp_pid server, const struct sp_op *op, const void *in,
                                    void *out, sp_deadline deadline, bool *out_dead)
    SP_NONNULL_ARGS(2, 3, 6);

/** As sp_server_multi_call(), but the first success is enough: those who have not answered by then
 *  have TIMEOUT. So the targets may have the same `out`.
 *  Errors, ownership, context: as sp_server_multi_call(). */
SP_NODISCARD sp_err sp__server_call_first(const struct sp_op *op, const void *in,
                                          struct sp_multi *targets, size_t count,
                                          sp_deadline deadline) SP_NONNULL_ARGS(1, 2, 3);

/** A request that was taken: in extra.requests of the server. */
struct sp__request {
    struct sp__reply_to to;
    const struct sp_op *op;
    struct sp__adoption *adoption; /* by the process `adopter` */
    sp_pid adopter;
};

/** Fail all requests of a server that ends. */
void sp__requests_fail(struct sp_process *self, const struct sp_reason *reason) SP_NONNULL;

/** The request of this caller's wait among those taken, or NULL. With the server's lock held, or
 *  where only one thread runs. */
const struct sp__request *sp__request_of(struct sp_process *server, sp_pid caller, uint64_t token)
    SP_NONNULL_ARGS(1);

/** Is this caller's request among those taken? With the server's lock held. */
bool sp__request_taken(struct sp_process *server, const struct sp__reply_to *to) SP_NONNULL;

#endif
