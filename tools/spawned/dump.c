/* spawned dump: the flight recorder's events into a file that Chrome's and Perfetto's viewers open. */
#include "commands.h"
#include "process.h"
#include "value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dump {
    int fd;
    size_t size;
    int error; /* number of the first failure */
};

static bool dump_write(void *arg, const char *bytes, size_t size)
{
    struct dump *dump = arg;
    while (size > 0) {
        ssize_t count = write(dump->fd, bytes, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            dump->error = errno;
            return false;
        }
        bytes += count;
        size -= (size_t)count;
        dump->size += (size_t)count;
    }
    return true;
}

/* Into a file of its own beside `path`, so that what has that name is whole at any time. */
static enum status dump_open(struct client *client, const struct options *options, const char *path,
                             char **out_beside, int *out_fd)
{
    char *beside;
    if (!options->force && access(path, F_OK) == 0)
        return client_fail(client, STATUS_LOCAL, "%s exists: --force overwrites it", path);
    if (asprintf(&beside, "%s.XXXXXX", path) < 0)
        return client_fail(client, STATUS_LOCAL, "out of memory");
    *out_beside = beside;
    *out_fd = mkostemp(beside, O_CLOEXEC);
    return *out_fd >= 0
               ? STATUS_OK
               : client_fail(client, STATUS_LOCAL, "cannot write %s: %s", path, strerror(errno));
}

static enum status dump_ask(struct client *client, struct dump *dump)
{
    enum status status = client_stream(client, "/api/recording", false, dump_write, dump);
    if (status == STATUS_OK && dump->error == EPIPE)
        return STATUS_OK;
    return status == STATUS_OK && dump->error != 0
               ? client_fail(client, STATUS_LOCAL, "cannot write: %s", strerror(dump->error))
               : status;
}

static void dump_tell(const struct options *options, const char *path, size_t size)
{
    if (options->json) {
        json_t *told = json_pack("{s:s?, s:I}", "file", path, "bytes", (json_int_t)size);
        print_json_line(told);
        json_decref(told);
        return;
    }
    print("%zu bytes in ", size);
    print_cell(PRINT_PLAIN, path, strlen(path));
    print("\nOpen it in chrome://tracing or on https://ui.perfetto.dev\n");
}

static enum status dump_file(const struct options *options, struct client *client, const char *path)
{
    struct dump dump = { .fd = -1 };
    char *beside = NULL;
    enum status status = dump_open(client, options, path, &beside, &dump.fd);
    if (status != STATUS_OK || beside == NULL) {
        free(beside);
        return status;
    }
    status = dump_ask(client, &dump);
    if (close(dump.fd) != 0 && status == STATUS_OK)
        status = client_fail(client, STATUS_LOCAL, "cannot write %s: %s", path, strerror(errno));
    if (status == STATUS_OK && rename(beside, path) != 0)
        status = client_fail(client, STATUS_LOCAL, "cannot write %s: %s", path, strerror(errno));
    if (status != STATUS_OK)
        unlink(beside);
    free(beside);
    if (status == STATUS_OK)
        dump_tell(options, path, dump.size);
    return status;
}

/* "spawned-4711.trace.json", with the system's number of the program. */
static enum status dump_name(struct client *client, char out[64])
{
    json_t *overview = NULL;
    enum status status = client_get(client, "/api/overview?since=4294967295", &overview);
    snprintf(out, 64, "spawned-%.0f.trace.json", value_number(overview, "pid"));
    json_decref(overview);
    return status;
}

enum status dump_run(const struct options *options, struct client *client)
{
    char name[64];
    if (options->output != NULL && strcmp(options->output, "-") == 0)
        return dump_ask(client, &(struct dump){ .fd = STDOUT_FILENO });
    if (options->output != NULL)
        return dump_file(options, client, options->output);
    enum status status = dump_name(client, name);
    return status == STATUS_OK ? dump_file(options, client, name) : status;
}
