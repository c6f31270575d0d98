/* Health of servers: asked ahead of what waits, late where a handler does not return, gathered below
 * a supervisor, and shown without harm to anybody. */
#include "support/puppet.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct gate {
    _Atomic bool entered;
    _Atomic bool open;
};

static void gate_pass(struct gate *gate)
{
    atomic_store(&gate->entered, true);
    while (!atomic_load(&gate->open))
        sp_yield();
}

struct ward {
    int status;
    struct gate *gate;
};

SP_SERVER(ward, struct ward);
SP_CAST(ward, set, int);
SP_CAST(ward, hang, sp_empty);
SP_CALL(ward, count, int, int);

static sp_err ward_init(struct ward *ward, const struct ward *args)
{
    *ward = *args;
    return SP_OK;
}

static void ward_on_set(struct ward *ward, const int *in)
{
    ward->status = *in;
}

static void ward_on_hang(struct ward *ward, const sp_empty *in)
{
    (void)in;
    gate_pass(ward->gate);
}

static sp_err ward_on_count(struct ward *ward, const int *in, int *out)
{
    (void)ward;
    *out = *in + 1;
    return SP_OK;
}

__attribute__((no_sanitize("undefined"))) static void ward_health(const struct ward *ward,
                                                                  struct sp_health *out)
{
    if (ward->status == 99)
        *(volatile int *)NULL = 0;
    out->status = (enum sp_health_status)ward->status;
    (void)snprintf(out->text, sizeof(out->text), "status %d", ward->status);
}

SP_STATE(ward, struct ward);
SP_ON_INIT(ward);
SP_ON_CAST(ward, set);
SP_ON_CAST(ward, hang);
SP_ON_CALL(ward, count);
SP_ON_HEALTH(ward);
SP_CLASS(ward, .init = ward__init, .health = ward__health);

static ward_ref ward_new(const char *name, int status, struct gate *gate)
{
    ward_ref ref;
    CHECK_OK(ward_start(&(struct ward){ .status = status, .gate = gate },
                        &(struct sp_server_options){ .spawn = { .name = name } }, &ref));
    return ref;
}

enum { CHECKS = 8 };
static struct sp_health_check checks[CHECKS];
static struct sp_health_report report;

static void look(const struct sp_health_options *options)
{
    memset(checks, 0, sizeof(checks));
    CHECK_OK(sp_health(options, checks, CHECKS, &report));
}

TEST(nobody_to_ask_is_healthy)
{
    world_open(NULL);
    (void)puppet_start(NULL);
    look(NULL);
    CHECK_INT(report.status, SP_HEALTHY);
    CHECK_INT(report.asked + report.count, 0);
    CHECK_ERR(sp_health(&(struct sp_health_options){ .limit = { -1 } }, checks, CHECKS, &report),
              SP_ERR_INVALID);
    world_close();
    CHECK_ERR(sp_health(NULL, checks, CHECKS, &report), SP_ERR_NOTCONTEXT);
}

TEST(the_worst_counts_and_comes_first)
{
    world_open(NULL);
    ward_ref good = ward_new("good", SP_HEALTHY, NULL);
    ward_ref fair = ward_new("fair", SP_DEGRADED, NULL);
    look(NULL);
    CHECK_INT(report.status, SP_DEGRADED);
    CHECK_INT(report.count, 2);
    CHECK_STR(checks[0].name, "fair");
    CHECK_STR(checks[0].label, "ward");
    CHECK_STR(checks[0].health.text, "status 1");
    CHECK(checks[0].answered && sp_pid_equal(checks[0].pid, fair.pid));
    CHECK(sp_pid_equal(checks[0].parent, sp_self()));
    CHECK_STR(checks[1].name, "good");
    ward_ref poor = ward_new("poor", 7, NULL); /* what is no status is the worst */
    CHECK_OK(ward_set(good, &(int){ SP_HEALTHY }));
    CHECK_OK(sp_health(NULL, checks, 1, &report));
    CHECK_INT(report.count, 1);
    CHECK_STR(checks[0].name, "poor");
    CHECK_INT(report.status, SP_UNHEALTHY);
    CHECK_INT(report.healthy, 1);
    CHECK_INT(report.degraded, 1);
    CHECK_INT(report.unhealthy, 1);
    CHECK_OK(sp_stop(poor.pid, NULL, WORLD_PATIENCE));
    look(&(struct sp_health_options){ .servers_max = 1 });
    CHECK_INT(report.asked, 1);
    CHECK_INT(report.unasked, 1);
    world_close();
}

