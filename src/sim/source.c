#include "sim/source.h"

#include "base/alloc.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SOURCE_BATCH = 512, /* addresses of one call of the tool */
    SOURCE_ARGUMENTS = 5,
    SOURCE_LINE_MAX = 1024,
};

struct source_batch {
    char path[SOURCE_LINE_MAX];
    uintptr_t base;
    const void *addresses[SOURCE_BATCH];
    char texts[SOURCE_BATCH][24];
    size_t count;
};

static struct sim_place *source_add(struct sim_sources *sources)
{
    if (sources->count == sources->capacity) {
        size_t capacity = sources->capacity == 0 ? 64 : 2 * sources->capacity;
        void *places = sp__realloc(sources->places, capacity * sizeof(*sources->places));
        if (places == NULL)
            return NULL;
        sources->places = places;
        sources->capacity = capacity;
    }
    return &sources->places[sources->count++];
}

/* ---- the tool ---- */

/* Its standard output, or NULL: it cannot be started. */
static FILE *tool_start(struct source_batch *batch, pid_t *out_pid)
{
    static char words[][16] = { "addr2line", "-afi", "-e" };
    char *arguments[SOURCE_ARGUMENTS + SOURCE_BATCH + 1] = { words[0], words[1], words[2],
                                                             batch->path };
    size_t at = 4;
    for (size_t i = 0; i < batch->count; i++)
        arguments[at++] = batch->texts[i];
    arguments[at] = NULL;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    (void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    /* `environ` is not named: a program that does has it among its data, which runs take back. */
    static char locale[] = "LC_ALL=C";
    char *const environment[] = { locale, NULL };
    int failed = posix_spawnp(out_pid, arguments[0], &actions, NULL, arguments, environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    FILE *file = failed != 0 ? NULL : fdopen(ends[0], "r");
    if (file == NULL)
        (void)close(ends[0]);
    return file;
}

static void line_cut(char *line)
{
    line[strcspn(line, "\n")] = '\0';
}

/* "file:line", perhaps followed by " (discriminator 2)". */
static void place_parse(struct sim_place *place, char *line)
{
    char *space = strstr(line, " (");
    if (space != NULL)
        *space = '\0';
    char *colon = strrchr(line, ':');
    if (colon == NULL)
        return;
    *colon = '\0';
    place->line = (int)strtol(colon + 1, NULL, 10);
    (void)snprintf(place->file, sizeof(place->file), "%.*s", (int)sizeof(place->file) - 1, line);
}

static void tool_read(struct sim_sources *sources, const struct source_batch *batch, FILE *file)
{
    char function[SOURCE_LINE_MAX];
    char line[SOURCE_LINE_MAX];
    size_t address = 0; /* number of the present one, from 1 */
    while (fgets(function, sizeof(function), file) != NULL) {
        line_cut(function);
        if (function[0] == '0' && function[1] == 'x') {
            address++;
            continue;
        }
        if (fgets(line, sizeof(line), file) == NULL || address == 0 || address > batch->count)
            return;
        line_cut(line);
        struct sim_place place = { .address = batch->addresses[address - 1] };
        place_parse(&place, line);
        if (strcmp(function, "??") == 0 || place.line == 0)
            continue;
        (void)snprintf(place.function, sizeof(place.function), "%.*s", SIM_PLACE_MAX - 1, function);
        struct sim_place *kept = source_add(sources);
        if (kept != NULL)
            *kept = place;
    }
}

static void batch_find(struct sim_sources *sources, struct source_batch *batch)
{
    pid_t pid;
    if (batch->count == 0)
        return;
    FILE *file = tool_start(batch, &pid);
    if (file == NULL) {
        sources->no_tool = true;
        return;
    }
    tool_read(sources, batch, file);
    (void)fclose(file);
    int status = 0;
    (void)waitpid(pid, &status, 0);
    sources->no_tool = WIFEXITED(status) && WEXITSTATUS(status) == 127;
    batch->count = 0;
}

/* ---- modules ---- */

struct source_module {
    uintptr_t address;
    uintptr_t base;
    bool found;
    char path[SOURCE_LINE_MAX];
};

static int module_look(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct source_module *module = arg;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t low = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD || module->address < low ||
            module->address >= low + segment->p_memsz)
            continue;
        module->found = true;
        module->base = info->dlpi_addr;
        (void)snprintf(module->path, sizeof(module->path), "%s", info->dlpi_name);
        return 1;
    }
    return 0;
}

