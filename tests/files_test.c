/* The seam for files (runtime/file.h): the same cases on the system's files and on the simulated
 * disk; and what a loss of power takes from the latter. */
#include "runtime/backend.h"
#include "runtime/file.h"
#include "runtime/sim/machine.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/net.h"

#include "spawned/process.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where a case works: a folder of its own. */
struct place {
    const struct sp__file_ops *ops;
    struct sp_runtime *runtime;
    char folder[64];
    char path[4][128];
};

static const char *in_place(struct place *at, int slot, const char *name)
{
    (void)snprintf(at->path[slot], sizeof(at->path[slot]), "%s/%s", at->folder, name);
    return at->path[slot];
}

static struct sp__file *opened(struct place *at, const char *name, unsigned flags)
{
    struct sp__file *file = NULL;
    CHECK_OK(at->ops->open(at->runtime, in_place(at, 0, name), flags, &file));
    return file;
}

static void holds(struct place *at, struct sp__file *file, const char *wanted)
{
    char bytes[64];
    uint64_t size;
    size_t count;
    CHECK_OK(at->ops->size(file, &size));
    CHECK_INT(size, strlen(wanted));
    CHECK_OK(at->ops->read(file, bytes, sizeof(bytes), 0, &count));
    CHECK_INT(count, strlen(wanted));
    CHECK_MEM(bytes, wanted, count);
}

/* A file of that name that holds `text`. */
static void put(struct place *at, const char *name, const char *text)
{
    struct sp__file *file = opened(at, name, SP__FILE_CREATE);
    CHECK_OK(at->ops->truncate(file, 0));
    CHECK_OK(at->ops->append(file, text, strlen(text)));
    at->ops->close(file);
}

static void file_case_bytes(struct place *at)
{
    char bytes[16];
    size_t count;
    struct sp__file *file = opened(at, "a", SP__FILE_CREATE);
    holds(at, file, "");
    CHECK_OK(at->ops->append(file, "hello", 5));
    CHECK_OK(at->ops->append(file, ", world", 7));
    holds(at, file, "hello, world");
    CHECK_OK(at->ops->write(file, "J", 1, 0));
    CHECK_OK(at->ops->write(file, "!?", 2, 12));
    holds(at, file, "Jello, world!?");
    CHECK_OK(at->ops->read(file, bytes, 4, 7, &count));
    CHECK_INT(count, 4);
    CHECK_MEM(bytes, "worl", 4);
    CHECK_OK(at->ops->read(file, bytes, 4, 14, &count));
    CHECK_INT(count, 0);
    CHECK_OK(at->ops->truncate(file, 5));
    holds(at, file, "Jello");
    CHECK_OK(at->ops->sync(file));
    at->ops->close(file);
    file = opened(at, "a", 0);
    holds(at, file, "Jello");
    at->ops->close(file);
}

static void file_case_gaps_are_zeros(struct place *at)
{
    char bytes[16];
    size_t count;
    struct sp__file *file = opened(at, "gap", SP__FILE_CREATE);
    CHECK_OK(at->ops->append(file, "abcdef", 6));
    CHECK_OK(at->ops->truncate(file, 2));
    CHECK_OK(at->ops->truncate(file, 4));
    CHECK_OK(at->ops->write(file, "z", 1, 6));
    CHECK_OK(at->ops->read(file, bytes, sizeof(bytes), 0, &count));
    CHECK_INT(count, 7);
    CHECK_MEM(bytes, "ab\0\0\0\0z", 7);
    at->ops->close(file);
}

static void file_case_opening(struct place *at)
{
    struct sp__file *file;
    CHECK_INT(at->ops->open(at->runtime, in_place(at, 0, "none"), 0, &file), SP_ERR_NOTFOUND);
    CHECK_INT(at->ops->open(at->runtime, in_place(at, 0, "no/b"), SP__FILE_CREATE, &file),
              SP_ERR_NOTFOUND);
    put(at, "there", "1");
    CHECK_INT(
        at->ops->open(at->runtime, in_place(at, 0, "there"), SP__FILE_CREATE | SP__FILE_NEW, &file),
        SP_ERR_EXISTS);
    CHECK_INT(at->ops->open(at->runtime, at->folder, SP__FILE_READ, &file), SP_ERR_INVALID);
    file = opened(at, "there", SP__FILE_READ);
    CHECK_INT(at->ops->write(file, "2", 1, 0), SP_ERR_ACCESS);
    holds(at, file, "1");
    at->ops->close(file);
}

