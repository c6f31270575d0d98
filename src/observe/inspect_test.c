/* Looking at processes: kinds, pages in every order, relations, and a runtime that is stuck. */
#include "spawned/inspect.h"

#include "support/lab.h"

#include <stdlib.h>
#include <string.h>

enum { PUPPETS = 300 };

static struct sp_inspect look(sp_pid pid)
{
    struct sp_inspect row;
    CHECK_OK(sp_inspect(pid, &row));
    return row;
}

/* ---- one process ---- */

TEST(inspect_tells_what_a_process_is)
{
    world_open(NULL);
    sp_pid plain = puppet_start(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    CHECK_INT(look(plain).kind, SP_PROCESS_PLAIN);
    CHECK_INT(look(lab.pid).kind, SP_PROCESS_SERVER);
    CHECK_INT(look(sp_self()).kind, SP_PROCESS_THREAD);
    CHECK(sp_pid_is_none(look(plain).supervisor));
    CHECK(sp_pid_equal(look(plain).process.parent, sp_self()));
    struct sp_inspect row = { .kind = SP_PROCESS_TASK };
    CHECK_INT(sp_inspect(dead_pid(), &row), SP_ERR_NOPROC);
    CHECK_INT(row.kind, SP_PROCESS_TASK); /* not written */
    world_close();
}

TEST(inspect_names_the_supervisor_of_a_child)
{
    world_open(NULL);
    sp_pid supervisor;
    sp_pid child = SP_PID_NONE;
    static const struct lab_args args = { .how = LAB_STARTS };
    struct sp_child_spec children[] = {
        { .id = "lab", .server = &lab_class, .args = &args, .args_size = sizeof(args) }
    };
    struct sp_supervisor_spec spec = { .children = children, .child_count = 1 };
    size_t total = 0;
    CHECK_OK(sp_supervisor_start(&spec, NULL, &supervisor));
    CHECK_INT(look(supervisor).kind, SP_PROCESS_SUPERVISOR);
    CHECK_OK(sp_inspect_relations(supervisor, SP_RELATION_CHILD, &child, 1, &total));
    CHECK_INT(total, 1);
    CHECK(sp_pid_equal(look(child).supervisor, supervisor));
    world_close();
}

TEST(inspect_outside_of_a_runtime_is_refused)
{
    struct sp_inspect row;
    struct sp_inspect_page page;
    struct sp_inspect_edge edge;
    size_t cursor = 0;
    bool cut;
    CHECK_INT(sp_inspect((sp_pid){ 1, 1, 0 }, &row), SP_ERR_NOTCONTEXT);
    CHECK_INT(sp_inspect_list(NULL, &row, 1, &page), SP_ERR_NOTCONTEXT);
    CHECK_INT(sp_inspect_edges(&cursor, 0, &edge, 0, &cut), 0);
}

/* ---- pages ---- */

static struct sp_inspect_page list(const struct sp_inspect_query *query, struct sp_inspect *rows,
                                   size_t max)
{
    struct sp_inspect_page page;
    CHECK_OK(sp_inspect_list(query, rows, max, &page));
    return page;
}

TEST(pages_in_the_order_of_the_table_tell_each_process_once)
{
    world_open(NULL);
    static sp_pid pids[PUPPETS];
    static unsigned seen[PUPPETS];
    struct sp_inspect rows[7];
    struct sp_inspect_query query = { .cursor = 0 };
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < PUPPETS; i++)
        pids[i] = puppet_start(NULL);
    while (query.cursor != SIZE_MAX) {
        struct sp_inspect_page page = list(&query, rows, 7);
        CHECK(page.total >= PUPPETS + 1);
        for (size_t k = 0; k < page.count; k++)
            for (int i = 0; i < PUPPETS; i++)
                seen[i] += sp_pid_equal(rows[k].process.pid, pids[i]);
        query.cursor = page.next;
    }
    for (int i = 0; i < PUPPETS; i++)
        CHECK_INT(seen[i], 1);
    world_close();
}

