/* See supervision.h.
 */
#include "support/supervision.h"

#include "support/test.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---- the record ---- */

#define SV_EVENT_SIZE 48
#define SV_EVENTS_MAX 4096

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char events[SV_EVENTS_MAX][SV_EVENT_SIZE];
    size_t count;
    char log[1 << 16];
    size_t log_length;
} sv = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static char sv_text[SV_EVENTS_MAX * SV_EVENT_SIZE];
static char sv_log_text[sizeof(sv.log)];
static struct sp_runtime *sv_runtime;

void sv_record(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&sv.lock);
    if (sv.count < SV_EVENTS_MAX)
        vsnprintf(sv.events[sv.count++], SV_EVENT_SIZE, format, args);
    pthread_cond_broadcast(&sv.changed);
    pthread_mutex_unlock(&sv.lock);
    va_end(args);
}

static size_t sv_count_locked(const char *event)
{
    size_t n = 0;
    for (size_t i = 0; i < sv.count; i++)
        n += strcmp(sv.events[i], event) == 0;
    return n;
}

const char *sv_events(size_t count)
{
    size_t length = 0;
    pthread_mutex_lock(&sv.lock);
    while (sv.count < count)
        pthread_cond_wait(&sv.changed, &sv.lock);
    sv_text[0] = '\0';
    for (size_t i = 0; i < sv.count; i++)
        length += (size_t)snprintf(sv_text + length, sizeof(sv_text) - length, "%s%s",
                                   i == 0 ? "" : " ", sv.events[i]);
    pthread_mutex_unlock(&sv.lock);
    return sv_text;
}

void sv_await(const char *event, size_t times)
{
    pthread_mutex_lock(&sv.lock);
    while (sv_count_locked(event) < times)
        pthread_cond_wait(&sv.changed, &sv.lock);
    pthread_mutex_unlock(&sv.lock);
}

size_t sv_count(const char *event)
{
    pthread_mutex_lock(&sv.lock);
    size_t n = sv_count_locked(event);
    pthread_mutex_unlock(&sv.lock);
    return n;
}

void sv_clear(void)
{
    pthread_mutex_lock(&sv.lock);
    sv.count = 0;
    pthread_mutex_unlock(&sv.lock);
}

size_t sv_words(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text != ' ' && (text[1] == ' ' || text[1] == '\0');
    return n;
}

static void sv_on_log(void *context, const struct sp_log_record *record)
{
    (void)context;
    const char *line = record->text;
    pthread_mutex_lock(&sv.lock);
    int written = snprintf(sv.log + sv.log_length, sizeof(sv.log) - sv.log_length, "%s\n", line);
    if (written > 0 && sv.log_length + (size_t)written < sizeof(sv.log))
        sv.log_length += (size_t)written;
    pthread_mutex_unlock(&sv.lock);
}

const char *sv_log(void)
{
    CHECK_OK(sp_log_flush(sv_runtime, sp_after_sec(60)));
    pthread_mutex_lock(&sv.lock);
    memcpy(sv_log_text, sv.log, sizeof(sv.log));
    pthread_mutex_unlock(&sv.lock);
    return sv_log_text;
}

/* ---- the runtime ---- */

void sv_begin(void)
{
    struct sp_runtime_options options = { .workers = 2,
                                          .log = { .fn = sv_on_log, .level = SP_LOG_DEBUG } };
    CHECK_OK(sp_runtime_create(&options, &sv_runtime));
    CHECK_OK(sp_thread_attach(sv_runtime));
}

void sv_end(void)
{
    struct sp_stop_report report;
    sp_thread_detach();
    CHECK_OK(sp_runtime_destroy(sv_runtime, sp_after_sec(60), &report));
    CHECK_INT(report.killed, 0);
    CHECK_INT(report.stuck, 0);
}

size_t sv_processes(void)
{
    struct sp_stats stats;
    sp_runtime_stats(sv_runtime, &stats);
    return (size_t)stats.processes;
}

void sv_await_processes(size_t count)
{
    while (sv_processes() != count)
        sp_yield();
}

/* ---- probes ---- */

struct probe {
    struct probe_args args;
};

static _Atomic int probe_starts[128];
/* Not mapped. Not NULL, which a sanitizer checks; volatile, because the compiler may not see it. */
static int *volatile sv_nowhere = (int *)64;

