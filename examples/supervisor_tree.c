/* A tree of supervisors, crashing and recovering before your eyes.
 *
 *     top ── one for one: who crashed is started again
 *      ├── store
 *      └── pipeline ── rest for one: who crashed, and those started after it, which build on it
 *           ├── reader
 *           └── writer
 *
 * Nothing here repairs a state. A process that is broken ends, with its state, and starts again
 * from one that is known to be good; who decides that is not the broken process itself.
 */
#include <spawned/spawned.h>
#include <spawned/supervisor.h>
#include <stdio.h>
#include <stdlib.h>

/* Every worker tells main that it is up, so that main waits for that and not for time to pass. */
SP_MESSAGE(worker_is_up, sp_empty);

/* ---- workers that crash on demand ---- */

SP_SERVER(worker, sp_empty);
SP_CAST(worker, crash, sp_empty);

struct worker {
    char name[SP_NAME_MAX + 1];
};

static sp_err worker_init(struct worker *self, const sp_empty *args)
{
    sp_pid main_pid;
    (void)args;
    sp_err err = sp_name_of(sp_self(), self->name);
    if (err == SP_OK)
        err = sp_whereis("main", &main_pid);
    printf("  %s starts\n", self->name);
    return err == SP_OK ? worker_is_up_send(main_pid, &(sp_empty){ 0 }) : err;
}

static void worker_on_crash(struct worker *self, const sp_empty *in)
{
    (void)self;
    (void)in;
    abort(); /* a bug: ends this process, and no other */
}

/** Also after a crash, and, since workers trap exits, when the supervisor stops it. */
static void worker_terminate(struct worker *self, const struct sp_reason *reason)
{
    printf("  %s ends: %s\n", self->name, sp_reason_text(reason));
}

SP_STATE(worker, struct worker);
SP_ON_INIT(worker);
SP_ON_CAST(worker, crash);
SP_ON_TERMINATE(worker);
SP_CLASS(worker, .init = worker__init, .terminate = worker__terminate);

/* ---- the tree ---- */

/* A worker is looked up by its name: its pid changes with every restart, the name does not. */
#define WORKER(text) \
    .id = text, .server = &worker_class, .options.spawn = { .name = text, .trap_exit = true }

static const struct sp_child_spec pipeline_children[] = {
    { WORKER("reader") },
    { WORKER("writer") },
};
static const struct sp_supervisor_spec pipeline = {
    .strategy = SP_REST_FOR_ONE,
    .max_restarts = 2, /* in an hour; with a third one it has tried enough */
    .period = { 3600 * SP_NS_PER_S },
    .children = pipeline_children,
    .child_count = 2,
};
static const struct sp_child_spec top_children[] = {
    { WORKER("store") },
    { .id = "pipeline", .supervisor = &pipeline },
};
static const struct sp_supervisor_spec top = {
    .strategy = SP_ONE_FOR_ONE,
    .max_restarts = 5,
    .period = { 3600 * SP_NS_PER_S },
    .children = top_children,
    .child_count = 2,
};

/* ---- what main does ---- */

static void must(sp_err err, const char *what)
{
    if (err != SP_OK)
        sp_exit_error(err, "%s: %s", what, sp_err_text(err));
}

static void wait_until_up(int workers)
{
    for (int i = 0; i < workers; i++) {
        struct sp_message *message;
        must(sp_receive(sp_after_sec(60), &message), "a worker is not up");
        sp_message_free(message);
    }
}

static void print_tree(sp_pid supervisor, int depth)
{
    struct sp_child_info *children;
    size_t count;
    must(sp_supervisor_which_children(supervisor, sp_after_sec(60), &children, &count), "children");
    for (size_t i = 0; i < count; i++) {
        printf("%*s%s (restarted %u times)\n", 4 * depth, "", children[i].id, children[i].restarts);
        if (children[i].type == SP_CHILD_SUPERVISOR)
            print_tree(children[i].pid, depth + 1);
    }
    sp_free(children);
}

/** Crash a worker, wait until `comes_up` workers have started again, show the tree. */
static void crash(sp_pid supervisor, const char *name, int comes_up)
{
    worker_ref worker;
    printf("\n%s crashes\n", name);
    must(worker_whereis(name, &worker), "no such worker");
    must(worker_crash(worker, &(sp_empty){ 0 }), "crash");
    wait_until_up(comes_up);
    print_tree(supervisor, 1);
}

static int run(void *arg)
{
    sp_pid supervisor;
    (void)arg;
    must(sp_supervisor_start(&top, NULL, &supervisor), "start");
    wait_until_up(3);
    print_tree(supervisor, 1);

    crash(supervisor, "store", 1);
    crash(supervisor, "reader", 2); /* the writer with it: it comes after the reader */
    crash(supervisor, "writer", 1);
    printf("\nonce more, which is too often for the pipeline: it gives up, and top restarts it");
    crash(supervisor, "writer", 2);

    printf("\nstop, in reverse order\n");
    must(sp_stop(supervisor, sp_reason_shutdown(), sp_after_sec(60)), "stop");
    return EXIT_SUCCESS;
}

int main(void)
{
    return sp_main(run, NULL, NULL);
}
