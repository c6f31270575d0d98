/* Every allocation of metrics fails once: what was asked for says NOMEM, or what is counted is counted all
 * the same. Needs a build with SPAWNED_FAULT_INJECTION.
 */
#include "base/alloc.h"
#include "support/rig.h"

#ifdef SPAWNED_FAULT_INJECTION

enum { STEPS_MAX = 500 };

static bool take_nothing(void *arg, const char *text, size_t size)
{
    (void)arg;
    (void)text;
    (void)size;
    return true;
}

/* A counter, a gauge and two histograms with labels, used; all of it written. */
static sp_err use_metrics(struct sp_runtime *runtime)
{
    struct sp_counter *counter;
    struct sp_histogram *histogram;
    struct sp_metric_options options = { .name = "counted",
                                         .help = "What is counted.",
                                         .labels = &(struct sp_label){ "kind", "one" },
                                         .label_count = 1 };
    sp_err err = sp_metrics_start(runtime, NULL);
    if (err == SP_OK)
        err = sp_counter_register(runtime, &options, &counter);
    if (err != SP_OK)
        return err;
    sp_counter_add(counter, 1);
    options.name = "seen";
    err = sp_histogram_register(runtime, &options, &histogram);
    if (err != SP_OK)
        return err;
    sp_histogram_observe(histogram, 7);
    sp_histogram_observe_traced(histogram, 1000000, &(struct sp_exemplar){ .trace_id = { 1 } });
    return sp_metrics_write(runtime, SP_METRICS_OPENMETRICS, take_nothing, NULL);
}

static sp_err runtime_of_its_own(int fail_after, bool *out_failed)
{
    struct sp_runtime *runtime;
    CHECK_OK(sp_runtime_create(&(struct sp_runtime_options){ .workers = 1 }, &runtime));
    CHECK_OK(sp_thread_attach(runtime));
    sp__alloc_fail_after(fail_after);
    sp_err err = use_metrics(runtime);
    *out_failed = sp__alloc_failed();
    sp__alloc_fail_after(-1);
    CHECK_OK(use_metrics(runtime)); /* nothing is broken for the next time */
    sp_thread_detach();
    CHECK_OK(sp_runtime_destroy(runtime, WORLD_PATIENCE, NULL));
    return err;
}

TEST(metrics_nomem)
{
    bool failed = true;
    int failures = 0;
    for (int n = 0; failed; n++) {
        CHECK(n < STEPS_MAX);
        sp_err err = runtime_of_its_own(n, &failed);
        CHECK(err == SP_OK || err == SP_ERR_NOMEM);
        failures += err != SP_OK;
    }
    CHECK(failures > 10);
}

#else

TEST(metrics_nomem_needs_fault_injection)
{
    SKIP("built without SPAWNED_FAULT_INJECTION");
}

#endif