/* Does what the letter says; SP_OK: the start succeeds. */
static sp_err probe_start_as(const struct probe *self, char letter)
{
    switch (letter) {
    case 'o':
        return SP_OK;
    case 'g':
        sv_gate_pass(self->args.gate);
        return SP_OK;
    case 'e':
        return SP_ERR_INVALID;
    case 'b':
        sv_record("!%c", self->args.tag);
        sp_exit_error(SP_OK, "boom");
    case 'f':
        sv_record("!%c", self->args.tag);
        *sv_nowhere = 1;
        return SP_OK;
    case 'i':
        return SP_ERR_IGNORED;
    default:
        FAIL("no start is called %c", letter);
    }
}

static sp_err probe_init(struct probe *self, const struct probe_args *args)
{
    self->args = *args;
    /* relaxed: starts of one tag follow each other through the supervisor's messages. */
    int before =
        atomic_fetch_add_explicit(&probe_starts[(unsigned char)args->tag], 1, memory_order_relaxed);
    int last = (int)strlen(args->starts) - 1;
    sp_err err = probe_start_as(self, args->starts[before < last ? before : last]);
    sv_record("%c%c", err == SP_OK ? '+' : '!', args->tag);
    return err;
}

static void probe_terminate(struct probe *self, const struct sp_reason *reason)
{
    if (!sp_pid_is_none(self->args.terminate_gate))
        sv_gate_pass(self->args.terminate_gate);
    if (sp_reason_kind(reason) == SP_REASON_SHUTDOWN)
        sv_record("-%c", self->args.tag);
    else if (sp_reason_kind(reason) == SP_REASON_FAULT)
        sv_record("-%c(fault)", self->args.tag);
    else
        sv_record("-%c(%s)", self->args.tag, sp_reason_text(reason));
}

static void probe_unlink_parent(void)
{
    struct sp_process_info info;
    CHECK_OK(sp_process_info(sp_self(), &info));
    sp_unlink(info.parent);
    sv_record("unlinked");
}

static void probe_on_act(struct probe *self, const struct probe_command *in)
{
    (void)self;
    switch (in->action) {
    case PROBE_CRASH:
        sp_exit_error(SP_OK, "boom");
    case PROBE_SEGV:
        *sv_nowhere = 1;
        break;
    case PROBE_NORMAL:
        sp_server_stop_self(sp_reason_normal());
        break;
    case PROBE_SHUTDOWN:
        sp_server_stop_self(sp_reason_shutdown());
        break;
    case PROBE_SHUTDOWN_WITH:
        sp_server_stop_self(sp_reason_shutdown_with("done"));
        break;
    case PROBE_UNLINK:
        probe_unlink_parent();
        break;
    }
}

static void probe_on_note(struct probe *self, const struct probe_note *in)
{
    sv_record("%c=%d", self->args.tag, in->number);
}

static sp_err probe_on_ping(struct probe *self, const sp_empty *in, struct probe_pong *out)
{
    (void)in;
    out->tag = self->args.tag;
    out->starts =
        atomic_load_explicit(&probe_starts[(unsigned char)self->args.tag], memory_order_relaxed);
    return SP_OK;
}

SP_STATE(probe, struct probe);
SP_ON_INIT(probe);
SP_ON_TERMINATE(probe);
SP_ON_CAST(probe, act);
SP_ON_CAST(probe, note);
SP_ON_CALL(probe, ping);
SP_CLASS(probe, .init = probe__init, .terminate = probe__terminate);

struct sp_child_spec sv_child_starting(const char *tag, const char *starts)
{
    static struct probe_args all[8192]; /* they live as long as the case */
    static size_t used;
    CHECK(used < sizeof(all) / sizeof(all[0]));
    struct probe_args *args = &all[used++];
    *args = (struct probe_args){ .tag = tag[0], .starts = starts };
    return (struct sp_child_spec){
        .id = tag,
        .server = &probe_class,
        .args = args,
        .options.spawn.trap_exit = true,
    };
}

struct sp_child_spec sv_child(const char *tag)
{
    return sv_child_starting(tag, "o");
}

struct probe_args *sv_args(const struct sp_child_spec *child)
{
    return (struct probe_args *)(uintptr_t)child->args;
}

/* ---- supervisors ---- */

sp_pid sv_supervisor(const struct sp_supervisor_spec *spec)
{
    sp_pid pid;
    CHECK_OK(sp_supervisor_start(spec, NULL, &pid));
    return pid;
}

