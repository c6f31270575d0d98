#include "io/event.h"

static void event_run(struct sp__callback *callback);

sp_err sp__event_init(struct sp__event *event, struct sp_process *self,
                      void (*run)(struct sp__event *event), bool anytime)
{
    sp__callback_init(&event->callback, event_run);
    event->callback.anytime = anytime;
    event->process = self;
    event->run = run;
    atomic_init(&event->fired, false);
    event->armed = false;
    /* Where callbacks are queued: made now, so that queueing cannot fail. */
    return sp__process_extra(self) == NULL ? SP_ERR_NOMEM : SP_OK;
}

void sp__event_fire(struct sp__event *event)
{
    /* False when the process has ended; it then waits for `fired` all the same. */
    (void)sp__callback_post(&event->process->actor, &event->callback);
    /* release: pairs with await. The last access. */
    atomic_store_explicit(&event->fired, true, memory_order_release);
}

/* The source could not be stopped, or the run is here: it is done within some instructions. */
static void event_await(struct sp__event *event)
{
    /* acquire: pairs with the release in fire. */
    for (unsigned spins = 0; !atomic_load_explicit(&event->fired, memory_order_acquire); spins++)
        sp__scheduler_spin(spins);
    atomic_store_explicit(&event->fired, false, memory_order_relaxed);
    event->armed = false;
}

static void event_run(struct sp__callback *callback)
{
    struct sp__event *event = sp__container_of(callback, struct sp__event, callback);
    if (event->armed)
        event_await(event);
    event->run(event);
}

void sp__event_post(struct sp__event *event)
{
    if (event->armed)
        return;
    sp__process_enter();
    (void)sp__callback_post(&event->process->actor, &event->callback);
    sp__process_leave();
}

static void event_stop(struct sp__event *event, bool disarmed)
{
    if (event->armed && !disarmed)
        event_await(event);
    event->armed = false;
    sp__callback_cancel(event->process, &event->callback);
}

/* ---- a direction of a socket ---- */

static void io_event_ready(struct sp__io_waiter *waiter)
{
    sp__event_fire(&((struct sp__io_event *)(void *)waiter)->event);
}

sp_err sp__io_event_init(struct sp__io_event *event, struct sp_process *self, struct sp__io *io,
                         enum sp__io_way way, void (*run)(struct sp__event *event))
{
    event->waiter = (struct sp__io_waiter){ .ready = io_event_ready, .actor = &self->actor };
    event->ops = sp__process_runtime(self)->ops->io;
    event->io = io;
    event->way = way;
    return sp__event_init(&event->event, self, run, way == SP__IO_OUT);
}

bool sp__io_event_arm(struct sp__io_event *event)
{
    event->event.armed = true;
    if (event->ops->arm_waiter(event->io, event->way, &event->waiter))
        return true;
    event->event.armed = false;
    return false;
}

void sp__io_event_stop(struct sp__io_event *event)
{
    bool disarmed = event->event.armed && event->ops->disarm(event->io, event->way);
    event_stop(&event->event, disarmed);
}

/* ---- an instant ---- */

static void time_event_fire(struct sp__timer_entry *entry)
{
    sp__event_fire(&((struct sp__time_event *)(void *)entry)->event);
}

sp_err sp__time_event_init(struct sp__time_event *event, struct sp_process *self,
                           void (*run)(struct sp__event *event))
{
    event->entry = (struct sp__timer_entry){ .fire = time_event_fire };
    return sp__event_init(&event->event, self, run, false);
}

void sp__time_event_arm(struct sp__time_event *event, int64_t at_ns)
{
    event->event.armed = true;
    sp__timers_arm(sp__process_runtime(event->event.process), &event->entry.node, SP__TIMER_ENTRY,
                   at_ns);
}

void sp__time_event_stop(struct sp__time_event *event)
{
    bool disarmed =
        event->event.armed &&
        sp__timers_cancel(sp__process_runtime(event->event.process), &event->entry.node, NULL);
    event_stop(&event->event, disarmed);
}
