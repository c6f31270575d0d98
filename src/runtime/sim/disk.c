#include "runtime/sim/disk.h"

#include "base/alloc.h"
#include "runtime/sim/net.h"

#include <string.h>

enum { DISK_FILE_MIN = 256 /* bytes that a file begins with */ };

/* Bytes of a file. */
struct disk_bytes {
    char *bytes;
    size_t size;
    size_t capacity;
};

/* A file or a folder. */
struct disk_node {
    unsigned users; /* names and open files */
    bool folder;
    bool dirty; /* `now` and `synced` may differ */
    struct disk_bytes now;
    struct disk_bytes synced;
};

struct disk_name {
    struct sp__list link;
    struct disk_node *node;
    char path[];
};

struct sp__disk {
    struct sp__list now;
    struct sp__list lasting;
};

struct sp__file {
    struct disk_node *node;
    bool read_only;
};

/* ---- bytes ---- */

static sp_err bytes_reserve(struct disk_bytes *self, size_t size)
{
    size_t capacity = self->capacity == 0 ? DISK_FILE_MIN : self->capacity;
    if (size <= self->capacity)
        return SP_OK;
    while (capacity < size)
        capacity = capacity > SIZE_MAX / 2 ? size : capacity * 2;
    char *bytes = sp__realloc(self->bytes, capacity);
    if (bytes == NULL)
        return SP_ERR_LIMIT; /* the disk is full */
    self->bytes = bytes;
    self->capacity = capacity;
    return SP_OK;
}

static sp_err bytes_resize(struct disk_bytes *self, size_t size)
{
    sp_err err = bytes_reserve(self, size);
    if (err != SP_OK)
        return err;
    if (size > self->size)
        memset(self->bytes + self->size, 0, size - self->size);
    self->size = size;
    return SP_OK;
}

static sp_err bytes_copy(struct disk_bytes *to, const struct disk_bytes *from)
{
    sp_err err = bytes_reserve(to, from->size);
    if (err != SP_OK)
        return err;
    if (from->size > 0)
        memcpy(to->bytes, from->bytes, from->size);
    to->size = from->size;
    return SP_OK;
}

/* ---- nodes and names ---- */

static void disk_unref(struct disk_node *node)
{
    if (--node->users > 0)
        return;
    sp__free(node->now.bytes);
    sp__free(node->synced.bytes);
    sp__free(node);
}

static struct disk_name *name_at(struct sp__list *at)
{
    return sp__container_of(at, struct disk_name, link);
}

/* The name, or where it would stand: before the one that is returned in `*out_before`. */
static struct disk_name *name_find(struct sp__list *names, const char *path,
                                   struct sp__list **out_before)
{
    struct sp__list *at = names->next;
    int order = -1;
    for (; at != names && (order = strcmp(name_at(at)->path, path)) < 0; at = at->next)
        ;
    if (out_before != NULL)
        *out_before = at;
    return at != names && order == 0 ? name_at(at) : NULL;
}

static sp_err name_add(struct sp__list *names, const char *path, struct disk_node *node)
{
    struct sp__list *before;
    struct disk_name *name = name_find(names, path, &before);
    if (name != NULL) {
        node->users++;
        disk_unref(name->node);
        name->node = node;
        return SP_OK;
    }
    size_t length = strlen(path);
    name = sp__malloc(sizeof(*name) + length + 1);
    if (name == NULL)
        return SP_ERR_LIMIT;
    name->node = node;
    node->users++;
    memcpy(name->path, path, length + 1);
    sp__list_insert_before(before, &name->link);
    return SP_OK;
}

static void name_remove(struct disk_name *name)
{
    sp__list_remove(&name->link);
    disk_unref(name->node);
    sp__free(name);
}

/* Is `path` the name of something in this very folder? Then what it is called there. */
static const char *name_in(const char *folder, const char *path)
{
    size_t length = strlen(folder);
    if (strcmp(folder, ".") == 0)
        return path[0] == '/' || strchr(path, '/') != NULL ? NULL : path;
    if (strcmp(folder, "/") == 0)
        length = 0;
    if (strncmp(path, folder, length) != 0 || path[length] != '/' || path[length + 1] == '\0')
        return NULL;
    return strchr(path + length + 1, '/') != NULL ? NULL : path + length + 1;
}

/* ---- a machine's disk ---- */

static struct sp__disk *disk_of(struct sp_runtime *runtime)
{
    struct sp__host *host = sp__sim_node(runtime)->host;
    if (host->disk == NULL) {
        host->disk = sp__malloc(sizeof(*host->disk));
        if (host->disk == NULL)
            return NULL;
        sp__list_init(&host->disk->now);
        sp__list_init(&host->disk->lasting);
    }
    return host->disk;
}

