/* Files of the system; see runtime/file.h. */
#include "runtime/file.h"

#include "base/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_MODE = 0666, /* and the umask */
    FILE_FOLDER_MODE = 0777,
    FILE_NAMES_MIN = 64,
};

struct sp__file {
    int fd;
};

static sp_err file_error(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return SP_ERR_NOTFOUND;
    case EEXIST:
    case ENOTEMPTY:
        return SP_ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
    case EBADF: /* written to, but opened for reading */
        return SP_ERR_ACCESS;
    case EISDIR:
    case EINVAL:
    case ENAMETOOLONG:
        return SP_ERR_INVALID;
    case EMFILE:
    case ENFILE:
        return SP_ERR_NOFILE;
    case ENOMEM:
        return SP_ERR_NOMEM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return SP_ERR_LIMIT;
    default:
        return SP_ERR_IO;
    }
}

static sp_err file_done(int result)
{
    return result == 0 ? SP_OK : file_error(errno);
}

/* ---- a file ---- */

static bool file_is_folder(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISDIR(about.st_mode);
}

static sp_err file_open(struct sp_runtime *runtime, const char *path, unsigned flags,
                        struct sp__file **out_file)
{
    (void)runtime;
    struct sp__file *file = sp__malloc(sizeof(*file));
    if (file == NULL)
        return SP_ERR_NOMEM;
    int how = O_CLOEXEC | ((flags & SP__FILE_READ) ? O_RDONLY : O_RDWR);
    how |= (flags & SP__FILE_CREATE) ? O_CREAT : 0;
    how |= (flags & SP__FILE_NEW) ? O_EXCL : 0;
    file->fd = open(path, how, FILE_MODE);
    sp_err err = file->fd < 0 ? file_error(errno) : SP_OK;
    if (err == SP_OK && file_is_folder(file->fd)) {
        (void)close(file->fd);
        err = SP_ERR_INVALID;
    }
    if (err != SP_OK) {
        sp__free(file);
        return err;
    }
    *out_file = file;
    return SP_OK;
}

static sp_err file_read(struct sp__file *file, void *bytes, size_t size, uint64_t offset,
                        size_t *out_count)
{
    size_t done = 0;
    while (done < size) {
        ssize_t count = pread(file->fd, (char *)bytes + done, size - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return file_error(errno);
        if (count == 0)
            break;
        done += (size_t)count;
    }
    *out_count = done;
    return SP_OK;
}

static sp_err file_write(struct sp__file *file, const void *bytes, size_t size, uint64_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t count =
            pwrite(file->fd, (const char *)bytes + done, size - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return file_error(errno);
        done += (size_t)count;
    }
    return SP_OK;
}

static sp_err file_size(struct sp__file *file, uint64_t *out_size)
{
    struct stat about;
    if (fstat(file->fd, &about) != 0)
        return file_error(errno);
    *out_size = (uint64_t)about.st_size;
    return SP_OK;
}

static sp_err file_append(struct sp__file *file, const void *bytes, size_t size)
{
    uint64_t end;
    sp_err err = file_size(file, &end);
    return err != SP_OK ? err : file_write(file, bytes, size, end);
}

static sp_err file_truncate(struct sp__file *file, uint64_t size)
{
    if (size > INT64_MAX)
        return SP_ERR_LIMIT;
    return file_done(ftruncate(file->fd, (off_t)size));
}

static sp_err file_sync(struct sp__file *file)
{
    return file_done(fdatasync(file->fd));
}

static void file_close(struct sp__file *moved_file)
{
    (void)close(moved_file->fd);
    sp__free(moved_file);
}

/* ---- names ---- */

static sp_err file_rename(struct sp_runtime *runtime, const char *from, const char *to)
{
    struct stat about;
    (void)runtime;
    if (lstat(from, &about) == 0 && S_ISDIR(about.st_mode))
        return SP_ERR_INVALID;
    return file_done(rename(from, to));
}

static sp_err file_remove(struct sp_runtime *runtime, const char *path)
{
    (void)runtime;
    if (unlink(path) == 0)
        return SP_OK;
    return errno == EISDIR ? file_done(rmdir(path)) : file_error(errno);
}

static sp_err file_make_folder(struct sp_runtime *runtime, const char *path)
{
    (void)runtime;
    return file_done(mkdir(path, FILE_FOLDER_MODE));
}

static sp_err file_sync_folder(struct sp_runtime *runtime, const char *path)
{
    (void)runtime;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOTDIR ? SP_ERR_INVALID : file_error(errno);
    sp_err err = file_done(fsync(fd));
    (void)close(fd);
    return err;
}

/* ---- listing ---- */

struct file_names {
    char **names;
    size_t count;
    size_t capacity;
};

static sp_err names_add(struct file_names *names, const char *name)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity == 0 ? FILE_NAMES_MIN : 2 * names->capacity;
        char **more = sp__realloc(names->names, capacity * sizeof(char *));
        if (more == NULL)
            return SP_ERR_NOMEM;
        names->names = more;
        names->capacity = capacity;
    }
    names->names[names->count] = sp__strdup(name);
    return names->names[names->count++] == NULL ? SP_ERR_NOMEM : SP_OK;
}

static int names_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static sp_err names_read(struct file_names *names, DIR *folder)
{
    sp_err err = SP_OK;
    struct dirent *entry;
    for (errno = 0; err == SP_OK && (entry = readdir(folder)) != NULL; errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            err = names_add(names, entry->d_name);
    return err == SP_OK && errno != 0 ? file_error(errno) : err;
}

static void names_finish(struct file_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        sp__free(names->names[i]);
    sp__free(names->names);
}

static sp_err file_list(struct sp_runtime *runtime, const char *path,
                        void (*each)(void *arg, const char *name), void *arg)
{
    struct file_names names = { .count = 0 };
    (void)runtime;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return errno == ENOTDIR ? SP_ERR_INVALID : file_error(errno);
    sp_err err = names_read(&names, folder);
    (void)closedir(folder);
    if (err == SP_OK && names.count > 0)
        qsort(names.names, names.count, sizeof(char *), names_compare);
    for (size_t i = 0; i < names.count && err == SP_OK; i++)
        each(arg, names.names[i]);
    names_finish(&names);
    return err;
}

const struct sp__file_ops sp__file_real = {
    .open = file_open,
    .read = file_read,
    .write = file_write,
    .append = file_append,
    .truncate = file_truncate,
    .size = file_size,
    .sync = file_sync,
    .close = file_close,
    .rename = file_rename,
    .remove = file_remove,
    .make_folder = file_make_folder,
    .sync_folder = file_sync_folder,
    .list = file_list,
};
