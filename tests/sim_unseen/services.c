/* Services that are asked and then told, where one operation should do both.
 *
 *  - a bank: two transfers read and write the balances of two accounts
 *  - a snapshot, restored while somebody still writes to the old store
 */
#include "unseen.h"

SP_SERVER(cell, int);
SP_CALL(cell, get, sp_empty, int);
SP_CAST(cell, set, int);
SP_CALL(cell, add, int, int);

static sp_err cell_init(int *value, const int *first)
{
    *value = *first;
    return SP_OK;
}

static sp_err cell_on_get(int *value, const sp_empty *unused, int *out)
{
    (void)unused;
    *out = *value;
    return SP_OK;
}

static void cell_on_set(int *value, const int *in)
{
    *value = *in;
}

static sp_err cell_on_add(int *value, const int *in, int *out)
{
    *out = *value += *in;
    return SP_OK;
}

SP_STATE(cell, int);
SP_ON_INIT(cell);
SP_ON_CALL(cell, get);
SP_ON_CAST(cell, set);
SP_ON_CALL(cell, add);
SP_CLASS(cell, .init = cell__init);

static cell_ref cell_new(const char *name, int value)
{
    cell_ref cell = { SP_PID_NONE };
    sp_ignore(cell_start(&value, &(struct sp_server_options){ .spawn.name = name }, &cell));
    return cell;
}

static int cell_value(cell_ref cell)
{
    int value = 0;
    sp_ignore(cell_get(cell, &(sp_empty){ 0 }, &value, sp_never()));
    return value;
}

static struct {
    bool fixed;
    cell_ref a;
    cell_ref b;
    int result;
} world;

static void start(sp_sim *s, bool fixed, void (*fn)(void *arg))
{
    world.fixed = fixed;
    world.result = 0;
    sp_sim_start(s, "node", fn, NULL);
    sp_sim_run(s);
}

/* ---- bank ---- */

static void deposit(cell_ref account, int amount)
{
    if (world.fixed)
        sp_ignore(cell_add(account, &amount, &(int){ 0 }, sp_never()));
    else
        sp_ignore(cell_set(account, &(int){ cell_value(account) + amount }));
}

static void transfer(void *arg)
{
    (void)arg;
    deposit(world.a, -10);
    deposit(world.b, 10);
}

static void bank_main(void *arg)
{
    (void)arg;
    world.a = cell_new("giro", 100);
    world.b = cell_new("savings", 100);
    play((const struct role[]){ { "rent", transfer }, { "salary", transfer } }, 2);
    world.result = cell_value(world.a) + cell_value(world.b);
}

static void bank_run(sp_sim *s, bool fixed)
{
    start(s, fixed, bank_main);
    sp_sim_check(s, world.result == 200, "the bank has %d", world.result);
}

UNSEEN(bank);

/* ---- snapshot ---- */

static void writer(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        sp_ignore(cell_add(world.a, &(int){ 1 }, &(int){ 0 }, sp_never()));
}

static void mover(void *arg)
{
    (void)arg;
    cell_ref fresh = cell_new("fresh", 0);
    if (world.fixed)
        return;
    int snapshot = cell_value(world.a);
    sp_ignore(cell_add(fresh, &snapshot, &(int){ 0 }, sp_never()));
    world.a = fresh;
}

static void snapshot_main(void *arg)
{
    (void)arg;
    world.a = cell_new("old", 0);
    play((const struct role[]){ { "mover", mover }, { "writer", writer } }, 2);
    world.result = cell_value(world.a);
}

static void snapshot_run(sp_sim *s, bool fixed)
{
    start(s, fixed, snapshot_main);
    sp_sim_check(s, world.result == 3, "%d of 3 writes are there", world.result);
}

UNSEEN(snapshot);
