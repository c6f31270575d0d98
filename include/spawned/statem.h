/* State machines: servers whose handlers depend on the state they are in.
 *
 * For its callers a state machine is a server: the header declares SP_SERVER, SP_CALL and
 * SP_CAST. A state is a table of functions, one per event, written as a constant; where
 * it has none for an operation, the machine's own `S_on_op` handles it, which must exist:
 *
 *     // door.c
 *     SP_STATEM(door, struct door);          // its data; door_next(), door_in(), door_now()
 *     struct door_state {
 *         SP_STATE_FIELDS(door);             // name, enter, state_timeout, ...
 *         SP_STATE_CALL_FIELD(door, press);
 *     };
 *     static const struct door_state door_locked, door_open;
 *
 *     static sp_err door_locked_press(struct door *self, const struct door_digit *in,
 *                                     sp_empty *out)
 *     {
 *         if (door_complete(self, in->digit))
 *             door_next(&door_open);
 *         return SP_OK;
 *     }
 *     static void door_open_enter(struct door *self, const struct door_state *old)
 *     {
 *         sp_statem_state_timeout(sp_sec(5));
 *     }
 *     static void door_open_timeout(struct door *self) { door_next(&door_locked); }
 *
 *     static const struct door_state door_locked = {
 *         .name = "locked", .press = door_locked_press };
 *     static const struct door_state door_open = {
 *         .name = "open", .enter = door_open_enter, .state_timeout = door_open_timeout };
 *
 *     static sp_err door_init(struct door *self, const struct door_args *args,
 *                             const struct door_state **out_first) {...}
 *     static sp_err door_on_press(...) { return SP_ERR_REFUSED; }    // in every other state
 *     SP_STATEM_ON_INIT(door);
 *     SP_STATEM_ON_CALL(door, press);
 *     SP_STATEM_CLASS(door, .init = door__init);
 *
 * A handler does not return where to go; it says so by calling the functions below, and
 * stays where it is when it calls none. A handler, field or state of a wrong type is a
 * compile error on the user's line.
 *
 * The semantics are those of Erlang's gen_statem (docs/semantics.md, "State machines"). For
 * each event, in this order: the handler runs; its call is answered; it is postponed if it
 * said so; when the state changes, the state timeout is cancelled (unless the handler set
 * it, then it belongs to the new state) and postponed events are due again, oldest first;
 * raised events go before them; the new state's `enter` runs. Then the next event: raised
 * or postponed ones, timeouts of zero length, and only then the mailbox.
 * A machine that stops, by itself or from outside, changes its state but does not enter it.
 *
 * The functions below are bugs outside a handler of a state machine: the process ends with
 * error(NOTCONTEXT) and a text that says which. Where they need memory and there is none,
 * it ends with `out_of_memory`.
 */
#ifndef SPAWNED_STATEM_H
#define SPAWNED_STATEM_H

#include "spawned/server.h"

SP_EXTERN_C_BEGIN

/** Go to another state; the typed S_next() uses it. The last call of a handler counts. The
 *  state the machine is in: nothing happens. Not in init and in enter.
 *  Context: a handler of a state machine. */
SP_API SP_NONNULL void sp_statem_next(const void *state);

/** Run `enter` of the current state again, with itself as the old one; else stay. Not in init
 *  and in enter. Context: a handler of a state machine. */
SP_API void sp_statem_repeat(void);

/** The state it is in, or NULL outside a state machine; the typed S_now() uses it.
 *  Context: any. */
SP_API const void *sp_statem_now(void);

/** Its name, or NULL outside a state machine. Context: any. */
SP_API const char *sp_statem_name(void);

/** Handle the current event again after the next change of state, before newer ones. Returns
 *  SP_ERR_DEFERRED, so that a call handler can say `return sp_statem_postpone();`. A postponed
 *  event stays in the mailbox for those who count it, so mailbox_max bounds them; a postponed
 *  call whose caller gives up is dropped. Not in init and in enter, nor after sp_request_take().
 *  Context: a handler of a state machine. */
