/* Epochs: nothing is freed under a reader, everything is freed once nobody reads.
 *
 * The first part plays several threads on one: what is registered is a struct, not a thread. The
 * last part is several real ones; the address and thread sanitizers watch it.
 */
#include "runtime/epoch.h"

#include "support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

struct object {
    struct sp__epoch_node node;
    int freed;
    struct sp__epoch_thread *then_retire_on; /* its function retires `next` */
    struct object *next;
};

static void object_free(struct sp__epoch_node *node)
{
    struct object *object = sp__container_of(node, struct object, node);
    object->freed++;
    if (object->then_retire_on != NULL)
        sp__epoch_retire(object->then_retire_on, &object->next->node, object_free);
}

static int objects_freed(const struct object *objects, int count)
{
    int freed = 0;
    for (int i = 0; i < count; i++) {
        CHECK(objects[i].freed <= 1);
        freed += objects[i].freed;
    }
    return freed;
}

/* One domain, three participants. */
struct fixture {
    struct sp__epoch domain;
    struct sp__epoch_thread a, b, c;
};

static struct fixture *fixture_make(bool allow_membarrier)
{
    static struct fixture f;
    sp__epoch_init(&f.domain, allow_membarrier);
    sp__epoch_register(&f.domain, &f.a);
    sp__epoch_register(&f.domain, &f.b);
    sp__epoch_register(&f.domain, &f.c);
    return &f;
}

static void fixture_end(struct fixture *f)
{
    sp__epoch_unregister(&f->a);
    sp__epoch_unregister(&f->b);
    sp__epoch_unregister(&f->c);
    sp__epoch_finish(&f->domain);
}

TEST(epoch_collect_when_nobody_is_inside_frees_at_once)
{
    for (int membarrier = 0; membarrier < 2; membarrier++) {
        struct fixture *f = fixture_make(membarrier == 1);
        struct object objects[10] = { 0 };
        CHECK(sp__epoch_collect(&f->a));
        for (int i = 0; i < 10; i++)
            sp__epoch_retire(&f->a, &objects[i].node, object_free);
        CHECK_INT(objects_freed(objects, 10), 0);
        CHECK(sp__epoch_collect(&f->a));
        CHECK_INT(objects_freed(objects, 10), 10);
        fixture_end(f);
    }
}

TEST(epoch_collect_when_another_is_inside_waits_for_it)
{
    for (int membarrier = 0; membarrier < 2; membarrier++) {
        struct fixture *f = fixture_make(membarrier == 1);
        struct object object = { 0 };
        sp__epoch_enter(&f->b);
        CHECK(sp__epoch_inside(&f->b));
        sp__epoch_retire(&f->a, &object.node, object_free);
        for (int i = 0; i < 10; i++)
            CHECK(!sp__epoch_collect(&f->a));
        CHECK_INT(object.freed, 0);
        sp__epoch_leave(&f->b);
        CHECK(!sp__epoch_inside(&f->b));
        CHECK(sp__epoch_collect(&f->a));
        CHECK_INT(object.freed, 1);
        fixture_end(f);
    }
}

TEST(epoch_reader_that_leaves_and_enters_again_does_not_hold_up_for_ever)
{
    struct fixture *f = fixture_make(true);
    struct object object = { 0 };
    sp__epoch_enter(&f->b);
    sp__epoch_retire(&f->a, &object.node, object_free);
    CHECK(!sp__epoch_collect(&f->a));
    for (int i = 0; i < 3 && object.freed == 0; i++) {
        sp__epoch_leave(&f->b);
        sp__epoch_enter(&f->b);
        (void)sp__epoch_collect(&f->a);
    }
    CHECK_INT(object.freed, 1);
    sp__epoch_leave(&f->b);
    fixture_end(f);
}

