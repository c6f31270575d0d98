/* See supervisor_spec.h.
 */
#include "behaviour/supervisor_spec.h"

#include "base/alloc.h"
#include "behaviour/backoff.h"
#include "behaviour/restart_window.h"
#include "spawned/registry.h"

#include <string.h>

#define SPEC_SHUTDOWN_DEFAULT_SEC 5

/* Specs nest; this is deeper than any tree, and keeps a cycle of pointers from being followed. */
#define SPEC_DEPTH_MAX 32

static sp_err spec_fill(const struct sp_child_spec *spec, enum sp__child_place place, int depth,
                        struct sp_child_spec *out);
static void spec_finish(struct sp_child_spec *spec);

sp_err sp__child_args_copy(const void *args, size_t size, const void **out_args)
{
    if (size == 0) {
        *out_args = args;
        return SP_OK;
    }
    if (args == NULL)
        return SP_ERR_INVALID;
    void *copy = sp__malloc(size);
    if (copy == NULL)
        return SP_ERR_NOMEM;
    memcpy(copy, args, size);
    *out_args = copy;
    return SP_OK;
}

void sp__child_args_free(const void *args, size_t size)
{
    if (size > 0)
        sp__free((void *)(uintptr_t)args);
}

static bool spec_is_supervisor(const struct sp_child_spec *spec)
{
    return spec->supervisor != NULL || spec->dynamic != NULL || spec->type == SP_CHILD_SUPERVISOR;
}

static bool spec_id_valid(const char *id, enum sp__child_place place)
{
    if (id == NULL || id[0] == '\0')
        return place == SP__CHILD_DYNAMIC;
    return strnlen(id, SP_CHILD_ID_MAX + 1) <= SP_CHILD_ID_MAX;
}

/* Exactly one kind of start? */
static bool spec_start_valid(const struct sp_child_spec *spec)
{
    int kinds = (spec->server != NULL) + (spec->supervisor != NULL) + (spec->dynamic != NULL) +
                (spec->start != NULL);
    return kinds == 1;
}

static bool spec_shutdown_valid(sp_deadline shutdown)
{
    switch (shutdown.kind) {
    case SP_DEADLINE_DEFAULT:
    case SP_DEADLINE_NEVER:
        return true;
    case SP_DEADLINE_AFTER:
        return shutdown.ns >= 0;
    default:
        return false;
    }
}

static bool spec_valid(const struct sp_child_spec *spec, enum sp__child_place place)
{
    if (!spec_id_valid(spec->id, place) || !spec_start_valid(spec) ||
        !spec_shutdown_valid(spec->shutdown))
        return false;
    if ((unsigned)spec->restart > SP_RESTART_TEMPORARY ||
        (unsigned)spec->type > SP_CHILD_SUPERVISOR)
        return false;
    if (spec->significant && (spec->restart == SP_RESTART_PERMANENT || place == SP__CHILD_DYNAMIC))
        return false;
    return spec->options.spawn.out_monitor == NULL;
}

/* The stash is handed to the child in one go, so it must fit its mailbox. */
static void spec_limit_stash(struct sp_child_spec *spec)
{
    uint32_t room = spec->options.spawn.mailbox_max;
    if (spec->backoff.stash_max != SP_STASH_NONE && room != 0 && spec->backoff.stash_max > room)
        spec->backoff.stash_max = room;
}

static void supervisor_spec_free(const struct sp_supervisor_spec *spec)
{
    if (spec == NULL)
        return;
    struct sp_child_spec *children = (struct sp_child_spec *)(uintptr_t)spec->children;
    for (size_t i = 0; i < spec->child_count; i++)
        spec_finish(&children[i]);
    sp__free(children);
    sp__free((void *)(uintptr_t)spec);
}

static sp_err supervisor_spec_copy(const struct sp_supervisor_spec *spec, int depth,
                                   const struct sp_supervisor_spec **out_spec)
{
    if (!sp__restart_window_valid(spec->max_restarts, spec->period) ||
        (spec->child_count > 0 && spec->children == NULL))
        return SP_ERR_INVALID;
    struct sp_supervisor_spec *copy = sp__calloc(1, sizeof(*copy));
    struct sp_child_spec *children = sp__calloc(spec->child_count, sizeof(*children));
    if (copy == NULL || children == NULL) {
        sp__free(copy);
        sp__free(children);
        return SP_ERR_NOMEM;
    }
    *copy = *spec;
    copy->children = children;
    for (copy->child_count = 0; copy->child_count < spec->child_count; copy->child_count++) {
        size_t at = copy->child_count;
        sp_err err = spec_fill(&spec->children[at], SP__CHILD_STATIC, depth, &children[at]);
        if (err != SP_OK) {
            supervisor_spec_free(copy);
            return err;
        }
    }
    *out_spec = copy;
    return SP_OK;
}

static void dynamic_spec_free(const struct sp_dynamic_supervisor_spec *spec)
{
    if (spec == NULL)
        return;
    struct sp_child_spec *child = (struct sp_child_spec *)(uintptr_t)spec->child;
    if (child != NULL)
        spec_finish(child);
    sp__free(child);
    sp__free((void *)(uintptr_t)spec);
}

