/* Dead letters: each reason, counted by type, told to who subscribed, and to the log but not too often. */
#include "spawned/dead_letter.h"

#include "support/lab.h"
#include "support/test.h"

#include <stdatomic.h>
#include <string.h>

SP_MESSAGE(dl_word, int);
SP_MESSAGE(dl_other, int);

static uint64_t count_of(const char *type, enum sp_dead_reason reason)
{
    struct sp_dead_count counts[16];
    size_t count = sp_dead_letters_count(world_runtime(), counts, 16);
    for (size_t i = 0; i < count && i < 16; i++)
        if (strcmp(counts[i].type, type) == 0)
            return counts[i].counts[reason];
    return 0;
}

/* The next message is a letter. */
static struct sp_dead_letter expect_letter(enum sp_dead_reason reason, sp_pid to)
{
    struct sp_message *message;
    CHECK_OK(sp_receive(WORLD_PATIENCE, &message));
    const struct sp_dead_letter *letter = sp_dead_letter_of(message);
    CHECK(letter != NULL);
    struct sp_dead_letter copy = *letter;
    sp_message_free(message);
    CHECK_STR(sp_dead_reason_text(copy.reason), sp_dead_reason_text(reason));
    CHECK(sp_pid_equal(copy.to, to));
    return copy;
}

static sp_pid start(void (*fn)(void *arg), const struct sp_spawn_options *options)
{
    sp_pid pid;
    CHECK_OK(sp_spawn(fn, NULL, options, &pid));
    return pid;
}

static void sleeps(void *arg)
{
    (void)arg;
    sp_sleep(sp_sec(3600));
}

static void ends(void *arg)
{
    (void)arg;
}

TEST(each_reason_has_its_letter)
{
    world_open(NULL);
    CHECK_OK(sp_dead_letters_subscribe(0));
    sp_pid gone = start(ends, NULL);
    CHECK_OK(sp_join(gone, WORLD_PATIENCE, NULL));
    CHECK_ERR(dl_word_send(gone, &(int){ 1 }), SP_ERR_NOPROC);
    struct sp_dead_letter letter = expect_letter(SP_DEAD_NOPROC, gone);
    CHECK_STR(letter.type, "dl_word");
    CHECK(sp_pid_equal(letter.from, sp_self()));
    CHECK_INT(letter.lost, 0);

    sp_pid full = start(sleeps, &(struct sp_spawn_options){ .mailbox_max = 1 });
    CHECK_OK(dl_word_send(full, &(int){ 1 }));
    CHECK_ERR(dl_other_send(full, &(int){ 2 }), SP_ERR_FULL);
    CHECK_STR(expect_letter(SP_DEAD_FULL, full).type, "dl_other");
    /* Tries of one message are one letter. */
    CHECK_ERR(dl_other_send_wait(full, &(int){ 2 }, sp_after_ms(1)), SP_ERR_TIMEOUT);
    (void)expect_letter(SP_DEAD_FULL, full);
    CHECK_OK(sp_kill(full));
    CHECK_STR(expect_letter(SP_DEAD_EXITED, full).type, "dl_word");

    sp_pid drops = start(sleeps, &(struct sp_spawn_options){ .mailbox_max = 1,
                                                             .overflow = SP_OVERFLOW_DROP_OLDEST });
    CHECK_OK(dl_word_send(drops, &(int){ 1 }));
    CHECK_OK(dl_other_send(drops, &(int){ 2 }));
    CHECK_STR(expect_letter(SP_DEAD_FULL, drops).type, "dl_word");
    CHECK_ERR(sp_drain(drops, sp_after_ms(1)), SP_ERR_TIMEOUT);
    CHECK_ERR(dl_word_send(drops, &(int){ 3 }), SP_ERR_SHUTDOWN);
    CHECK_STR(expect_letter(SP_DEAD_DRAINING, drops).type, "dl_word");

    const struct sp_timer_options soon = { .after = sp_ns(1), .key = 1 };
    CHECK_OK(sp_timer_start(sp_self(), &dl_word_type, &(int){ 1 }, &soon, NULL));
    while (sp_mailbox_length() == 0)
        sp_yield();
    sp_ignore(sp_timer_cancel_key(1, NULL));
    (void)expect_letter(SP_DEAD_STALE, sp_self());

    CHECK_INT(count_of("dl_word", SP_DEAD_NOPROC), 1);
    CHECK_INT(count_of("dl_word", SP_DEAD_EXITED), 1);
    CHECK_INT(count_of("dl_word", SP_DEAD_FULL), 1);
    CHECK_INT(count_of("dl_word", SP_DEAD_DRAINING), 1);
    CHECK_INT(count_of("dl_word", SP_DEAD_STALE), 1);
    CHECK_INT(count_of("dl_other", SP_DEAD_FULL), 2);
    struct sp_dead_letter last[2];
    CHECK_INT(sp_dead_letters_recent(world_runtime(), last, 2), 2);
    CHECK_INT(last[0].reason, SP_DEAD_STALE);
    CHECK_INT(last[1].reason, SP_DEAD_DRAINING);
    world_close();
}

