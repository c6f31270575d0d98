/* Epoch-based reclamation: see epoch.h.
 *
 * Why two steps of the epoch are enough. Let an object be unlinked and then retired at epoch e (the
 * stamp of its batch), and freed once the epoch is e+2.
 * The step from e+1 to e+2 looked at every thread, and found one of these:
 *  - It has published e+1, at a moment when it was outside. What it looked up before is over, and the
 *    release of that publication tells us so. When it read e+1 that synchronized with the stamp
 *    (a chain of read-modify-writes of `epoch`: the stamp, the step to e+1), which came after the
 *    unlinking: what it looks up since then is not the object. Whether it is inside again does not
 *    matter, nor whether we see that.
 *  - It is away (0). Then it was outside when it wrote that, and comes back with a full fence between
 *    its publication and its look-ups; ours lies between the unlinking and the look at `active`. We did
 *    not see the publication, so its look-ups see the unlinking.
 *  - It has published something older and is outside, and a barrier on all cores came before we looked:
 *    a reader that the scan did not see published itself after the barrier, so its look-ups come after
 *    it, and the barrier after the unlinking.
 *
 * The epoch counts by EPOCH_STEP, so that bit 0 is free to mean "inside".
 */
#include "runtime/epoch.h"

#include "runtime/real/membarrier.h"

#include <assert.h>

enum { EPOCH_STEP = 2 };

static void epoch_queue_push(struct sp__epoch_queue *queue, struct sp__epoch_node *node)
{
    node->next = NULL;
    if (queue->first == NULL)
        queue->first = node;
    else
        queue->last->next = node;
    queue->last = node;
    queue->count++;
}

/* Appends `from` to `queue` and empties it. */
static void epoch_queue_move(struct sp__epoch_queue *queue, struct sp__epoch_queue *from)
{
    if (from->first == NULL)
        return;
    if (queue->first == NULL)
        queue->first = from->first;
    else
        queue->last->next = from->first;
    queue->last = from->last;
    queue->count += from->count;
    *from = (struct sp__epoch_queue){ 0 };
}

static void epoch_queue_run(struct sp__epoch_queue *queue)
{
    struct sp__epoch_node *next;
    for (struct sp__epoch_node *node = queue->first; node != NULL; node = next) {
        next = node->next;
        node->fn(node);
    }
}

static bool epoch_limbo_empty(const struct sp__epoch_limbo *limbo)
{
    return limbo->waiting[0].first == NULL && limbo->waiting[1].first == NULL &&
           limbo->waiting[2].first == NULL;
}

/* A place whose stamp is older takes the newer one: what waits there just waits longer. */
static void epoch_limbo_add(struct sp__epoch_limbo *limbo, struct sp__epoch_queue *batch,
                            uint64_t stamp)
{
    uint32_t place = (uint32_t)(stamp / EPOCH_STEP % 3);
    if (limbo->stamp[place] < stamp)
        limbo->stamp[place] = stamp;
    epoch_queue_move(&limbo->waiting[place], batch);
}

/* Moves what nobody can see at `epoch` to `ripe`, oldest first. */
static void epoch_limbo_harvest(struct sp__epoch_limbo *limbo, uint64_t epoch,
                                struct sp__epoch_queue *ripe)
{
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t place = (uint32_t)((epoch / EPOCH_STEP + 1 + i) % 3);
        if (limbo->stamp[place] + 2 * EPOCH_STEP <= epoch)
            epoch_queue_move(ripe, &limbo->waiting[place]);
    }
}

void sp__epoch_init(struct sp__epoch *domain, bool allow_membarrier)
{
    atomic_init(&domain->epoch, 4 * EPOCH_STEP); /* old enough that stamp 0 is long past */
    sp__lock_init(&domain->lock);
    sp__list_init(&domain->threads);
    domain->orphans = (struct sp__epoch_limbo){ 0 };
    domain->asymmetric = allow_membarrier && !SP__TSAN && sp__membarrier_available();
}

void sp__epoch_finish(struct sp__epoch *domain)
{
    struct sp__epoch_queue all = { 0 };
    sp__lock_lock(&domain->lock);
    assert(sp__list_empty(&domain->threads));
    epoch_limbo_harvest(&domain->orphans, UINT64_MAX, &all);
    sp__lock_unlock(&domain->lock);
    epoch_queue_run(&all);
}

void sp__epoch_fence(const struct sp__epoch *domain)
{
    if (domain->asymmetric)
        sp__membarrier();
    else
        sp__fence_full();
}

void sp__epoch_register(struct sp__epoch *domain, struct sp__epoch_thread *thread)
{
    *thread = (struct sp__epoch_thread){ .domain = domain, .asymmetric = domain->asymmetric };
    sp__lock_lock(&domain->lock);
    sp__list_push_back(&domain->threads, &thread->link);
    sp__lock_unlock(&domain->lock);
}

/* The open batch gets its stamp. A read-modify-write, so that the step that follows it, and the
 * readers who see that step, see everything done here before it (acq_rel; see the top). */
static void epoch_close_batch(struct sp__epoch_thread *thread)
{
    if (thread->open.count == 0)
        return;
    uint64_t stamp = atomic_fetch_add_explicit(&thread->domain->epoch, 0, memory_order_acq_rel);
    epoch_limbo_add(&thread->limbo, &thread->open, stamp);
}

