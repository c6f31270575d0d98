/* What waits for several tasks: all, the first good ones, one for each of many inputs.
 *
 * Each is a loop over sp__task_group_take(), the order in which tasks end. Where some are not
 * wanted any more the group is cancelled, and the loop goes on until nothing runs: so the losers
 * are dead before the winner is told.
 *
 * Threads: the owner. Neighbours: task_group.c.
 */
#include "behaviour/task.h"

#include <string.h>

static int64_t map_until(sp_deadline deadline)
{
    struct sp_runtime *runtime = sp_runtime_current();
    return runtime == NULL ? INT64_MAX : sp__scheduler_instant(runtime, deadline, sp_never());
}

/* ---- all ---- */

static sp_err join_all(sp_task_group group, bool stop_on_failure, struct sp_task_done *out_failed,
                       int64_t until)
{
    struct sp_task_done failed = { .err = SP_OK };
    struct sp_task_done done;
    struct sp__task_want want = { .until = until, .at_once = stop_on_failure };
    sp_err err = sp__task_group_for_all(group, true);
    while (err == SP_OK && (err = sp__task_group_take(group, &want, &done)) == SP_OK) {
        if (failed.err != SP_OK || done.err == SP_OK) {
            sp_reason_unref(done.reason);
            continue;
        }
        failed = done;
        if (stop_on_failure)
            sp_ignore(sp_task_group_cancel(group));
    }
    bool all = err == SP_ERR_NOTFOUND;
    if (err != SP_ERR_NOTCONTEXT)
        sp_ignore(sp__task_group_for_all(group, false));
    if (out_failed != NULL && all)
        *out_failed = failed;
    else
        sp_reason_unref(failed.reason);
    if (out_failed != NULL && !all)
        *out_failed = (struct sp_task_done){ .err = SP_OK };
    return all ? failed.err : err;
}

sp_err sp_task_group_join_all(sp_task_group group, struct sp_task_done *out_failed,
                              sp_deadline deadline)
{
    sp__point(SP__POINT_PROCESS, group.serial, "join all");
    return join_all(group, false, out_failed, map_until(deadline));
}

sp_err sp_task_group_join_all_ok(sp_task_group group, struct sp_task_done *out_failed,
                                 sp_deadline deadline)
{
    sp__point(SP__POINT_PROCESS, group.serial, "join all");
    return join_all(group, true, out_failed, map_until(deadline));
}

/* ---- the first good ones ---- */

struct quorum {
    sp_task_group group;
    size_t count; /* asked for */
    size_t won;
    const struct sp_task_type *type;
    char *outs;
    uint64_t *numbers;
    struct sp_task_failures *failures;
};

static void quorum_failed(struct quorum *quorum, struct sp_task_done *moved_done)
{
    struct sp_task_failures *failures = quorum->failures;
    if (failures != NULL && failures->count++ < failures->max)
        failures->list[failures->count - 1] = *moved_done;
    else
        sp_reason_unref(moved_done->reason);
}

/* Could enough succeed still? */
static bool quorum_possible(const struct quorum *quorum)
{
    struct sp_task_group_info info;
    return sp_task_group_info(quorum->group, &info) == SP_OK &&
           quorum->won + info.running + info.finished >= quorum->count;
}

static sp_err quorum_wait(struct quorum *quorum, int64_t until)
{
    sp_err err = SP_OK;
    while (err == SP_OK && quorum->won < quorum->count) {
        struct sp_task_done done;
        struct sp__task_want want = {
            .type = quorum->type,
            .out = quorum->outs + quorum->won * quorum->type->out_size,
            .until = until,
            .at_once = true,
        };
        if (!quorum_possible(quorum))
            return SP_ERR_LIMIT;
        err = sp__task_group_take(quorum->group, &want, &done);
        if (err != SP_OK)
            break;
        if (done.err != SP_OK) {
            quorum_failed(quorum, &done);
        } else if (done.type != quorum->type) {
            err = SP_ERR_INVALID;
        } else {
            if (quorum->numbers != NULL)
                quorum->numbers[quorum->won] = done.number;
            quorum->won++;
        }
    }
    return err;
}

static void quorum_undo(struct quorum *quorum)
{
    for (size_t i = 0; i < quorum->won && quorum->type->out_destroy != NULL; i++)
        quorum->type->out_destroy(quorum->outs + i * quorum->type->out_size);
}

