/* The public functions of the supervisors: turn specs into definitions, call, hand out the answer.
 *
 * Threads: the caller's process. Neighbours: supervisor_ops.h.
 */
#include "base/alloc.h"
#include "behaviour/supervisor_ops.h"
#include "process/spawn_site.h"

#include <string.h>

void sp__child_order_finish(struct sp__child_order *order)
{
    sp__child_def_unref(order->def);
    sp__child_args_free(order->args, order->own_args);
    *order = (struct sp__child_order){ 0 };
}

void sp__child_list_finish(struct sp__child_list *list)
{
    sp__free(list->children);
    *list = (struct sp__child_list){ 0 };
}

void sp__child_started_finish(struct sp__child_started *started)
{
    (void)started;
}

void sp__empty_finish(sp_empty *nothing)
{
    (void)nothing;
}

/* Starting and stopping a child lasts as long as its spec allows. */
static sp_deadline supervisor_patience(sp_deadline deadline)
{
    return deadline.kind == SP_DEADLINE_DEFAULT ? sp_never() : deadline;
}

/* NOTFOUND: no child has such an id. */
static sp_err supervisor_id(const char *id, struct sp__child_id *out_id)
{
    size_t size = strnlen(id, sizeof(out_id->text));
    if (size == 0 || size == sizeof(out_id->text))
        return SP_ERR_NOTFOUND;
    *out_id = (struct sp__child_id){ 0 };
    memcpy(out_id->text, id, size);
    return SP_OK;
}

/* The answer to a start; `existing` may be NULL. */
static sp_err supervisor_started(const struct sp__child_started *started, sp_pid *existing,
                                 sp_pid *out_pid)
{
    if (started->err == SP_OK && out_pid != NULL)
        *out_pid = started->pid;
    if (started->err == SP_ERR_EXISTS && existing != NULL)
        *existing = started->pid;
    return started->err;
}

/* The list becomes memory of the calling process. */
static sp_err supervisor_list(struct sp__child_list *list, struct sp_child_info **out_children,
                              size_t *out_count)
{
    struct sp_child_info *children = NULL;
    if (list->count > 0) {
        children = sp_try_alloc(list->count * sizeof(*children));
        if (children == NULL) {
            sp__child_list_finish(list);
            return SP_ERR_NOMEM;
        }
        memcpy(children, list->children, list->count * sizeof(*children));
    }
    *out_children = children;
    *out_count = list->count;
    sp__child_list_finish(list);
    return SP_OK;
}

/* ---- supervisor ---- */

/* What every supervisor is, whatever its options say. */
static struct sp_server_options supervisor_options(const struct sp_server_options *options)
{
    struct sp_server_options out = options == NULL ? (struct sp_server_options){ 0 } : *options;
    out.spawn.trap_exit = true;
    out.spawn.notices_first = true;
    return out;
}

sp_err sp_supervisor_start(const struct sp_supervisor_spec *spec,
                           const struct sp_server_options *options, sp_pid *out_pid)
{
    struct sp_server_options all = supervisor_options(options);
    sp__spawn_here(__builtin_return_address(0));
    return sp_server_start(&sp__supervisor_class, spec, &all, out_pid);
}

sp_err sp_supervisor_start_child(sp_pid supervisor, const struct sp_child_spec *spec,
                                 sp_deadline deadline, sp_pid *out_pid)
{
    struct sp__child_order order = { 0 };
    struct sp__child_started started;
    sp_err err = sp__child_def_create(spec, SP__CHILD_STATIC, &order.def);
    if (err == SP_OK)
        err = sp__supervisor_start_child((sp__supervisor_ref){ supervisor }, &order, &started,
                                         supervisor_patience(deadline));
    if (err != SP_OK)
        return err;
    return supervisor_started(&started, spec->options.out_existing, out_pid);
}

sp_err sp_supervisor_terminate_child(sp_pid supervisor, const char *id, sp_deadline deadline)
{
    struct sp__child_id in;
    sp_empty out;
    sp_err err = supervisor_id(id, &in);
    if (err != SP_OK)
        return err;
    return sp__supervisor_terminate_child((sp__supervisor_ref){ supervisor }, &in, &out,
                                          supervisor_patience(deadline));
}

