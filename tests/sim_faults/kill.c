/* A lock that its holder takes to the grave: whoever is killed between lock and unlock has it for
 * ever. Corrected: the lock watches who holds it. */
#include "faults.h"

SP_SERVER(kill_lock, sp_empty);
SP_CALL(kill_lock, take, sp_pid, bool);
SP_CAST(kill_lock, give, sp_pid);

static struct {
    bool fixed;
    bool taken_after_all;
    kill_lock_ref lock;
} locked;

struct kill_lock_state {
    sp_pid holder;
};

static sp_err kill_lock_on_take(struct kill_lock_state *lock, const sp_pid *who, bool *out)
{
    *out = sp_pid_equal(lock->holder, SP_PID_NONE);
    if (!*out && locked.fixed)
        *out = !sp_is_alive(lock->holder);
    if (*out)
        lock->holder = *who;
    return SP_OK;
}

static void kill_lock_on_give(struct kill_lock_state *lock, const sp_pid *who)
{
    if (sp_pid_equal(lock->holder, *who))
        lock->holder = SP_PID_NONE;
}

SP_STATE(kill_lock, struct kill_lock_state);
SP_ON_CALL(kill_lock, take);
SP_ON_CAST(kill_lock, give);
SP_CLASS(kill_lock, .init = NULL);

/* Polls, since who calls may be killed while it waits. Without a deadline, which needs memory: who gets
 * none ends, as if it were killed. */
static bool lock_take(int tries)
{
    bool taken = false;
    sp_pid self = sp_self();
    while (!taken && tries-- > 0) {
        if (kill_lock_take(locked.lock, &self, &taken, sp_never()) != SP_OK)
            return true; /* the lock itself was killed, or there is no memory: another story */
        if (!taken)
            sp_sleep(sp_ms(10));
    }
    return taken;
}

static void locker_main(void *arg)
{
    (void)arg;
    sp_pid self = sp_self();
    if (!lock_take(10))
        return;
    for (int i = 0; i < 5; i++)
        sp_yield();
    /* Without memory it is given back later. */
    while (kill_lock_give(locked.lock, &self) == SP_ERR_NOMEM)
        sp_yield();
}

static void locked_main(void *arg)
{
    (void)arg;
    if (kill_lock_start(&(sp_empty){ 0 }, NULL, &locked.lock) != SP_OK)
        return;
    for (int i = 0; i < 2; i++)
        sp_ignore(sp_spawn(locker_main, NULL, NULL, NULL));
    sp_sleep(sp_sec(10));
    locked.taken_after_all = lock_take(10);
}

static void killed(sp_sim *s, bool fixed)
{
    locked.fixed = fixed;
    locked.taken_after_all = true;
    sp_sim_start(s, "bank", locked_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, locked.taken_after_all, "the lock is nobody's, and nobody gets it");
}

FAULT_TESTS(kill, killed);
