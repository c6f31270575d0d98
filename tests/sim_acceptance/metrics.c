/* Metrics of a random program: whatever its schedule, what is written adds up to what the runtime counts.
 *
 * Clients cast to and call servers that are killed and started again, with deadlines that pass, timers that
 * are cancelled, and mailboxes that are full. At the end, with nobody else left, each message that was handled is in
 * the metrics once, each end of a process too, and each message that nobody handled is a dead letter.
 */
#include "accept.h"

#include <stdlib.h>

enum {
    CLIENTS = 3,
    MOVES = 12,
    TEXT_MAX = 256 * 1024,
};

SP_MESSAGE(metrics_note, int);

SP_SERVER(toy, sp_empty);
SP_CALL(toy, echo, uint64_t, uint64_t);
SP_CALL(toy, slow, uint64_t, uint64_t);
SP_CAST(toy, poke, uint64_t);

static sp_err toy_on_echo(sp_empty *self, const uint64_t *in, uint64_t *out)
{
    (void)self;
    *out = *in;
    return SP_OK;
}

static sp_err toy_on_slow(sp_empty *self, const uint64_t *in, uint64_t *out)
{
    (void)self;
    *out = *in;
    sp_sleep(sp_us(5));
    return SP_OK;
}

static void toy_on_poke(sp_empty *self, const uint64_t *in)
{
    (void)self;
    (void)in;
}

static void toy_message(sp_empty *self, struct sp_message *message)
{
    (void)self;
    (void)message;
}

SP_STATE(toy, sp_empty);
SP_ON_CALL(toy, echo);
SP_ON_CALL(toy, slow);
SP_ON_CAST(toy, poke);
SP_ON_MESSAGE(toy);
SP_CLASS(toy, .on_message = toy__message);

static toy_ref toys[2];

static void toy_new(int i)
{
    struct sp_server_options options = { .spawn = { .mailbox_max = 2 } };
    EXPECT(toy_start(&(sp_empty){ 0 }, &options, &toys[i]) == SP_OK);
}

/* What becomes of it does not matter here. */
static void client_move(uint64_t number)
{
    toy_ref toy = toys[sp_choose(2)];
    uint64_t out;
    sp_timer timer;
    switch (sp_choose(7)) {
    case 0:
        sp_ignore(toy_poke(toy, &number));
        break;
    case 1:
        sp_ignore(toy_echo(toy, &number, &out, sp_after_ms(1)));
        break;
    case 2:
        sp_ignore(toy_slow(toy, &number, &out, sp_after_us(3)));
        break;
    case 3:
        sp_ignore(metrics_note_send(toy.pid, &(int){ 1 }));
        break;
    case 4:
        if (toy_poke_timer(toy, &number, &(struct sp_timer_options){ .after = sp_us(2) }, &timer) ==
                SP_OK &&
            sp_choose(2) != 0)
            sp_ignore(sp_timer_cancel(timer, NULL));
        break;
    case 5:
        sp_ignore(metrics_note_send(sp_self(), &(int){ 2 }));
        break;
    default:
        sp_ignore(sp_kill(toy.pid));
        toy_new((int)sp_choose(2));
        break;
    }
}

static void client(void *unused)
{
    (void)unused;
    struct sp_message *message;
    for (uint64_t i = 0; i < MOVES; i++) {
        client_move(i);
        if (sp_choose(2) != 0 && sp_receive(sp_nowait(), &message) == SP_OK)
            sp_message_free(message);
    }
}

/* ---- the books ---- */

static struct {
    char bytes[TEXT_MAX];
    size_t size;
} text;

static bool text_add(void *unused, const char *bytes, size_t size)
{
    (void)unused;
    EXPECT(text.size + size < TEXT_MAX);
    memcpy(text.bytes + text.size, bytes, size);
    text.size += size;
    text.bytes[text.size] = '\0';
    return true;
}

/* The sum of a family's samples; `of`: only those with this in their labels. */
static uint64_t text_sum(const char *family, const char *of)
{
    uint64_t sum = 0;
    size_t length = strlen(family);
    for (const char *at = text.bytes; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        const char *end = strchr(at, '\n');
        if (end == NULL || strncmp(at, family, length) != 0 ||
            (at[length] != '{' && at[length] != ' '))
            continue;
        const char *value = at[length] == '{' ? strchr(at, '}') + 1 : at + length;
        const char *found = of == NULL ? at : strstr(at, of);
        if (found != NULL && found < end)
            sum += strtoull(value, NULL, 10);
    }
    return sum;
}

static void text_check(const struct sp_stats *before)
{
    struct sp_stats after;
    struct sp_runtime *runtime = sp_runtime_current();
    text.size = 0;
    EXPECT(sp_metrics_write(runtime, SP_METRICS_PROMETHEUS, text_add, NULL) == SP_OK);
    sp_runtime_stats(runtime, &after);
    uint64_t handled = text_sum("spawned_type_messages_total", NULL);
    EXPECT(handled - text_sum("spawned_messages_put_back_total", NULL) ==
           after.handled - before->handled);
    EXPECT(text_sum("spawned_type_exits_total", NULL) == after.exited - before->exited);
    EXPECT(text_sum("spawned_dead_letters_total", NULL) ==
           after.dead_noproc + after.dropped_full + after.dropped_stale + after.dropped_shed);
    EXPECT(text_sum("spawned_type_handler_seconds_count", NULL) <= handled);
    EXPECT(text_sum("spawned_messages_handled_total", NULL) == after.handled);
}

static void metrics_main(void *unused)
{
    (void)unused;
    struct sp_stats before;
    sp_pid clients[CLIENTS];
    EXPECT(sp_metrics_start(sp_runtime_current(), NULL) == SP_OK);
    sp_runtime_stats(sp_runtime_current(), &before);
    for (int i = 0; i < 2; i++)
        toy_new(i);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = accept_spawn(NULL, client, NULL);
    for (int i = 0; i < CLIENTS; i++)
        accept_join(clients[i]);
    accept_settle();
    text_check(&before);
}
ACCEPT(what_metrics_say_adds_up_to_what_the_runtime_counts, metrics_main);