SP_API sp_err sp_statem_postpone(void);

/** Call the state's `state_timeout` after `after`, unless the state changes before. Replaces
 *  one that runs. Zero: right after the events that are due already, before the mailbox's.
 *  Units: rounded up as by sp_timer_start(); a negative time is a bug.
 *  Context: init or a handler of a state machine. */
SP_API void sp_statem_state_timeout(sp_duration after);
/** Cancel it. True: it was running. Context: as above. */
SP_API bool sp_statem_state_timeout_cancel(void);

/** Call the state's `event_timeout` when no event came for `after`: any event, raised and
 *  timed ones too, cancels it. Zero: only if no event is due already.
 *  Units: as sp_statem_state_timeout(). Context: as sp_statem_state_timeout(). */
SP_API void sp_statem_event_timeout(sp_duration after);
/** Cancel it. True: it was running. Context: as above. */
SP_API bool sp_statem_event_timeout_cancel(void);

/** Insert an event before all others that wait; several in the order of their calls. The typed
 *  S_event_raise() uses it. More than mailbox_max of them waiting ends the machine with
 *  error(LIMIT). Not in enter.
 *  Ownership: as sp_send(). Context: init or a handler of a state machine. */
SP_API SP_NONNULL void sp_statem_raise(const struct sp_op *event, const void *in);

/** Set the machine's timeout named `event`: it is raised after `after`, whatever the state.
 *  Replaces one of that name. The typed S_event_after() uses it.
 *  Ownership: as sp_send(). Units: as sp_statem_state_timeout().
 *  Context: init or a handler of a state machine. */
SP_API SP_NONNULL void sp_statem_timeout(const struct sp_op *event, sp_duration after,
                                         const void *in);
/** Cancel it. True: it was running; it is not raised any more in either case.
 *  Context: as sp_statem_state_timeout(). */
SP_API SP_NONNULL bool sp_statem_timeout_cancel(const struct sp_op *event);

/* Declarations, for the one source file of the machine. */

/** The data of machine `S`; stands before the other lines. Declares `struct S_state`, S_next(),
 *  S_in() and S_now(): operations cannot have these names. */
