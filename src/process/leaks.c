#include "process/leaks.h"

#include "base/alloc.h"
#include "base/text.h"
#include "process/relation.h"
#include "runtime/log.h"
#include "runtime/real/probe.h"

enum {
    LEAKS_SITES = 16, /* that are told apart; what others asked for is in the sum */
    LEAKS_TOLD = 4,   /* the largest of them */
    LEAKS_SITE_TEXT = 80,
};

/* At one place in the program. */
struct leaks_site {
    const void *site;
    uint64_t count;
    uint64_t bytes;
};

struct sp__leaks {
    struct leaks_site all; /* site: not used */
    struct leaks_site sites[LEAKS_SITES];
};

/* Sockets are released later than the report. */
static uint32_t leaks_files(const struct sp_process *self)
{
    return atomic_load_explicit(&self->held, memory_order_relaxed) / SP__HELD_FILE;
}

/* NULL: no memory; that much is then not reported. */
static struct sp__leaks *leaks_of(struct sp_process *self)
{
    struct sp__extra *extra = sp__process_extra(self);
    if (extra != NULL && extra->leaks == NULL)
        extra->leaks = sp__calloc(1, sizeof(*extra->leaks));
    return extra == NULL ? NULL : extra->leaks;
}

static void leaks_add(struct leaks_site *place, uint64_t bytes)
{
    place->count++;
    place->bytes += bytes;
}

static void leaks_note_memory(struct sp__leaks *leaks, size_t bytes, const void *site)
{
    leaks_add(&leaks->all, bytes);
    for (int i = 0; i < LEAKS_SITES; i++) {
        struct leaks_site *place = &leaks->sites[i];
        if (place->count != 0 && place->site != site)
            continue;
        place->site = site;
        leaks_add(place, bytes);
        return;
    }
}

void sp__leaks_release(struct sp_process *self, struct sp__resource *resource)
{
    size_t bytes;
    const void *site;
    struct sp__leaks *leaks = sp__memory_of(resource, &bytes, &site) ? leaks_of(self) : NULL;
    if (leaks != NULL)
        leaks_note_memory(leaks, bytes, site);
    resource->release(resource);
}

/* The place with the most bytes that was not told yet, or NULL. */
static struct leaks_site *leaks_next(struct sp__leaks *leaks)
{
    struct leaks_site *most = NULL;
    for (int i = 0; i < LEAKS_SITES; i++)
        if (leaks->sites[i].count != 0 && (most == NULL || leaks->sites[i].bytes > most->bytes))
            most = &leaks->sites[i];
    return most;
}

static void leaks_text_memory(struct sp__leaks *leaks, struct sp__text *text)
{
    char where[LEAKS_SITE_TEXT];
    struct leaks_site *place;
    sp__text_add(text, " %llu allocations of %llu bytes (", (unsigned long long)leaks->all.count,
                 (unsigned long long)leaks->all.bytes);
    for (int i = 0; i < LEAKS_TOLD && (place = leaks_next(leaks)) != NULL; i++) {
        sp__probe_frame_text(place->site, where, sizeof(where));
        sp__text_add(text, "%s%llu of %llu bytes at %s", i == 0 ? "" : ", ",
                     (unsigned long long)place->count, (unsigned long long)place->bytes, where);
        place->count = 0;
    }
    sp__text_add(text, ")");
}

static void leaks_text_count(struct sp__text *text, uint64_t count, const char *what)
{
    if (count != 0)
        sp__text_add(text, "%s %llu %s", text->length == 0 ? "" : ",", (unsigned long long)count,
                     what);
}

void sp__leaks_report(struct sp_process *self)
{
    char buffer[400];
    char who[64];
    char pid[SP_PID_TEXT_MAX];
    struct sp__text text;
    struct sp__extra *extra = self->extra;
    struct sp__leaks *leaks = extra == NULL ? NULL : extra->leaks;
    sp__text_init(&text, buffer, sizeof(buffer));
    if (leaks != NULL && leaks->all.count != 0)
        leaks_text_memory(leaks, &text);
    leaks_text_count(&text, leaks_files(self), "open sockets");
    sp__lock_lock(&self->lock);
    uint64_t timers = self->relations == NULL ? 0 : self->relations->timer_count;
    uint64_t requests = extra == NULL ? 0 : sp__map_count(&extra->requests);
    sp__lock_unlock(&self->lock);
    leaks_text_count(&text, timers, "timers");
    leaks_text_count(&text, requests, "requests without an answer");
    if (text.length == 0 || !sp__log_on(sp__process_runtime(self), SP_LOG_INFO))
        return;
    sp__log(sp__process_runtime(self), SP_LOG_INFO, "process %s (%s %s) left behind:%s",
            sp__process_text(self, who), sp__process_label(self),
            sp_pid_format(sp__process_pid(self), pid), buffer);
}
