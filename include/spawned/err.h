/* Errors: one small enum for everything that can fail.
 *
 * SP_ERRORS is the only list: code, name and text come from it. SP_OK is zero.
 * Detail that does not fit a code (who died of what, how far a call got) is in the
 * exit reason or in the call's outcome record, never in a thread-local.
 */
#ifndef SPAWNED_ERR_H
#define SPAWNED_ERR_H

#include "spawned/base.h"

SP_EXTERN_C_BEGIN

/* clang-format off */
#define SP_ERRORS(X)                                                                      \
    X(0,  OK,              "success")                                                     \
    X(1,  INVALID,         "an argument or a request is not valid")                       \
    X(2,  NOMEM,           "out of memory")                                               \
    X(3,  NOPROC,          "no such process: never started, or already dead")             \
    X(4,  TIMEOUT,         "the deadline passed")                                         \
    X(5,  FULL,            "the mailbox is full")                                         \
    X(6,  EXISTS,          "already there: the name, the key or the member is taken")     \
    X(7,  NOTFOUND,        "not found")                                                   \
    X(8,  DIED,            "the process died before it answered")                         \
    X(9,  NOREPLY,         "the server dropped the request without an answer")            \
    X(10, BADCALL,         "the process does not implement this operation")               \
    X(11, DEADLOCK,        "the call would wait for itself")                              \
    X(12, NOTSUP,          "not supported here")                                          \
    X(13, LIMIT,           "a configured limit is reached")                               \
    X(14, CLOSED,          "closed")                                                      \
    X(15, CANCELLED,       "cancelled")                                                   \
    X(16, IO,              "input or output failed; the system's error number tells more") \
    X(17, EOF,             "end of the stream")                                           \
    X(18, PROTOCOL,        "the peer broke the protocol")                                 \
    X(19, TOOBIG,          "larger than the limit")                                       \
    X(20, ADDRINUSE,       "the address is already in use")                               \
    X(21, REFUSED,         "the connection was refused")                                  \
    X(22, RESET,           "the connection was reset by the peer")                        \
    X(23, NOFILE,          "out of file descriptors")                                     \
    X(24, IGNORED,         "the process declined to start")                               \
    X(25, INITFAILED,      "the process failed while it started")                         \
    X(26, SHUTDOWN,        "shutting down")                                               \
    X(27, NOCONNECTION,    "the node is not reachable")                                   \
    X(28, NOTCONTEXT,      "not allowed in this context")                                 \
    X(29, NOTMEMBER,       "not a member")                                                \
    X(30, NONODE,          "the process lives on another node")                           \
    X(31, RESOLVE,         "the host name could not be resolved")                         \
    X(32, ACCESS,          "permission denied")                                           \
    X(33, PRESENT,         "the child is specified but not running")                      \
    X(34, DEFERRED,        "not an error: the reply comes later (handlers only)")         \
    X(35, RUNNING,         "still running")                                               \
    X(36, STALE,           "the timer had fired or was cancelled before")                  \
    X(37, OVERLOAD,        "overloaded: those before it wait too long")             \
    X(38, NOROUTEE,        "the router has no living routee")                             \
    X(39, ABANDONED,       "given up: a handler of it did not return")
/* clang-format on */

/** What can go wrong. Text: sp_err_text(). */
typedef enum sp_err {
#define SP_ERR_ENUM_(code, name, text) SP_ERR_##name = code,
    SP_ERRORS(SP_ERR_ENUM_)
#undef SP_ERR_ENUM_
} sp_err;

/** Success: the zero of sp_err. */
#define SP_OK SP_ERR_OK

/** A sentence for `err`, in English, static. Unknown codes give "unknown error".
 *  Context: any. */
SP_API const char *sp_err_text(sp_err err);

/** The identifier of `err` without its prefix ("TIMEOUT"), static.
 *  Context: any. */
SP_API const char *sp_err_name(sp_err err);

SP_EXTERN_C_END

#endif
