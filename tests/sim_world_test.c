/* A world: whole programs in it, its clock, its end, and the same run again. */
#include "runtime/sim/world.h"

#include "spawned/spawned.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

/* ---- a world that keeps a hash of what happened ---- */

struct record {
    uint64_t random;
    uint64_t hash;
    uint64_t steps;
    bool fifo;
};

static size_t record_choose(void *arg, struct sp__task *const *tasks, size_t count)
{
    struct record *record = arg;
    (void)tasks;
    return record->fifo ? 0 : (size_t)sp__random_below(&record->random, count);
}

static int64_t record_step(void *arg, struct sp__task *task)
{
    struct record *record = arg;
    record->steps++;
    record->hash =
        (record->hash ^ task->label ^ (task->object << 8) ^ task->point) * UINT64_C(0x100000001b3);
    return 1000;
}

static void record_entropy(void *arg, struct sp__node *node, void *bytes, size_t size)
{
    struct record *record = arg;
    (void)node;
    unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++)
        at[i] = (unsigned char)sp__random_next(&record->random);
}

static struct sp__world *world_begin(struct record *record, uint64_t seed)
{
    struct sp__world_hooks hooks = {
        .choose = record_choose, .step = record_step, .entropy = record_entropy, .arg = record
    };
    *record = (struct record){ .random = seed, .fifo = seed == 0 };
    struct sp__world *world = NULL;
    CHECK_INT(sp__world_create(&hooks, &world), SP_OK);
    return world;
}

struct program {
    sp_main_fn fn;
    void *arg;
    int status;
    bool done;
};

static void program_main(void *arg)
{
    struct program *program = arg;
    program->status = sp_main(program->fn, program->arg, NULL);
    program->done = true;
}

/* Run a whole program in a world of its own; its exit status. */
static int world_run_main(struct record *record, uint64_t seed, sp_main_fn fn, void *arg)
{
    struct sp__world *world = world_begin(record, seed);
    struct program program = { .fn = fn, .arg = arg, .status = -1 };
    CHECK_INT(sp__world_main(world, NULL, 0, program_main, &program), SP_OK);
    CHECK_INT(sp__world_run(world, UINT64_MAX, INT64_MAX), SP__WORLD_IDLE);
    CHECK(program.done);
    sp__world_destroy(world);
    return program.status;
}

/* ---- programs ---- */

SP_SERVER(counter, int);
SP_CALL(counter, get, int, int);
SP_CAST(counter, set, int);
SP_CALL(counter, hang, int, int);

static sp_err counter_init(int *value, const int *first)
{
    *value = *first;
    return SP_OK;
}
static sp_err counter_on_get(int *value, const int *in, int *out)
{
    (void)in;
    *out = *value;
    return SP_OK;
}
static void counter_on_set(int *value, const int *in)
{
    *value = *in;
}
static sp_err counter_on_hang(int *value, const int *in, int *out)
{
    (void)in;
    sp_sleep(sp_sec(60));
    *out = *value;
    return SP_OK;
}
SP_STATE(counter, int);
SP_ON_INIT(counter);
SP_ON_CALL(counter, get);
SP_ON_CAST(counter, set);
SP_ON_CALL(counter, hang);
SP_CLASS(counter, .init = counter__init);

static void incrementer(void *arg)
{
    counter_ref counter = *(counter_ref *)arg;
    int value = 0;
    sp_ignore(counter_get(counter, &(int){ 0 }, &value, sp_never()));
    value++;
    sp_ignore(counter_set(counter, &value));
}

/* The lost update: 2 where nobody is overtaken, 1 where both read before either writes. */
static int lost_update(void *arg)
{
    (void)arg;
    counter_ref counter;
    sp_pid clients[2];
    int value = 0;
    CHECK_INT(counter_start(&value, NULL, &counter), SP_OK);
    for (int i = 0; i < 2; i++)
        CHECK_INT(sp_spawn(incrementer, &counter,
                           &(struct sp_spawn_options){ .arg_size = sizeof(counter) }, &clients[i]),
                  SP_OK);
    for (int i = 0; i < 2; i++)
        CHECK_INT(sp_join(clients[i], sp_never(), NULL), SP_OK);
    CHECK_INT(counter_get(counter, &(int){ 0 }, &value, sp_never()), SP_OK);
    return value;
}

static int sleeper(void *arg)
{
    int64_t *slept = arg;
    sp_time before = sp_now();
    sp_sleep(sp_sec(3600));
    *slept = sp_time_diff(sp_now(), before).ns;
    return 7;
}

static int caller_that_gives_up(void *arg)
{
    (void)arg;
    counter_ref counter;
    int value = 0;
    CHECK_INT(counter_start(&value, NULL, &counter), SP_OK);
    sp_time before = sp_now();
    sp_err err = counter_hang(counter, &value, &value, (sp_deadline){ 0 });
    CHECK(sp_time_diff(sp_now(), before).ns >= 5 * SP_NS_PER_S);
    return err == SP_ERR_TIMEOUT ? 0 : 1;
}

#if defined(__clang__)
#define NOINLINE __attribute__((noinline, no_sanitize("undefined")))
#else
#define NOINLINE __attribute__((noipa, no_sanitize("undefined")))
#endif

NOINLINE static void crasher(void *arg)
{
    *(volatile int *)arg = 1; /* NULL */
}

static int watcher_of_a_crash(void *arg)
{
    (void)arg;
    sp_monitor_ref ref;
    struct sp_message *message;
    CHECK_INT(sp_spawn(crasher, NULL, &(struct sp_spawn_options){ .out_monitor = &ref }, NULL),
              SP_OK);
    CHECK_INT(sp_receive(sp_never(), &message), SP_OK);
    bool fault = strstr(sp_reason_text(sp_message_down(message)->reason), "SIGSEGV") != NULL;
    sp_message_free(message);
    return fault ? 0 : 1;
}