static void file_case_names(struct place *at)
{
    put(at, "one", "1");
    put(at, "two", "2");
    struct sp__file *two = opened(at, "two", 0);
    CHECK_OK(at->ops->rename(at->runtime, in_place(at, 0, "one"), in_place(at, 1, "two")));
    CHECK_INT(at->ops->rename(at->runtime, in_place(at, 0, "one"), in_place(at, 1, "two")),
              SP_ERR_NOTFOUND);
    struct sp__file *one = opened(at, "two", 0);
    holds(at, one, "1");
    holds(at, two, "2"); /* who had it open keeps it */
    CHECK_OK(at->ops->remove(at->runtime, in_place(at, 0, "two")));
    CHECK_INT(at->ops->remove(at->runtime, in_place(at, 0, "two")), SP_ERR_NOTFOUND);
    holds(at, one, "1");
    at->ops->close(one);
    at->ops->close(two);
}

static void list_name(void *arg, const char *name)
{
    char *text = arg;
    size_t length = strlen(text);
    (void)snprintf(text + length, 128 - length, "%s ", name);
}

static void file_case_folders(struct place *at)
{
    char names[128] = "";
    CHECK_OK(at->ops->make_folder(at->runtime, in_place(at, 0, "f")));
    CHECK_INT(at->ops->make_folder(at->runtime, in_place(at, 0, "f")), SP_ERR_EXISTS);
    CHECK_INT(at->ops->make_folder(at->runtime, in_place(at, 0, "g/h")), SP_ERR_NOTFOUND);
    put(at, "f/b", "");
    put(at, "f/c", "");
    put(at, "f/B", "");
    put(at, "f/a.10", "");
    CHECK_OK(at->ops->make_folder(at->runtime, in_place(at, 0, "f/d")));
    put(at, "f/d/deep", "");
    CHECK_OK(at->ops->list(at->runtime, in_place(at, 0, "f"), list_name, names));
    CHECK_STR(names, "B a.10 b c d ");
    CHECK_INT(at->ops->remove(at->runtime, in_place(at, 0, "f")), SP_ERR_EXISTS);
    CHECK_INT(at->ops->list(at->runtime, in_place(at, 0, "f/b"), list_name, names), SP_ERR_INVALID);
    CHECK_INT(at->ops->list(at->runtime, in_place(at, 0, "none"), list_name, names),
              SP_ERR_NOTFOUND);
    CHECK_INT(at->ops->rename(at->runtime, in_place(at, 0, "f"), in_place(at, 1, "e")),
              SP_ERR_INVALID);
    CHECK_OK(at->ops->sync_folder(at->runtime, in_place(at, 0, "f")));
    CHECK_INT(at->ops->sync_folder(at->runtime, in_place(at, 0, "none")), SP_ERR_NOTFOUND);
    CHECK_OK(at->ops->remove(at->runtime, in_place(at, 0, "f/d/deep")));
    CHECK_OK(at->ops->remove(at->runtime, in_place(at, 0, "f/d")));
}

static void (*const file_cases[])(struct place *at) = {
    file_case_bytes, file_case_gaps_are_zeros, file_case_opening,
    file_case_names, file_case_folders,
};

enum { FILE_CASES = sizeof(file_cases) / sizeof(file_cases[0]) };

/* ---- on the system ---- */

static void real_remove(struct place *at)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf %s", at->folder);
    CHECK_INT(system(command), 0);
}

TEST(files_of_the_system)
{
    for (int i = 0; i < FILE_CASES; i++) {
        struct place at = { .ops = &sp__file_real, .folder = "/tmp/spawned-files-XXXXXX" };
        CHECK(mkdtemp(at.folder) != NULL);
        file_cases[i](&at);
        real_remove(&at);
    }
}

/* ---- on a simulated disk ---- */

struct simulated {
    void (*fn)(struct place *at);
    bool done;
};

static void simulated_case(void *arg)
{
    struct simulated *self = arg;
    struct place at = { .folder = "data" };
    CHECK_OK(sp_runtime_create(NULL, &at.runtime));
    at.ops = at.runtime->ops->file;
    CHECK(at.ops == &sp__file_sim);
    if (self->fn != NULL)
        CHECK_OK(at.ops->make_folder(at.runtime, at.folder));
    if (self->fn != NULL)
        self->fn(&at);
    CHECK_OK(sp_runtime_destroy(at.runtime, sp_after_sec(5), NULL));
    self->done = true;
}

