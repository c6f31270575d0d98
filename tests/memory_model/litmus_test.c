/* The checker checked: litmus tests with the outcomes that are known for C11 as repaired. */
#include "model.h"

#include "support/test.h"

#include <string.h>

#define RLX memory_order_relaxed
#define ACQ memory_order_acquire
#define REL memory_order_release
#define AR memory_order_acq_rel
#define SC memory_order_seq_cst

enum { LITMUS_REGISTERS = 6, LITMUS_OUTCOMES = 128 };

static struct {
    _Atomic int x, y, z;
    int plain;
    int r[LITMUS_REGISTERS];
} litmus;

/* What was seen: the registers as the digits of a number. */
static struct {
    int seen[LITMUS_OUTCOMES];
    int count;
} outcomes;

static void litmus_final(void)
{
    int outcome = 0;
    for (int i = 0; i < LITMUS_REGISTERS; i++)
        outcome = outcome * 10 + litmus.r[i];
    for (int i = 0; i < outcomes.count; i++)
        if (outcomes.seen[i] == outcome)
            return;
    if (outcomes.count < LITMUS_OUTCOMES)
        outcomes.seen[outcomes.count++] = outcome;
}

/* Digits as in the source: r0 is the first of six. */
static bool was_seen(int outcome)
{
    for (int i = 0; i < outcomes.count; i++)
        if (outcomes.seen[i] == outcome)
            return true;
    return false;
}

static struct model_result litmus_result;

/* Both ways of going through them must agree on the set of executions. */
static void explore(void (*a)(void), void (*b)(void), void (*c)(void), void (*d)(void))
{
    struct model model = { .name = "litmus",
                           .state = &litmus,
                           .state_size = sizeof(litmus),
                           .threads = { a, b, c, d },
                           .thread_names = { "A", "B", "C", "D" },
                           .final = litmus_final };
    static struct model_result naive;
    model_explore(&model, &(struct model_options){ .naive = true }, &naive);
    memset(&outcomes, 0, sizeof(outcomes));
    model_explore(&model, NULL, &litmus_result);
    CHECK_INT(litmus_result.verdict, naive.verdict);
    if (naive.verdict == MODEL_COMPLETE) {
        CHECK_INT(litmus_result.executions, naive.executions);
        CHECK_INT(litmus_result.fingerprint, naive.fingerprint);
    }
}

#define STORE(at, value, order) atomic_store_explicit(&litmus.at, value, order)
#define LOAD(at, order) atomic_load_explicit(&litmus.at, order)
#define THREAD(name, ...)  \
    static void name(void) \
    {                      \
        __VA_ARGS__        \
    }

/* ---- store buffering ---- */

THREAD(sb_a, STORE(x, 1, RLX); litmus.r[0] = LOAD(y, RLX);)
THREAD(sb_b, STORE(y, 1, RLX); litmus.r[1] = LOAD(x, RLX);)
THREAD(sb_ra_a, STORE(x, 1, REL); litmus.r[0] = LOAD(y, ACQ);)
THREAD(sb_ra_b, STORE(y, 1, REL); litmus.r[1] = LOAD(x, ACQ);)
THREAD(sb_sc_a, STORE(x, 1, SC); litmus.r[0] = LOAD(y, SC);)
THREAD(sb_sc_b, STORE(y, 1, SC); litmus.r[1] = LOAD(x, SC);)
THREAD(sb_f_a, STORE(x, 1, RLX); atomic_thread_fence(SC); litmus.r[0] = LOAD(y, RLX);)
THREAD(sb_f_b, STORE(y, 1, RLX); atomic_thread_fence(SC); litmus.r[1] = LOAD(x, RLX);)
THREAD(sb_ar_b, STORE(y, 1, RLX); atomic_thread_fence(AR); litmus.r[1] = LOAD(x, RLX);)
THREAD(sb_light_a, STORE(x, 1, RLX); atomic_signal_fence(SC); litmus.r[0] = LOAD(y, RLX);)
THREAD(sb_light_b, STORE(y, 1, RLX); atomic_signal_fence(SC); litmus.r[1] = LOAD(x, RLX);)
THREAD(sb_heavy_b, STORE(y, 1, RLX); model_membarrier(); litmus.r[1] = LOAD(x, RLX);)
THREAD(sb_rmw_a, atomic_fetch_add_explicit(&litmus.x, 1, SC); litmus.r[0] = LOAD(y, SC);)

