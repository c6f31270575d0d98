/* A program for a debugger to look at: it stops in target_ready(), where
 *
 *   "main"      is running, in target_ready()
 *   "clerk"     handles `work`: suspended in a sleep, deep in functions; three messages wait
 *   "asker"     waits in a call for the clerk
 *   "idle"      is a server between two messages, without a stack
 *   "picky"     waits for a message, with one in its mailbox that it does not want
 *
 * With an argument it ends there, with a core file.
 */
#include <signal.h>
#include <spawned/spawned.h>
#include <unistd.h>

SP_SERVER(clerk, sp_empty);
SP_CALL(clerk, work, int, int);
SP_CAST(clerk, note, int);
SP_MESSAGE(unwanted, int);

struct clerk {
    int notes;
};

void target_ready(void);
int target_rest(int depth);

__attribute__((noinline)) int target_rest(int depth)
{
    if (depth > 0)
        return target_rest(depth - 1) + 1;
    (void)sp_sleep(sp_ms(100000));
    return depth;
}

static sp_err clerk_on_work(struct clerk *self, const int *in, int *out)
{
    *out = target_rest(*in) + self->notes;
    return SP_OK;
}

static void clerk_on_note(struct clerk *self, const int *in)
{
    self->notes += *in;
}

SP_STATE(clerk, struct clerk);
SP_ON_CALL(clerk, work);
SP_ON_CAST(clerk, note);
SP_CLASS(clerk, .init = NULL);

static void asker_main(void *arg)
{
    int out;
    sp_ignore(clerk_work(*(clerk_ref *)arg, &(int){ 2 }, &out, sp_never()));
}

static bool never_wanted(const struct sp_message *message, void *arg)
{
    (void)message;
    (void)arg;
    return false;
}

static void picky_main(void *arg)
{
    (void)arg;
    struct sp_message *message;
    sp_ignore(sp_receive_select(never_wanted, NULL, sp_never(), &message));
}

/* Until everybody is where the script expects them. */
static void wait_for(sp_pid pid, enum sp_process_status status)
{
    struct sp_process_info info;
    do {
        sp_yield();
        if (sp_process_info(pid, &info) != SP_OK)
            sp_exit(sp_reason_error(SP_ERR_DIED, "it has ended"));
    } while (info.status != status);
}

__attribute__((noinline)) void target_ready(void)
{
    __asm__ volatile("" ::: "memory");
}

static int target_main(void *arg)
{
    bool *dies = arg;
    sp_empty none = { 0 };
    clerk_ref clerk;
    clerk_ref idle;
    sp_pid asker;
    sp_pid picky;
    struct sp_server_options named = { .spawn = { .name = "clerk" } };
    struct sp_server_options idle_named = { .spawn = { .name = "idle" } };
    if (clerk_start(&none, &named, &clerk) != SP_OK ||
        clerk_start(&none, &idle_named, &idle) != SP_OK ||
        sp_spawn(asker_main, &clerk,
                 &(struct sp_spawn_options){ .name = "asker", .arg_size = sizeof(clerk) },
                 &asker) != SP_OK ||
        sp_spawn(picky_main, NULL, &(struct sp_spawn_options){ .name = "picky" }, &picky) != SP_OK)
        return 1;
    wait_for(clerk.pid, SP_STATUS_WAITING);
    for (int i = 1; i <= 3; i++)
        if (clerk_note(clerk, &i) != SP_OK)
            return 1;
    if (unwanted_send(picky, &(int){ 7 }) != SP_OK)
        return 1;
    wait_for(picky, SP_STATUS_IDLE);
    if (*dies)
        (void)kill(getpid(), SIGQUIT); /* workers take no signals: the first thread does */
    while (*dies)
        (void)pause();
    target_ready();
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    bool dies = argc > 1;
    return sp_main(target_main, &dies, &(struct sp_runtime_options){ .workers = 1 });
}
