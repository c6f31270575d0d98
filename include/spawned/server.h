/* Servers: a state, and typed operations on it, one message at a time.
 *
 * A header declares the protocol, the source file implements it:
 *
 *     // account.h
 *     SP_SERVER(account, struct account_args);                // account_ref, account_start()
 *     SP_CALL(account, deposit, struct deposit, struct balance); // account_deposit()
 *     SP_CAST(account, close_month, struct month);               // account_close_month()
 *
 *     // account.c
 *     static sp_err account_init(struct account *self, const struct account_args *args) {...}
 *     static sp_err account_on_deposit(struct account *self, const struct deposit *in,
 *                                      struct balance *out) {...}
 *     static void account_on_close_month(struct account *self, const struct month *in) {...}
 *     SP_STATE(account, struct account);
 *     SP_ON_INIT(account);
 *     SP_ON_CALL(account, deposit);
 *     SP_ON_CAST(account, close_month);
 *     SP_CLASS(account, .init = account__init);
 *
 * A wrong request, reply, state or server type is a compile error on the user's line; an
 * operation without SP_ON_CALL or SP_ON_CAST is a link error that names it.
 *
 * What a call handler returns is what the call returns; `*out` starts zeroed and reaches the
 * caller on SP_OK only (else a reply that owns something is destroyed, written or not). An idle server owns no stack: a handler is a plain function call, and only
 * one that suspends (call, sleep, I/O) holds a stack meanwhile.
 */
#ifndef SPAWNED_SERVER_H
#define SPAWNED_SERVER_H

#include "spawned/process.h"
#include "spawned/health.h"
#include "spawned/timer.h"
#include "spawned/registry.h"

SP_EXTERN_C_BEGIN

struct sp__server_hook;
struct sp_op;

/** What a server does with other messages while a handler of it waits for the answer to a call. It
 *  never runs two handlers at once: one goes on when another waits or has ended. */
enum sp_reentrancy {
    SP_REENTRANCY_NONE = 0,   /**< they wait until the handler has returned */
    SP_REENTRANCY_CALL_CHAIN, /**< calls made on behalf of one that waits are handled: A calls B, B
                                   calls A; all others wait */
    SP_REENTRANCY_FULL,       /**< all are handled */
};

/** What a class of servers does. Made by SP_CLASS; every callback may be NULL. Without
 *  init the state begins as a copy of the start's arguments where both have the same type;
 *  else, and without arguments, it is all zero. */
struct sp_server_class {
    const char *name;
    size_t state_size;
    size_t args_size;    /**< of the start's arguments, which are copied; 0: borrowed */
    bool args_are_state; /**< both have the same type */
    /** SP_OK: runs. SP_ERR_IGNORED: declines, no error. Else: failed with that error. */
    sp_err (*init)(void *state, const void *args);
    /** After a stop, an exit signal while trapping, or a fault in a handler; exactly once. */
    void (*terminate)(void *state, const struct sp_reason *reason);
    /** Right after init when it called sp_server_continue(): before any queued message. */
    void (*on_continue)(void *state);
    void (*on_down)(void *state, const struct sp_down *down);
    /** A linked process ended and this one traps. The end of its parent is not shown: it ends
     *  the server. */
    void (*on_exit)(void *state, const struct sp_exit_notice *notice);
    /** No message came within the time set by sp_server_idle_after(). */
    void (*on_timeout)(void *state);
    /** A message that is no operation. Without it: dropped, counted, logged. */
    void (*on_message)(void *state, struct sp_message *message);
    /** Asked by sp_health(), between two messages; may not wait for long. */
    void (*health)(void *state, struct sp_health *out_health);
    /** Asked by sp_sys_state(), between two messages: the state in words, with a zero at the end. */
    void (*format)(const void *state, char *text, size_t size);
    /** Library use: stands between the mailbox and the operations (state machines). */
    const struct sp__server_hook *hook;
    const void *hook_class; /**< the hook's own part of the class */
    uint32_t readers;       /**< see SP_READERS */
    /** See docs/reentrancy.md. Not for state machines, nor with own_thread: NOTSUP at the start. */
    enum sp_reentrancy reentrancy;
    uint32_t
        interleaved_max; /**< handlers that wait at once; at it, nothing more is taken; 0: 64 */
    /** While a handler waits: may this operation be handled meanwhile, besides what `reentrancy`
     *  lets in? Asked once for each call or cast; an error is the caller's answer, a cast waits.
     *  `*out_may` starts false. Made by SP_ON_MAY_INTERLEAVE. */
    sp_err (*may_interleave)(const void *state, const struct sp_op *op, const void *in,
                             bool *out_may);
};

