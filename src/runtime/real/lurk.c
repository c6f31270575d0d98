#include "runtime/real/lurk.h"

#include "runtime/real/real.h"

enum {
    /* So long a new process has waited when it is taken. 64 that do nothing, which is how many are
     * spawned in a row, are run in half of it. */
    LURK_AGE_NS = 20000,
    /* Who has run out of work stays awake so long where there are new processes, and looks at them so
     * often: each look takes a cache line from the core that works on them. */
    LURK_SPIN_NS = 25000,
    LURK_LOOK_NS = 4000,
    /* Then it naps. The system adds some 50 us. */
    LURK_NAP_NS = 50000,
    LURK_NAP_MAX_NS = 400000,
};

/* ---- taking ---- */

static struct sp__actor *lurk_take(struct sp__worker *victim, uint64_t top)
{
    struct sp__actor *actor = sp__young_stack_steal(&victim->young);
    /* relaxed, as all of `seen`: a guess, which may be lost to another thief's. */
    if (actor != NULL)
        atomic_store_explicit(&victim->seen_young.top, top + 1, memory_order_relaxed);
    return actor;
}

struct sp__actor *sp__lurk_steal(struct sp__worker *thief, struct sp__worker *victim)
{
    struct sp__lurk_seen *seen = &victim->seen_young;
    if (sp__young_stack_empty(&victim->young))
        return NULL;
    /* relaxed: the stack itself decides who gets what. */
    uint64_t top = atomic_load_explicit(&victim->young.top, memory_order_relaxed);
    int64_t now = sp__now(thief->real->runtime);
    bool same = atomic_load_explicit(&seen->top, memory_order_relaxed) == top;
    if (!same) {
        atomic_store_explicit(&seen->since_ns, now, memory_order_relaxed);
        atomic_store_explicit(&seen->top, top, memory_order_relaxed);
    }
    if (thief->lurk.woken ||
        (same && now - atomic_load_explicit(&seen->since_ns, memory_order_relaxed) >= LURK_AGE_NS))
        return lurk_take(victim, top);
    thief->lurk.fresh = true;
    return NULL;
}

/* ---- waiting ---- */

bool sp__lurk_spin(struct sp__worker *worker)
{
    struct sp__lurk *lurk = &worker->lurk;
    lurk->woken = false;
    if (!lurk->fresh || lurk->nap_ns != 0)
        return false;
    struct sp_runtime *runtime = worker->real->runtime;
    int64_t now = sp__now(runtime);
    if (lurk->idle_ns == 0)
        lurk->idle_ns = now;
    if (now - lurk->idle_ns >= LURK_SPIN_NS)
        return false;
    lurk->fresh = false;
    for (int64_t until = now + LURK_LOOK_NS; sp__now(runtime) < until;)
        sp__cpu_relax();
    return true;
}

/* Was anything of the new ones taken, by anyone, since it slept last? */
static bool lurk_moved(struct sp__worker *worker)
{
    const struct sp__real *real = worker->real;
    uint64_t tops = 0;
    for (uint32_t i = 0; i < real->worker_count; i++)
        tops += atomic_load_explicit(&real->workers[i].young.top, memory_order_relaxed);
    bool moved = tops != worker->lurk.tops;
    worker->lurk.tops = tops;
    return moved;
}

static void lurk_count(struct sp__worker *worker, bool counted)
{
    if (worker->lurk.counted == counted)
        return;
    worker->lurk.counted = counted;
    /* seq_cst: pairs with the fence in sp__real_notify_new(); it goes before the look at all queues
     * that follows where it is taken back. */
    if (counted)
        atomic_fetch_add_explicit(&worker->real->lurking, 1, memory_order_seq_cst);
    else
        atomic_fetch_sub_explicit(&worker->real->lurking, 1, memory_order_seq_cst);
}

int64_t sp__lurk_until(struct sp__worker *worker)
{
    struct sp__lurk *lurk = &worker->lurk;
    bool moved = lurk_moved(worker);
    if (worker->real->worker_count == 1 || (!lurk->fresh && !moved)) {
        lurk->nap_ns = 0;
    } else if (lurk->fresh || lurk->nap_ns == 0) {
        lurk->nap_ns = LURK_NAP_NS; /* there is something, which may turn out to be long */
    } else {
        lurk->nap_ns = 2 * lurk->nap_ns < LURK_NAP_MAX_NS ? 2 * lurk->nap_ns : LURK_NAP_MAX_NS;
    }
    lurk->fresh = false;
    lurk_count(worker, lurk->nap_ns != 0);
    return lurk->nap_ns == 0 ? INT64_MAX : sp__now(worker->real->runtime) + lurk->nap_ns;
}

bool sp__lurk_end(struct sp__worker *worker)
{
    bool lurked = worker->lurk.counted;
    worker->lurk.fresh = false;
    worker->lurk.woken = false;
    worker->lurk.idle_ns = 0;
    worker->lurk.nap_ns = 0;
    lurk_count(worker, false);
    return lurked;
}
