/* Programs with a main function of their own, as nodes.
 *
 * The linker is told to --wrap=main, so that what starts the process finds our main function,
 * while the program's own, in the same object as in production, is called for a node
 * (entry_wrap.c).
 *
 * Threads: one. Neighbours: control.c, main.c.
 */
#include "base/alloc.h"
#include "sim/inside.h"

static void program_main(void *arg)
{
    struct sp_sim_node *node = arg;
    node->status = node->program(node->argc, node->argv);
    sim_node_ended(node);
}

/* Copies: a program may write to them. */
static bool program_arguments(struct sp_sim_node *node, const char *const *args)
{
    int count = 0;
    while (args != NULL && args[count] != NULL)
        count++;
    node->argv = sp__calloc((size_t)count + 2, sizeof(char *));
    if (node->argv == NULL)
        return false;
    for (node->argc = 0; node->argc < count + 1; node->argc++) {
        char *copy = sp__strdup(node->argc == 0 ? node->name : args[node->argc - 1]);
        if (copy == NULL)
            return false;
        node->argv[node->argc] = copy;
    }
    return true;
}

void sim_program_free(struct sp_sim_node *node)
{
    for (int i = 0; i < node->argc; i++)
        sp__free(node->argv[i]);
    sp__free(node->argv);
}

sp_sim_node *sp_sim_start_main(sp_sim *s, const char *name, int (*program)(int argc, char **argv),
                               const char *const *args)
{
    struct sp_sim_node *node = sim_node_add(s, name);
    node->program = program;
    if (!program_arguments(node, args))
        sp_sim_fail(s, "the simulation has no memory for node %s", name);
    sim_node_start(node, program_main);
    return node;
}

int sp_sim_status(const sp_sim_node *node)
{
    return node->status;
}
