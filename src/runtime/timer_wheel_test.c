/* The timing wheel against a model: a sorted array that does the obvious thing. */
#include "runtime/timer_wheel.h"

#include "support/test.h"

#include <stdlib.h>

/* A fixed generator: the same cases on every machine. Source: G. Marsaglia, xorshift64 (2003). */
static uint64_t rng_state = 88172645463325252;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

enum { NO_LIMIT = 1 << 30 };

/* Fires everything due at `now`; the n-th fired node is found in out[n]. */
static size_t fire(struct sp__wheel *wheel, int64_t now, struct sp__timer_node **out, size_t max)
{
    struct sp__list fired;
    size_t count = 0;
    sp__list_init(&fired);
    CHECK(!sp__wheel_advance(wheel, now, NO_LIMIT, &fired));
    for (struct sp__list *link; (link = sp__list_pop_front(&fired)) != NULL; count++) {
        CHECK(count < max);
        out[count] = sp__container_of(link, struct sp__timer_node, link);
        CHECK(!sp__wheel_armed(out[count]));
    }
    return count;
}

TEST(wheel_init_when_empty_has_nothing_to_wait_for)
{
    static struct sp__wheel wheel;
    struct sp__timer_node *out[1];
    sp__wheel_init(&wheel, 1000);
    CHECK_INT(sp__wheel_next(&wheel), INT64_MAX);
    CHECK_INT(fire(&wheel, INT64_MAX, out, 1), 0);
    CHECK_INT(sp__wheel_count(&wheel), 0);
}

TEST(wheel_advance_before_expiry_fires_nothing_at_expiry_fires)
{
    static struct sp__wheel wheel;
    static const int64_t waits[] = { 1, 63, 64, 65, 4095, 4096, 1000000, INT64_C(86400000000000) };
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        struct sp__timer_node node = { 0 };
        struct sp__timer_node *out[1];
        sp__wheel_init(&wheel, 12345);
        sp__wheel_arm(&wheel, &node, 12345 + waits[i]);
        CHECK(sp__wheel_armed(&node));
        CHECK_INT(sp__wheel_next(&wheel), 12345 + waits[i]);
        CHECK_INT(fire(&wheel, 12345 + waits[i] - 1, out, 1), 0);
        CHECK_INT(fire(&wheel, 12345 + waits[i], out, 1), 1);
        CHECK_PTR(out[0], &node);
        CHECK_INT(sp__wheel_next(&wheel), INT64_MAX);
    }
}

TEST(wheel_arm_when_expiry_passed_fires_at_next_advance_in_arming_order)
{
    static struct sp__wheel wheel;
    struct sp__timer_node a = { 0 }, b = { 0 }, c = { 0 };
    struct sp__timer_node *out[3];
    sp__wheel_init(&wheel, 0);
    CHECK_INT(fire(&wheel, 5000, out, 3), 0);
    sp__wheel_arm(&wheel, &a, 4000);
    sp__wheel_arm(&wheel, &b, INT64_MIN);
    sp__wheel_arm(&wheel, &c, 5000);
    CHECK(sp__wheel_next(&wheel) <= 5000);
    CHECK_INT(fire(&wheel, 5000, out, 3), 3);
    CHECK_PTR(out[0], &a);
    CHECK_PTR(out[1], &b);
    CHECK_PTR(out[2], &c);
}

TEST(wheel_advance_when_clock_steps_back_fires_only_what_was_due)
{
    static struct sp__wheel wheel;
    struct sp__timer_node a = { 0 }, b = { 0 };
    struct sp__timer_node *out[2];
    sp__wheel_init(&wheel, 1000);
    sp__wheel_arm(&wheel, &a, 1000);
    sp__wheel_arm(&wheel, &b, 1001);
    CHECK_INT(fire(&wheel, 3, out, 2), 1);
    CHECK_PTR(out[0], &a);
    CHECK_INT(fire(&wheel, 1001, out, 2), 1);
}

