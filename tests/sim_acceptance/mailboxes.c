/* Acceptance: mailboxes with bounds, and who waits for room in them. */
#include "accept.h"

SP_MESSAGE(box_word, int);

enum {
    SENDERS = 3,
    WORDS = 4,
    ROOM = 2,
};

static struct {
    sp_pid box;
    int accepted[SENDERS]; /* sends that said SP_OK */
    int heard[SENDERS];
    int last[SENDERS];
    enum sp_overflow overflow;
    bool waits;
} box;

static void box_takes(void *unused)
{
    (void)unused;
    for (;;) {
        struct sp_message *message = accept_next();
        int word = *box_word_of(message);
        int sender = word / 100;
        EXPECT(word > box.last[sender]); /* in order, none twice */
        box.last[sender] = word;
        box.heard[sender]++;
        EXPECT(sp_mailbox_length() <= ROOM);
        sp_message_free(message);
        if (sp_choose(3) == 2)
            sp_sleep(sp_ms(1));
    }
}

static void box_sends(void *arg)
{
    int me = *(int *)arg;
    for (int i = 1; i <= WORDS; i++) {
        int word = 100 * me + i;
        sp_err err = box.waits ? sp_send_wait(box.box, &box_word_type, &word,
                                              sp_choose(2) == 0 ? sp_never() : sp_after_us(500))
                               : box_word_send(box.box, &word);
        EXPECT(err == SP_OK || err == SP_ERR_FULL || err == SP_ERR_TIMEOUT || err == SP_ERR_NOPROC);
        EXPECT(err != SP_ERR_FULL || box.overflow == SP_OVERFLOW_REFUSE ||
               box.overflow == SP_OVERFLOW_STOP);
        box.accepted[me] += err == SP_OK;
    }
}

static void box_begin(bool waits, enum sp_overflow overflow, sp_pid senders[SENDERS])
{
    static int place[SENDERS] = { 0, 1, 2 };
    memset(&box, 0, sizeof(box));
    box.waits = waits;
    box.overflow = overflow;
    const struct sp_spawn_options options = { .name = "box",
                                              .mailbox_max = ROOM,
                                              .overflow = overflow };
    EXPECT(sp_spawn(box_takes, NULL, &options, &box.box) == SP_OK);
    for (int i = 0; i < SENDERS; i++)
        senders[i] = accept_spawn(NULL, box_sends, &place[i]);
}

static int box_sum(const int numbers[SENDERS])
{
    return numbers[0] + numbers[1] + numbers[2];
}

/* ---- case 90: what was accepted is handled, or dropped and counted ---- */

static void case_90_main(void *unused)
{
    sp_pid senders[SENDERS];
    (void)unused;
    box_begin(false, (enum sp_overflow)sp_choose(SP_OVERFLOW_STOP), senders);
    for (int i = 0; i < SENDERS; i++)
        accept_join(senders[i]);
    accept_settle();
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    int refused = SENDERS * WORDS - box_sum(box.accepted);
    EXPECT((int)stats.dropped_full == SENDERS * WORDS - box_sum(box.heard));
    if (box.overflow == SP_OVERFLOW_REFUSE)
        EXPECT(box_sum(box.heard) == box_sum(box.accepted));
    else
        EXPECT(refused == 0);
    if (box.overflow == SP_OVERFLOW_DROP_OLDEST)
        EXPECT(box.last[0] == WORDS || box.last[1] == 100 + WORDS || box.last[2] == 200 + WORDS);
}
ACCEPT(case_90_accepted_is_handled_or_counted, case_90_main);

/* ---- a mailbox that stops its process: with one reason, whoever fills it ---- */

static void stop_main(void *unused)
{
    sp_pid senders[SENDERS];
    (void)unused;
    box_begin(false, SP_OVERFLOW_STOP, senders);
    sp_monitor_ref ref;
    EXPECT(sp_monitor(box.box, &ref) == SP_OK);
    for (int i = 0; i < SENDERS; i++)
        accept_join(senders[i]);
    struct accept_mail mail = accept_mail_settled();
    bool refused = box_sum(box.accepted) < SENDERS * WORDS;
    EXPECT(mail.downs == refused && sp_is_alive(box.box) == !refused);
    EXPECT(mail.downs == 0 || strcmp(mail.text, "mailbox full") == 0 ||
           strcmp(mail.text, "noproc") == 0);
    EXPECT(refused || box_sum(box.heard) == box_sum(box.accepted));
}
ACCEPT(a_full_mailbox_stops_its_process, stop_main);

/* ---- waiting for room: in, too late, or the receiver is gone; nobody waits for ever ---- */

/* In abstract time, too, where a sleep may be over at once. */
static void box_empties(void)
{
    struct sp_process_info info;
    while (sp_process_info(box.box, &info) == SP_OK && info.mailbox != 0)
        sp_sleep(sp_ms(1));
}

static void wait_main(void *unused)
{
    sp_pid senders[SENDERS];
    (void)unused;
    box_begin(true, SP_OVERFLOW_REFUSE, senders);
    bool kill = sp_choose(2) != 0;
    if (kill) {
        for (uint32_t steps = sp_choose(8); steps > 0; steps--)
            sp_yield();
        EXPECT(sp_kill(box.box) == SP_OK);
    }
    if (sp_choose(2) != 0)
        sp_ignore(sp_kill(senders[0])); /* in the middle of its wait */
    for (int i = 0; i < SENDERS; i++)
        accept_join(senders[i]);
    box_empties();
    int heard = box_sum(box.heard);
    EXPECT(kill || heard >= box_sum(box.accepted));
    EXPECT(kill || heard <= box_sum(box.accepted) + 1); /* of who was killed after it was let in */
}
ACCEPT(nobody_waits_for_room_for_ever, wait_main);
ACCEPT(nobody_waits_for_room_in_abstract_time, wait_main, .abstract_time = true);

/* ---- passed over messages keep their place ---- */

static bool is_even(const struct sp_message *message, void *arg)
{
    (void)arg;
    return *(const int *)sp_message_peek(message) % 2 == 0;
}

static void sends_pairs(void *arg)
{
    for (int i = 0; i < 6; i++)
        EXPECT(box_word_send(*(sp_pid *)arg, &i) == SP_OK);
}

static void select_main(void *unused)
{
    static sp_pid self;
    (void)unused;
    self = sp_self();
    sp_pid sender = accept_spawn("sender", sends_pairs, &self);
    struct sp_message *message;
    for (int i = 0; i < 6; i += 2) {
        EXPECT(sp_receive_select(is_even, NULL, sp_never(), &message) == SP_OK);
        EXPECT(*box_word_of(message) == i);
        sp_message_free(message);
    }
    accept_join(sender);
    for (int i = 1; i < 6; i += 2) {
        EXPECT(sp_receive(sp_nowait(), &message) == SP_OK && *box_word_of(message) == i);
        sp_message_free(message);
    }
}
ACCEPT(what_was_passed_over_keeps_its_place, select_main);
