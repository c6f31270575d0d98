/* The flight recorder: what is in it, while it is written to; what an export looks like; and what
 * the log says after a fault. */
#include "support/test.h"

#include <pthread.h>
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

SP_SERVER(echo, sp_empty);
SP_CALL(echo, say, int, int);
SP_CAST(echo, crash, sp_empty);

static sp_err echo_on_say(sp_empty *self, const int *in, int *out)
{
    (void)self;
    *out = *in + 1;
    return SP_OK;
}

static void echo_on_crash(sp_empty *self, const sp_empty *in)
{
    (void)self;
    (void)in;
    abort();
}

SP_STATE(echo, sp_empty);
SP_ON_CALL(echo, say);
SP_ON_CAST(echo, crash);
SP_CLASS(echo, .init = NULL);

static echo_ref echo_new(void)
{
    echo_ref ref;
    sp_empty none = { 0 };
    CHECK_OK(echo_start(&none, NULL, &ref));
    return ref;
}

static bool record_is(const struct sp_record *record, enum sp_record_kind kind, const char *what,
                      sp_pid process, sp_pid other)
{
    return record->kind == kind && sp_pid_equal(record->process, process) &&
           sp_pid_equal(record->other, other) && record->what != NULL &&
           strcmp(record->what, what) == 0;
}

static int recording_main(void *arg)
{
    enum { MAX = 4096 };
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    static struct sp_record records[MAX];
    uint64_t cursor = 0;
    echo_ref echo = echo_new();
    int out;
    CHECK_INT((int)sp_recorder_read(runtime, &cursor, records, MAX), 0);
    CHECK_OK(sp_recorder_start(runtime, &(struct sp_recorder_options){ .events = 1000 }));
    CHECK_INT(sp_recorder_start(runtime, NULL), SP_ERR_RUNNING);
    CHECK_OK(echo_say(echo, &(int){ 1 }, &out, sp_never()));
    sp_recorder_stop(runtime);
    CHECK_INT(sp_recorder_start(runtime, NULL), SP_ERR_INVALID);
    CHECK_OK(echo_say(echo, &(int){ 1 }, &out, sp_never())); /* is in no ring */
    size_t count = sp_recorder_read(runtime, &cursor, records, MAX);
    int sent = 0;
    int handled = 0;
    int answered = 0;
    int ran = 0;
    for (size_t i = 0; i < count; i++) {
        CHECK(i == 0 || records[i - 1].order <= records[i].order);
        CHECK(records[i].at.ns <= sp_now().ns + SP_NS_PER_MS);
        sent += record_is(&records[i], SP_RECORD_SEND, "say", sp_self(), echo.pid);
        handled += record_is(&records[i], SP_RECORD_HANDLE, "say", echo.pid, sp_self());
        ran += record_is(&records[i], SP_RECORD_RUN, "echo", echo.pid, SP_PID_NONE);
        answered += records[i].kind == SP_RECORD_REPLY && sp_pid_equal(records[i].other, sp_self());
    }
    CHECK_INT(sent, 1);
    CHECK_INT(handled, 1);
    CHECK_INT(answered, 1);
    CHECK(ran >= 1);
    CHECK_INT((int)sp_recorder_read(runtime, &cursor, records, MAX), 0);
    return 0;
}

TEST(what_was_done_is_in_the_rings_and_nothing_else)
{
    CHECK_INT(sp_main(recording_main, NULL, NULL), 0);
}

/* ---- while others write ---- */

static _Atomic bool readers_done;

static void busy_main(void *arg)
{
    const echo_ref *echo = arg;
    int out;
    while (!readers_done)
        CHECK_OK(echo_say(*echo, &(int){ 1 }, &out, sp_never()));
}

/* Each event is whole: a kind and a text that go together. */
static void record_check(const struct sp_record *record)
{
    CHECK(record->kind < SP_RECORD_COUNT);
    if (record->kind == SP_RECORD_SEND || record->kind == SP_RECORD_HANDLE)
        CHECK_STR(record->what, "say");
    if (record->kind == SP_RECORD_PARK)
        CHECK(record->what == NULL && sp_pid_is_none(record->process));
}

