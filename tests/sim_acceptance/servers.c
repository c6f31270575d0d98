/* Acceptance: servers start and stop, whoever comes in between. */
#include "accept.h"

SP_SERVER(shop, int);
SP_CALL(shop, ask, int, int);
SP_CAST(shop, tell, int);

/* What init does, by its argument. */
enum {
    INIT_OK,
    INIT_FAILS,
    INIT_DECLINES,
    INIT_EXITS,
    INIT_SLOW,
    INIT_KINDS,
};

static struct {
    int inits;
    int terminates;
    int handled;
    bool up;
    bool slow_end;
} shop;

static sp_err shop_init(int *state, const int *kind)
{
    (void)state;
    shop.inits++;
    sp_yield();
    if (*kind == INIT_FAILS)
        return SP_ERR_REFUSED;
    if (*kind == INIT_DECLINES)
        return SP_ERR_IGNORED;
    if (*kind == INIT_EXITS)
        accept_die("boom");
    if (*kind == INIT_SLOW)
        sp_sleep(sp_ms(2));
    shop.up = true;
    return SP_OK;
}

static sp_err shop_on_ask(int *state, const int *in, int *out)
{
    (void)state;
    EXPECT(shop.up);
    sp_yield();
    shop.handled++;
    *out = *in + 1;
    return SP_OK;
}

static void shop_on_tell(int *state, const int *in)
{
    (void)state;
    (void)in;
    EXPECT(shop.up);
    shop.handled++;
}

static void shop_terminate(int *state, const struct sp_reason *reason)
{
    (void)state;
    (void)reason;
    EXPECT(shop.up && shop.terminates == 0);
    shop.terminates++;
    if (shop.slow_end)
        sp_sleep(sp_ms(5));
}

SP_STATE(shop, int);
SP_ON_INIT(shop);
SP_ON_CALL(shop, ask);
SP_ON_CAST(shop, tell);
SP_ON_TERMINATE(shop);
SP_CLASS(shop, .init = shop__init, .terminate = shop__terminate);

static void shop_reset(void)
{
    memset(&shop, 0, sizeof(shop));
}

/* Finds the server by its name at any moment, and does something to it. */
static void meddles(void *arg)
{
    int what = *(int *)arg;
    shop_ref ref;
    int out = 0;
    while (shop_whereis("shop", &ref) != SP_OK)
        if (sp_choose(8) == 7)
            return;
        else
            sp_sleep(sp_us(1));
    switch (what) {
    case 0:
        for (int i = 0; i < 4; i++)
            sp_ignore(shop_tell(ref, &i));
        break;
    case 1:
        if (shop_ask(ref, &(int){ 1 }, &out, sp_after_ms(50)) == SP_OK)
            EXPECT(out == 2);
        break;
    case 2:
        sp_ignore(sp_kill(ref.pid));
        break;
    default:
        sp_ignore(sp_stop(ref.pid, NULL, sp_never()));
        EXPECT(!sp_is_alive(ref.pid));
        break;
    }
}

static int meddler_what(int first, int count)
{
    return first + (int)sp_choose((uint32_t)count);
}

/* ---- a start that others interfere with: init first, or nothing ---- */

static void start_main(void *unused)
{
    static int what;
    (void)unused;
    shop_reset();
    what = meddler_what(0, 2);
    sp_pid meddler = accept_spawn(NULL, meddles, &what);
    shop_ref ref;
    const struct sp_server_options options = { .spawn = { .name = "shop",
                                                          .mailbox_max = 1 + sp_choose(2),
                                                          .overflow = (enum sp_overflow)sp_choose(
                                                              SP_OVERFLOW_STOP) } };
    EXPECT(shop_start(&(int){ INIT_OK }, &options, &ref) == SP_OK);
    EXPECT(shop.inits == 1);
    accept_join(meddler);
    EXPECT(sp_is_alive(ref.pid));
    EXPECT(shop_stop(ref, sp_never()) == SP_OK && shop.terminates == 1);
}
ACCEPT(a_start_is_never_dropped, start_main);

