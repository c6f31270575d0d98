#include "runtime/real/poller.h"

#include "base/alloc.h"
#include "base/atomic.h"
#include "runtime/backend.h"
#include "runtime/real/clock.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* The thread sanitizer and Valgrind know epoll_wait(), and what it is ordered after, but not
 * epoll_pwait2(). */
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define POLLER_VALGRIND (RUNNING_ON_VALGRIND != 0)
#else
#define POLLER_VALGRIND 0
#endif

enum {
    /* Of waits that begin with a sleep at once, after spinning was in vain again and again. */
    POLLER_PATIENCE_MAX = 256,
};

struct sp__poller {
    int epoll_fd;
    int event_fd; /* written by an interrupt; never read: each write is an edge */
    bool coarse;  /* wait in milliseconds; this and the next three are the polling thread's */
    int64_t spin_ns;
    uint32_t in_vain; /* how often it span, doubled each time; 0: the last time was of use */
    uint32_t resting; /* so many waits until it spins again */
    struct sp_runtime *runtime;
    /* Interrupted, and the poller has not noticed yet. */
    SP__CACHE_ALIGNED _Atomic bool interrupted;
    _Atomic(struct sp__poll_file *) dead; /* removed, newest first */
    _Atomic uint32_t dead_count;
};

static sp_err poller_error(int error)
{
    switch (error) {
    case ENOMEM:
        return SP_ERR_NOMEM;
    case EMFILE:
    case ENFILE:
        return SP_ERR_NOFILE;
    case ENOSPC:
        return SP_ERR_LIMIT;
    default:
        return SP_ERR_IO;
    }
}

static void poller_close(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

static sp_err poller_open(struct sp__poller *poller)
{
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd < 0)
        return poller_error(errno);
    poller->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller->event_fd < 0)
        return poller_error(errno);
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = NULL };
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, poller->event_fd, &event) != 0)
        return poller_error(errno);
    return SP_OK;
}

/* Where who sends could not run meanwhile, or what runs is a tool's idea of a processor: never. */
static int64_t poller_spins(struct sp_runtime *runtime)
{
    int64_t spin_ns = runtime->options.poll_spin.ns;
    bool worth = spin_ns > 0 && !SP__TSAN && !POLLER_VALGRIND && runtime->ops->cpus() > 1;
    return worth ? spin_ns : 0;
}

sp_err sp__poller_create(struct sp_runtime *runtime, struct sp__poller **out)
{
    struct sp__poller *poller = sp__aligned_alloc(_Alignof(struct sp__poller), sizeof(*poller));
    if (poller == NULL)
        return SP_ERR_NOMEM;
    *poller = (struct sp__poller){
        .epoll_fd = -1,
        .event_fd = -1,
        .coarse = SP__TSAN || POLLER_VALGRIND,
        .spin_ns = poller_spins(runtime),
        .runtime = runtime,
    };
    sp_err err = poller_open(poller);
    if (err != SP_OK) {
        sp__poller_destroy(poller);
        return err;
    }
    *out = poller;
    return SP_OK;
}

static void poller_bury(struct sp__poller *poller)
{
    /* relaxed: a file pushed just now is found the next time. */
    if (atomic_load_explicit(&poller->dead, memory_order_relaxed) == NULL)
        return;
    /* acquire: pairs with the release in remove. */
    struct sp__poll_file *file =
        atomic_exchange_explicit(&poller->dead, NULL, memory_order_acquire);
    uint32_t count = 0;
    while (file != NULL) {
        struct sp__poll_file *next = file->next_dead;
        file->release(file);
        file = next;
        count++;
    }
    /* relaxed: only a hint when to interrupt. */
    atomic_fetch_sub_explicit(&poller->dead_count, count, memory_order_relaxed);
}

void sp__poller_destroy(struct sp__poller *poller)
{
    if (poller == NULL)
        return;
    poller_bury(poller);
    poller_close(poller->event_fd);
    poller_close(poller->epoll_fd);
    sp__free(poller);
}

/* ---- files ---- */

void sp__poll_file_init(struct sp__poll_file *file, int fd, void (*release)(struct sp__poll_file *))
{
    file->fd = fd;
    file->release = release;
    file->next_dead = NULL;
    struct sp__poll_way *ways[] = { &file->in, &file->out };
    for (int i = 0; i < 2; i++) {
        atomic_init(&ways[i]->state, 0);
        atomic_init(&ways[i]->actor, NULL);
        atomic_init(&ways[i]->token, 0);
    }
    file->in.drained = 0;
    file->out.drained = SP__POLL_UNKNOWN;
}

