/* The system's signals as messages: SIGINT and SIGTERM for any number of processes.
 *
 * The first subscriber of a runtime takes both signals from their default action (the end of the
 * program); when the last has gone they have it back. What is delivered is a message like any
 * other: nothing of the receiver's runs in a signal handler.
 *
 * By default one signal is enough: once one was delivered, both have their default action again,
 * so that a second Ctrl-C ends a program that does not come to its end. A subscriber that wants
 * every one keeps them.
 *
 * One runtime of a program has the signals at a time.
 */
#ifndef SPAWNED_OS_SIGNAL_H
#define SPAWNED_OS_SIGNAL_H

#include "spawned/message.h"

SP_EXTERN_C_BEGIN

/** A signal came. */
struct sp_os_signal {
    int signo; /**< SIGINT or SIGTERM */
};

/** The type of the message; it goes past a full mailbox. */
SP_API extern const struct sp_msg_type sp_os_signal_type;

/** The payload if it is such a message, else NULL. Context: the process that received it. */
SP_NONNULL static inline const struct sp_os_signal *sp_os_signal_of(
    const struct sp_message *message)
{
    return sp_message_type(message) == &sp_os_signal_type
               ? (const struct sp_os_signal *)sp_message_peek(message)
               : (const struct sp_os_signal *)0;
}

/** What happens after the first signal. */
enum sp_os_signal_mode {
    SP_OS_SIGNAL_ONCE = 0, /**< the next one has its default action, unless somebody keeps them */
    SP_OS_SIGNAL_KEEP,     /**< each is delivered */
};

/** Send the running process an sp_os_signal for each SIGINT and SIGTERM from now on. It ends with
 *  sp_os_signal_unsubscribe(), or with the process. Subscribing again changes the mode, and
 *  takes the signals anew where one was delivered already. Subscribe before telling anyone that
 *  the program runs: a signal from before has its default action.
 *  Errors: LIMIT (another runtime of the program has the signals), INVALID (mode), NOMEM,
 *  NOTSUP (the system does not allow it), NOTCONTEXT, TIMEOUT.
 *  Context: process, may suspend. Default deadline: 5 s. */
SP_API SP_NODISCARD sp_err sp_os_signal_subscribe(enum sp_os_signal_mode mode,
                                                  sp_deadline deadline);

/** Stop it for the running process; what is in its mailbox stays.
 *  Errors: NOTFOUND (it was not subscribed), NOMEM, NOTCONTEXT, TIMEOUT.
 *  Context: process, may suspend. Default deadline: 5 s. */
SP_API SP_NODISCARD sp_err sp_os_signal_unsubscribe(sp_deadline deadline);

SP_EXTERN_C_END

#endif
