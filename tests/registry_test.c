/* Names: refusals, races, and that a dead process holds none.
 * Acceptance cases 21 (in monitors_test.c), 45, 46.
 */
#include "support/puppet.h"

#include <string.h>

static void expect_holder(const char *name, sp_pid pid)
{
    sp_pid holder = SP_PID_NONE;
    CHECK_OK(sp_whereis(name, &holder));
    CHECK(sp_pid_equal(holder, pid));
}

static void expect_free(const char *name)
{
    sp_pid holder = { 1, 2, 3 };
    CHECK_ERR(sp_whereis(name, &holder), SP_ERR_NOTFOUND);
    CHECK(sp_pid_equal(holder, (sp_pid){ 1, 2, 3 }));
}

TEST(case_45_refusals_change_nothing)
{
    world_open(NULL);
    sp_pid a = puppet_start(NULL);
    sp_pid b = puppet_start(NULL);
    char longest[SP_NAME_MAX + 2];
    memset(longest, 'n', sizeof longest);
    longest[SP_NAME_MAX + 1] = 0;

    CHECK_OK(sp_register("a", a));
    CHECK_ERR(sp_register("a", b), SP_ERR_EXISTS);      /* taken */
    CHECK_ERR(sp_register("a", a), SP_ERR_EXISTS);      /* even by itself */
    CHECK_ERR(sp_register("second", a), SP_ERR_EXISTS); /* one name per process */
    CHECK_ERR(sp_register("dead", dead_pid()), SP_ERR_NOPROC);
    CHECK_ERR(sp_register("none", SP_PID_NONE), SP_ERR_NOPROC);
    CHECK_ERR(sp_register("undefined", b), SP_ERR_INVALID);
    CHECK_ERR(sp_register("", b), SP_ERR_INVALID);
    CHECK_ERR(sp_register(longest, b), SP_ERR_INVALID);
    CHECK_ERR(sp_unregister("unknown"), SP_ERR_NOTFOUND);

    expect_holder("a", a);
    expect_free("second");
    expect_free("dead");
    expect_free("undefined");
    CHECK_INT(sp_registered_count(), 1);
    char name[SP_NAME_MAX + 1];
    CHECK_OK(sp_name_of(a, name));
    CHECK_STR(name, "a");
    CHECK_ERR(sp_name_of(b, name), SP_ERR_NOTFOUND);
    CHECK_ERR(sp_name_of(dead_pid(), name), SP_ERR_NOPROC);
    world_close();
}

TEST(the_longest_name_works)
{
    world_open(NULL);
    char longest[SP_NAME_MAX + 1];
    memset(longest, 'n', sizeof longest);
    longest[SP_NAME_MAX] = 0;
    sp_pid a = puppet_start(&(struct sp_spawn_options){ .name = longest });
    expect_holder(longest, a);
    char name[SP_NAME_MAX + 1];
    CHECK_OK(sp_name_of(a, name));
    CHECK_STR(name, longest);
    world_close();
}

TEST(a_name_can_be_given_again_after_unregister)
{
    world_open(NULL);
    sp_pid a = puppet_start(NULL);
    sp_pid b = puppet_start(NULL);
    CHECK_OK(sp_register("n", a));
    CHECK_OK(sp_unregister("n"));
    expect_free("n");
    CHECK_OK(sp_register("n", b));
    expect_holder("n", b);
    CHECK_OK(sp_register("m", a));
    CHECK_INT(sp_registered_count(), 2);
    world_close();
}

TEST(a_dead_process_holds_no_name)
{
    world_open(NULL);
    sp_pid a = puppet_start(&(struct sp_spawn_options){ .name = "n" });
    expect_holder("n", a);
    puppet_exit(a, "boom");
    expect_free("n");
    CHECK_INT(sp_registered_count(), 0);
    sp_pid b = puppet_start(&(struct sp_spawn_options){ .name = "n" });
    expect_holder("n", b);
    world_close();
}

static bool collect_name(const char *name, sp_pid pid, void *arg)
{
    char *names = arg;
    CHECK(sp_is_alive(pid));
    strcat(strcat(names, name), " ");
    return strlen(names) < 10;
}

