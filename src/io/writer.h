/* The inside of a writer: a buffer with a limit. Streams queue their output in one. */
#ifndef SPAWNED_IO_WRITER_H
#define SPAWNED_IO_WRITER_H

#include "base/buf.h"
#include "spawned/codec.h"

struct sp_writer {
    struct sp__buf buf;
};

#endif