/** One operation of a server. Made by SP_ON_CALL and its like. */
struct sp_op {
    struct sp_msg_type in;          /**< of the request; first member */
    uint32_t out_size;              /**< bytes of the reply; 0 for casts */
    void (*out_destroy)(void *out); /**< frees a reply that nobody takes, or NULL */
    const struct sp_server_class *server;
    sp_err (*call)(void *state, const void *in, void *out);
    void (*cast)(void *state, const void *in);
    bool read_only; /**< made by SP_ON_READ */
};

/** How a server starts. Zero is the default everywhere. */
struct sp_server_options {
    struct sp_spawn_options spawn; /**< name, link, bounds, own_thread, ... */
    sp_deadline start_deadline;    /**< init must be done by then, else killed; default: none */
    sp_pid *out_existing;          /**< not NULL: on SP_ERR_EXISTS, who holds the name */
};

/** Start a server and wait for its init. When it fails, nothing of it is left: no process, no
 *  name. sp_call_outcome() then has the reason.
 *  Errors: what init returned; IGNORED (it declined); INITFAILED (it exited or faulted);
 *  TIMEOUT; EXISTS, NOMEM, LIMIT, INVALID (also more readers than 64), NOTCONTEXT; NOTSUP (a reentrant class with a thread of
 *  its own).
 *  Ownership: `args` is copied, `args_size` bytes; what it points to must live until init is
 *  done with it.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_server_start(const struct sp_server_class *server_class, const void *args,
                    const struct sp_server_options *options, sp_pid *out_pid);

/** Call an operation; the typed functions of SP_CALL use it. Default deadline: 5 s. At most
 *  what is left of the deadline of the request that the caller is handling itself.
 *  Errors: what the handler returned; NOPROC; DIED (sp_call_outcome() has the reason); TIMEOUT
 *  (sp_call_outcome() says how far it got); FULL; SHUTDOWN (it drains);
 *  OVERLOAD; NOREPLY; BADCALL; DEADLOCK (the
 *  server waits for the caller, itself or through others: the request is then not handled, and
 *  the outcome's reason names all of them); NOMEM; NOTCONTEXT.
 *  Units: a deadline that is a second away or more may pass up to 10 ms late.
 *  Ownership: as sp_send() for `in`; `*out` is the caller's.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2, 3) sp_err
    sp_server_call(sp_pid server, const struct sp_op *op, const void *in, void *out,
                   sp_deadline deadline);

/** One target of a multi-call. */
struct sp_multi {
    sp_pid server;  /**< in: whom to ask */
    const void *in; /**< in: its own request; NULL: the common one */
    void *out;      /**< in: where its reply goes */
    sp_err err;     /**< out: as of sp_server_call() */
};

/** Call the same operation of `count` servers at once and wait for all answers.
 *  Errors: TIMEOUT (some did not answer; each target's own error is in `err`), NOMEM,
 *  INVALID (a request that owns something cannot be common), NOTCONTEXT. Default deadline: 5 s.
 *  Ownership: each target's own request as sp_send(), also on failure.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 3) sp_err
    sp_server_multi_call(const struct sp_op *op, const void *in, struct sp_multi *targets,
                         size_t count, sp_deadline deadline);

/** Cast: a message without an answer; the typed functions of SP_CAST use it.
 *  Errors: as sp_send().
 *  Ownership: as sp_send().
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2, 3) sp_err
    sp_server_cast(sp_pid server, const struct sp_op *op, const void *in);

/** How far a failed call got. */
enum sp_call_stage {
    SP_CALL_NONE = 0,   /**< no call failed yet */
    SP_CALL_NOT_SENT,   /**< the mailbox refused it, or the server was dead */
    SP_CALL_QUEUED,     /**< waits at `position` in the mailbox */
    SP_CALL_HANDLING,   /**< its handler has been running for `running`, within some ms */
    SP_CALL_DEFERRED,   /**< the handler returned; the reply was left for later */
    SP_CALL_ENDED,      /**< the server died, or dropped the request */
    SP_CALL_NODE_GONE,  /**< its node is not reachable */
    SP_CALL_DEADLOCKED, /**< it would have waited for itself; also of joins and other waits */
};