static void sleep_on(void *arg)
{
    sp_ignore(arg);
    sp_sleep(sp_sec(3600));
}

/* Puppet i gets i notes that it does not take. */
static void fill_mailboxes(sp_pid *pids, int count)
{
    for (int i = 0; i < count; i++) {
        pids[i] = puppet_start(&(struct sp_spawn_options){ .label = "filled" });
        puppet_tell(pids[i], sleep_on, NULL);
        for (int k = 0; k < i; k++)
            send_note(pids[i], k);
    }
}

TEST(the_longest_mailboxes_come_first_and_pages_fit_together)
{
    world_open(NULL);
    sp_pid pids[20];
    struct sp_inspect all[20];
    struct sp_inspect part[5];
    struct sp_inspect_query query = { .sort = SP_INSPECT_MAILBOX, .descending = true };
    fill_mailboxes(pids, 20);
    struct sp_inspect_page page = list(&query, all, 10);
    CHECK_INT(page.count, 10);
    CHECK(page.matched >= 21);
    for (int i = 0; i < 10; i++)
        CHECK(sp_pid_equal(all[i].process.pid, pids[19 - i]));
    query.offset = 5;
    CHECK_INT(list(&query, part, 5).count, 5);
    for (int i = 0; i < 5; i++)
        CHECK(sp_pid_equal(part[i].process.pid, all[5 + i].process.pid));
    /* The same with a filter, which goes the long way. */
    query = (struct sp_inspect_query){ .sort = SP_INSPECT_MAILBOX,
                                       .descending = true,
                                       .search = "FILL" };
    page = list(&query, all, 20);
    CHECK_INT(page.matched, 20);
    CHECK_INT(page.count, 20);
    CHECK(sp_pid_equal(all[0].process.pid, pids[19]));
    CHECK(all[0].process.mailbox > all[19].process.mailbox);
    world_close();
}

static void do_nothing(void *arg)
{
    sp_ignore(arg);
}

/* Passed over by a selective receive they are out of the queue, and still in the mailbox. */
TEST(a_mailbox_of_messages_passed_over_is_as_long_on_a_page)
{
    world_open(NULL);
    struct sp_inspect rows[2];
    sp_pid pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = puppet_start(NULL);
        for (int k = 0; k < 2 * i; k++)
            send_note(pids[i], k);
        puppet_do(pids[i], do_nothing, NULL);
        while (look(pids[i]).process.status != SP_STATUS_IDLE)
            sp_yield();
    }
    struct sp_inspect_query query = { .sort = SP_INSPECT_MAILBOX, .descending = true };
    CHECK_INT(list(&query, rows, 2).count, 2);
    CHECK(sp_pid_equal(rows[0].process.pid, pids[2]) && sp_pid_equal(rows[1].process.pid, pids[1]));
    CHECK_INT(rows[0].process.mailbox, 4);
    CHECK_INT(rows[1].process.mailbox, 2);
    world_close();
}

/* More than the walk looks at in one part, in the order that it would have to keep each of. */
TEST(of_many_thousands_the_first_by_every_number_are_found)
{
    enum { MANY = 9000, SHOWN = 40 };
    static sp_pid pids[MANY];
    static struct sp_inspect rows[SHOWN];
    world_open(NULL);
    for (int i = 0; i < MANY; i++)
        CHECK_OK(sp_spawn(sleep_on, NULL, NULL, &pids[i]));
    for (int i = 0; i < MANY; i += MANY / SHOWN)
        send_note(pids[i], i);
    for (unsigned sort = SP_INSPECT_MAILBOX; sort <= SP_INSPECT_HANDLING; sort++) {
        for (unsigned down = 0; down < 2; down++) {
            struct sp_inspect_query query = { .sort = (enum sp_inspect_sort)sort,
                                              .descending = down };
            struct sp_inspect_page page = list(&query, rows, SHOWN);
            CHECK_INT(page.count, SHOWN);
            CHECK(page.matched > MANY);
            for (int i = 0; i < SHOWN && sort == SP_INSPECT_MAILBOX && down; i++)
                CHECK_INT(rows[i].process.mailbox, 1);
        }
    }
    /* Of rows that are read one after the other the uptimes have to allow for that. */
    struct sp_inspect middle = look(pids[MANY / 2]);
    struct sp_inspect_query query = { .sort = SP_INSPECT_UPTIME, .descending = true };
    CHECK_INT(list(&query, rows, SHOWN).count, SHOWN);
    for (int i = 0; i < SHOWN; i++)
        CHECK(rows[i].process.uptime.ns >= middle.process.uptime.ns);
    query.descending = false;
    CHECK_INT(list(&query, rows, SHOWN).count, SHOWN);
    middle = look(pids[MANY / 2]);
    for (int i = 0; i < SHOWN; i++)
        CHECK(rows[i].process.uptime.ns <= middle.process.uptime.ns);
    world_close();
}

