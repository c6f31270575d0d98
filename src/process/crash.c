#include "process/crash.h"

#include "base/alloc.h"
#include "base/text.h"
#include "process/spawn_site.h"
#include "runtime/log.h"
#include "runtime/log_format.h"
#include "runtime/real/crash_file.h"
#include "runtime/real/fault.h"
#include "runtime/real/probe.h"
#include "runtime/recorder.h"

#include <string.h>

enum {
    CRASH_FILES = 100,  /* files_max: default */
    CRASH_TEXT = 16384, /* bytes of the facts; a longer text is cut */
    CRASH_MESSAGES = 32,
    CRASH_PATH = 4096,
};

/* Of the process until it is submitted, then of the thread that writes. */
struct crash_job {
    struct sp__job job; /* first */
    struct sp_runtime *runtime;
    struct sp_fault fault;
    struct sp__text text;
    int error; /* of the system, in `run` */
    char path[CRASH_PATH];
    char buffer[CRASH_TEXT];
};

/* ---- facts ---- */

static void crash_message(struct sp__text *text, struct sp_message *message)
{
    char from[SP_PID_TEXT_MAX];
    sp__text_add(text, "  %-40s %6u bytes, from %s\n", message->type->name, message->size,
                 sp_pid_format(message->from, from));
}

/* Those that were put back or fetched, then those in the lane: the oldest first. */
static size_t crash_messages(struct sp__text *text, struct sp_process *self)
    SP__REQUIRES(self->lock)
{
    struct sp__actor *actor = &self->actor;
    struct sp_message *at = self->saved;
    size_t told = 0;
    while (at != NULL && told < CRASH_MESSAGES) {
        at = sp__message_next(at);
        crash_message(text, at);
        told++;
        if (at == self->saved)
            break;
    }
    if (actor->direct != NULL && told < CRASH_MESSAGES) {
        crash_message(text, actor->direct);
        told++;
    }
    /* acquire, both: pair with the release of who linked it. A sender that is about to link the
     * next one ends the list for us. */
    at = atomic_load_explicit(&actor->head, memory_order_acquire);
    for (; at != NULL && told < CRASH_MESSAGES; told++) {
        crash_message(text, at);
        at = atomic_load_explicit(&at->next, memory_order_acquire);
    }
    return told;
}

static void crash_mailbox(struct sp__text *text, struct sp_process *self)
{
    uint32_t length = sp__mailbox_length(&self->actor);
    sp__text_add(text, "\nmailbox: %u messages\n", length);
    /* Senders may drop the oldest, under the lock. */
    sp__lock_lock(&self->lock);
    size_t told = crash_messages(text, self);
    sp__lock_unlock(&self->lock);
    if (told < length)
        sp__text_add(text, "  ...\n");
}

static void crash_line(void *arg, const char *line)
{
    sp__text_add(arg, "  %s\n", line);
}

static void crash_process(struct sp__text *text, struct sp_process *self)
{
    char name[64];
    char pid[SP_PID_TEXT_MAX];
    char parent[SP_PID_TEXT_MAX];
    char site[128];
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct sp__extra *extra = self->extra;
    const void *spawned_at = sp__spawn_site_of(self);
    double up_s = (double)(sp__now(runtime) - sp__process_started(self)) / (double)SP_NS_PER_S;
    size_t memory = extra == NULL ? 0 : atomic_load_explicit(&extra->memory, memory_order_relaxed);
    site[0] = '\0';
    if (spawned_at != NULL)
        sp__probe_frame_text(spawned_at, site, sizeof(site));
    sp__text_add(text, "process: %s, a %s, %s\n", sp__process_text(self, name),
                 sp__process_label(self), sp_pid_format(sp__process_pid(self), pid));
    sp__text_add(text, "spawned by: %s%s%s, %.3f s ago\n",
                 sp_pid_format((sp_pid){ self->parent_serial, self->parent_slot, 0 }, parent),
                 site[0] == '\0' ? "" : " at ", site, up_s);
    /* relaxed: the owner's own. */
    sp__text_add(text, "handled: %llu messages; memory of sp_alloc(): %zu bytes\n",
                 (unsigned long long)atomic_load_explicit(&self->handled, memory_order_relaxed),
                 memory);
}

