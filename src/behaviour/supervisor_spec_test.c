/* Specs: what is refused, what the defaults are, and that a copy is a copy. */
#include "behaviour/supervisor_spec.h"

#include "support/test.h"

#include <string.h>

static sp_err some_init(void *state, const void *args)
{
    (void)state;
    (void)args;
    return SP_OK;
}

static const struct sp_server_class some_class = { .name = "some",
                                                   .state_size = 1,
                                                   .init = some_init };

static sp_err some_start(void *args, sp_pid *out_pid)
{
    (void)args;
    (void)out_pid;
    return SP_ERR_IGNORED;
}

static sp_err try_spec(struct sp_child_spec spec, enum sp__child_place place)
{
    struct sp__child_def *def;
    sp_err err = sp__child_def_create(&spec, place, &def);
    if (err == SP_OK)
        sp__child_def_unref(def);
    return err;
}

static struct sp_child_info described(struct sp_child_spec spec)
{
    struct sp__child_def *def;
    struct sp_child_info info;
    CHECK_OK(sp__child_def_create(&spec, SP__CHILD_STATIC, &def));
    sp__child_def_describe(def, &info);
    sp__child_def_unref(def);
    return info;
}

/* case 53: permanent, worker, 5000 ms. */
TEST(spec_defaults_of_a_worker)
{
    struct sp_child_info info =
        described((struct sp_child_spec){ .id = "a", .server = &some_class });
    CHECK_STR(info.id, "a");
    CHECK_INT(info.restart, SP_RESTART_PERMANENT);
    CHECK_INT(info.type, SP_CHILD_WORKER);
    CHECK_INT(info.shutdown.kind, SP_DEADLINE_AFTER);
    CHECK_INT(info.shutdown.ns, sp_sec(5).ns);
    CHECK_INT(info.backoff.min.ns, 0);
    CHECK(!info.significant);
}

TEST(spec_default_budget_of_a_supervisor_is_without_end)
{
    struct sp_supervisor_spec nested = { 0 };
    struct sp_dynamic_supervisor_spec dynamic = { 0 };
    struct sp_child_info info =
        described((struct sp_child_spec){ .id = "a", .supervisor = &nested });
    CHECK_INT(info.type, SP_CHILD_SUPERVISOR);
    CHECK_INT(info.shutdown.kind, SP_DEADLINE_NEVER);
    info = described((struct sp_child_spec){ .id = "a", .dynamic = &dynamic });
    CHECK_INT(info.type, SP_CHILD_SUPERVISOR);
    CHECK_INT(info.shutdown.kind, SP_DEADLINE_NEVER);
    info = described((struct sp_child_spec){
        .id = "a", .start = some_start, .type = SP_CHILD_SUPERVISOR, .shutdown = sp_after_ms(7) });
    CHECK_INT(info.shutdown.kind, SP_DEADLINE_AFTER);
    CHECK_INT(info.shutdown.ns, sp_ms(7).ns);
}

TEST(spec_id_has_a_length)
{
    char id[SP_CHILD_ID_MAX + 2];
    memset(id, 'x', sizeof(id));
    id[sizeof(id) - 1] = '\0';
    struct sp_child_spec spec = { .id = id, .server = &some_class };
    CHECK_ERR(try_spec(spec, SP__CHILD_STATIC), SP_ERR_INVALID);
    id[SP_CHILD_ID_MAX] = '\0';
    CHECK_ERR(try_spec(spec, SP__CHILD_STATIC), SP_OK);
    CHECK_INT(strlen(described(spec).id), SP_CHILD_ID_MAX);
    id[0] = '\0';
    CHECK_ERR(try_spec(spec, SP__CHILD_STATIC), SP_ERR_INVALID);
    CHECK_ERR(try_spec(spec, SP__CHILD_DYNAMIC), SP_OK);
    spec.id = NULL;
    CHECK_ERR(try_spec(spec, SP__CHILD_STATIC), SP_ERR_INVALID);
    CHECK_ERR(try_spec(spec, SP__CHILD_DYNAMIC), SP_OK);
}

