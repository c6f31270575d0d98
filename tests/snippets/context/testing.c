/* What the fragments of docs/testing.md stand in; see tests/snippets/run.py. */

/* @1 */

#include <spawned/sim_history.h>
#include <spawned/sim_transaction.h>

void shop_main(void *arg);
void bank_main(void *arg);
bool all_paid(sp_sim *s, void *arg);

/* @2 */

void ledger_main(void *arg);
bool ledger_is_whole(void);

/* @3 */

void start_program(sp_sim *s);
void start_program(sp_sim *s)
{
    /* @4 */
}

SP_SERVER(replica, int);
SP_CALL(replica, get, int, int);
struct {
    replica_ref backup;
    sp_sim_history *history;
} store;
struct sp_value key_of(int key);
void store_main(void *arg);

/* @5 */

SP_SIM_TEST(the_store_is_linearizable)
{
    /* @6 */
}

SP_SERVER(shard, int);
SP_CALL(shard, append, int, sp_empty);
struct {
    shard_ref shards[2];
    sp_sim_txns *txns;
} lists;

void append(uint32_t client, int value);
void append(uint32_t client, int value)
{
    sp_empty done;
    /* @7 */
}