static void crash_handled(struct sp__text *text, struct sp_process *self)
{
    struct sp_message *message = sp__process_is_server(self) ? sp__process_handles(self) : NULL;
    if (message == NULL)
        return;
    char from[SP_PID_TEXT_MAX];
    sp__text_add(text, "message: %s, %u bytes, from %s\n", message->type->name, message->size,
                 sp_pid_format(message->from, from));
}

static void crash_registers(struct sp__text *text)
{
    const char *const *names;
    const uint64_t *values;
    size_t count = sp__fault_registers(sp__context(), &names, &values);
    sp__text_add(text, "\nregisters\n");
    for (size_t i = 0; i < count; i++)
        sp__text_add(text, "  %-3s 0x%016llx%s", names[i], (unsigned long long)values[i],
                     i % 4 == 3 || i + 1 == count ? "\n" : "");
    if (count == 0)
        sp__text_add(text, "  not known on this machine\n");
}

static void crash_facts(struct crash_job *own, struct sp_process *self, int64_t wall_ns,
                        uint32_t number)
{
    struct sp__text *text = &own->text;
    const struct sp_reason *reason = sp__reason_fault(&own->fault);
    sp__text_add(text, "crash report %u of a process\ntime: ", number);
    sp__log_put_time(text, wall_ns);
    sp__text_add(text, "\n%s%s\n", sp_reason_text(reason),
                 own->fault.stack_overflow ? "; the stack is full" : "");
    sp_reason_unref(reason);
    crash_process(text, self);
    crash_handled(text, self);
    crash_mailbox(text, self);
    crash_registers(text);
    sp__text_add(text, "\nlast events of this thread, oldest first\n");
    sp__recorder_last(sp__context(), crash_line, text);
}

/* ---- the file ---- */

/* On a thread that may block, without a context. */
static void crash_run(struct sp__job *job)
{
    struct crash_job *own = (struct crash_job *)job;
    own->error = sp__crash_file_write(own->path, own->buffer, own->text.length, &own->fault);
}

static void crash_done(struct sp__job *job)
{
    struct crash_job *own = (struct crash_job *)job;
    if (own->error == 0)
        sp__log(own->runtime, SP_LOG_INFO, "crash report: %s", own->path);
    else
        sp__log(own->runtime, SP_LOG_ERROR, "crash report %s is not whole: %s", own->path,
                strerrordesc_np(own->error));
    sp__free(own);
}

/* ---- the process ---- */

/* Where to look for it: a path that is too long would lead nowhere when it is cut. */
static void crash_tell(struct sp_fault *fault, const char *path)
{
    const char *told = strlen(path) < sizeof(fault->report) ? path : strrchr(path, '/') + 1;
    memcpy(fault->report, told, strlen(told) + 1);
}

static sp_err crash_submit(struct sp_process *self, struct sp_fault *fault, uint32_t number)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    struct crash_job *own = sp__malloc(sizeof(*own));
    if (own == NULL)
        return SP_ERR_NOMEM;
    own->job = (struct sp__job){ .run = crash_run, .done = crash_done };
    own->runtime = runtime;
    own->fault = *fault;
    sp__text_init(&own->text, own->buffer, sizeof(own->buffer));
    int64_t wall_ns = sp_wall_ns();
    bool named = sp__crash_file_name(own->path, sizeof(own->path), runtime->options.crash.folder,
                                     wall_ns, number);
    sp_err err = named ? SP_OK : SP_ERR_TOOBIG;
    if (err == SP_OK) {
        crash_facts(own, self, wall_ns, number);
        crash_tell(fault, own->path);
        err = runtime->ops->blocking(runtime, &own->job);
    }
    if (err != SP_OK) {
        fault->report[0] = '\0';
        sp__free(own);
    }
    return err;
}

void sp__crash_report(struct sp_process *self, struct sp_fault *fault)
{
    struct sp_runtime *runtime = sp__process_runtime(self);
    const struct sp_crash_options *options = &runtime->options.crash;
    uint32_t max = options->files_max == 0 ? CRASH_FILES : options->files_max;
    if (options->folder == NULL)
        return;
    /* relaxed: a number, no more. */
    uint32_t number = atomic_fetch_add_explicit(&runtime->crashes, 1, memory_order_relaxed) + 1;
    if (number == max + 1)
        sp__log(runtime, SP_LOG_WARNING, "crash reports: %u were written, no more are", max);
    if (number > max)
        return;
    sp_err err = crash_submit(self, fault, number);
    if (err != SP_OK)
        sp__log(runtime, SP_LOG_ERROR, "crash report %u: %s", number, sp_err_text(err));
}
