/* A codec at work on one stream: its state, and what it has said for good.
 *
 * The bytes are the caller's: a window that moves forward by what each step consumed.
 *
 * Threads: none of its own. Neighbours: spawned/codec.h, attach.c, sp_decoder in decoder.c.
 */
#ifndef SPAWNED_IO_DECODER_H
#define SPAWNED_IO_DECODER_H

#include "spawned/codec.h"

struct sp__decoder {
    const struct sp_codec *codec;
    void *state;
    size_t wanted;    /* no step helps below so many bytes */
    sp_err error;     /* not SP_OK: it failed, for good */
    const char *text; /* of the error */
};

/** The rest of the input. */
struct sp__window {
    const char *bytes;
    size_t size;
    bool ended; /* nothing comes behind it */
};

/** Errors: NOMEM, INVALID (the codec cannot decode), and what its init says. Context: any. */
SP_NODISCARD sp_err sp__decoder_init(struct sp__decoder *decoder, const struct sp_codec *codec,
                                     const void *options) SP_NONNULL_ARGS(1, 2);

/** Context: any. */
void sp__decoder_finish(struct sp__decoder *decoder) SP_NONNULL;

/** One step, which moves the window behind what it consumed. The end of the stream inside a frame
 *  is an error even if the codec does not say so. Context: any. */
SP_NODISCARD enum sp_decode sp__decoder_step(struct sp__decoder *decoder, struct sp__window *window,
                                             struct sp_frame *out_frame) SP_NONNULL;

#endif
