/* SipHash-1-3. See siphash.h. */
#include "siphash.h"

#include <assert.h>
#include <string.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t sip_rotl(uint64_t x, unsigned n)
{
    return (x << n) | (x >> (64 - n));
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = sip_rotl(s->v1, 13) ^ s->v0;
    s->v0 = sip_rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = sip_rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = sip_rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = sip_rotl(s->v1, 17) ^ s->v2;
    s->v2 = sip_rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* Words are little-endian by definition, and so are x86-64 and aarch64 as Linux runs them. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "plain loads are little-endian");

static inline uint64_t sip_load8(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* Fewer than 8 bytes, without a loop or a call: keys are short, and this is half their cost. */
static inline uint64_t sip_load_tail(const uint8_t *p, size_t n)
{
    if (n >= 4) {
        uint32_t low, high;
        memcpy(&low, p, sizeof(low));
        memcpy(&high, p + n - 4, sizeof(high));
        return low | (uint64_t)high << (8 * (n - 4));
    }
    if (n == 0)
        return 0;
    return p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) | (uint64_t)p[n - 1] << (8 * (n - 1));
}

uint64_t kv_hash(const struct kv_seed *seed, const void *data, size_t len)
{
    const uint8_t *p = data;
    struct sip s = { .v0 = seed->k0 ^ UINT64_C(0x736f6d6570736575),
                     .v1 = seed->k1 ^ UINT64_C(0x646f72616e646f6d),
                     .v2 = seed->k0 ^ UINT64_C(0x6c7967656e657261),
                     .v3 = seed->k1 ^ UINT64_C(0x7465646279746573) };
    size_t whole = len & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8)
        sip_word(&s, sip_load8(p + i));
    sip_word(&s, (uint64_t)len << 56 | sip_load_tail(p + whole, len - whole));
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
