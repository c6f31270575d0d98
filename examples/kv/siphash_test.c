#include "siphash.h"

#include "support/test.h"

/* Slow and plain: SipHash-1-3 as its paper writes it, byte by byte. */
static uint64_t reference(uint64_t k0, uint64_t k1, const uint8_t *data, size_t len)
{
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                      k1 ^ 0x7465646279746573 };
    size_t words = len / 8 + 1;
    for (size_t w = 0; w < words + 3; w++) {
        uint64_t m = 0;
        if (w == words)
            v[2] ^= 0xff;
        for (size_t b = 0; b < 8 && w < words; b++)
            m |= (uint64_t)(w * 8 + b < len ? data[w * 8 + b] : 0) << (8 * b);
        if (w == words - 1)
            m |= (uint64_t)len << 56;
        v[3] ^= w < words ? m : 0;
        v[0] += v[1], v[2] += v[3];
        v[1] = (v[1] << 13 | v[1] >> 51) ^ v[0], v[3] = (v[3] << 16 | v[3] >> 48) ^ v[2];
        v[0] = v[0] << 32 | v[0] >> 32;
        v[2] += v[1], v[0] += v[3];
        v[1] = (v[1] << 17 | v[1] >> 47) ^ v[2], v[3] = (v[3] << 21 | v[3] >> 43) ^ v[0];
        v[2] = v[2] << 32 | v[2] >> 32;
        v[0] ^= w < words ? m : 0;
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

TEST(hash_of_every_length_equals_the_plain_form)
{
    uint8_t data[80];
    struct kv_seed seed = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 37 + 200);
    for (size_t len = 0; len <= sizeof(data); len++)
        CHECK(kv_hash(&seed, data, len) == reference(seed.k0, seed.k1, data, len));
}

TEST(hash_depends_on_the_seed)
{
    struct kv_seed a = { 1, 2 }, b = { 1, 3 };
    CHECK(kv_hash(&a, "key", 3) != kv_hash(&b, "key", 3));
    CHECK(kv_hash(&a, "key", 3) == kv_hash(&a, "key", 3));
}