sp_err sp_supervisor_restart_child(sp_pid supervisor, const char *id, sp_deadline deadline,
                                   sp_pid *out_pid)
{
    struct sp__child_id in;
    struct sp__child_started started;
    sp_err err = supervisor_id(id, &in);
    if (err == SP_OK)
        err = sp__supervisor_restart_child((sp__supervisor_ref){ supervisor }, &in, &started,
                                           supervisor_patience(deadline));
    if (err != SP_OK)
        return err;
    return supervisor_started(&started, NULL, out_pid);
}

sp_err sp_supervisor_delete_child(sp_pid supervisor, const char *id, sp_deadline deadline)
{
    struct sp__child_id in;
    sp_empty out;
    sp_err err = supervisor_id(id, &in);
    if (err != SP_OK)
        return err;
    return sp__supervisor_delete_child((sp__supervisor_ref){ supervisor }, &in, &out, deadline);
}

sp_err sp_supervisor_get_child(sp_pid supervisor, const char *id, sp_deadline deadline,
                               struct sp_child_info *out_child)
{
    struct sp__child_id in;
    sp_err err = supervisor_id(id, &in);
    if (err != SP_OK)
        return err;
    return sp__supervisor_get_child((sp__supervisor_ref){ supervisor }, &in, out_child, deadline);
}

sp_err sp_supervisor_which_children(sp_pid supervisor, sp_deadline deadline,
                                    struct sp_child_info **out_children, size_t *out_count)
{
    struct sp__child_list list;
    sp_err err = sp__supervisor_which_children((sp__supervisor_ref){ supervisor }, &(sp_empty){ 0 },
                                               &list, deadline);
    if (err != SP_OK)
        return err;
    return supervisor_list(&list, out_children, out_count);
}

sp_err sp_supervisor_info(sp_pid supervisor, sp_deadline deadline,
                          struct sp_supervisor_info *out_info)
{
    return sp__supervisor_info((sp__supervisor_ref){ supervisor }, &(sp_empty){ 0 }, out_info,
                               deadline);
}

/* ---- dynamic supervisor ---- */

sp_err sp_dynamic_supervisor_start(const struct sp_dynamic_supervisor_spec *spec,
                                   const struct sp_server_options *options, sp_pid *out_pid)
{
    struct sp_server_options all = supervisor_options(options);
    sp__spawn_here(__builtin_return_address(0));
    return sp_server_start(&sp__dynamic_supervisor_class, spec, &all, out_pid);
}

sp_err sp_dynamic_supervisor_start_child(sp_pid supervisor, const struct sp_dynamic_child *child,
                                         sp_deadline deadline, sp_pid *out_pid)
{
    struct sp__child_order order = { 0 };
    struct sp__child_started started;
    sp_err err = SP_OK;
    if (child->spec != NULL)
        err = sp__child_def_create(child->spec, SP__CHILD_DYNAMIC, &order.def);
    if (err == SP_OK && child->args != NULL) {
        err = sp__child_args_copy(child->args, child->args_size, &order.args);
        if (err == SP_OK)
            order.own_args = child->args_size;
    }
    if (err != SP_OK) {
        sp__child_order_finish(&order);
        return err;
    }
    err = sp__dynamic_supervisor_start_child((sp__dynamic_supervisor_ref){ supervisor }, &order,
                                             &started, supervisor_patience(deadline));
    if (err != SP_OK)
        return err;
    sp_pid *existing = child->spec == NULL ? NULL : child->spec->options.out_existing;
    return supervisor_started(&started, existing, out_pid);
}

sp_err sp_dynamic_supervisor_terminate_child(sp_pid supervisor, sp_pid pid, sp_deadline deadline)
{
    sp_empty out;
    return sp__dynamic_supervisor_terminate_child((sp__dynamic_supervisor_ref){ supervisor }, &pid,
                                                  &out, supervisor_patience(deadline));
}

sp_err sp_dynamic_supervisor_which_children(sp_pid supervisor, sp_deadline deadline,
                                            struct sp_child_info **out_children, size_t *out_count)
{
    struct sp__child_list list;
    sp_err err = sp__dynamic_supervisor_which_children((sp__dynamic_supervisor_ref){ supervisor },
                                                       &(sp_empty){ 0 }, &list, deadline);
    if (err != SP_OK)
        return err;
    return supervisor_list(&list, out_children, out_count);
}

sp_err sp_dynamic_supervisor_info(sp_pid supervisor, sp_deadline deadline,
                                  struct sp_supervisor_info *out_info)
{
    return sp__dynamic_supervisor_info((sp__dynamic_supervisor_ref){ supervisor }, &(sp_empty){ 0 },
                                       out_info, deadline);
}