/* ---- case 33, 34: whatever init does, nothing is left when start returns ---- */

static const sp_err init_results[INIT_KINDS] = {
    [INIT_OK] = SP_OK,
    [INIT_FAILS] = SP_ERR_REFUSED,
    [INIT_DECLINES] = SP_ERR_IGNORED,
    [INIT_EXITS] = SP_ERR_INITFAILED,
    [INIT_SLOW] = SP_ERR_TIMEOUT,
};

static void case_33_main(void *unused)
{
    static int what;
    (void)unused;
    shop_reset();
    what = meddler_what(0, 4);
    sp_pid meddler = accept_spawn(NULL, meddles, &what);
    int kind = (int)sp_choose(INIT_KINDS);
    bool linked = sp_choose(2) != 0;
    shop_ref ref;
    sp_pid found;
    const struct sp_server_options options = {
        .spawn = { .name = "shop", .link = linked },
        .start_deadline = kind == INIT_SLOW ? sp_after_ms(1) : sp_never(),
    };
    sp_err err = shop_start(&kind, &options, &ref);
    bool killed = err == SP_ERR_INITFAILED && kind != INIT_EXITS;
    EXPECT(!killed || what >= 2);
    EXPECT(killed || err == init_results[kind]);
    if (err != SP_OK) {
        EXPECT(sp_whereis("shop", &found) == SP_ERR_NOTFOUND);
        shop_ref again;
        shop.up = false;
        EXPECT(shop_start(&(int){ INIT_OK }, &(struct sp_server_options){ .spawn.name = "shop" },
                          &again) == SP_OK ||
               what >= 2);
    }
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.downs == 0 && mail.others == 0 && mail.exits <= 1);
    EXPECT(mail.exits == (linked && !(err == SP_OK && sp_is_alive(ref.pid))));
    accept_join(meddler);
}
ACCEPT(case_33_34_a_failed_start_leaves_nothing, case_33_main);

/* ---- case 37: terminate runs once, and only where it should ---- */

static void case_37_main(void *unused)
{
    static int first;
    static int second;
    (void)unused;
    shop_reset();
    shop_ref ref;
    bool traps = sp_choose(2) != 0;
    const struct sp_server_options options = { .spawn = { .name = "shop", .trap_exit = traps } };
    EXPECT(shop_start(&(int){ INIT_OK }, &options, &ref) == SP_OK);
    first = meddler_what(0, 4);
    second = meddler_what(0, 4);
    sp_pid one = accept_spawn(NULL, meddles, &first);
    sp_pid two = accept_spawn(NULL, meddles, &second);
    sp_monitor_ref monitor;
    EXPECT(sp_monitor(ref.pid, &monitor) == SP_OK);
    accept_join(one);
    accept_join(two);
    if (sp_is_alive(ref.pid))
        sp_ignore(sp_signal(ref.pid, sp_reason_error(SP_ERR_IO, "boom")));
    accept_settle();
    EXPECT(sp_is_alive(ref.pid) == traps || !sp_is_alive(ref.pid));
    if (sp_is_alive(ref.pid))
        EXPECT(shop_stop(ref, sp_never()) == SP_OK);
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.downs == 1);
    bool killed = strcmp(mail.text, "killed") == 0 || strcmp(mail.text, "noproc") == 0;
    bool signalled = strcmp(mail.text, "boom") == 0;
    EXPECT(killed || shop.terminates == (signalled && !traps ? 0 : 1));
    EXPECT(shop.terminates <= 1);
}
ACCEPT(case_37_terminate_runs_once, case_37_main);

/* ---- case 39: stop is synchronous ---- */

static void stops_too(void *arg)
{
    sp_pid pid = *(sp_pid *)arg;
    sp_err err = sp_stop(pid, NULL, sp_never());
    EXPECT(err == SP_OK || err == SP_ERR_NOPROC);
    sp_pid found;
    EXPECT(!sp_is_alive(pid));
    EXPECT(sp_whereis("shop", &found) == SP_ERR_NOTFOUND);
}