static void simulate(void (*fn)(struct place *at))
{
    struct sp__world *world;
    struct simulated self = { .fn = fn };
    CHECK_OK(sp__world_create(&(struct sp__world_hooks){ 0 }, &world));
    CHECK_OK(sp__world_main(world, NULL, 0, simulated_case, &self));
    CHECK_INT(sp__world_run(world, UINT64_MAX, INT64_MAX), SP__WORLD_IDLE);
    CHECK(self.done);
    sp__world_destroy(world);
}

TEST(files_of_a_simulated_disk)
{
    for (int i = 0; i < FILE_CASES; i++)
        simulate(file_cases[i]);
}

/* ---- loss of power ---- */

static void lose_power(struct place *at)
{
    sp__disk_lose(sp__sim_node(at->runtime)->host->disk);
}

static bool is_there(struct place *at, const char *name, const char *wanted)
{
    struct sp__file *file;
    if (at->ops->open(at->runtime, in_place(at, 0, name), 0, &file) != SP_OK)
        return false;
    holds(at, file, wanted);
    at->ops->close(file);
    return true;
}

static void power_case(struct place *at)
{
    CHECK_OK(at->ops->sync_folder(at->runtime, "."));
    put(at, "unsynced", "x");
    struct sp__file *file = opened(at, "synced", SP__FILE_CREATE);
    CHECK_OK(at->ops->append(file, "kept", 4));
    CHECK_OK(at->ops->sync(file));
    CHECK_OK(at->ops->append(file, " and lost", 9));
    at->ops->close(file);
    put(at, "nameonly", "gone");
    CHECK_OK(at->ops->sync_folder(at->runtime, at->folder));
    CHECK_OK(at->ops->rename(at->runtime, in_place(at, 0, "synced"), in_place(at, 1, "renamed")));
    put(at, "later", "x");
    lose_power(at);
    CHECK(is_there(at, "synced", "kept"));
    CHECK(is_there(at, "nameonly", ""));
    CHECK(is_there(at, "unsynced", "")); /* its folder was synced after it had come */
    CHECK(!is_there(at, "renamed", ""));
    CHECK(!is_there(at, "later", ""));
    CHECK_OK(at->ops->rename(at->runtime, in_place(at, 0, "synced"), in_place(at, 1, "renamed")));
    CHECK_OK(at->ops->remove(at->runtime, in_place(at, 0, "nameonly")));
    CHECK_OK(at->ops->sync_folder(at->runtime, at->folder));
    lose_power(at);
    CHECK(is_there(at, "renamed", "kept"));
    CHECK(!is_there(at, "synced", ""));
    CHECK(!is_there(at, "nameonly", ""));
}

TEST(files_that_were_not_synced_are_lost_with_the_power)
{
    simulate(power_case);
}

static void folder_case(struct place *at)
{
    put(at, "file", "x");
    CHECK_OK(at->ops->sync_folder(at->runtime, at->folder)); /* but not the one that it is in */
    lose_power(at);
    CHECK(!is_there(at, "file", ""));
}

TEST(files_of_a_folder_that_is_lost_are_lost)
{
    simulate(folder_case);
}

/* Programs come and go, the disk stays. */
static void first_life(void *arg)
{
    struct place *at = arg;
    CHECK_OK(sp_runtime_create(NULL, &at->runtime));
    at->ops = at->runtime->ops->file;
    CHECK_OK(at->ops->make_folder(at->runtime, at->folder));
    put(at, "kept", "by the machine");
    CHECK_OK(sp_runtime_destroy(at->runtime, sp_after_sec(5), NULL));
}

static void second_life(void *arg)
{
    struct place *at = arg;
    CHECK_OK(sp_runtime_create(NULL, &at->runtime));
    CHECK(is_there(at, "kept", "by the machine"));
    CHECK_OK(sp_runtime_destroy(at->runtime, sp_after_sec(5), NULL));
    at->runtime = NULL;
}

TEST(files_outlive_the_program)
{
    struct sp__world *world;
    struct place at = { .folder = "data" };
    CHECK_OK(sp__world_create(&(struct sp__world_hooks){ 0 }, &world));
    struct sp__host *host = sp__host_add(world, "machine");
    CHECK(host != NULL);
    CHECK_OK(sp__world_main(world, host, 0, first_life, &at));
    CHECK_INT(sp__world_run(world, UINT64_MAX, INT64_MAX), SP__WORLD_IDLE);
    CHECK_OK(sp__world_main(world, host, 0, second_life, &at));
    CHECK_INT(sp__world_run(world, UINT64_MAX, INT64_MAX), SP__WORLD_IDLE);
    CHECK(at.runtime == NULL);
    sp__world_destroy(world);
}
