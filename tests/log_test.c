/* The log of a whole runtime: levels, rates, sinks, overload, and what is left after a fault. */
#include "support/puppet.h"
#include "support/run.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELLO SP_TEST_BIN_DIR "/hello"

/* ---- what a callback got ---- */

static struct {
    pthread_mutex_t lock;
    char text[64 * 1024];
    size_t length;
    int lines;
} said = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void keep(void *context, const struct sp_log_record *record)
{
    (void)context;
    char line[500];
    (void)pthread_mutex_lock(&said.lock);
    int written = snprintf(said.text + said.length, sizeof(said.text) - said.length, "%s %s: %s\n",
                           sp_log_level_name(record->level), record->module,
                           sp_log_line(record, line, sizeof(line)));
    if (written > 0 && said.length + (size_t)written < sizeof(said.text))
        said.length += (size_t)written;
    said.lines++;
    (void)pthread_mutex_unlock(&said.lock);
}

/* All that was logged, which is forgotten then. */
static const char *lines(void)
{
    static char text[sizeof(said.text)];
    CHECK_OK(sp_log_flush(world_runtime(), WORLD_PATIENCE));
    (void)pthread_mutex_lock(&said.lock);
    memcpy(text, said.text, said.length + 1);
    said.length = 0;
    said.text[0] = '\0';
    (void)pthread_mutex_unlock(&said.lock);
    return text;
}

static void open_kept(enum sp_log_level level)
{
    said.length = 0;
    world_open(&(struct sp_runtime_options){ .workers = 2, .log = { .fn = keep, .level = level } });
}

/* ---- levels ---- */

static int evaluated;

static int evaluate(void)
{
    return ++evaluated;
}

static void speak(void)
{
    sp_log(SP_LOG_DEBUG, "detail", sp_kv_int("n", evaluate()));
    sp_log(SP_LOG_INFO, "hello", sp_kv_str("who", "bob"), sp_kv_bool("new", true));
    sp_log(SP_LOG_ERROR, "alone");
    sp_logf(SP_LOG_WARNING, "%d of %s", 3, "four");
}

TEST(a_line_is_written_from_its_level_on)
{
    evaluated = 0;
    open_kept(SP_LOG_DEFAULT);
    speak();
    CHECK_STR(lines(), "info log_test: hello who=bob new=true\nerror log_test: alone\n"
                       "warning log_test: 3 of four\n");
    CHECK_INT(evaluated, 0);
    CHECK_OK(sp_log_level_set(world_runtime(), NULL, SP_LOG_ERROR));
    speak();
    CHECK_STR(lines(), "error log_test: alone\n");
    CHECK_OK(sp_log_level_set(world_runtime(), NULL, SP_LOG_OFF));
    speak();
    CHECK_STR(lines(), "");
    CHECK_OK(sp_log_level_set(world_runtime(), NULL, SP_LOG_DEFAULT));
    speak();
    CHECK_CONTAINS(lines(), "info log_test: hello");
    world_close();
    CHECK(!sp_log_passes(SP_LOG_ERROR)); /* nobody is there who writes */
}

#undef SP_LOG_MODULE
#define SP_LOG_MODULE "net.tcp"

static void speak_net(void)
{
    sp_log(SP_LOG_DEBUG, "packet");
    sp_log(SP_LOG_WARNING, "reset");
}

#undef SP_LOG_MODULE
#define SP_LOG_MODULE NULL

