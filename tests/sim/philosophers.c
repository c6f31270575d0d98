/* Philosophers take the fork on their left, then the one on their right: all may have one and
 * wait for the other. Corrected: the last one takes them the other way round. */
#include "suite.h"

enum {
    PHILOSOPHERS_MAX = 5,
};

SP_SERVER(fork_server, sp_empty);
SP_CALL(fork_server, take, sp_empty, sp_empty);
SP_CAST(fork_server, put, sp_empty);

static struct {
    struct suite suite;
    int count;
    fork_server_ref forks[PHILOSOPHERS_MAX];
    int numbers[PHILOSOPHERS_MAX];
} table;

/* One neighbour at most waits while the other one has it. */
struct fork_state {
    bool taken;
    bool wanted;
    sp_request waiter;
};

static sp_err fork_server_on_take(struct fork_state *fork, const sp_empty *empty, sp_empty *out)
{
    (void)empty;
    (void)out;
    if (!fork->taken) {
        fork->taken = true;
        return SP_OK;
    }
    fork->wanted = true;
    sp_err err = sp_request_take(&fork->waiter);
    return err == SP_OK ? SP_ERR_DEFERRED : err;
}

static void fork_server_on_put(struct fork_state *fork, const sp_empty *empty)
{
    fork->taken = fork->wanted;
    if (fork->wanted)
        sp_ignore(fork_server_take_reply(fork->waiter, empty));
    fork->wanted = false;
}

SP_STATE(fork_server, struct fork_state);
SP_ON_CALL(fork_server, take);
SP_ON_CAST(fork_server, put);
SP_CLASS(fork_server, .init = NULL);

static void philosopher_main(void *arg)
{
    const int *number = arg;
    sp_empty empty = { 0 };
    int left = *number;
    int right = (*number + 1) % table.count;
    if (table.suite.fixed && left > right) {
        left = right;
        right = *number;
    }
    suite_steps(*number == 0 ? table.suite.skew : 0);
    sp_ignore(fork_server_take(table.forks[left], &empty, &empty, sp_never()));
    sp_ignore(fork_server_take(table.forks[right], &empty, &empty, sp_never()));
    sp_ignore(fork_server_put(table.forks[left], &empty));
    sp_ignore(fork_server_put(table.forks[right], &empty));
}

static void table_main(void *arg)
{
    (void)arg;
    static const char *const names[PHILOSOPHERS_MAX] = { "plato", "hume", "kant", "mill",
                                                         "russell" };
    struct suite_actor actors[PHILOSOPHERS_MAX];
    for (int i = 0; i < table.count; i++) {
        sp_ignore(fork_server_start(&(sp_empty){ 0 }, NULL, &table.forks[i]));
        table.numbers[i] = i;
        actors[i] = (struct suite_actor){ .name = names[i],
                                          .fn = philosopher_main,
                                          .arg = &table.numbers[i] };
    }
    suite_run(&table.suite, actors, (size_t)table.count);
}

static void philosophers(sp_sim *s, const struct suite *suite, int count)
{
    table.suite = *suite;
    table.count = count;
    sp_sim_start(s, "node", table_main, NULL);
    sp_sim_run(s);
}

static void philosophers_3_run(sp_sim *s, const struct suite *suite)
{
    philosophers(s, suite, 3);
}

static void philosophers_5_run(sp_sim *s, const struct suite *suite)
{
    philosophers(s, suite, PHILOSOPHERS_MAX);
}

SUITE_TESTS(philosophers_3, philosophers_3_run);
SUITE_TESTS(philosophers_5, philosophers_5_run);