/** The last failed call or start of the running process, or wait that would not have ended. */
struct sp_call_outcome {
    enum sp_call_stage stage;
    sp_pid server;
    const char *operation;
    uint32_t position; /**< 1: next to be handled */
    sp_duration running;
    const struct sp_reason *reason; /**< why the server died, or who waits for whom, or NULL; lives
                                         until the next call */
};

/** Read it. Context: process. */
SP_API SP_NONNULL void sp_call_outcome(struct sp_call_outcome *out_outcome);

/* What a handler may do. All in the context of the server's own process. */

/** A request whose reply comes later: a value that may be copied and sent to others. The
 *  first answer counts. A request dropped unanswered fails at the caller with NOREPLY; when
 *  the server dies, with DIED. */
typedef struct sp_request {
    sp_pid server; /**< whose request it is */
    uint64_t id;
} sp_request;

/** Take the request that is being handled, to answer it later, here or in another process.
 *  What the handler returns is then not looked at (SP_ERR_DEFERRED reads well).
 *  Errors: NOTCONTEXT (no call is being handled, or it was taken already), NOMEM.
 *  Context: process (a call handler). */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_request_take(sp_request *out_request);

/** From now on the calling process answers for the request: if it ends without an answer, the
 *  request is dropped. For a helper that was sent one.
 *  Errors: STALE (answered or dropped already), NOMEM, NOTCONTEXT.
 *  Context: process. */
SP_API SP_NODISCARD sp_err sp_request_adopt(sp_request request);

/** Answer; the typed S_op_reply() uses it. SP_OK also when the caller has given up: the reply
 *  is then dropped and counted.
 *  Errors: STALE (answered or dropped already, or the server is dead), INVALID (another
 *  operation's reply), NOTCONTEXT.
 *  Ownership: `out` is copied, or moved where the reply type owns something, also on failure.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2, 3) sp_err
    sp_request_reply(sp_request request, const struct sp_op *op, const void *out);
/** Answer with an error. Errors: as sp_request_reply(). Context: process. */
SP_API SP_NODISCARD sp_err sp_request_fail(sp_request request, sp_err err);
/** Give up: the caller's call returns NOREPLY. A stale one is ignored. Context: process. */
SP_API void sp_request_drop(sp_request request);
/** Answered, dropped, or given up by the caller? Context: process. */
SP_API bool sp_request_expired(sp_request request);

/** End this server with `reason` when the handler has returned (and replied).
 *  Ownership: takes the reason. Context: process (a server). */
SP_API SP_NONNULL void sp_server_stop_self(const struct sp_reason *moved_reason);
/** In init: run on_continue before any message. Context: process (init, on_continue). */
SP_API void sp_server_continue(void);
/** Call on_timeout when no message came for `d`; any message cancels it, and on_timeout must
 *  set it again. Zero: never. Context: process (a server). */
SP_API void sp_server_idle_after(sp_duration d);
/** Who sent the message that is being handled; SP_PID_NONE outside. Context: process. */
SP_API sp_pid sp_server_from(void);

/* Declarations, for headers. */

/** A call without request or without reply uses this empty type. */
typedef struct sp_empty {
    char unused; /**< C has no empty struct */
} sp_empty;

