#include "unseen.h"

void play(const struct role *roles, size_t count)
{
    struct sp_message *message;
    for (size_t i = 0; i < count; i++) {
        sp_monitor_ref down;
        sp_ignore(sp_spawn(
            roles[i].fn, NULL,
            &(struct sp_spawn_options){ .name = roles[i].name, .out_monitor = &down }, NULL));
    }
    for (size_t i = 0; i < count; i++)
        if (sp_receive(sp_never(), &message) == SP_OK)
            sp_message_free(message);
}