static void job_work(void *arg)
{
    *(int *)arg = 42;
}

static int blocking_worker(void *arg)
{
    (void)arg;
    int answer = 0;
    CHECK_INT(sp_blocking(job_work, &answer, sizeof(answer), sp_never()), SP_OK);
    return answer;
}

/* ---- cases ---- */

TEST(a_program_runs_to_its_end_in_a_world)
{
    struct record record;
    int value = world_run_main(&record, 0, lost_update, NULL);
    CHECK(value == 1 || value == 2);
    CHECK(record.steps > 10);
}

TEST(an_hour_of_sleep_takes_no_time)
{
    struct record record;
    int64_t slept = 0;
    CHECK_INT(world_run_main(&record, 0, sleeper, &slept), 7);
    CHECK(slept >= 3600 * SP_NS_PER_S);
    CHECK(slept < 3601 * SP_NS_PER_S);
}

TEST(a_default_deadline_passes_in_virtual_time)
{
    struct record record;
    CHECK_INT(world_run_main(&record, 0, caller_that_gives_up, NULL), 0);
}

TEST(a_fault_ends_its_process_alone)
{
    struct record record;
    CHECK_INT(world_run_main(&record, 1, watcher_of_a_crash, NULL), 0);
}

TEST(blocking_work_is_a_step)
{
    struct record record;
    CHECK_INT(world_run_main(&record, 1, blocking_worker, NULL), 42);
}

TEST(some_seeds_find_the_lost_update_and_each_finds_it_again)
{
    int lost = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct record first;
        struct record second;
        int value = world_run_main(&first, seed, lost_update, NULL);
        CHECK_INT(world_run_main(&second, seed, lost_update, NULL), value);
        CHECK(first.hash == second.hash);
        CHECK(first.steps == second.steps);
        lost += value == 1;
    }
    CHECK(lost > 0);
    CHECK(lost < 200);
}

TEST(two_nodes_share_a_clock_and_nothing_else)
{
    struct record record;
    struct sp__world *world = world_begin(&record, 3);
    int64_t slept = 0;
    struct program one = { .fn = sleeper, .arg = &slept, .status = -1 };
    struct program two = { .fn = lost_update, .status = -1 };
    CHECK_INT(sp__world_main(world, NULL, 1, program_main, &one), SP_OK);
    CHECK_INT(sp__world_main(world, NULL, 2, program_main, &two), SP_OK);
    CHECK_INT(sp__world_run(world, UINT64_MAX, 1800 * SP_NS_PER_S), SP__WORLD_TIME);
    CHECK(two.done);
    CHECK(!one.done);
    CHECK_INT(sp__world_run(world, UINT64_MAX, INT64_MAX), SP__WORLD_IDLE);
    CHECK(one.done);
    sp__world_destroy(world);
}

TEST(a_second_world_on_the_same_thread_is_refused)
{
    struct record record;
    struct sp__world *world = world_begin(&record, 0);
    struct sp__world *other;
    CHECK_INT(sp__world_create(&(struct sp__world_hooks){ 0 }, &other), SP_ERR_INVALID);
    sp__world_destroy(world);
}

/* ---- the log ---- */

static struct {
    char text[4096];
    size_t length;
    int64_t last_ns;
} book;

static void book_line(void *context, const struct sp_log_record *record)
{
    (void)context;
    CHECK(record->wall_ns >= book.last_ns);
    book.last_ns = record->wall_ns;
    book.length += (size_t)snprintf(book.text + book.length, sizeof(book.text) - book.length,
                                    "%lld %s\n", (long long)record->wall_ns, record->text);
}

static void says_thrice(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++) {
        sp_logf(SP_LOG_INFO, "%d of %u", i, sp_self().slot);
        sp_yield();
        sp_sleep(sp_ms(1));
    }
}

static int log_program(void *unused)
{
    (void)unused;
    sp_pid one;
    sp_pid other;
    CHECK_OK(sp_spawn(says_thrice, NULL, NULL, &one));
    CHECK_OK(sp_spawn(says_thrice, NULL, NULL, &other));
    CHECK_OK(sp_join(one, sp_never(), NULL));
    CHECK_OK(sp_join(other, sp_never(), NULL));
    return 0;
}

static void log_main(void *status)
{
    *(int *)status =
        sp_main(log_program, NULL,
                &(struct sp_runtime_options){ .log = { .fn = book_line, .sink = SP_LOG_STDERR } });
}

static void log_run(uint64_t seed)
{
    struct record record;
    int status = -1;
    memset(&book, 0, sizeof(book));
    struct sp__world *world = world_begin(&record, seed);
    CHECK_OK(sp__world_main(world, NULL, 0, log_main, &status));
    CHECK_INT(sp__world_run(world, UINT64_MAX, INT64_MAX), SP__WORLD_IDLE);
    CHECK_INT(status, 0);
    sp__world_destroy(world);
}

TEST(lines_of_the_log_come_in_order_and_again_the_same)
{
    bool differ = false;
    char first[sizeof(book.text)];
    char before[sizeof(book.text)] = "";
    for (uint64_t seed = 1; seed < 20; seed++) {
        log_run(seed);
        memcpy(first, book.text, sizeof(first));
        CHECK_CONTAINS(first, "2 of ");
        log_run(seed);
        CHECK_STR(book.text, first);
        differ |= seed > 1 && strcmp(before, first) != 0;
        memcpy(before, first, sizeof(before));
    }
    CHECK(differ);
}
