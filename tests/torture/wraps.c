/* What the library's calls of the system are linked to here, with ld's --wrap: __wrap_* instead of them,
 * and the system's are __real_*. Each asks whether it is to fail, and else makes the call.
 *
 * The names are the linker's, and nobody else calls them: so no header declares them.
 */
#include "torture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define CALLER __builtin_return_address(0)

/* True: it fails, errno says how. */
static bool refused(enum torture_call call, const void *caller)
{
    int error = torture_asked(call, caller);
    if (error > 0)
        errno = error;
    return error > 0;
}

/* ---- fail with errno ---- */

int __real_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    return refused(CALL_BIND, CALLER) ? -1 : __real_bind(fd, address, size);
}

int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags)
{
    return refused(CALL_EPOLL_CREATE1, CALLER) ? -1 : __real_epoll_create1(flags);
}

int __real_epoll_pwait2(int fd, struct epoll_event *events, int max, const struct timespec *timeout,
                        const sigset_t *mask);
int __wrap_epoll_pwait2(int fd, struct epoll_event *events, int max, const struct timespec *timeout,
                        const sigset_t *mask)
{
    return refused(CALL_EPOLL_PWAIT2, CALLER) ? -1
                                              : __real_epoll_pwait2(fd, events, max, timeout, mask);
}

int __real_epoll_wait(int fd, struct epoll_event *events, int max, int timeout);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
    return refused(CALL_EPOLL_WAIT, CALLER) ? -1 : __real_epoll_wait(fd, events, max, timeout);
}

int __real_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags)
{
    return refused(CALL_EVENTFD, CALLER) ? -1 : __real_eventfd(value, flags);
}

int __real_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return refused(CALL_ACCEPT4, CALLER) ? -1 : __real_accept4(fd, address, size, flags);
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode)
{
    return refused(CALL_FCHMOD, CALLER) ? -1 : __real_fchmod(fd, mode);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    return refused(CALL_FDATASYNC, CALLER) ? -1 : __real_fdatasync(fd);
}

int __real_fstat(int fd, struct stat *about);
int __wrap_fstat(int fd, struct stat *about)
{
    return refused(CALL_FSTAT, CALLER) ? -1 : __real_fstat(fd, about);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd)
{
    return refused(CALL_FSYNC, CALLER) ? -1 : __real_fsync(fd);
}

int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size)
{
    return refused(CALL_FTRUNCATE, CALLER) ? -1 : __real_ftruncate(fd, size);
}

int __real_getpeername(int fd, struct sockaddr *address, socklen_t *size);
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *size)
{
    return refused(CALL_GETPEERNAME, CALLER) ? -1 : __real_getpeername(fd, address, size);
}

int __real_getpriority(int which, id_t who);
int __wrap_getpriority(int which, id_t who)
{
    return refused(CALL_GETPRIORITY, CALLER) ? -1 : __real_getpriority(which, who);
}

ssize_t __real_getrandom(void *bytes, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
    return refused(CALL_GETRANDOM, CALLER) ? -1 : __real_getrandom(bytes, size, flags);
}

int __real_getsockname(int fd, struct sockaddr *address, socklen_t *size);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    return refused(CALL_GETSOCKNAME, CALLER) ? -1 : __real_getsockname(fd, address, size);
}

int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
    return refused(CALL_GETSOCKOPT, CALLER) ? -1
                                            : __real_getsockopt(fd, level, option, value, size);
}

int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog)
{
    return refused(CALL_LISTEN, CALLER) ? -1 : __real_listen(fd, backlog);
}

int __real_lstat(const char *path, struct stat *about);
int __wrap_lstat(const char *path, struct stat *about)
{
    return refused(CALL_LSTAT, CALLER) ? -1 : __real_lstat(path, about);
}

int __real_madvise(void *at, size_t size, int advice);
int __wrap_madvise(void *at, size_t size, int advice)
{
    return refused(CALL_MADVISE, CALLER) ? -1 : __real_madvise(at, size, advice);
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
    return refused(CALL_MKDIR, CALLER) ? -1 : __real_mkdir(path, mode);
}

int __real_mprotect(void *at, size_t size, int how);
int __wrap_mprotect(void *at, size_t size, int how)
{
    return refused(CALL_MPROTECT, CALLER) ? -1 : __real_mprotect(at, size, how);
}

int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size)
{
    return refused(CALL_MUNMAP, CALLER) ? -1 : __real_munmap(at, size);
}

ssize_t __real_read(int fd, void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size)
{
    return refused(CALL_READ, CALLER) ? -1 : __real_read(fd, bytes, size);
}