TEST(store_buffering_is_seen_unless_both_are_seq_cst)
{
    explore(sb_a, sb_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
    CHECK(was_seen(0));
    explore(sb_ra_a, sb_ra_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
    explore(sb_sc_a, sb_ra_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
    explore(sb_sc_a, sb_sc_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 3);
    CHECK(!was_seen(0));
    explore(sb_rmw_a, sb_sc_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 3);
}

TEST(store_buffering_is_prevented_by_two_full_fences_only)
{
    explore(sb_f_a, sb_f_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 3);
    explore(sb_f_a, sb_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
    explore(sb_f_a, sb_ar_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
}

TEST(a_membarrier_pairs_with_light_fences_and_these_not_with_others)
{
    explore(sb_light_a, sb_heavy_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 3);
    explore(sb_light_a, sb_light_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
    explore(sb_light_a, sb_f_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
    explore(sb_f_a, sb_heavy_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 3);
    explore(sb_a, sb_heavy_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
}

/* ---- message passing ---- */

THREAD(mp_a, STORE(x, 1, RLX); STORE(y, 1, RLX);)
THREAD(mp_b, litmus.r[0] = LOAD(y, RLX); litmus.r[1] = LOAD(x, RLX);)
THREAD(mp_rel_a, STORE(x, 1, RLX); STORE(y, 1, REL);)
THREAD(mp_acq_b, litmus.r[0] = LOAD(y, ACQ); litmus.r[1] = LOAD(x, RLX);)
THREAD(mp_f_a, STORE(x, 1, RLX); atomic_thread_fence(REL); STORE(y, 1, RLX);)
THREAD(mp_f_b, litmus.r[0] = LOAD(y, RLX); atomic_thread_fence(ACQ); litmus.r[1] = LOAD(x, RLX);)
THREAD(mp_plain_a, litmus.plain = 1; STORE(y, 1, REL);)
THREAD(mp_plain_rlx_a, litmus.plain = 1; STORE(y, 1, RLX);)
THREAD(mp_plain_b, if (LOAD(y, ACQ) == 1) litmus.r[0] = litmus.plain;)
THREAD(mp_plain_rlx_b, if (LOAD(y, RLX) == 1) litmus.r[0] = litmus.plain;)

TEST(messages_pass_with_release_and_acquire_only)
{
    explore(mp_a, mp_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
    CHECK(was_seen(100000));
    explore(mp_rel_a, mp_acq_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 3);
    CHECK(!was_seen(100000));
    explore(mp_rel_a, mp_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
    explore(mp_a, mp_acq_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
    explore(mp_f_a, mp_f_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 3);
    explore(mp_f_a, mp_acq_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 3);
    explore(mp_f_a, mp_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
}

TEST(a_plain_message_without_release_or_acquire_is_a_data_race)
{
    explore(mp_plain_a, mp_plain_b, NULL, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_COMPLETE);
    CHECK_INT(litmus_result.executions, 2);
    explore(mp_plain_rlx_a, mp_plain_b, NULL, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_FOUND);
    CHECK_CONTAINS(litmus_result.report, "data race");
    CHECK_CONTAINS(litmus_result.report, "mp_plain_rlx_a(): store &litmus.y relaxed: writes 1");
    explore(mp_plain_a, mp_plain_rlx_b, NULL, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_FOUND);
    CHECK_CONTAINS(litmus_result.report, "reads 1 from 1");
}

THREAD(race_a, litmus.plain = 1;)
THREAD(race_b, litmus.r[0] = litmus.plain;)
THREAD(race_c, litmus.r[1] = litmus.plain;)
THREAD(race_free_a, model_freed(&litmus.x, sizeof(litmus.x));)
THREAD(race_x_a, STORE(x, 1, RLX);)
THREAD(race_x_b, litmus.r[0] = LOAD(x, ACQ);)

TEST(a_data_race_is_two_plain_accesses_or_one_and_one_of_them_writes)
{
    explore(race_a, race_b, NULL, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_FOUND);
    explore(race_b, race_c, NULL, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_COMPLETE);
    CHECK_INT(litmus_result.executions, 1);
    explore(race_free_a, race_x_b, NULL, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_FOUND);
    explore(race_x_a, race_x_b, NULL, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_COMPLETE);
}

/* ---- load buffering: program order and reads-from have no cycle in RC11 ---- */

THREAD(lb_a, litmus.r[0] = LOAD(x, RLX); STORE(y, 1, RLX);)
THREAD(lb_b, litmus.r[1] = LOAD(y, RLX); STORE(x, 1, RLX);)

TEST(load_buffering_is_forbidden)
{
    explore(lb_a, lb_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 3);
    CHECK(!was_seen(110000));
}

/* ---- coherence ---- */

THREAD(w_x1, STORE(x, 1, RLX);)
THREAD(w_x2, STORE(x, 2, RLX);)
THREAD(w_x12, STORE(x, 1, RLX); STORE(x, 2, RLX);)
THREAD(r_xx, litmus.r[0] = LOAD(x, RLX); litmus.r[1] = LOAD(x, RLX);)
THREAD(r_xx2, litmus.r[2] = LOAD(x, RLX); litmus.r[3] = LOAD(x, RLX);)

TEST(reads_of_one_location_never_go_back)
{
    explore(w_x12, r_xx, NULL, NULL);
    CHECK_INT(litmus_result.executions, 6);
    CHECK(!was_seen(210000));
    explore(w_x1, w_x2, r_xx, NULL);
    /* Two orders of the writes, and six of the reads in each. */
    CHECK_INT(litmus_result.executions, 12);
    explore(w_x1, w_x2, r_xx, r_xx2);
    CHECK_INT(litmus_result.executions, 72);
    CHECK(!was_seen(122100));
}

/* ---- independent reads of independent writes ---- */

THREAD(i_x, STORE(x, 1, RLX);)
THREAD(i_y, STORE(y, 1, RLX);)
THREAD(i_xy, litmus.r[0] = LOAD(x, ACQ); litmus.r[1] = LOAD(y, ACQ);)
THREAD(i_yx, litmus.r[2] = LOAD(y, ACQ); litmus.r[3] = LOAD(x, ACQ);)
THREAD(i_sc_x, STORE(x, 1, SC);)
THREAD(i_sc_y, STORE(y, 1, SC);)
THREAD(i_sc_xy, litmus.r[0] = LOAD(x, SC); litmus.r[1] = LOAD(y, SC);)
THREAD(i_sc_yx, litmus.r[2] = LOAD(y, SC); litmus.r[3] = LOAD(x, SC);)
THREAD(i_f_xy, litmus.r[0] = LOAD(x, RLX); atomic_thread_fence(SC); litmus.r[1] = LOAD(y, RLX);)
THREAD(i_f_yx, litmus.r[2] = LOAD(y, RLX); atomic_thread_fence(SC); litmus.r[3] = LOAD(x, RLX);)

TEST(independent_writes_come_in_one_order_with_seq_cst_only)
{
    explore(i_x, i_y, i_xy, i_yx);
    CHECK_INT(litmus_result.executions, 16);
    CHECK(was_seen(101000));
    explore(i_sc_x, i_sc_y, i_sc_xy, i_sc_yx);
    CHECK_INT(litmus_result.executions, 15);
    CHECK(!was_seen(101000));
    explore(i_x, i_y, i_f_xy, i_f_yx);
    CHECK_INT(litmus_result.executions, 15);
}

/* ---- write to read causality; 2+2W; ISA2 ---- */

THREAD(wrc_b, litmus.r[0] = LOAD(x, RLX); STORE(y, 1, REL);)
THREAD(wrc_rlx_b, litmus.r[0] = LOAD(x, RLX); STORE(y, 1, RLX);)
THREAD(wrc_c, litmus.r[1] = LOAD(y, ACQ); litmus.r[2] = LOAD(x, RLX);)

TEST(causality_goes_through_a_third_thread)
{
    explore(i_x, wrc_b, wrc_c, NULL);
    CHECK_INT(litmus_result.executions, 7);
    CHECK(!was_seen(110000));
    explore(i_x, wrc_rlx_b, wrc_c, NULL);
    CHECK_INT(litmus_result.executions, 8);
    CHECK(was_seen(110000));
}

THREAD(ww_a, STORE(x, 1, RLX); STORE(y, 2, RLX);)
THREAD(ww_b, STORE(y, 1, RLX); STORE(x, 2, RLX);)
THREAD(ww_sc_a, STORE(x, 1, SC); STORE(y, 2, SC);)
THREAD(ww_sc_b, STORE(y, 1, SC); STORE(x, 2, SC);)

TEST(two_times_two_writes_have_all_orders_unless_seq_cst)
{
    explore(ww_a, ww_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 4);
    explore(ww_sc_a, ww_sc_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 3);
}

/* ---- updates ---- */

THREAD(add_a, litmus.r[0] = atomic_fetch_add_explicit(&litmus.x, 1, RLX);)
THREAD(add_b, litmus.r[1] = atomic_fetch_add_explicit(&litmus.x, 1, RLX);)
THREAD(add_c, litmus.r[2] = atomic_fetch_add_explicit(&litmus.x, 1, RLX);)
THREAD(add_d, litmus.r[3] = atomic_fetch_add_explicit(&litmus.x, 1, RLX);)

static void swap_once(int reg)
{
    int expected = 0;
    litmus.r[reg] = atomic_compare_exchange_strong_explicit(&litmus.x, &expected, 1, RLX, RLX);
}
THREAD(swap_a, swap_once(0);)
THREAD(swap_b, swap_once(1);)

TEST(updates_are_atomic)
{
    explore(add_a, add_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 2);
    explore(add_a, add_b, add_c, NULL);
    CHECK_INT(litmus_result.executions, 6);
    explore(add_a, add_b, add_c, add_d);
    CHECK_INT(litmus_result.executions, 24);
    explore(swap_a, swap_b, NULL, NULL);
    CHECK_INT(litmus_result.executions, 2);
    CHECK(was_seen(100000) && was_seen(10000) && outcomes.count == 2);
}

/* ---- release sequences ---- */

THREAD(seq_a, litmus.plain = 1; STORE(x, 1, REL);)
THREAD(seq_b, if (LOAD(x, RLX) == 1) atomic_fetch_add_explicit(&litmus.x, 1, RLX);)
THREAD(seq_c, if (LOAD(x, ACQ) == 2) litmus.r[0] = litmus.plain;)
THREAD(seq_store_b, if (LOAD(x, RLX) == 1) STORE(x, 2, RLX);)
THREAD(seq_same_a, litmus.plain = 1; STORE(x, 1, REL); STORE(x, 2, RLX);)

TEST(a_release_sequence_goes_on_through_updates_and_not_through_stores)
{
    explore(seq_a, seq_b, seq_c, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_COMPLETE);
    explore(seq_a, seq_store_b, seq_c, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_FOUND);
    /* C17 has this one; C++20 has taken it out. */
    explore(seq_same_a, seq_c, NULL, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_FOUND);
}

/* ---- seq_cst in odd places: RC11's own examples ---- */

/* Z6.U: the weaker of the two orders that the repaired model allows. */
THREAD(z6_a, STORE(x, 1, SC); STORE(y, 1, REL);)
THREAD(z6_b, atomic_fetch_add_explicit(&litmus.y, 1, SC); litmus.r[0] = LOAD(y, RLX);)
THREAD(z6_c, STORE(y, 3, SC); litmus.r[1] = LOAD(x, SC);)

TEST(seq_cst_writes_do_not_order_what_release_orders)
{
    explore(z6_a, z6_b, z6_c, NULL);
    CHECK(was_seen(300000));
}

/* Fences give back sequential consistency between relaxed accesses: RWC with two fences. */
THREAD(rwc_b, litmus.r[0] = LOAD(x, RLX); atomic_thread_fence(SC); litmus.r[1] = LOAD(y, RLX);)
THREAD(rwc_c, STORE(y, 1, RLX); atomic_thread_fence(SC); litmus.r[2] = LOAD(x, RLX);)
THREAD(rwc_ra_c, STORE(y, 1, REL); litmus.r[2] = LOAD(x, ACQ);)

TEST(a_read_before_a_full_fence_counts_as_seen_by_the_other_fence)
{
    explore(i_x, rwc_b, rwc_c, NULL);
    CHECK(!was_seen(100000));
    CHECK_INT(litmus_result.executions, 7);
    explore(i_x, rwc_b, rwc_ra_c, NULL);
    CHECK(was_seen(100000));
    CHECK_INT(litmus_result.executions, 8);
}

/* ---- waiting ---- */

THREAD(wait_b, while (LOAD(x, ACQ) == 0) model_wait(); litmus.r[0] = 1;)
THREAD(sleep_b, if (LOAD(x, ACQ) == 0) model_sleep(); litmus.r[0] = 1;)
THREAD(nothing_a, STORE(y, 1, RLX);)

TEST(a_wait_is_followed_to_its_end_and_one_without_end_is_found)
{
    explore(w_x1, wait_b, NULL, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_COMPLETE);
    CHECK_INT(litmus_result.executions, 1);
    CHECK_INT(litmus_result.blocked, 1);
    explore(nothing_a, wait_b, NULL, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_FOUND);
    CHECK_CONTAINS(litmus_result.report, "B waits for ever");
    explore(nothing_a, sleep_b, NULL, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_COMPLETE);
    CHECK_INT(litmus_result.executions, 1);
}

THREAD(assert_b, MODEL_ASSERT(LOAD(x, RLX) != 2);)

TEST(a_failed_assert_is_found_and_told_with_its_execution)
{
    explore(w_x12, assert_b, NULL, NULL);
    CHECK_INT(litmus_result.verdict, MODEL_FOUND);
    CHECK_CONTAINS(litmus_result.report, "assert failed");
    CHECK_CONTAINS(litmus_result.report, "reads 2 from");
}
