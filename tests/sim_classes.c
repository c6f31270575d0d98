/* sim-classes: does `--exhaust` make one run of each class, and no less than all?
 *
 * Small programs with a known number of classes of schedules that differ in something that
 * matters: so many runs must be made. And for each the ways in which runs end must be the same
 * as over all schedules without reduction, or where they are too many the first of them, and as
 * many at random.
 *
 *     sim-classes [--runs N] [name]    N: of those, 20,000 if it does not say;
 *                                      acknowledgements_6 (518,400 runs) only where it is named
 *
 * Threads: one. Neighbours: src/sim/reduce.h.
 */
#include "sim/campaign.h"

#include <inttypes.h>
#include <spawned/sim.h>
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CLASSES_WORKERS_MAX = 8,
    CLASSES_ENDS_MAX = 4096,
    CLASSES_RUNS = 20000,
};

struct ping {
    int from;
};
SP_MESSAGE(ping, struct ping);

/* How the present run ended: whatever the program says, in order. Fixed memory, because the
 * processes of a run share nothing else. */
static struct {
    char text[256];
    sp_pid main;
    sp_pid workers[CLASSES_WORKERS_MAX];
    int count;
} classes;

static void classes_say(int number)
{
    size_t length = strlen(classes.text);
    (void)snprintf(classes.text + length, sizeof(classes.text) - length, "%d ", number);
}

/* Whoever is still at it comes to its end, on the world's clock. */
static void classes_settle(void)
{
    sp_sleep(sp_sec(1));
}

static void classes_spawn(int count, void (*fn)(void *arg))
{
    classes.count = count;
    classes.main = sp_self();
    for (int i = 0; i < count; i++)
        sp_ignore(sp_spawn(fn, &i, &(struct sp_spawn_options){ .arg_size = sizeof(i) },
                           &classes.workers[i]));
}

static int classes_receive(sp_deadline deadline)
{
    struct sp_message *message;
    if (sp_receive(deadline, &message) != SP_OK)
        return -1;
    int from = ((const struct ping *)sp_message_peek(message))->from;
    sp_message_free(message);
    return from;
}

/* ---- the programs ---- */

static void sender(void *arg)
{
    sp_ignore(ping_send(classes.main, &(struct ping){ *(int *)arg }));
}

static void senders_main(void *arg)
{
    int count = *(int *)arg;
    classes_spawn(count, sender);
    for (int i = 0; i < count; i++)
        classes_say(classes_receive(sp_never()));
    classes_settle();
}

static void acknowledged(void *arg)
{
    sender(arg);
    (void)classes_receive(sp_never());
    sender(arg);
}

static void acknowledgements_main(void *arg)
{
    int count = *(int *)arg;
    classes_spawn(count, acknowledged);
    for (int i = 0; i < count; i++)
        classes_say(classes_receive(sp_never()));
    for (int i = 0; i < count; i++)
        sp_ignore(ping_send(classes.workers[i], &(struct ping){ 0 }));
    for (int i = 0; i < count; i++)
        classes_say(classes_receive(sp_never()));
    classes_settle();
}

static void yielder(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        sp_yield();
}

static void yielders_main(void *arg)
{
    classes_spawn(*(int *)arg, yielder);
    classes_settle();
}

static void pair_sender(void *arg)
{
    int me = *(int *)arg;
    if (me < 2)
        for (int i = 0; i < 2; i++)
            classes_say(10 * me + classes_receive(sp_never()) % 2);
    else
        sp_ignore(ping_send(classes.workers[me % 2], &(struct ping){ me / 2 }));
}

/* Two receivers, two senders each: the receivers' words are in any order, so none is looked at. */
static void pairs_main(void *arg)
{
    (void)arg;
    classes_spawn(6, pair_sender);
    classes_settle();
    classes.text[0] = '\0';
}

static void chooser(void *arg)
{
    int me = *(int *)arg;
    int chosen = (int)sp_choose(3);
    classes.workers[me].serial = (uint64_t)chosen;
}

static void choosers_main(void *arg)
{
    int count = *(int *)arg;
    classes_spawn(count, chooser);
    classes_settle();
    for (int i = 0; i < count; i++)
        classes_say((int)classes.workers[i].serial);
}

static void namer(void *arg)
{
    int me = *(int *)arg;
    classes.workers[me].serial = sp_register("x", sp_self()) == SP_OK;
    (void)classes_receive(sp_never());
}

static void namers_main(void *arg)
{
    int count = *(int *)arg;
    classes_spawn(count, namer);
    classes_settle();
    for (int i = 0; i < count; i++)
        classes_say((int)classes.workers[i].serial);
}

