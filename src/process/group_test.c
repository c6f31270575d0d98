/* Process groups. Acceptance cases 48, 50 (51 needs several nodes). */
#include "spawned/group.h"

#include "support/puppet.h"

#include <string.h>

static size_t members(const char *group)
{
    return sp_group_members(group, NULL, 0);
}

TEST(case_48_joins_are_counted)
{
    world_open(NULL);
    sp_pid p = puppet_start(NULL);
    CHECK_OK(sp_group_join("g", p));
    CHECK_OK(sp_group_join("g", p));
    CHECK_INT(sp_group_count(), 1);
    CHECK_OK(sp_group_leave("g", p));
    sp_pid pids[4];
    CHECK_INT(sp_group_members("g", pids, 4), 1); /* once, though it is still in */
    CHECK(sp_pid_equal(pids[0], p));
    CHECK(sp_group_is_member("g", p));
    CHECK_OK(sp_group_leave("g", p));
    CHECK_INT(members("g"), 0);
    CHECK(!sp_group_is_member("g", p));
    CHECK_INT(sp_group_count(), 0); /* deleted */
    CHECK_ERR(sp_group_leave("g", p), SP_ERR_NOTMEMBER);
    world_close();
}

TEST(case_50_only_local_processes_may_be_joined)
{
    world_open(NULL);
    sp_pid remote = puppet_start(NULL);
    remote.node = 1;
    CHECK_ERR(sp_group_join("g", remote), SP_ERR_NONODE);
    CHECK_INT(sp_group_count(), 0);
    world_close();
}

TEST(group_refusals_change_nothing)
{
    world_open(NULL);
    sp_pid p = puppet_start(NULL);
    char longest[SP_NAME_MAX + 2];
    memset(longest, 'g', sizeof longest);
    longest[SP_NAME_MAX + 1] = 0;
    CHECK_ERR(sp_group_join("", p), SP_ERR_INVALID);
    CHECK_ERR(sp_group_join(longest, p), SP_ERR_INVALID);
    CHECK_ERR(sp_group_join("g", dead_pid()), SP_ERR_NOPROC);
    CHECK_ERR(sp_group_join("g", SP_PID_NONE), SP_ERR_NOPROC);
    CHECK_ERR(sp_group_leave("g", p), SP_ERR_NOTMEMBER);
    CHECK_INT(sp_group_count(), 0);
    longest[SP_NAME_MAX] = 0;
    CHECK_OK(sp_group_join(longest, p));
    CHECK(sp_group_is_member(longest, p));
    world_close();
}

TEST(group_members_come_in_order_of_their_first_join)
{
    enum { MEMBERS = 20 };
    world_open(NULL);
    sp_pid pids[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) {
        pids[i] = puppet_start(NULL);
        CHECK_OK(sp_group_join("g", pids[i]));
    }
    CHECK_OK(sp_group_join("g", pids[3])); /* keeps its place */
    CHECK_OK(sp_group_leave("g", pids[0]));
    CHECK_OK(sp_group_join("g", pids[0])); /* goes to the end */
    sp_pid seen[MEMBERS + 1];
    CHECK_INT(sp_group_members("g", seen, MEMBERS + 1), MEMBERS);
    for (int i = 0; i < MEMBERS; i++)
        CHECK(sp_pid_equal(seen[i], pids[(i + 1) % MEMBERS]));
    memset(seen, 0, sizeof seen);
    CHECK_INT(sp_group_members("g", seen, 2), MEMBERS);
    CHECK(sp_pid_equal(seen[1], pids[2]));
    CHECK(sp_pid_is_none(seen[2]));
    world_close();
}

TEST(the_dead_leave_all_their_groups)
{
    enum { GROUPS = 30 };
    world_open(NULL);
    sp_pid p = puppet_start(NULL);
    sp_pid q = puppet_start(NULL);
    char name[8] = "g";
    for (int i = 0; i < GROUPS; i++) {
        name[1] = (char)('A' + i);
        CHECK_OK(sp_group_join(name, p));
        CHECK_OK(sp_group_join(name, p));
        if (i % 3 == 0)
            CHECK_OK(sp_group_join(name, q));
    }
    CHECK_INT(sp_group_count(), GROUPS);
    CHECK_OK(sp_kill(p));
    wait_gone(p);
    CHECK_INT(sp_group_count(), GROUPS / 3);
    CHECK(!sp_group_is_member("gA", p));
    CHECK(sp_group_is_member("gA", q));
    puppet_exit(q, "boom");
    CHECK_INT(sp_group_count(), 0);
    CHECK_ERR(sp_group_join("g", p), SP_ERR_NOPROC);
    world_close();
}

static void die_at_once(void *arg)
{
    (void)arg;
}