TEST(modules_have_levels_and_the_longest_name_counts)
{
    struct sp_runtime *runtime;
    open_kept(SP_LOG_DEFAULT);
    runtime = world_runtime();
    speak_net();
    CHECK_STR(lines(), "warning net.tcp: reset\n");
    CHECK_OK(sp_log_level_set(runtime, "net", SP_LOG_DEBUG));
    CHECK_OK(sp_log_level_set(runtime, "ne", SP_LOG_OFF)); /* no part of the name */
    speak_net();
    speak();
    CHECK_STR(lines(), "debug net.tcp: packet\nwarning net.tcp: reset\n"
                       "info log_test: hello who=bob new=true\nerror log_test: alone\n"
                       "warning log_test: 3 of four\n");
    CHECK_OK(sp_log_level_set(runtime, "net.tcp", SP_LOG_ERROR));
    CHECK_INT(sp_log_level_get(runtime, "net.tcp"), SP_LOG_ERROR);
    CHECK_INT(sp_log_level_get(runtime, "net.udp"), SP_LOG_DEBUG);
    CHECK_INT(sp_log_level_get(runtime, NULL), SP_LOG_INFO);
    speak_net();
    CHECK_STR(lines(), "");
    CHECK_OK(sp_log_level_set(runtime, "net.tcp", SP_LOG_DEFAULT));
    CHECK_OK(sp_log_level_set(runtime, "net", SP_LOG_DEFAULT));
    speak_net();
    CHECK_STR(lines(), "warning net.tcp: reset\n");
    world_close();
}

TEST(bad_settings_are_refused)
{
    struct sp_runtime *runtime;
    open_kept(SP_LOG_DEFAULT);
    runtime = world_runtime();
    CHECK_ERR(sp_log_level_set(runtime, "", SP_LOG_INFO), SP_ERR_INVALID);
    CHECK_ERR(sp_log_level_set(runtime, "a,b", SP_LOG_INFO), SP_ERR_INVALID);
    CHECK_ERR(sp_log_level_set(runtime, "a", (enum sp_log_level)9), SP_ERR_INVALID);
    CHECK_ERR(sp_log_level_set(runtime, "a name that is longer than may be", SP_LOG_INFO),
              SP_ERR_INVALID);
    CHECK_ERR(sp_log_rate_set(runtime, "", 3), SP_ERR_INVALID);
    CHECK_ERR(sp_log_process_level(SP_PID_NONE, SP_LOG_INFO), SP_ERR_NOPROC);
    CHECK_ERR(sp_log_process_level(sp_self(), (enum sp_log_level)9), SP_ERR_INVALID);
    for (int i = 0; i < 64; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "m%d", i);
        CHECK_OK(sp_log_level_set(runtime, name, SP_LOG_INFO));
    }
    CHECK_ERR(sp_log_level_set(runtime, "one more", SP_LOG_INFO), SP_ERR_INVALID);
    CHECK_ERR(sp_log_level_set(runtime, "more", SP_LOG_INFO), SP_ERR_LIMIT);
    CHECK_ERR(sp_log_rate_set(runtime, "more", 1), SP_ERR_LIMIT);
    CHECK_OK(sp_log_level_set(runtime, "m63", SP_LOG_DEBUG));
    world_close();
    CHECK_ERR(sp_log_process_level(SP_PID_NONE, SP_LOG_INFO), SP_ERR_NOTCONTEXT);
}

static void speak_arg(void *unused)
{
    (void)unused;
    speak();
}

TEST(a_process_has_a_level_of_its_own_until_it_ends)
{
    open_kept(SP_LOG_WARNING);
    sp_pid loud = puppet_start(NULL);
    sp_pid calm = puppet_start(NULL);
    CHECK_OK(sp_log_process_level(loud, SP_LOG_DEBUG));
    CHECK_OK(sp_log_process_level(calm, SP_LOG_OFF));
    evaluated = 0;
    puppet_do(calm, speak_arg, NULL);
    CHECK_STR(lines(), "");
    puppet_do(loud, speak_arg, NULL);
    CHECK_CONTAINS(lines(), "debug log_test: detail n=2\ninfo log_test: hello");
    CHECK(sp_log_passes(SP_LOG_DEBUG));
    puppet_exit(loud, NULL);
    puppet_exit(calm, NULL);
    /* Its memory is given back at some later time. */
    while (sp_log_passes(SP_LOG_INFO))
        puppet_exit(puppet_start(NULL), NULL);
    world_close();
}