sp_err sp__poller_add(struct sp__poller *poller, struct sp__poll_file *file)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = file,
    };
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, file->fd, &event) != 0)
        return poller_error(errno);
    return SP_OK;
}

void sp__poller_remove(struct sp__poller *poller, struct sp__poll_file *moved_file)
{
    /* Closing alone would leave it in the set while a forked child still has a copy. */
    struct epoll_event unused = { 0 };
    (void)epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, moved_file->fd, &unused);
    poller_close(moved_file->fd);
    /* Only now may the poller see it: what it buries is in no later batch. */
    struct sp__poll_file *head = atomic_load_explicit(&poller->dead, memory_order_relaxed);
    do {
        moved_file->next_dead = head;
        /* release: pairs with the acquire in bury. */
    } while (!atomic_compare_exchange_weak_explicit(&poller->dead, &head, moved_file,
                                                    memory_order_release, memory_order_relaxed));
    /* relaxed: a hint. */
    if (atomic_fetch_add_explicit(&poller->dead_count, 1, memory_order_relaxed) ==
        SP__POLLER_DEAD_MAX)
        sp__poller_interrupt(poller);
}

/* ---- waiting on a way ---- */

static bool poller_arm(struct sp__poll_way *way, struct sp__actor *actor, uint64_t token)
{
    uint64_t seen = way->drained;
    /* relaxed: published by the swap below, see the invariants. */
    atomic_store_explicit(&way->actor, actor, memory_order_relaxed);
    atomic_store_explicit(&way->token, token, memory_order_relaxed);
    /* release: pairs with the acquire in fire. */
    if (atomic_compare_exchange_strong_explicit(&way->state, &seen,
                                                (seen + SP__POLL_STEP) | SP__POLL_ARMED,
                                                memory_order_acq_rel, memory_order_relaxed))
        return true;
    way->drained = SP__POLL_UNKNOWN;
    return false;
}

bool sp__poll_arm(struct sp__poll_way *way, struct sp__actor *actor, uint64_t token)
{
    return poller_arm(way, actor, token);
}

bool sp__poll_arm_waiter(struct sp__poll_way *way, struct sp__io_waiter *waiter)
{
    return poller_arm(way, NULL, (uint64_t)(uintptr_t)waiter);
}

bool sp__poll_disarm(struct sp__poll_way *way)
{
    uint64_t state = atomic_load_explicit(&way->state, memory_order_relaxed);
    while (state & SP__POLL_ARMED) {
        uint64_t wanted = (state + SP__POLL_STEP) & ~SP__POLL_ARMED;
        /* acq_rel: acquire so that the fields are written anew only after a poller that swapped
         * before us has read them. */
        if (atomic_compare_exchange_weak_explicit(&way->state, &state, wanted, memory_order_acq_rel,
                                                  memory_order_relaxed)) {
            way->drained = wanted;
            return true;
        }
    }
    return false;
}

static void poller_fire(struct sp__poll_way *way, uint64_t hup)
{
    struct sp__actor *actor;
    uint64_t token;
    uint64_t wanted;
    /* acquire: pairs with arm; the fields of that arm, or of a later one, are visible. */
    uint64_t state = atomic_load_explicit(&way->state, memory_order_acquire);
    do {
        actor = atomic_load_explicit(&way->actor, memory_order_relaxed);
        token = atomic_load_explicit(&way->token, memory_order_relaxed);
        wanted = ((state + SP__POLL_STEP) & ~SP__POLL_ARMED) | hup;
        /* acq_rel: release pairs with may_try and the next arm. */
    } while (!atomic_compare_exchange_weak_explicit(&way->state, &state, wanted,
                                                    memory_order_acq_rel, memory_order_acquire));
    if (!(state & SP__POLL_ARMED))
        return;
    if (actor == NULL) {
        struct sp__io_waiter *waiter = (struct sp__io_waiter *)(uintptr_t)token;
        waiter->ready(waiter);
    } else if (sp__wait_claim(actor, token)) {
        sp__wait_finish(actor, token);
    }
}

/* ---- polling ---- */

static void poller_dispatch(const struct epoll_event *event)
{
    struct sp__poll_file *file = event->data.ptr;
    uint64_t broken = (event->events & (EPOLLHUP | EPOLLERR)) ? SP__POLL_HUP : 0;
    uint64_t ended = (event->events & EPOLLRDHUP) ? SP__POLL_HUP : 0;
    if ((event->events & EPOLLIN) || broken || ended)
        poller_fire(&file->in, broken | ended);
    if ((event->events & EPOLLOUT) || broken)
        poller_fire(&file->out, broken);
}