TEST(wheel_cancel_when_armed_is_true_once_and_never_fires)
{
    static struct sp__wheel wheel;
    struct sp__timer_node node = { 0 };
    struct sp__timer_node *out[1];
    sp__wheel_init(&wheel, 0);
    CHECK(!sp__wheel_cancel(&wheel, &node));
    sp__wheel_arm(&wheel, &node, 100);
    CHECK(sp__wheel_cancel(&wheel, &node));
    CHECK(!sp__wheel_cancel(&wheel, &node));
    CHECK_INT(sp__wheel_next(&wheel), INT64_MAX);
    CHECK_INT(fire(&wheel, 200, out, 1), 0);
    sp__wheel_arm(&wheel, &node, 300);
    CHECK_INT(fire(&wheel, 300, out, 1), 1);
    CHECK(!sp__wheel_cancel(&wheel, &node));
}

TEST(wheel_arm_at_the_end_of_time_works)
{
    static struct sp__wheel wheel;
    struct sp__timer_node far = { 0 }, near = { 0 };
    struct sp__timer_node *out[2];
    sp__wheel_init(&wheel, 1);
    sp__wheel_arm(&wheel, &far, INT64_MAX);
    sp__wheel_arm(&wheel, &near, INT64_MAX - 1);
    CHECK_INT(sp__wheel_next(&wheel), INT64_MAX - 1);
    CHECK_INT(fire(&wheel, INT64_MAX - 2, out, 2), 0);
    CHECK_INT(fire(&wheel, INT64_MAX - 1, out, 2), 1);
    CHECK_PTR(out[0], &near);
    CHECK_INT(fire(&wheel, INT64_MAX, out, 2), 1);
    CHECK_PTR(out[0], &far);
}

/* The sleeper of an idle runtime: sleeps until next(), advances, until all have fired. */
static int wakes_until_empty(struct sp__wheel *wheel)
{
    int wakes = 0;
    struct sp__timer_node *out[100];
    while (sp__wheel_count(wheel) > 0) {
        (void)fire(wheel, sp__wheel_next(wheel), out, 100);
        wakes++;
    }
    return wakes;
}

TEST(wheel_next_with_one_far_timer_wakes_once)
{
    static struct sp__wheel wheel;
    struct sp__timer_node node = { 0 };
    sp__wheel_init(&wheel, 0);
    sp__wheel_arm(&wheel, &node, INT64_C(31536000) * 1000000000 + 17);
    CHECK_INT(wakes_until_empty(&wheel), 1);
}

TEST(wheel_next_with_many_far_timers_wakes_once_per_level)
{
    static struct sp__wheel wheel;
    static struct sp__timer_node nodes[100];
    sp__wheel_init(&wheel, 0);
    for (int i = 0; i < 100; i++)
        sp__wheel_arm(&wheel, &nodes[i], INT64_C(31536000) * 1000000000 + 17);
    CHECK(wakes_until_empty(&wheel) <= SP__WHEEL_LEVELS);
}

/* --- against a model ---------------------------------------------------------------------- */

enum { MODEL_MAX = 400 };

struct model_timer {
    struct sp__timer_node node;
    int64_t due;   /* its expiry, or what the clock was when it was armed too late */
    uint64_t turn; /* which arming it was */
    bool armed;
};

struct model {
    struct sp__wheel wheel;
    struct model_timer timers[MODEL_MAX];
    int64_t (*wait)(void);
    int64_t now;
    uint64_t turns;
};

/* The armed timer that must fire next, or NULL. */
static const struct model_timer *model_first(const struct model *m)
{
    const struct model_timer *first = NULL;
    for (int i = 0; i < MODEL_MAX; i++) {
        const struct model_timer *t = &m->timers[i];
        if (t->armed && (first == NULL || t->due < first->due ||
                         (t->due == first->due && t->turn < first->turn)))
            first = t;
    }
    return first;
}

/* Waits of every magnitude from 1 ns to years. */
static int64_t model_wait(void)
{
    return (int64_t)(rng() >> (2 + rng() % 62));
}

/* Waits up to 200 us of which many are the same: slots above the lowest level with none, some and
 * too many nodes to fire from there, and several that expire at one instant. */
static int64_t model_wait_dense(void)
{
    return (int64_t)(rng() % 200 * 1000 + (rng() % 4 == 0 ? rng() % 1000 : 0));
}

