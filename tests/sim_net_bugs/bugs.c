/* Planted bugs that only a fault of the network reveals, one for each kind: the test `slow` passes
 * under --faults none, and fails under --faults net-slow (check.sh).
 *
 * A bank takes orders of eight bytes on connections, counts them, and answers each with a byte.
 */
#include <spawned/listener.h>
#include <spawned/serve.h>
#include <spawned/sim.h>
#include <spawned/spawned.h>
#include <spawned/stream.h>

#include <string.h>

enum { ORDER = 8 };

/* Static: processes of a run that failed may end after its body. */
static struct {
    sp_sim *s;
    int clients; /* that are not through; then the bank closes */
    int orders;
    int nonsense; /* orders that were none */
    char first;   /* who came first */
    bool one_read_is_one_order;
} bank;

/* ---- the bank ---- */

static void bank_order(struct sp_stream *stream, const char order[ORDER])
{
    bank.orders++;
    bank.nonsense += memcmp(order, "order ", 6) != 0;
    if (bank.first == '\0')
        bank.first = order[6];
    sp_ignore(sp_stream_write(stream, "k", 1, sp_never()));
}

static sp_err bank_read(struct sp_stream *stream, char order[ORDER])
{
    size_t count;
    if (bank.one_read_is_one_order)
        return sp_stream_read(stream, order, ORDER, sp_never(), &count);
    return sp_stream_read_exact(stream, order, ORDER, sp_never());
}

static void bank_connection(struct sp_stream *stream, void *arg)
{
    char order[ORDER];
    (void)arg;
    while (bank_read(stream, order) == SP_OK)
        bank_order(stream, order);
}

static void bank_main(void *arg)
{
    struct sp_serve_options options = { .address = "0.0.0.0:7000", .run = bank_connection };
    sp_serve_ref serve;
    (void)arg;
    if (sp_serve_start(&options, NULL, &serve) != SP_OK)
        return;
    while (bank.clients > 0)
        sp_sleep(sp_sec(1));
}

/* ---- clients ---- */

static struct sp_stream *client_connects(void)
{
    struct sp_stream *stream;
    sp_sleep(sp_ms(100)); /* the bank has opened */
    for (;;) {
        if (sp_connect("bank:7000", NULL, sp_after_sec(200), &stream) == SP_OK)
            return stream;
        sp_sleep(sp_ms(10));
    }
}

static void client_leaves(struct sp_stream *stream)
{
    sp_stream_drop(stream);
    bank.clients--;
}

static sp_err client_orders(struct sp_stream *stream, const char *order, sp_deadline answer_by)
{
    char answer;
    sp_err err = sp_stream_write(stream, order, ORDER, sp_never());
    return err != SP_OK ? err : sp_stream_read_exact(stream, &answer, 1, answer_by);
}

/* Begin with a bank that closes when all of its clients have left. */
static void bank_opens(sp_sim *s, int clients)
{
    memset(&bank, 0, sizeof(bank));
    bank.s = s;
    bank.clients = clients;
    sp_sim_start(s, "bank", bank_main, NULL);
}

/* ---- a read, or a write, is taken for a message ---- */

static void two_orders(void *arg)
{
    (void)arg;
    struct sp_stream *stream = client_connects();
    for (int i = 0; i < 2; i++)
        if (client_orders(stream, "order a\n", sp_after_sec(10)) != SP_OK)
            break;
    client_leaves(stream);
}

static void message_by_message(sp_sim *s)
{
    bank_opens(s, 1);
    bank.one_read_is_one_order = true;
    sp_sim_start(s, "client", two_orders, NULL);
    sp_sim_run(s);
    sp_sim_check(s, bank.nonsense == 0, "an order is nonsense");
}

SP_SIM_TEST(read)
{
    message_by_message(s);
}

SP_SIM_TEST(write)
{
    message_by_message(s);
}

/* ---- who sends first is thought to arrive first ---- */

static void orders_at(void *arg)
{
    const char *order = arg;
    struct sp_stream *stream = client_connects();
    int64_t at = sp_sec(1).ns + (order[6] == 'a' ? 0 : sp_us(300).ns);
    sp_sleep((sp_duration){ at - sp_now().ns });
    sp_ignore(client_orders(stream, order, sp_never()));
    client_leaves(stream);
}