sp_err sp_task_group_quorum(sp_task_group group, size_t count, const struct sp_task_type *type,
                            void *outs, uint64_t *numbers, struct sp_task_failures *failures,
                            sp_deadline deadline)
{
    sp__point(SP__POINT_PROCESS, group.serial, "quorum");
    struct quorum quorum = { .group = group,
                             .count = count,
                             .type = type,
                             .outs = outs,
                             .numbers = numbers,
                             .failures = failures };
    if (failures != NULL)
        failures->count = 0;
    sp_err err = quorum_wait(&quorum, map_until(deadline));
    if (err == SP_ERR_NOPROC || err == SP_ERR_NOTCONTEXT)
        return err;
    sp_ignore(sp_task_group_cancel(group));
    bool before = sp_shield(true);
    sp_ignore(sp__task_group_drain(group, INT64_MAX));
    struct sp_task_done done;
    struct sp__task_want rest = { .until = INT64_MAX };
    while (sp__task_group_take(group, &rest, &done) == SP_OK)
        sp_reason_unref(done.reason);
    (void)sp_shield(before);
    if (err != SP_OK)
        quorum_undo(&quorum);
    return err;
}

/* ---- many inputs ---- */

struct map {
    sp_task_group group;
    const struct sp_task_type *type;
    const char *ins;
    char *outs;
    sp_err *errs;
    size_t count;
    size_t started;
    size_t running;
    sp_err failure;
    const struct sp_task_map_options *options;
};

static void map_done(struct map *map, struct sp_task_done *done)
{
    map->running--;
    if (map->errs != NULL)
        map->errs[done->number] = done->err;
    if (done->err != SP_OK && map->failure == SP_OK) {
        map->failure = done->err;
        if (map->options->stop_on_failure) {
            sp_ignore(sp_task_group_cancel(map->group));
            map->count = map->started;
        }
    }
    if (map->options->on_done != NULL)
        map->options->on_done(done, map->options->arg);
    sp_reason_unref(done->reason);
}

static sp_err map_start_next(struct map *map)
{
    size_t i = map->started;
    struct sp__task_start start = { .type = map->type,
                                    .in = map->ins + i * map->type->in_size,
                                    .out = map->outs + i * map->type->out_size };
    sp_err err = sp__task_group_start(map->group, &start, NULL);
    if (err == SP_OK) {
        map->started++;
        map->running++;
    }
    return err;
}

/* One that has ended, and all others that have: as many are started anew. */
static sp_err map_take(struct map *map, int64_t until)
{
    struct sp_task_done done;
    struct sp__task_want want = { .until = until, .at_once = map->options->stop_on_failure };
    sp_err err = sp__task_group_take(map->group, &want, &done);
    if (err != SP_OK)
        return err;
    want.until = 0;
    do
        map_done(map, &done);
    while (sp__task_group_take(map->group, &want, &done) == SP_OK);
    return SP_OK;
}

static sp_err map_run(struct map *map, size_t running_max, int64_t until)
{
    sp_err err = SP_OK;
    while (err == SP_OK && (map->started < map->count || map->running > 0)) {
        while (err == SP_OK && map->started < map->count && map->running < running_max)
            err = map_start_next(map);
        if (err == SP_OK)
            err = map_take(map, until);
    }
    return err;
}

/* It does not go on: those that run are cancelled, and what they have done counts. */
static void map_end(struct map *map)
{
    struct sp_task_done done;
    sp_ignore(sp_task_group_cancel(map->group));
    bool before = sp_shield(true);
    struct sp__task_want rest = { .until = INT64_MAX };
    while (sp__task_group_take(map->group, &rest, &done) == SP_OK)
        map_done(map, &done);
    (void)sp_shield(before);
}

static size_t map_running_max(const struct sp_task_map_options *options)
{
    if (options->running_max != 0)
        return options->running_max;
    return 2 * (size_t)sp_runtime_current()->options.workers;
}

sp_err sp_task_map(const struct sp_task_type *type, const void *ins, size_t count, void *outs,
                   sp_err *errs, const struct sp_task_map_options *options, sp_deadline deadline)
{
    static const struct sp_task_map_options defaults;
    struct map map = { .type = type,
                       .ins = ins,
                       .outs = outs,
                       .errs = errs,
                       .count = count,
                       .options = options == NULL ? &defaults : options };
    if (count != 0)
        memset(outs, 0, count * type->out_size);
    for (size_t i = 0; errs != NULL && i < count; i++)
        errs[i] = SP_ERR_CANCELLED;
    /* A scope: they use the caller's memory. */
    sp_err err = sp__task_group_open(NULL, true, &map.group);
    if (err != SP_OK)
        return err;
    err = map_run(&map, map_running_max(map.options), map_until(deadline));
    if (err != SP_OK && err != SP_ERR_NOTCONTEXT)
        map_end(&map);
    sp_task_group_close(map.group);
    return err == SP_OK ? map.failure : err;
}
