#include "sim/history/core.h"

#include "base/alloc.h"

#include <string.h>

enum {
    CORE_REPEAT_STATES = 300,   /* of a trial where operations repeat, and twice what it all took */
    CORE_TRIAL_STATES = 500,    /* of one where they do not, */
    CORE_SMALL = 16,            /* or, of so few operations, */
    CORE_SMALL_STATES = 4000,   /* enough for every order that matters */
    CORE_TOTAL_STATES = 200000, /* of all trials, and ten times what it all took */
};

struct core {
    const struct sim_core *input;
    size_t count; /* of its operations that were called in time */
    bool *free;   /* of each operation: it may happen whenever or never */
    bool *tried;
    struct sim_search_op *known;
    struct sim_search_op *open;
    uint64_t states;
    uint64_t states_max;
};

static void core_sort_out(const struct core *core, struct sim_search *search)
{
    size_t known = 0;
    size_t open = 0;
    for (size_t pass = 0; pass < 2; pass++) { /* free ones first: they are called at 0 */
        for (size_t i = 0; i < core->count; i++) {
            struct sim_search_op op = core->input->ops[i];
            if (core->free[i] != (pass == 0))
                continue;
            if (core->free[i])
                op.call = 0;
            if (core->free[i] || op.ret == SP_HISTORY_OPEN)
                core->open[open++] = op;
            else
                core->known[known++] = op;
        }
    }
    search->known_count = known;
    search->open_count = open;
}

/* Is what is not free illegal? */
static sp_err core_trial(struct core *core, bool *out_illegal)
{
    struct sim_search search = { .model = core->input->model,
                                 .known = core->known,
                                 .open = core->open,
                                 .memory_max = core->input->memory_max };
    core_sort_out(core, &search);
    *out_illegal = false;
    for (int repeat = 1; repeat >= 0 && !*out_illegal; repeat--) {
        struct sim_search_result result;
        search.repeat = repeat;
        search.states_max = repeat ? CORE_REPEAT_STATES + 2 * core->input->states
                            : core->count <= CORE_SMALL ? CORE_SMALL_STATES
                                                        : CORE_TRIAL_STATES;
        sp_err err = sim_search(&search, &result);
        if (err != SP_OK)
            return err;
        *out_illegal = result.end == SP_HISTORY_ILLEGAL;
        core->states += result.states + 1;
        sp__free(result.order);
    }
    return SP_OK;
}

/* Free the operations that are marked, if what is left is then still illegal. */
static sp_err core_try(struct core *core, const bool *mark, bool *out_any)
{
    bool illegal = false;
    bool any = false;
    if (core->states > core->states_max)
        return SP_OK;
    for (size_t i = 0; i < core->count; i++) {
        core->tried[i] = mark[i] && !core->free[i];
        core->free[i] = core->free[i] || mark[i];
        any = any || core->tried[i];
    }
    sp_err err = any ? core_trial(core, &illegal) : SP_OK;
    for (size_t i = 0; i < core->count && !illegal; i++)
        core->free[i] = core->free[i] && !core->tried[i];
    *out_any = *out_any || illegal;
    return err;
}

/* What may not have happened at all. */
static sp_err core_try_open(struct core *core, bool *mark)
{
    bool any = false;
    for (size_t i = 0; i < core->count; i++)
        mark[i] = core->input->ops[i].ret == SP_HISTORY_OPEN;
    return core_try(core, mark, &any);
}

static sp_err core_try_clients(struct core *core, bool *mark)
{
    const struct sim_search_op *ops = core->input->ops;
    sp_err err = SP_OK;
    bool any = false;
    for (size_t i = 0; i < core->count && err == SP_OK; i++) {
        uint32_t client = ops[i].operation->client;
        bool first = true;
        for (size_t j = 0; j < i && first; j++)
            first = ops[j].operation->client != client;
        for (size_t j = 0; j < core->count && first; j++)
            mark[j] = ops[j].operation->client == client;
        if (first)
            err = core_try(core, mark, &any);
    }
    return err;
}

/* Groups of `size` of those that are not free. */
static sp_err core_try_groups(struct core *core, bool *mark, size_t size, bool *out_any)
{
    sp_err err = SP_OK;
    for (size_t from = 0; from < core->count && err == SP_OK;) {
        size_t taken = 0;
        memset(mark, 0, core->count * sizeof(*mark));
        for (; from < core->count && taken < size; from++) {
            mark[from] = !core->free[from];
            taken += mark[from];
        }
        if (taken > 0)
            err = core_try(core, mark, out_any);
    }
    return err;
}

static sp_err core_shrink(struct core *core, bool *mark)
{
    sp_err err = core_try_open(core, mark);
    if (err == SP_OK)
        err = core_try_clients(core, mark);
    for (size_t size = (core->count + 1) / 2; err == SP_OK && size > 0;) {
        bool any = false;
        err = core_try_groups(core, mark, size, &any);
        if (size > 1)
            size = (size + 1) / 2;
        else if (!any || core->states > core->states_max)
            break;
    }
    return err;
}

static sp_err core_list(const struct core *core, size_t **out_list, size_t *out_count)
{
    size_t count = 0;
    size_t *list = sp__malloc((core->count + 1) * sizeof(*list));
    if (list == NULL)
        return SP_ERR_NOMEM;
    for (size_t i = 0; i < core->count; i++)
        if (!core->free[i])
            list[count++] = core->input->ops[i].index;
    *out_list = list;
    *out_count = count;
    return SP_OK;
}

sp_err sim_core_find(const struct sim_core *input, size_t **out_list, size_t *out_count)
{
    size_t count = input->count + 1;
    struct core core = { .input = input,
                         .free = sp__calloc(count, sizeof(bool)),
                         .tried = sp__calloc(count, sizeof(bool)),
                         .known = sp__malloc(count * sizeof(*core.known)),
                         .open = sp__malloc(count * sizeof(*core.open)),
                         .states_max = CORE_TOTAL_STATES + 10 * input->states };
    bool *mark = sp__calloc(count, sizeof(*mark));
    sp_err err = SP_ERR_NOMEM;
    if (core.free != NULL && core.tried != NULL && core.known != NULL && core.open != NULL &&
        mark != NULL) {
        while (core.count < input->count && input->ops[core.count].call <= input->last)
            core.count++;
        err = core_shrink(&core, mark);
    }
    if (err == SP_OK)
        err = core_list(&core, out_list, out_count);
    sp__free(core.free);
    sp__free(core.tried);
    sp__free(core.known);
    sp__free(core.open);
    sp__free(mark);
    return err;
}