TEST(spec_refuses_what_makes_no_sense)
{
    sp_monitor_ref ref;
    struct sp_supervisor_spec nested = { 0 };
    struct sp_supervisor_spec too_many = { .max_restarts = SP_RESTARTS_MAX + 1 };
    struct sp_supervisor_spec bad_period = { .period = { -1 } };
    struct sp_supervisor_spec no_children = { .child_count = 1 };
    struct sp_dynamic_supervisor_spec bad_dynamic = { .max_restarts = SP_RESTARTS_MAX + 1 };
    const struct sp_child_spec bad[] = {
        { .id = "no start" },
        { .id = "two starts", .server = &some_class, .start = some_start },
        { .id = "two starts", .server = &some_class, .supervisor = &nested },
        { .id = "significant and permanent", .server = &some_class, .significant = true },
        { .id = "instant", .server = &some_class, .shutdown = sp_at((sp_time){ 1 }) },
        { .id = "negative", .server = &some_class, .shutdown = sp_after_ms(-1) },
        { .id = "backoff", .server = &some_class, .backoff = { .min = { 1 }, .factor = 0.1 } },
        { .id = "monitor", .server = &some_class, .options.spawn.out_monitor = &ref },
        { .id = "restart", .server = &some_class, .restart = (enum sp_restart)3 },
        { .id = "type", .server = &some_class, .type = (enum sp_child_type)2 },
        { .id = "no args", .server = &some_class, .args_size = 4 },
        { .id = "nested", .supervisor = &too_many },
        { .id = "nested", .supervisor = &bad_period },
        { .id = "nested", .supervisor = &no_children },
        { .id = "nested", .dynamic = &bad_dynamic },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(try_spec(bad[i], SP__CHILD_STATIC), SP_ERR_INVALID);
    CHECK_ERR(try_spec((struct sp_child_spec){ .server = &some_class,
                                               .restart = SP_RESTART_TEMPORARY,
                                               .significant = true },
                       SP__CHILD_DYNAMIC),
              SP_ERR_INVALID);
}

/* The nested specs are those of a function that has returned, and of memory written over. */
TEST(spec_copy_does_not_look_back)
{
    char id[] = "child", name[] = "name", nested_id[] = "nested";
    int args = 41;
    struct sp_child_spec inner = {
        .id = nested_id, .server = &some_class, .args = &args, .args_size = sizeof(args)
    };
    struct sp_supervisor_spec nested = { .children = &inner, .child_count = 1 };
    struct sp_child_spec outer = { .id = id, .supervisor = &nested, .options.spawn.name = name };
    struct sp__child_def *def;
    CHECK_OK(sp__child_def_create(&outer, SP__CHILD_STATIC, &def));
    memset(id, '?', sizeof(id) - 1);
    memset(name, '?', sizeof(name) - 1);
    memset(nested_id, '?', sizeof(nested_id) - 1);
    args = 0;
    memset(&inner, 0, sizeof(inner));
    memset(&nested, 0, sizeof(nested));
    memset(&outer, 0, sizeof(outer));

    CHECK_STR(def->spec.id, "child");
    CHECK_STR(def->spec.options.spawn.name, "name");
    CHECK(def->spec.options.spawn.link);
    CHECK_INT(def->spec.supervisor->child_count, 1);
    const struct sp_child_spec *copy = &def->spec.supervisor->children[0];
    CHECK_STR(copy->id, "nested");
    CHECK_INT(*(const int *)copy->args, 41);
    CHECK_INT(copy->shutdown.ns, sp_sec(5).ns);
    sp__child_def_unref(def);
}

TEST(spec_arguments_of_size_zero_are_kept_as_they_are)
{
    static int args;
    struct sp_child_spec spec = { .id = "a", .server = &some_class, .args = &args };
    struct sp__child_def *def;
    CHECK_OK(sp__child_def_create(&spec, SP__CHILD_STATIC, &def));
    CHECK_PTR(def->spec.args, &args);
    sp__child_def_unref(def);
}

TEST(spec_completed_twice_is_the_same)
{
    struct sp_child_spec spec = { .id = "a",
                                  .server = &some_class,
                                  .restart = SP_RESTART_TRANSIENT,
                                  .significant = true,
                                  .backoff = { .min = sp_ms(10), .jitter = 0.25 } };
    struct sp__child_def *once;
    struct sp__child_def *twice;
    CHECK_OK(sp__child_def_create(&spec, SP__CHILD_STATIC, &once));
    CHECK_OK(sp__child_def_create(&once->spec, SP__CHILD_STATIC, &twice));
    struct sp_child_info a, b;
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    sp__child_def_describe(once, &a);
    sp__child_def_describe(twice, &b);
    CHECK_STR(a.id, b.id);
    CHECK_INT(a.shutdown.ns, b.shutdown.ns);
    CHECK_INT(a.backoff.max.ns, b.backoff.max.ns);
    CHECK_INT(a.backoff.reset_after.ns, b.backoff.reset_after.ns);
    CHECK_INT(a.backoff.stash_max, b.backoff.stash_max);
    sp__child_def_unref(once);
    sp__child_def_unref(twice);
}

TEST(spec_stash_fits_the_mailbox_of_the_child)
{
    struct sp_child_spec spec = { .id = "a",
                                  .server = &some_class,
                                  .options.spawn.mailbox_max = 10,
                                  .backoff = { .min = sp_ms(10) } };
    CHECK_INT(described(spec).backoff.stash_max, 10);
    spec.backoff.stash_max = 3;
    CHECK_INT(described(spec).backoff.stash_max, 3);
    spec.backoff.stash_max = SP_STASH_NONE;
    CHECK_INT(described(spec).backoff.stash_max, SP_STASH_NONE);
    spec.options.spawn.mailbox_max = 0;
    spec.backoff.stash_max = 0;
    CHECK_INT(described(spec).backoff.stash_max, 1000);
}

TEST(spec_that_contains_itself_is_refused)
{
    struct sp_child_spec child = { .id = "a" };
    struct sp_supervisor_spec loop = { .children = &child, .child_count = 1 };
    child.supervisor = &loop;
    CHECK_ERR(try_spec(child, SP__CHILD_STATIC), SP_ERR_INVALID);
}

TEST(spec_definition_is_counted)
{
    struct sp_child_spec spec = { .id = "a", .server = &some_class };
    struct sp__child_def *def;
    CHECK_OK(sp__child_def_create(&spec, SP__CHILD_STATIC, &def));
    CHECK_PTR(sp__child_def_ref(def), def);
    sp__child_def_unref(def);
    CHECK_STR(def->spec.id, "a");
    sp__child_def_unref(def);
    sp__child_def_unref(NULL);
}