static bool disk_has_folder(struct sp__disk *disk, const char *path)
{
    if (strcmp(path, ".") == 0 || strcmp(path, "/") == 0)
        return true;
    const struct disk_name *name = name_find(&disk->now, path, NULL);
    return name != NULL && name->node->folder;
}

/* Is there a folder for this path? */
static bool disk_has_parent(struct sp__disk *disk, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return true;
    for (struct sp__list *at = disk->now.next; at != &disk->now; at = at->next) {
        const struct disk_name *name = name_at(at);
        if (name->node->folder && strlen(name->path) == (size_t)(slash - path) &&
            strncmp(name->path, path, (size_t)(slash - path)) == 0)
            return true;
    }
    return false;
}

static sp_err disk_create(struct sp__disk *disk, const char *path, bool folder,
                          struct disk_node **out)
{
    if (*path == '\0' || !disk_has_parent(disk, path))
        return SP_ERR_NOTFOUND;
    struct disk_node *node = sp__calloc(1, sizeof(*node));
    if (node == NULL)
        return SP_ERR_LIMIT;
    node->folder = folder;
    node->users = 1;
    sp_err err = name_add(&disk->now, path, node);
    if (err == SP_OK)
        *out = node;
    disk_unref(node);
    return err;
}

static void disk_clear(struct sp__list *names)
{
    for (struct sp__list *at; (at = sp__list_first(names)) != NULL;)
        name_remove(name_at(at));
}

void sp__disk_lose(struct sp__disk *disk)
{
    if (disk == NULL)
        return;
    disk_clear(&disk->now);
    for (struct sp__list *at = disk->lasting.next; at != &disk->lasting; at = at->next) {
        struct disk_name *name = name_at(at);
        if (!disk_has_parent(disk, name->path))
            continue; /* the folder itself is lost; sorted, it would have come before */
        /* It was as long before, so there is room. */
        sp_ignore(bytes_copy(&name->node->now, &name->node->synced));
        name->node->dirty = false;
        sp_ignore(name_add(&disk->now, name->path, name->node));
    }
}

void sp__disk_destroy(struct sp__disk *moved_disk)
{
    if (moved_disk == NULL)
        return;
    disk_clear(&moved_disk->now);
    disk_clear(&moved_disk->lasting);
    sp__free(moved_disk);
}

/* ---- a file ---- */

static sp_err disk_open_node(struct sp__disk *disk, const char *path, unsigned flags,
                             struct disk_node **out)
{
    struct disk_name *name = name_find(&disk->now, path, NULL);
    if (name == NULL)
        return (flags & SP__FILE_CREATE) ? disk_create(disk, path, false, out) : SP_ERR_NOTFOUND;
    if (flags & SP__FILE_NEW)
        return SP_ERR_EXISTS;
    if (name->node->folder)
        return SP_ERR_INVALID;
    *out = name->node;
    return SP_OK;
}

static sp_err disk_open(struct sp_runtime *runtime, const char *path, unsigned flags,
                        struct sp__file **out_file)
{
    struct sp__disk *disk = disk_of(runtime);
    struct sp__file *file = sp__malloc(sizeof(*file));
    sp_err err = SP_ERR_NOMEM;
    if (disk != NULL && file != NULL)
        err = disk_open_node(disk, path, flags, &file->node);
    if (err != SP_OK) {
        sp__free(file);
        return err;
    }
    file->node->users++;
    file->read_only = (flags & SP__FILE_READ) != 0;
    *out_file = file;
    return SP_OK;
}

static sp_err disk_read(struct sp__file *file, void *bytes, size_t size, uint64_t offset,
                        size_t *out_count)
{
    const struct disk_bytes *now = &file->node->now;
    size_t left = offset < now->size ? now->size - (size_t)offset : 0;
    *out_count = size < left ? size : left;
    if (*out_count > 0)
        memcpy(bytes, now->bytes + offset, *out_count);
    return SP_OK;
}

static sp_err disk_change(struct sp__file *file, uint64_t end)
{
    if (file->read_only)
        return SP_ERR_ACCESS;
    return end > SIZE_MAX / 4 ? SP_ERR_LIMIT : SP_OK;
}

static sp_err disk_write(struct sp__file *file, const void *bytes, size_t size, uint64_t offset)
{
    struct disk_bytes *now = &file->node->now;
    sp_err err = disk_change(file, offset + size);
    if (err == SP_OK && size > 0 && offset + size > now->size)
        err = bytes_resize(now, (size_t)offset + size);
    if (err != SP_OK || size == 0)
        return err;
    memcpy(now->bytes + offset, bytes, size);
    file->node->dirty = true;
    return SP_OK;
}

static sp_err disk_append(struct sp__file *file, const void *bytes, size_t size)
{
    return disk_write(file, bytes, size, file->node->now.size);
}