static void reader_or_namer(void *arg)
{
    int me = *(int *)arg;
    sp_pid pid;
    if (me == 0)
        classes.workers[0].serial = sp_register("x", sp_self()) == SP_OK;
    else
        classes.workers[me].serial = sp_whereis("x", &pid) == SP_OK;
    (void)classes_receive(sp_never());
}

static void readers_main(void *arg)
{
    int count = *(int *)arg;
    classes_spawn(count, reader_or_namer);
    classes_settle();
    for (int i = 1; i < count; i++)
        classes_say((int)classes.workers[i].serial);
}

static void killer_or_victim(void *arg)
{
    int me = *(int *)arg;
    if (me == 1) {
        sp_ignore(sp_kill(classes.workers[0]));
        return;
    }
    for (int i = 0; i < 3; i++) {
        classes.workers[2].serial++;
        sp_yield();
    }
    (void)classes_receive(sp_never());
}

static void killer_main(void *arg)
{
    (void)arg;
    classes.workers[2].serial = 0;
    classes_spawn(2, killer_or_victim);
    classes_settle();
    classes_say((int)classes.workers[2].serial);
}

SP_SERVER(cell, int);
SP_CALL(cell, get, int, int);
SP_CALL(cell, set, int, int);

static sp_err cell_on_get(int *value, const int *unused, int *out)
{
    (void)unused;
    *out = *value;
    return SP_OK;
}

static sp_err cell_on_set(int *value, const int *in, int *out)
{
    *value = *in;
    *out = *in;
    return SP_OK;
}

SP_STATE(cell, int);
SP_ON_CALL(cell, get);
SP_ON_CALL(cell, set);
SP_CLASS(cell, .init = NULL);

static cell_ref classes_cell;

static void adder(void *arg)
{
    (void)arg;
    int value = 0;
    sp_ignore(cell_get(classes_cell, &value, &value, sp_never()));
    value++;
    sp_ignore(cell_set(classes_cell, &value, &value, sp_never()));
}

static void adders_main(void *arg)
{
    int zero = 0;
    int total = 0;
    sp_ignore(cell_start(&zero, NULL, &classes_cell));
    classes_spawn(*(int *)arg, adder);
    classes_settle();
    sp_ignore(cell_get(classes_cell, &zero, &total, sp_never()));
    classes_say(total);
}

static void late_main(void *arg)
{
    int count = *(int *)arg;
    classes_spawn(count, sender);
    classes_say(classes_receive(sp_nowait()));
    classes_settle();
}

/* ---- as tests ---- */

static void classes_test(sp_sim *s, void (*fn)(void *arg), int count)
{
    static int number;
    number = count;
    classes.text[0] = '\0';
    sp_sim_start(s, "node", fn, &number);
    sp_sim_run(s);
    sp_sim_fail(s, "%s", classes.text); /* that is how the program of this file learns of it */
}

#define CLASSES_TEST(name, fn, count)   \
    SP_SIM_TEST(name)                   \
    {                                   \
        classes_test(s, (fn), (count)); \
    }                                   \
    struct name##_is_a_test

CLASSES_TEST(senders_2, senders_main, 2);
CLASSES_TEST(senders_3, senders_main, 3);
CLASSES_TEST(senders_4, senders_main, 4);
CLASSES_TEST(acknowledgements_2, acknowledgements_main, 2);
CLASSES_TEST(acknowledgements_3, acknowledgements_main, 3);
CLASSES_TEST(acknowledgements_6, acknowledgements_main, 6);
CLASSES_TEST(yielders_2, yielders_main, 2);
CLASSES_TEST(yielders_5, yielders_main, 5);
CLASSES_TEST(pairs, pairs_main, 0);
CLASSES_TEST(choosers_2, choosers_main, 2);
CLASSES_TEST(namers_3, namers_main, 3);
CLASSES_TEST(readers_3, readers_main, 3);
CLASSES_TEST(killer, killer_main, 0);
CLASSES_TEST(adders_2, adders_main, 2);
CLASSES_TEST(adders_3, adders_main, 3);
CLASSES_TEST(late_2, late_main, 2);

/* How many classes, and why. */
static const struct {
    const char *name;
    uint64_t classes; /* 0: not known, only compared */
} classes_known[] = {
    /* n! orders in one mailbox */
    { "senders_2", 2 },
    { "senders_3", 6 },
    { "senders_4", 24 },
    /* n! squared */
    { "acknowledgements_2", 4 },
    { "acknowledgements_3", 36 },
    { "acknowledgements_6", 518400 },
    /* nothing in common */
    { "yielders_2", 1 },
    { "yielders_5", 1 },
    /* 2! in each of two mailboxes */
    { "pairs", 4 },
    /* 3 values, twice */
    { "choosers_2", 9 },
    /* 3! who writes one name */
    { "namers_3", 6 },
    /* each of two readers before or after one writer */
    { "readers_3", 4 },
    /* the signal before each of 5 steps, or after them */
    { "killer", 6 },
    /* 4! / 2! 2! calls in one mailbox; and main's end, which takes the server along, before or
     * after its last look into its mailbox */
    { "adders_2", 12 },
    /* 6! / 2! 2! 2!, twice */
    { "adders_3", 180 },
    { "late_2", 0 },
};