TEST(names_are_listed_in_order_of_registration_until_told_to_stop)
{
    static const char *const names[] = { "zeta", "alpha", "mid", "beta", "last" };
    world_open(NULL);
    for (size_t i = 0; i < 5; i++)
        puppet_start(&(struct sp_spawn_options){ .name = names[i] });
    CHECK_OK(sp_unregister("alpha"));
    char seen[64] = "";
    CHECK_OK(sp_registered_each(collect_name, seen));
    CHECK_STR(seen, "zeta mid beta ");
    CHECK_INT(sp_registered_count(), 4);
    world_close();
}

/* ---- a race for a name ---- */

SP_SERVER(solo, sp_empty);
SP_CALL(solo, who, sp_empty, sp_pid);
SP_STATE(solo, sp_empty);

static sp_err solo_init(sp_empty *self, const sp_empty *args)
{
    (void)self;
    (void)args;
    return SP_OK;
}

static sp_err solo_on_who(sp_empty *self, const sp_empty *in, sp_pid *out)
{
    (void)self;
    (void)in;
    *out = sp_self();
    return SP_OK;
}

SP_ON_INIT(solo);
SP_ON_CALL(solo, who);
SP_CLASS(solo, .init = solo__init);

/** Tries to start it and reports its own number: positive when it won. */
static void contender(void *arg)
{
    sp_pid referee = *(sp_pid *)arg;
    sp_pid existing = SP_PID_NONE;
    solo_ref ref = { SP_PID_NONE };
    struct sp_server_options options = { .spawn = { .name = "solo" }, .out_existing = &existing };
    sp_err err = solo_start(&(sp_empty){ 0 }, &options, &ref);
    bool won = err == SP_OK;
    if (!won) {
        CHECK_ERR(err, SP_ERR_EXISTS);
        ref.pid = existing;
    }
    sp_pid who = SP_PID_NONE;
    CHECK_OK(solo_who(ref, &(sp_empty){ 0 }, &who, WORLD_PATIENCE));
    CHECK(sp_pid_equal(who, ref.pid));
    CHECK_OK(note_send(referee, &(struct note){ won, who }));
}

TEST(case_46_a_race_for_a_name_has_one_winner)
{
    enum { CONTENDERS = 100 };
    int rounds = sp_test_slow() ? 2 : 20;
    world_open(NULL);
    for (int round = 0; round < rounds; round++) {
        sp_pid self = sp_self();
        for (int i = 0; i < CONTENDERS; i++)
            CHECK_OK(sp_spawn(contender, &self,
                              &(struct sp_spawn_options){ .arg_size = sizeof self }, NULL));
        int winners = 0;
        sp_pid winner = SP_PID_NONE;
        for (int i = 0; i < CONTENDERS; i++) {
            struct sp_message *message = expect_message();
            const struct note *note = note_of(message);
            CHECK(note != NULL);
            winners += note->number != 0;
            if (sp_pid_is_none(winner))
                winner = note->from;
            CHECK(sp_pid_equal(note->from, winner));
            sp_message_free(message);
        }
        CHECK_INT(winners, 1);
        CHECK_OK(solo_stop((solo_ref){ winner }, WORLD_PATIENCE));
    }
    expect_nothing();
    world_close();
}

TEST(whereis_is_typed)
{
    world_open(NULL);
    solo_ref started;
    solo_ref found = { SP_PID_NONE };
    struct sp_server_options options = { .spawn = { .name = "solo" } };
    CHECK_OK(solo_start(&(sp_empty){ 0 }, &options, &started));
    CHECK_OK(solo_whereis("solo", &found));
    CHECK(sp_pid_equal(found.pid, started.pid));
    CHECK_ERR(solo_whereis("nobody", &found), SP_ERR_NOTFOUND);
    puppet_start(&(struct sp_spawn_options){ .name = "puppet" });
    CHECK_ERR(solo_whereis("puppet", &found), SP_ERR_BADCALL);
    CHECK_OK(solo_stop(started, WORLD_PATIENCE));
    CHECK_ERR(solo_whereis("solo", &found), SP_ERR_NOTFOUND);
    world_close();
}

TEST(names_need_a_process)
{
    sp_pid pid;
    char name[SP_NAME_MAX + 1];
    CHECK_ERR(sp_register("n", SP_PID_NONE), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_unregister("n"), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_whereis("n", &pid), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_whereis_class("n", &solo_class, &pid), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_name_of(SP_PID_NONE, name), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_registered_each(collect_name, name), SP_ERR_NOTCONTEXT);
    CHECK_INT(sp_registered_count(), 0);
}