/* A full mailbox is no reason to be silent, a handler that does not return is. */
TEST(what_waits_is_overtaken_and_a_stuck_handler_is_told)
{
    struct gate gate = { 0 };
    world_open(NULL);
    ward_ref ward = ward_new("stuck", SP_HEALTHY, &gate);
    CHECK_OK(ward_hang(ward, &(sp_empty){ 0 }));
    while (!atomic_load(&gate.entered))
        sp_yield();
    for (int i = 0; i < 1000; i++)
        CHECK_OK(ward_set(ward, &(int){ SP_UNHEALTHY }));
    look(&(struct sp_health_options){ .limit = sp_ms(20) });
    CHECK_INT(report.status, SP_UNHEALTHY);
    CHECK(!checks[0].answered);
    CHECK_CONTAINS(checks[0].health.text, "no answer in ");
    /* Who has waited for less than the limit does not know yet. */
    look(&(struct sp_health_options){ .limit = sp_sec(3600), .wait = sp_ms(1) });
    CHECK_INT(report.status, SP_DEGRADED);
    CHECK_STR(checks[0].health.text, "no answer yet");
    atomic_store(&gate.open, true);
    look(NULL);
    CHECK(checks[0].answered);
    world_close();
}

TEST(who_faults_when_it_is_asked_is_left_out)
{
    world_open(NULL);
    ward_ref bad = ward_new("bad", 99, NULL);
    look(NULL);
    CHECK_INT(report.asked, 0);
    CHECK_OK(sp_join(bad.pid, WORLD_PATIENCE, NULL));
    world_close();
}

struct below {
    ward_ref ward;
};

static void make_ward(void *arg)
{
    ((struct below *)arg)->ward = ward_new("child", SP_DEGRADED, NULL);
}

TEST(a_part_of_the_tree_can_be_asked)
{
    struct below below;
    world_open(NULL);
    sp_pid parent = puppet_start(NULL);
    puppet_do(parent, make_ward, &below);
    (void)ward_new("other", SP_UNHEALTHY, NULL);
    look(&(struct sp_health_options){ .below = parent });
    CHECK_INT(report.asked, 1);
    CHECK_STR(checks[0].name, "child");
    CHECK_INT(report.status, SP_DEGRADED);
    look(&(struct sp_health_options){ .below = sp_self() });
    CHECK_INT(report.asked, 2);
    world_close();
}

static void asks_often(void *arg)
{
    (void)arg;
    struct sp_health_check one;
    struct sp_health_report all;
    for (int i = 0; i < 200; i++)
        CHECK_OK(sp_health(NULL, &one, 1, &all));
}

static void comes_and_goes(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        ward_ref ward;
        CHECK_OK(ward_start(&(struct ward){ 0 }, NULL, &ward));
        CHECK_OK(sp_stop(ward.pid, NULL, WORLD_PATIENCE));
    }
}

TEST(many_ask_while_servers_come_and_go)
{
    sp_pid all[6];
    world_open(&(struct sp_runtime_options){ .workers = 4 });
    ward_ref ward = ward_new("busy", SP_HEALTHY, NULL);
    for (int i = 0; i < 6; i++)
        CHECK_OK(sp_spawn(i < 3 ? asks_often : comes_and_goes, NULL, NULL, &all[i]));
    int out = 0;
    for (int i = 0; i < 1000; i++)
        CHECK_OK(ward_count(ward, &(int){ i }, &out, WORLD_PATIENCE));
    for (int i = 0; i < 6; i++)
        CHECK_OK(sp_join(all[i], WORLD_PATIENCE, NULL));
    world_close();
}
