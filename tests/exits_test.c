/* The list of ends: who is on it, what it says, what it has room for. */
#include "spawned/exits.h"

#include "support/lab.h"
#include "support/puppet.h"

#include <string.h>

static sp_pid ended(void (*fn)(void *arg), const char *name)
{
    sp_pid pid;
    CHECK_OK(
        sp_spawn(fn, NULL, &(struct sp_spawn_options){ .name = name, .label = "mortal" }, &pid));
    CHECK_OK(sp_join(pid, WORLD_PATIENCE, NULL));
    return pid;
}

static void returns(void *arg)
{
    (void)arg;
}

static void gives_up(void *arg)
{
    (void)arg;
    sp_exit_error(SP_ERR_IO, "the disk is full");
}

static void says_much(void *arg)
{
    char text[2 * SP_EXIT_REASON_MAX];
    (void)arg;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    sp_exit_error(SP_OK, "%s", text);
}

TEST(ends_that_are_not_normal_are_listed)
{
    struct sp_exit exits[4];
    uint64_t counts[SP_REASON_OUT_OF_MEMORY + 1];
    world_open(NULL);
    CHECK_INT(sp_exits_recent(world_runtime(), 0, exits, 4), 0);
    (void)ended(returns, "quiet");
    sp_pid stopped = puppet_start(NULL);
    CHECK_OK(sp_stop(stopped, NULL, WORLD_PATIENCE));
    CHECK_INT(sp_exits_recent(world_runtime(), 0, exits, 4), 0);

    sp_pid loud = ended(gives_up, "loud");
    CHECK_INT(sp_exits_recent(world_runtime(), 0, exits, 4), 1);
    CHECK_INT(exits[0].seq, 1);
    CHECK(sp_pid_equal(exits[0].pid, loud));
    CHECK(sp_pid_equal(exits[0].parent, sp_self()));
    CHECK(sp_pid_is_none(exits[0].cause) && sp_pid_is_none(exits[0].restarted));
    CHECK_STR(exits[0].name, "loud");
    CHECK_STR(exits[0].label, "mortal");
    CHECK_CONTAINS(exits[0].reason, "the disk is full");
    CHECK_INT(exits[0].kind, SP_REASON_ERROR);
    CHECK_STR(sp_reason_kind_text(exits[0].kind), "error");
    CHECK(exits[0].age.ns >= 0 && exits[0].at.ns > 0);

    (void)ended(says_much, NULL);
    CHECK_INT(sp_exits_recent(world_runtime(), 1, exits, 4), 1);
    CHECK_INT(exits[0].seq, 2);
    CHECK_STR(exits[0].name, "");
    CHECK_INT(strlen(exits[0].reason), SP_EXIT_REASON_MAX - 1);

    sp_pid victim = puppet_start(NULL);
    CHECK_OK(sp_kill(victim));
    CHECK_OK(sp_join(victim, WORLD_PATIENCE, NULL));
    sp_exits_count(world_runtime(), counts, SP_REASON_OUT_OF_MEMORY + 1);
    CHECK_INT(counts[SP_REASON_NORMAL], 0);
    CHECK_INT(counts[SP_REASON_ERROR], 2);
    CHECK_INT(counts[SP_REASON_KILLED], 1);
    CHECK_STR(sp_reason_kind_text((enum sp_reason_kind)99), "unknown");
    world_close();
}

TEST(an_end_through_a_link_names_its_cause)
{
    struct sp_exit exits[4];
    world_open(NULL);
    sp_pid a = puppet_start(NULL);
    sp_pid b = puppet_start(NULL);
    CHECK_OK(puppet_link(a, b));
    puppet_exit(a, "boom");
    CHECK_OK(sp_join(b, WORLD_PATIENCE, NULL));
    CHECK_INT(sp_exits_recent(world_runtime(), 0, exits, 4), 2);
    CHECK(sp_pid_equal(exits[0].pid, a) && sp_pid_is_none(exits[0].cause));
    CHECK(sp_pid_equal(exits[1].pid, b) && sp_pid_equal(exits[1].cause, a));
    CHECK_CONTAINS(exits[1].reason, "boom");
    world_close();
}

TEST(the_newest_ends_are_kept)
{
    enum { ENDS = SP_EXITS_KEPT + 10 };
    static struct sp_exit exits[SP_EXITS_KEPT + 1];
    world_open(NULL);
    for (int i = 0; i < ENDS; i++)
        (void)ended(gives_up, NULL);
    CHECK_INT(sp_exits_recent(world_runtime(), 0, exits, SP_EXITS_KEPT + 1), SP_EXITS_KEPT);
    CHECK_INT(exits[0].seq, 11);
    CHECK_INT(exits[SP_EXITS_KEPT - 1].seq, ENDS);
    CHECK_INT(sp_exits_recent(world_runtime(), 0, exits, 3), 3);
    CHECK_INT(exits[0].seq, ENDS - 2);
    CHECK_INT(sp_exits_recent(world_runtime(), ENDS - 1, exits, 3), 1);
    CHECK_INT(exits[0].seq, ENDS);
    CHECK_INT(sp_exits_recent(world_runtime(), ENDS, exits, 3), 0);
    CHECK_INT(sp_exits_recent(world_runtime(), UINT64_MAX, exits, 3), 0);
    CHECK_INT(sp_exits_recent(world_runtime(), 0, NULL, 0), 0);
    world_close();
}

TEST(who_was_started_again_is_named)
{
    static const struct lab_args args = { .how = LAB_STARTS };
    struct sp_child_spec child = { .id = "lab",
                                   .server = &lab_class,
                                   .args = &args,
                                   .args_size = sizeof(args),
                                   .options.spawn.name = "lab" };
    struct sp_supervisor_spec spec = { .children = &child, .child_count = 1 };
    struct sp_child_info info;
    struct sp_exit last;
    sp_pid supervisor;
    sp_pid before;
    sp_pid after;
    world_open(NULL);
    CHECK_OK(sp_supervisor_start(&spec, NULL, &supervisor));
    CHECK_OK(sp_whereis("lab", &before));
    CHECK_OK(sp_kill(before));
    CHECK_OK(sp_join(before, WORLD_PATIENCE, NULL));
    do {
        CHECK_OK(sp_supervisor_get_child(supervisor, "lab", WORLD_PATIENCE, &info));
    } while (info.status != SP_CHILD_RUNNING || sp_pid_equal(info.pid, before));
    after = info.pid;
    CHECK_INT(sp_exits_recent(world_runtime(), 0, &last, 1), 1);
    CHECK(sp_pid_equal(last.pid, before));
    CHECK(sp_pid_equal(last.parent, supervisor));
    CHECK(sp_pid_equal(last.restarted, after));
    CHECK_STR(last.name, "lab");
    CHECK_STR(last.reason, "killed");
    world_close();
}