static void model_arm(struct model *m, struct model_timer *t)
{
    int64_t wait = rng() % 8 == 0 ? -m->wait() : m->wait();
    int64_t expiry;
    if (__builtin_add_overflow(m->now, wait, &expiry))
        expiry = INT64_MAX;
    t->due = expiry > m->wheel.base ? expiry : m->wheel.base;
    t->turn = m->turns++;
    t->armed = true;
    sp__wheel_arm(&m->wheel, &t->node, expiry);
}

static void model_toggle(struct model *m)
{
    struct model_timer *t = &m->timers[rng() % MODEL_MAX];
    CHECK_INT(sp__wheel_armed(&t->node), t->armed);
    if (t->armed) {
        CHECK(sp__wheel_cancel(&m->wheel, &t->node));
        t->armed = false;
    } else {
        model_arm(m, t);
    }
}

static void model_check_fired(struct model *m, struct sp__list *fired)
{
    struct sp__list *link;
    while ((link = sp__list_pop_front(fired)) != NULL) {
        struct model_timer *t = sp__container_of(link, struct model_timer, node.link);
        CHECK_PTR(t, model_first(m));
        CHECK(t->due <= m->now);
        t->armed = false;
    }
}

/* A sleeper that trusts it never sleeps too long. */
static void model_check_next(const struct model *m)
{
    const struct model_timer *first = model_first(m);
    int64_t next = sp__wheel_next(&m->wheel);
    if (first != NULL)
        CHECK(next <= first->due);
    else if (sp__list_empty(&m->wheel.moving))
        CHECK_INT(next, INT64_MAX);
}

/* Advances in steps of `budget`, arming and cancelling between the steps. */
static void model_advance(struct model *m, int64_t to, size_t budget)
{
    struct sp__list fired;
    sp__list_init(&fired);
    m->now = to;
    for (bool more = true; more;) {
        more = sp__wheel_advance(&m->wheel, to, budget, &fired);
        CHECK(sp__list_count(&fired) <= budget);
        model_check_fired(m, &fired);
        if (more && rng() % 4 == 0)
            model_toggle(m);
        if (more)
            model_check_next(m);
    }
    const struct model_timer *first = model_first(m);
    CHECK(first == NULL || first->due > to);
}

static void model_run(int64_t (*wait)(void), int steps, size_t budget)
{
    struct model *m = calloc(1, sizeof(*m));
    CHECK(m != NULL);
    m->wait = wait;
    sp__wheel_init(&m->wheel, 0);
    for (int step = 0; step < steps; step++) {
        for (uint64_t n = rng() % 20; n > 0; n--)
            model_toggle(m);
        model_check_next(m);
        int64_t to = rng() % 2 == 0 ? sp__wheel_next(&m->wheel) : m->now + wait();
        if (to > m->now && to < INT64_MAX / 2)
            model_advance(m, to, budget);
    }
    free(m);
}

TEST(wheel_random_operations_fire_as_the_model_does)
{
    model_run(model_wait, sp_test_slow() ? 1000 : 4000, NO_LIMIT);
}

TEST(wheel_random_operations_with_small_budget_fire_as_the_model_does)
{
    model_run(model_wait, sp_test_slow() ? 1000 : 4000, 3);
    model_run(model_wait, sp_test_slow() ? 1000 : 4000, 1);
}

TEST(wheel_random_operations_on_full_slots_fire_as_the_model_does)
{
    model_run(model_wait_dense, sp_test_slow() ? 1000 : 4000, NO_LIMIT);
    model_run(model_wait_dense, sp_test_slow() ? 1000 : 4000, 3);
}

/* --- the budget --------------------------------------------------------------------------- */

