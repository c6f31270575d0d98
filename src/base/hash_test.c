/* SipHash-1-3 against published results, and the 64-bit shortcut against the long way. */
#include "base/hash.h"

#include "support/test.h"

#include <string.h>

static const struct sp__hash_seed seed_0_to_15 = {
    .k0 = 0x0706050403020100,
    .k1 = 0x0f0e0d0c0b0a0908,
};

/* Bytes 0, 1, 2, ... under the key 0, 1, ... 15; index: how many bytes. */
static const uint64_t hash_known[] = {
    0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
    0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
    0x369095118d299a8e, 0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
    0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34, 0xd320d86d2a519956,
};

TEST(hash_of_known_input_is_the_published_one)
{
    unsigned char bytes[16];
    for (size_t i = 0; i < sizeof(hash_known) / sizeof(hash_known[0]); i++) {
        bytes[i] = (unsigned char)i;
        CHECK_INT(sp__hash_bytes(seed_0_to_15, bytes, i), hash_known[i]);
    }
    CHECK_INT(sp__hash_bytes(seed_0_to_15, NULL, 0), hash_known[0]);
}

TEST(hash_of_u64_is_that_of_its_bytes)
{
    const unsigned char bytes[8] = { 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01 };
    CHECK_INT(sp__hash_u64(seed_0_to_15, 0x0123456789abcdef),
              sp__hash_bytes(seed_0_to_15, bytes, 8));
}

TEST(hash_depends_on_every_byte_and_on_both_halves_of_the_seed)
{
    char text[40];
    memset(text, 'x', sizeof(text));
    uint64_t plain = sp__hash_bytes(seed_0_to_15, text, sizeof(text));
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = 'y';
        CHECK(sp__hash_bytes(seed_0_to_15, text, sizeof(text)) != plain);
        text[i] = 'x';
    }
    struct sp__hash_seed other = seed_0_to_15;
    other.k0 ^= 1;
    CHECK(sp__hash_bytes(other, text, sizeof(text)) != plain);
    other = seed_0_to_15;
    other.k1 ^= 1;
    CHECK(sp__hash_bytes(other, text, sizeof(text)) != plain);
}
