/* Memory and deferred functions of a process: order of release, quota, resizing. */
#include "support/stress.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

static char story[64];

static void tell(const char *what)
{
    strncat(story, what, sizeof story - strlen(story) - 1);
}

static void write_text(void *text)
{
    tell(text);
}

static void run(sp_process_fn fn, const struct sp_spawn_options *options, const char *reason)
{
    struct sp_spawn_options own = options == NULL ? (struct sp_spawn_options){ 0 } : *options;
    sp_monitor_ref ref;
    sp_pid pid;
    own.out_monitor = &ref;
    story[0] = 0;
    world_open(NULL);
    CHECK_OK(sp_spawn(fn, NULL, &own, &pid));
    expect_down(ref, pid, reason);
    stress_settle();
    world_close();
}

/* ---- order ---- */

static char *text_of(const char *text)
{
    return sp_strdup(text);
}

static void write_held(void *holder)
{
    char **held = holder;
    tell(*held);
}

static void defer_in_order(void *arg)
{
    (void)arg;
    char *a = text_of("a");
    CHECK_OK(sp_defer(write_text, a)); /* its memory is older: still there */
    char **held = sp_alloc(sizeof *held);
    *held = text_of("b");
    CHECK_OK(sp_defer(write_held, held));
    CHECK_OK(sp_defer(write_text, text_of("c")));
    *held = sp_realloc(*held, 10000); /* elsewhere, but still older than what was deferred */
}

TEST(what_is_deferred_runs_last_first)
{
    run(defer_in_order, NULL, "normal");
    CHECK_STR(story, "cba");
}

static void defer_more(void *arg)
{
    tell("1");
    CHECK_OK(sp_defer(write_text, arg));
    CHECK_OK(sp_defer(write_text, text_of("3")));
}

static void defer_while_ending(void *arg)
{
    (void)arg;
    CHECK_OK(sp_defer(write_text, text_of("4")));
    CHECK_OK(sp_defer(defer_more, text_of("2")));
}

TEST(what_is_deferred_while_ending_runs_too)
{
    run(defer_while_ending, NULL, "normal");
    CHECK_STR(story, "1324");
}

static void exit_again(void *arg)
{
    tell(arg);
    sp_exit_error(SP_OK, "second");
}

static void exits_everywhere(void *arg)
{
    (void)arg;
    CHECK_OK(sp_defer(exit_again, text_of("b")));
    CHECK_OK(sp_defer(exit_again, text_of("a")));
    sp_exit_error(SP_OK, "first");
}

TEST(the_first_reason_wins)
{
    run(exits_everywhere, NULL, "first");
    CHECK_STR(story, "ab");
}

/* ---- quota ---- */

static void stay_within(void *arg)
{
    (void)arg;
    struct sp_process_info info;
    char *memory = sp_alloc(600);
    CHECK(sp_try_alloc(401) == NULL);
    char *rest = sp_try_alloc(400);
    CHECK(rest != NULL);
    CHECK(sp_try_alloc(1) == NULL);
    CHECK(sp_try_alloc(SIZE_MAX) == NULL);
    CHECK(sp_try_alloc(SIZE_MAX - 100) == NULL);
    sp_free(rest);
    memory = sp_realloc(memory, 1000); /* what it was does not count twice */
    CHECK_OK(sp_process_info(sp_self(), &info));
    CHECK_INT(info.memory, 1000);
    memory = sp_realloc(memory, 10);
    CHECK(sp_realloc(NULL, 990) != NULL);
    CHECK_OK(sp_process_info(sp_self(), &info));
    CHECK_INT(info.memory, 1000);
    sp_free(NULL);
    tell("all");
}

TEST(a_quota_counts_what_is_in_use)
{
    run(stay_within, &(struct sp_spawn_options){ .memory_max = 1000 }, "normal");
    CHECK_STR(story, "all");
}

static void alloc_too_much(void *arg)
{
    (void)arg;
    CHECK_OK(sp_defer(write_text, text_of("bye")));
    memset(sp_alloc(2000), 1, 2000);
    tell("not reached");
}

static void realloc_too_much(void *arg)
{
    (void)arg;
    char *memory = text_of("bye");
    CHECK_OK(sp_defer(write_text, memory)); /* is still what it was */
    memset(sp_realloc(memory, 2000), 1, 2000);
    tell("not reached");
}

static void realloc_all_there_is(void *arg)
{
    (void)arg;
    char *memory = text_of("bye");
    CHECK_OK(sp_defer(write_text, memory));
    memory = sp_realloc(memory, SIZE_MAX - 64);
    tell("not reached");
}

TEST(over_its_quota_a_process_ends_alone)
{
    const struct sp_spawn_options options = { .memory_max = 1000 };
    run(alloc_too_much, &options, "out_of_memory");
    CHECK_STR(story, "bye");
    run(realloc_too_much, &options, "out_of_memory");
    CHECK_STR(story, "bye");
    run(realloc_all_there_is, NULL, "out_of_memory");
    CHECK_STR(story, "bye");
}

/* ---- resizing ---- */

static void resize(void *arg)
{
    (void)arg;
    unsigned char *blocks[20];
    for (int i = 0; i < 20; i++)
        blocks[i] = memset(sp_alloc(16), i, 16);
    for (int round = 1; round <= 5; round++)
        for (int i = 0; i < 20; i++) {
            size_t size = (size_t)(16 + (i * 37 * round) % 5000);
            blocks[i] = sp_realloc(blocks[i], size);
            CHECK_INT((uintptr_t)blocks[i] % 16, 0);
            for (int k = 0; k < 16; k++)
                CHECK_INT(blocks[i][k], i);
        }
    for (int i = 0; i < 20; i += 2)
        sp_free(blocks[i]);
    CHECK(sp_alloc(0) != NULL);
    tell("all");
}

TEST(resized_memory_keeps_content_and_neighbours)
{
    run(resize, NULL, "normal");
    CHECK_STR(story, "all");
}

TEST(memory_needs_a_process)
{
    CHECK(sp_try_alloc(1) == NULL);
    CHECK_ERR(sp_defer(write_text, NULL), SP_ERR_NOTCONTEXT);
}
