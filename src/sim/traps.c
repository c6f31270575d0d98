#include "sim/traps.h"

#include "runtime/real/fault_code.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#if defined(__x86_64__)
#define TRAPS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define TRAPS_ARCH AUDIT_ARCH_AARCH64
#endif

enum {
    TRAPS_PAGES_MAX = 8,
    TRAPS_FILTER_MAX = 160,
    TRAPS_PASS = 0x5350414c, /* sixth argument of a call that the handler makes */
    TRAPS_EMPTY_PATH = 0x1000,
};

#define TRAPS_CLOCK "what the time is differs from run to run: sp_now(), sp_wall_ns()"
#define TRAPS_WAIT "it waits in real time: sp_sleep()"
#define TRAPS_CHANCE "it is random: sp_random()"
#define TRAPS_NUMBER "numbers of processes and threads differ from run to run: sp_self()"
#define TRAPS_FILE "files and their state are outside of the simulated world"
#define TRAPS_NET "this network is not the simulated one: sp_stream_connect(), sp_listener_start()"
#define TRAPS_THREAD \
    "threads and processes of the system run in no order: sp_spawn(), sp_blocking()"
#define TRAPS_MACHINE "machines differ"
#define TRAPS_SIGNAL "signals of the system come at any time: sp_timer_start()"

static const struct trap_call {
    long number;
    const char *name;
    const char *reason;
} trap_calls[] = {
    { SYS_clock_gettime, "clock_gettime", TRAPS_CLOCK },
    { SYS_gettimeofday, "gettimeofday", TRAPS_CLOCK },
    { SYS_getrusage, "getrusage", TRAPS_CLOCK },
    { SYS_times, "times", TRAPS_CLOCK },
    { SYS_nanosleep, "nanosleep", TRAPS_WAIT },
    { SYS_clock_nanosleep, "clock_nanosleep", TRAPS_WAIT },
    { SYS_sched_yield, "sched_yield", TRAPS_WAIT },
    { SYS_ppoll, "ppoll", TRAPS_WAIT },
    { SYS_pselect6, "pselect", TRAPS_WAIT },
    { SYS_epoll_pwait, "epoll_wait", TRAPS_WAIT },
    { SYS_wait4, "wait", TRAPS_WAIT },
    { SYS_getrandom, "getrandom", TRAPS_CHANCE },
    { SYS_getpid, "getpid", TRAPS_NUMBER },
    { SYS_getppid, "getppid", TRAPS_NUMBER },
    { SYS_gettid, "gettid", TRAPS_NUMBER },
    { SYS_getuid, "getuid", TRAPS_MACHINE },
    { SYS_geteuid, "geteuid", TRAPS_MACHINE },
    { SYS_openat, "open", TRAPS_FILE },
    { SYS_read, "read", TRAPS_FILE },
    { SYS_pread64, "pread", TRAPS_FILE },
    { SYS_getdents64, "readdir", TRAPS_FILE },
    { SYS_getcwd, "getcwd", TRAPS_FILE },
    { SYS_chdir, "chdir", TRAPS_FILE },
    { SYS_statx, "statx", TRAPS_FILE },
    { SYS_readlinkat, "readlink", TRAPS_FILE },
    { SYS_faccessat, "access", TRAPS_FILE },
    { SYS_unlinkat, "unlink", TRAPS_FILE },
    { SYS_mkdirat, "mkdir", TRAPS_FILE },
    { SYS_renameat, "rename", TRAPS_FILE },
    { SYS_pipe2, "pipe", TRAPS_FILE },
    { SYS_eventfd2, "eventfd", TRAPS_FILE },
    { SYS_statfs, "statfs", TRAPS_MACHINE },
    { SYS_uname, "uname", TRAPS_MACHINE },
    { SYS_sysinfo, "sysinfo", TRAPS_MACHINE },
    { SYS_sched_getaffinity, "sched_getaffinity", TRAPS_MACHINE },
    { SYS_getcpu, "getcpu", TRAPS_MACHINE },
    { SYS_socket, "socket", TRAPS_NET },
    { SYS_socketpair, "socketpair", TRAPS_NET },
    { -1, "pthread_create", TRAPS_THREAD }, /* caught without the system */
    { SYS_clone, "clone", TRAPS_THREAD },
    { SYS_clone3, "clone3", TRAPS_THREAD },
    { SYS_execve, "execve", TRAPS_THREAD },
    { SYS_timer_create, "timer_create", TRAPS_SIGNAL },
    { SYS_setitimer, "setitimer", TRAPS_SIGNAL },
    { SYS_signalfd4, "signalfd", TRAPS_SIGNAL },
    { SYS_timerfd_create, "timerfd_create", TRAPS_SIGNAL },
#ifdef SYS_time
    { SYS_time, "time", TRAPS_CLOCK },
    { SYS_alarm, "alarm", TRAPS_SIGNAL },
    { SYS_pause, "pause", TRAPS_WAIT },
    { SYS_poll, "poll", TRAPS_WAIT },
    { SYS_select, "select", TRAPS_WAIT },
    { SYS_epoll_wait, "epoll_wait", TRAPS_WAIT },
    { SYS_open, "open", TRAPS_FILE },
    { SYS_stat, "stat", TRAPS_FILE },
    { SYS_lstat, "lstat", TRAPS_FILE },
    { SYS_access, "access", TRAPS_FILE },
    { SYS_readlink, "readlink", TRAPS_FILE },
    { SYS_unlink, "unlink", TRAPS_FILE },
    { SYS_mkdir, "mkdir", TRAPS_FILE },
    { SYS_rename, "rename", TRAPS_FILE },
    { SYS_pipe, "pipe", TRAPS_FILE },
    { SYS_fork, "fork", TRAPS_THREAD },
    { SYS_vfork, "vfork", TRAPS_THREAD },
#endif
    { SYS_newfstatat, "stat", TRAPS_FILE },
    { SYS_futex, "futex", TRAPS_WAIT },
};