TEST(pages_by_offset_parent_and_pid_find_what_they_name)
{
    world_open(NULL);
    sp_pid pids[10];
    struct sp_inspect all[64];
    struct sp_inspect rows[2];
    char text[SP_PID_TEXT_MAX];
    for (int i = 0; i < 10; i++)
        pids[i] = puppet_start(NULL);
    struct sp_inspect_page page = list(NULL, all, 64);
    CHECK(page.count >= 11 && page.count < 64);
    for (size_t i = 0; i + 1 < page.count; i++) {
        CHECK_INT(list(&(struct sp_inspect_query){ .offset = i }, rows, 2).count, 2);
        CHECK(sp_pid_equal(rows[0].process.pid, all[i].process.pid));
        CHECK(sp_pid_equal(rows[1].process.pid, all[i + 1].process.pid));
    }
    CHECK_INT(list(&(struct sp_inspect_query){ .offset = SIZE_MAX }, rows, 1).matched, page.count);
    struct sp_inspect_query query = { .parent = sp_self() };
    CHECK_INT(list(&query, all, 64).count, 10);
    query.sort = SP_INSPECT_UPTIME;
    CHECK_INT(list(&query, all, 64).matched, 10);
    query = (struct sp_inspect_query){ .parent = pids[3] };
    CHECK_INT(list(&query, all, 64).count, 0);
    query = (struct sp_inspect_query){ .search = sp_pid_format(pids[3], text) + 1 };
    text[strlen(text) - 1] = '\0'; /* without its brackets */
    CHECK_INT(list(&query, all, 64).count, 1);
    CHECK(sp_pid_equal(all[0].process.pid, pids[3]));
    query.search = "";
    CHECK_INT(list(&query, all, 64).count, page.count);
    world_close();
}

TEST(names_are_in_order_and_filters_hold)
{
    world_open(NULL);
    struct sp_inspect rows[8];
    puppet_start(&(struct sp_spawn_options){ .name = "b" });
    puppet_start(&(struct sp_spawn_options){ .name = "a" });
    lab_begin(NULL, NULL);
    struct sp_inspect_query query = { .sort = SP_INSPECT_NAME };
    CHECK(list(&query, rows, 8).count >= 4);
    CHECK_STR(rows[0].process.name, "a");
    CHECK_STR(rows[1].process.name, "b");
    CHECK_STR(rows[2].process.name, "");
    query = (struct sp_inspect_query){ .kinds = 1U << SP_PROCESS_SERVER };
    struct sp_inspect_page page = list(&query, rows, 8);
    CHECK_INT(page.count, 1);
    CHECK_STR(rows[0].process.label, "lab");
    query = (struct sp_inspect_query){ .sort = SP_INSPECT_UPTIME, .kinds = 1U << SP_PROCESS_TASK };
    CHECK_INT(list(&query, rows, 8).matched, 0);
    world_close();
}