TEST(levels_come_from_a_text)
{
    struct sp_runtime *runtime;
    open_kept(SP_LOG_DEFAULT);
    runtime = world_runtime();
    CHECK_OK(sp_log_levels_parse(runtime, " warning , net = debug,kv.store=off,"));
    CHECK_INT(sp_log_level_get(runtime, NULL), SP_LOG_WARNING);
    CHECK_INT(sp_log_level_get(runtime, "net"), SP_LOG_DEBUG);
    CHECK_INT(sp_log_level_get(runtime, "kv.store.x"), SP_LOG_OFF);
    static const char *const wrong[] = { "loud",  "=info",    "net=",        "net=loud",
                                         ",info", "info,,",   "net==debug",  "a b=info",
                                         " ",     "info;net", "info,net=de " };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_ERR(sp_log_levels_parse(runtime, wrong[i]), SP_ERR_INVALID);
    CHECK_ERR(sp_log_levels_parse(runtime, "debug,net=loud"), SP_ERR_INVALID);
    CHECK_INT(sp_log_level_get(runtime, NULL), SP_LOG_WARNING); /* nothing of it was taken */
    CHECK_OK(sp_log_levels_parse(runtime, ""));
    CHECK_INT(setenv("SPAWNED_LOG", "error", 1), 0);
    CHECK_OK(sp_log_levels_env(runtime));
    CHECK_INT(sp_log_level_get(runtime, NULL), SP_LOG_ERROR);
    CHECK_INT(setenv("SPAWNED_LOG", "what", 1), 0);
    CHECK_ERR(sp_log_levels_env(runtime), SP_ERR_INVALID);
    CHECK_INT(unsetenv("SPAWNED_LOG"), 0);
    CHECK_OK(sp_log_levels_env(runtime));
    CHECK_INT(sp_log_level_get(runtime, NULL), SP_LOG_ERROR);
    world_close();
}

/* What `hello` with this SPAWNED_LOG says on stderr, besides its assertion. */
static void hello_says(const char *env, struct sp_test_output *out)
{
    if (access(HELLO, X_OK) != 0)
        SKIP("built without the examples");
    const struct sp_test_command command = { .program = HELLO,
                                             .env = (const char *const[]){ env, NULL } };
    sp_test_run(&command, out);
    CHECK_INT(out->status, 0);
}

TEST(log_that_nobody_set_up_comes_when_the_environment_asks)
{
    struct sp_test_output out;
    hello_says("SPAWNED_LOG=info", &out);
    CHECK_CONTAINS(out.err, "ended: fault: SIGABRT in add");
    sp_test_output_free(&out);
    hello_says("SPAWNED_LOG=loud", &out);
    CHECK_CONTAINS(out.err, "SPAWNED_LOG is not understood");
    sp_test_output_free(&out);
    static const char *const silent[] = { "SPAWNED_LOG=", "SPAWNED_LOG=off" };
    for (size_t i = 0; i < 2; i++) {
        hello_says(silent[i], &out);
        CHECK(strstr(out.err, "spawned") == NULL);
        sp_test_output_free(&out);
    }
}

TEST(without_a_log_everything_is_accepted_and_nothing_written)
{
    world_open(NULL);
    speak();
    CHECK_OK(sp_log_level_set(world_runtime(), "net", SP_LOG_DEBUG));
    CHECK_OK(sp_log_rate_set(world_runtime(), NULL, 1));
    CHECK_OK(sp_log_process_level(sp_self(), SP_LOG_DEBUG));
    CHECK_OK(sp_log_levels_parse(world_runtime(), "info,net=debug"));
    CHECK_ERR(sp_log_levels_parse(world_runtime(), "loud"), SP_ERR_INVALID);
    CHECK_OK(sp_log_flush(world_runtime(), sp_nowait()));
    CHECK_INT(sp_log_level_get(world_runtime(), NULL), SP_LOG_OFF);
    struct sp_log_stats stats;
    sp_log_stats_read(world_runtime(), &stats);
    CHECK_INT(stats.written + stats.lost, 0);
    world_close();
}

/* ---- rates ---- */

static void chatter(void)
{
    for (int i = 0; i < 1000; i++)
        sp_log(SP_LOG_INFO, "again");
    sp_log(SP_LOG_INFO, "another place");
}

