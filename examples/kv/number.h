/* Numbers as the protocol writes them: strict on the way in, shortest on the way out.
 *
 * Threads: pure functions. Neighbours: resp_reader.h, resp_writer.h, the commands.
 */
#ifndef KV_NUMBER_H
#define KV_NUMBER_H

#include "spawned/base.h"

enum {
    KV_INT_TEXT_MAX = 21,     /**< longest decimal int64_t or uint64_t, no terminator */
    KV_FLOAT_TEXT_MAX = 5120, /**< longest decimal long double with 17 places */
};

/** Parses exactly `len` bytes as a decimal integer: an optional '-', no '+', no blanks, no
 *  leading zeros. False when it is anything else or does not fit. Context: any. */
bool kv_int_parse(const char *text, size_t len, int64_t *out_value) SP_NONNULL SP_NODISCARD;

/** Writes `value` in decimal without a terminator and returns how many bytes.
 *  Context: any. */
size_t kv_int_format(char text[KV_INT_TEXT_MAX], int64_t value);

/** As kv_int_format(), unsigned. Context: any. */
size_t kv_uint_format(char text[KV_INT_TEXT_MAX], uint64_t value);

/** Parses `len` bytes as a floating-point number; infinities yes, NaN and blanks no.
 *  Context: any. */
bool kv_float_parse(const char *text, size_t len, long double *out_value) SP_NONNULL SP_NODISCARD;

/** Writes `value` with up to 17 places, trailing zeros removed; returns how many bytes.
 *  Context: any. */
size_t kv_float_format(char text[KV_FLOAT_TEXT_MAX], long double value);

#endif
