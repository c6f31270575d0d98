/* runtime/epoch.c: what readers in their sections may find is not freed.
 *
 * A reader looks an object up and at what is in it; a writer unlinks it, retires it and collects. Freed
 * memory counts as written, so a reader that still looks at it is a data race. With membarrier()
 * (the barrier of the checker) and without.
 */
#include "runtime/epoch.h"

#include "model.h"

#include "runtime/real/membarrier.h"
#include "support/test.h"

struct epoch_object {
    struct sp__epoch_node node;
    int value;
};

static struct {
    struct sp__epoch domain;
    struct sp__epoch_thread threads[3];
    struct epoch_object objects[2];
    _Atomic(struct epoch_object *) found[2]; /* by which readers find the objects */
    int freed[4];                            /* by the thread that did it; 0: at the end */
} state;

void sp__lock_slow(struct sp__lock *lock) SP__NO_THREAD_SAFETY
{
    (void)lock;
    model_wait();
}
void sp__lock_wake(struct sp__lock *lock)
{
    (void)lock;
}
bool sp__membarrier_available(void)
{
    return true;
}
void sp__membarrier(void)
{
    model_membarrier();
}

static void epoch_setup_with(bool membarrier, int threads)
{
    sp__epoch_init(&state.domain, membarrier);
    for (int i = 0; i < threads; i++)
        sp__epoch_register(&state.domain, &state.threads[i]);
    for (int i = 0; i < 2; i++) {
        state.objects[i].value = 1;
        atomic_init(&state.found[i], &state.objects[i]);
    }
}

static void epoch_setup_symmetric(void)
{
    epoch_setup_with(false, 2);
}
static void epoch_setup_symmetric_three(void)
{
    epoch_setup_with(false, 3);
}

/* All have published an epoch already, so that nobody is away. */
static void epoch_setup_asymmetric(void)
{
    epoch_setup_with(true, 2);
    for (int i = 0; i < 2; i++) {
        sp__epoch_enter(&state.threads[i]);
        sp__epoch_leave(&state.threads[i]);
    }
}
static void epoch_setup_away(void)
{
    epoch_setup_with(true, 2);
}
static void epoch_setup_asymmetric_three(void)
{
    epoch_setup_with(true, 3);
    for (int i = 0; i < 3; i++) {
        sp__epoch_enter(&state.threads[i]);
        sp__epoch_leave(&state.threads[i]);
    }
}

static struct sp__epoch_thread *own(void)
{
    return &state.threads[model_thread() - 1];
}

static void look(int number)
{
    struct epoch_object *object = atomic_load_explicit(&state.found[number], memory_order_acquire);
    if (object != NULL)
        MODEL_ASSERT(object->value == 1);
}

static void read_once(void)
{
    sp__epoch_enter(own());
    look(0);
    sp__epoch_leave(own());
}

static void read_other(void)
{
    sp__epoch_enter(own());
    look(1);
    sp__epoch_leave(own());
}

static void read_twice(void)
{
    read_once();
    read_once();
}

/* Says between two sections that it is outside, and goes away, as a worker that falls asleep. */
static void read_quiet_read(void)
{
    read_once();
    sp__epoch_quiet(own());
    read_once();
}
static void read_away_read(void)
{
    read_once();
    sp__epoch_away(own());
    read_once();
}

static void object_free(struct sp__epoch_node *node)
{
    struct epoch_object *object = sp__container_of(node, struct epoch_object, node);
    object->value = 0;
    state.freed[model_thread()]++;
}

static void unlink_object(int number)
{
    /* release: as the one that takes a process out of the table. */
    atomic_store_explicit(&state.found[number], NULL, memory_order_release);
    sp__epoch_retire(own(), &state.objects[number].node, object_free);
}

static void write_once(void)
{
    unlink_object(0);
    sp__epoch_collect(own());
}

/* Collects in two goes, as a busy thread does. */
static void write_twice(void)
{
    unlink_object(0);
    sp__epoch_collect(own());
    sp__epoch_collect(own());
}

/* Retires nothing itself, and counts the epoch on for the others. */
static void collect(void)
{
    sp__epoch_collect(own());
}

static void collect_twice(void)
{
    sp__epoch_collect(own());
    sp__epoch_collect(own());
}

/* Retires, and leaves it to the others. */
static void write_and_leave(void)
{
    unlink_object(1);
    sp__epoch_unregister(own());
}

