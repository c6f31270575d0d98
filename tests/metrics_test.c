/* Metrics: a program's own from many threads, what a name may be, how they are written, and the runtime's own. */
#include "support/test.h"

#include <inttypes.h>
#include <pthread.h>
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- text ---- */

struct text {
    char *bytes;
    size_t size;
};

static bool text_append(void *arg, const char *bytes, size_t size)
{
    struct text *text = arg;
    char *more = realloc(text->bytes, text->size + size + 1);
    CHECK(more != NULL);
    text->bytes = more;
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = '\0';
    return true;
}

static struct text written;

/* All of it, until the next. */
static const char *scrape(enum sp_metrics_format format)
{
    free(written.bytes);
    written = (struct text){ .bytes = NULL };
    CHECK_OK(sp_metrics_write(sp_runtime_current(), format, text_append, &written));
    return written.bytes;
}

static bool text_has(const char *text, const char *line)
{
    size_t size = strlen(line);
    for (const char *at = strstr(text, line); at != NULL; at = strstr(at + 1, line))
        if ((at == text || at[-1] == '\n') && at[size] == '\n')
            return true;
    return false;
}

#define CHECK_LINE(text, line)                                      \
    do {                                                            \
        if (!text_has(text, line))                                  \
            (void)fprintf(stderr, "no line %s in\n%s", line, text); \
        CHECK(text_has(text, line));                                \
    } while (0)

/* The value of a sample. */
static double text_value(const char *text, const char *sample)
{
    const char *at = strstr(text, sample);
    CHECK(at != NULL);
    return strtod(at + strlen(sample), NULL);
}

/* Runs as a process of two workers. */
static int on_main(void *arg)
{
    void (*body)(void);
    memcpy(&body, arg, sizeof(body));
    body();
    free(written.bytes);
    written = (struct text){ .bytes = NULL };
    return 0;
}

static void run(void (*body)(void))
{
    CHECK_INT(sp_main(on_main, (void *)&body, &(struct sp_runtime_options){ .workers = 2 }), 0);
}

/* ---- values ---- */

TEST(a_quantile_is_within_a_32nd)
{
    static struct sp_histogram_values values;
    memset(&values, 0, sizeof(values));
    CHECK_INT(sp_histogram_quantile(&values, 0.5), 0);
    for (uint64_t i = 1; i <= 10000; i++) {
        values.buckets[sp_histogram_bucket(i * 1000)]++;
        values.count++;
        values.sum += i * 1000;
    }
    values.max = 10000000;
    for (int percent = 1; percent <= 100; percent++) {
        double exact = percent * 100000.0;
        double got = (double)sp_histogram_quantile(&values, percent / 100.0);
        CHECK(got >= exact && got <= exact * (1 + 1.0 / 32));
    }
    CHECK_INT(sp_histogram_quantile(&values, 1), 10000000);
}

TEST(merged_histograms_are_as_one)
{
    static struct sp_histogram_values both;
    static struct sp_histogram_values parts[2];
    memset(&both, 0, sizeof(both));
    memset(parts, 0, sizeof(parts));
    for (uint64_t i = 0; i < 5000; i++) {
        uint64_t value = i * i * 17 + 3;
        struct sp_histogram_values *part = &parts[i % 3 == 0];
        struct sp_histogram_values one = { .count = 1, .sum = value, .max = value };
        one.buckets[sp_histogram_bucket(value)] = 1;
        sp_histogram_merge(part, &one);
        sp_histogram_merge(&both, &one);
    }
    sp_histogram_merge(&parts[0], &parts[1]);
    CHECK_INT(memcmp(&parts[0], &both, sizeof(both)), 0);
}

/* ---- counting from everywhere ---- */

enum { ADDERS = 6, ADDS = 10000 };

static struct sp_counter *counter;
static struct sp_gauge *gauge;
static struct sp_histogram *histogram;

