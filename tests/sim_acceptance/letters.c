/* Dead letters under every schedule: each is told once, or counted as lost, whoever dies meanwhile. */
#include "accept.h"

SP_MESSAGE(lost_word, int);

static struct {
    uint64_t told;
    uint64_t missed;
} books;

static void hears(void *unused)
{
    (void)unused;
    EXPECT(sp_dead_letters_subscribe(2) == SP_OK);
    for (;;) {
        struct sp_message *message = accept_next();
        const struct sp_dead_letter *letter = sp_dead_letter_of(message);
        if (letter == NULL)
            return;
        books.told++;
        books.missed += letter->lost;
        sp_message_free(message);
    }
}

static void takes_one(void *unused)
{
    (void)unused;
    sp_message_free(accept_next());
}

static void says(void *arg)
{
    for (int i = 0; i < 3; i++)
        sp_ignore(lost_word_send(*(const sp_pid *)arg, &i));
}

static uint64_t dead(void)
{
    struct sp_dead_count counts[8];
    uint64_t sum = 0;
    size_t count = sp_dead_letters_count(sp_runtime_current(), counts, 8);
    for (size_t i = 0; i < count; i++)
        for (int reason = 0; reason < SP_DEAD_REASONS; reason++)
            sum += strcmp(counts[i].type, "lost_word") == 0 ? counts[i].counts[reason] : 0;
    return sum;
}

static void letters_main(void *unused)
{
    sp_pid target, pids[2];
    (void)unused;
    memset(&books, 0, sizeof(books));
    sp_pid hearer = accept_spawn("hears", hears, NULL);
    while (!sp_is_alive(hearer))
        sp_yield();
    accept_settle(); /* it has subscribed */
    target = accept_spawn("takes one", takes_one, NULL);
    pids[0] = accept_spawn("says", says, &target);
    pids[1] = accept_spawn("says too", says, &target);
    accept_join(pids[0]);
    accept_join(pids[1]);
    accept_join(target);
    accept_settle();
    EXPECT(dead() == 5);
    /* What it has missed at last it has not been told yet: one more letter says so. */
    sp_ignore(lost_word_send(target, &(int){ 0 }));
    accept_settle();
    EXPECT(books.told + books.missed == 6);
    EXPECT(lost_word_send(hearer, &(int){ 0 }) == SP_OK);
    accept_join(hearer);
}
ACCEPT(letters_are_told_or_counted, letters_main);

static void subscriber_dies_main(void *unused)
{
    sp_pid target, pids[3];
    (void)unused;
    pids[2] = accept_spawn("hears", hears, NULL);
    target = accept_spawn("takes one", takes_one, NULL);
    pids[0] = accept_spawn("says", says, &target);
    pids[1] = accept_spawn("says too", says, &target);
    sp_yield();
    sp_ignore(sp_kill(pids[2]));
    for (int i = 0; i < 3; i++)
        accept_join(pids[i]);
}
ACCEPT(a_subscriber_dies, subscriber_dies_main);