TEST(wheel_advance_with_budget_touches_no_more_and_says_so)
{
    static struct sp__wheel wheel;
    static struct sp__timer_node nodes[1000];
    struct sp__list fired;
    int calls = 0;
    bool more = true;
    sp__list_init(&fired);
    sp__wheel_init(&wheel, 0);
    for (int i = 0; i < 1000; i++)
        sp__wheel_arm(&wheel, &nodes[i], 5000);
    while (more) {
        size_t before = sp__list_count(&fired);
        more = sp__wheel_advance(&wheel, 5000, 10, &fired);
        CHECK(sp__list_count(&fired) - before <= 10);
        CHECK(!more || sp__wheel_count(&wheel) == 0 || sp__wheel_next(&wheel) <= 5000);
        calls++;
    }
    CHECK_INT(sp__list_count(&fired), 1000);
    CHECK(calls >= 200); /* each node is moved at least once and then fired */
    for (int i = 0; i < 1000; i++)
        CHECK_PTR(sp__list_pop_front(&fired), &nodes[i].link);
}

/* A cascade stopped in the middle: what is armed, cancelled and late meanwhile keeps its order. */
TEST(wheel_arm_during_unfinished_cascade_fires_after_the_earlier_ones)
{
    static struct sp__wheel wheel;
    struct sp__timer_node a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }, late = { 0 };
    struct sp__timer_node *out[4];
    struct sp__list fired;
    sp__list_init(&fired);
    sp__wheel_init(&wheel, 0);
    sp__wheel_arm(&wheel, &a, 4100);
    sp__wheel_arm(&wheel, &b, 4100);
    sp__wheel_arm(&wheel, &c, 4100);
    CHECK(sp__wheel_advance(&wheel, 4100, 1, &fired)); /* moves one down and stops */
    CHECK(sp__list_empty(&fired));
    sp__wheel_arm(&wheel, &d, 4100);
    sp__wheel_arm(&wheel, &late, 7);
    CHECK(sp__wheel_next(&wheel) <= 4100);
    CHECK(sp__wheel_cancel(&wheel, &b));
    CHECK_INT(fire(&wheel, 4100, out, 4), 4);
    CHECK_PTR(out[0], &a);
    CHECK_PTR(out[1], &c);
    CHECK_PTR(out[2], &d);
    CHECK_PTR(out[3], &late);
}

TEST(wheel_cancel_all_during_unfinished_cascade_leaves_an_empty_wheel)
{
    static struct sp__wheel wheel;
    struct sp__timer_node a = { 0 }, b = { 0 };
    struct sp__timer_node *out[2];
    struct sp__list fired;
    sp__list_init(&fired);
    sp__wheel_init(&wheel, 0);
    sp__wheel_arm(&wheel, &a, 4100);
    sp__wheel_arm(&wheel, &b, 4100);
    CHECK(sp__wheel_advance(&wheel, 4100, 1, &fired));
    CHECK(sp__wheel_cancel(&wheel, &b));
    CHECK(sp__wheel_cancel(&wheel, &a));
    CHECK_INT(fire(&wheel, 4100, out, 2), 0);
    CHECK_INT(sp__wheel_next(&wheel), INT64_MAX);
    sp__wheel_arm(&wheel, &a, 4101);
    CHECK_INT(fire(&wheel, 4101, out, 2), 1);
}

TEST(wheel_million_timers_all_fire_in_order)
{
    static struct sp__wheel wheel;
    int count = sp_test_slow() ? 100000 : 1000000;
    struct sp__timer_node *nodes = calloc((size_t)count, sizeof(*nodes));
    int64_t last = 0;
    int fired_count = 0;
    CHECK(nodes != NULL);
    sp__wheel_init(&wheel, 0);
    for (int i = 0; i < count; i++)
        sp__wheel_arm(&wheel, &nodes[i], (int64_t)(rng() % INT64_C(10000000000)));
    CHECK_INT(sp__wheel_count(&wheel), count);
    for (int64_t now = 0; sp__wheel_count(&wheel) > 0; now += 1000000) {
        struct sp__list fired;
        sp__list_init(&fired);
        while (sp__wheel_advance(&wheel, now, 256, &fired))
            CHECK(sp__wheel_next(&wheel) <= now || !sp__list_empty(&fired));
        for (struct sp__list *link; (link = sp__list_pop_front(&fired)) != NULL; fired_count++) {
            int64_t expiry = sp__container_of(link, struct sp__timer_node, link)->expiry_ns;
            CHECK(expiry >= last && expiry <= now);
            last = expiry;
        }
    }
    CHECK_INT(fired_count, count);
    free(nodes);
}
