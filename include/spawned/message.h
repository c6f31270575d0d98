/* Messages between processes: typed, copied or moved, never shared.
 *
 * A message has a type, declared once with SP_MESSAGE in a header. Sending copies the
 * struct; with SP_MESSAGE_MOVED the struct owns something (a buffer, a file), which goes
 * to the receiver, and to the destructor where there is no receiver: a message that
 * cannot be delivered is never silently leaked.
 *
 * A plain process takes messages out with sp_receive() and gives each back with
 * sp_message_free(); what it forgot is freed when it ends. Servers are handed theirs.
 */
#ifndef SPAWNED_MESSAGE_H
#define SPAWNED_MESSAGE_H

#include "spawned/err.h"
#include "spawned/pid.h"
#include "spawned/reason.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

struct sp_message;

/** What a payload is. One object per type, compared by address. */
struct sp_msg_type {
    const char *name;               /**< for inspection */
    uint32_t size;                  /**< bytes of the struct */
    uint8_t kind;                   /**< library use; 0 for user types */
    void (*destroy)(void *payload); /**< frees what the payload owns, or NULL */
};

/* Message kinds of the library; sp_msg_type.kind. */
enum {
    SP__KIND_USER = 0,
    SP__KIND_CAST = 1,
    SP__KIND_CALL = 2,
    SP__KIND_DOWN = 3,
    SP__KIND_EXIT = 4,
    SP__KIND_START = 5,
    SP__KIND_RESERVED = 0x80, /* bit: never refused by a full mailbox */
};

/** Identifies a monitor. */
typedef struct sp_monitor_ref {
    uint64_t id; /**< unique within the runtime, 0 is none */
} sp_monitor_ref;

/** Payload of a DOWN notice. */
struct sp_down {
    sp_monitor_ref ref;             /**< which monitor */
    sp_pid pid;                     /**< who died; SP_PID_NONE when monitored by a free name */
    const char *name;               /**< the name it was monitored by, or NULL */
    const struct sp_reason *reason; /**< of what; borrowed */
};

/** Payload of an EXIT notice: a linked process ended, and the receiver traps exits. */
struct sp_exit_notice {
    sp_pid pid;                     /**< who */
    const struct sp_reason *reason; /**< of what; borrowed */
};

/** The types of the notices. */
SP_API extern const struct sp_msg_type sp_down_type;
SP_API extern const struct sp_msg_type sp_exit_notice_type;

/** Send a copy of `*payload`, `type->size` bytes. Never suspends.
 *  Errors: NOPROC (dead), FULL (the mailbox is full), SHUTDOWN (it drains), OVERLOAD (those before
 *  it wait too long), NOMEM, NOTCONTEXT (thread not attached).
 *  Ownership: copied; where the type owns something, it is moved and on failure destroyed.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_send(sp_pid to, const struct sp_msg_type *type, const void *payload);

/** As sp_send(), but waits for room in a full mailbox.
 *  Errors: as sp_send(), TIMEOUT, DEADLOCK (the receiver waits for the caller). Default
 *  deadline: 5 s.
 *  Ownership: as sp_send().
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_send_wait(sp_pid to, const struct sp_msg_type *type, const void *payload,
                 sp_deadline deadline);

/** Take the next message, in order of arrival.
 *  Errors: TIMEOUT, NOTCONTEXT (servers do not receive; they are handed their messages).
 *  Ownership: the caller frees `*out` with sp_message_free().
 *  Context: process, may suspend. Default deadline: none. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_receive(sp_deadline deadline, struct sp_message **out);

/** Does a receive want this message? */
typedef bool (*sp_select_fn)(const struct sp_message *message, void *arg);

/** Take the first message that `select` accepts; the others keep their place. Each message
 *  is looked at once per call.
 *  Errors: as sp_receive().
 *  Ownership: as sp_receive().
 *  Context: as sp_receive(); `select` may not suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 4) sp_err
    sp_receive_select(sp_select_fn select, void *arg, sp_deadline deadline,
                      struct sp_message **out);

/** Give a message back; its payload is destroyed. NULL is accepted.
 *  Context: the process that received it. */
SP_API void sp_message_free(struct sp_message *message);

/** Pass a received message on as if its sender had sent it to `to`: for proxies and routers. A
 *  call keeps its caller, who gets the answer from there.
 *  Errors: NOPROC, FULL (a call then fails at its caller as a direct one would), NOTCONTEXT
 *  (servers do not receive).
 *  Ownership: takes the message, also on failure, but not with NOTCONTEXT.
 *  Context: the process that received it. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_message_forward(struct sp_message *moved_message,
                                                         sp_pid to);

/** Type. Context: any. */
SP_API SP_NONNULL const struct sp_msg_type *sp_message_type(const struct sp_message *message);
/** Who sent it. Context: any. */
SP_API SP_NONNULL sp_pid sp_message_from(const struct sp_message *message);
/** Payload; lives as long as the message. Context: any. */
SP_API SP_NONNULL void *sp_message_payload(struct sp_message *message);
/** Payload of a message that is only looked at. Context: any. */
SP_API SP_NONNULL const void *sp_message_peek(const struct sp_message *message);

/** The payload if it is a DOWN, else NULL. Context: any. */
SP_API SP_NONNULL const struct sp_down *sp_message_down(const struct sp_message *message);
/** The payload if it is an EXIT notice, else NULL. Context: any. */
SP_API SP_NONNULL const struct sp_exit_notice *sp_message_exit(const struct sp_message *message);

/** Messages in the calling process's mailbox. Context: process. */
SP_API size_t sp_mailbox_length(void);

/* One object of a type across all files that include its header. */
#ifdef __cplusplus
#define SP__TYPE_OBJECT extern __attribute__((weak, visibility("default"))) const struct sp_msg_type
#else
#define SP__TYPE_OBJECT __attribute__((weak, visibility("default"))) const struct sp_msg_type
#endif

/** Declare the message `name` with payload `T`: name_send(), name_send_wait(), name_of(). */
#define SP_MESSAGE(name, T) SP__MESSAGE(name, T, NULL)

/** As SP_MESSAGE, for a payload that owns something: `destroy_fn` is `void (*)(T *)`. */
#define SP_MESSAGE_MOVED(name, T, destroy_fn)      \
    SP__INLINE void name##__destroy(void *payload) \
    {                                              \
        destroy_fn((T *)payload);                  \
    }                                              \
    SP__MESSAGE(name, T, name##__destroy)

#define SP__MESSAGE(name, T, destroy_fn)                                                   \
    typedef T name##__payload;                                                             \
    SP__TYPE_OBJECT name##_type = { #name, sizeof(T), 0, destroy_fn };                     \
    SP_NODISCARD SP__INLINE sp_err name##_send(sp_pid to, const T *payload)                \
    {                                                                                      \
        return sp_send(to, &name##_type, payload);                                         \
    }                                                                                      \
    SP_NODISCARD SP__INLINE sp_err name##_send_wait(sp_pid to, const T *payload,           \
                                                    sp_deadline deadline)                  \
    {                                                                                      \
        return sp_send_wait(to, &name##_type, payload, deadline);                          \
    }                                                                                      \
    SP__INLINE T *name##_of(struct sp_message *message)                                    \
    {                                                                                      \
        return sp_message_type(message) == &name##_type ? (T *)sp_message_payload(message) \
                                                        : (T *)NULL;                       \
    }                                                                                      \
    struct name##__message_declared

SP_EXTERN_C_END

#endif
