/* Every allocation and every system call of the library made to fail, one after the other.
 *
 * A program uses a part of the library. It runs once to be counted, and then again and again in
 * processes of their own, each time with one point failed: the n-th call of one kind, with one of the
 * errors that it may have. What a point may change is what the library says: an operation fails, a
 * process ends. Found out is what it may not: a crash, a wait that does not end, a result that is
 * wrong though the operation succeeded, anything left behind, and a runtime that does not work as
 * before when the failure is over.
 *
 *   main.c      which points there are, and what came of each
 *   calls.c     the kinds of calls, their errors, and whether this one fails
 *   wraps.c     what the library's calls are linked to instead (ld --wrap)
 *   *_program.c the programs
 *   covered.py  the library makes no call of which these files know nothing
 *
 * Calls count only where the library made them: its code is in a section of its own.
 */
#ifndef SP_TEST_TORTURE_H
#define SP_TEST_TORTURE_H

#include "spawned/spawned.h"

#include <stdatomic.h>

/** The folder of the reports of faults: of this run of torture alone. */
extern char torture_crashes[];
extern void torture_crashes_make(void);
extern void torture_crashes_drop(void);

/** Each is one kind of points. */
enum torture_call {
    CALL_MALLOC,
    CALL_ACCEPT4,
    CALL_BIND,
    CALL_CLOCK_OF_THREAD,
    CALL_CLOSE,
    CALL_CONDATTR_INIT,
    CALL_COND_INIT,
    CALL_COND_TIMEDWAIT,
    CALL_COND_WAIT,
    CALL_CONNECT,
    CALL_EPOLL_ADD,
    CALL_EPOLL_CREATE1,
    CALL_EPOLL_PWAIT2,
    CALL_EPOLL_WAIT,
    CALL_EVENTFD,
    CALL_FCHMOD,
    CALL_FDATASYNC,
    CALL_FSTAT,
    CALL_FSYNC,
    CALL_FTRUNCATE,
    CALL_FUTEX_WAIT,
    CALL_GETADDRINFO,
    CALL_GETATTR_NP,
    CALL_GETCPUCLOCKID,
    CALL_GETPEERNAME,
    CALL_GETPRIORITY,
    CALL_GETRANDOM,
    CALL_GETSOCKNAME,
    CALL_GETSOCKOPT,
    CALL_LISTEN,
    CALL_LSTAT,
    CALL_MADVISE,
    CALL_MEMBARRIER,
    CALL_MEMBARRIER_KNOWN,
    CALL_MKDIR,
    CALL_MMAP,
    CALL_MPROTECT,
    CALL_MUNMAP,
    CALL_MUTEX_INIT,
    CALL_OPEN,
    CALL_OPENDIR,
    CALL_PREAD,
    CALL_PTHREAD_CREATE,
    CALL_PWRITE,
    CALL_READ,
    CALL_READDIR,
    CALL_RECV,
    CALL_RENAME,
    CALL_RMDIR,
    CALL_SCHED_GETAFFINITY,
    CALL_SCHED_SETSCHEDULER,
    CALL_SEM_WAIT,
    CALL_SEND,
    CALL_SENDMSG,
    CALL_SETPRIORITY,
    CALL_SETSOCKOPT,
    CALL_SHUTDOWN,
    CALL_SIGACTION,
    CALL_SIGALTSTACK,
    CALL_SOCKET,
    CALL_TGKILL,
    CALL_UNLINK,
    CALL_WRITE,
    CALLS,
};

/** In the place of an error number: the call does less than it could. */
enum {
    TORTURE_SHORT = -1, /* one byte is transferred */
    TORTURE_EARLY = -2, /* a wait ends though nothing has come */
    TORTURE_ERRORS_MAX = 8,
};

struct torture_kind {
    const char *name;
    int errors[TORTURE_ERRORS_MAX]; /* up to the first 0 */
};
extern const struct torture_kind torture_kinds[CALLS];

/** When the point is: while the runtime starts, while it is used, while it stops. */
enum torture_phase {
    PHASE_START,
    PHASE_LAP,
    PHASE_STOP,
    PHASES,
    PHASE_NONE = PHASES,
};

/** One point. */
struct torture_point {
    enum torture_phase phase; /* PHASE_NONE: nothing fails */
    enum torture_call call;
    int error;
    uint32_t number; /* so many calls of its kind succeed before */
    uint32_t count;  /* so many fail, one after the other */
};

/** Between the process that runs a program and the one that looks at it. */
struct torture_shared {
    _Atomic uint32_t calls[PHASES][CALLS];
    _Atomic bool fired;
    char text[512]; /* why it failed */
};

struct torture_program {
    const char *name;
    void (*body)(void *unused); /* of a process; uses the library */
    struct sp_runtime_options options;
    bool stops_in_time;          /* its runtime is stopped without a deadline */
    struct torture_point always; /* fails in every run, beside the point */
};
extern const struct torture_program torture_programs[];
extern const size_t torture_program_count;

/* ---- for programs ---- */

/** A wait that ends after this has failed: none may be so long. */
#define TORTURE_PATIENCE sp_after_sec(20)

/** Did the operation succeed? It must where no failure is under way, and must not time out. */
#define DID(operation) torture_did((operation), #operation, __FILE__, __LINE__)
bool torture_did(sp_err err, const char *what, const char *file, int line);

/** What must be true whatever fails. */
#define MUST(expression) \
    ((expression) ? (void)0 : torture_failed(__FILE__, __LINE__, "%s is false", #expression))
SP_NORETURN void torture_failed(const char *file, int line, const char *format, ...)
    SP_PRINTF(3, 4);

/** Nothing is made to fail now: all must succeed. */
bool torture_strict(void);

/** A name to register: another one where nothing fails, because a program that ends in the middle
 *  leaves those that hold a name. */
const char *torture_name(void);

/* ---- inside ---- */

/** Prepare this process: `point`, and `always`, fail. */
void torture_prepare(struct torture_shared *shared, const struct torture_point *point,
                     const struct torture_point *always);
/** From now on calls count for `phase`. PHASE_NONE: nothing fails. */
void torture_enter(enum torture_phase phase);
/** A call that the library makes: 0: it is to be made; else the error. Context: any. */
int torture_asked(enum torture_call call, const void *caller);

extern void core_body(void *unused);
extern void server_body(void *unused);
extern void supervision_body(void *unused);
extern void task_body(void *unused);
extern void stream_body(void *unused);
extern void serve_body(void *unused);
extern void file_body(void *unused);
extern void crash_body(void *unused);
extern void observe_body(void *unused);
extern void system_body(void *unused);
extern void stuck_body(void *unused);

#endif