/* A join that meets its process's end: refused, or undone by the end. */
TEST(nobody_dead_stays_in_a_group)
{
    int rounds = sp_test_slow() ? 200 : 5000;
    world_open(NULL);
    int joined = 0;
    for (int i = 0; i < rounds; i++) {
        sp_pid p;
        CHECK_OK(sp_spawn(die_at_once, NULL, NULL, &p));
        for (int spin = i % 200; spin > 0; spin--)
            CHECK(sp_now().ns >= 0);
        sp_err err = sp_group_join("g", p);
        CHECK(err == SP_OK || err == SP_ERR_NOPROC);
        joined += err == SP_OK;
        wait_gone(p);
        CHECK_INT(members("g"), 0);
    }
    CHECK(joined <= rounds);
    world_close();
}

TEST(a_group_broadcast_reaches_every_member)
{
    enum { MEMBERS = 150 };
    world_open(NULL);
    static sp_pid pids[MEMBERS];
    for (int i = 0; i < MEMBERS; i++) {
        pids[i] = puppet_start(&(struct sp_spawn_options){ .mailbox_max = 2 });
        CHECK_OK(sp_group_join("g", pids[i]));
        if (i % 10 == 0) { /* these are full */
            send_note(pids[i], 0);
            send_note(pids[i], 0);
        }
    }
    struct sp_broadcast counts;
    struct note note = { 5, sp_self() };
    CHECK_OK(sp_group_send("g", &note_type, &note, &counts));
    CHECK_INT(counts.sent, MEMBERS - MEMBERS / 10);
    CHECK_INT(counts.failed, MEMBERS / 10);
    for (int i = 0; i < MEMBERS; i++) {
        if (i % 10 != 0)
            CHECK_INT(puppet_mailbox(pids[i]), 1);
    }
    CHECK_OK(sp_group_send("nobody", &note_type, &note, &counts));
    CHECK_INT(counts.sent + counts.failed, 0);
    CHECK_OK(sp_group_send("nobody", &note_type, &note, NULL));
    world_close();
}

static void order_leave(void *arg)
{
    CHECK_OK(sp_group_leave(arg, sp_self()));
}

TEST(a_large_group_can_change_while_it_is_sent_to)
{
    int count = sp_test_slow() ? 500 : 20000;
    world_open(NULL);
    sp_pid leaver = puppet_start(NULL);
    CHECK_OK(sp_group_join("g", leaver));
    sp_pid p;
    for (int i = 0; i < count; i++) {
        p = puppet_start(NULL);
        CHECK_OK(sp_group_join("g", p));
    }
    char name[] = "g";
    puppet_tell(leaver, order_leave, name);
    struct sp_broadcast counts;
    struct note note = { 5, sp_self() };
    CHECK_OK(sp_group_send("g", &note_type, &note, &counts));
    CHECK(counts.sent >= (size_t)count && counts.sent <= (size_t)count + 1);
    CHECK_INT(counts.failed, 0);
    CHECK_INT(puppet_mailbox(p), 1);
    (void)puppet_mailbox(leaver);
    CHECK_INT(members("g"), count);
    world_close();
}

static void box_destroy(int *box)
{
    (void)box;
}
SP_MESSAGE_MOVED(box, int, box_destroy);

TEST(what_owns_something_cannot_go_to_a_group)
{
    world_open(NULL);
    CHECK_ERR(sp_group_send("g", &box_type, &(int){ 1 }, NULL), SP_ERR_INVALID);
    world_close();
}

static bool collect_group(const char *group, size_t count, void *arg)
{
    char *text = arg;
    strcat(strcat(text, group), count == 1 ? "1 " : "2 ");
    return strlen(text) < 10;
}

TEST(groups_are_listed_in_order_of_creation_until_told_to_stop)
{
    static const char *const names[] = { "zeta", "alpha", "mid", "last" };
    world_open(NULL);
    sp_pid p = puppet_start(NULL);
    sp_pid q = puppet_start(NULL);
    char seen[64] = "";
    CHECK_OK(sp_group_each(collect_group, seen));
    CHECK_STR(seen, "");
    for (int i = 0; i < 4; i++)
        CHECK_OK(sp_group_join(names[i], p));
    CHECK_OK(sp_group_join("mid", q));
    CHECK_OK(sp_group_leave("alpha", p));
    CHECK_OK(sp_group_each(collect_group, seen));
    CHECK_STR(seen, "zeta1 mid2 ");
    world_close();
}

TEST(groups_of_two_runtimes_have_nothing_in_common)
{
    world_open(NULL);
    CHECK_OK(sp_group_join("g", sp_self()));
    CHECK_INT(sp_group_count(), 1);
    world_close();
    world_open(NULL);
    CHECK_INT(sp_group_count(), 0);
    world_close();
}

TEST(groups_need_a_process)
{
    char text[8] = "";
    CHECK_ERR(sp_group_join("g", SP_PID_NONE), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_group_leave("g", SP_PID_NONE), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_group_send("g", &note_type, &(struct note){ 0 }, NULL), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_group_each(collect_group, text), SP_ERR_NOTCONTEXT);
    CHECK(!sp_group_is_member("g", SP_PID_NONE));
    CHECK_INT(members("g"), 0);
    CHECK_INT(sp_group_count(), 0);
}
