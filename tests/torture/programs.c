/* Which programs there are. */
#include "torture.h"

#include <errno.h>

static void no_log(void *context, const struct sp_log_record *record)
{
    (void)context;
    (void)record;
}

#define TORTURE_OPTIONS         \
    {                           \
        .workers = 2, .seed = 1 \
    }

const struct torture_program torture_programs[] = {
    { .name = "core", .body = core_body, .options = TORTURE_OPTIONS },
    { .name = "server", .body = server_body, .options = TORTURE_OPTIONS },
    { .name = "supervision", .body = supervision_body, .options = TORTURE_OPTIONS },
    { .name = "task", .body = task_body, .options = TORTURE_OPTIONS },
    { .name = "stream", .body = stream_body, .options = TORTURE_OPTIONS },
    { .name = "serve", .body = serve_body, .options = TORTURE_OPTIONS },
    { .name = "file", .body = file_body, .options = TORTURE_OPTIONS },
    { .name = "crash",
      .body = crash_body,
      .options = { .workers = 2,
                   .seed = 1,
                   .log = { .fn = no_log },
                   .crash = { .folder = torture_crashes } } },
    { .name = "observe", .body = observe_body, .options = TORTURE_OPTIONS },
    { .name = "system", .body = system_body, .options = { .workers = 0 } },
    { .name = "stuck",
      .body = stuck_body,
      .options = { .workers = 2, .stuck_after = { 1000000 }, .seed = 1 } },
    /* Kernels before Linux 5.11, or a filter of system calls. */
    { .name = "old-wait",
      .body = core_body,
      .options = TORTURE_OPTIONS,
      .stops_in_time = true,
      .always = { .call = CALL_EPOLL_PWAIT2, .error = ENOSYS, .count = 1 } },
    { .name = "no-membarrier",
      .body = core_body,
      .options = TORTURE_OPTIONS,
      .always = { .call = CALL_MEMBARRIER_KNOWN, .error = ENOSYS, .count = 1 } },
    { .name = "no-madvise",
      .body = core_body,
      .options = TORTURE_OPTIONS,
      .always = { .call = CALL_MADVISE, .error = EINVAL, .count = 1 } },
    { .name = "only-nice",
      .body = stuck_body,
      .options = { .workers = 2, .stuck_after = { 1000000 }, .seed = 1, .log = { .fn = no_log } },
      .always = { .call = CALL_SCHED_SETSCHEDULER, .error = EPERM, .count = 1 } },
};

const size_t torture_program_count = sizeof(torture_programs) / sizeof(torture_programs[0]);