TEST(every_order_is_an_order)
{
    world_open(NULL);
    sp_pid pids[12];
    struct sp_inspect rows[12];
    struct sp_inspect_page page;
    fill_mailboxes(pids, 12);
    for (unsigned sort = SP_INSPECT_NAME; sort <= SP_INSPECT_BUSY; sort++) {
        struct sp_inspect_query query = { .sort = (enum sp_inspect_sort)sort, .offset = 3 };
        CHECK_INT(list(&query, rows, 9).count, 9);
    }
    struct sp_inspect_query wrong = { .sort = (enum sp_inspect_sort)99 };
    CHECK_INT(sp_inspect_list(&wrong, rows, 1, &page), SP_ERR_INVALID);
    wrong = (struct sp_inspect_query){ .descending = true };
    CHECK_INT(sp_inspect_list(&wrong, rows, 1, &page), SP_ERR_INVALID);
    wrong = (struct sp_inspect_query){ .sort = SP_INSPECT_UPTIME, .offset = SP_INSPECT_SORTED_MAX };
    CHECK_INT(sp_inspect_list(&wrong, rows, 1, &page), SP_ERR_INVALID);
    CHECK_INT(list(&(struct sp_inspect_query){ .sort = SP_INSPECT_UPTIME }, NULL, 0).count, 0);
    world_close();
}

static _Atomic bool churn_stop;

static void churn_nothing(void *arg)
{
    sp_ignore(arg);
}

/* Slots are taken, left and taken again until it is told to stop. */
static void churn(void *arg)
{
    while (!churn_stop) {
        sp_err err = sp_spawn(churn_nothing, arg, NULL, NULL);
        CHECK(err == SP_OK || err == SP_ERR_SHUTDOWN); /* it is told at the runtime's end */
        sp_yield();
    }
}

TEST(pages_are_read_while_processes_come_and_go)
{
    world_open(NULL);
    struct sp_inspect rows[16];
    struct sp_inspect_edge edges[64];
    churn_stop = false;
    CHECK_OK(sp_spawn(churn, NULL, NULL, NULL));
    CHECK_OK(sp_spawn(churn, NULL, NULL, NULL));
    for (unsigned i = 0; i < 400; i++) {
        struct sp_inspect_query query = { .sort = (enum sp_inspect_sort)(i % 8) };
        size_t cursor = 0;
        bool cut;
        struct sp_inspect_page page = list(&query, rows, 16);
        for (size_t k = 0; k < page.count; k++)
            CHECK(rows[k].process.label != NULL && !sp_pid_is_none(rows[k].process.pid));
        CHECK(sp_inspect_edges(&cursor, 0, edges, 64, &cut) <= 64);
    }
    churn_stop = true;
    world_close();
}

/* ---- relations ---- */

TEST(relations_are_told_from_both_ends)
{
    world_open(NULL);
    sp_pid a = puppet_start(NULL);
    sp_pid b = puppet_start(NULL);
    sp_pid pids[4];
    size_t total;
    sp_monitor_ref ref;
    CHECK_OK(puppet_link(a, b));
    CHECK_OK(sp_monitor(b, &ref));
    CHECK_OK(sp_inspect_relations(b, SP_RELATION_LINK, pids, 4, &total));
    CHECK_INT(total, 1);
    CHECK(sp_pid_equal(pids[0], a));
    CHECK_OK(sp_inspect_relations(b, SP_RELATION_WATCHER, pids, 4, &total));
    CHECK_INT(total, 1);
    CHECK(sp_pid_equal(pids[0], sp_self()));
    CHECK_OK(sp_inspect_relations(sp_self(), SP_RELATION_MONITOR, pids, 0, &total));
    CHECK_INT(total, 1); /* counted, not written */
    CHECK_INT(sp_inspect_relations(b, (enum sp_relation)9, pids, 4, &total), SP_ERR_INVALID);
    CHECK_INT(sp_inspect_relations(dead_pid(), SP_RELATION_LINK, pids, 4, &total), SP_ERR_NOPROC);
    world_close();
}

