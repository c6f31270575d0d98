/* The kinds of calls and the errors they may have, by their manual pages; and which one fails now.
 * What cannot fail, or only by a wrong argument, is not here: covered.py says why.
 *
 * Threads: torture_asked() in all, and in handlers of signals; the others before there are any.
 */
#include "torture.h"

#include "base/alloc.h"

#include <errno.h>
#include <netdb.h>
#include <stdint.h>

const struct torture_kind torture_kinds[CALLS] = {
    [CALL_MALLOC] = { "malloc", { ENOMEM } },
    /* Not EAGAIN, where the system says it but has a connection: it never does. So with others. */
    [CALL_ACCEPT4] = { "accept4", { EMFILE, ENFILE, ENOMEM, ENOBUFS, ECONNABORTED, EINTR, EPERM } },
    [CALL_BIND] = { "bind", { EADDRINUSE, EACCES } },
    [CALL_CLOCK_OF_THREAD] = { "clock_gettime", { EINVAL } },
    [CALL_CLOSE] = { "close", { EINTR, EIO } }, /* it is closed all the same */
    [CALL_CONDATTR_INIT] = { "pthread_condattr_init", { ENOMEM } },
    [CALL_COND_INIT] = { "pthread_cond_init", { ENOMEM } },
    [CALL_COND_TIMEDWAIT] = { "pthread_cond_timedwait", { TORTURE_EARLY } },
    [CALL_COND_WAIT] = { "pthread_cond_wait", { TORTURE_EARLY } },
    [CALL_CONNECT] = { "connect",
                       { ECONNREFUSED, ENETUNREACH, ETIMEDOUT, EADDRNOTAVAIL, EAGAIN, EINTR } },
    [CALL_EPOLL_ADD] = { "epoll_ctl", { ENOMEM, ENOSPC } },
    [CALL_EPOLL_CREATE1] = { "epoll_create1", { EMFILE, ENFILE, ENOMEM } },
    [CALL_EPOLL_PWAIT2] = { "epoll_pwait2", { EINTR, ENOSYS, EPERM } },
    [CALL_EPOLL_WAIT] = { "epoll_wait", { EINTR } },
    [CALL_EVENTFD] = { "eventfd", { EMFILE, ENFILE, ENOMEM } },
    [CALL_FCHMOD] = { "fchmod", { EPERM, EIO } },
    [CALL_FDATASYNC] = { "fdatasync", { EIO, ENOSPC } },
    [CALL_FSTAT] = { "fstat", { EIO, ENOMEM } },
    [CALL_FSYNC] = { "fsync", { EIO, ENOSPC } },
    [CALL_FTRUNCATE] = { "ftruncate", { EIO, EINTR } },
    [CALL_FUTEX_WAIT] = { "futex", { EINTR, EAGAIN } },
    [CALL_GETADDRINFO] = { "getaddrinfo", { -EAI_AGAIN, -EAI_MEMORY, -EAI_SYSTEM, -EAI_FAIL } },
    [CALL_GETATTR_NP] = { "pthread_getattr_np", { ENOMEM } },
    [CALL_GETCPUCLOCKID] = { "pthread_getcpuclockid", { ENOENT } },
    [CALL_GETPEERNAME] = { "getpeername", { ENOBUFS } },
    [CALL_GETPRIORITY] = { "getpriority", { ESRCH } },
    [CALL_GETRANDOM] = { "getrandom", { EINTR, ENOSYS } },
    [CALL_GETSOCKNAME] = { "getsockname", { ENOBUFS } },
    [CALL_GETSOCKOPT] = { "getsockopt", { ENOBUFS } },
    [CALL_LISTEN] = { "listen", { EADDRINUSE } },
    [CALL_LSTAT] = { "lstat", { ENOENT, EACCES, ENOMEM } },
    [CALL_MADVISE] = { "madvise", { EINVAL, ENOMEM, EAGAIN } },
    [CALL_MEMBARRIER] = { "membarrier", { ENOMEM } },
    [CALL_MEMBARRIER_KNOWN] = { "membarrier-known", { ENOSYS, EPERM } },
    [CALL_MKDIR] = { "mkdir", { ENOSPC, EACCES } },
    [CALL_MMAP] = { "mmap", { ENOMEM } },
    [CALL_MPROTECT] = { "mprotect", { ENOMEM } },
    [CALL_MUNMAP] = { "munmap", { ENOMEM } },
    [CALL_MUTEX_INIT] = { "pthread_mutex_init", { ENOMEM } },
    [CALL_OPEN] = { "open", { EMFILE, ENFILE, ENOMEM, EACCES, EINTR } },
    [CALL_OPENDIR] = { "opendir", { EMFILE, ENOMEM } },
    [CALL_PREAD] = { "pread", { EIO, EINTR, TORTURE_SHORT } },
    [CALL_PTHREAD_CREATE] = { "pthread_create", { EAGAIN } },
    [CALL_PWRITE] = { "pwrite", { ENOSPC, EIO, EINTR, EDQUOT, TORTURE_SHORT } },
    [CALL_READ] = { "read", { EINTR, ESRCH } },
    [CALL_READDIR] = { "readdir", { EIO, ENOMEM } },
    [CALL_RECV] = { "recv", { EINTR, ECONNRESET, ETIMEDOUT, ENOMEM } },
    [CALL_RENAME] = { "rename", { ENOSPC, EACCES } },
    [CALL_RMDIR] = { "rmdir", { EACCES, EBUSY } },
    [CALL_SCHED_GETAFFINITY] = { "sched_getaffinity", { EINVAL } },
    [CALL_SCHED_SETSCHEDULER] = { "sched_setscheduler", { EPERM } },
    [CALL_SEM_WAIT] = { "sem_wait", { EINTR } },
    [CALL_SEND] = { "send", { EINTR, ECONNRESET, EPIPE, ENOBUFS, ENOMEM, TORTURE_SHORT } },
    [CALL_SENDMSG] = { "sendmsg", { EINTR, ECONNRESET, EPIPE, ENOBUFS, ENOMEM, TORTURE_SHORT } },
    [CALL_SETPRIORITY] = { "setpriority", { EACCES } },
    [CALL_SETSOCKOPT] = { "setsockopt", { ENOMEM, ENOPROTOOPT } },
    [CALL_SHUTDOWN] = { "shutdown", { ENOTCONN, ENOBUFS } },
    [CALL_SIGACTION] = { "sigaction", { EINVAL } },
    [CALL_SIGALTSTACK] = { "sigaltstack", { ENOMEM, EPERM } },
    [CALL_SOCKET] = { "socket", { EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT } },
    [CALL_TGKILL] = { "tgkill", { EAGAIN } },
    [CALL_UNLINK] = { "unlink", { EACCES, EBUSY } },
    [CALL_WRITE] = { "write", { EINTR } },
};

