/* Health under every schedule: several who ask, servers that end, stop and stand still meanwhile. Who
 * lives and is free has answered by itself; who stands still is told as such; nothing is left behind. */
#include "accept.h"

#include <stdio.h>

static struct {
    int answers; /* that the health function gave */
    int asked;
    int done;
} books;

SP_SERVER(patient, int);
SP_CALL(patient, sleep, int, int);

static sp_err patient_init(int *state, const int *status)
{
    *state = *status;
    return SP_OK;
}

static sp_err patient_on_sleep(int *state, const int *ms, int *out)
{
    *out = *state;
    sp_sleep(sp_ms(*ms));
    return SP_OK;
}

static void patient_health(const int *state, struct sp_health *out)
{
    books.answers++;
    out->status = (enum sp_health_status) * state;
    (void)snprintf(out->text, sizeof(out->text), "%d", *state);
}

SP_STATE(patient, int);
SP_ON_INIT(patient);
SP_ON_CALL(patient, sleep);
SP_ON_HEALTH(patient);
SP_CLASS(patient, .init = patient__init, .health = patient__health);

/* What holds for any answer, whatever happens to those who are asked. */
static void look(const struct sp_health_options *options)
{
    struct sp_health_check checks[4];
    struct sp_health_report report;
    books.asked++;
    sp_err err = sp_health(options, checks, 4, &report);
    EXPECT(err == SP_OK || err == SP_ERR_NOMEM);
    if (err != SP_OK)
        return;
    EXPECT(report.asked == report.healthy + report.degraded + report.unhealthy);
    EXPECT(report.count <= report.asked);
    for (size_t i = 1; i < report.count; i++)
        EXPECT(checks[i - 1].health.status >= checks[i].health.status);
    for (size_t i = 0; i < report.count; i++)
        EXPECT(checks[i].health.status <= report.status);
    books.done++;
}

static void asks(void *unused)
{
    (void)unused;
    look(NULL);
    look(NULL);
}

static void sleeps(void *arg)
{
    int out;
    patient_ref ref = *(const patient_ref *)arg;
    sp_ignore(patient_sleep(ref, &(int){ 50 }, &out, sp_never()));
}

static void racing(void *unused)
{
    (void)unused;
    memset(&books, 0, sizeof(books));
    patient_ref one;
    patient_ref other;
    if (patient_start(&(int){ SP_HEALTHY }, NULL, &one) != SP_OK ||
        patient_start(&(int){ SP_DEGRADED }, NULL, &other) != SP_OK) {
        accept_close();
        return;
    }
    sp_pid askers[2];
    for (int i = 0; i < 2; i++)
        askers[i] = accept_spawn(NULL, asks, NULL);
    sp_ignore(sp_kill(one.pid) == SP_OK);
    sp_ignore(sp_stop(other.pid, NULL, sp_never()) == SP_OK);
    for (int i = 0; i < 2; i++)
        accept_join(askers[i]);
    accept_join(one.pid);
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(health_of_servers_that_end, racing);

static void asking_killed(void *unused)
{
    (void)unused;
    memset(&books, 0, sizeof(books));
    patient_ref one;
    if (patient_start(&(int){ SP_HEALTHY }, NULL, &one) == SP_OK) {
        sp_pid asker = accept_spawn(NULL, asks, NULL);
        sp_yield();
        sp_ignore(sp_kill(asker) == SP_OK);
        accept_join(asker);
        look(NULL);
        sp_ignore(sp_stop(one.pid, NULL, sp_never()) == SP_OK);
    }
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(health_who_asks_may_end, asking_killed);

static void stuck(void *unused)
{
    (void)unused;
    memset(&books, 0, sizeof(books));
    patient_ref one;
    if (patient_start(&(int){ SP_HEALTHY }, NULL, &one) == SP_OK) {
        sp_pid sleeper = sp_self();
        if (sp_spawn(sleeps, &one, &(struct sp_spawn_options){ .arg_size = sizeof(one) },
                     &sleeper) == SP_OK) {
            look(&(struct sp_health_options){ .limit = sp_ms(10) });
            accept_join(sleeper);
        }
        look(NULL);
        sp_ignore(sp_stop(one.pid, NULL, sp_never()) == SP_OK);
    }
    EXPECT(accept_alone());
    accept_close();
}
ACCEPT(health_of_a_server_that_stands_still, stuck);
