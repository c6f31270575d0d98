/* The file of a crash report: its name, and its stack by name.
 *
 * Threads: any; writing, any that may block. Neighbours: symbol.h, process/crash.c.
 */
#ifndef SPAWNED_RUNTIME_REAL_CRASH_FILE_H
#define SPAWNED_RUNTIME_REAL_CRASH_FILE_H

#include "spawned/reason.h"

#include <stddef.h>

/** "FOLDER/spawned-crash-20261123T063000.123456Z-PID-NUMBER.txt". False: too long. Context: any. */
bool sp__crash_file_name(char *out, size_t size, const char *folder, int64_t wall_ns,
                         uint32_t number) SP_NONNULL;

/** Write `text` and the frames of the fault into a new file, for the owner only. Returns 0, or the
 *  system's error. Context: any thread that may block. */
int sp__crash_file_write(const char *path, const char *text, size_t size,
                         const struct sp_fault *fault) SP_NONNULL;

#endif
