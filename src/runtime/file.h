/* The seam for files: what a backend gives to whoever keeps something.
 *
 * All of it may block, so it is called on a thread for blocking work (sp__backend_ops.blocking), and
 * needs no context. A path is the system's; its folder exists. What was written is there for every
 * reader at once, but lasts through a loss of power only when it was synced: the bytes of a file by
 * `sync`, its name (that it was created, renamed, removed) by `sync_folder` of the folder it is in.
 *
 * Errors of all: NOTFOUND (no such file, or no folder for it), EXISTS, ACCESS, INVALID (a folder where
 * a file is wanted, or the other way round; a name that is too long), NOFILE, NOMEM, LIMIT (no room
 * is left, or the file is too large), IO. After a failed `sync` nothing is known of what was
 * written since the last one.
 *
 * Threads: any; a file by one at a time. Neighbours: runtime/backend.h (sp__backend_ops.file),
 * runtime/real/file.c, runtime/sim/disk.c.
 */
#ifndef SPAWNED_RUNTIME_FILE_H
#define SPAWNED_RUNTIME_FILE_H

#include "spawned/err.h"

struct sp__file;
struct sp_runtime;

enum {
    SP__FILE_CREATE = 1, /* if there is none; else it must be there */
    SP__FILE_NEW = 2,    /* with CREATE: there must be none */
    SP__FILE_READ = 4,   /* for reading only */
};

struct sp__file_ops {
    /** Ownership: *out_file is the caller's, `close`. */
    sp_err (*open)(struct sp_runtime *runtime, const char *path, unsigned flags,
                   struct sp__file **out_file);
    /** What is at `offset`: `size` bytes, or fewer where the file ends, none behind its end. */
    sp_err (*read)(struct sp__file *file, void *bytes, size_t size, uint64_t offset,
                   size_t *out_count);
    /** All of it, or an error, and then a part may be written. A gap reads as zeros. */
    sp_err (*write)(struct sp__file *file, const void *bytes, size_t size, uint64_t offset);
    /** The same at the end. */
    sp_err (*append)(struct sp__file *file, const void *bytes, size_t size);
    /** Shorter, or longer by zeros. */
    sp_err (*truncate)(struct sp__file *file, uint64_t size);
    sp_err (*size)(struct sp__file *file, uint64_t *out_size);
    sp_err (*sync)(struct sp__file *file);
    /** Ownership: takes the file. */
    void (*close)(struct sp__file *moved_file);

    /** A file gets another name, in the place of a file that has it. Either name leads to one of
     *  the two files at any moment. */
    sp_err (*rename)(struct sp_runtime *runtime, const char *from, const char *to);
    /** A file, or an empty folder; EXISTS: it is not empty. Who has the file open keeps it. */
    sp_err (*remove)(struct sp_runtime *runtime, const char *path);
    sp_err (*make_folder)(struct sp_runtime *runtime, const char *path);
    sp_err (*sync_folder)(struct sp_runtime *runtime, const char *path);
    /** The names in a folder, without the folder's, each(arg, name), in the order of their bytes. */
    sp_err (*list)(struct sp_runtime *runtime, const char *path,
                   void (*each)(void *arg, const char *name), void *arg);
};

/** Files of the system. */
extern const struct sp__file_ops sp__file_real;

#endif
