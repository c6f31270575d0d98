#include "process/scheduling.h"

#include "base/alloc.h"
#include "process/give_up.h"
#include "process/signal.h"
#include "runtime/log.h"

enum {
    SCHEDULE_THROUGHPUT_MAX = UINT16_MAX,
    SCHEDULE_TELL_EVERY_S = 1,
    /* Without memory for a signal the timer tries again so soon. */
    SCHEDULE_AGAIN_MS = 1,
    SCHEDULE_ABANDON_MS = 100,
};

/* ---- setting ---- */

sp_err sp__schedule_check(const struct sp_scheduling *scheduling,
                          const struct sp__behaviour *behaviour)
{
    bool of_handlers = scheduling->handler_deadline.ns != 0 || scheduling->slow_after.ns != 0;
    if (scheduling->throughput > SCHEDULE_THROUGHPUT_MAX || scheduling->slice.ns < 0 ||
        (unsigned)scheduling->priority > SP_PRIORITY_MAX ||
        (unsigned)scheduling->on_overrun > SP_OVERRUN_ABANDON ||
        scheduling->handler_deadline.ns < 0 || scheduling->slow_after.ns < 0 ||
        (scheduling->slow_after.ns != 0 && scheduling->on_slow == NULL))
        return SP_ERR_INVALID;
    return of_handlers && !behaviour->handlers ? SP_ERR_NOTSUP : SP_OK;
}

static uint8_t schedule_lane(enum sp_priority priority)
{
    static const uint8_t lanes[] = {
        [SP_PRIORITY_NORMAL] = SP__LANE_NORMAL,
        [SP_PRIORITY_LOW] = SP__LANE_LOW,
        [SP_PRIORITY_HIGH] = SP__LANE_HIGH,
        [SP_PRIORITY_MAX] = SP__LANE_MAX,
    };
    return lanes[priority];
}

static enum sp_priority schedule_priority(uint8_t lane)
{
    if (lane == SP__LANE_LOW)
        return SP_PRIORITY_LOW;
    if (lane == SP__LANE_HIGH)
        return SP_PRIORITY_HIGH;
    return lane == SP__LANE_MAX ? SP_PRIORITY_MAX : SP_PRIORITY_NORMAL;
}

static void schedule_fire(struct sp__timer_entry *entry);

/* The record of a process, made when missing; NULL: no memory. */
static struct sp__schedule *schedule_record(struct sp_process *process)
{
    struct sp__extra *extra = sp__process_extra(process);
    if (extra == NULL || extra->schedule != NULL)
        return extra == NULL ? NULL : extra->schedule;
    struct sp__schedule *schedule = sp__calloc(1, sizeof(*schedule));
    if (schedule == NULL)
        return NULL;
    schedule->process = process;
    schedule->timer.fire = schedule_fire;
    extra->schedule = schedule;
    return schedule;
}

/* In simulation each message is a turn of its own: which of two goes first is the world's choice. */
static void schedule_set_actor(struct sp__actor *actor, const struct sp_scheduling *scheduling)
{
    const struct sp_runtime *runtime = actor->runtime;
    uint32_t throughput = scheduling->throughput;
    if (throughput == 0 || !runtime->real)
        throughput = runtime->options.throughput;
    actor->throughput = (uint16_t)throughput;
    if (actor->lane != SP__LANE_BOUND)
        actor->lane = schedule_lane(scheduling->priority);
}

/* The wait of a handler that was late ends no more. */
static void schedule_uncancel(struct sp_process *process)
{
    /* relaxed: the owner looks at it, and who sets it holds the record's lock. */
    atomic_fetch_and_explicit(&process->shared, ~(uint32_t)SP__SHARED_CANCELLED,
                              memory_order_relaxed);
}

/* What runs has no deadline any more, and the next handler arms the timer for its own. */
static void schedule_begin_anew(struct sp_process *process, struct sp__schedule *schedule)
{
    sp__lock_lock(&schedule->lock);
    bool cancelled = schedule->cancelled;
    schedule->running = false;
    schedule->cancelled = false;
    /* One that is firing just now says itself that it is armed no more. */
    if (schedule->armed &&
        sp__timers_cancel(sp__process_runtime(process), &schedule->timer.node, NULL))
        schedule->armed = false;
    sp__lock_unlock(&schedule->lock);
    if (cancelled)
        schedule_uncancel(process);
}