/* The library's code: the linker's names. */
extern const char __start_sp_text[];
extern const char __stop_sp_text[];

static struct torture_shared *calls_shared;
static struct torture_point calls_point;
static struct torture_point calls_always;
/* relaxed, all of it: a phase begins and ends where no order with its calls is needed. */
static _Atomic int calls_phase = PHASE_NONE;

static bool calls_malloc_fails(void)
{
    return torture_asked(CALL_MALLOC, __start_sp_text) != 0;
}

void torture_prepare(struct torture_shared *shared, const struct torture_point *point,
                     const struct torture_point *always)
{
    calls_shared = shared;
    calls_point = *point;
    calls_always = *always;
    sp__alloc_asked = calls_malloc_fails;
}

void torture_enter(enum torture_phase phase)
{
    atomic_store_explicit(&calls_phase, phase, memory_order_relaxed);
}

bool torture_strict(void)
{
    return atomic_load_explicit(&calls_phase, memory_order_relaxed) == PHASE_NONE ||
           calls_point.phase == PHASE_NONE;
}

const char *torture_name(void)
{
    return torture_strict() ? "strict" : "loose";
}

int torture_asked(enum torture_call call, const void *caller)
{
    if (calls_shared == NULL || (uintptr_t)caller < (uintptr_t)__start_sp_text ||
        (uintptr_t)caller >= (uintptr_t)__stop_sp_text)
        return 0;
    if (calls_always.count != 0 && calls_always.call == call)
        return calls_always.error;
    int phase = atomic_load_explicit(&calls_phase, memory_order_relaxed);
    if (phase == PHASE_NONE)
        return 0;
    uint32_t number =
        atomic_fetch_add_explicit(&calls_shared->calls[phase][call], 1, memory_order_relaxed);
    if (calls_point.phase != (enum torture_phase)phase || calls_point.call != call ||
        number < calls_point.number || number - calls_point.number >= calls_point.count)
        return 0;
    atomic_store_explicit(&calls_shared->fired, true, memory_order_relaxed);
    return calls_point.error;
}
