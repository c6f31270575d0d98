/* SipHash-1-3: see hash.h. Words are read least significant byte first on every machine. */
#include "base/hash.h"

struct hash_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t hash_rotl(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void hash_round(struct hash_state *s)
{
    s->v0 += s->v1;
    s->v1 = hash_rotl(s->v1, 13) ^ s->v0;
    s->v0 = hash_rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = hash_rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = hash_rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = hash_rotl(s->v1, 17) ^ s->v2;
    s->v2 = hash_rotl(s->v2, 32);
}

static inline struct hash_state hash_begin(struct sp__hash_seed seed)
{
    /* "somepseudorandomlygeneratedbytes", the paper's constants. */
    return (struct hash_state){
        .v0 = seed.k0 ^ 0x736f6d6570736575,
        .v1 = seed.k1 ^ 0x646f72616e646f6d,
        .v2 = seed.k0 ^ 0x6c7967656e657261,
        .v3 = seed.k1 ^ 0x7465646279746573,
    };
}

static inline void hash_word(struct hash_state *s, uint64_t word)
{
    s->v3 ^= word;
    hash_round(s);
    s->v0 ^= word;
}

/* `last`: the bytes left over, and the length modulo 256 in the most significant one. */
static inline uint64_t hash_end(struct hash_state *s, uint64_t last)
{
    hash_word(s, last);
    s->v2 ^= 0xff;
    hash_round(s);
    hash_round(s);
    hash_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* Compilers make one load of this where the machine is little-endian. */
static inline uint64_t hash_load(const unsigned char *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

uint64_t sp__hash_bytes(struct sp__hash_seed seed, const void *data, size_t size)
{
    struct hash_state s = hash_begin(seed);
    const unsigned char *at = data;
    uint64_t last = (uint64_t)size << 56;
    size_t left = size;
    for (; left >= 8; left -= 8, at += 8)
        hash_word(&s, hash_load(at));
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)at[i] << (8 * i);
    return hash_end(&s, last);
}

uint64_t sp__hash_u64(struct sp__hash_seed seed, uint64_t key)
{
    struct hash_state s = hash_begin(seed);
    hash_word(&s, key);
    return hash_end(&s, (uint64_t)8 << 56);
}