static sp_err dynamic_spec_copy(const struct sp_dynamic_supervisor_spec *spec, int depth,
                                const struct sp_dynamic_supervisor_spec **out_spec)
{
    if (!sp__restart_window_valid(spec->max_restarts, spec->period))
        return SP_ERR_INVALID;
    struct sp_dynamic_supervisor_spec *copy = sp__calloc(1, sizeof(*copy));
    if (copy == NULL)
        return SP_ERR_NOMEM;
    *copy = *spec;
    copy->child = NULL;
    if (spec->child != NULL) {
        struct sp_child_spec *child = sp__calloc(1, sizeof(*child));
        sp_err err =
            child == NULL ? SP_ERR_NOMEM : spec_fill(spec->child, SP__CHILD_DYNAMIC, depth, child);
        if (err != SP_OK) {
            sp__free(child);
            sp__free(copy);
            return err;
        }
        copy->child = child;
    }
    *out_spec = copy;
    return SP_OK;
}

static sp_err spec_copy_text(const char *text, const char **out_text)
{
    if (text == NULL)
        return SP_OK;
    *out_text = sp__strdup(text);
    return *out_text == NULL ? SP_ERR_NOMEM : SP_OK;
}

/* Copies what `spec` points to; `out` points to nothing yet. What was copied before a failure
 * stays in `out`. */
static sp_err spec_copy_pointers(const struct sp_child_spec *spec, int depth,
                                 struct sp_child_spec *out)
{
    sp_err err = spec_copy_text(spec->id, &out->id);
    if (err == SP_OK)
        err = spec_copy_text(spec->options.spawn.name, &out->options.spawn.name);
    if (err == SP_OK)
        err = sp__child_args_copy(spec->args, spec->args_size, &out->args);
    if (err == SP_OK)
        out->args_size = spec->args_size;
    if (err == SP_OK && spec->supervisor != NULL)
        err = supervisor_spec_copy(spec->supervisor, depth + 1, &out->supervisor);
    if (err == SP_OK && spec->dynamic != NULL)
        err = dynamic_spec_copy(spec->dynamic, depth + 1, &out->dynamic);
    return err;
}

/* Checks, completes and copies. On failure `out` owns nothing. */
static sp_err spec_fill(const struct sp_child_spec *spec, enum sp__child_place place, int depth,
                        struct sp_child_spec *out)
{
    struct sp_backoff backoff;
    if (depth > SPEC_DEPTH_MAX || !spec_valid(spec, place))
        return SP_ERR_INVALID;
    sp_err err = sp__backoff_resolve(&spec->backoff, &backoff);
    if (err != SP_OK)
        return err;

    *out = *spec;
    out->id = NULL;
    out->args = NULL;
    out->args_size = 0;
    out->supervisor = NULL;
    out->dynamic = NULL;
    out->options.spawn.name = NULL;
    out->options.out_existing = NULL;
    out->options.spawn.link = true;
    out->backoff = backoff;
    spec_limit_stash(out);
    if (spec_is_supervisor(spec))
        out->type = SP_CHILD_SUPERVISOR;
    if (out->shutdown.kind == SP_DEADLINE_DEFAULT)
        out->shutdown =
            out->type == SP_CHILD_SUPERVISOR ? sp_never() : sp_after_sec(SPEC_SHUTDOWN_DEFAULT_SEC);
    err = spec_copy_pointers(spec, depth, out);
    if (err != SP_OK)
        spec_finish(out);
    return err;
}

static void spec_finish(struct sp_child_spec *spec)
{
    sp__free((void *)(uintptr_t)spec->id);
    sp__free((void *)(uintptr_t)spec->options.spawn.name);
    sp__child_args_free(spec->args, spec->args_size);
    supervisor_spec_free(spec->supervisor);
    dynamic_spec_free(spec->dynamic);
    *spec = (struct sp_child_spec){ 0 };
}

sp_err sp__child_def_create(const struct sp_child_spec *spec, enum sp__child_place place,
                            struct sp__child_def **out_def)
{
    struct sp__child_def *def = sp__calloc(1, sizeof(*def));
    if (def == NULL)
        return SP_ERR_NOMEM;
    sp_err err = spec_fill(spec, place, 0, &def->spec);
    if (err != SP_OK) {
        sp__free(def);
        return err;
    }
    def->refs = 1;
    *out_def = def;
    return SP_OK;
}

struct sp__child_def *sp__child_def_ref(struct sp__child_def *def)
{
    def->refs++;
    return def;
}

void sp__child_def_unref(struct sp__child_def *def)
{
    if (def == NULL || --def->refs > 0)
        return;
    spec_finish(&def->spec);
    sp__free(def);
}

void sp__child_def_describe(const struct sp__child_def *def, struct sp_child_info *out_info)
{
    const struct sp_child_spec *spec = &def->spec;
    *out_info = (struct sp_child_info){
        .type = spec->type,
        .restart = spec->restart,
        .significant = spec->significant,
        .shutdown = spec->shutdown,
        .backoff = spec->backoff,
    };
    if (spec->id != NULL)
        memcpy(out_info->id, spec->id, strlen(spec->id) + 1);
}
