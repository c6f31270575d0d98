/* Processes: spawning, messages, links, monitors, names, groups, timers, memory, cancelling, and
 * work that blocks. */
#include "torture.h"

#include "spawned/group.h"
#include "spawned/registry.h"
#include "spawned/timer.h"

struct number {
    int64_t value;
    sp_pid from;
};
SP_MESSAGE(number, struct number);

static void drop_messages(void)
{
    struct sp_message *message;
    while (sp_receive(sp_nowait(), &message) == SP_OK)
        sp_message_free(message);
}

/* Answers each number with its double, until it is told to end. */
static void doubler(void *arg)
{
    struct sp_message *message;
    (void)arg;
    while (sp_receive(sp_never(), &message) == SP_OK) {
        const struct number *in = number_of(message);
        struct number out = { .value = in == NULL ? 0 : 2 * in->value, .from = sp_self() };
        sp_pid from = in == NULL ? SP_PID_NONE : in->from;
        sp_message_free(message);
        /* Who waits for the answer learns of the end. */
        if (number_send(from, &out) != SP_OK)
            sp_exit_error(SP_ERR_NOMEM, "no answer");
    }
}

/* Its answer, or it has ended. */
static void ask(sp_pid pid, int64_t value)
{
    sp_monitor_ref ref;
    struct sp_message *message;
    if (!DID(sp_monitor(pid, &ref)))
        return;
    if (DID(number_send(pid, &(struct number){ value, sp_self() })) &&
        DID(sp_receive(TORTURE_PATIENCE, &message))) {
        const struct number *answer = number_of(message);
        MUST(answer != NULL || sp_message_down(message) != NULL ||
             sp_message_exit(message) != NULL);
        MUST(answer == NULL || answer->value == 2 * value);
        MUST(answer != NULL || !torture_strict());
        sp_message_free(message);
    }
    (void)sp_demonitor(ref, SP_DEMONITOR_FLUSH);
}

static void part_processes(void)
{
    sp_pid pid;
    sp_monitor_ref ref;
    int64_t arg = 7;
    struct sp_spawn_options options = { .name = torture_name(),
                                        .label = "doubler",
                                        .link = true,
                                        .out_monitor = &ref,
                                        .arg_size = sizeof(arg),
                                        .memory_max = 1 << 20 };
    (void)sp_trap_exit(true);
    if (!DID(sp_spawn(doubler, &arg, &options, &pid)))
        return;
    sp_pid found;
    if (sp_whereis(torture_name(), &found) == SP_OK)
        MUST(sp_pid_equal(found, pid));
    for (int64_t i = 1; i < 4; i++)
        ask(pid, i);
    if (DID(sp_stop(pid, NULL, TORTURE_PATIENCE)))
        MUST(sp_whereis(torture_name(), &found) != SP_OK || !sp_pid_equal(found, pid));
    sp_unlink(pid);
    (void)sp_demonitor(ref, SP_DEMONITOR_FLUSH);
    drop_messages();
}

static void quick(void *arg)
{
    (void)arg;
    void *memory = sp_try_alloc(500);
    sp_free(memory);
}

static void part_many(void)
{
    for (int i = 0; i < 40; i++)
        DID(sp_spawn(quick, NULL, NULL, NULL));
    /* On a thread of its own. */
    sp_pid pid;
    if (DID(sp_spawn(quick, NULL, &(struct sp_spawn_options){ .own_thread = true }, &pid)))
        DID(sp_join(pid, TORTURE_PATIENCE, NULL));
}

static void part_relations(void)
{
    const char *second = torture_name();
    sp_pid pid;
    sp_monitor_ref ref;
    if (!DID(sp_spawn(doubler, NULL, NULL, &pid)))
        return;
    if (DID(sp_link(pid)))
        sp_unlink(pid);
    if (DID(sp_monitor(pid, &ref)))
        (void)sp_demonitor(ref, SP_DEMONITOR_FLUSH);
    if (DID(sp_monitor_name("nobody", &ref)))
        drop_messages();
    if (DID(sp_register(second, pid)))
        DID(sp_unregister(second));
    if (DID(sp_group_join("group", pid))) {
        struct sp_broadcast counts = { 0, 0 };
        DID(sp_group_send("group", &number_type, &(struct number){ 1, sp_self() }, &counts));
        DID(sp_group_leave("group", pid));
        MUST(!sp_group_is_member("group", pid));
    }
    while (sp_kill(pid) == SP_ERR_NOMEM)
        sp_yield();
    if (DID(sp_join(pid, TORTURE_PATIENCE, NULL)))
        MUST(!sp_is_alive(pid));
    drop_messages();
}

static void part_timers(void)
{
    sp_timer timer;
    struct sp_message *message;
    struct number tick = { 5, SP_PID_NONE };
    if (DID(sp_timer_start(sp_self(), &number_type, &tick,
                           &(struct sp_timer_options){ .after = sp_us(100) }, &timer)) &&
        DID(sp_receive(TORTURE_PATIENCE, &message))) {
        MUST(number_of(message) != NULL && number_of(message)->value == 5);
        sp_message_free(message);
    }
    if (DID(sp_timer_start(sp_self(), &number_type, &tick,
                           &(struct sp_timer_options){ .after = sp_sec(600), .key = 3 }, NULL)))
        DID(sp_timer_cancel_key(3, NULL));
    (void)sp_sleep(sp_us(200));
    drop_messages();
}

static void waits(void *arg)
{
    (void)arg;
    (void)sp_sleep(sp_sec(600));
}

static void add(void *data)
{
    *(int *)data += 1;
}

static void part_rest(void)
{
    sp_pid pid;
    if (DID(sp_spawn(waits, NULL, NULL, &pid))) {
        DID(sp_cancel(pid));
        while (sp_is_alive(pid) && sp_kill(pid) == SP_ERR_NOMEM)
            sp_yield();
        DID(sp_join(pid, TORTURE_PATIENCE, NULL));
    }
    int number = 1;
    if (DID(sp_blocking(add, &number, sizeof(number), TORTURE_PATIENCE)))
        MUST(number == 2);
    char *text = sp_strdup("text");
    text = sp_realloc(text, 3000);
    sp_free(text);
    DID(sp_defer(quick, NULL));
    /* They live on until the runtime stops. */
    DID(sp_spawn(waits, NULL, NULL, NULL));
    DID(sp_spawn(doubler, NULL, &(struct sp_spawn_options){ .trap_exit = true }, NULL));
}

void core_body(void *unused)
{
    (void)unused;
    part_processes();
    part_many();
    part_relations();
    part_timers();
    part_rest();
}
