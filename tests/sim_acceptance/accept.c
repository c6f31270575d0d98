#include "accept.h"

#include <stdio.h>

enum {
    ACCEPT_SETTLES = 64,
};

void accept_failed(const char *what, const char *file, int line)
{
    if (sp__properties != NULL)
        sp__properties->always_failed(what, file, line);
    sp_exit(sp_reason_kill()); /* while the nodes of a failed run are ended */
}

sp_pid accept_spawn(const char *name, void (*fn)(void *arg), void *arg)
{
    sp_pid pid;
    const struct sp_spawn_options options = { .name = name };
    if (sp_spawn(fn, arg, &options, &pid) != SP_OK)
        sp_exit_error(SP_ERR_NOMEM, "%s does not start", name == NULL ? "a process" : name);
    return pid;
}

void accept_die(const char *text)
{
    sp_exit_error(SP_ERR_IO, "%s", text);
}

bool accept_is(const struct sp_reason *reason, const char *text)
{
    return strcmp(sp_reason_text(reason), text) == 0;
}

bool accept_ended_with(sp_pid pid, const char *text)
{
    const struct sp_reason *reason;
    if (sp_join(pid, sp_never(), &reason) != SP_OK)
        return false;
    bool same = accept_is(reason, text);
    sp_reason_unref(reason);
    return same;
}

void accept_join(sp_pid pid)
{
    EXPECT(sp_join(pid, sp_never(), NULL) == SP_OK);
}

struct sp_message *accept_next(void)
{
    struct sp_message *message;
    if (sp_receive(sp_never(), &message) != SP_OK)
        sp_exit(sp_reason_kill());
    return message;
}

void accept_idle(void *unused)
{
    (void)unused;
    for (;;)
        sp_message_free(accept_next());
}

void accept_settle(void)
{
    sp_sleep(sp_sec(100));
}

struct accept_mail accept_mail_now(void)
{
    struct accept_mail mail = { .downs = 0 };
    struct sp_message *message;
    while (sp_receive(sp_nowait(), &message) == SP_OK) {
        const struct sp_down *down = sp_message_down(message);
        const struct sp_exit_notice *notice = sp_message_exit(message);
        const struct sp_reason *reason = NULL;
        if (down != NULL) {
            mail.downs++;
            mail.from = down->pid;
            reason = down->reason;
        } else if (notice != NULL) {
            mail.exits++;
            mail.from = notice->pid;
            reason = notice->reason;
        } else {
            mail.others++;
        }
        if (reason != NULL)
            (void)snprintf(mail.text, sizeof(mail.text), "%s", sp_reason_text(reason));
        sp_message_free(message);
    }
    return mail;
}

struct accept_mail accept_mail_settled(void)
{
    accept_settle();
    return accept_mail_now();
}

/* The main process and its parent, the node's attached thread, are not counted. */
static bool is_other(sp_pid pid)
{
    struct sp_process_info info;
    return !sp_pid_equal(pid, sp_self()) && sp_process_info(sp_self(), &info) == SP_OK &&
           !sp_pid_equal(pid, info.parent);
}

static bool first_other(sp_pid *out_pid)
{
    size_t cursor = 0;
    while (sp_process_list(&cursor, out_pid, 1) == 1)
        if (is_other(*out_pid))
            return true;
    return false;
}

bool accept_alone(void)
{
    sp_pid pid;
    return !first_other(&pid);
}

static void close_kill_the_rest(void)
{
    sp_pid pid;
    while (first_other(&pid)) {
        sp_ignore(sp_kill(pid));
        accept_join(pid);
    }
    (void)accept_mail_now();
}

static bool close_balanced(struct sp_stats *out_stats)
{
    sp_runtime_stats(sp_runtime_current(), out_stats);
    return out_stats->sent == out_stats->handled + out_stats->queued + out_stats->dead_noproc +
                                  out_stats->dropped_full + out_stats->dropped_stale +
                                  out_stats->dropped_shed;
}

void accept_close(void)
{
    struct sp_stats stats;
    close_kill_the_rest();
    /* What the last ones leave is counted after their end is told. */
    for (int i = 0; i < ACCEPT_SETTLES && !close_balanced(&stats); i++)
        sp_sleep(sp_sec(1));
    sp_always(close_balanced(&stats), "messages sent = handled + queued + dead + dropped");
    sp_always(stats.queued == 0, "no message is left");
    sp_always(stats.processes == 2, "no process is left"); /* but main and the thread */
    sp_always(stats.exited + 2 == stats.spawned, "all processes have ended");
    sp_always(stats.timers == 0, "no timer is left");
    sp_always(sp_registered_count() <= 1, "no name is left");
    sp_always(sp_group_count() == 0, "no group is left");
}

static void accept_main(void *arg)
{
    void (*const *main_fn)(void *arg) = arg;
    (void)sp_trap_exit(true);
    (*main_fn)(NULL);
    accept_close();
}

void accept_run(sp_sim *s, void (*main_fn)(void *arg))
{
    static void (*fn)(void *arg);
    fn = main_fn;
    sp_sim_node *node = sp_sim_start(s, "node", accept_main, &fn);
    sp_sim_run(s);
    sp_sim_check(s, sp_sim_ended(node), "the node has not ended");
}
