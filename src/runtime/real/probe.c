/* Threads seen from outside. See probe.h. */
#include "runtime/real/probe.h"

#include "base/text.h"
#include "runtime/real/fault.h"
#include "runtime/real/futex.h"
#include "runtime/real/runner.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* ---- the signal ---- */

static struct sp__lock probe_lock;
static unsigned probe_users;    /* under the lock */
static _Atomic int probe_signo; /* 0: none; written under the lock */

/* Writes what the thread that asked waits for, and nothing else; late calls find it answered. */
static void probe_handler(int signo, siginfo_t *info, void *ucontext)
{
    (void)signo;
    (void)info;
    int saved_errno = errno;
    struct sp__context *context = sp__context();
    bool ours = context != NULL && context->kind == SP__CONTEXT_WORKER && context->backend != NULL;
    struct sp__probe *probe = ours ? &sp__runner_of(context)->probe : NULL;
    /* acquire: pairs with the release in ask; the last answer was read. */
    uint32_t wanted = ours ? atomic_load_explicit(&probe->wanted, memory_order_acquire) : 0;
    if (ours && atomic_load_explicit(&probe->done, memory_order_relaxed) != wanted) {
        probe->count = sp__fault_sample(context, ucontext, probe->frames, SP__PROBE_FRAMES_MAX);
        /* release: pairs with the acquire in ask. */
        atomic_store_explicit(&probe->done, wanted, memory_order_release);
        sp__futex_wake(&probe->done, 1);
    }
    errno = saved_errno;
}

/* A realtime signal with its default action, from the top, where fewer look. 0: none. */
static int probe_choose(void)
{
    struct sigaction action = { .sa_sigaction = probe_handler,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
    (void)sigfillset(&action.sa_mask);
    for (int signo = SIGRTMAX; signo >= SIGRTMIN; signo--) {
        struct sigaction now;
        bool unused = sigaction(signo, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
                      now.sa_handler == SIG_DFL;
        if (unused && sigaction(signo, &action, NULL) == 0)
            return signo;
    }
    return 0;
}

void sp__probe_install(void)
{
    sp__lock_lock(&probe_lock);
    if (probe_users++ == 0)
        /* release: pairs with the acquire of who sends it. */
        atomic_store_explicit(&probe_signo, probe_choose(), memory_order_release);
    sp__lock_unlock(&probe_lock);
}

void sp__probe_uninstall(void)
{
    sp__lock_lock(&probe_lock);
    int signo = atomic_load_explicit(&probe_signo, memory_order_relaxed);
    if (--probe_users == 0 && signo != 0) {
        struct sigaction standard = { .sa_handler = SIG_DFL };
        struct sigaction now;
        /* Who replaced ours keeps theirs. */
        if (sigaction(signo, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
            now.sa_sigaction == probe_handler)
            (void)sigaction(signo, &standard, NULL);
        atomic_store_explicit(&probe_signo, 0, memory_order_relaxed);
    }
    sp__lock_unlock(&probe_lock);
}

void sp__probe_thread_start(struct sp__thread_id *out_id)
{
    int signo = atomic_load_explicit(&probe_signo, memory_order_acquire);
    out_id->tid = (pid_t)syscall(SYS_gettid);
    if (pthread_getcpuclockid(pthread_self(), &out_id->cpu) != 0)
        out_id->cpu = CLOCK_THREAD_CPUTIME_ID; /* cannot happen to a thread that lives */
    if (signo == 0)
        return;
    sigset_t ours;
    (void)sigemptyset(&ours);
    (void)sigaddset(&ours, signo);
    (void)pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
}

bool sp__probe_ask(struct sp__probe *probe, const struct sp__thread_id *id, int64_t timeout_ns)
{
    int signo = atomic_load_explicit(&probe_signo, memory_order_acquire);
    uint32_t before = atomic_load_explicit(&probe->done, memory_order_acquire);
    uint32_t wanted = atomic_load_explicit(&probe->wanted, memory_order_relaxed) + 1;
    if (signo == 0)
        return false;
    atomic_store_explicit(&probe->wanted, wanted, memory_order_release);
    if (syscall(SYS_tgkill, getpid(), id->tid, signo) != 0)
        return false;
    /* One wait is enough: an early return only costs the stack. */
    if (before != wanted)
        sp__futex_wait(&probe->done, before, timeout_ns);
    return atomic_load_explicit(&probe->done, memory_order_acquire) == wanted;
}

void sp__probe_frame_text(const void *frame, char *out, size_t size)
{
    struct sp__text text;
    Dl_info info;
    sp__text_init(&text, out, size);
    if (dladdr(frame, &info) == 0 || info.dli_fname == NULL) {
        sp__text_add(&text, "%p", frame);
        return;
    }
    const char *slash = strrchr(info.dli_fname, '/');
    const char *module = slash != NULL ? slash + 1 : info.dli_fname;
    bool named = info.dli_sname != NULL;
    const char *base = named ? info.dli_saddr : info.dli_fbase;
    size_t offset = (size_t)((const char *)frame - base);
    if (named)
        sp__text_add(&text, "%s+0x%zx (%s)", info.dli_sname, offset, module);
    else
        sp__text_add(&text, "%s+0x%zx", module, offset);
}

/* ---- time and state ---- */

int64_t sp__thread_cpu_ns(const struct sp__thread_id *id)
{
    struct timespec used;
    if (clock_gettime(id->cpu, &used) != 0)
        return 0;
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

bool sp__thread_sleeps(const struct sp__thread_id *id)
{
    char path[64];
    char stat[512];
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)id->tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    ssize_t got = read(fd, stat, sizeof(stat) - 1);
    (void)close(fd);
    if (got <= 0)
        return true;
    stat[got] = '\0';
    /* "tid (name) state ...", and the name may have anything in it. */
    const char *name_end = strrchr(stat, ')');
    bool known = name_end != NULL && name_end[1] == ' ';
    return !known || name_end[2] == 'S' || name_end[2] == 'D';
}

/* ---- priority ---- */

void sp__thread_demote(const struct sp__thread_id *id, struct sp__priority *out_before)
{
    struct sched_param level = { 0 };
    struct sched_param none = { 0 };
    *out_before = (struct sp__priority){ .policy = sched_getscheduler(id->tid) };
    (void)sched_getparam(id->tid, &level);
    out_before->level = level.sched_priority;
    if (sched_setscheduler(id->tid, SCHED_IDLE | (out_before->policy & SCHED_RESET_ON_FORK),
                           &none) == 0) {
        out_before->demoted = true;
        return;
    }
    out_before->nice_only = true;
    out_before->nice = getpriority(PRIO_PROCESS, (id_t)id->tid);
    out_before->demoted = setpriority(PRIO_PROCESS, (id_t)id->tid, 19) == 0;
}

bool sp__thread_promote(struct sp__priority *before)
{
    struct sched_param level = { .sched_priority = before->level };
    before->demoted = false;
    if (before->nice_only)
        return setpriority(PRIO_PROCESS, 0, before->nice) == 0;
    return sched_setscheduler(0, before->policy, &level) == 0;
}
