/* Five ways never to come to an end, each with a corrected twin: `sim-liveness` looks that every one is
 * found with what repeats or what is owed, and that no twin is. */
#include <spawned/sim.h>
#include <spawned/spawned.h>

#include <string.h>

#define LIVENESS_TESTS(name, program)             \
    SP_SIM_TEST(name, .steps_max = 20000)         \
    {                                             \
        program(s, false);                        \
    }                                             \
    SP_SIM_TEST(name##_fixed, .steps_max = 20000) \
    {                                             \
        program(s, true);                         \
    }                                             \
    struct name##_is_a_planted_bug

static bool liveness_fixed;

static void spawn_both(void (*fn)(void *arg), const char *const names[2])
{
    sp_monitor_ref refs[2];
    struct sp_message *message;
    for (int i = 0; i < 2; i++)
        if (sp_spawn(fn, (void *)(intptr_t)i,
                     &(struct sp_spawn_options){ .name = names[i], .out_monitor = &refs[i] },
                     NULL) != SP_OK)
            return;
    for (int ended = 0; ended < 2;) {
        if (sp_receive(sp_never(), &message) != SP_OK)
            return;
        ended += sp_message_down(message) != NULL;
        sp_message_free(message);
    }
}

static void liveness_run(sp_sim *s, bool fixed, void (*fn)(void *arg))
{
    liveness_fixed = fixed;
    sp_sim_start(s, "node", fn, NULL);
    sp_sim_run(s);
}

/* ---- two who let each other go first, for ever ---- */

static bool stands[2]; /* before the door */

static void polite_main(void *arg)
{
    int self = (int)(intptr_t)arg;
    stands[self] = true;
    sp_yield();
    /* Corrected: one of them is known to be first. */
    while (stands[1 - self] && !(liveness_fixed && self == 0))
        sp_yield();
    stands[self] = false;
}

static void door_main(void *arg)
{
    (void)arg;
    stands[0] = false;
    stands[1] = false;
    spawn_both(polite_main, (const char *const[]){ "ann", "bob" });
}

static void after_you(sp_sim *s, bool fixed)
{
    liveness_run(s, fixed, door_main);
}

LIVENESS_TESTS(after_you, after_you);

/* ---- two routers who each think that the other has it ---- */

SP_MESSAGE(parcel, int);

static void router_main(void *arg)
{
    static const char *const other[] = { "south", "north" };
    int self = (int)(intptr_t)arg;
    struct sp_message *message;
    sp_pid to;
    while (sp_receive(sp_after_sec(1), &message) == SP_OK) {
        const int *hops = parcel_of(message);
        int next = hops == NULL ? 0 : *hops + 1;
        sp_message_free(message);
        /* Corrected: what has been around is dropped. */
        if ((!liveness_fixed || next < 8) && sp_whereis(other[self], &to) == SP_OK)
            sp_ignore(parcel_send(to, &next));
    }
}

static void post_main(void *arg)
{
    (void)arg;
    sp_pid to;
    sp_ignore(sp_spawn(router_main, (void *)(intptr_t)1,
                       &(struct sp_spawn_options){ .name = "south" }, NULL));
    if (sp_spawn(router_main, NULL, &(struct sp_spawn_options){ .name = "north" }, &to) == SP_OK)
        sp_ignore(parcel_send(to, &(int){ 0 }));
    sp_sleep(sp_sec(5));
}

static void hot_potato(sp_sim *s, bool fixed)
{
    liveness_run(s, fixed, post_main);
}

LIVENESS_TESTS(hot_potato, hot_potato);

/* ---- a name that is polled for, and never given ---- */

static void late_main(void *arg)
{
    (void)arg;
    sp_err err = SP_OK;
    /* Corrected: it is. */
    if (liveness_fixed)
        err = sp_register("printer", sp_self());
    if (err == SP_OK)
        sp_sleep(sp_sec(1));
}

static void poll_main(void *arg)
{
    (void)arg;
    sp_pid pid;
    sp_ignore(sp_spawn(late_main, NULL, NULL, NULL));
    while (sp_whereis("printer", &pid) != SP_OK)
        sp_yield();
}

static void never_named(sp_sim *s, bool fixed)
{
    liveness_run(s, fixed, poll_main);
}

LIVENESS_TESTS(never_named, never_named);

/* ---- readers who come so often that a writer never does ---- */

static struct {
    int readers;
    bool wanted; /* by the writer */
    bool written;
    int reads;
} page;

static void reader_main(void *arg)
{
    (void)arg;
    while (!page.written) {
        /* Corrected: who comes after a writer waits for it. */
        if (!liveness_fixed || !page.wanted) {
            page.readers++;
            sp_yield();
            page.readers--;
        }
        page.reads++;
        if (page.readers == 0 || liveness_fixed)
            sp_yield();
    }
}

static void writer_main(void *arg)
{
    (void)arg;
    sp_eventually_begin("the writer writes");
    page.wanted = true;
    while (page.readers > 0)
        sp_yield();
    page.written = true;
    sp_eventually_end("the writer writes");
}

static void page_main(void *arg)
{
    (void)arg;
    memset(&page, 0, sizeof(page));
    for (int i = 0; i < 2; i++)
        sp_ignore(sp_spawn(reader_main, NULL, NULL, NULL));
    sp_yield();
    sp_pid writer;
    sp_monitor_ref down;
    struct sp_message *message;
    if (sp_spawn(writer_main, NULL,
                 &(struct sp_spawn_options){ .name = "writer", .out_monitor = &down },
                 &writer) == SP_OK &&
        sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
}

static void starved_writer(sp_sim *s, bool fixed)
{
    liveness_run(s, fixed, page_main);
}

LIVENESS_TESTS(starved_writer, starved_writer);

/* ---- a promise that one branch forgets ---- */

SP_MESSAGE(order, int);

static void shop_main(void *arg)
{
    (void)arg;
    struct sp_message *message;
    int stock = 1;
    while (sp_receive(sp_after_sec(1), &message) == SP_OK) {
        sp_eventually_begin("an order is answered");
        sp_message_free(message);
        bool sold = stock-- > 0;
        /* Corrected: who gets nothing is told so. */
        if (sold || liveness_fixed)
            sp_eventually_end("an order is answered");
    }
}

static void customers_main(void *arg)
{
    (void)arg;
    sp_pid shop;
    if (sp_spawn(shop_main, NULL, &(struct sp_spawn_options){ .name = "shop" }, &shop) != SP_OK)
        return;
    for (int i = 0; i < 2; i++)
        sp_ignore(order_send(shop, &i));
    sp_sleep(sp_sec(5));
}

static void forgotten_order(sp_sim *s, bool fixed)
{
    liveness_run(s, fixed, customers_main);
}

LIVENESS_TESTS(forgotten_order, forgotten_order);
