/* Deadlocks are named at once, and only deadlocks are. Acceptance case 85 (without reentrancy;
 * reentrancy_test.c has the rest). Every schedule of the small ones: tests/sim_acceptance/
 * deadlocks.c. */
#include "support/stress.h"

#include "spawned/wait_graph.h"

#include <stdio.h>
#include <string.h>

enum { PATH_MAX_LENGTH = 64 };

/** A way through several servers. */
struct path {
    sp_pid stations[PATH_MAX_LENGTH];
    int length;
    int at;
};

struct finding {
    sp_err err;
    enum sp_call_stage stage;
    char text[512];
};

SP_SERVER(node, sp_pid);
SP_CALL(node, visit, struct path, struct finding); /* the last station tells what it found */
SP_CALL(node, ping, sp_empty, sp_empty);
SP_CALL(node, take, sp_empty, sp_empty);         /* answers later, */
SP_CALL(node, answer_and_call, sp_pid, int);     /* after a call to the other */
SP_CALL(node, wait_for, sp_pid, sp_empty);       /* who takes its request */
SP_CALL(node, run, struct path, struct finding); /* what the tasks below do */
SP_CAST(node, meet, struct path);
SP_MESSAGE(met, sp_err);

struct node {
    sp_pid friend;
    sp_request request;
};

static struct finding found(sp_err err)
{
    struct finding finding = { .err = err };
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    finding.stage = outcome.stage;
    if (outcome.reason != NULL)
        (void)snprintf(finding.text, sizeof(finding.text), "%s", sp_reason_text(outcome.reason));
    return finding;
}

static sp_err node_init(struct node *self, const sp_pid *friend)
{
    self->friend = *friend;
    /* Who is started calls who starts it. */
    sp_empty empty = { 0 };
    return sp_pid_is_none(*friend) ? SP_OK
                                   : node_ping((node_ref){ *friend }, &empty, &empty, sp_never());
}

static void node_terminate(struct node *self, const struct sp_reason *reason)
{
    (void)reason;
    sp_empty empty = { 0 };
    sp_err err = SP_OK;
    if (!sp_pid_is_none(self->friend))
        err = node_ping((node_ref){ self->friend }, &empty, &empty, sp_never());
    if (err == SP_ERR_DEADLOCK)
        sp_exit(sp_reason_error(err, "as it should"));
}

static sp_err node_on_visit(struct node *self, const struct path *in, struct finding *out)
{
    (void)self;
    struct path rest = *in;
    if (++rest.at == rest.length)
        return SP_OK;
    sp_err err = node_visit((node_ref){ rest.stations[rest.at] }, &rest, out, sp_never());
    if (err != SP_OK)
        *out = found(err);
    return SP_OK;
}

static sp_err node_on_ping(struct node *self, const sp_empty *in, sp_empty *out)
{
    (void)self;
    (void)in;
    (void)out;
    return SP_OK;
}

static sp_err node_on_take(struct node *self, const sp_empty *in, sp_empty *out)
{
    (void)in;
    (void)out;
    return sp_request_take(&self->request) == SP_OK ? SP_ERR_DEFERRED : SP_ERR_NOMEM;
}

static sp_err node_on_answer_and_call(struct node *self, const sp_pid *other, int *out)
{
    sp_empty empty = { 0 };
    *out = node_ping((node_ref){ *other }, &empty, &empty, sp_after_ms(20));
    return node_take_reply(self->request, &empty);
}

static sp_err node_on_wait_for(struct node *self, const sp_pid *other, sp_empty *out)
{
    (void)self;
    return node_take((node_ref){ *other }, &(sp_empty){ 0 }, out, sp_never());
}

static void node_on_meet(struct node *self, const struct path *in)
{
    (void)self;
    sp_empty empty = { 0 };
    sp_err err = node_ping((node_ref){ in->stations[0] }, &empty, &empty, sp_never());
    CHECK_OK(met_send(in->stations[1], &err));
}

/* ---- what a node does with processes of its own ---- */

struct errand {
    sp_pid server;
    bool tell; /* its group is closed before anyone reads */
};
SP_TASK(errand, struct errand, struct finding);
static struct finding errand_found;

static sp_err errand_run(const struct errand *in, struct finding *out)
{
    sp_empty empty = { 0 };
    *out = found(node_ping((node_ref){ in->server }, &empty, &empty, sp_never()));
    if (in->tell)
        errand_found = *out;
    return SP_OK;
}
SP_ON_TASK(errand);