static sp_err disk_truncate(struct sp__file *file, uint64_t size)
{
    sp_err err = disk_change(file, size);
    if (err != SP_OK)
        return err;
    file->node->dirty = true;
    return bytes_resize(&file->node->now, (size_t)size);
}

static sp_err disk_size(struct sp__file *file, uint64_t *out_size)
{
    *out_size = file->node->now.size;
    return SP_OK;
}

static sp_err disk_sync(struct sp__file *file)
{
    if (!file->node->dirty)
        return SP_OK;
    sp_err err = bytes_copy(&file->node->synced, &file->node->now);
    file->node->dirty = err != SP_OK;
    return err;
}

static void disk_close(struct sp__file *moved_file)
{
    disk_unref(moved_file->node);
    sp__free(moved_file);
}

/* ---- names ---- */

static sp_err disk_rename(struct sp_runtime *runtime, const char *from, const char *to)
{
    struct sp__disk *disk = disk_of(runtime);
    if (disk == NULL)
        return SP_ERR_NOMEM;
    struct disk_name *name = name_find(&disk->now, from, NULL);
    const struct disk_name *other = name_find(&disk->now, to, NULL);
    if (name == NULL || !disk_has_parent(disk, to))
        return SP_ERR_NOTFOUND;
    if (name->node->folder || (other != NULL && other->node->folder))
        return SP_ERR_INVALID;
    if (other == name)
        return SP_OK;
    sp_err err = name_add(&disk->now, to, name->node);
    if (err == SP_OK)
        name_remove(name);
    return err;
}

static sp_err disk_remove(struct sp_runtime *runtime, const char *path)
{
    struct sp__disk *disk = disk_of(runtime);
    if (disk == NULL)
        return SP_ERR_NOMEM;
    struct disk_name *name = name_find(&disk->now, path, NULL);
    if (name == NULL)
        return SP_ERR_NOTFOUND;
    for (struct sp__list *at = disk->now.next; at != &disk->now; at = at->next)
        if (name->node->folder && name_in(path, name_at(at)->path) != NULL)
            return SP_ERR_EXISTS;
    name_remove(name);
    return SP_OK;
}

static sp_err disk_make_folder(struct sp_runtime *runtime, const char *path)
{
    struct sp__disk *disk = disk_of(runtime);
    struct disk_node *node;
    if (disk == NULL)
        return SP_ERR_NOMEM;
    if (name_find(&disk->now, path, NULL) != NULL || disk_has_folder(disk, path))
        return SP_ERR_EXISTS;
    return disk_create(disk, path, true, &node);
}

/* A path that has to be a folder's. */
static sp_err disk_folder(struct sp_runtime *runtime, const char *path, struct sp__disk **out)
{
    *out = disk_of(runtime);
    if (*out == NULL)
        return SP_ERR_NOMEM;
    if (disk_has_folder(*out, path))
        return SP_OK;
    return name_find(&(*out)->now, path, NULL) != NULL ? SP_ERR_INVALID : SP_ERR_NOTFOUND;
}

/* What lasts of the folder becomes what is there now. */
static sp_err disk_sync_folder(struct sp_runtime *runtime, const char *path)
{
    struct sp__disk *disk;
    sp_err err = disk_folder(runtime, path, &disk);
    for (struct sp__list *at = disk->now.next; err == SP_OK && at != &disk->now; at = at->next)
        if (name_in(path, name_at(at)->path) != NULL)
            err = name_add(&disk->lasting, name_at(at)->path, name_at(at)->node);
    struct sp__list *next;
    for (struct sp__list *at = disk->lasting.next; err == SP_OK && at != &disk->lasting;
         at = next) {
        next = at->next;
        struct disk_name *name = name_at(at);
        if (name_in(path, name->path) != NULL && name_find(&disk->now, name->path, NULL) == NULL)
            name_remove(name);
    }
    return err;
}

static sp_err disk_list(struct sp_runtime *runtime, const char *path,
                        void (*each)(void *arg, const char *name), void *arg)
{
    struct sp__disk *disk;
    sp_err err = disk_folder(runtime, path, &disk);
    for (struct sp__list *at = disk->now.next; err == SP_OK && at != &disk->now; at = at->next) {
        const char *name = name_in(path, name_at(at)->path);
        if (name != NULL)
            each(arg, name);
    }
    return err;
}

const struct sp__file_ops sp__file_sim = {
    .open = disk_open,
    .read = disk_read,
    .write = disk_write,
    .append = disk_append,
    .truncate = disk_truncate,
    .size = disk_size,
    .sync = disk_sync,
    .close = disk_close,
    .rename = disk_rename,
    .remove = disk_remove,
    .make_folder = disk_make_folder,
    .sync_folder = disk_sync_folder,
    .list = disk_list,
};