ssize_t __real_recv(int fd, void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags)
{
    return refused(CALL_RECV, CALLER) ? -1 : __real_recv(fd, bytes, size, flags);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    return refused(CALL_RENAME, CALLER) ? -1 : __real_rename(from, to);
}

int __real_rmdir(const char *path);
int __wrap_rmdir(const char *path)
{
    return refused(CALL_RMDIR, CALLER) ? -1 : __real_rmdir(path);
}

int __real_sched_getaffinity(pid_t thread, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t thread, size_t size, cpu_set_t *set)
{
    return refused(CALL_SCHED_GETAFFINITY, CALLER) ? -1
                                                   : __real_sched_getaffinity(thread, size, set);
}

int __real_sched_setscheduler(pid_t thread, int policy, const struct sched_param *level);
int __wrap_sched_setscheduler(pid_t thread, int policy, const struct sched_param *level)
{
    return refused(CALL_SCHED_SETSCHEDULER, CALLER)
               ? -1
               : __real_sched_setscheduler(thread, policy, level);
}

int __real_sem_wait(sem_t *sem);
int __wrap_sem_wait(sem_t *sem)
{
    return refused(CALL_SEM_WAIT, CALLER) ? -1 : __real_sem_wait(sem);
}

int __real_setpriority(int which, id_t who, int nice);
int __wrap_setpriority(int which, id_t who, int nice)
{
    return refused(CALL_SETPRIORITY, CALLER) ? -1 : __real_setpriority(which, who, nice);
}

int __real_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    return refused(CALL_SETSOCKOPT, CALLER) ? -1
                                            : __real_setsockopt(fd, level, option, value, size);
}

int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how)
{
    return refused(CALL_SHUTDOWN, CALLER) ? -1 : __real_shutdown(fd, how);
}

int __real_sigaction(int signo, const struct sigaction *action, struct sigaction *before);
int __wrap_sigaction(int signo, const struct sigaction *action, struct sigaction *before)
{
    return refused(CALL_SIGACTION, CALLER) ? -1 : __real_sigaction(signo, action, before);
}

int __real_sigaltstack(const stack_t *stack, stack_t *before);
int __wrap_sigaltstack(const stack_t *stack, stack_t *before)
{
    return refused(CALL_SIGALTSTACK, CALLER) ? -1 : __real_sigaltstack(stack, before);
}

int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
    return refused(CALL_SOCKET, CALLER) ? -1 : __real_socket(domain, type, protocol);
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    return refused(CALL_UNLINK, CALLER) ? -1 : __real_unlink(path);
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
    return refused(CALL_WRITE, CALLER) ? -1 : __real_write(fd, bytes, size);
}

/* ---- return the error ---- */

int __real_pthread_condattr_init(pthread_condattr_t *attr);
int __wrap_pthread_condattr_init(pthread_condattr_t *attr)
{
    int error = torture_asked(CALL_CONDATTR_INIT, CALLER);
    return error != 0 ? error : __real_pthread_condattr_init(attr);
}

int __real_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr);
int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    int error = torture_asked(CALL_COND_INIT, CALLER);
    return error != 0 ? error : __real_pthread_cond_init(cond, attr);
}

int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
    int error = torture_asked(CALL_MUTEX_INIT, CALLER);
    return error != 0 ? error : __real_pthread_mutex_init(mutex, attr);
}

int __real_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr);
int __wrap_pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
    int error = torture_asked(CALL_GETATTR_NP, CALLER);
    return error != 0 ? error : __real_pthread_getattr_np(thread, attr);
}

int __real_pthread_getcpuclockid(pthread_t thread, clockid_t *clock);
int __wrap_pthread_getcpuclockid(pthread_t thread, clockid_t *clock)
{
    int error = torture_asked(CALL_GETCPUCLOCKID, CALLER);
    return error != 0 ? error : __real_pthread_getcpuclockid(thread, clock);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg)
{
    int error = torture_asked(CALL_PTHREAD_CREATE, CALLER);
    return error != 0 ? error : __real_pthread_create(thread, attr, fn, arg);
}

/* ---- transfer less ---- */