#define SP_STATEM(S, Data)                                  \
    SP_STATE(S, Data);                                      \
    typedef struct S##_state S##__machine_state;            \
    SP__INLINE void S##_next(const S##__machine_state *to)  \
    {                                                       \
        sp_statem_next(to);                                 \
    }                                                       \
    SP__INLINE const S##__machine_state *S##_now(void)      \
    {                                                       \
        return (const S##__machine_state *)sp_statem_now(); \
    }                                                       \
    SP__INLINE bool S##_in(const S##__machine_state *state) \
    {                                                       \
        return sp_statem_now() == (const void *)state;      \
    }                                                       \
    struct S##__statem_declared

/** What every state can have; NULL where it does not care. Without a handler of its own for
 *  notices and messages, those of the class take them. A timeout that is set needs one. */
#define SP_STATE_FIELDS(S)                                                                 \
    const char *name;                                                                      \
    /* On coming in; `old` is where from, NULL for the first state. May set timeouts and \
     * stop the machine; may not change the state, postpone or raise. */ \
    void (*enter)(S##__state_type * self, const S##__machine_state *old);                  \
    void (*state_timeout)(S##__state_type * self);                                         \
    void (*event_timeout)(S##__state_type * self);                                         \
    void (*down)(S##__state_type * self, const struct sp_down *down);                      \
    void (*exit)(S##__state_type * self, const struct sp_exit_notice *notice);             \
    void (*message)(S##__state_type * self, struct sp_message * message)

/** The field for a call; NULL: S_on_op() handles it. */
#define SP_STATE_CALL_FIELD(S, op) \
    sp_err (*op)(S##__state_type * self, const S##_##op##__in_type *in, S##_##op##__out_type *out)

/** The field for a cast or an event; NULL: S_on_op() handles it. */
#define SP_STATE_CAST_FIELD(S, op) void (*op)(S##__state_type * self, const S##_##op##__in_type *in)

/** An event of the machine's own: S_event_raise(), and as a named timeout S_event_after() and
 *  S_event_cancel(). */
#define SP_EVENT(S, event, In)       \
    SP__PLAIN(S##_##event##__in, In) \
    SP__EVENT(S, event)

/** As SP_EVENT; the payload owns something and is moved. */
#define SP_EVENT_MOVED(S, event, In, in_destroy) \
    SP__OWNER(S##_##event##__in, In, in_destroy) \
    SP__EVENT(S, event)

#define SP__EVENT(S, event)                                                                  \
    enum { S##_##event##__is_event = 1 };                                                    \
    static const struct sp_op S##_##event##_op;                                              \
    SP__INLINE void S##_##event##_raise(const S##_##event##__in_type *in)                    \
    {                                                                                        \
        sp_statem_raise(&S##_##event##_op, in);                                              \
    }                                                                                        \
    SP__INLINE void S##_##event##_after(sp_duration after, const S##_##event##__in_type *in) \
    {                                                                                        \
        sp_statem_timeout(&S##_##event##_op, after, in);                                     \
    }                                                                                        \
    SP__INLINE bool S##_##event##_cancel(void)                                               \
    {                                                                                        \
        return sp_statem_timeout_cancel(&S##_##event##_op);                                  \
    }                                                                                        \
    struct S##_##event##__event_declared

/** Operation `op`: done by the state's field of that name, or where that is NULL by
 *  `static sp_err S_on_op(Data *, const In *, Out *)`. */
#define SP_STATEM_ON_CALL(S, op)                                                                \
    static sp_err S##_##op##__call(void *data, const void *in, void *out)                       \
    {                                                                                           \
        _Static_assert(S##_##op##__is_call, "declare the operation with SP_CALL");              \
        const struct S##_state *now = S##_now();                                                \
        return (now->op != NULL ? now->op : S##_on_##op)((S##__state_type *)data,               \
                                                         (const S##_##op##__in_type *)in,       \
                                                         (S##_##op##__out_type *)out);          \
    }                                                                                           \
    const struct sp_op S##_##op##_op = {                                                        \
        .in = { #op, sizeof(S##_##op##__in_type), SP__KIND_CALL, SP__DESTROY(S##_##op##__in) }, \
        .out_size = sizeof(S##_##op##__out_type),                                               \
        .out_destroy = SP__DESTROY(S##_##op##__out),                                            \
        .server = &S##_class,                                                                   \
        .call = S##_##op##__call,                                                               \
    }

/** Operation `op`: done by the state's field of that name, or where that is NULL by
 *  `static void S_on_op(Data *, const In *)`. */
#define SP_STATEM_ON_CAST(S, op)                                                       \
    SP__STATEM_CAST(S, op, S##_##op##__is_cast, "declare the operation with SP_CAST"); \
    const struct sp_op S##_##op##_op = SP__STATEM_CAST_OP(S, op)

/** As SP_STATEM_ON_CAST, for an event of SP_EVENT. */
#define SP_STATEM_ON_EVENT(S, event)                                                       \
    SP__STATEM_CAST(S, event, S##_##event##__is_event, "declare the event with SP_EVENT"); \
    static const struct sp_op S##_##event##_op = SP__STATEM_CAST_OP(S, event)

#define SP__STATEM_CAST(S, op, declared, text)                                      \
    static void S##_##op##__cast(void *data, const void *in)                        \
    {                                                                               \
        _Static_assert(declared, text);                                             \
        const struct S##_state *now = S##_now();                                    \
        (now->op != NULL ? now->op : S##_on_##op)((S##__state_type *)data,          \
                                                  (const S##_##op##__in_type *)in); \
    }                                                                               \
    struct S##_##op##__cast_defined

#define SP__STATEM_CAST_OP(S, op)                                                               \
    {                                                                                           \
        .in = { #op, sizeof(S##_##op##__in_type), SP__KIND_CAST, SP__DESTROY(S##_##op##__in) }, \
        .server = &S##_class, .cast = S##_##op##__cast,                                         \
    }

/** `S__init` for SP_STATEM_CLASS, from `static sp_err S_init(Data *, const Args *, const struct
 *  S_state **out_first)`, which names the first state. */
#define SP_STATEM_ON_INIT(S)                                                                  \
    static sp_err S##__init(void *data, const void *args)                                     \
    {                                                                                         \
        const struct S##_state *first = NULL;                                                 \
        sp_err err = S##_init((S##__state_type *)data, (const S##__args_type *)args, &first); \
        if (err == SP_OK)                                                                     \
            sp_statem_first(first);                                                           \
        return err;                                                                           \
    }                                                                                         \
    struct S##__init_defined

/** The class, as SP_CLASS makes it: `.init = S__init, .terminate = S__terminate, ...`. Its
 *  `.on_down`, `.on_exit` and `.on_message` serve the states that have none of their own;
 *  `.on_continue` does not exist here (raise an event in init), `.on_timeout` neither (set
 *  an event timeout). */
#define SP_STATEM_CLASS(S, ...)                                                                   \
    static const char *S##__machine_name(const void *state)                                       \
    {                                                                                             \
        return ((const struct S##_state *)state)->name;                                           \
    }                                                                                             \
    static bool S##__machine_event(void *data, const void *state,                                 \
                                   const struct sp_statem_event *event)                           \
    {                                                                                             \
        const struct S##_state *now = (const struct S##_state *)state;                            \
        S##__state_type *self = (S##__state_type *)data;                                          \
        if (event->kind == SP_STATEM_ENTER && now->enter != NULL)                                 \
            now->enter(self, (const struct S##_state *)event->old);                               \
        else if (event->kind == SP_STATEM_STATE_TIMEOUT && now->state_timeout != NULL)            \
            now->state_timeout(self);                                                             \
        else if (event->kind == SP_STATEM_EVENT_TIMEOUT && now->event_timeout != NULL)            \
            now->event_timeout(self);                                                             \
        else if (event->kind == SP_STATEM_DOWN && now->down != NULL)                              \
            now->down(self, sp_message_down(event->message));                                     \
        else if (event->kind == SP_STATEM_EXIT && now->exit != NULL)                              \
            now->exit(self, sp_message_exit(event->message));                                     \
        else if (event->kind == SP_STATEM_MESSAGE && now->message != NULL)                        \
            now->message(self, event->message);                                                   \
        else                                                                                      \
            return false;                                                                         \
        return true;                                                                              \
    }                                                                                             \
    static const struct sp_statem_class S##__machine = { S##__machine_name, S##__machine_event }; \
    const struct sp_server_class S##_class = { .name = #S,                                        \
                                               .state_size = sizeof(S##__state_type),             \
                                               .args_size = sizeof(S##__args_type),               \
                                               .hook = &sp_statem_hook,                           \
                                               .hook_class = &S##__machine,                       \
                                               __VA_ARGS__ }

/* Library use: what the macros above make. */

/** Events that go to a field of the state which every machine has. */
enum sp_statem_event_kind {
    SP_STATEM_ENTER,
    SP_STATEM_STATE_TIMEOUT,
    SP_STATEM_EVENT_TIMEOUT,
    SP_STATEM_DOWN,
    SP_STATEM_EXIT,
    SP_STATEM_MESSAGE,
};

/** One of them. */
struct sp_statem_event {
    enum sp_statem_event_kind kind;
    const void *old;            /**< ENTER: the state it comes from */
    struct sp_message *message; /**< DOWN, EXIT, MESSAGE */
};

/** The machine's part of a class. */
struct sp_statem_class {
    const char *(*name)(const void *state);
    /** Call the state's field for `event`. False: it has none. */
    bool (*event)(void *data, const void *state, const struct sp_statem_event *event);
};

/** What connects a class to the state machine. */
SP_API extern const struct sp__server_hook sp_statem_hook;

/** Name the first state. Context: init of a state machine. */
SP_API void sp_statem_first(const void *state);

SP_EXTERN_C_END

#endif