/* Readers relay each other, so that at every moment somebody is inside. */
TEST(epoch_overlapping_readers_do_not_hold_up_for_ever)
{
    struct fixture *f = fixture_make(true);
    struct object object = { 0 };
    struct sp__epoch_thread *inside = &f->b;
    struct sp__epoch_thread *outside = &f->c;
    sp__epoch_enter(inside);
    sp__epoch_retire(&f->a, &object.node, object_free);
    for (int i = 0; i < 4; i++) {
        struct sp__epoch_thread *left = inside;
        (void)sp__epoch_collect(&f->a);
        CHECK(object.freed == 0 || i > 0);
        sp__epoch_enter(outside);
        sp__epoch_leave(inside);
        inside = outside;
        outside = left;
    }
    CHECK_INT(object.freed, 1);
    sp__epoch_leave(inside);
    fixture_end(f);
}

TEST(epoch_nested_sections_end_with_the_outermost)
{
    struct fixture *f = fixture_make(true);
    struct object object = { 0 };
    sp__epoch_enter(&f->b);
    sp__epoch_enter(&f->b);
    sp__epoch_leave(&f->b);
    CHECK(sp__epoch_inside(&f->b));
    sp__epoch_retire(&f->a, &object.node, object_free);
    CHECK(!sp__epoch_collect(&f->a));
    CHECK_INT(object.freed, 0);
    sp__epoch_leave(&f->b);
    CHECK(sp__epoch_collect(&f->a));
    fixture_end(f);
}

TEST(epoch_retire_inside_ones_own_section_waits_for_its_end)
{
    struct fixture *f = fixture_make(true);
    struct object object = { 0 };
    sp__epoch_enter(&f->a);
    sp__epoch_retire(&f->a, &object.node, object_free);
    CHECK(!sp__epoch_collect(&f->a));
    CHECK_INT(object.freed, 0);
    sp__epoch_leave(&f->a);
    CHECK(sp__epoch_collect(&f->a));
    CHECK_INT(object.freed, 1);
    fixture_end(f);
}

TEST(epoch_retire_alone_frees_without_collect)
{
    enum { COUNT = SP__EPOCH_BATCH * 20 };
    static struct object objects[COUNT];
    struct fixture *f = fixture_make(true);
    for (int i = 0; i < COUNT; i++)
        sp__epoch_retire(&f->a, &objects[i].node, object_free);
    /* Two steps free a batch, and with nobody in the way each makes both. */
    CHECK_INT(objects_freed(objects, COUNT), COUNT);
    fixture_end(f);
}

TEST(epoch_retire_beside_one_that_is_away_frees_at_once)
{
    enum { COUNT = SP__EPOCH_BATCH * 4 };
    static struct object objects[COUNT];
    struct fixture *f = fixture_make(true);
    sp__epoch_enter(&f->b);
    sp__epoch_leave(&f->b);
    sp__epoch_away(&f->b);
    for (int i = 0; i < COUNT; i++)
        sp__epoch_retire(&f->a, &objects[i].node, object_free);
    CHECK_INT(objects_freed(objects, COUNT), COUNT);
    sp__epoch_quiet(&f->b); /* still away */
    CHECK_INT(atomic_load_explicit(&f->b.active, memory_order_relaxed), 0);
    sp__epoch_enter(&f->b);
    static struct object seen;
    sp__epoch_retire(&f->a, &seen.node, object_free);
    CHECK(!sp__epoch_collect(&f->a));
    CHECK_INT(seen.freed, 0);
    sp__epoch_leave(&f->b);
    CHECK(sp__epoch_collect(&f->a));
    fixture_end(f);
}