static sp_err node_on_run(struct node *self, const struct path *in, struct finding *out)
{
    sp_pid own = sp_self();
    struct finding of_task = { 0 };
    errand_task task;
    sp_task_group group;
    (void)self;
    if (in->at == 0) {
        CHECK_OK(errand_spawn(&(struct errand){ .server = own }, NULL, &task));
        *out = found(errand_join(task, &of_task, sp_never()));
        if (out->err == SP_OK)
            *out = of_task; /* the task was the one to see it */
    } else if (in->at == 1) {
        CHECK_OK(sp_task_group_open(NULL, &group));
        CHECK_OK(errand_add(group, &(struct errand){ own, true }));
        *out = found(sp_task_group_join_all(group, NULL, sp_never()));
        if (out->err == SP_OK)
            *out = errand_found;
        sp_task_group_close(group);
    } else {
        *out = found(node_start(&own, NULL, NULL));
    }
    return SP_OK;
}

SP_STATE(node, struct node);
SP_ON_INIT(node);
SP_ON_TERMINATE(node);
SP_ON_CALL(node, visit);
SP_ON_CALL(node, ping);
SP_ON_CALL(node, take);
SP_ON_CALL(node, answer_and_call);
SP_ON_CALL(node, wait_for);
SP_ON_CALL(node, run);
SP_ON_CAST(node, meet);
SP_CLASS(node, .init = node__init, .terminate = node__terminate);

/* ---- circles ---- */

static node_ref node_begin(const char *name)
{
    node_ref ref;
    CHECK_OK(node_start(&(sp_pid){ 0 }, &(struct sp_server_options){ .spawn.name = name }, &ref));
    return ref;
}

static void expect_useful(node_ref node)
{
    sp_empty empty = { 0 };
    CHECK_OK(node_ping(node, &empty, &empty, WORLD_PATIENCE));
}

/* case 85: without reentrancy it fails at once, and all can be used afterwards. */
TEST(a_circle_of_two_is_named_at_once)
{
    world_open(NULL);
    node_ref a = node_begin("anna");
    node_ref b = node_begin("bert");
    struct path path = { .stations = { a.pid, b.pid, a.pid }, .length = 3 };
    struct finding finding;
    CHECK_OK(node_visit(a, &path, &finding, sp_never()));
    CHECK_ERR(finding.err, SP_ERR_DEADLOCK);
    CHECK_INT(finding.stage, SP_CALL_DEADLOCKED);
    CHECK_STR(finding.text, "bert waits for anna (visit), anna waits for bert (visit)");
    expect_useful(a);
    expect_useful(b);
    world_close();
}

TEST(a_circle_of_sixty_is_named)
{
    world_open(NULL);
    struct path path = { .length = 61 };
    for (int i = 0; i < 60; i++)
        path.stations[i] = node_begin(NULL).pid;
    path.stations[60] = path.stations[0];
    struct finding finding;
    CHECK_OK(node_visit((node_ref){ path.stations[0] }, &path, &finding, sp_never()));
    CHECK_ERR(finding.err, SP_ERR_DEADLOCK);
    CHECK(strstr(finding.text, "...") != NULL);
    for (int i = 0; i < 60; i++)
        expect_useful((node_ref){ path.stations[i] });
    world_close();
}

/* Both handle a cast and call each other, on two workers at once: neither may be left waiting. */
TEST(a_circle_that_closes_on_two_workers_at_once_is_seen)
{
    world_open(NULL);
    node_ref a = node_begin("anna");
    node_ref b = node_begin("bert");
    for (int i = 0; i < stress_times(5000); i++) {
        CHECK_OK(node_meet(a, &(struct path){ .stations = { b.pid, sp_self() } }));
        CHECK_OK(node_meet(b, &(struct path){ .stations = { a.pid, sp_self() } }));
        for (int answers = 0; answers < 2; answers++) {
            struct sp_message *message = expect_message();
            sp_err err = *met_of(message);
            sp_message_free(message);
            CHECK(err == SP_OK || err == SP_ERR_DEADLOCK);
        }
    }
    world_close();
}