static void case_39_main(void *unused)
{
    (void)unused;
    shop_reset();
    shop.slow_end = sp_choose(2) != 0;
    static shop_ref ref;
    const struct sp_server_options options = { .spawn = { .name = "shop" } };
    EXPECT(shop_start(&(int){ INIT_OK }, &options, &ref) == SP_OK);
    sp_pid other = accept_spawn("other", stops_too, &ref.pid);
    sp_err err = shop_stop(ref, sp_after_ms(2));
    EXPECT(err == SP_OK || err == SP_ERR_NOPROC || (err == SP_ERR_TIMEOUT && shop.slow_end));
    EXPECT(err == SP_ERR_TIMEOUT || !sp_is_alive(ref.pid));
    accept_join(other);
    EXPECT(shop_stop(ref, sp_never()) == SP_ERR_NOPROC);
    EXPECT(shop.terminates == 1);
    EXPECT(accept_mail_now().downs == 0);
    EXPECT(accept_alone());
}
ACCEPT(case_39_stop_is_synchronous, case_39_main);

/* ---- case 46: one name, many starters ---- */

enum {
    STARTERS = 4,
};

static struct {
    sp_pid won[STARTERS];
    int winners;
} rivals;

static void rival(void *unused)
{
    (void)unused;
    shop_ref ref;
    sp_pid existing = SP_PID_NONE;
    const struct sp_server_options options = { .spawn = { .name = "shop" },
                                               .out_existing = &existing };
    sp_err err = shop_start(&(int){ INIT_OK }, &options, &ref);
    EXPECT(err == SP_OK || err == SP_ERR_EXISTS);
    int out = 0;
    if (err == SP_OK)
        rivals.won[rivals.winners++] = ref.pid;
    else
        ref.pid = existing;
    EXPECT(shop_ask(ref, &(int){ 1 }, &out, sp_never()) == SP_OK && out == 2);
}

static void case_46_main(void *unused)
{
    (void)unused;
    shop_reset();
    rivals.winners = 0;
    sp_pid pids[STARTERS];
    for (int i = 0; i < STARTERS; i++)
        pids[i] = accept_spawn(NULL, rival, NULL);
    for (int i = 0; i < STARTERS; i++)
        accept_join(pids[i]);
    sp_pid found;
    EXPECT(rivals.winners == 1 && shop.inits == 1 && shop.handled == STARTERS);
    EXPECT(sp_whereis("shop", &found) == SP_OK && sp_pid_equal(found, rivals.won[0]));
}
ACCEPT(case_46_one_wins_the_name, case_46_main);

/* ---- the node ends while an end is not through: whom it left waiting is told first ---- */

SP_SERVER(slow_payer, sp_empty);
SP_CALL(slow_payer, pay, int, int);

static sp_err slow_payer_on_pay(int *state, const int *in, int *out)
{
    (void)state;
    (void)in;
    (void)out;
    sp_request request;
    return sp_request_take(&request) == SP_OK ? SP_ERR_DEFERRED : SP_ERR_NOMEM;
}
SP_STATE(slow_payer, int);
SP_ON_CALL(slow_payer, pay);
SP_CLASS(slow_payer);

static void waits_for_payment(void *arg)
{
    int out = 0;
    sp_err err = slow_payer_pay(*(slow_payer_ref *)arg, &(int){ 1 }, &out, sp_never());
    EXPECT(err == SP_ERR_DIED || err == SP_ERR_NOPROC);
}

static void payer_main(void *unused)
{
    static slow_payer_ref ref;
    (void)unused;
    EXPECT(slow_payer_start(&(sp_empty){ 0 }, NULL, &ref) == SP_OK);
    (void)accept_spawn("waits", waits_for_payment, &ref);
    sp_yield();
    EXPECT(sp_kill(ref.pid) == SP_OK);
    accept_join(ref.pid);
}

SP_SIM_TEST(a_node_ends_when_its_ends_are_through)
{
    sp_sim_node *node = sp_sim_start(s, "node", payer_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, sp_sim_ended(node), "the node has not ended");
}