TEST(epoch_one_that_says_nothing_is_waited_for_with_patience)
{
    enum { COUNT = SP__EPOCH_PATIENCE + 4 * SP__EPOCH_BATCH };
    static struct object objects[COUNT];
    struct fixture *f = fixture_make(true);
    sp__epoch_enter(&f->b);
    sp__epoch_leave(&f->b);
    for (int i = 0; i < COUNT; i++) {
        sp__epoch_retire(&f->a, &objects[i].node, object_free);
        if (i + 1 < SP__EPOCH_PATIENCE && f->domain.asymmetric)
            CHECK_INT(objects_freed(objects, COUNT), 0);
    }
    CHECK(objects_freed(objects, COUNT) >= SP__EPOCH_BATCH);
    /* One that says something is asked for nothing more. */
    static struct object last[SP__EPOCH_BATCH * 4];
    for (int i = 0; i < SP__EPOCH_BATCH * 4; i++) {
        sp__epoch_quiet(&f->b);
        sp__epoch_retire(&f->a, &last[i].node, object_free);
    }
    CHECK(objects_freed(last, SP__EPOCH_BATCH * 4) >= SP__EPOCH_BATCH);
    CHECK(sp__epoch_collect(&f->a));
    fixture_end(f);
}

TEST(epoch_retire_under_a_long_reader_frees_nothing_it_may_see)
{
    enum { COUNT = SP__EPOCH_BATCH * 20 };
    static struct object objects[COUNT];
    struct fixture *f = fixture_make(true);
    sp__epoch_enter(&f->b);
    for (int i = 0; i < COUNT; i++)
        sp__epoch_retire(i % 2 == 0 ? &f->a : &f->c, &objects[i].node, object_free);
    CHECK_INT(objects_freed(objects, COUNT), 0);
    sp__epoch_leave(&f->b);
    CHECK(sp__epoch_collect(&f->a));
    CHECK(sp__epoch_collect(&f->c));
    CHECK_INT(objects_freed(objects, COUNT), COUNT);
    fixture_end(f);
}

TEST(epoch_retire_from_a_function_being_run_is_freed_too)
{
    struct fixture *f = fixture_make(true);
    struct object last = { 0 };
    struct object first = { .then_retire_on = &f->a, .next = &last };
    sp__epoch_retire(&f->a, &first.node, object_free);
    CHECK(sp__epoch_collect(&f->a));
    CHECK_INT(first.freed, 1);
    CHECK_INT(last.freed, 1);
    fixture_end(f);
}

/* Each function retires several more, so that batches fill up while functions are being run. */
static struct {
    struct sp__epoch_thread *thread;
    struct object objects[2000];
    int next;
    bool running;
} avalanche;

static void avalanche_free(struct sp__epoch_node *node)
{
    CHECK(!avalanche.running); /* one after the other, never one inside another */
    avalanche.running = true;
    sp__container_of(node, struct object, node)->freed++;
    for (int i = 0; i < 3 && avalanche.next < 2000; i++)
        sp__epoch_retire(avalanche.thread, &avalanche.objects[avalanche.next++].node,
                         avalanche_free);
    avalanche.running = false;
}

TEST(epoch_functions_are_never_run_inside_one_another)
{
    struct fixture *f = fixture_make(true);
    avalanche.thread = &f->a;
    avalanche.next = 1;
    sp__epoch_retire(&f->a, &avalanche.objects[0].node, avalanche_free);
    CHECK(sp__epoch_collect(&f->a));
    CHECK_INT(objects_freed(avalanche.objects, 2000), 2000);
    fixture_end(f);
}

TEST(epoch_unregister_hands_over_what_was_retired)
{
    struct fixture *f = fixture_make(true);
    struct object objects[100] = { 0 };
    sp__epoch_enter(&f->c);
    for (int i = 0; i < 100; i++)
        sp__epoch_retire(&f->b, &objects[i].node, object_free);
    sp__epoch_unregister(&f->b);
    CHECK(!sp__epoch_collect(&f->a));
    CHECK_INT(objects_freed(objects, 100), 0);
    sp__epoch_leave(&f->c);
    CHECK(sp__epoch_collect(&f->a));
    CHECK_INT(objects_freed(objects, 100), 100);
    sp__epoch_register(&f->domain, &f->b);
    fixture_end(f);
}