/** Declare the server `S`, started with `Args`: S_ref, S_start(), S_whereis(), S_stop(). */
#define SP_SERVER(S, Args)                                                                     \
    typedef Args S##__args_type;                                                               \
    typedef struct S##_ref {                                                                   \
        sp_pid pid;                                                                            \
    } S##_ref;                                                                                 \
    extern const struct sp_server_class S##_class;                                             \
    SP_NODISCARD SP__INLINE sp_err S##_start(                                                  \
        const S##__args_type *args, const struct sp_server_options *options, S##_ref *out_ref) \
    {                                                                                          \
        return sp_server_start(&S##_class, args, options, out_ref ? &out_ref->pid : 0);        \
    }                                                                                          \
    SP_NODISCARD SP__INLINE sp_err S##_whereis(const char *name, S##_ref *out_ref)             \
    {                                                                                          \
        return sp_whereis_class(name, &S##_class, &out_ref->pid);                              \
    }                                                                                          \
    SP_NODISCARD SP__INLINE sp_err S##_stop(S##_ref ref, sp_deadline deadline)                 \
    {                                                                                          \
        return sp_stop(ref.pid, NULL, deadline);                                               \
    }                                                                                          \
    struct S##__server_declared

/** Declare the operation `S_op(ref, in, out, deadline)`. */
#define SP_CALL(S, op, In, Out)     \
    SP__PLAIN(S##_##op##__in, In)   \
    SP__PLAIN(S##_##op##__out, Out) \
    SP__CALL(S, op)

/** As SP_CALL; request and reply own something: `void in_destroy(In *)`, `void
 *  out_destroy(Out *)`. The request is moved; its destructor runs after the handler, on what
 *  is left in it. */
#define SP_CALL_MOVED(S, op, In, in_destroy, Out, out_destroy) \
    SP__OWNER(S##_##op##__in, In, in_destroy)                  \
    SP__OWNER(S##_##op##__out, Out, out_destroy)               \
    SP__CALL(S, op)

/** Declare the operation `S_op(ref, in)`, without an answer, and `S_op_timer()`. */
#define SP_CAST(S, op, In)        \
    SP__PLAIN(S##_##op##__in, In) \
    SP__CAST(S, op)

/** As SP_CAST; the request owns something and is moved. */
#define SP_CAST_MOVED(S, op, In, in_destroy)  \
    SP__OWNER(S##_##op##__in, In, in_destroy) \
    SP__CAST(S, op)

/* A payload type that owns nothing, or something: name_type, name_destroy, name_owns. */
#define SP__PLAIN(name, T)                      \
    typedef T name##_type;                      \
    enum { name##_owns = 0 };                   \
    SP__INLINE void name##_destroy(void *value) \
    {                                           \
        (void)value;                            \
    }
#define SP__OWNER(name, T, destroy_fn)          \
    typedef T name##_type;                      \
    enum { name##_owns = 1 };                   \
    SP__INLINE void name##_destroy(void *value) \
    {                                           \
        destroy_fn((T *)value);                 \
    }
#define SP__DESTROY(name) (name##_owns ? name##_destroy : NULL)

#define SP__CALL(S, op)                                                                      \
    enum { S##_##op##__is_call = 1 };                                                        \
    extern const struct sp_op S##_##op##_op;                                                 \
    SP_NODISCARD SP__INLINE sp_err S##_##op(S##_ref ref, const S##_##op##__in_type *in,      \
                                            S##_##op##__out_type *out, sp_deadline deadline) \
    {                                                                                        \
        return sp_server_call(ref.pid, &S##_##op##_op, in, out, deadline);                   \
    }                                                                                        \
    SP_NODISCARD SP__INLINE sp_err S##_##op##_reply(sp_request request,                      \
                                                    const S##_##op##__out_type *out)         \
    {                                                                                        \
        return sp_request_reply(request, &S##_##op##_op, out);                               \
    }                                                                                        \
    struct S##_##op##__call_declared

#define SP__CAST(S, op)                                                                         \
    enum { S##_##op##__is_cast = 1 };                                                           \
    extern const struct sp_op S##_##op##_op;                                                    \
    SP_NODISCARD SP__INLINE sp_err S##_##op(S##_ref ref, const S##_##op##__in_type *in)         \
    {                                                                                           \
        return sp_server_cast(ref.pid, &S##_##op##_op, in);                                     \
    }                                                                                           \
    SP_NODISCARD SP__INLINE sp_err S##_##op##_timer(S##_ref ref, const S##_##op##__in_type *in, \
                                                    const struct sp_timer_options *options,     \
                                                    sp_timer *out_timer)                        \
    {                                                                                           \
        return sp_timer_start(ref.pid, &S##_##op##_op.in, in, options, out_timer);              \
    }                                                                                           \
    struct S##_##op##__cast_declared

/* Implementation, for the one source file of the server. */

/** The state of server `S`; stands before the other lines. */
#define SP_STATE(S, State) typedef State S##__state_type

/** Operation `op`, done by `static sp_err S_on_op(State *, const In *, Out *)`; a moved request
 *  may be emptied by casting its const away. */
#define SP_ON_CALL(S, op)                                                                       \
    static sp_err S##_##op##__call(void *state, const void *in, void *out)                      \
    {                                                                                           \
        _Static_assert(S##_##op##__is_call, "declare the operation with SP_CALL");              \
        return S##_on_##op((S##__state_type *)state, (const S##_##op##__in_type *)in,           \
                           (S##_##op##__out_type *)out);                                        \
    }                                                                                           \
    const struct sp_op S##_##op##_op = {                                                        \
        .in = { #op, sizeof(S##_##op##__in_type), SP__KIND_CALL, SP__DESTROY(S##_##op##__in) }, \
        .out_size = sizeof(S##_##op##__out_type),                                               \
        .out_destroy = SP__DESTROY(S##_##op##__out),                                            \
        .server = &S##_class,                                                                   \
        .call = S##_##op##__call,                                                               \
    }

/** Operation `op`, which only reads: done by `static sp_err S_on_op(const State *, const In *, Out *)`.
 *  In a class with SP_READERS several may run at once; else as SP_ON_CALL. */
#define SP_ON_READ(S, op)                                                                         \
    static sp_err S##_##op##__call(void *state, const void *in, void *out)                        \
    {                                                                                             \
        _Static_assert(S##_##op##__is_call, "declare the operation with SP_CALL");                \
        SP__TAKES_CONST(S##_on_##op, S##__state_type, S##_##op##__in_type, S##_##op##__out_type); \
        return S##_on_##op((const S##__state_type *)state, (const S##_##op##__in_type *)in,       \
                           (S##_##op##__out_type *)out);                                          \
    }                                                                                             \
    const struct sp_op S##_##op##_op = {                                                          \
        .in = { #op, sizeof(S##_##op##__in_type), SP__KIND_CALL, SP__DESTROY(S##_##op##__in) },   \
        .out_size = sizeof(S##_##op##__out_type),                                                 \
        .out_destroy = SP__DESTROY(S##_##op##__out),                                              \
        .server = &S##_class,                                                                     \
        .call = S##_##op##__call,                                                                 \
        .read_only = true,                                                                        \
    }
/* A state that is not const would be a warning only. */
#define SP__TAKES_CONST(fn, State, In, Out)                                                       \
    _Static_assert(_Generic(&(fn), sp_err(*)(const State *, const In *, Out *) : 1, default : 0), \
                   "a read takes (const State *, const In *, Out *)")

/** Operation `op`, done by `static void S_on_op(State *, const In *)`. */
#define SP_ON_CAST(S, op)                                                                       \
    static void S##_##op##__cast(void *state, const void *in)                                   \
    {                                                                                           \
        _Static_assert(S##_##op##__is_cast, "declare the operation with SP_CAST");              \
        S##_on_##op((S##__state_type *)state, (const S##_##op##__in_type *)in);                 \
    }                                                                                           \
    const struct sp_op S##_##op##_op = {                                                        \
        .in = { #op, sizeof(S##_##op##__in_type), SP__KIND_CAST, SP__DESTROY(S##_##op##__in) }, \
        .server = &S##_class,                                                                   \
        .cast = S##_##op##__cast,                                                               \
    }

/** `S__init` for SP_CLASS, from `sp_err S_init(State *, const Args *)`. */
#define SP_ON_INIT(S)                                                            \
    static sp_err S##__init(void *state, const void *args)                       \
    {                                                                            \
        return S##_init((S##__state_type *)state, (const S##__args_type *)args); \
    }                                                                            \
    struct S##__init_defined

/** `S__terminate`, from `void S_terminate(State *, const struct sp_reason *)`. */
#define SP_ON_TERMINATE(S)                                                  \
    static void S##__terminate(void *state, const struct sp_reason *reason) \
    {                                                                       \
        S##_terminate((S##__state_type *)state, reason);                    \
    }                                                                       \
    struct S##__terminate_defined

/** `S__continue`, from `void S_continue(State *)`. */
#define SP_ON_CONTINUE(S)                       \
    static void S##__continue(void *state)      \
    {                                           \
        S##_continue((S##__state_type *)state); \
    }                                           \
    struct S##__continue_defined

/** `S__timeout`, from `void S_timeout(State *)`. */
#define SP_ON_TIMEOUT(S)                       \
    static void S##__timeout(void *state)      \
    {                                          \
        S##_timeout((S##__state_type *)state); \
    }                                          \
    struct S##__timeout_defined

/** `S__down`, from `void S_down(State *, const struct sp_down *)`. */
#define SP_ON_DOWN(S)                                              \
    static void S##__down(void *state, const struct sp_down *down) \
    {                                                              \
        S##_down((S##__state_type *)state, down);                  \
    }                                                              \
    struct S##__down_defined

/** `S__exit`, from `void S_exit(State *, const struct sp_exit_notice *)`. */
#define SP_ON_EXIT(S)                                                       \
    static void S##__exit(void *state, const struct sp_exit_notice *notice) \
    {                                                                       \
        S##_exit((S##__state_type *)state, notice);                         \
    }                                                                       \
    struct S##__exit_defined

/** `S__message`, from `void S_message(State *, struct sp_message *)`. */
#define SP_ON_MESSAGE(S)                                              \
    static void S##__message(void *state, struct sp_message *message) \
    {                                                                 \
        S##_message((S##__state_type *)state, message);               \
    }                                                                 \
    struct S##__message_defined

/** `S__may_interleave`, from `sp_err S_may_interleave(const State *, const struct sp_op *op, const
 *  void *in, bool *out_may)`, which compares `op` with `&S_op_op`. */
#define SP_ON_MAY_INTERLEAVE(S)                                                                  \
    static sp_err S##__may_interleave(const void *state, const struct sp_op *op, const void *in, \
                                      bool *out_may)                                             \
    {                                                                                            \
        return S##_may_interleave((const S##__state_type *)state, op, in, out_may);              \
    }                                                                                            \
    struct S##__may_interleave_defined

/** `S__health`, from `void S_health(const State *, struct sp_health *)`. */
#define SP_ON_HEALTH(S)                                                \
    static void S##__health(void *state, struct sp_health *out_health) \
    {                                                                  \
        S##_health((const S##__state_type *)state, out_health);        \
    }                                                                  \
    struct S##__health_defined

/** `S__format`, from `void S_format(const State *, char *text, size_t size)`. */
#define SP_ON_FORMAT(S)                                                 \
    static void S##__format(const void *state, char *text, size_t size) \
    {                                                                   \
        S##_format((const S##__state_type *)state, text, size);         \
    }                                                                   \
    struct S##__format_defined

/** In SP_CLASS: `n` processes (1 to 64) of the server's own run its SP_ON_READ operations, on as many
 *  workers as there are; anything else it handles alone, when all reads before it are done. See
 *  docs/readers.md. Not with `reentrancy`, nor for state machines. */
#define SP_READERS(n) .readers = (n), .hook = &sp_readers_hook
SP_API extern const struct sp__server_hook sp_readers_hook;

/** The class: `.init = S__init, .terminate = S__terminate, ...`. */
#define SP_CLASS(S, ...)                                                                       \
    const struct sp_server_class S##_class = { .name = #S,                                     \
                                               .state_size = sizeof(S##__state_type),          \
                                               .args_size = sizeof(S##__args_type),            \
                                               .args_are_state = __builtin_types_compatible_p( \
                                                   S##__args_type, S##__state_type),           \
                                               __VA_ARGS__ }

SP_EXTERN_C_END

#endif
