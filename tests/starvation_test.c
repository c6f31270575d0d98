/* The detector of starvation: it tells of a turn behind which others wait, and of nothing else.
 * docs/scheduling.md.
 */
#include "spawned/starvation.h"

#include "support/puppet.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* A hundred thousand stacks are too many for it. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
enum { CROWD = 2000 };
#else
enum { CROWD = 100000 };
#endif

enum {
    BURNERS = 4,
};

/* ---- what was told -------------------------------------------------------------------- */

static struct {
    _Atomic int count[3]; /* by level */
    struct sp_starvation last[3];
} told;

static void on_starvation(const struct sp_starvation *starvation, void *arg)
{
    CHECK(arg == &told);
    told.last[starvation->level] = *starvation;
    atomic_fetch_add(&told.count[starvation->level], 1);
}

static void told_reset(void)
{
    memset(&told, 0, sizeof(told));
}

static void told_await(enum sp_starvation_level level)
{
    while (atomic_load(&told.count[level]) == 0)
        sp_yield();
}

/* ---- one that starves the others ------------------------------------------------------ */

static _Atomic bool hog_goes_on;

static void hog(void *arg)
{
    (void)arg;
    while (atomic_load(&hog_goes_on))
        continue;
}

static void nothing(void *arg)
{
    (void)arg;
}

static void hog_begin(sp_pid *out_hog)
{
    told_reset();
    atomic_store(&hog_goes_on, true);
    world_open(&(struct sp_runtime_options){ .workers = 1, .stuck_after = sp_ms(-1) });
    *out_hog = puppet_start(&(struct sp_spawn_options){ .name = "hog" });
    puppet_do(*out_hog, nothing, NULL); /* so that nobody waits any more who is new */
}

/* In the hog: somebody waits in the queue of its worker. */
static void hog_with_others(void *arg)
{
    CHECK_OK(sp_spawn(nothing, NULL, NULL, NULL));
    hog(arg);
}

TEST(a_turn_that_does_not_end_is_told_of_until_it_does)
{
    sp_pid puppet;
    hog_begin(&puppet);
    CHECK_OK(sp_starvation_start(world_runtime(),
                                 &(struct sp_starvation_options){ .interval = sp_ms(1),
                                                                  .warning = sp_ms(10),
                                                                  .critical = sp_ms(30),
                                                                  .on_starvation = on_starvation,
                                                                  .arg = &told,
                                                                  .notify = sp_self() }));
    puppet_tell(puppet, hog_with_others, NULL);
    told_await(SP_STARVATION_CRITICAL);
    CHECK_INT(atomic_load(&told.count[SP_STARVATION_WARNING]), 1);
    CHECK_INT(atomic_load(&told.count[SP_STARVATION_OVER]), 0);
    const struct sp_starvation *critical = &told.last[SP_STARVATION_CRITICAL];
    CHECK(critical->delay.ns >= sp_ms(30).ns);
    CHECK(critical->waiting >= 1);
    CHECK_CONTAINS(critical->process, "hog");
    /* Where the machine is busy the thread may not answer in time. */
    if (critical->stack[0] != '\0')
        CHECK_CONTAINS(critical->stack, "test_system_starvation");
    atomic_store(&hog_goes_on, false);
    told_await(SP_STARVATION_OVER);
    for (int level = SP_STARVATION_WARNING; level <= SP_STARVATION_CRITICAL; level++) {
        struct sp_message *message = expect_message();
        CHECK(sp_message_type(message) == &sp_starvation_type);
        const struct sp_starvation *event = sp_message_peek(message);
        CHECK_INT(event->level, level);
        sp_message_free(message);
    }
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    CHECK_INT(stats.starvations, 1);
    CHECK_INT(stats.starvations_critical, 1);
    sp_starvation_stop(world_runtime());
    world_close();
}

/* The hog runs for much longer than the thresholds. */
static void silent(puppet_order_fn order, bool asked)
{
    sp_pid puppet;
    hog_begin(&puppet);
    struct sp_starvation_options options = { .interval = sp_ms(1),
                                             .warning = sp_ms(1),
                                             .critical = sp_ms(1),
                                             .on_starvation = on_starvation,
                                             .arg = &told };
    CHECK_OK(sp_starvation_start(world_runtime(), &options));
    if (!asked)
        sp_starvation_stop(world_runtime());
    puppet_tell(puppet, order, NULL);
    for (sp_time until = { sp_now().ns + 30 * SP_NS_PER_MS }; sp_now().ns < until.ns;)
        sp_yield();
    atomic_store(&hog_goes_on, false);
    CHECK_INT(atomic_load(&told.count[SP_STARVATION_WARNING]), 0);
    world_close();
}

TEST(nobody_is_told_when_nobody_waits)
{
    silent(hog, true);
}

TEST(nobody_is_told_who_does_not_want_to_know)
{
    silent(hog_with_others, false);
}

/* ---- load ----------------------------------------------------------------------------- */

static _Atomic bool load_goes_on;
static _Atomic uint64_t turns;

static void works_and_yields(void *arg)
{
    (void)arg;
    while (atomic_load(&load_goes_on)) {
        atomic_fetch_add(&turns, 1);
        sp_yield();
    }
}

static void *burns(void *arg)
{
    (void)arg;
    while (atomic_load(&load_goes_on))
        continue;
    return NULL;
}

/* By the default thresholds: every process runnable all the time, and the machine busy with something else besides. */
TEST(a_loaded_runtime_on_a_loaded_machine_raises_no_alarm)
{
    pthread_t burners[BURNERS];
    told_reset();
    world_open(NULL);
    CHECK_OK(sp_starvation_start(
        world_runtime(), &(struct sp_starvation_options){
                             .interval = sp_ms(2), .on_starvation = on_starvation, .arg = &told }));
    atomic_store(&load_goes_on, true);
    for (int i = 0; i < BURNERS; i++)
        CHECK_INT(pthread_create(&burners[i], NULL, burns, NULL), 0);
    for (int i = 0; i < CROWD; i++)
        CHECK_OK(sp_spawn(works_and_yields, NULL, NULL, NULL));
    /* Each had several turns, and waited for all others in between. */
    while (atomic_load(&turns) < 4 * (uint64_t)CROWD)
        sp_yield();
    atomic_store(&load_goes_on, false);
    for (int i = 0; i < BURNERS; i++)
        pthread_join(burners[i], NULL);
    CHECK_INT(atomic_load(&told.count[SP_STARVATION_WARNING]), 0);
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    CHECK_INT(stats.starvations, 0);
    world_close();
}

TEST(what_is_out_of_range_is_refused)
{
    static const struct sp_starvation_options wrong[] = {
        { .interval = { 1 } },
        { .warning = { SP_NS_PER_MS } },
        { .critical = { SP_NS_PER_MS } },
    };
    world_open(NULL);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_ERR(sp_starvation_start(world_runtime(), &wrong[i]), SP_ERR_INVALID);
    world_close();
}