static int watched_main(void *arg)
{
    enum { MAX = 512, ROUNDS = 300 };
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    static struct sp_record records[MAX];
    echo_ref echo = echo_new();
    sp_monitor_ref refs[2];
    for (int i = 0; i < 2; i++)
        CHECK_OK(sp_spawn(
            busy_main, &echo,
            &(struct sp_spawn_options){ .arg_size = sizeof(echo), .out_monitor = &refs[i] }, NULL));
    CHECK_OK(sp_recorder_start(runtime, &(struct sp_recorder_options){ .events = 64 }));
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t cursor = 0;
        size_t count = sp_recorder_read(runtime, &cursor, records, MAX);
        for (size_t i = 0; i < count; i++)
            if (records[i].what == NULL || strcmp(records[i].what, "yield") != 0)
                record_check(&records[i]);
        if (round % 100 == 99) {
            sp_recorder_stop(runtime);
            CHECK_OK(sp_recorder_start(runtime, &(struct sp_recorder_options){ .events = 64 }));
        }
        sp_yield();
    }
    readers_done = true;
    for (int i = 0; i < 2; i++) {
        struct sp_message *message;
        CHECK_OK(sp_receive(sp_never(), &message));
        sp_message_free(message);
    }
    return 0;
}

TEST(events_that_are_read_while_others_are_written_are_whole)
{
    readers_done = false;
    CHECK_INT(sp_main(watched_main, NULL, NULL), 0);
}

/* ---- the trace ---- */

struct piece {
    char *text;
    size_t size;
    size_t left; /* bytes until it says no */
};

static bool piece_write(void *arg, const char *text, size_t size)
{
    struct piece *piece = arg;
    if (size > piece->left)
        return false;
    piece->left -= size;
    piece->text = realloc(piece->text, piece->size + size + 1);
    CHECK(piece->text != NULL);
    memcpy(piece->text + piece->size, text, size);
    piece->size += size;
    piece->text[piece->size] = '\0';
    return true;
}

static int exporting_main(void *arg)
{
    (void)arg;
    struct sp_runtime *runtime = sp_runtime_current();
    struct piece empty = { .left = SIZE_MAX };
    struct piece piece = { .left = SIZE_MAX };
    struct piece full = { .left = 100 };
    echo_ref echo = echo_new();
    int out;
    CHECK_OK(sp_recorder_export(runtime, piece_write, &empty));
    CHECK_STR(empty.text, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n]}\n");
    CHECK_OK(sp_recorder_start(runtime, NULL));
    CHECK_OK(echo_say(echo, &(int){ 1 }, &out, sp_never()));
    CHECK_OK(sp_recorder_export(runtime, piece_write, &piece));
    CHECK(strstr(piece.text, "\"name\":\"thread_name\"") != NULL);
    CHECK(strstr(piece.text, "{\"ph\":\"X\",\"pid\":1,\"tid\":") != NULL);
    CHECK(strstr(piece.text, "\"name\":\"say\"") != NULL);
    CHECK(strstr(piece.text, "\"name\":\"send say\"") != NULL);
    CHECK_STR(piece.text + piece.size - 4, "\n]}\n");
    CHECK_INT(sp_recorder_export(runtime, piece_write, &full), SP_ERR_IO);
    free(empty.text);
    free(piece.text);
    free(full.text);
    return 0;
}

TEST(an_export_is_a_trace)
{
    CHECK_INT(sp_main(exporting_main, NULL, NULL), 0);
}

/* ---- a fault ---- */

static struct {
    pthread_mutex_t lock;
    char text[8192];
} said = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void say(void *context, const struct sp_log_record *record)
{
    (void)context;
    (void)pthread_mutex_lock(&said.lock);
    size_t length = strlen(said.text);
    (void)snprintf(said.text + length, sizeof(said.text) - length, "%s\n", record->text);
    (void)pthread_mutex_unlock(&said.lock);
}

static int crashing_main(void *arg)
{
    (void)arg;
    echo_ref echo = echo_new();
    sp_empty none = { 0 };
    CHECK_OK(sp_recorder_start(sp_runtime_current(), NULL));
    CHECK_OK(echo_crash(echo, &none));
    CHECK_OK(sp_join(echo.pid, sp_never(), NULL));
    return 0;
}

TEST(after_a_fault_the_log_has_what_came_before)
{
    const struct sp_runtime_options options = { .workers = 1, .log = { .fn = say } };
    said.text[0] = '\0';
    CHECK_INT(sp_main(crashing_main, NULL, &options), 0);
    const char *handled = strstr(said.text, " handle crash, <");
    const char *faulted = strstr(said.text, " fault crash");
    const char *ended = strstr(said.text, "ended: ");
    CHECK(handled != NULL && faulted != NULL && ended != NULL);
    CHECK(handled < faulted && faulted < ended);
}