sp_err sp__schedule_set(struct sp_process *process, const struct sp_scheduling *scheduling)
{
    bool record = scheduling->slice.ns != 0 || scheduling->handler_deadline.ns != 0 ||
                  scheduling->slow_after.ns != 0;
    struct sp__extra *extra = process->extra;
    struct sp__schedule *schedule = extra == NULL ? NULL : extra->schedule;
    if (record && schedule == NULL) {
        schedule = schedule_record(process);
        if (schedule == NULL)
            return SP_ERR_NOMEM;
    }
    if (schedule != NULL) {
        schedule_begin_anew(process, schedule);
        sp__lock_lock(&schedule->lock); /* the timer reads it */
        schedule->set = *scheduling;
        sp__lock_unlock(&schedule->lock);
    }
    if (record)
        process->attention |= SP__ATTEND_SCHEDULE;
    else
        process->attention &= (uint16_t)~SP__ATTEND_SCHEDULE;
    schedule_set_actor(&process->actor, scheduling);
    return SP_OK;
}

sp_err sp_scheduling_set(const struct sp_scheduling *scheduling)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    sp_err err = sp__schedule_check(scheduling, self->behaviour);
    return err == SP_OK ? sp__schedule_set(self, scheduling) : err;
}

sp_err sp_scheduling_get(struct sp_scheduling *out_scheduling)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    struct sp__extra *extra = self->extra;
    struct sp_scheduling scheduling = { 0 };
    if (extra != NULL && extra->schedule != NULL)
        scheduling = extra->schedule->set;
    scheduling.throughput = self->actor.throughput;
    scheduling.priority = schedule_priority(self->actor.lane);
    *out_scheduling = scheduling;
    return SP_OK;
}

/* ---- handlers ---- */

void sp__schedule_begin(struct sp_process *self, const char *operation)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct sp__schedule *schedule = self->extra->schedule;
    int64_t now = sp__now(runtime);
    int64_t deadline = schedule->set.handler_deadline.ns;
    sp__lock_lock(&schedule->lock);
    schedule->running = true;
    schedule->overran = false;
    schedule->began = now;
    schedule->operation = operation;
    if (deadline != 0 && !schedule->armed) {
        schedule->armed = true;
        sp__timers_arm(runtime, &schedule->timer.node, SP__TIMER_ENTRY,
                       sp_time_add((sp_time){ now }, sp_ns(deadline)).ns);
    }
    sp__lock_unlock(&schedule->lock);
}

static void schedule_tell(struct sp_process *self, struct sp__schedule *schedule, int64_t now,
                          const char *operation, int64_t took)
{
    int64_t every = schedule->set.slow_every.ns;
    if (every == 0)
        every = SCHEDULE_TELL_EVERY_S * SP_NS_PER_S;
    if (schedule->told_ns != 0 && every > 0 && now - schedule->told_ns < every) {
        schedule->omitted++;
        return;
    }
    struct sp_slow_handler slow = { .pid = sp__process_pid(self),
                                    .operation = operation,
                                    .took = sp_ns(took),
                                    .omitted = schedule->omitted };
    schedule->told_ns = now;
    schedule->omitted = 0;
    schedule->set.on_slow(&slow, schedule->set.on_slow_arg);
}

/* When it ended; 0: none had begun. */
static int64_t schedule_end(struct sp_process *self, struct sp__schedule *schedule)
{
    sp__lock_lock(&schedule->lock);
    bool running = schedule->running;
    bool cancelled = schedule->cancelled;
    int64_t began = schedule->began;
    const char *operation = schedule->operation;
    schedule->running = false;
    schedule->cancelled = false;
    sp__lock_unlock(&schedule->lock);
    if (cancelled)
        schedule_uncancel(self);
    if (!running)
        return 0;
    int64_t now = sp__now(sp__process_runtime(self));
    if (schedule->set.slow_after.ns != 0 && now - began >= schedule->set.slow_after.ns)
        schedule_tell(self, schedule, now, operation, now - began);
    return now;
}

void sp__schedule_end(struct sp_process *self)
{
    (void)schedule_end(self, self->extra->schedule);
}

