/* Looking at processes under every schedule, while they are born, tied to each other and end: who is there all the
 * time is told once, who is gone is not, and when all is quiet what is told is what is so. */
#include "accept.h"

#include <spawned/inspect.h>

enum {
    MEMBERS = 4,
    ROWS = 16,
    EDGES = 64,
    LOOKS = 3,
};

SP_MESSAGE(note, int);

/* Between two points nothing else runs: these are what is true just now. */
static struct {
    sp_pid pid;
    bool lives; /* it is in its function, and nobody has ended it yet */
    bool gone;  /* it was joined */
    uint32_t notes;
} members[MEMBERS];
static bool linked[MEMBERS][MEMBERS];

static int member_of(sp_pid pid)
{
    for (int i = 0; i < MEMBERS; i++)
        if (sp_pid_equal(members[i].pid, pid))
            return i;
    return -1;
}

static void member(void *arg)
{
    int self = *(const int *)arg;
    members[self].lives = true;
    for (int i = 0; i < 3; i++) {
        int other = (int)sp_choose(MEMBERS);
        if (other == self || !members[other].lives)
            continue;
        if (sp_choose(2) == 0 && sp_link(members[other].pid) == SP_OK)
            linked[self][other] = linked[other][self] = true;
        else if (note_send(members[other].pid, &(int){ self }) == SP_OK)
            members[other].notes++;
    }
    sp_sleep(sp_sec(1000000)); /* and takes no message */
}

static void members_start(void)
{
    memset(members, 0, sizeof(members));
    memset(linked, 0, sizeof(linked));
    for (int i = 0; i < MEMBERS; i++)
        EXPECT(sp_spawn(member, &i, &(struct sp_spawn_options){ .arg_size = sizeof(i) },
                        &members[i].pid) == SP_OK);
}

/* ---- one look ---- */

static const struct sp_inspect *row_of(const struct sp_inspect *rows, size_t count, sp_pid pid)
{
    const struct sp_inspect *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (sp_pid_equal(rows[i].process.pid, pid)) {
            EXPECT(found == NULL);
            found = &rows[i];
        }
    return found;
}

static void page_look(enum sp_inspect_sort sort, bool quiet)
{
    struct sp_inspect rows[ROWS];
    struct sp_inspect_page page;
    bool lived[MEMBERS];
    for (int i = 0; i < MEMBERS; i++)
        lived[i] = members[i].lives;
    EXPECT(sp_inspect_list(
               &(struct sp_inspect_query){ .sort = sort, .descending = sort != SP_INSPECT_TABLE },
               rows, ROWS, &page) == SP_OK);
    EXPECT(page.count <= page.total && page.count <= page.matched);
    EXPECT(row_of(rows, page.count, sp_self()) != NULL);
    for (int i = 0; i < MEMBERS; i++) {
        const struct sp_inspect *row = row_of(rows, page.count, members[i].pid);
        EXPECT(row != NULL || !lived[i] || !members[i].lives);
        EXPECT(row == NULL || !members[i].gone);
        EXPECT(row == NULL || !quiet || row->process.mailbox == members[i].notes);
    }
    /* A row shows what is so when it is filled; the order is that of a moment before. */
    for (size_t i = 1; quiet && i < page.count && sort == SP_INSPECT_MAILBOX; i++)
        EXPECT(rows[i - 1].process.mailbox >= rows[i].process.mailbox);
}

/* All links of members, each once, from the lower slot; when it is quiet, those that there are. */
static void edges_look(bool quiet)
{
    struct sp_inspect_edge edges[EDGES];
    bool told[MEMBERS][MEMBERS] = { { false } };
    bool cut = false;
    size_t cursor = 0;
    while (cursor != SIZE_MAX) {
        size_t count = sp_inspect_edges(&cursor, 1U << SP_RELATION_LINK, edges, EDGES, &cut);
        for (size_t i = 0; i < count; i++) {
            int from = member_of(edges[i].from);
            int to = member_of(edges[i].to);
            EXPECT(edges[i].relation == SP_RELATION_LINK && from >= 0 && to >= 0 && from != to);
            EXPECT(edges[i].from.slot < edges[i].to.slot && !told[from][to]);
            told[from][to] = told[to][from] = true;
        }
    }
    EXPECT(!cut);
    for (int i = 0; quiet && i < MEMBERS; i++)
        for (int j = 0; j < MEMBERS; j++)
            EXPECT(told[i][j] == linked[i][j]);
}

static void look(bool quiet)
{
    static const enum sp_inspect_sort orders[] = { SP_INSPECT_TABLE, SP_INSPECT_NAME,
                                                   SP_INSPECT_MAILBOX, SP_INSPECT_UPTIME };
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
        page_look(orders[i], quiet);
    edges_look(quiet);
}

static void inspected(void *unused)
{
    (void)unused;
    members_start();
    for (int i = 0; i < LOOKS; i++)
        look(false);
    accept_settle();
    look(true);
    for (int i = 0; i < MEMBERS; i++) {
        for (int j = 0; j < MEMBERS; j++)
            members[j].lives = false; /* of who is linked nobody knows how far it is */
        sp_err err = sp_kill(members[i].pid);
        EXPECT(err == SP_OK || err == SP_ERR_NOPROC); /* who was linked may be gone */
        look(false);
        accept_join(members[i].pid);
        members[i].gone = true;
    }
    look(false);
}
ACCEPT(what_is_told_of_processes_is_so, inspected);