TEST(a_place_that_says_too_much_is_cut_short_and_counted)
{
    struct sp_log_stats stats;
    open_kept(SP_LOG_DEFAULT);
    CHECK_OK(sp_log_rate_set(world_runtime(), "log_test", 5));
    chatter();
    CHECK_CONTAINS(lines(), "another place");
    sp_log_stats_read(world_runtime(), &stats);
    /* A second may begin in between, or several on a machine that stands still. */
    CHECK(stats.suppressed > 0 && stats.suppressed % 5 == 0 && stats.suppressed <= 995);
    CHECK_INT(stats.suppressed + stats.written, 1001);
    CHECK_OK(sp_log_rate_set(world_runtime(), "log_test", 0));
    chatter();
    sp_log_stats_read(world_runtime(), &stats);
    uint64_t before = stats.suppressed;
    chatter();
    sp_log_stats_read(world_runtime(), &stats);
    CHECK_INT(stats.suppressed, before);
    world_close();
}

/* ---- sinks ---- */

/* What is in the pipe by now; blocks until there is something. */
static char *drain(int fd, char *text, size_t size)
{
    ssize_t got = read(fd, text, size - 1);
    text[got < 0 ? 0 : got] = '\0';
    return text;
}

/* Reads until everything that was logged is written; the pipe does not block. */
static size_t drain_all(int fd, char *text, size_t size, size_t length)
{
    bool flushed;
    do {
        flushed = sp_log_flush(world_runtime(), sp_nowait()) == SP_OK;
        drain(fd, text + length, size - length);
        length += strlen(text + length);
    } while (!flushed);
    return length;
}

static void open_pipe(int fds[2], struct sp_log_options log)
{
    CHECK_INT(pipe(fds), 0);
    log.sink = SP_LOG_FD;
    log.fd = fds[1];
    world_open(&(struct sp_runtime_options){ .workers = 2, .log = log });
}

static void close_pipe(int fds[2])
{
    world_close();
    CHECK_INT(close(fds[0]), 0);
    CHECK_INT(close(fds[1]), 0);
}

TEST(lines_go_to_a_descriptor_as_text_or_json)
{
    int fds[2];
    char text[4096];
    open_pipe(fds, (struct sp_log_options){ 0 });
    sp_log(SP_LOG_INFO, "hello", sp_kv_str("who", "bob"));
    CHECK_OK(sp_log_flush(world_runtime(), WORLD_PATIENCE));
    CHECK_CONTAINS(drain(fds[0], text, sizeof(text)), "Z info    log_test <");
    CHECK_CONTAINS(text, "(thread): hello who=bob\n");
    close_pipe(fds);
    open_pipe(fds, (struct sp_log_options){ .format = SP_LOG_JSON });
    sp_pid named = puppet_start(&(struct sp_spawn_options){ .name = "no\"body" });
    puppet_do(named, speak_arg, NULL);
    CHECK_OK(sp_log_flush(world_runtime(), WORLD_PATIENCE));
    CHECK_CONTAINS(drain(fds[0], text, sizeof(text)),
                   "\"level\":\"info\",\"module\":\"log_test\",\"message\":\"hello\",\"pid\":\"0.");
    CHECK_CONTAINS(text, "\"process\":\"no\\\"body\",\"file\":\"");
    CHECK_CONTAINS(text, "\"fields\":{\"who\":\"bob\",\"new\":true}}\n");
    close_pipe(fds);
}

TEST(what_is_left_is_written_at_the_end)
{
    int fds[2];
    char text[65536];
    open_pipe(fds, (struct sp_log_options){ 0 });
    for (int i = 0; i < 300; i++)
        sp_log(SP_LOG_INFO, "last words", sp_kv_int("i", i));
    world_close();
    CHECK_CONTAINS(drain(fds[0], text, sizeof(text)), "last words i=299\n");
    CHECK_INT(close(fds[0]), 0);
    CHECK_INT(close(fds[1]), 0);
}

