/* Read-only operations on threads: never beside a writer, always with an answer, and what the end of a
 * reader means. Every schedule of the small ones: tests/sim_acceptance/readers.c. */
#include "support/stress.h"

enum { READERS = 3, PLACES = 8 };

struct entry {
    int place;
    int value;
};

SP_SERVER(table, sp_empty);
SP_CALL(table, sum, sp_empty, int);
SP_CALL(table, look, int, int);
SP_CALL(table, broken, sp_empty, int);
SP_CALL(table, move, struct entry, int);
SP_CAST(table, note, struct entry);

/* Plain, so that the thread sanitizer sees a reader beside a writer. The sum is always 0. */
struct table {
    int values[PLACES];
    bool writing;
};

static sp_err table_on_sum(const struct table *self, const sp_empty *in, int *out)
{
    (void)in;
    CHECK(!self->writing);
    for (int i = 0; i < PLACES; i++) {
        *out += self->values[i];
        stress_spin();
    }
    return SP_OK;
}

static sp_err table_on_look(const struct table *self, const int *in, int *out)
{
    if (*in < 0 || *in >= PLACES)
        return SP_ERR_INVALID;
    *out = self->values[*in];
    return SP_OK;
}

static sp_err table_on_broken(const struct table *self, const sp_empty *in, int *out)
{
    (void)self;
    (void)in;
    (void)out;
    volatile uintptr_t nowhere = 8;
    *(volatile int *)nowhere = 1; /* NOLINT(performance-no-int-to-ptr) */
    return SP_OK;
}

static sp_err table_on_move(struct table *self, const struct entry *in, int *out)
{
    CHECK(!self->writing);
    self->writing = true;
    self->values[in->place] += in->value;
    stress_spin();
    self->values[(in->place + 1) % PLACES] -= in->value;
    self->writing = false;
    *out = self->values[in->place];
    return SP_OK;
}

static void table_on_note(struct table *self, const struct entry *in)
{
    int unused;
    CHECK_OK(table_on_move(self, in, &unused));
}

SP_STATE(table, struct table);
SP_ON_READ(table, sum);
SP_ON_READ(table, look);
SP_ON_READ(table, broken);
SP_ON_CALL(table, move);
SP_ON_CAST(table, note);
SP_CLASS(table, SP_READERS(READERS));

static table_ref table;

static void user(void *unused)
{
    (void)unused;
    for (int i = 0; i < stress_times(400); i++) {
        struct entry entry = { .place = stress_dice(PLACES), .value = 1 + stress_dice(9) };
        int out = 0;
        int dice = stress_dice(10);
        if (dice == 0)
            CHECK_OK(table_move(table, &entry, &out, sp_never()));
        else if (dice == 1)
            CHECK_OK(table_note(table, &entry));
        else if (dice == 2)
            CHECK_OK(table_look(table, &entry.place, &out, sp_never()));
        else
            CHECK(table_sum(table, &(sp_empty){ 0 }, &out, sp_never()) == SP_OK && out == 0);
    }
}

TEST(readers_and_writers_on_threads)
{
    struct stress_crew crew = { 0 };
    world_open(&(struct sp_runtime_options){ .workers = 4 });
    CHECK_OK(table_start(NULL, NULL, &table));
    stress_processes(&crew, 6, user, NULL);
    stress_threads(&crew, 2, user, NULL);
    stress_wait(&crew);
    CHECK_OK(table_stop(table, WORLD_PATIENCE));
    stress_settle();
    world_close();
}

static void doomed(void *unused)
{
    (void)unused;
    for (sp_err err = SP_OK; err == SP_OK;) {
        struct entry entry = { .place = stress_dice(PLACES), .value = 1 };
        int out = 0;
        err = stress_dice(4) == 0 ? table_move(table, &entry, &out, sp_never())
                                  : table_sum(table, &(sp_empty){ 0 }, &out, sp_never());
        CHECK(err == SP_OK || err == SP_ERR_DIED || err == SP_ERR_NOPROC);
    }
}

TEST(ended_while_it_is_read)
{
    for (int i = 0; i < stress_times(20); i++) {
        struct stress_crew crew = { 0 };
        world_open(&(struct sp_runtime_options){ .workers = 4 });
        CHECK_OK(table_start(NULL, NULL, &table));
        stress_processes(&crew, 6, doomed, NULL);
        int out = 0;
        for (int n = 0; n < 20; n++)
            CHECK_OK(table_sum(table, &(sp_empty){ 0 }, &out, sp_never()));
        if (i % 3 == 0)
            CHECK_OK(sp_kill(table.pid));
        else if (i % 3 == 1)
            CHECK_OK(table_stop(table, WORLD_PATIENCE));
        else
            CHECK_ERR(table_broken(table, &(sp_empty){ 0 }, &out, sp_never()), SP_ERR_DIED);
        stress_wait(&crew);
        stress_settle();
        world_close();
    }
}

TEST(a_fault_in_a_read_ends_the_server)
{
    sp_monitor_ref monitor;
    struct sp_message *message;
    int out = 0;
    world_open(NULL);
    CHECK_OK(table_start(NULL, NULL, &table));
    CHECK_OK(sp_monitor(table.pid, &monitor));
    CHECK_ERR(table_look(table, &(int){ -1 }, &out, sp_never()), SP_ERR_INVALID);
    CHECK_ERR(table_broken(table, &(sp_empty){ 0 }, &out, sp_never()), SP_ERR_DIED);
    CHECK_OK(sp_receive(WORLD_PATIENCE, &message));
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL && sp_reason_kind(down->reason) == SP_REASON_FAULT);
    sp_message_free(message);
    stress_settle();
    world_close();
}

/* An operation of the server is none of its readers', whoever finds out their pids. */
TEST(a_reader_takes_nothing_from_others)
{
    sp_pid pids[16];
    size_t cursor = 0;
    int out = 0;
    int asked = 0;
    world_open(NULL);
    CHECK_OK(table_start(NULL, NULL, &table));
    size_t count = sp_process_list(&cursor, pids, 16);
    for (size_t i = 0; i < count; i++) {
        struct sp_process_info info;
        if (sp_process_info(pids[i], &info) != SP_OK || !sp_pid_equal(info.parent, table.pid))
            continue;
        CHECK_STR(info.label, "table");
        CHECK_ERR(table_look((table_ref){ pids[i] }, &(int){ 0 }, &out, sp_never()),
                  SP_ERR_BADCALL);
        asked++;
    }
    CHECK_INT(asked, READERS);
    CHECK_OK(table_look(table, &(int){ 0 }, &out, sp_never()));
    CHECK_OK(table_stop(table, WORLD_PATIENCE));
    stress_settle();
    world_close();
}

TEST(classes_that_cannot_have_readers)
{
    struct sp_server_class class = table_class;
    sp_pid pid;
    world_open(NULL);
    class.readers = 65;
    CHECK_ERR(sp_server_start(&class, NULL, NULL, &pid), SP_ERR_INVALID);
    class.readers = 0;
    CHECK_ERR(sp_server_start(&class, NULL, NULL, &pid), SP_ERR_INVALID);
    class.readers = 2;
    class.reentrancy = SP_REENTRANCY_FULL;
    CHECK_ERR(sp_server_start(&class, NULL, NULL, &pid), SP_ERR_NOTSUP);
    class.reentrancy = SP_REENTRANCY_NONE;
    class.hook = NULL;
    CHECK_ERR(sp_server_start(&class, NULL, NULL, &pid), SP_ERR_INVALID);
    world_close();
}