/* Whoever is left collects the rest. */
static void all_is_freed(void)
{
    for (int i = 0; i < 3; i++)
        if (sp__list_linked(&state.threads[i].link))
            sp__epoch_unregister(&state.threads[i]);
    sp__epoch_finish(&state.domain);
    int unlinked = 0;
    for (int i = 0; i < 2; i++)
        unlinked += atomic_load_explicit(&state.found[i], memory_order_relaxed) == NULL;
    MODEL_ASSERT(state.freed[0] + state.freed[1] + state.freed[2] + state.freed[3] == unlinked);
}

#define EPOCH_MODEL(what, from, a, b, c)                                           \
    {                                                                              \
        .name = what, .state = &state, .state_size = sizeof(state), .setup = from, \
        .threads = { a, b, c }, .thread_names = { "reader", "writer", "third" },   \
        .final = all_is_freed,                                                     \
    }

static const struct model symmetric =
    EPOCH_MODEL("epochs, full barriers", epoch_setup_symmetric, read_twice, write_once, NULL);
static const struct model asymmetric =
    EPOCH_MODEL("epochs, membarrier", epoch_setup_asymmetric, read_twice, write_once, NULL);
static const struct model goes =
    EPOCH_MODEL("epochs, two goes", epoch_setup_asymmetric, read_quiet_read, write_twice, NULL);
static const struct model comes_back =
    EPOCH_MODEL("epochs, away and back", epoch_setup_away, read_away_read, write_once, NULL);
static const struct model two_readers = EPOCH_MODEL(
    "epochs, two readers", epoch_setup_asymmetric_three, read_once, write_once, read_once);
static const struct model two_collect = EPOCH_MODEL(
    "epochs, two that collect", epoch_setup_asymmetric_three, read_once, write_once, collect);
static const struct model orphans = EPOCH_MODEL("epochs, orphans", epoch_setup_asymmetric_three,
                                                read_other, write_and_leave, collect_twice);
static const struct model two_symmetric =
    EPOCH_MODEL("epochs, full barriers, two readers", epoch_setup_symmetric_three, read_once,
                write_once, read_once);

TEST(nothing_is_freed_under_a_reader)
{
    model_must_hold(&symmetric);
    model_must_hold(&asymmetric);
    model_must_hold(&goes);
    model_must_hold(&comes_back);
}

TEST(nothing_is_freed_under_a_reader_of_three_threads)
{
    model_must_hold(&two_readers);
    model_must_hold(&two_symmetric);
    model_must_hold(&two_collect);
    model_must_hold(&orphans);
}

#define SPARED(in, what, on, to, because)               \
    {                                                   \
        { in, what, on, 0, memory_order_##to }, because \
    }

static const struct model_spared epoch_spared[] = {
    SPARED("sp__epoch_enter", "exchange", "&thread->active", acq_rel,
           "the full fence that follows orders it"),
    SPARED("epoch_close_batch", "add", "&thread->domain->epoch", release,
           "it hands over, and takes nothing"),
    SPARED("epoch_step", "add", "&domain->epoch", release,
           "the release sequences of the stamps go on through it"),
    SPARED("sp__epoch_quiet", "load", "&thread->domain->epoch", relaxed,
           "the next section acquires the same value or a later one"),
    SPARED(NULL, NULL, NULL, relaxed, NULL),
};

TEST(each_order_is_needed)
{
    static const struct model *const models[] = { &symmetric,   &asymmetric,  &goes,    &comes_back,
                                                  &two_readers, &two_collect, &orphans, NULL };
    static const char *const files[] = { "epoch.c", "epoch.h", "atomic.h", NULL };
    model_weaken_each(
        &(struct model_part){ .models = models, .files = files, .spared = epoch_spared });
}

/* The reader's compiler alone is in order, and the writer asks for no barrier on all cores; a reader
 * that was away comes back without a full fence. */
TEST(planted_bugs_are_found_and_told)
{
    model_must_find(&asymmetric,
                    &(struct model_fault){ .function = "model_membarrier",
                                           .operation = "fence",
                                           .operand = "membarrier",
                                           .order = memory_order_relaxed },
                    "data race");
    model_must_find(&comes_back,
                    &(struct model_fault){ .function = "sp__fence_full",
                                           .operation = "fence",
                                           .thread = 1,
                                           .order = memory_order_relaxed },
                    "data race");
    model_must_find(&symmetric,
                    &(struct model_fault){ .function = "sp__epoch_leave",
                                           .operation = "store",
                                           .operand = "&thread->active",
                                           .order = memory_order_relaxed },
                    "sp__epoch_leave(): store &thread->active relaxed");
}
