/* Why did it end? Every end has a reason, and everybody who asks gets to see it.
 *
 * The reasons of processes that ended one by one, each told in a DOWN to whoever monitors it;
 * and then three that are linked, where the first one's death brings down the others.
 */
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- four ways to end ---- */

static void returns(void *arg)
{
    (void)arg;
}

static void fails(void *arg)
{
    (void)arg;
    sp_exit_error(SP_ERR_NOTFOUND, "no configuration");
}

static void faults(void *arg)
{
    /* A bug; a write through a bad pointer does the same. The stack is dropped where it is, the
     * process's memory is freed, and nobody else notices. docs/containment.md says what that can
     * promise, and what it cannot. */
    (void)arg;
    abort();
}

static void waits(void *arg)
{
    struct sp_message *message;
    (void)arg;
    while (sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
}

/** Start a process, wait for the notice of its end, and say why it ended. */
static void show(const char *what, sp_process_fn fn, bool kill)
{
    sp_monitor_ref monitor;
    sp_pid pid;
    struct sp_message *message;
    /* Monitored from its first instant: however soon it ends, we see its own reason. */
    sp_err err = sp_spawn(fn, NULL, &(struct sp_spawn_options){ .out_monitor = &monitor }, &pid);
    if (err == SP_OK && kill)
        err = sp_kill(pid);
    if (err == SP_OK)
        err = sp_receive(sp_after_sec(60), &message);
    if (err != SP_OK)
        sp_exit_error(err, "cannot show how a process %s", what);
    const struct sp_down *down = sp_message_down(message);
    if (down != NULL)
        printf("%-9s  %-34s %s\n", what, sp_reason_text(down->reason),
               sp_reason_is_normal(down->reason) ? "normal" : "abnormal");
    sp_message_free(message);
}

/* ---- a chain of links: front -> cache -> disk ---- */

struct word {
    char text[32];
};
SP_MESSAGE(linked, struct word);
SP_MESSAGE(fail, struct word);

/** Dies with whom it is linked to, since it does not trap exits. */
static void depends(void *arg)
{
    const sp_pid *pids = arg; /* on whom, and whom to tell */
    if (sp_link(pids[0]) != SP_OK)
        sp_exit_error(SP_ERR_NOPROC, "too late");
    sp_ignore(linked_send(pids[1], &(struct word){ "linked" }));
    waits(NULL);
}

static void disk(void *arg)
{
    struct sp_message *message;
    (void)arg;
    if (sp_receive(sp_never(), &message) == SP_OK && fail_of(message) != NULL)
        sp_exit_error(SP_ERR_IO, "%s", fail_of(message)->text);
}

static sp_pid start_depending(sp_pid on)
{
    const sp_pid pids[2] = { on, sp_self() };
    sp_pid pid = SP_PID_NONE;
    struct sp_message *message;
    sp_err err = sp_spawn(depends, (void *)(uintptr_t)pids,
                          &(struct sp_spawn_options){ .arg_size = sizeof pids }, &pid);
    if (err == SP_OK)
        err = sp_receive(sp_after_sec(60), &message);
    if (err != SP_OK)
        sp_exit_error(err, "cannot start");
    sp_message_free(message);
    return pid;
}

static void show_chain(void)
{
    enum { DISK, CACHE, FRONT };
    static const char *const names[] = { "disk", "cache", "front" };
    sp_pid pids[3];
    sp_monitor_ref monitor;
    struct sp_message *message;
    sp_err err = sp_spawn(disk, NULL, NULL, &pids[DISK]);
    if (err != SP_OK)
        sp_exit_error(err, "cannot start");
    pids[CACHE] = start_depending(pids[DISK]);
    pids[FRONT] = start_depending(pids[CACHE]);
    if (sp_monitor(pids[FRONT], &monitor) != SP_OK ||
        fail_send(pids[DISK], &(struct word){ "disk is full" }) != SP_OK ||
        sp_receive(sp_after_sec(60), &message) != SP_OK)
        sp_exit_error(SP_ERR_TIMEOUT, "the chain does not break");
    /* The front's reason has the text of the first; its causes say whose death it was. */
    const struct sp_down *down = sp_message_down(message);
    const struct sp_reason *first = down == NULL ? NULL : down->reason;
    for (const struct sp_reason *r = first; r != NULL; r = sp_reason_cause(r))
        for (int i = DISK; i <= FRONT; i++)
            if (sp_pid_equal(sp_reason_process(r), pids[i]))
                printf("%s%s: %s\n", r == first ? "" : "  because ", names[i], sp_reason_text(r));
    sp_message_free(message);
}

static int run(void *arg)
{
    (void)arg;
    show("returns", returns, false);
    show("fails", fails, false);
    show("faults", faults, false);
    show("is killed", waits, true);
    show_chain();
    return EXIT_SUCCESS;
}

int main(void)
{
    return sp_main(run, NULL, NULL);
}
