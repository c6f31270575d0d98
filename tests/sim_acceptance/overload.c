/* Overload under every schedule: what may be refused is, and what may not is never lost. */
#include "accept.h"

SP_MESSAGE(load_word, int);
SP_MESSAGE(own_tick, int);

/* ---- dropping the oldest spares ticks and the library's own messages, in order ---- */

enum { WORDS = 4, TICKS = 2 };

static struct {
    int words;
    int ticks;
    int last;
    bool ready;
} box;

static void takes(void *unused)
{
    (void)unused;
    for (int i = 1; i <= TICKS; i++) {
        const struct sp_timer_options soon = { .after = sp_ns(i), .key = (uint64_t)i };
        EXPECT(sp_timer_start(sp_self(), &own_tick_type, &i, &soon, NULL) == SP_OK);
    }
    box.ready = true;
    sp_sleep(sp_ms(1)); /* both have fired, and lie in the mailbox */
    for (;;) {
        struct sp_message *message = accept_next();
        const int *tick = own_tick_of(message);
        if (tick != NULL) {
            EXPECT(*tick == ++box.ticks);
        } else {
            int number = *load_word_of(message);
            EXPECT(number % 10 > box.last % 10 || number / 10 != box.last / 10);
            box.last = number;
            box.words++;
        }
        sp_message_free(message);
    }
}

static sp_pid receiver;

static void floods(void *arg)
{
    int from = *(int *)arg;
    for (int i = 1; i <= WORDS; i++) {
        sp_err err = load_word_send(receiver, &(int){ from * 10 + i });
        EXPECT(err == SP_OK || err == SP_ERR_FULL);
        sp_sleep(sp_us(400));
    }
}

static void spares_main(void *unused)
{
    static int from[2] = { 1, 2 };
    sp_pid pids[2];
    (void)unused;
    memset(&box, 0, sizeof(box));
    EXPECT(sp_spawn(takes, NULL,
                    &(struct sp_spawn_options){ .mailbox_max = 1 + (uint32_t)sp_choose(3),
                                                .overflow = SP_OVERFLOW_DROP_OLDEST },
                    &receiver) == SP_OK);
    for (int i = 0; i < 2; i++)
        pids[i] = accept_spawn(NULL, floods, &from[i]);
    accept_join(pids[0]);
    accept_join(pids[1]);
    accept_settle();
    EXPECT(box.ticks == TICKS);
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    EXPECT((int)stats.dropped_full == 2 * WORDS - box.words);
}
ACCEPT(dropping_the_oldest_spares_ticks, spares_main);

/* ---- exit signals are bounded, and a kill and the parent always pass ---- */

static struct {
    int sent;
    int refused;
    int taken;
} exits;

static void traps(void *unused)
{
    (void)unused;
    (void)sp_trap_exit(true);
    for (;;) {
        struct sp_message *message = accept_next();
        if (sp_message_exit(message) != NULL)
            exits.taken++;
        sp_message_free(message);
        sp_sleep(sp_us(10));
    }
}

static void signals(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5; i++) {
        sp_err err = sp_signal(receiver, sp_reason_shutdown());
        EXPECT(err == SP_OK || err == SP_ERR_FULL);
        exits.sent += err == SP_OK;
        exits.refused += err == SP_ERR_FULL;
    }
}

static void exits_main(void *unused)
{
    sp_pid pids[2];
    (void)unused;
    memset(&exits, 0, sizeof(exits));
    EXPECT(sp_spawn(traps, NULL, &(struct sp_spawn_options){ .mailbox_max = 2, .trap_exit = true },
                    &receiver) == SP_OK);
    pids[0] = accept_spawn(NULL, signals, NULL);
    pids[1] = accept_spawn(NULL, signals, NULL);
    accept_join(pids[0]);
    accept_join(pids[1]);
    EXPECT(exits.sent + exits.refused == 10 && exits.sent - exits.taken <= 3);
    accept_settle();
    EXPECT(exits.taken == exits.sent);
    for (int i = 0; i < 5; i++)
        EXPECT(sp_signal(receiver, sp_reason_shutdown()) == SP_OK); /* from its parent */
    signals(NULL);
    EXPECT(sp_kill(receiver) == SP_OK);
    accept_join(receiver);
}
ACCEPT(exit_signals_are_bounded, exits_main);

/* ---- admission: refused while one waits too long, replies never ---- */

SP_SERVER(slow, sp_empty);
SP_CALL(slow, ask, int, int);

struct slow {
    int asked;
};

static sp_err slow_on_ask(struct slow *self, const int *in, int *out)
{
    sp_sleep(sp_ms(10));
    *out = *in;
    self->asked++;
    return SP_OK;
}

SP_STATE(slow, struct slow);
SP_ON_CALL(slow, ask);
SP_CLASS(slow);

static slow_ref server;
static struct {
    int answered;
    int refused;
} calls;

static void calls_on(void *arg)
{
    for (int i = 0; i < 6; i++) {
        int out = 0;
        sp_err err = slow_ask(server, (int *)arg, &out, sp_never());
        EXPECT(err == SP_ERR_OVERLOAD || (err == SP_OK && out == *(int *)arg));
        calls.answered += err == SP_OK;
        calls.refused += err != SP_OK;
        sp_sleep(sp_ms(3));
    }
}

static void admission_main(void *unused)
{
    static int numbers[4] = { 1, 2, 3, 4 };
    sp_pid pids[4];
    (void)unused;
    memset(&calls, 0, sizeof(calls));
    EXPECT(slow_start(&(sp_empty){ 0 },
                      &(struct sp_server_options){ .spawn.queue_delay_max = sp_ms(2) },
                      &server) == SP_OK);
    for (int i = 0; i < 4; i++)
        pids[i] = accept_spawn(NULL, calls_on, &numbers[i]);
    for (int i = 0; i < 4; i++)
        accept_join(pids[i]);
    EXPECT(calls.answered + calls.refused == 24 && calls.answered > 0 && calls.refused > 0);
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    EXPECT((int)stats.dropped_shed == calls.refused);
    /* Once nobody waits it takes what comes. */
    int out;
    EXPECT(slow_ask(server, &numbers[0], &out, sp_never()) == SP_OK);
}
ACCEPT(requests_are_refused_while_others_wait, admission_main);