/* Nobody reads: whoever logs goes on, lines are lost and counted; then somebody does. */
TEST(a_sink_that_is_stuck_harms_nobody)
{
    int fds[2];
    static char text[1 << 20];
    struct sp_log_stats stats;
    open_pipe(fds, (struct sp_log_options){ .lines_max = 64 });
    CHECK_INT(fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096);
    for (int i = 0; i < 10000; i++)
        sp_log(SP_LOG_INFO, "a line among many", sp_kv_int("i", i));
    sp_log_stats_read(world_runtime(), &stats);
    CHECK(stats.lost > 9000);
    CHECK_ERR(sp_log_flush(world_runtime(), sp_nowait()), SP_ERR_TIMEOUT);
    sp_pid busy = puppet_start(NULL);
    puppet_do(busy, speak_arg, NULL);
    CHECK_INT(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    size_t length = drain_all(fds[0], text, sizeof(text), 0);
    sp_log(SP_LOG_INFO, "at last");
    (void)drain_all(fds[0], text, sizeof(text), length);
    CHECK_CONTAINS(text, "a line among many i=0\n");
    CHECK_CONTAINS(text, "messages lost: the log was full lost=");
    CHECK_CONTAINS(text, "at last");
    sp_log_stats_read(world_runtime(), &stats);
    CHECK_INT(stats.failed, 0);
    close_pipe(fds);
}

TEST(the_end_does_not_wait_for_a_sink_that_is_stuck)
{
    int fds[2];
    open_pipe(fds, (struct sp_log_options){ .flush_budget = sp_ms(20) });
    CHECK_INT(fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096);
    for (int i = 0; i < 1000; i++)
        sp_log(SP_LOG_INFO, "a line among many", sp_kv_int("i", i));
    close_pipe(fds);
}

static void failing(int fd, int expected)
{
    struct sp_log_stats stats;
    world_open(
        &(struct sp_runtime_options){ .workers = 1, .log = { .sink = SP_LOG_FD, .fd = fd } });
    sp_log(SP_LOG_INFO, "into nowhere");
    CHECK_OK(sp_log_flush(world_runtime(), WORLD_PATIENCE));
    sp_log_stats_read(world_runtime(), &stats);
    CHECK_INT(stats.failed, 1);
    CHECK_INT(stats.failed_errno, expected);
    CHECK_INT(stats.written, 0);
    world_close();
}

TEST(a_sink_that_fails_is_counted)
{
    int fds[2];
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK(full >= 0);
    failing(full, ENOSPC);
    CHECK_INT(close(full), 0);
    CHECK_INT(pipe(fds), 0);
    CHECK_INT(close(fds[0]), 0);
    failing(fds[1], EPIPE);
    CHECK_INT(close(fds[1]), 0);
}

/* ---- the journal ---- */

static int journal_open(char path[108])
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    (void)snprintf(path, 108, "/tmp/spawned-journal-%d", (int)getpid());
    (void)unlink(path);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_INT(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

TEST(lines_go_to_a_journal_and_find_one_that_was_restarted)
{
    char path[108];
    char text[4096];
    struct sp_log_stats stats;
    int journal = journal_open(path);
    world_open(&(struct sp_runtime_options){
        .workers = 1, .log = { .sink = SP_LOG_JOURNAL, .journal = path, .identifier = "tester" } });
    sp_log(SP_LOG_ERROR, "hello", sp_kv_int("answer", 42));
    ssize_t got = recv(journal, text, sizeof(text), 0);
    CHECK(got > 0);
    CHECK(memmem(text, (size_t)got, "hello\nPRIORITY=3\n", 17) != NULL);
    CHECK(memmem(text, (size_t)got, "tester\n", 7) != NULL);
    CHECK(memmem(text, (size_t)got, "F_ANSWER=42\n", 12) != NULL);
    CHECK_INT(close(journal), 0);
    sp_log(SP_LOG_ERROR, "to nobody");
    CHECK_OK(sp_log_flush(world_runtime(), WORLD_PATIENCE));
    sp_log_stats_read(world_runtime(), &stats);
    CHECK_INT(stats.failed, 1);
    CHECK_INT(stats.failed_errno, ECONNREFUSED);
    journal = journal_open(path);
    sp_log(SP_LOG_ERROR, "back again");
    got = recv(journal, text, sizeof(text), 0);
    CHECK(got > 0 && memmem(text, (size_t)got, "back again", 10) != NULL);
    got = recv(journal, text, sizeof(text), 0);
    CHECK(got > 0 && memmem(text, (size_t)got, "could not be written", 20) != NULL);
    CHECK(memmem(text, (size_t)got, "F_FAILED=1\n", 11) != NULL);
    world_close();
    CHECK_INT(close(journal), 0);
    CHECK_INT(unlink(path), 0);
}

/* ---- options ---- */

TEST(bad_options_are_refused)
{
    static const struct sp_log_options wrong[] = {
        { .sink = (enum sp_log_sink)9 },
        { .sink = SP_LOG_STDERR, .format = (enum sp_log_format)9 },
        { .sink = SP_LOG_STDERR, .colours = (enum sp_log_colours)9 },
        { .sink = SP_LOG_STDERR, .level = (enum sp_log_level)9 },
        { .sink = SP_LOG_STDERR, .lines_max = 7 },
        { .sink = SP_LOG_STDERR, .line_size = 511 },
        { .sink = SP_LOG_STDERR, .flush_budget = { -1 } },
        { .sink = SP_LOG_FD, .fd = -1 },
        { .sink = SP_LOG_JOURNAL,
          .journal = "/a/path/that/is/longer/than/the/address/of/a/socket/may/be/which/is/one/"
                     "hundred/and/eight/bytes/with/its/zero" },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct sp_runtime *runtime;
        CHECK_ERR(sp_runtime_create(&(struct sp_runtime_options){ .log = wrong[i] }, &runtime),
                  SP_ERR_INVALID);
    }
}

/* ---- other threads, other runtimes ---- */

TEST(a_thread_of_the_program_logs_to_a_runtime)
{
    struct sp_runtime *runtime;
    said.length = 0;
    CHECK_OK(sp_runtime_create(&(struct sp_runtime_options){ .log = { .fn = keep } }, &runtime));
    sp_log(SP_LOG_ERROR, "nobody's");
    sp_log_in(runtime, SP_LOG_INFO, "from outside", sp_kv_int("n", 1));
    CHECK_OK(sp_runtime_destroy(runtime, WORLD_PATIENCE, NULL));
    CHECK_STR(said.text, "info log_test: from outside n=1\n");
}

static void hang(void *context, const struct sp_log_record *record)
{
    (void)record;
    char byte;
    (void)!read(*(int *)context, &byte, 1);
}

TEST(the_end_does_not_wait_for_a_callback_that_hangs)
{
    static int fds[2];
    CHECK_INT(pipe(fds), 0);
    world_open(&(struct sp_runtime_options){
        .workers = 1, .log = { .fn = hang, .context = &fds[0], .flush_budget = sp_ms(1) } });
    sp_log(SP_LOG_INFO, "stuck");
    world_close();
    CHECK_INT(close(fds[1]), 0); /* it returns, and frees what it has */
}

/* ---- the end by a fault ---- */

static int dies_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++)
        sp_log(SP_LOG_INFO, "last words", sp_kv_int("i", i));
    abort();
}

TEST(what_waits_is_written_before_a_core)
{
    int fds[2];
    static char text[65536];
    CHECK_INT(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(fds[1], STDERR_FILENO);
        (void)sp_main(dies_main, NULL,
                      &(struct sp_runtime_options){ .on_fault = SP_FAULT_ABORT,
                                                    .log = { .sink = SP_LOG_STDERR } });
        _exit(0);
    }
    int status;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    drain(fds[0], text, sizeof(text));
    CHECK_CONTAINS(text, "last words i=0\n");
    CHECK_CONTAINS(text, "last words i=49\n");
    CHECK_INT(close(fds[0]), 0);
    CHECK_INT(close(fds[1]), 0);
}
