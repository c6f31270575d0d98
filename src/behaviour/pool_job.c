/* Jobs of a pool; see pool.h. */
#include "base/alloc.h"
#include "behaviour/pool.h"

#include <string.h>

enum {
    JOB_SPARE_MAX = 64,
    JOB_PHASE_BITS = 3,
    JOB_PHASE_MASK = (1 << JOB_PHASE_BITS) - 1,
};

static uint32_t job_state(uint32_t giving, enum sp__job_phase phase)
{
    return (giving << JOB_PHASE_BITS) | (uint32_t)phase;
}

static struct sp__pool_job *job_alloc(struct sp__pool_spare *spare)
{
    struct sp__list *link = sp__list_pop_front(&spare->jobs);
    if (link == NULL)
        return sp__malloc(sizeof(struct sp__pool_job));
    spare->count--;
    return sp__container_of(link, struct sp__pool_job, link);
}

struct sp__pool_job *sp__pool_job_create(struct sp__pool_spare *spare,
                                         struct sp_message *moved_message)
{
    struct sp__pool_job *job = job_alloc(spare);
    if (job == NULL)
        return NULL;
    memset(job, 0, sizeof(*job));
    sp__list_init(&job->link);
    sp__list_init(&job->age);
    job->message = moved_message;
    job->op = sp__message_op(moved_message);
    job->from = moved_message->from;
    job->call =
        (moved_message->flags & SP__MESSAGE_CALL) && !(moved_message->flags & SP__MESSAGE_ANSWERED);
    if (job->call)
        job->to = *sp__message_call(moved_message);
    job->counted = true;
    atomic_init(&job->begun_ns, 0);
    atomic_init(&job->state, job_state(0, SP__JOB_BACK));
    atomic_init(&job->refs, 1);
    return job;
}

struct sp__pool_job *sp__pool_job_ref(struct sp__pool_job *job)
{
    /* relaxed: who adds one has one. */
    atomic_fetch_add_explicit(&job->refs, 1, memory_order_relaxed);
    return job;
}

void sp__pool_job_unref(struct sp__pool_job *job)
{
    /* acq_rel: pairs with the others' own, so that the last one sees what they did. */
    if (atomic_fetch_sub_explicit(&job->refs, 1, memory_order_acq_rel) != 1)
        return;
    struct sp_message *message = job->message;
    sp__free(job);
    if (message != NULL)
        sp__message_destroy(message); /* last: it may not come back */
}

void sp__pool_job_over(struct sp__pool_spare *spare, struct sp__pool_job *job)
{
    /* acquire: pairs with the worker's own drop, which was its last look. */
    bool alone = atomic_load_explicit(&job->refs, memory_order_acquire) == 1;
    if (!alone || job->message != NULL || spare->count == JOB_SPARE_MAX) {
        sp__pool_job_unref(job);
        return;
    }
    sp__list_push_front(&spare->jobs, &job->link);
    spare->count++;
}

void sp__pool_spare_finish(struct sp__pool_spare *spare)
{
    for (struct sp__list *link; (link = sp__list_pop_front(&spare->jobs)) != NULL;)
        sp__free(sp__container_of(link, struct sp__pool_job, link));
    spare->count = 0;
}

struct sp__pool_carry sp__pool_job_give(struct sp__pool_job *job, bool keep)
{
    job->keep = keep;
    job->givings++;
    /* relaxed: the worker gets the job by a message. */
    atomic_store_explicit(&job->begun_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&job->state, job_state(job->givings, SP__JOB_GIVEN),
                          memory_order_relaxed);
    return sp__pool_job_carry(job);
}

struct sp__pool_carry sp__pool_job_carry(struct sp__pool_job *job)
{
    return (struct sp__pool_carry){ .job = job, .giving = job->givings };
}

bool sp__pool_job_move(const struct sp__pool_carry *carry, enum sp__job_phase from,
                       enum sp__job_phase to)
{
    uint32_t expected = job_state(carry->giving, from);
    /* acq_rel: pairs with the other side's own swap and with the load in phase(): whoever finds it
     * moved sees what was done before. */
    return atomic_compare_exchange_strong_explicit(&carry->job->state, &expected,
                                                   job_state(carry->giving, to),
                                                   memory_order_acq_rel, memory_order_acquire);
}

enum sp__job_phase sp__pool_job_phase(struct sp__pool_job *job)
{
    /* acquire: pairs with the swap in move(). */
    uint32_t state = atomic_load_explicit(&job->state, memory_order_acquire);
    return (enum sp__job_phase)(state & JOB_PHASE_MASK);
}

void sp__pool_job_answer(struct sp__pool_job *job, sp_err err, const struct sp_reason *reason)
{
    if (!job->call || sp__reply_expired(&job->to))
        return;
    sp__reply_send(&job->to, &(struct sp__reply){ .err = err, .reason = reason });
}