/* ---- running them ---- */

struct ends {
    char (*texts)[64];
    size_t count;
};

static void ends_add(struct ends *ends, const char *text)
{
    if (ends->count == CLASSES_ENDS_MAX)
        return; /* not compared then */
    for (size_t i = 0; i < ends->count; i++)
        if (strncmp(ends->texts[i], text, sizeof(ends->texts[i]) - 1) == 0)
            return;
    (void)snprintf(ends->texts[ends->count++], sizeof(ends->texts[0]), "%.63s", text);
}

struct explored {
    struct ends ends;
    uint64_t runs;
    uint64_t cuts;
    bool complete;
    double seconds;
};

static void explore(const struct sim_campaign_options *options, uint64_t runs, struct explored *out)
{
    struct sim_campaign campaign;
    struct sim_plan plan;
    struct sim_result result;
    clock_t since = clock();
    sim_campaign_init(&campaign, options);
    while (campaign.runs < runs && sim_campaign_next(&campaign, &plan, &result) == SP_OK) {
        if (!result.cut)
            ends_add(&out->ends, result.text);
        sim_schedule_finish(&result.schedule);
    }
    if (campaign.refused != NULL)
        printf("      %s: %s\n", options->test->name, campaign.refused);
    out->runs = campaign.runs;
    out->cuts = campaign.cuts;
    out->complete = campaign.complete;
    out->seconds = (double)(clock() - since) / CLOCKS_PER_SEC;
    sim_campaign_finish(&campaign);
}

static bool ends_same(const struct ends *a, const struct ends *b)
{
    if (a->count == CLASSES_ENDS_MAX || b->count == CLASSES_ENDS_MAX)
        return true;
    for (size_t i = 0; i < a->count; i++) {
        bool found = false;
        for (size_t k = 0; k < b->count && !found; k++)
            found = strcmp(a->texts[i], b->texts[k]) == 0;
        if (!found) {
            printf("      only one of the two ends in \"%s\"\n", a->texts[i]);
            return false;
        }
    }
    return true;
}

static bool classes_check(const struct sp_sim_test *test, uint64_t known, uint64_t runs,
                          struct explored *reduced, struct explored *plain)
{
    struct sim_campaign_options options = { .test = test, .seed = 1, .exhaust = true };
    reduced->ends.count = 0;
    plain->ends.count = 0;
    explore(&options, UINT64_MAX, reduced);
    options.plain = true;
    explore(&options, runs, plain);
    struct explored sampled = { .ends = plain->ends };
    explore(&(struct sim_campaign_options){ .test = test, .seed = 1, .strategy = "random" }, runs,
            &sampled);
    plain->ends = sampled.ends;
    bool good = reduced->complete && (known == 0 || reduced->runs == known);
    /* What was found without reduction must be found with it, and, where all was, the reverse. */
    good = ends_same(&plain->ends, &reduced->ends) && good;
    good = (!plain->complete || ends_same(&reduced->ends, &plain->ends)) && good;
    printf("%s  %-20s %8" PRIu64 " of %" PRIu64 " classes, %" PRIu64
           " cut short, %zu ends, %.2f s; "
           "plain %" PRIu64 "%s, %zu ends\n",
           good ? "ok  " : "FAIL", test->name, reduced->runs, known, reduced->cuts,
           reduced->ends.count, reduced->seconds, plain->runs, plain->complete ? "" : " and more",
           plain->ends.count);
    return good;
}

int main(int argc, char **argv)
{
    struct explored reduced = { .ends.texts = calloc(CLASSES_ENDS_MAX, 64) };
    struct explored plain = { .ends.texts = calloc(CLASSES_ENDS_MAX, 64) };
    uint64_t runs = CLASSES_RUNS;
    if (argc > 2 && strcmp(argv[1], "--runs") == 0) {
        runs = strtoull(argv[2], NULL, 10);
        argc -= 2;
        argv += 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    bool good = sim_run_start(true) == SP_OK;
    for (size_t i = 0; i < sizeof(classes_known) / sizeof(classes_known[0]); i++) {
        const struct sp_sim_test *test = sim_tests();
        while (strcmp(test->name, classes_known[i].name) != 0)
            test = test->next;
        if (argc > 1 ? strcmp(argv[1], test->name) == 0 : classes_known[i].classes < 100000)
            good = classes_check(test, classes_known[i].classes, runs, &reduced, &plain) && good;
    }
    sim_run_finish();
    free(reduced.ends.texts);
    free(plain.ends.texts);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
