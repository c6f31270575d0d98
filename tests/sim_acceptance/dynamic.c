/* Acceptance: dynamic supervisors, whose children come and go while others count them. */
#include "accept.h"

enum {
    MAX_CHILDREN = 3,
};

static struct {
    int alive; /* inits minus ends */
    int ended;
    int slow;
} pool;

SP_SERVER(job, int);
SP_CAST(job, end, int);

static void job_gone(void *unused)
{
    (void)unused;
    pool.alive--;
    pool.ended++;
}

static sp_err job_init(int *state, const int *kind)
{
    *state = *kind;
    EXPECT(++pool.alive <= MAX_CHILDREN);
    EXPECT(sp_defer(job_gone, NULL) == SP_OK);
    sp_yield();
    return *kind == 1 ? SP_ERR_IGNORED : *kind == 2 ? SP_ERR_REFUSED : SP_OK;
}

static void job_on_end(int *state, const int *in)
{
    (void)state;
    if (*in == 0)
        accept_die("boom");
    sp_server_stop_self(sp_reason_normal());
}

static void job_terminate(int *state, const struct sp_reason *reason)
{
    (void)state;
    (void)reason;
    sp_sleep(sp_ms(pool.slow));
}

SP_STATE(job, int);
SP_ON_INIT(job);
SP_ON_CAST(job, end);
SP_ON_TERMINATE(job);
SP_CLASS(job, .init = job__init, .terminate = job__terminate);

/* The answer to a start of this kind, if the supervisor lives and has room. */
static const sp_err pool_answers[3] = { SP_OK, SP_ERR_IGNORED, SP_ERR_REFUSED };

static bool pool_gone(sp_err err)
{
    return err == SP_ERR_NOPROC || err == SP_ERR_DIED;
}

static void pool_ends(sp_pid boss, job_ref ref)
{
    sp_err err;
    switch (sp_choose(4)) {
    case 0:
        sp_ignore(job_end(ref, &(int){ (int)sp_choose(2) }));
        break;
    case 1:
        sp_ignore(sp_kill(ref.pid));
        break;
    case 2:
        err = sp_dynamic_supervisor_terminate_child(boss, ref.pid, sp_never());
        EXPECT(err == SP_OK || err == SP_ERR_NOTFOUND || pool_gone(err));
        EXPECT(pool_gone(err) || !sp_is_alive(ref.pid));
        break;
    default:
        break;
    }
}

static void pool_user(void *arg)
{
    sp_pid boss = *(sp_pid *)arg;
    job_ref ref;
    for (int i = 0; i < 3; i++) {
        int kind = (int)sp_choose(3);
        const struct sp_dynamic_child child = { .args = &kind, .args_size = sizeof(kind) };
        sp_err err = sp_dynamic_supervisor_start_child(boss, &child, sp_never(), &ref.pid);
        EXPECT(err == pool_answers[kind] || err == SP_ERR_LIMIT || pool_gone(err));
        if (err == SP_OK)
            pool_ends(boss, ref);
    }
}

static const struct sp_child_spec *pool_kind(enum sp_restart restart)
{
    static struct sp_child_spec kind;
    kind = (struct sp_child_spec){ .server = &job_class,
                                   .restart = restart,
                                   .options.spawn.trap_exit = true };
    return &kind;
}

static void pool_open(sp_pid *out_boss, enum sp_restart restart)
{
    memset(&pool, 0, sizeof(pool));
    const struct sp_dynamic_supervisor_spec spec = { .child = pool_kind(restart),
                                                     .max_children = MAX_CHILDREN,
                                                     .max_restarts = 100 };
    const struct sp_server_options options = { .spawn = { .name = "pool", .link = true } };
    EXPECT(sp_dynamic_supervisor_start(&spec, &options, out_boss) == SP_OK);
}

/* ---- children come and go; what the supervisor says is so; then it stops, or is killed ---- */

static void pool_main(void *unused)
{
    static sp_pid boss;
    (void)unused;
    pool_open(&boss, (enum sp_restart)sp_choose(3));
    sp_pid one = accept_spawn("one", pool_user, &boss);
    sp_pid two = accept_spawn("two", pool_user, &boss);
    if (sp_choose(2) == 0) {
        accept_join(one);
        accept_join(two);
        accept_settle();
        struct sp_child_info *children;
        size_t count;
        EXPECT(sp_dynamic_supervisor_which_children(boss, sp_never(), &children, &count) == SP_OK);
        EXPECT((int)count == pool.alive && pool.alive <= MAX_CHILDREN);
        for (size_t i = 0; i < count; i++)
            EXPECT(sp_is_alive(children[i].pid) && children[i].status == SP_CHILD_RUNNING);
        sp_free(children);
    }
    if (sp_choose(2) == 0)
        EXPECT(sp_stop(boss, NULL, sp_never()) == SP_OK);
    else
        EXPECT(sp_kill(boss) == SP_OK);
    accept_join(one);
    accept_join(two);
    EXPECT(accept_mail_settled().exits == 1);
    EXPECT(accept_alone() && pool.alive == 0);
}
ACCEPT(children_come_and_go, pool_main);

/* ---- case 76: they stop at the same time ---- */

static void case_76_main(void *unused)
{
    static sp_pid boss;
    (void)unused;
    pool_open(&boss, SP_RESTART_TEMPORARY);
    pool.slow = 200;
    const struct sp_dynamic_child child = { .args = &(int){ 0 }, .args_size = sizeof(int) };
    sp_pid pids[MAX_CHILDREN];
    for (int i = 0; i < MAX_CHILDREN; i++)
        EXPECT(sp_dynamic_supervisor_start_child(boss, &child, sp_never(), &pids[i]) == SP_OK);
    sp_pid killed = pids[sp_choose(MAX_CHILDREN)];
    bool kill = sp_choose(2) != 0;
    sp_time before = sp_now();
    if (kill)
        EXPECT(sp_kill(killed) == SP_OK);
    EXPECT(sp_stop(boss, NULL, sp_never()) == SP_OK);
    EXPECT(sp_time_diff(sp_now(), before).ns < sp_ms(250).ns);
    EXPECT(accept_alone() && pool.ended == MAX_CHILDREN);
}
ACCEPT(case_76_they_stop_at_the_same_time, case_76_main);
