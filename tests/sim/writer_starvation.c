/* A lock that lets readers in while others read: a writer may wait while they take turns.
 * Corrected: who comes after a writer waits behind it. */
#include "suite.h"

enum {
    STARVATION_READERS = 3,
    STARVATION_ROUNDS = 6,
    /* So many readers may be let in while a writer waits. */
    STARVATION_GRANTS_MAX = 4,
};

SP_SERVER(rwlock, sp_empty);
SP_CALL(rwlock, read, sp_empty, sp_empty);
SP_CAST(rwlock, read_done, sp_empty);
SP_CALL(rwlock, write, sp_empty, sp_empty);
SP_CAST(rwlock, write_done, sp_empty);

static struct {
    struct suite suite;
    rwlock_ref lock;
    int overtaken; /* grants to readers while the writer waits */
} locking;

struct rwlock_state {
    int readers;
    bool writing;
    bool writer_waits;
    sp_request writer;
    int waiting;
    sp_request waiters[STARVATION_READERS];
};

static void rwlock_go_on(struct rwlock_state *lock)
{
    sp_empty empty = { 0 };
    if (lock->writing)
        return;
    if (lock->writer_waits && lock->readers == 0) {
        lock->writing = true;
        lock->writer_waits = false;
        sp_ignore(rwlock_write_reply(lock->writer, &empty));
        return;
    }
    if (locking.suite.fixed && lock->writer_waits)
        return;
    while (lock->waiting > 0) {
        lock->readers++;
        sp_ignore(rwlock_read_reply(lock->waiters[--lock->waiting], &empty));
    }
}

static sp_err rwlock_on_read(struct rwlock_state *lock, const sp_empty *in, sp_empty *out)
{
    (void)in;
    (void)out;
    if (lock->writing || (locking.suite.fixed && lock->writer_waits)) {
        sp_err err = sp_request_take(&lock->waiters[lock->waiting]);
        lock->waiting += err == SP_OK;
        return SP_ERR_DEFERRED;
    }
    locking.overtaken += lock->writer_waits;
    lock->readers++;
    return SP_OK;
}

static void rwlock_on_read_done(struct rwlock_state *lock, const sp_empty *in)
{
    (void)in;
    lock->readers--;
    rwlock_go_on(lock);
}

static sp_err rwlock_on_write(struct rwlock_state *lock, const sp_empty *in, sp_empty *out)
{
    (void)in;
    (void)out;
    sp_err err = sp_request_take(&lock->writer);
    lock->writer_waits = err == SP_OK;
    rwlock_go_on(lock);
    return SP_ERR_DEFERRED;
}

static void rwlock_on_write_done(struct rwlock_state *lock, const sp_empty *in)
{
    (void)in;
    lock->writing = false;
    rwlock_go_on(lock);
}

SP_STATE(rwlock, struct rwlock_state);
SP_ON_CALL(rwlock, read);
SP_ON_CAST(rwlock, read_done);
SP_ON_CALL(rwlock, write);
SP_ON_CAST(rwlock, write_done);
SP_CLASS(rwlock, .init = NULL);

static void reader_main(void *arg)
{
    (void)arg;
    sp_empty empty = { 0 };
    for (int i = 0; i < STARVATION_ROUNDS; i++) {
        sp_ignore(rwlock_read(locking.lock, &empty, &empty, sp_never()));
        sp_ignore(rwlock_read_done(locking.lock, &empty));
    }
}

static void writer_main(void *arg)
{
    (void)arg;
    sp_empty empty = { 0 };
    suite_steps(locking.suite.skew);
    sp_ignore(rwlock_write(locking.lock, &empty, &empty, sp_never()));
    sp_ignore(rwlock_write_done(locking.lock, &empty));
}

static void locking_main(void *arg)
{
    (void)arg;
    sp_ignore(rwlock_start(&(sp_empty){ 0 }, NULL, &locking.lock));
    suite_run(&locking.suite,
              (const struct suite_actor[]){
                  { .name = "reader1", .fn = reader_main },
                  { .name = "reader2", .fn = reader_main },
                  { .name = "reader3", .fn = reader_main },
                  { .name = "writer", .fn = writer_main },
              },
              4);
}

static void writer_starvation_run(sp_sim *s, const struct suite *suite)
{
    locking.suite = *suite;
    locking.overtaken = 0;
    sp_sim_start(s, "node", locking_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, locking.overtaken <= STARVATION_GRANTS_MAX,
                 "the writer waited while %d readers were let in", locking.overtaken);
}

SUITE_TESTS(writer_starvation, writer_starvation_run);
