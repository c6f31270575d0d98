#include "process/dropper.h"

#include "process/send.h"

/* Each is off the list before its destructor runs: where one faults or exits, the exit goes on with the
 * rest. */
static void dropper_finish(struct sp_process *self, const struct sp_reason *reason)
{
    (void)reason;
    for (struct sp_message *message; (message = self->data) != NULL;) {
        self->data = sp__message_next(message);
        sp__message_destroy(message);
    }
}

static enum sp__turn dropper_turn(struct sp__actor *actor)
{
    sp__process_exit((struct sp_process *)(void *)actor, sp_reason_normal());
    return SP__TURN_DEAD;
}

static const struct sp__behaviour dropper_behaviour = {
    .label = "messages of timers, dropped",
    .turn = dropper_turn,
    .finish = dropper_finish,
    .always = true,
};

void sp__messages_drop(struct sp_runtime *runtime, struct sp_message *moved_first)
{
    struct sp_message *rest = NULL;
    for (struct sp_message *message = moved_first, *next; message != NULL; message = next) {
        next = sp__message_next(message);
        if (message->type->destroy == NULL) {
            sp__message_destroy(message);
            continue;
        }
        sp__message_set_next(message, rest);
        rest = message;
    }
    struct sp_process *process;
    if (rest == NULL)
        return;
    if (sp__process_create(runtime, &dropper_behaviour, rest, NULL, &process) == SP_OK) {
        sp__scheduler_ready_new(&process->actor);
        return;
    }
    for (struct sp_message *next; rest != NULL; rest = next) {
        next = sp__message_next(rest);
        sp__message_destroy(rest);
    }
}