/* A subscriber that does not keep up is told how many it has missed; and letters about letters do
 * not breed. */
TEST(a_subscriber_is_not_flooded)
{
    enum { KEPT = 3, SENT = 10 };
    world_open(NULL);
    sp_pid gone = start(ends, NULL);
    CHECK_OK(sp_join(gone, WORLD_PATIENCE, NULL));
    CHECK_OK(sp_dead_letters_subscribe(KEPT));
    for (int i = 0; i < SENT; i++)
        CHECK_ERR(dl_word_send(gone, &i), SP_ERR_NOPROC);
    CHECK_INT(sp_mailbox_length(), KEPT);
    for (int i = 0; i < KEPT; i++)
        CHECK_INT(expect_letter(SP_DEAD_NOPROC, gone).lost, 0);
    CHECK_ERR(dl_word_send(gone, &(int){ 0 }), SP_ERR_NOPROC);
    CHECK_INT(expect_letter(SP_DEAD_NOPROC, gone).lost, SENT - KEPT);
    sp_dead_letters_unsubscribe();
    CHECK_ERR(dl_word_send(gone, &(int){ 0 }), SP_ERR_NOPROC);
    CHECK_INT(sp_mailbox_length(), 0);
    CHECK_INT(count_of("dl_word", SP_DEAD_NOPROC), SENT + 2);
    world_close();
}

static _Atomic int lines;
static _Atomic int letters;

static void keep_line(void *arg, const struct sp_log_record *record)
{
    (void)arg;
    atomic_fetch_add(&lines, 1);
    atomic_fetch_add(&letters, strncmp(record->text, "dead letter: dl_word from", 25) == 0);
}

TEST(the_log_is_not_flooded)
{
    world_open(&(struct sp_runtime_options){ .log = { .fn = keep_line } });
    sp_pid gone = start(ends, NULL);
    CHECK_OK(sp_join(gone, WORLD_PATIENCE, NULL));
    CHECK_OK(sp_log_flush(world_runtime(), WORLD_PATIENCE));
    atomic_store(&lines, 0);
    atomic_store(&letters, 0);
    for (int i = 0; i < 10000; i++)
        CHECK_ERR(dl_word_send(gone, &i), SP_ERR_NOPROC);
    CHECK_OK(sp_log_flush(world_runtime(), WORLD_PATIENCE));
    /* Ten a second; a machine that stands still for some seconds gets some more. */
    CHECK(atomic_load(&letters) >= 10 && atomic_load(&lines) < 1000);
    world_close();
}

/* More types than are told apart. */
TEST(types_beyond_the_rows_are_counted_together)
{
    enum { TYPES = 300 };
    static struct sp_msg_type types[TYPES];
    world_open(NULL);
    sp_pid gone = start(ends, NULL);
    CHECK_OK(sp_join(gone, WORLD_PATIENCE, NULL));
    for (int i = 0; i < TYPES; i++) {
        types[i] = (struct sp_msg_type){ .name = "one of many", .size = sizeof(int) };
        CHECK_ERR(sp_send(gone, &types[i], &i), SP_ERR_NOPROC);
    }
    CHECK_INT(count_of("(others)", SP_DEAD_NOPROC), TYPES - 272);
    CHECK_INT(sp_dead_letters_count(world_runtime(), NULL, 0), 273);
    world_close();
}