struct sp_child_info sv_child_info(sp_pid supervisor, const char *id)
{
    struct sp_child_info info;
    CHECK_OK(sp_supervisor_get_child(supervisor, id, sp_never(), &info));
    return info;
}

sp_pid sv_child_pid(sp_pid supervisor, const char *id)
{
    struct sp_child_info info = sv_child_info(supervisor, id);
    CHECK_INT(info.status, SP_CHILD_RUNNING);
    CHECK(!sp_pid_is_none(info.pid));
    return info.pid;
}

void sv_await_status(sp_pid supervisor, const char *id, enum sp_child_status status)
{
    while (sv_child_info(supervisor, id).status != status)
        sp_yield();
}

void sv_act(sp_pid probe, enum probe_action action)
{
    CHECK_OK(probe_act((probe_ref){ probe }, &(struct probe_command){ action }));
}

void sv_end_child(sp_pid supervisor, const char *id, enum probe_action action)
{
    sp_pid pid = sv_child_pid(supervisor, id);
    sv_act(pid, action);
    CHECK_OK(sp_join(pid, sp_never(), NULL));
}

void sv_stop(sp_pid pid)
{
    CHECK_OK(sp_stop(pid, sp_reason_shutdown(), sp_never()));
}

sp_monitor_ref sv_watch(sp_pid pid)
{
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(pid, &ref));
    return ref;
}

static bool sv_is_down(const struct sp_message *message, void *arg)
{
    const struct sp_down *down = sp_message_down(message);
    return down != NULL && down->ref.id == ((const sp_monitor_ref *)arg)->id;
}

const char *sv_reason(sp_monitor_ref ref)
{
    static char text[512];
    struct sp_message *message;
    CHECK_OK(sp_receive_select(sv_is_down, &ref, sp_never(), &message));
    snprintf(text, sizeof(text), "%s", sp_reason_text(sp_message_down(message)->reason));
    sp_message_free(message);
    return text;
}

/* ---- gates ---- */

#define GATE_WAITING_MAX 256

struct gate {
    unsigned count;
    bool open;
    unsigned waiting;
    sp_request requests[GATE_WAITING_MAX];
};

static sp_err gate_init(struct gate *self, const struct gate_args *args)
{
    *self = (struct gate){ .count = args->count };
    return SP_OK;
}

static void gate_release(struct gate *self)
{
    self->open = true;
    for (unsigned i = 0; i < self->waiting; i++)
        sp_ignore(gate_pass_reply(self->requests[i], &(sp_empty){ 0 }));
    self->waiting = 0;
}

static sp_err gate_on_pass(struct gate *self, const sp_empty *in, sp_empty *out)
{
    (void)in;
    (void)out;
    if (self->open)
        return SP_OK;
    CHECK(self->waiting < GATE_WAITING_MAX);
    CHECK_OK(sp_request_take(&self->requests[self->waiting++]));
    if (self->waiting == self->count)
        gate_release(self);
    return SP_ERR_DEFERRED;
}

static sp_err gate_on_waiting(struct gate *self, const sp_empty *in, struct gate_waiting *out)
{
    (void)in;
    out->count = self->waiting;
    return SP_OK;
}

static void gate_on_open(struct gate *self, const sp_empty *in)
{
    (void)in;
    gate_release(self);
}

SP_STATE(gate, struct gate);
SP_ON_INIT(gate);
SP_ON_CALL(gate, pass);
SP_ON_CALL(gate, waiting);
SP_ON_CAST(gate, open);
SP_CLASS(gate, .init = gate__init);

sp_pid sv_gate(unsigned count)
{
    gate_ref ref;
    CHECK_OK(gate_start(&(struct gate_args){ count }, NULL, &ref));
    return ref.pid;
}

void sv_gate_pass(sp_pid gate)
{
    sp_empty out;
    CHECK_OK(gate_pass((gate_ref){ gate }, &(sp_empty){ 0 }, &out, sp_never()));
}

void sv_gate_await(sp_pid gate, unsigned count)
{
    struct gate_waiting out = { 0 };
    while (out.count < count) {
        CHECK_OK(gate_waiting((gate_ref){ gate }, &(sp_empty){ 0 }, &out, sp_never()));
        sp_yield();
    }
}

void sv_gate_open(sp_pid gate)
{
    CHECK_OK(gate_open((gate_ref){ gate }, &(sp_empty){ 0 }));
}