SP_SIM_TEST(latency)
{
    bank_opens(s, 2);
    static char a[] = "order a\n";
    static char b[] = "order b\n";
    sp_sim_start(s, "ann", orders_at, a);
    sp_sim_start(s, "bob", orders_at, b);
    sp_sim_run(s);
    sp_sim_check(s, bank.first == 'a', "ann ordered first, and was not the first");
}

/* ---- an order that was not answered is sent again, as if it had not arrived ---- */

static void orders_until_answered(void *arg)
{
    sp_duration patience = *(sp_duration *)arg;
    struct sp_stream *stream = client_connects();
    sp_err err;
    while ((err = client_orders(stream, "order a\n", sp_after(patience))) != SP_OK) {
        if (err == SP_ERR_TIMEOUT)
            continue;
        sp_stream_drop(stream);
        stream = client_connects();
    }
    client_leaves(stream);
}

static void order_once(sp_sim *s, sp_duration patience)
{
    bank_opens(s, 1);
    sp_sim_start(s, "client", orders_until_answered, &patience);
    sp_sim_run(s);
    sp_sim_check(s, bank.orders == 1, "one order was taken %d times", bank.orders);
}

SP_SIM_TEST(stretch)
{
    order_once(s, sp_sec(5));
}

SP_SIM_TEST(break_)
{
    order_once(s, sp_sec(20000));
}

/* ---- a deadline that a slow line does not keep ---- */

static void writes_much(void *arg)
{
    bool *in_time = arg;
    char order[ORDER] = "order a";
    char answer;
    struct sp_stream *stream = client_connects();
    sp_time begin = sp_now();
    for (int i = 0; i < 1000; i++)
        sp_ignore(sp_stream_send(stream, order, ORDER));
    for (int i = 0; i < 1000; i++)
        sp_ignore(sp_stream_read_exact(stream, &answer, 1, sp_never()));
    *in_time = sp_now().ns - begin.ns < sp_sec(2).ns;
    client_leaves(stream);
}

SP_SIM_TEST(slow)
{
    static bool in_time;
    in_time = false;
    bank_opens(s, 1);
    sp_sim_start(s, "client", writes_much, &in_time);
    sp_sim_run(s);
    sp_sim_check(s, in_time, "a thousand orders took more than two seconds");
}

/* ---- silence is taken for death ---- */

static void beats(void *arg)
{
    (void)arg;
    struct sp_stream *stream = client_connects();
    for (int i = 0; i < 20; i++) {
        sp_ignore(sp_stream_write(stream, "order a\n", ORDER, sp_never()));
        sp_sleep(sp_ms(100));
    }
    client_leaves(stream);
}

static void watches(void *arg)
{
    bool *dead = arg;
    int before = 0;
    sp_sleep(sp_ms(300));
    while (bank.clients > 0) {
        *dead = *dead || bank.orders == before;
        before = bank.orders;
        sp_sleep(sp_ms(450));
    }
}

static void silence_is_death(sp_sim *s)
{
    static bool dead;
    dead = false; /* under sanitizers static variables keep what the run before left */
    bank_opens(s, 1);
    sp_sim_start(s, "heart", beats, NULL);
    sp_sim_start(s, "doctor", watches, &dead);
    sp_sim_run(s);
    sp_sim_check(s, !dead, "the heart beats, and is declared dead");
}

SP_SIM_TEST(clog)
{
    silence_is_death(s);
}

SP_SIM_TEST(cut)
{
    silence_is_death(s);
}

/* ---- the first attempt is the last ---- */

static void tries_once(void *arg)
{
    bool *connected = arg;
    struct sp_stream *stream;
    sp_sleep(sp_ms(100));
    *connected = sp_connect("bank:7000", NULL, sp_after_sec(200), &stream) == SP_OK;
    if (*connected)
        sp_stream_drop(stream);
    bank.clients--;
}

static void one_attempt(sp_sim *s)
{
    static bool connected;
    connected = false;
    bank_opens(s, 1);
    sp_sim_start(s, "client", tries_once, &connected);
    sp_sim_run(s);
    sp_sim_check(s, connected, "the bank is open, and the client stays outside");
}

SP_SIM_TEST(refuse)
{
    one_attempt(s);
}

SP_SIM_TEST(nofile)
{
    one_attempt(s);
}