TEST(epoch_finish_frees_the_rest)
{
    struct fixture *f = fixture_make(true);
    struct object objects[100] = { 0 };
    for (int i = 0; i < 100; i++)
        sp__epoch_retire(i % 2 == 0 ? &f->a : &f->b, &objects[i].node, object_free);
    fixture_end(f);
    CHECK_INT(objects_freed(objects, 100), 100);
}

/* --- stress: readers follow shared pointers that writers replace ------------------------------ */

enum { SLOTS = 16, ALIVE = 0x11f3 };

struct shared {
    struct sp__epoch domain;
    _Atomic(struct cell *) slots[SLOTS];
    _Atomic long made;
    _Atomic long freed;
    long rounds;
};

struct cell {
    struct sp__epoch_node node;
    struct shared *shared;
    int state; /* plain on purpose: freeing may not race with a reader */
};

static void cell_free(struct sp__epoch_node *node)
{
    struct cell *cell = sp__container_of(node, struct cell, node);
    cell->state = 0;
    atomic_fetch_add_explicit(&cell->shared->freed, 1, memory_order_relaxed);
    free(cell);
}

static struct cell *cell_make(struct shared *shared)
{
    struct cell *cell = malloc(sizeof(*cell));
    CHECK(cell != NULL);
    *cell = (struct cell){ .shared = shared, .state = ALIVE };
    atomic_fetch_add_explicit(&shared->made, 1, memory_order_relaxed);
    return cell;
}

static void reader_round(struct shared *shared, struct sp__epoch_thread *self, long round)
{
    sp__epoch_enter(self);
    for (long i = 0; i < 4; i++) {
        /* acquire: pairs with the exchange of the writer that published it. */
        struct cell *cell =
            atomic_load_explicit(&shared->slots[(round + i) % SLOTS], memory_order_acquire);
        CHECK_INT(cell->state, ALIVE);
    }
    sp__epoch_leave(self);
}

static void *reader_main(void *arg)
{
    struct shared *shared = arg;
    struct sp__epoch_thread self;
    sp__epoch_register(&shared->domain, &self);
    for (long round = 0; round < shared->rounds; round++)
        reader_round(shared, &self, round);
    sp__epoch_unregister(&self);
    return NULL;
}

/* Registers anew now and then, so that what it retired is handed over while others run. */
static void *writer_main(void *arg)
{
    struct shared *shared = arg;
    struct sp__epoch_thread self;
    sp__epoch_register(&shared->domain, &self);
    for (long round = 0; round < shared->rounds; round++) {
        struct cell *cell = cell_make(shared);
        /* acq_rel: publishes the new one, takes over the old one. */
        struct cell *old =
            atomic_exchange_explicit(&shared->slots[round % SLOTS], cell, memory_order_acq_rel);
        sp__epoch_retire(&self, &old->node, cell_free);
        if (round % 5000 == 4999) {
            sp__epoch_unregister(&self);
            sp__epoch_register(&shared->domain, &self);
        }
    }
    sp__epoch_unregister(&self);
    return NULL;
}

static void stress(bool allow_membarrier)
{
    enum { THREADS = 5 };
    static struct shared shared;
    pthread_t threads[THREADS];
    shared.rounds = sp_test_slow() ? 30000 : 300000;
    sp__epoch_init(&shared.domain, allow_membarrier);
    for (int i = 0; i < SLOTS; i++)
        atomic_init(&shared.slots[i], cell_make(&shared));
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, i < 2 ? writer_main : reader_main, &shared), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    sp__epoch_finish(&shared.domain);
    for (int i = 0; i < SLOTS; i++)
        free(atomic_load_explicit(&shared.slots[i], memory_order_relaxed));
    CHECK_INT(atomic_load_explicit(&shared.freed, memory_order_relaxed) + SLOTS,
              atomic_load_explicit(&shared.made, memory_order_relaxed));
}

TEST(epoch_stress_with_membarrier_never_frees_under_a_reader)
{
    stress(true);
}

TEST(epoch_stress_without_membarrier_never_frees_under_a_reader)
{
    stress(false);
}