void sp__epoch_unregister(struct sp__epoch_thread *thread)
{
    struct sp__epoch *domain = thread->domain;
    assert(thread->depth == 0 && !thread->running);
    epoch_close_batch(thread);
    sp__lock_lock(&domain->lock);
    sp__list_remove(&thread->link);
    for (int i = 0; i < 3; i++)
        epoch_limbo_add(&domain->orphans, &thread->limbo.waiting[i], thread->limbo.stamp[i]);
    sp__lock_unlock(&domain->lock);
}

enum epoch_answer {
    EPOCH_PASSED,  /* nobody stands in the way */
    EPOCH_UNKNOWN, /* somebody is outside as far as one can see */
    EPOCH_INSIDE,  /* somebody is inside since before */
};

static enum epoch_answer epoch_scan(struct sp__epoch *domain, const struct sp__epoch_thread *self,
                                    uint64_t now) SP__REQUIRES(domain->lock)
{
    enum epoch_answer answer = EPOCH_PASSED;
    for (struct sp__list *at = sp__list_first(&domain->threads); at != NULL;
         at = sp__list_next(&domain->threads, at)) {
        struct sp__epoch_thread *thread = sp__container_of(at, struct sp__epoch_thread, link);
        /* acquire: pairs with the release of leave; what was read inside is over. */
        uint64_t active = atomic_load_explicit(&thread->active, memory_order_acquire);
        if (active == 0 || (active | 1) == (now | 1))
            continue;
        if (active & 1)
            return EPOCH_INSIDE;
        if (thread != self)
            answer = EPOCH_UNKNOWN;
    }
    return answer;
}

/* `patient`: without a barrier. */
static bool epoch_step(struct sp__epoch *domain, const struct sp__epoch_thread *self, bool patient)
    SP__REQUIRES(domain->lock)
{
    /* relaxed: steps are made under the lock only. */
    uint64_t now = atomic_load_explicit(&domain->epoch, memory_order_relaxed);
    sp__fence_full();
    enum epoch_answer answer = epoch_scan(domain, self, now);
    if (answer == EPOCH_UNKNOWN && domain->asymmetric) {
        if (patient)
            return false;
        /* After it, whoever is inside and cannot be seen will see what was unlinked before it. */
        sp__membarrier();
        answer = epoch_scan(domain, self, now);
    }
    if (answer == EPOCH_INSIDE)
        return false;
    /* acq_rel: takes over the stamps made at this epoch and the scan above, and hands both to whoever
     * reads the new epoch: entering readers, and threads that free. */
    atomic_fetch_add_explicit(&domain->epoch, EPOCH_STEP, memory_order_acq_rel);
    return true;
}

static uint64_t epoch_now(struct sp__epoch *domain)
{
    /* acquire: pairs with the release of the step; its scan comes before what is freed now. */
    return atomic_load_explicit(&domain->epoch, memory_order_acquire);
}

/* Tries to go one step on, and collects what is ripe of the threads that went. True: it did. */
static bool epoch_work(struct sp__epoch *domain, const struct sp__epoch_thread *self, bool patient,
                       struct sp__epoch_queue *ripe) SP__REQUIRES(domain->lock)
{
    bool moved = epoch_step(domain, self, patient);
    epoch_limbo_harvest(&domain->orphans, epoch_now(domain), ripe);
    return moved;
}

static bool epoch_patient(const struct sp__epoch_thread *thread)
{
    size_t waiting = 0;
    for (int i = 0; i < 3; i++)
        waiting += thread->limbo.waiting[i].count;
    return waiting < SP__EPOCH_PATIENCE;
}

static void epoch_run(struct sp__epoch_thread *thread, struct sp__epoch_queue *ripe)
{
    epoch_limbo_harvest(&thread->limbo, epoch_now(thread->domain), ripe);
    thread->running = true;
    epoch_queue_run(ripe);
    thread->running = false;
}

void sp__epoch_retire(struct sp__epoch_thread *thread, struct sp__epoch_node *node,
                      sp__epoch_fn *fn)
{
    struct sp__epoch *domain = thread->domain;
    struct sp__epoch_queue ripe = { 0 };
    node->fn = fn;
    epoch_queue_push(&thread->open, node);
    if (thread->open.count < SP__EPOCH_BATCH || thread->running)
        return;
    /* The place of the current epoch may still hold what was retired three steps ago. */
    epoch_limbo_harvest(&thread->limbo, epoch_now(domain), &ripe);
    epoch_close_batch(thread);
    sp__epoch_quiet(thread);
    if (sp__lock_try(&domain->lock)) {
        /* A second step is there for the taking where nobody else is awake. */
        if (epoch_work(domain, thread, epoch_patient(thread), &ripe))
            epoch_work(domain, thread, true, &ripe);
        sp__lock_unlock(&domain->lock);
    }
    epoch_run(thread, &ripe);
}

bool sp__epoch_collect(struct sp__epoch_thread *thread)
{
    struct sp__epoch *domain = thread->domain;
    bool moved;
    bool waiting;
    assert(!thread->running);
    do {
        struct sp__epoch_queue ripe = { 0 };
        epoch_limbo_harvest(&thread->limbo, epoch_now(domain), &ripe);
        epoch_close_batch(thread);
        sp__lock_lock(&domain->lock);
        moved = epoch_work(domain, thread, false, &ripe);
        waiting = !epoch_limbo_empty(&domain->orphans);
        sp__lock_unlock(&domain->lock);
        epoch_run(thread, &ripe);
        waiting = waiting || thread->open.count > 0 || !epoch_limbo_empty(&thread->limbo);
    } while (waiting && moved);
    return !waiting;
}
