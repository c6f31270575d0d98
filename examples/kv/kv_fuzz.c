/* Fuzzer of the whole store behind its parser: arbitrary bytes as a client's requests. Nothing
 * crashes, and the shards stay within their limit of memory.
 *
 * The first byte of the input chooses the number of shards. Time passes with every piece.
 */
#include "local.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_PIECE = 64, FUZZ_MEMORY_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct kv_local local;
    struct kv_local_options options = { .shards = 1 + data[0] % 4U,
                                        .seed = { 1, 2 },
                                        .limits = { .request_max = 65536, .args_max = 1024 },
                                        .memory_max = FUZZ_MEMORY_MAX };
    struct resp_out out;
    resp_out_init(&out, 2, 0);
    if (kv_local_init(&local, &options) != SP_OK)
        return 0;
    for (size_t at = 1; at < size && !local.closed; at += FUZZ_PIECE) {
        size_t n = size - at < FUZZ_PIECE ? size - at : FUZZ_PIECE;
        local.now_ms += 1000;
        out.len = 0;
        if (kv_local_feed(&local, data + at, n, &out) != SP_OK)
            break;
        for (uint32_t i = 0; i < local.shards; i++) {
            kv_store_expire_some(&local.store[i], local.now_ms, 2);
            if (local.store[i].heap.used > FUZZ_MEMORY_MAX)
                abort();
        }
    }
    resp_out_finish(&out);
    kv_local_finish(&local);
    return 0;
}
