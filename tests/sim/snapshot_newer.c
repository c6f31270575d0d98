/* A snapshot is a copy of the state and then the length of the log, from which replay goes on: what
 * was appended in between is in neither. Corrected: the state knows how much of the log is in
 * it. */
#include "suite.h"

enum {
    SNAPSHOT_EVENTS = 2,
};

struct account_copy {
    int sum;
    int applied; /* events of the log that are in it */
};

SP_SERVER(journal, sp_empty);
SP_CALL(journal, append, int, sp_empty);
SP_CALL(journal, length, sp_empty, int);

SP_SERVER(balance, sp_empty);
SP_CAST(balance, apply, int);
SP_CALL(balance, copy, sp_empty, struct account_copy);

static struct {
    struct suite suite;
    journal_ref journal;
    balance_ref balance;
    int events[SNAPSHOT_EVENTS]; /* the log itself, as it would be on a disk */
    int appended;
    struct account_copy snapshot;
} keeping;

static sp_err journal_on_append(int *length, const int *event, sp_empty *out)
{
    (void)out;
    keeping.events[(*length)++] = *event;
    keeping.appended = *length;
    return SP_OK;
}

static sp_err journal_on_length(int *length, const sp_empty *in, int *out)
{
    (void)in;
    *out = *length;
    return SP_OK;
}

SP_STATE(journal, int);
SP_ON_CALL(journal, append);
SP_ON_CALL(journal, length);
SP_CLASS(journal, .init = NULL);

static void balance_on_apply(struct account_copy *account, const int *event)
{
    account->sum += *event;
    account->applied++;
}

static sp_err balance_on_copy(struct account_copy *account, const sp_empty *in,
                              struct account_copy *out)
{
    (void)in;
    *out = *account;
    return SP_OK;
}

SP_STATE(balance, struct account_copy);
SP_ON_CAST(balance, apply);
SP_ON_CALL(balance, copy);
SP_CLASS(balance, .init = NULL);

static void writer_main(void *arg)
{
    (void)arg;
    sp_empty empty;
    suite_steps(keeping.suite.skew);
    for (int event = 1; event <= SNAPSHOT_EVENTS; event++) {
        sp_ignore(journal_append(keeping.journal, &event, &empty, sp_never()));
        sp_ignore(balance_apply(keeping.balance, &event));
    }
}

static void keeper_main(void *arg)
{
    (void)arg;
    sp_empty empty = { 0 };
    struct account_copy copy;
    int length = 0;
    sp_ignore(balance_copy(keeping.balance, &empty, &copy, sp_never()));
    sp_ignore(journal_length(keeping.journal, &empty, &length, sp_never()));
    if (!keeping.suite.fixed)
        copy.applied = length;
    keeping.snapshot = copy;
}

static void keeping_main(void *arg)
{
    (void)arg;
    sp_empty empty = { 0 };
    sp_ignore(journal_start(&empty, NULL, &keeping.journal));
    sp_ignore(balance_start(&empty, NULL, &keeping.balance));
    suite_run(&keeping.suite,
              (const struct suite_actor[]){
                  { .name = "writer", .fn = writer_main },
                  { .name = "keeper", .fn = keeper_main },
              },
              2);
}

static void snapshot_newer_run(sp_sim *s, const struct suite *suite)
{
    keeping.suite = *suite;
    keeping.appended = 0;
    keeping.snapshot = (struct account_copy){ 0 };
    sp_sim_start(s, "node", keeping_main, NULL);
    sp_sim_run(s);
    int sum = keeping.snapshot.sum;
    for (int i = keeping.snapshot.applied; i < keeping.appended; i++)
        sum += keeping.events[i];
    sp_sim_check(s, sum == 3, "snapshot and log say %d, not 3", sum);
}

SUITE_TESTS(snapshot_newer, snapshot_newer_run);