static void add_all(void)
{
    for (int i = 0; i < ADDS; i++) {
        sp_counter_add(counter, 2);
        sp_gauge_add(gauge, i % 2 == 0 ? 3 : -2);
        sp_histogram_observe(histogram, (uint64_t)i);
    }
}

static void adder_process(void *arg)
{
    (void)arg;
    add_all();
}

static void *adder_thread(void *arg)
{
    (void)arg;
    add_all();
    return NULL;
}

static void await_downs(int count)
{
    for (int i = 0; i < count; i++) {
        struct sp_message *message;
        CHECK_OK(sp_receive(sp_never(), &message));
        CHECK(sp_message_down(message) != NULL);
        sp_message_free(message);
    }
}

static void count_from_everywhere(void)
{
    struct sp_runtime *runtime = sp_runtime_current();
    pthread_t thread;
    sp_monitor_ref ref;
    static struct sp_histogram_values values;
    CHECK_OK(sp_counter_register(runtime, &(struct sp_metric_options){ .name = "adds" }, &counter));
    CHECK_OK(sp_gauge_register(runtime, &(struct sp_metric_options){ .name = "level" }, &gauge));
    CHECK_OK(
        sp_histogram_register(runtime, &(struct sp_metric_options){ .name = "size" }, &histogram));
    CHECK_INT(pthread_create(&thread, NULL, adder_thread, NULL), 0);
    for (int i = 0; i < ADDERS; i++)
        CHECK_OK(sp_spawn(adder_process, NULL,
                          &(struct sp_spawn_options){ .own_thread = i == 0, .out_monitor = &ref },
                          NULL));
    await_downs(ADDERS);
    pthread_join(thread, NULL);
    CHECK_INT(sp_counter_value(counter), (ADDERS + 1) * ADDS * 2);
    CHECK_INT(sp_gauge_value(gauge), (ADDERS + 1) * ADDS / 2);
    sp_gauge_set(gauge, -7);
    CHECK_INT(sp_gauge_value(gauge), -7);
    sp_gauge_add(gauge, 5);
    CHECK_INT(sp_gauge_value(gauge), -2);
    sp_histogram_read(histogram, &values);
    CHECK_INT(values.count, (ADDERS + 1) * ADDS);
    CHECK_INT(values.sum, (uint64_t)(ADDERS + 1) * ADDS * (ADDS - 1) / 2);
    CHECK_INT(values.max, ADDS - 1);
    CHECK_LINE(scrape(SP_METRICS_PROMETHEUS), "level -2");
    CHECK_LINE(written.bytes, "adds_total 140000");
    CHECK_LINE(written.bytes, "size_count 70000");
}

TEST(nothing_is_lost_from_any_thread)
{
    run(count_from_everywhere);
}

/* ---- names ---- */

static sp_err register_counter(struct sp_metric_options options)
{
    struct sp_counter *made;
    return sp_counter_register(sp_runtime_current(), &options, &made);
}