static int poller_wait_coarse(struct sp__poller *poller, struct epoll_event *events,
                              int64_t timeout_ns)
{
    int ms = -1;
    /* Rounded up: a timer must be due when we come back for it. */
    if (timeout_ns < (int64_t)INT32_MAX * SP_NS_PER_MS)
        ms = (int)((timeout_ns + SP_NS_PER_MS - 1) / SP_NS_PER_MS);
    return epoll_wait(poller->epoll_fd, events, SP__POLLER_BATCH, ms);
}

static int poller_ask(struct sp__poller *poller, struct epoll_event *events, int64_t timeout_ns)
{
    if (!poller->coarse) {
        struct timespec left = { .tv_sec = (time_t)(timeout_ns / SP_NS_PER_S),
                                 .tv_nsec = (long)(timeout_ns % SP_NS_PER_S) };
        int count = epoll_pwait2(poller->epoll_fd, events, SP__POLLER_BATCH,
                                 timeout_ns == INT64_MAX ? NULL : &left, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM))
            return count;
        poller->coarse = true; /* before Linux 5.11, or forbidden by a filter */
    }
    return poller_wait_coarse(poller, events, timeout_ns);
}

/* Looks again and again for a short time. How long it looked comes off the time to wait. */
static int poller_spin(struct sp__poller *poller, struct epoll_event *events, int64_t *timeout_ns)
{
    int64_t spin_ns = *timeout_ns < poller->spin_ns ? *timeout_ns : poller->spin_ns;
    int64_t start = sp__clock_monotonic_ns();
    int64_t spent;
    do {
        int count = poller_ask(poller, events, 0);
        if (count != 0) {
            poller->in_vain = 0;
            return count;
        }
        sp__cpu_relax();
        spent = sp__clock_monotonic_ns() - start;
    } while (spent < spin_ns);
    if (*timeout_ns != INT64_MAX)
        *timeout_ns -= spent;
    poller->in_vain = poller->in_vain == 0 ? 1 : 2 * poller->in_vain;
    if (poller->in_vain > POLLER_PATIENCE_MAX)
        poller->in_vain = POLLER_PATIENCE_MAX;
    poller->resting = poller->in_vain;
    return 0;
}

static int poller_wait(struct sp__poller *poller, struct epoll_event *events, int64_t timeout_ns)
{
    if (timeout_ns > 0 && poller->spin_ns != 0) {
        int count = 0;
        if (poller->resting != 0)
            poller->resting--;
        else
            count = poller_spin(poller, events, &timeout_ns);
        if (count != 0)
            return count;
    }
    return poller_ask(poller, events, timeout_ns < 0 ? 0 : timeout_ns);
}

void sp__poller_harvest(struct sp__poller *poller, int64_t timeout_ns,
                        struct sp__poller_batch *out_batch)
{
    poller_bury(poller);
    /* Negative: the time is over, or a signal came; nothing else can fail here. */
    out_batch->count = poller_wait(poller, out_batch->events, timeout_ns);
    sp__count(&poller->runtime->polls); /* one at a time, as the next */
}

size_t sp__poller_dispatch(struct sp__poller *poller, const struct sp__poller_batch *batch)
{
    if (batch->count <= 0)
        return 0;
    size_t interrupts = 0;
    struct sp__epoch_thread *epoch = &sp__context()->epoch;
    sp__epoch_enter(epoch);
    for (int i = 0; i < batch->count; i++) {
        if (batch->events[i].data.ptr == NULL)
            interrupts++;
        else
            poller_dispatch(&batch->events[i]);
    }
    sp__epoch_leave(epoch);
    if (interrupts != 0) {
        /* acq_rel: pairs with interrupt. One that came before this, and wrote nothing because the
         * flag was set, has made its reason visible to us. */
        (void)atomic_exchange_explicit(&poller->interrupted, false, memory_order_acq_rel);
    }
    size_t events = (size_t)batch->count - interrupts;
    /* relaxed: as in sp__count(). */
    _Atomic uint64_t *sum = &poller->runtime->poll_events;
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + events,
                          memory_order_relaxed);
    return events;
}

void sp__poller_interrupt(struct sp__poller *poller)
{
    /* acq_rel: pairs with the exchange in wait. */
    if (atomic_exchange_explicit(&poller->interrupted, true, memory_order_acq_rel))
        return;
    /* relaxed: a statistic. */
    atomic_fetch_add_explicit(&poller->runtime->poll_wakes, 1, memory_order_relaxed);
    uint64_t one = 1;
    ssize_t written;
    do {
        written = write(poller->event_fd, &one, sizeof(one));
    } while (written < 0 && errno == EINTR);
}