#define TRAP_CALLS (sizeof(trap_calls) / sizeof(trap_calls[0]))

static const char trap_clock_page[] = "a clock of the C library";
static const char trap_counter[] = "the time stamp counter";

const char *sim_trap_reason(const struct sim_trap *trap)
{
    for (size_t i = 0; i < TRAP_CALLS; i++)
        if (strcmp(trap->call, trap_calls[i].name) == 0)
            return trap_calls[i].reason;
    return TRAPS_CLOCK;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(TRAPS_ARCH)
#define TRAPS_NONE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TRAPS_NONE 1
#endif
#endif

#ifdef TRAPS_NONE

void sim_traps_prepare(void)
{
}

sp_err sim_traps_arm(int fd)
{
    (void)fd;
    (void)trap_clock_page;
    (void)trap_counter;
    return SP_ERR_NOTSUP;
}

#else

/* Not in the program's data, which each run takes back. */
static struct {
    int fd;
    bool armed;
    size_t page_count;
    uintptr_t pages[TRAPS_PAGES_MAX][2]; /* that hold the kernel's clocks */
    struct sigaction before;             /* of SIGSEGV */
    void *enders[4];                     /* functions that may ask for numbers, to end */
} * traps;

/* ---- the handlers ---- */

struct trap_walk {
    struct sim_trap *trap;
    bool ends; /* on the way to the end of the process, by abort() */
};

static _Unwind_Reason_Code trap_frame(struct _Unwind_Context *context, void *arg)
{
    struct trap_walk *walk = arg;
    int interrupted = 0;
    uintptr_t pc = _Unwind_GetIPInfo(context, &interrupted);
    if (pc == 0)
        return _URC_END_OF_STACK;
    pc += interrupted != 0; /* as if it were where a call returns to */
    void *start =
        _Unwind_FindEnclosingFunction((void *)(pc - 1)); /* NOLINT(performance-no-int-to-ptr) */
    for (size_t i = 0; i < sizeof(traps->enders) / sizeof(traps->enders[0]); i++)
        walk->ends = walk->ends || (start != NULL && start == traps->enders[i]);
    if (sp__fault_code_of(pc - 1) == SP__FAULT_CODE_USER)
        walk->trap->frames[walk->trap->frame_count++] =
            (void *)pc; /* NOLINT(performance-no-int-to-ptr) */
    return walk->trap->frame_count < SIM_TRAP_FRAMES ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* Returns where the process only wants to end. */
static void trap_tell(const char *call)
{
    struct sim_trap trap = { .frame_count = 0 };
    struct trap_walk walk = { .trap = &trap };
    (void)snprintf(trap.call, sizeof(trap.call), "%s", call);
    (void)_Unwind_Backtrace(trap_frame, &walk);
    if (walk.ends)
        return;
    (void)!write(traps->fd, &trap, sizeof(trap));
    _exit(SIM_TRAPPED);
}

static void trap_result(ucontext_t *context, long result)
{
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RAX] = result;
#else
    context->uc_mcontext.regs[0] = (unsigned long long)result;
#endif
}

static void trap_call(int signo, siginfo_t *info, void *ucontext)
{
    const char *name = "system call";
    (void)signo;
    for (size_t i = 0; i < TRAP_CALLS; i++)
        if (trap_calls[i].number == info->si_syscall)
            name = trap_calls[i].name;
    trap_tell(name);
    long result = syscall(info->si_syscall, 0, 0, 0, 0, 0, TRAPS_PASS);
    trap_result(ucontext, result < 0 ? -errno : result);
}

#if defined(__x86_64__)
static bool trap_is_counter(const siginfo_t *info, const ucontext_t *context)
{
    const unsigned char *at =
        (const unsigned char *)
            context->uc_mcontext.gregs[REG_RIP]; /* NOLINT(performance-no-int-to-ptr) */
    if (info->si_code != SI_KERNEL || info->si_addr != NULL || at == NULL)
        return false;
    return (at[0] == 0x0f && at[1] == 0x31) || (at[0] == 0x0f && at[1] == 0x01 && at[2] == 0xf9);
}
#else
static bool trap_is_counter(const siginfo_t *info, const ucontext_t *context)
{
    (void)info;
    (void)context;
    return false; /* it can be read, and spawned-sim-lint finds that */
}
#endif

static void trap_fault(int signo, siginfo_t *info, void *ucontext)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    for (size_t i = 0; i < traps->page_count; i++)
        if (address >= traps->pages[i][0] && address < traps->pages[i][1])
            trap_tell(trap_clock_page);
    if (trap_is_counter(info, ucontext))
        trap_tell(trap_counter);
    if (traps->before.sa_flags & SA_SIGINFO) {
        traps->before.sa_sigaction(signo, info, ucontext);
        return;
    }
    (void)sigaction(signo, &traps->before, NULL); /* the instruction faults again */
}