bool sp__schedule_enter_alone(struct sp_process *self, const char *operation)
{
    struct sp__schedule *schedule = self->extra->schedule;
    sp__lock_lock(&schedule->lock);
    bool alone = !schedule->running;
    sp__lock_unlock(&schedule->lock);
    if (alone)
        sp__schedule_begin(self, operation);
    return alone;
}

bool sp__schedule_stops(struct sp_process *self)
{
    struct sp__extra *extra = self->extra;
    if (extra == NULL || extra->schedule == NULL)
        return false;
    struct sp__schedule *schedule = extra->schedule;
    sp__lock_lock(&schedule->lock);
    bool stops =
        schedule->running && schedule->overran && schedule->set.on_overrun >= SP_OVERRUN_STOP;
    sp__lock_unlock(&schedule->lock);
    return stops;
}

void sp__schedule_exit(struct sp_process *self)
{
    bool stops = sp__schedule_stops(self);
    sp__schedule_end(self);
    if (stops)
        sp_ignore(sp__process_check(self));
}

void sp__schedule_break(struct sp_process *self)
{
    schedule_begin_anew(self, self->extra->schedule);
}

bool sp__schedule_between(struct sp_process *self, bool fresh)
{
    struct sp__schedule *schedule = self->extra->schedule;
    int64_t ended = schedule_end(self, schedule);
    if (schedule->set.slice.ns == 0)
        return false;
    int64_t now = ended != 0 ? ended : sp__now(sp__process_runtime(self));
    if (fresh)
        schedule->turn_since = now;
    return now - schedule->turn_since >= schedule->set.slice.ns;
}

/* Is somebody at it? Not when that is over. */
static bool schedule_giving_up(struct sp__schedule *schedule)
{
    sp__lock_lock(&schedule->lock);
    bool giving_up = schedule->giving_up && !schedule->given_up;
    sp__lock_unlock(&schedule->lock);
    return giving_up;
}

void sp__schedule_leave(struct sp_process *self)
{
    struct sp__schedule *schedule = self->extra->schedule;
    self->attention &= (uint16_t)~SP__ATTEND_SCHEDULE;
    sp__lock_lock(&schedule->lock);
    bool armed = schedule->armed;
    bool cancelled = schedule->cancelled;
    schedule->left = true;
    schedule->running = false;
    schedule->cancelled = false;
    sp__lock_unlock(&schedule->lock);
    if (cancelled)
        schedule_uncancel(self);
    /* One that is firing finds that it has left; or has begun to give the process up. */
    if (armed)
        (void)sp__timers_cancel(sp__process_runtime(self), &schedule->timer.node, NULL);
    for (unsigned spins = 0; schedule_giving_up(schedule); spins++)
        sp__scheduler_spin(spins);
    if (sp__process_given_up(self))
        self->attention |= SP__ATTEND_GIVEN_UP;
}

/* ---- late ones; on the thread that fires the timer, inside an epoch section ---- */

static void schedule_log(const struct sp__schedule *schedule, const char *operation, int64_t took)
{
    char who[64];
    sp__log(sp__process_runtime(schedule->process), SP_LOG_WARNING,
            "%s: its handler of %s has not returned after %lld ms",
            sp__process_text(schedule->process, who), operation, (long long)(took / SP_NS_PER_MS));
}

/* False: no memory. */
static bool schedule_stop(struct sp__schedule *schedule, const char *operation)
{
    struct sp_process *process = schedule->process;
    const struct sp_reason *reason =
        sp_reason_error(SP_ERR_TIMEOUT, "handler of %s passed its deadline", operation);
    return sp__signal_send(process, SP__SIGNAL_OVERFLOW, sp__process_pid(process), reason) !=
           SP_ERR_NOMEM;
}

/* With the lock held. False: to be tried again. */
static bool schedule_act(struct sp__schedule *schedule) SP__REQUIRES(schedule->lock)
{
    struct sp_process *process = schedule->process;
    switch (schedule->set.on_overrun) {
    case SP_OVERRUN_WARN:
        break;
    case SP_OVERRUN_CANCEL:
        schedule->cancelled = true;
        /* relaxed: the wake-up orders it. */
        atomic_fetch_or_explicit(&process->shared, SP__SHARED_CANCELLED, memory_order_relaxed);
        sp__actor_wake(&process->actor);
        break;
    case SP_OVERRUN_STOP:
    case SP_OVERRUN_ABANDON:
        return schedule_stop(schedule, schedule->operation);
    }
    return true;
}