static void check_names(void)
{
    static const char *const bad[] = { "",         "1a",       "a b",         "a-b",
                                       "\xc3\xa4", "a_bucket", "a_sum_total", "x_info" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(register_counter((struct sp_metric_options){ .name = bad[i] }), SP_ERR_INVALID);
    CHECK_ERR(register_counter((struct sp_metric_options){ .name = "spawned_x" }), SP_ERR_EXISTS);
    CHECK_OK(register_counter((struct sp_metric_options){ .name = "a:b_1" }));
    CHECK_OK(register_counter((struct sp_metric_options){ .name = "a:b_1_total" }));
    struct sp_gauge *made;
    CHECK_ERR(sp_gauge_register(sp_runtime_current(),
                                &(struct sp_metric_options){ .name = "a:b_1" }, &made),
              SP_ERR_EXISTS);
    CHECK_ERR(sp_gauge_register(sp_runtime_current(),
                                &(struct sp_metric_options){ .name = "g_total" }, &made),
              SP_ERR_INVALID);
    CHECK_ERR(register_counter((struct sp_metric_options){ .name = "t", .unit = SP_UNIT_SECONDS }),
              SP_ERR_INVALID);
    CHECK_OK(register_counter(
        (struct sp_metric_options){ .name = "t_seconds_total", .unit = SP_UNIT_SECONDS }));
    CHECK_ERR(register_counter((struct sp_metric_options){ .name = "t_seconds" }), SP_ERR_INVALID);
}

TEST(names_are_what_the_format_takes)
{
    run(check_names);
}

static sp_err register_labelled(const char *label, const char *value)
{
    return register_counter((struct sp_metric_options){
        .name = "labelled", .labels = &(struct sp_label){ label, value }, .label_count = 1 });
}

static void check_labels(void)
{
    static const char *const bad[] = { "", "le", "__x", "a:b", "0" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(register_labelled(bad[i], "x"), SP_ERR_INVALID);
    CHECK_OK(register_labelled("kind", "x"));
    CHECK_ERR(register_labelled("other", "x"), SP_ERR_INVALID);
    struct sp_label twice[] = { { "a", "1" }, { "a", "2" } };
    CHECK_ERR(register_counter(
                  (struct sp_metric_options){ .name = "twice", .labels = twice, .label_count = 2 }),
              SP_ERR_INVALID);
    CHECK_ERR(register_counter(
                  (struct sp_metric_options){ .name = "many", .labels = twice, .label_count = 9 }),
              SP_ERR_INVALID);
    CHECK_OK(register_labelled("kind", "a\"b\\c\nd \xff\xc3\xa4 {}"));
    CHECK_LINE(scrape(SP_METRICS_PROMETHEUS),
               "labelled_total{kind=\"a\\\"b\\\\c\\nd \xef\xbf\xbd\xc3\xa4 {}\"} 0");
}

TEST(labels_are_escaped)
{
    run(check_labels);
}

/* ---- the limit of series ---- */

static void check_limit(void)
{
    enum { SERIES = 3, TRIED = 10 };
    struct sp_counter *made[TRIED];
    for (int i = 0; i < TRIED; i++) {
        char value[8];
        (void)snprintf(value, sizeof(value), "v%d", i);
        CHECK_OK(sp_counter_register(
            sp_runtime_current(),
            &(struct sp_metric_options){ .name = "users",
                                         .labels = &(struct sp_label){ "user", value },
                                         .label_count = 1,
                                         .series_max = SERIES },
            &made[i]));
        sp_counter_add(made[i], 1);
    }
    CHECK(made[SERIES] == made[TRIED - 1] && made[SERIES - 1] != made[SERIES]);
    scrape(SP_METRICS_PROMETHEUS);
    CHECK_LINE(written.bytes, "users_total{user=\"v2\"} 1");
    CHECK_LINE(written.bytes, "users_total{user=\"other\"} 7");
    CHECK(strstr(written.bytes, "user=\"v3\"") == NULL);
    CHECK_LINE(written.bytes, "spawned_metrics_series_refused_total 7");
}

TEST(what_is_over_the_limit_is_one_series)
{
    run(check_limit);
}

/* All of the cells: a million names do not take all memory. */
static void check_cells(void)
{
    sp_err err = SP_OK;
    int made = 0;
    while (err == SP_OK && made < 10000) {
        char name[16];
        (void)snprintf(name, sizeof(name), "c%d", made);
        err = register_counter((struct sp_metric_options){ .name = name });
        made += err == SP_OK;
    }
    CHECK_ERR(err, SP_ERR_LIMIT);
    CHECK_INT(made, 8191);
    CHECK_OK(register_counter((struct sp_metric_options){ .name = "c17" }));
}

TEST(the_number_of_all_series_is_bounded)
{
    run(check_cells);
}

/* ---- histograms as text ---- */

static void check_histogram(void)
{
    struct sp_histogram *small;
    struct sp_histogram *times;
    struct sp_runtime *runtime = sp_runtime_current();
    CHECK_OK(sp_histogram_register(
        runtime, &(struct sp_metric_options){ .name = "batch", .help = "A\\b\nc", .high = 8 },
        &small));
    CHECK_OK(sp_histogram_register(
        runtime, &(struct sp_metric_options){ .name = "wait_seconds", .unit = SP_UNIT_SECONDS },
        &times));
    struct sp_histogram *wrong;
    CHECK_ERR(sp_histogram_register(
                  runtime, &(struct sp_metric_options){ .name = "w", .low = 8, .high = 8 }, &wrong),
              SP_ERR_INVALID);
    for (uint64_t i = 1; i <= 10; i++)
        sp_histogram_observe(small, i);
    sp_histogram_observe(times, 1500000000);
    scrape(SP_METRICS_PROMETHEUS);
    CHECK_LINE(written.bytes, "# HELP batch A\\\\b\\nc");
    CHECK_LINE(written.bytes, "# TYPE batch histogram");
    CHECK_LINE(written.bytes, "batch_bucket{le=\"1.0\"} 1");
    CHECK_LINE(written.bytes, "batch_bucket{le=\"3.0\"} 3");
    CHECK_LINE(written.bytes, "batch_bucket{le=\"7.0\"} 7");
    CHECK_LINE(written.bytes, "batch_bucket{le=\"+Inf\"} 10");
    CHECK_LINE(written.bytes, "batch_sum 55");
    CHECK_LINE(written.bytes, "wait_seconds_bucket{le=\"1.073741824\"} 0");
    CHECK_LINE(written.bytes, "wait_seconds_bucket{le=\"2.147483648\"} 1");
    CHECK_LINE(written.bytes, "wait_seconds_sum 1.5");
    CHECK(strstr(written.bytes, "# EOF") == NULL);
    sp_histogram_observe_traced(
        small, 5, &(struct sp_exemplar){ .trace_id = { 0xab, 1 }, .span_id = { 0xcd } });
    scrape(SP_METRICS_OPENMETRICS);
    CHECK_LINE(written.bytes, "# UNIT wait_seconds seconds");
    CHECK(strstr(written.bytes,
                 "batch_bucket{le=\"7.0\"} 8 # {trace_id=\"ab010000000000000000000000000000\","
                 "span_id=\"cd00000000000000\"} 5 ") != NULL);
    CHECK(strcmp(written.bytes + written.size - strlen("# EOF\n"), "# EOF\n") == 0);
    CHECK_LINE(written.bytes, "# TYPE spawned_messages_sent counter");
}

TEST(histograms_are_written_as_buckets_that_add_up)
{
    run(check_histogram);
}

/* Of the whole program, and of the poller; each moves when something is done. */
static void check_usage(void)
{
    const char *text = scrape(SP_METRICS_PROMETHEUS);
    double files = text_value(text, "\nprocess_open_fds ");
    double looks = text_value(text, "\nspawned_poller_looks_total ");
    CHECK(files > 2 && text_value(text, "\nprocess_max_fds ") >= files);
    CHECK(text_value(text, "\nprocess_resident_memory_bytes ") > 100000);
    CHECK(text_value(text, "\nprocess_cpu_seconds_total ") > 0);
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    CHECK_INT((int)text_value(scrape(SP_METRICS_PROMETHEUS), "\nprocess_open_fds "),
              (int)files + 2);
    (void)close(ends[0]);
    (void)close(ends[1]);
    do
        CHECK(sp_sleep(sp_ms(1)));
    while (text_value(scrape(SP_METRICS_PROMETHEUS), "\nspawned_poller_looks_total ") <= looks);
}

TEST(the_program_and_the_poller_are_counted)
{
    run(check_usage);
}

static bool text_refuse(void *arg, const char *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    (*(int *)arg)++;
    return false;
}

static void check_refused(void)
{
    int asked = 0;
    CHECK_ERR(sp_metrics_write(sp_runtime_current(), SP_METRICS_PROMETHEUS, text_refuse, &asked),
              SP_ERR_IO);
    CHECK_INT(asked, 1);
}

TEST(who_takes_no_more_is_asked_no_more)
{
    run(check_refused);
}

/* ---- the runtime's own ---- */

SP_SERVER(shop, sp_empty);
SP_CALL(shop, buy, int64_t, int64_t);
SP_CAST(shop, look, int64_t);
SP_CAST(shop, burn, sp_empty);

static sp_err shop_on_buy(sp_empty *self, const int64_t *in, int64_t *out)
{
    (void)self;
    *out = *in;
    return SP_OK;
}

static void shop_on_look(sp_empty *self, const int64_t *in)
{
    (void)self;
    (void)in;
}

static void shop_on_burn(sp_empty *self, const sp_empty *in)
{
    (void)self;
    (void)in;
    sp_exit_error(SP_ERR_IO, "burnt");
}

SP_STATE(shop, sp_empty);
SP_ON_CALL(shop, buy);
SP_ON_CAST(shop, look);
SP_ON_CAST(shop, burn);
SP_CLASS(shop, .init = NULL);

static void use_shop(shop_ref shop)
{
    int64_t out;
    for (int64_t i = 0; i < 3000; i++) {
        if (i % 3 == 0)
            CHECK_OK(shop_look(shop, &i));
        CHECK_OK(shop_buy(shop, &i, &out, sp_never()));
    }
}

static void check_runtime(void)
{
    struct sp_runtime *runtime = sp_runtime_current();
    shop_ref shop;
    sp_monitor_ref ref;
    CHECK(!sp_metrics_started(runtime));
    CHECK_ERR(sp_metrics_start(runtime, &(struct sp_metrics_options){ .kinds_max = 65537 }),
              SP_ERR_INVALID);
    CHECK_OK(sp_metrics_start(runtime, NULL));
    CHECK(sp_metrics_started(runtime));
    CHECK_OK(shop_start(&(sp_empty){ 0 },
                        &(struct sp_server_options){ .spawn = { .name = "corner" } }, &shop));
    CHECK_OK(sp_metrics_watch(runtime, shop.pid, true));
    CHECK_OK(sp_metrics_watch(runtime, shop.pid, true));
    use_shop(shop);
    scrape(SP_METRICS_PROMETHEUS);
    CHECK_LINE(written.bytes, "spawned_type_messages_total{type=\"shop\",message=\"buy\"} 3000");
    CHECK_LINE(written.bytes, "spawned_type_messages_total{type=\"shop\",message=\"look\"} 1000");
    CHECK_LINE(written.bytes, "spawned_type_messages_total{type=\"shop\",message=\"init\"} 1");
    double count = text_value(written.bytes,
                              "spawned_type_handler_seconds_count{type=\"shop\",message=\"buy\"} ");
    CHECK(count > 0 && count <= 3000);
    CHECK(text_value(written.bytes, "spawned_type_queue_delay_seconds_count{type=\"shop\"} ") > 0);
    CHECK(text_value(written.bytes, "spawned_run_queue_delay_seconds_count ") > 0);
    CHECK_INT((int)text_value(written.bytes, "spawned_process_messages_total{pid=\""), 0);
    CHECK(strstr(written.bytes, ",name=\"corner\",type=\"shop\"} 4001\n") != NULL);
    CHECK_OK(sp_monitor(shop.pid, &ref));
    CHECK_OK(shop_burn(shop, &(sp_empty){ 0 }));
    await_downs(1);
    scrape(SP_METRICS_PROMETHEUS);
    CHECK_LINE(written.bytes, "spawned_type_exits_total{type=\"shop\",reason=\"error\"} 1");
    CHECK(strstr(written.bytes, "corner") == NULL);
    CHECK_ERR(sp_metrics_watch(runtime, shop.pid, true), SP_ERR_NOPROC);
    sp_ignore(shop_look(shop, &(int64_t){ 1 }));
    CHECK_LINE(scrape(SP_METRICS_PROMETHEUS),
               "spawned_dead_letters_total{message=\"look\",reason=\"no process\"} 1");
    sp_metrics_stop(runtime);
    CHECK(!sp_metrics_started(runtime));
    CHECK_OK(shop_start(&(sp_empty){ 0 }, NULL, &shop));
    use_shop(shop);
    CHECK_LINE(scrape(SP_METRICS_PROMETHEUS),
               "spawned_type_messages_total{type=\"shop\",message=\"buy\"} 3000");
}

TEST(the_runtime_counts_by_type_and_operation)
{
    run(check_runtime);
}

/* The line of a bucket of `family` with this exemplar: it must be in it. */
static void check_exemplar(const char *family, const char *exemplar)
{
    const char *at = strstr(written.bytes, family);
    while (at != NULL) {
        const char *end = strchr(at + 1, '\n');
        const char *found = strstr(at, exemplar);
        if (found != NULL && found < end) {
            double le = strtod(strstr(at, "le=\"") + 4, NULL);
            double value = strtod(found + strlen(exemplar), NULL);
            CHECK(value >= 0 && value <= le);
            return;
        }
        at = strstr(end, family);
    }
    (void)fprintf(stderr, "no %s with %s in\n%s", family, exemplar, written.bytes);
    CHECK(at != NULL);
}

/* The span of the next operation of this name. */
static struct sp_trace_context span_of(const char *name)
{
    struct sp_trace_record record;
    for (;;) {
        if (sp_trace_read(sp_runtime_current(), &record, 1) == 0) {
            sp_yield();
            continue;
        }
        struct sp_trace_context found = record.context;
        bool same = strcmp(record.name, name) == 0;
        sp_trace_release(&record, 1);
        if (same)
            return found;
    }
}

static void check_examples(void)
{
    struct sp_runtime *runtime = sp_runtime_current();
    shop_ref shop;
    int64_t out;
    char exemplar[128];
    CHECK_OK(sp_metrics_start(runtime, NULL));
    CHECK_OK(sp_trace_start(runtime, &(struct sp_trace_options){ .ratio = 0 }));
    CHECK_OK(shop_start(&(sp_empty){ 0 }, NULL, &shop));
    CHECK_OK(shop_buy(shop, &(int64_t){ 1 }, &out, sp_never())); /* not followed */
    CHECK(strstr(scrape(SP_METRICS_OPENMETRICS), "trace_id") == NULL);
    CHECK_OK(sp_trace_sample(runtime, 1));
    CHECK_OK(shop_buy(shop, &(int64_t){ 1 }, &out, sp_never()));
    struct sp_trace_context span = span_of("buy");
    (void)snprintf(exemplar, sizeof(exemplar),
                   " # {trace_id=\"%016" PRIx64 "%016" PRIx64 "\",span_id=\"%016" PRIx64 "\"} ",
                   span.trace.high, span.trace.low, span.span);
    scrape(SP_METRICS_OPENMETRICS);
    check_exemplar("\nspawned_type_handler_seconds_bucket{type=\"shop\",message=\"buy\"", exemplar);
    check_exemplar("\nspawned_type_queue_delay_seconds_bucket{type=\"shop\"", exemplar);
    CHECK(strstr(scrape(SP_METRICS_PROMETHEUS), "trace_id") == NULL);
}

TEST(a_followed_request_is_the_example_of_its_times)
{
    run(check_examples);
}

SP_SERVER(mill, sp_empty);
SP_CAST(mill, grind, sp_duration);
SP_CALL(mill, done, sp_empty, sp_empty);

static void mill_on_grind(sp_empty *self, const sp_duration *in)
{
    (void)self;
    sp_time until = sp_time_add(sp_now(), *in);
    while (sp_now().ns < until.ns)
        ;
}

static sp_err mill_on_done(sp_empty *self, const sp_empty *in, sp_empty *out)
{
    (void)self;
    (void)in;
    (void)out;
    return SP_OK;
}

SP_STATE(mill, sp_empty);
SP_ON_CAST(mill, grind);
SP_ON_CALL(mill, done);
SP_CLASS(mill, .init = NULL);

static struct sp_inspect looked_at(sp_pid pid)
{
    struct sp_inspect row;
    CHECK_OK(sp_inspect(pid, &row));
    return row;
}

static void check_busy(void)
{
    struct sp_runtime *runtime = sp_runtime_current();
    struct sp_inspect rows[2];
    struct sp_inspect_page page;
    mill_ref mills[2];
    sp_empty nothing;
    for (int i = 0; i < 2; i++)
        CHECK_OK(mill_start(&(sp_empty){ 0 }, NULL, &mills[i]));
    CHECK_OK(mill_grind(mills[0], &(sp_duration){ 2000000 }));
    CHECK_OK(mill_done(mills[0], &(sp_empty){ 0 }, &nothing, sp_never()));
    CHECK_INT(looked_at(mills[0].pid).busy.ns, 0); /* nobody counted */
    CHECK_OK(sp_metrics_start(runtime, &(struct sp_metrics_options){ .sample_gap = sp_ns(-1) }));
    for (int i = 0; i < 5; i++)
        CHECK_OK(mill_grind(mills[1], &(sp_duration){ 2000000 }));
    CHECK_OK(mill_done(mills[1], &(sp_empty){ 0 }, &nothing, sp_never()));
    CHECK(looked_at(mills[1].pid).busy.ns >= 10000000);
    CHECK_OK(sp_inspect_list(
        &(struct sp_inspect_query){ .sort = SP_INSPECT_BUSY, .descending = true }, rows, 2, &page));
    CHECK(sp_pid_equal(rows[0].process.pid, mills[1].pid));
}

TEST(who_spends_most_time_in_handlers_is_known)
{
    run(check_busy);
}

static void check_many_kinds(void)
{
    struct sp_runtime *runtime = sp_runtime_current();
    static struct sp_msg_type types[200];
    static char names[200][16];
    CHECK_OK(sp_metrics_start(runtime, &(struct sp_metrics_options){ .kinds_max = 16 }));
    for (int i = 0; i < 200; i++) {
        struct sp_message *message;
        (void)snprintf(names[i], sizeof(names[i]), "type%d", i);
        types[i] = (struct sp_msg_type){ .name = names[i], .size = 1 };
        CHECK_OK(sp_send(sp_self(), &types[i], "x"));
        CHECK_OK(sp_receive(sp_never(), &message));
        sp_message_free(message);
    }
    scrape(SP_METRICS_PROMETHEUS);
    CHECK(text_value(written.bytes,
                     "spawned_type_messages_total{type=\"other\",message=\"other\"} ") > 0);
    uint64_t sum = 0;
    const char *key = "spawned_type_messages_total{";
    for (const char *at = strstr(written.bytes, key); at != NULL; at = strstr(at + 1, key))
        sum += strtoull(strchr(at, '}') + 1, NULL, 10);
    CHECK_INT(sum, 200);
}

TEST(kinds_over_the_limit_are_one)
{
    run(check_many_kinds);
}

static void watched_main(void *arg)
{
    (void)arg;
    struct sp_message *message;
    sp_ignore(sp_receive(sp_never(), &message));
}

static void check_watched_limit(void)
{
    struct sp_runtime *runtime = sp_runtime_current();
    sp_pid pids[65];
    for (int i = 0; i < 65; i++)
        CHECK_OK(sp_spawn(watched_main, NULL, NULL, &pids[i]));
    for (int i = 0; i < 64; i++)
        CHECK_OK(sp_metrics_watch(runtime, pids[i], true));
    CHECK_ERR(sp_metrics_watch(runtime, pids[64], true), SP_ERR_LIMIT);
    CHECK_OK(sp_metrics_watch(runtime, pids[3], false));
    CHECK_OK(sp_metrics_watch(runtime, pids[64], true));
}

TEST(the_number_of_watched_processes_is_bounded)
{
    run(check_watched_limit);
}
