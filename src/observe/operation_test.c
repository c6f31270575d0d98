/* What a process is at and what it holds: the operation of a handler that waits or spins,
 * timers, where it was spawned. */
#include "spawned/inspect.h"

#include "runtime/peek.h"
#include "support/lab.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct sp_inspect look(sp_pid pid)
{
    struct sp_inspect row;
    CHECK_OK(sp_inspect(pid, &row));
    return row;
}

/* ---- operations ---- */

static _Atomic bool spin_end;
static _Atomic int spin_began;

struct top {
    int turns;
};
SP_SERVER(top, sp_empty);
SP_STATE(top, struct top);
SP_CAST(top, spin, sp_empty);
SP_CALL(top, turns, sp_empty, int);

static void top_on_spin(struct top *top, const sp_empty *nothing)
{
    (void)nothing;
    top->turns++;
    spin_began++;
    while (!spin_end)
        continue;
}
SP_ON_CAST(top, spin);

static sp_err top_on_turns(struct top *top, const sp_empty *nothing, int *out)
{
    (void)nothing;
    *out = top->turns;
    return SP_OK;
}
SP_ON_CALL(top, turns);
SP_CLASS(top);

/* Emulators and filters of system calls leave out what it is read with: then there is nothing to see. */
static bool peek_works(void)
{
    char text[2];
    return sp__peek_text(world_runtime(), "a", text, sizeof(text));
}

TEST(a_handler_that_spins_is_named_by_its_operation)
{
    top_ref top;
    int turns;
    world_open(NULL);
    if (!peek_works())
        SKIP("the system does not let a process be read");
    spin_end = false;
    spin_began = 0;
    CHECK_OK(top_start(NULL, NULL, &top));
    while (look(top.pid).process.status != SP_STATUS_IDLE)
        continue; /* the start is answered inside of init's turn */
    CHECK_STR(look(top.pid).operation, "");
    CHECK_OK(top_spin(top, &(sp_empty){ 0 }));
    while (spin_began == 0)
        continue;
    CHECK_STR(look(top.pid).operation, "spin");
    spin_end = true;
    CHECK_OK(top_turns(top, &(sp_empty){ 0 }, &turns, sp_never()));
    while (look(top.pid).process.status != SP_STATUS_IDLE)
        continue;
    CHECK_STR(look(top.pid).operation, "");
    world_close();
}

struct wait_for {
    lab_ref lab;
    sp_pid on;
};

static void call_wait(void *arg)
{
    const struct wait_for *wait = arg;
    int64_t out;
    sp_ignore(lab_wait(wait->lab, &wait->on, &out, sp_after_sec(600)));
}

TEST(a_handler_that_waits_is_named_by_its_operation)
{
    world_open(NULL);
    if (!peek_works())
        SKIP("the system does not let a process be read");
    sp_pid caller = puppet_start(NULL);
    struct wait_for wait = { lab_begin(NULL, NULL), puppet_start(NULL) };
    puppet_tell(caller, call_wait, &wait);
    CHECK_INT(expect_note(), LAB_WAITING);
    CHECK_STR(look(wait.lab.pid).operation, "wait");
    CHECK_STR(look(caller).operation, ""); /* no server */
    puppet_exit(wait.on, NULL);
    world_close();
}

/* Looked at from here while it takes messages on another thread: it is at one of its own, or at none. */
TEST(operations_are_read_while_they_change)
{
    top_ref top;
    int turns;
    world_open(NULL);
    spin_end = true; /* they do not spin */
    CHECK_OK(top_start(NULL, &(struct sp_server_options){ .spawn.mailbox_max = 1000000 }, &top));
    for (int i = 0; i < 100000; i++) {
        CHECK_OK(top_spin(top, &(sp_empty){ 0 }));
        if (i % 16 != 0)
            continue;
        struct sp_inspect row = look(top.pid);
        CHECK(strcmp(row.operation, "spin") == 0 || strcmp(row.operation, "init") == 0 ||
              row.operation[0] == '\0');
    }
    CHECK_OK(top_turns(top, &(sp_empty){ 0 }, &turns, sp_never()));
    CHECK_INT(turns, 100000);
    world_close();
}

/* ---- memory that is not there ---- */

TEST(peek_reads_what_is_there_and_refuses_the_rest)
{
    world_open(NULL);
    if (!peek_works())
        SKIP("the system does not let a process be read");
    struct sp_runtime *runtime = world_runtime();
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char text[16];
    CHECK(map != MAP_FAILED);
    CHECK(munmap(map + page, page) == 0);
    memcpy(map + page - 4, "end", 4);
    CHECK(sp__peek(runtime, map + page - 4, text, 4));
    CHECK_STR(text, "end");
    CHECK(!sp__peek(runtime, map + page - 4, text, 5));
    CHECK(!sp__peek(runtime, map + page, text, 1));
    CHECK(!sp__peek(runtime, NULL, text, 1));
    CHECK(sp__peek_text(runtime, map + page - 4, text, sizeof(text)));
    CHECK_STR(text, "end");
    CHECK(!sp__peek_text(runtime, map + page, text, sizeof(text)));
    CHECK(!sp__peek_text(runtime, "a\tb", text, sizeof(text)));
    CHECK(sp__peek_text(runtime, "a long one is cut here", text, sizeof(text)));
    CHECK_STR(text, "a long one is c");
    CHECK(munmap(map, page) == 0);
    world_close();
}

/* ---- what it holds ---- */

TEST(timers_count_for_whom_they_will_send_to)
{
    world_open(NULL);
    sp_timer timers[3];
    struct note note = { 1, sp_self() };
    sp_pid puppet = puppet_start(NULL);
    CHECK_INT(look(puppet).timers, 0);
    for (int i = 0; i < 3; i++)
        CHECK_OK(sp_timer_start(puppet, &note_type, &note,
                                &(struct sp_timer_options){ .after = sp_sec(3600) }, &timers[i]));
    CHECK_INT(look(puppet).timers, 3);
    CHECK_OK(sp_timer_cancel(timers[1], NULL));
    CHECK_INT(look(puppet).timers, 2);
    CHECK_INT(look(sp_self()).timers, 0);
    world_close();
}

static void nothing(void *arg)
{
    (void)arg;
    sp_ignore(sp_sleep(sp_sec(3600)));
}

__attribute__((noinline)) static sp_pid spawn_here(void)
{
    sp_pid pid;
    CHECK_OK(sp_spawn(nothing, NULL, NULL, &pid));
    return pid;
}

TEST(processes_are_told_apart_by_where_they_were_spawned)
{
    world_open(NULL);
    char text[SP_INSPECT_SITE_MAX];
    top_ref top;
    const void *here = look(spawn_here()).spawned_at;
    CHECK(here != NULL);
    CHECK(look(spawn_here()).spawned_at == here);
    sp_pid other;
    CHECK_OK(sp_spawn(nothing, NULL, NULL, &other));
    CHECK(look(other).spawned_at != here && look(other).spawned_at != NULL);
    CHECK_OK(top_start(NULL, NULL, &top));
    CHECK(look(top.pid).spawned_at != NULL);
    CHECK_CONTAINS(sp_inspect_site(here, text), "+0x");
    CHECK_STR(sp_inspect_site(NULL, text), "");
    CHECK(look(sp_self()).spawned_at == NULL); /* a thread */
    world_close();
}