/* It blocks all signals before it asks the system, so it is caught here. Calls of the program come
 * this way; those of libraries do not, and end the child without a word. */
SP_API int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                          void *(*fn)(void *arg), void *restrict arg)
{
    static int (*next)(pthread_t *restrict, const pthread_attr_t *restrict, void *(*)(void *),
                       void *restrict);
    if (traps != NULL && traps->armed)
        trap_tell("pthread_create");
    if (next == NULL)
        *(void **)(void *)&next = dlsym(RTLD_NEXT, "pthread_create");
    return next == NULL ? ENOSYS : next(thread, attributes, fn, arg);
}

/* ---- arming ---- */

static void traps_find_pages(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        unsigned long low;
        unsigned long high;
        if (strstr(line, "[vvar") == NULL || traps->page_count == TRAPS_PAGES_MAX ||
            sscanf(line, "%lx-%lx", &low, &high) != 2)
            continue;
        traps->pages[traps->page_count][0] = low;
        traps->pages[traps->page_count][1] = high;
        traps->page_count++;
    }
    if (maps != NULL)
        (void)fclose(maps);
}

static sp_err traps_handle(void)
{
    struct sigaction calls = { .sa_sigaction = trap_call, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    struct sigaction faults = { .sa_sigaction = trap_fault,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    (void)sigemptyset(&calls.sa_mask);
    (void)sigemptyset(&faults.sa_mask);
    if (sigaction(SIGSYS, &calls, NULL) != 0 || sigaction(SIGSEGV, &faults, &traps->before) != 0)
        return SP_ERR_NOTSUP;
    return SP_OK;
}

static unsigned char traps_distance(size_t from, size_t to)
{
    return (unsigned char)(to - from - 1);
}

/* The calls of the table raise SIGSYS, except: with TRAPS_PASS, looking at an open file, and
 * waking others.
 *
 *     0  machine  1  number  2..n  is it this one?  n+1  allow
 *     n+2  how futex  n+4  how newfstatat  then  pass?  allow  trap */
static size_t traps_filter(struct sock_filter filter[TRAPS_FILTER_MAX])
{
    size_t allow = 3 + TRAP_CALLS;
    size_t futex = allow + 1;
    size_t stat = futex + 4;
    size_t pass = stat + 2;
    size_t at = 0;
    filter[at++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    filter[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TRAPS_ARCH, 0,
                                              traps_distance(at, allow));
    at++;
    filter[at++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < TRAP_CALLS; i++, at++) {
        size_t to = trap_calls[i].number == SYS_futex        ? futex
                    : trap_calls[i].number == SYS_newfstatat ? stat
                                                             : pass;
        filter[at] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (unsigned)trap_calls[i].number, traps_distance(at, to), 0);
    }
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                offsetof(struct seccomp_data, args[1]));
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, FUTEX_CMD_MASK);
    filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAKE, 1, 0);
    filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                offsetof(struct seccomp_data, args[3]));
    filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TRAPS_EMPTY_PATH, 2, 0);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                offsetof(struct seccomp_data, args[5]));
    filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TRAPS_PASS, 0, 1);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    return at;
}

void sim_traps_prepare(void)
{
    long map = syscall(SYS_mmap, NULL, sizeof(*traps), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
    if (map != -1)
        traps = (void *)(uintptr_t)map; /* NOLINT(performance-no-int-to-ptr) */
}

sp_err sim_traps_arm(int fd)
{
    struct sock_filter filter[TRAPS_FILTER_MAX];
    if (traps == NULL)
        return SP_ERR_NOTSUP;
    traps->fd = fd;
    traps->enders[0] = dlsym(RTLD_DEFAULT, "abort");
    traps->enders[1] = dlsym(RTLD_NEXT, "abort");
    traps->enders[2] = dlsym(RTLD_DEFAULT, "raise");
    traps->enders[3] = dlsym(RTLD_NEXT, "raise");
    traps_find_pages();
    if (traps_handle() != SP_OK)
        return SP_ERR_NOTSUP;
    struct sock_fprog program = { .len = (unsigned short)traps_filter(filter), .filter = filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        return SP_ERR_NOTSUP;
    for (size_t i = 0; i < traps->page_count; i++)
        (void)syscall(SYS_mprotect, traps->pages[i][0], traps->pages[i][1] - traps->pages[i][0],
                      (long)PROT_NONE);
    traps->armed = true;
#if defined(__x86_64__)
    if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) != 0)
        return SP_ERR_ACCESS;
#endif
    return SP_OK;
}

#endif