static bool module_of(const void *address, struct source_module *module)
{
    *module = (struct source_module){ .address = (uintptr_t)address };
    (void)dl_iterate_phdr(module_look, module);
    if (!module->found)
        return false;
    if (module->path[0] == '\0') { /* the executable itself, even if it was moved meanwhile */
        ssize_t length = readlink("/proc/self/exe", module->path, sizeof(module->path) - 1);
        module->path[length < 0 ? 0 : length] = '\0';
    }
    return module->path[0] != '\0';
}

static bool source_known(const struct sim_sources *sources, const struct source_batch *batch,
                         const void *address)
{
    for (size_t i = 0; i < sources->count; i++)
        if (sources->places[i].address == address)
            return true;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->addresses[i] == address)
            return true;
    return false;
}

void sim_sources_find(struct sim_sources *sources, void *const *addresses, size_t count)
{
    struct source_batch *batch = sp__calloc(1, sizeof(*batch));
    struct source_module module;
    for (size_t i = 0; i < count && batch != NULL; i++) {
        if (source_known(sources, batch, addresses[i]) || !module_of(addresses[i], &module))
            continue;
        if (batch->count == SOURCE_BATCH || strcmp(batch->path, module.path) != 0)
            batch_find(sources, batch);
        (void)snprintf(batch->path, sizeof(batch->path), "%s", module.path);
        batch->addresses[batch->count] = addresses[i];
        /* The call is before where it returns to. */
        (void)snprintf(batch->texts[batch->count], sizeof(batch->texts[0]), "0x%" PRIxPTR,
                       (uintptr_t)addresses[i] - 1 - module.base);
        batch->count++;
    }
    if (batch != NULL)
        batch_find(sources, batch);
    sp__free(batch);
}

void sim_sources_finish(struct sim_sources *sources)
{
    sp__free(sources->places);
    *sources = (struct sim_sources){ .count = 0 };
}

/* ---- the program's own line ---- */

/* Does the line, if the source is there to be read, declare what the headers generate? */
static bool place_is_declaration(const struct sim_place *place)
{
    static const char *const macros[] = { "SP_CALL",    "SP_CAST", "SP_SERVER",
                                          "SP_MESSAGE", "SP_ON_",  "SP_CLASS" };
    char line[SOURCE_LINE_MAX] = "";
    FILE *file = fopen(place->file, "re");
    if (file == NULL)
        return false;
    for (int i = 0; i < place->line; i++)
        if (fgets(line, sizeof(line), file) == NULL)
            line[0] = '\0';
    (void)fclose(file);
    for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++)
        if (strstr(line, macros[i]) != NULL)
            return true;
    return false;
}

static bool place_is_header(const struct sim_place *place)
{
    return strstr(place->file, "/spawned/") != NULL && place->file[strlen(place->file) - 1] == 'h';
}

const struct sim_place *sim_sources_place(const struct sim_sources *sources, void *const *frames,
                                          int count)
{
    const struct sim_place *last = NULL;
    for (int frame = 0; frame < count; frame++)
        for (size_t i = 0; i < sources->count; i++) {
            const struct sim_place *place = &sources->places[i];
            if (place->address != frames[frame])
                continue;
            if (!place_is_header(place) && !place_is_declaration(place))
                return place;
            last = last == NULL ? place : last;
        }
    return last;
}

const char *sim_place_file(const struct sim_place *place)
{
    const char *slash = strrchr(place->file, '/');
    return slash == NULL ? place->file : slash + 1;
}

const char *sim_place_text(const struct sim_place *place, char *text, size_t size)
{
    text[0] = '\0';
    if (place != NULL)
        (void)snprintf(text, size, "%s at %s:%d", place->function, sim_place_file(place),
                       place->line);
    return text;
}