static void schedule_rearm(struct sp__schedule *schedule, int64_t at_ns)
    SP__REQUIRES(schedule->lock)
{
    schedule->armed = true;
    sp__timers_arm(sp__process_runtime(schedule->process), &schedule->timer.node, SP__TIMER_ENTRY,
                   at_ns);
}

/* The instant its handler is late. */
static int64_t schedule_due(const struct sp__schedule *schedule) SP__REQUIRES(schedule->lock)
{
    return sp_time_add((sp_time){ schedule->began }, schedule->set.handler_deadline).ns;
}

/* The instant the process is given up; INT64_MAX: it is not. */
static int64_t schedule_abandons(const struct sp__schedule *schedule) SP__REQUIRES(schedule->lock)
{
    int64_t after = schedule->set.abandon_after.ns;
    if (schedule->set.on_overrun != SP_OVERRUN_ABANDON)
        return INT64_MAX;
    if (after == 0)
        after = SCHEDULE_ABANDON_MS * SP_NS_PER_MS;
    return sp_time_add((sp_time){ schedule_due(schedule) }, sp_ns(after < 0 ? 0 : after)).ns;
}

/* A handler runs, the exit has not left the record. True: it became late just now. */
static bool schedule_look(struct sp__schedule *schedule, int64_t now) SP__REQUIRES(schedule->lock)
{
    bool late = !schedule->overran && now >= schedule_due(schedule);
    int64_t abandons = schedule_abandons(schedule);
    if (!late && !schedule->overran) {
        schedule_rearm(schedule, schedule_due(schedule));
    } else if (now >= abandons) {
        schedule->overran = true;
        schedule->giving_up = true;
    } else if (late && !schedule_act(schedule)) {
        schedule_rearm(schedule, now + SCHEDULE_AGAIN_MS * SP_NS_PER_MS);
        late = false;
    } else {
        schedule->overran = true;
        if (abandons != INT64_MAX)
            schedule_rearm(schedule, abandons);
    }
    return late;
}

static void schedule_fire(struct sp__timer_entry *entry)
{
    struct sp__schedule *schedule = sp__container_of(entry, struct sp__schedule, timer);
    struct sp_runtime *runtime = sp__process_runtime(schedule->process);
    int64_t now = sp__now(runtime);
    bool late = false;
    bool gives_up = false;
    sp__lock_lock(&schedule->lock);
    schedule->armed = false;
    if (!schedule->left && schedule->running && !schedule->giving_up) {
        late = schedule_look(schedule, now);
        gives_up = schedule->giving_up;
    }
    const char *operation = schedule->operation;
    int64_t took = now - schedule->began;
    sp__lock_unlock(&schedule->lock);
    if (late) {
        /* relaxed: a statistic. */
        atomic_fetch_add_explicit(&runtime->overruns, 1, memory_order_relaxed);
        schedule_log(schedule, operation, took);
    }
    if (!gives_up)
        return;
    sp__process_give_up(schedule->process, operation);
    sp__lock_lock(&schedule->lock);
    schedule->given_up = true; /* from here on the owner may end */
    sp__lock_unlock(&schedule->lock);
}

/* ---- loops that give way ---- */

bool sp_yield_budget_spent(struct sp_yield_budget *budget)
{
    struct sp_process *self = sp__process_self();
    budget->round = budget->every == 0 ? 0 : budget->every - 1;
    if (self == NULL)
        return false;
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct sp__extra *extra = self->extra;
    int64_t slice = runtime->options.slice.ns;
    if (extra != NULL && extra->schedule != NULL && extra->schedule->set.slice.ns != 0)
        slice = extra->schedule->set.slice.ns;
    int64_t now = sp__now(runtime);
    bool first = budget->since_ns == 0;
    if (first)
        budget->since_ns = now;
    if (runtime->real && (slice < 0 || now - budget->since_ns < slice))
        return false;
    sp_yield();
    budget->since_ns = sp__now(runtime);
    return true;
}