static size_t count_edges(uint32_t relations, size_t max)
{
    struct sp_inspect_edge edges[64];
    size_t count = 0;
    bool cut;
    for (size_t cursor = 0; cursor != SIZE_MAX;) {
        count += sp_inspect_edges(&cursor, relations, edges, max, &cut);
        CHECK(!cut);
    }
    return count;
}

TEST(edges_are_the_same_in_parts_of_any_size)
{
    world_open(NULL);
    sp_pid pids[10];
    for (int i = 0; i < 10; i++) {
        pids[i] = puppet_start(NULL);
        if (i > 0)
            CHECK_OK(puppet_link(pids[i - 1], pids[i]));
    }
    CHECK_INT(count_edges(1U << SP_RELATION_LINK, 64), 9);
    CHECK_INT(count_edges(1U << SP_RELATION_CHILD, 64), 10);
    CHECK_INT(count_edges(1U << SP_RELATION_LINK, 2), 9);
    CHECK_INT(count_edges(0, 64), count_edges(0, 3));
    world_close();
}

TEST(more_edges_than_fit_are_said_to_be_cut)
{
    world_open(NULL);
    struct sp_inspect_edge edge;
    size_t cursor = 0;
    bool cut = false;
    bool any = false;
    for (int i = 0; i < 3; i++)
        CHECK_OK(sp_link(puppet_start(NULL)));
    while (cursor != SIZE_MAX) {
        CHECK(sp_inspect_edges(&cursor, 1U << SP_RELATION_LINK, &edge, 1, &cut) <= 1);
        any |= cut;
    }
    CHECK(any);
    world_close();
}

/* ---- a runtime that is stuck ---- */

static _Atomic bool stuck_release;
static _Atomic int stuck_running;

static void be_stuck(void *arg)
{
    sp_ignore(arg);
    stuck_running++;
    while (!stuck_release)
        continue;
}

/* Every worker spins: this thread reads all the same. */
TEST(inspect_works_while_every_worker_is_stuck)
{
    world_open(&(struct sp_runtime_options){ .workers = 2, .stuck_after = sp_ns(-1) });
    struct sp_inspect rows[8];
    sp_pid pids[2] = { puppet_start(NULL), puppet_start(NULL) };
    stuck_release = false;
    stuck_running = 0;
    puppet_tell(pids[0], be_stuck, NULL);
    puppet_tell(pids[1], be_stuck, NULL);
    while (stuck_running < 2)
        continue;
    struct sp_inspect_query query = { .sort = SP_INSPECT_UPTIME, .descending = true };
    CHECK(list(&query, rows, 8).count >= 3);
    CHECK(look(pids[0]).process.status != SP_STATUS_IDLE);
    CHECK(count_edges(1U << SP_RELATION_CHILD, 64) >= 2);
    stuck_release = true;
    world_close();
}

/* A server in the middle of a call is found at the top. */
struct wait_for {
    lab_ref lab;
    sp_pid on; /* a third process: waiting for the caller would be a circle */
};

static void call_wait(void *arg)
{
    const struct wait_for *wait = arg;
    int64_t out;
    sp_ignore(lab_wait(wait->lab, &wait->on, &out, sp_after_sec(600)));
}

TEST(who_is_at_one_call_for_long_comes_first)
{
    world_open(NULL);
    struct sp_inspect row;
    sp_pid caller = puppet_start(NULL);
    struct wait_for wait = { lab_begin(NULL, NULL), puppet_start(NULL) };
    struct sp_inspect_query query = { .sort = SP_INSPECT_HANDLING, .descending = true };
    puppet_tell(caller, call_wait, &wait);
    CHECK_INT(expect_note(), LAB_WAITING); /* the handler runs */
    CHECK_INT(list(&query, &row, 1).count, 1);
    CHECK(sp_pid_equal(row.process.pid, wait.lab.pid));
    CHECK(row.handling.ns > 0);
    CHECK(sp_pid_equal(look(caller).process.waits_for, wait.lab.pid));
    puppet_exit(wait.on, NULL); /* the handler goes on */
    world_close();
}
