/* Destructors of payloads: the user's code, which may fault or end the process it runs in.
 *
 * What is being destroyed is a resource of the process meanwhile, on the stack, so that its
 * memory is freed also where the destructor does not come back.
 *
 * Threads: any with a context; the guard is the running process's. Neighbours: resource.h,
 * exit.c.
 */
#include "process/resource.h"
#include "process/send.h"

struct destroy_guard {
    struct sp__resource resource;
    struct sp_message *message;
};

static void destroy_release(struct sp__resource *resource)
{
    struct destroy_guard *guard = sp__container_of(resource, struct destroy_guard, resource);
    sp__message_release(guard->message);
}

static void destroy_begin(struct destroy_guard *guard)
{
    struct sp_process *self = sp__process_self();
    guard->resource.release = destroy_release;
    if (self != NULL)
        sp__resource_add(self, &guard->resource);
}

static void destroy_end(struct destroy_guard *guard)
{
    sp__resource_remove(&guard->resource);
    destroy_release(&guard->resource);
}

void sp__message_destroy(struct sp_message *message)
{
    if (message->type->destroy == NULL) {
        sp__message_release(message);
        return;
    }
    struct destroy_guard guard = { .message = message };
    destroy_begin(&guard);
    sp__message_empty(message);
    destroy_end(&guard);
}
