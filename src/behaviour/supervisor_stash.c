/* See supervisor_stash.h.
 */
#include "behaviour/supervisor_stash.h"

#include "behaviour/deadline.h"
#include "process/process.h"
#include "spawned/registry.h"

#include <string.h>

struct stash_start {
    const struct sp_server_class *server_class;
    char name[SP_NAME_MAX + 1];
};

/* To the stand-in: forward what you have. Goes past its full mailbox. */
struct stash_release {
    sp_pid to;
};
static const struct sp_msg_type stash_release_type = { "stash release",
                                                       sizeof(struct stash_release),
                                                       SP__KIND_RESERVED, NULL };

static bool stash_is_release(const struct sp_message *message, void *arg)
{
    (void)arg;
    return sp_message_type(message) == &stash_release_type;
}

/* Forwards what is queued, in order. A child that is dead or full by now gets what a direct send
 * would get: the message is counted, its caller is told. */
static void stash_forward(sp_pid to)
{
    struct sp_message *message;
    while (sp_receive(sp_nowait(), &message) == SP_OK)
        sp_ignore(sp_message_forward(message, to));
}

static void stash_run(void *arg)
{
    const struct stash_start *start = arg;
    struct sp_message *message;

    /* The class first: a typed look-up that finds the name without it would say BADCALL. */
    if (sp__process_set_class(start->server_class) != SP_OK ||
        sp_register(start->name, sp_self()) != SP_OK ||
        sp_receive_select(stash_is_release, NULL, sp_never(), &message) != SP_OK)
        return;
    sp_pid to = ((const struct stash_release *)sp_message_peek(message))->to;
    sp_message_free(message);

    stash_forward(to);
    if (sp_unregister(start->name) == SP_OK)
        stash_forward(to); /* of those who had looked the name up before */
}

sp_err sp__stash_open(const char *name, const struct sp_server_class *server_class, uint32_t max,
                      struct sp__stash *out_stash)
{
    struct stash_start start = { .server_class = server_class };
    size_t size = strlen(name) + 1;
    if (size > sizeof(start.name))
        return SP_ERR_INVALID;
    memcpy(start.name, name, size);
    return sp_spawn(stash_run, &start,
                    &(struct sp_spawn_options){ .label = "stash",
                                                .arg_size = sizeof(start),
                                                .link = true,
                                                .mailbox_max = max,
                                                .overflow = SP_OVERFLOW_DROP_NEWEST },
                    &out_stash->pid);
}

/* Waits until the stand-in is gone and takes its EXIT notice out of the supervisor's mailbox. */
static void stash_reap(struct sp__stash *stash)
{
    while (sp_join(stash->pid, sp_never(), NULL) == SP_ERR_NOMEM && sp_is_alive(stash->pid))
        sp__deadline_pause();
    sp_unlink(stash->pid);
    stash->pid = SP_PID_NONE;
}

sp_err sp__stash_deliver(struct sp__stash *stash, const char *name, sp_pid child)
{
    struct stash_release release = { .to = child };
    /* NOPROC: it could not take the name, and holds nothing. */
    while (sp_send(stash->pid, &stash_release_type, &release) == SP_ERR_NOMEM)
        sp__deadline_pause();
    stash_reap(stash);
    return sp_register(name, child);
}

void sp__stash_drop(struct sp__stash *stash)
{
    if (sp_pid_is_none(stash->pid))
        return;
    while (sp_kill(stash->pid) == SP_ERR_NOMEM)
        sp__deadline_pause();
    stash_reap(stash);
}
