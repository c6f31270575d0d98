/* The protocol as a codec: cuts requests out of an attached stream.
 *
 * The value of a frame is the struct resp_reader that read it; its spans lie in the frame's
 * bytes. Empty requests are passed over. What is not the protocol ends the stream with PROTOCOL
 * and the reader's sentence.
 *
 * Neighbours: resp_reader.h does the work, connection.c attaches.
 */
#ifndef KV_RESP_CODEC_H
#define KV_RESP_CODEC_H

#include "resp_reader.h"

#include "spawned/codec.h"

/** Options: struct resp_limits. Requests only: it has no encoder. */
extern const struct sp_codec kv_resp_codec;

#endif