/* They call each other all the time, but never both at once: the word passes between them. */
TEST(edges_that_come_and_go_are_no_circle)
{
    world_open(NULL);
    node_ref nodes[3] = { node_begin("anna"), node_begin("bert"), node_begin("carl") };
    for (int i = 0; i < stress_times(20000); i++) {
        node_ref one = nodes[i % 3];
        sp_pid other = nodes[(i + 1 + i / 3 % 2) % 3].pid;
        CHECK_OK(node_meet(one, &(struct path){ .stations = { other, sp_self() } }));
        struct sp_message *message = expect_message();
        CHECK_ERR(*met_of(message), SP_OK);
        sp_message_free(message);
    }
    world_close();
}

TEST(a_task_that_calls_who_joins_it_is_a_circle)
{
    world_open(NULL);
    node_ref a = node_begin("anna");
    struct finding finding;
    for (int how = 0; how < 2; how++) { /* a task; a group's */
        for (int i = 0; i < stress_times(200); i++) {
            CHECK_OK(node_run(a, &(struct path){ .at = how }, &finding, sp_never()));
            CHECK_ERR(finding.err, SP_ERR_DEADLOCK);
            CHECK_INT(finding.stage, SP_CALL_DEADLOCKED);
        }
    }
    expect_useful(a);
    world_close();
}

TEST(who_is_started_and_calls_its_starter_is_a_circle)
{
    world_open(NULL);
    node_ref a = node_begin("anna");
    struct finding finding;
    CHECK_OK(node_run(a, &(struct path){ .at = 2 }, &finding, sp_never()));
    CHECK_ERR(finding.err, SP_ERR_DEADLOCK); /* what its init returned */
    expect_useful(a);
    world_close();
}

/* ---- what is none ---- */

struct caller {
    node_ref node;
    sp_pid other;
    sp_err err;
};

static void call_take(void *arg)
{
    struct caller *caller = arg;
    sp_empty empty = { 0 };
    caller->err = node_take(caller->node, &empty, &empty, sp_after_sec(50));
}

static void call_wait_for(void *arg)
{
    struct caller *caller = arg;
    sp_empty empty = { 0 };
    caller->err = node_wait_for(caller->node, &caller->other, &empty, sp_never());
}

static void killed_and_joined(void *arg)
{
    sp_pid pid = *(sp_pid *)arg;
    CHECK_OK(sp_kill(pid));
    CHECK_OK(sp_join(pid, WORLD_PATIENCE, NULL));
}

static size_t wait_count(struct sp_wait *out)
{
    size_t cursor = 0;
    size_t count = 0;
    while (cursor != SIZE_MAX)
        count += sp_wait_list(&cursor, out + count, 4 - count);
    return count;
}

TEST(the_graph_tells_who_waits_for_whom)
{
    world_open(NULL);
    node_ref a = node_begin("anna");
    struct sp_wait waits[4];
    CHECK_INT(wait_count(waits), 0);
    sp_pid puppet = puppet_start(NULL);
    struct caller caller = { .node = a };
    puppet_tell(puppet, call_take, &caller);
    size_t count;
    do {
        count = wait_count(waits);
    } while (count == 0 || waits[0].operation == NULL || !waits[0].deferred);
    CHECK_INT(count, 1);
    CHECK(sp_pid_equal(waits[0].from, puppet) && sp_pid_equal(waits[0].to, a.pid));
    CHECK_INT(waits[0].kind, SP_WAIT_CALL);
    CHECK_STR(waits[0].operation, "take");
    CHECK(waits[0].since.ns != 0 && waits[0].since.ns <= sp_now().ns);
    /* Who was killed does not wait any more, whatever its edge says. */
    killed_and_joined(&puppet);
    CHECK_INT(wait_count(waits), 0);
    world_close();
}

/* Somebody else may answer it: so the server may call its caller, if only with a deadline. */
TEST(a_request_that_was_taken_closes_no_circle)
{
    world_open(NULL);
    node_ref a = node_begin("anna");
    node_ref b = node_begin("bert");
    struct caller caller = { .node = b, .other = a.pid };
    sp_pid puppet = puppet_start(NULL);
    puppet_tell(puppet, call_wait_for, &caller);
    struct sp_wait waits[4];
    size_t deferred;
    do {
        size_t count = wait_count(waits);
        deferred = 0;
        for (size_t i = 0; i < count; i++)
            deferred += waits[i].deferred;
    } while (deferred == 0);
    int err = SP_OK;
    CHECK_OK(node_answer_and_call(a, &b.pid, &err, WORLD_PATIENCE));
    CHECK_ERR(err, SP_ERR_TIMEOUT);
    puppet_exit(puppet, NULL);
    CHECK_ERR(caller.err, SP_OK);
    world_close();
}
