/* What processes had not given back when they ended, told in the log. */
#include "spawned/listener.h"

#include "support/puppet.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    char text[8192];
} said = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void keep(void *context, const struct sp_log_record *record)
{
    char line[800];
    (void)context;
    (void)pthread_mutex_lock(&said.lock);
    size_t length = strlen(said.text);
    snprintf(said.text + length, sizeof(said.text) - length, "%s\n",
             sp_log_line(record, line, sizeof(line)));
    (void)pthread_mutex_unlock(&said.lock);
}

static void leaks_open(enum sp_leak_report report)
{
    said.text[0] = '\0';
    world_open(&(struct sp_runtime_options){ .leak_report = report, .log = { .fn = keep } });
}

/* All that was logged while `fn` ran and ended. */
static const char *left_by(sp_process_fn fn, const char *name)
{
    static char text[sizeof(said.text)];
    sp_pid pid;
    CHECK_OK(sp_spawn(fn, NULL, &(struct sp_spawn_options){ .name = name }, &pid));
    CHECK_OK(sp_join(pid, WORLD_PATIENCE, NULL));
    CHECK_OK(sp_log_flush(world_runtime(), WORLD_PATIENCE));
    (void)pthread_mutex_lock(&said.lock);
    memcpy(text, said.text, sizeof(text));
    said.text[0] = '\0';
    (void)pthread_mutex_unlock(&said.lock);
    return text;
}

static void tidy_one(void *unused)
{
    struct sp_listener *listener;
    sp_timer timer;
    (void)unused;
    sp_free(sp_alloc(100));
    CHECK_OK(sp_defer(sp_free, sp_alloc(10)));
    CHECK_OK(sp_listen("127.0.0.1:0", NULL, &listener));
    sp_listener_close(listener);
    CHECK_OK(sp_timer_start(sp_self(), &sp_down_type, &(struct sp_down){ .name = NULL },
                            &(struct sp_timer_options){ .after = sp_sec(3600) }, &timer));
    CHECK_OK(sp_timer_cancel(timer, NULL));
}

/* One place in the program, called from a loop the compiler may unroll; so no call in its last line. */
static SP_NOINLINE bool once_more(size_t size)
{
    const void *memory = sp_alloc(size);
    return memory != NULL;
}

static void careless_one(void *unused)
{
    struct sp_listener *listener;
    sp_timer timer;
    (void)unused;
    void *large = sp_alloc(1000);
    CHECK(large != NULL && sp_strdup("four") != NULL);
    for (int i = 0; i < 3; i++)
        CHECK(once_more(8));
    CHECK_OK(sp_listen("127.0.0.1:0", NULL, &listener));
    CHECK_OK(sp_timer_start(sp_self(), &sp_down_type, &(struct sp_down){ .name = NULL },
                            &(struct sp_timer_options){ .after = sp_sec(3600) }, &timer));
}

static void failing_one(void *unused)
{
    (void)unused;
    CHECK(sp_alloc(7) != NULL);
    sp_exit_error(SP_ERR_IO, "no disk");
}

TEST(what_a_process_leaves_behind_is_told)
{
    leaks_open(SP_LEAK_REPORT_ON);
    CHECK_STR(left_by(tidy_one, "tidy"), "");
    const char *text = left_by(careless_one, "careless");
    CHECK_CONTAINS(text, "process careless (process <0.");
    CHECK_CONTAINS(text, "left behind: 5 allocations of 1029 bytes (");
    CHECK_CONTAINS(text, "1 of 1000 bytes at ");
    CHECK_CONTAINS(text, "3 of 24 bytes at ");
    CHECK_CONTAINS(text, "test_system_leaks+0x");
    CHECK_CONTAINS(text, "), 1 open sockets, 1 timers\n");
    CHECK_CONTAINS(left_by(failing_one, "failing"), "left behind: 1 allocations of 7 bytes");
    world_close();
}

TEST(nothing_is_told_where_nobody_asked)
{
    leaks_open(SP_LEAK_REPORT_OFF);
    CHECK_STR(left_by(careless_one, "careless"), "");
    world_close();
    leaks_open(SP_LEAK_REPORT_DEFAULT);
#ifdef SPAWNED_LEAK_REPORTS
    CHECK_CONTAINS(left_by(careless_one, "careless"), "left behind");
#else
    CHECK_STR(left_by(careless_one, "careless"), "");
#endif
    world_close();
    struct sp_runtime *runtime;
    CHECK_ERR(sp_runtime_create(
                  &(struct sp_runtime_options){ .leak_report = (enum sp_leak_report)3 }, &runtime),
              SP_ERR_INVALID);
}

/* ---- servers ---- */

SP_SERVER(slow, sp_empty);
SP_CALL(slow, never, sp_empty, sp_empty);

static sp_err slow_on_never(sp_request *kept, const sp_empty *in, sp_empty *out)
{
    (void)in;
    (void)out;
    return sp_request_take(kept);
}

SP_STATE(slow, sp_request);
SP_ON_CALL(slow, never);
SP_CLASS(slow);

static void asking_one(void *unused)
{
    slow_ref slow;
    sp_empty out;
    (void)unused;
    CHECK_OK(slow_start(NULL, NULL, &slow));
    CHECK_ERR(slow_never(slow, &(sp_empty){ 0 }, &out, sp_after_ms(1)), SP_ERR_TIMEOUT);
    CHECK_OK(slow_stop(slow, WORLD_PATIENCE));
}

TEST(requests_without_an_answer_are_told)
{
    leaks_open(SP_LEAK_REPORT_ON);
    CHECK_CONTAINS(left_by(asking_one, NULL), "left behind: 1 requests without an answer");
    world_close();
}