ssize_t __real_pread(int fd, void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset)
{
    int error = torture_asked(CALL_PREAD, CALLER);
    if (error == TORTURE_SHORT && size > 1)
        size = 1;
    errno = error > 0 ? error : errno;
    return error > 0 ? -1 : __real_pread(fd, bytes, size, offset);
}

ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    int error = torture_asked(CALL_PWRITE, CALLER);
    if (error == TORTURE_SHORT && size > 1)
        size = 1;
    errno = error > 0 ? error : errno;
    return error > 0 ? -1 : __real_pwrite(fd, bytes, size, offset);
}

ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
    int error = torture_asked(CALL_SEND, CALLER);
    if (error == TORTURE_SHORT && size > 1)
        size = 1;
    errno = error > 0 ? error : errno;
    return error > 0 ? -1 : __real_send(fd, bytes, size, flags);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    int error = torture_asked(CALL_SENDMSG, CALLER);
    if (error == TORTURE_SHORT && message->msg_iovlen > 0 && message->msg_iov[0].iov_len > 0) {
        struct iovec one = { message->msg_iov[0].iov_base, 1 };
        struct msghdr little = { .msg_iov = &one, .msg_iovlen = 1 };
        return __real_sendmsg(fd, &little, flags);
    }
    errno = error > 0 ? error : errno;
    return error > 0 ? -1 : __real_sendmsg(fd, message, flags);
}

/* ---- wait less ---- */

int __real_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    return torture_asked(CALL_COND_WAIT, CALLER) != 0 ? 0 : __real_pthread_cond_wait(cond, mutex);
}

int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    return torture_asked(CALL_COND_TIMEDWAIT, CALLER) != 0
               ? 0
               : __real_pthread_cond_timedwait(cond, mutex, until);
}

/* ---- all others ---- */

/* Failed or not, the descriptor is gone. */
int __real_close(int fd);
int __wrap_close(int fd)
{
    int error = torture_asked(CALL_CLOSE, CALLER);
    int result = __real_close(fd);
    errno = error > 0 ? error : errno;
    return error > 0 ? -1 : result;
}

/* Clocks of threads only: the others every Linux has. */
int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    bool fails = clock < 0 && refused(CALL_CLOCK_OF_THREAD, CALLER);
    return fails ? -1 : __real_clock_gettime(clock, out);
}

/* Interrupted, it goes on to connect. EAGAIN is of Unix-domain sockets. */
int __real_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int error = torture_asked(CALL_CONNECT, CALLER);
    bool made = error == 0 || error == EINTR || (error == EAGAIN && address->sa_family != AF_UNIX);
    int result = made ? __real_connect(fd, address, size) : -1;
    if (error == 0 || (made && error == EAGAIN))
        return result;
    errno = error;
    return -1;
}

/* Only to add needs something. */
int __real_epoll_ctl(int fd, int what, int file, struct epoll_event *event);
int __wrap_epoll_ctl(int fd, int what, int file, struct epoll_event *event)
{
    bool fails = what == EPOLL_CTL_ADD && refused(CALL_EPOLL_ADD, CALLER);
    return fails ? -1 : __real_epoll_ctl(fd, what, file, event);
}

int __real_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out)
{
    int error = torture_asked(CALL_GETADDRINFO, CALLER);
    errno = error == -EAI_SYSTEM ? EMFILE : errno;
    return error != 0 ? -error : __real_getaddrinfo(node, service, hints, out);
}

void *__real_mmap(void *at, size_t size, int how, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int how, int flags, int fd, off_t offset)
{
    return refused(CALL_MMAP, CALLER) ? MAP_FAILED : __real_mmap(at, size, how, flags, fd, offset);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
    va_end(more);
    return refused(CALL_OPEN, CALLER) ? -1 : __real_open(path, flags, mode);
}

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path)
{
    return refused(CALL_OPENDIR, CALLER) ? NULL : __real_opendir(path);
}

struct dirent *__real_readdir(DIR *folder);
struct dirent *__wrap_readdir(DIR *folder)
{
    return refused(CALL_READDIR, CALLER) ? NULL : __real_readdir(folder);
}

static bool syscall_refused(long number, long first, long second, const void *caller)
{
    if (number == SYS_futex && (second & FUTEX_CMD_MASK) == FUTEX_WAIT)
        return refused(CALL_FUTEX_WAIT, caller);
    if (number == SYS_membarrier)
        return refused(first == MEMBARRIER_CMD_PRIVATE_EXPEDITED || first == MEMBARRIER_CMD_GLOBAL
                           ? CALL_MEMBARRIER
                           : CALL_MEMBARRIER_KNOWN,
                       caller);
    return number == SYS_tgkill && refused(CALL_TGKILL, caller);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long args[6];
    va_list more;
    va_start(more, number);
    for (int i = 0; i < 6; i++)
        args[i] = va_arg(more, long);
    va_end(more);
    return syscall_refused(number, args[0], args[1], CALLER)
               ? -1
               : __real_syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}
