/* Nodes that crash.
 *
 *  - a coordinator crashes between its decision and telling all participants
 *  - a leader that comes back believes that it still is
 */
#include "unseen.h"
#include <spawned/listener.h>
#include <spawned/stream.h>

/* What is on disk. */
static struct {
    bool fixed;
    bool decided;
    bool paid[2];
    bool finished;
} ledger;

static void coordinator_main(void *arg)
{
    (void)arg;
    if (ledger.finished || (ledger.decided && !ledger.fixed))
        return; /* it was done before the crash */
    ledger.decided = true;
    for (int i = 0; i < 2; i++) {
        sp_sleep(sp_ms(1));
        ledger.paid[i] = true;
    }
    ledger.finished = true;
}

static void coordinator_run(sp_sim *s, bool fixed)
{
    ledger.fixed = fixed;
    ledger.decided = ledger.finished = ledger.paid[0] = ledger.paid[1] = false;
    sp_sim_start(s, "coordinator", coordinator_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, ledger.paid[0] == ledger.paid[1], "one has committed, one has not");
}

UNSEEN(coordinator, .faults = SP_SIM_CRASH);

/* ---- two leaders ---- */

static struct {
    bool fixed;
    bool was_leader; /* on the disk of the first */
    bool first;
    bool second;
} cluster;

static void first_main(void *arg)
{
    (void)arg;
    struct sp_listener *listener;
    struct sp_stream *stream;
    cluster.first = !(cluster.fixed && cluster.was_leader);
    cluster.was_leader = true;
    sp_always(!(cluster.first && cluster.second), "there is one leader");
    if (sp_listen("0.0.0.0:7000", NULL, &listener) != SP_OK ||
        sp_accept(listener, sp_after_sec(30), &stream) != SP_OK)
        return;
    for (int i = 0; i < 5; i++) {
        sp_ignore(sp_stream_write(stream, "+", 1, sp_after_sec(1)));
        sp_sleep(sp_ms(100));
    }
    sp_ignore(sp_stream_write(stream, ".", 1, sp_after_sec(1)));
}

static void second_main(void *arg)
{
    (void)arg;
    struct sp_stream *stream;
    char beat = 0;
    while (sp_connect("first:7000", NULL, sp_after_sec(1), &stream) != SP_OK)
        sp_sleep(sp_ms(100));
    while (sp_stream_read_exact(stream, &beat, 1, sp_after_sec(2)) == SP_OK && beat != '.')
        ;
    if (beat == '.')
        return;
    cluster.second = true; /* no beat: the first is gone */
}

static void two_leaders_run(sp_sim *s, bool fixed)
{
    cluster.fixed = fixed;
    cluster.was_leader = cluster.first = cluster.second = false;
    sp_sim_start(s, "first", first_main, NULL);
    sp_sim_start(s, "second", second_main, NULL);
    sp_sim_run_for(s, sp_sec(60));
}

UNSEEN(two_leaders, .faults = SP_SIM_CRASH, .faults_until = { 20 * SP_NS_PER_S });
