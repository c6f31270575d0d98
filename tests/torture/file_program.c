/* Files: what a runtime gives to whoever keeps something. */
#include "torture.h"

#include "runtime/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct place {
    char folder[64];
    char a[80];
    char b[80];
    char inner[80];
};

static bool holds(struct sp__file *file, const char *wanted)
{
    char bytes[64];
    size_t count = 0;
    return DID(sp__file_real.read(file, bytes, sizeof(bytes), 0, &count)) &&
           (count != strlen(wanted) || memcmp(bytes, wanted, count) != 0);
}

static void write_and_read(struct sp__file *file)
{
    const struct sp__file_ops *ops = &sp__file_real;
    uint64_t size = 0;
    if (!DID(ops->write(file, "hello world", 11, 0)))
        return;
    MUST(!holds(file, "hello world"));
    if (DID(ops->append(file, "!", 1)) && DID(ops->size(file, &size)))
        MUST(size == 12);
    if (DID(ops->truncate(file, 5)))
        MUST(!holds(file, "hello"));
    DID(ops->sync(file));
}

static void count_name(void *arg, const char *name)
{
    (void)name;
    ++*(int *)arg;
}

static void files(struct place *at)
{
    const struct sp__file_ops *ops = &sp__file_real;
    struct sp__file *file;
    int names = 0;
    if (!DID(ops->open(NULL, at->a, SP__FILE_CREATE | SP__FILE_NEW, &file)))
        return;
    write_and_read(file);
    ops->close(file);
    if (DID(ops->rename(NULL, at->a, at->b)))
        MUST(access(at->a, F_OK) != 0 && access(at->b, F_OK) == 0);
    DID(ops->sync_folder(NULL, at->folder));
    bool made = DID(ops->make_folder(NULL, at->inner));
    if (DID(ops->list(NULL, at->folder, count_name, &names)))
        MUST(names == (made ? 2 : 1));
    if (made && DID(ops->remove(NULL, at->inner)))
        MUST(access(at->inner, F_OK) != 0);
}

/* On a thread for blocking work, and not through sp_blocking(): that has points of its own. */
void file_body(void *unused)
{
    (void)unused;
    struct place at;
    (void)snprintf(at.folder, sizeof(at.folder), "/tmp/sp-torture-XXXXXX");
    MUST(mkdtemp(at.folder) != NULL);
    (void)snprintf(at.a, sizeof(at.a), "%s/a", at.folder);
    (void)snprintf(at.b, sizeof(at.b), "%s/b", at.folder);
    (void)snprintf(at.inner, sizeof(at.inner), "%s/inner", at.folder);
    files(&at);
    (void)unlink(at.a);
    (void)unlink(at.b);
    (void)rmdir(at.inner);
    MUST(rmdir(at.folder) == 0);
}
