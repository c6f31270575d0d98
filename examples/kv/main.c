/* spawned-kv: an in-memory key-value store that speaks the Redis protocol. See README.md. */
#include "observe.h"
#include "options.h"
#include "tree.h"

#include "spawned/metrics.h"
#include "spawned/recorder.h"
#include "spawned/serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MAIN_VERSION "0.1.0"

enum { MAIN_FILES_SPARE = 64 }; /* descriptors for all but clients */

/* As many descriptors as clients may need, or as many as there may be. */
static void main_raise_files(const struct kv_settings *settings)
{
    struct rlimit limit;
    rlim_t want = (rlim_t)settings->clients_max + MAIN_FILES_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
        return;
    if (limit.rlim_max < want) {
        fprintf(stderr,
                "spawned-kv: %" PRIu32 " clients want %llu file descriptors, %llu are allowed\n",
                settings->clients_max, (unsigned long long)want,
                (unsigned long long)limit.rlim_max);
        want = limit.rlim_max;
    }
    limit.rlim_cur = want;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void main_started(void *arg)
{
    struct kv_world *world = arg;
    struct sp_serve_info info;
    sp_serve_ref listener;
    char address[SP_ADDRESS_TEXT_MAX];
    if (sp_log_levels_env(sp_runtime_current()) != SP_OK)
        fprintf(stderr, "spawned-kv: SPAWNED_LOG is not understood\n");
    if (sp_serve_whereis("listener", &listener) != SP_OK ||
        sp_serve_info(listener, &(sp_empty){ 0 }, &info, sp_after_sec(5)) != SP_OK)
        return;
    /* Relaxed: a figure for INFO. */
    atomic_store_explicit(&world->port, info.address.port, memory_order_relaxed);
    printf("spawned-kv " MAIN_VERSION ": ready on %s, %" PRIu32 " shards, %" PRIu32 " workers\n",
           sp_address_format(&info.address, address), world->settings.shards,
           world->settings.workers);
    if (kv_observe_where(address)) {
        /* For its timeline; without memory that stays empty. */
        sp_ignore(sp_recorder_start(sp_runtime_current(), NULL));
        sp_ignore(sp_metrics_start(sp_runtime_current(), NULL)); /* without: fewer of them */
        bool local = strncmp(address, "unix:", 5) == 0;
        printf(local ? "spawned-kv: observed on %s\n" : "spawned-kv: dashboard on http://%s/\n",
               address);
    }
    fflush(stdout);
}

static int main_run(struct kv_world *world)
{
    struct sp_io_error listen_error = { .err = SP_OK };
    struct kv_tree *tree = kv_tree_create(world, &listen_error);
    if (tree == NULL) {
        fprintf(stderr, "spawned-kv: out of memory\n");
        return EXIT_FAILURE;
    }
    struct sp_application_run_options options = {
        .runtime = { .workers = world->settings.workers,
                     .log = { .sink = SP_LOG_STDERR,
                              .level = world->settings.log_level,
                              .format = world->settings.log_format } },
        .shutdown = sp_after_sec(10),
        .on_started = main_started,
        .on_started_arg = world,
    };
    int status = sp_application_run(kv_tree_application(tree), 1, &options);
    if (listen_error.err != SP_OK)
        fprintf(stderr, "spawned-kv: %s\n", listen_error.text);
    kv_tree_destroy(tree);
    return status;
}

int main(int argc, char **argv)
{
    static struct kv_world world;
    struct kv_settings settings;
    char error[KV_OPTIONS_ERROR_MAX];
    switch (kv_options_read(argc, argv, &settings, error)) {
    case KV_ASKED_HELP:
        fputs(kv_options_help, stdout);
        return EXIT_SUCCESS;
    case KV_ASKED_VERSION:
        puts("spawned-kv " MAIN_VERSION);
        return EXIT_SUCCESS;
    case KV_ASKED_WRONG:
        fprintf(stderr, "spawned-kv: %s; try --help\n", error);
        return EXIT_FAILURE;
    case KV_ASKED_RUN:
        break;
    }
    settings.http_token = getenv("SPAWNED_KV_HTTP_TOKEN");
    main_raise_files(&settings);
    sp_err err = kv_world_init(&world, &settings);
    if (err != SP_OK) {
        fprintf(stderr, "spawned-kv: %s\n", sp_err_text(err));
        return EXIT_FAILURE;
    }
    int status = main_run(&world);
    kv_world_finish(&world);
    return status;
}
