/* Tests of the seeded random numbers. */
#include "runtime/random.h"

#include "support/test.h"

TEST(random_next_from_a_seed_gives_the_published_numbers)
{
    /* The reference output of splitmix64 for seed 1234567. */
    uint64_t state = 1234567;
    CHECK(sp__random_next(&state) == UINT64_C(6457827717110365317));
    CHECK(sp__random_next(&state) == UINT64_C(3203168211198807973));
    CHECK(sp__random_next(&state) == UINT64_C(9817491932198370423));
}

TEST(random_start_depends_on_seed_and_stream)
{
    uint64_t a = sp__random_start(1, 0);
    uint64_t b = sp__random_start(1, 1);
    uint64_t c = sp__random_start(2, 0);
    CHECK(a != b && a != c && b != c);
    CHECK(a == sp__random_start(1, 0));
    /* Neighbouring streams are not the same one, a step apart. */
    CHECK(sp__random_next(&a) != b);
}

TEST(random_below_stays_below_and_is_even)
{
    uint64_t state = sp__random_start(42, 0);
    unsigned counts[10] = { 0 };
    for (int i = 0; i < 100000; i++)
        counts[sp__random_below(&state, 10)]++;
    for (int i = 0; i < 10; i++)
        CHECK(counts[i] > 9500 && counts[i] < 10500);
}

TEST(random_below_at_the_edges_of_the_range)
{
    uint64_t state = 7;
    for (int i = 0; i < 100; i++)
        CHECK(sp__random_below(&state, 1) == 0);
    uint64_t bound = (UINT64_C(1) << 63) + 1; /* almost half of the numbers are drawn again */
    unsigned low = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t n = sp__random_below(&state, bound);
        CHECK(n < bound);
        low += n < bound / 2;
    }
    CHECK(low > 400 && low < 600);
    uint64_t copy = state;
    CHECK(sp__random_below(&state, 0) == sp__random_next(&copy));
}
