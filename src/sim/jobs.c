#include "sim/jobs.h"

#include "sim/crash.h"
#include "sim/detect.h"
#include "sim/options.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_SOMETIMES_MAX = 256 };

#define JOBS_FLUSH_SECONDS 0.05 /* a result waits no longer for others */

struct job_sometimes {
    const char *what; /* the same address in all processes */
    uint64_t count;
};

/* A result in a pipe; then the sometimes, the choices, and of a failure struct sim_result. */
struct job_record {
    uint64_t number; /* runs before it */
    uint64_t seed;
    uint64_t hash;
    uint64_t order;
    uint64_t steps;
    int64_t time_ns;
    uint32_t choices;
    uint32_t sometimes;
    enum sim_strategy_kind kind;
    bool failed;
    bool differs;
};

/* ---- a worker ---- */

struct job_list {
    struct job_sometimes all[JOBS_SOMETIMES_MAX];
    uint32_t count;
};

static void job_list_add(void *arg, const char *what, uint64_t count)
{
    struct job_list *list = arg;
    list->all[list->count++] = (struct job_sometimes){ what, count };
}

static void job_put(FILE *file, const void *bytes, size_t size)
{
    if (size != 0 && fwrite(bytes, size, 1, file) != 1)
        _exit(1); /* nobody wants it any more */
}

static void worker_put(FILE *file, struct job_record record, const struct sim_result *result)
{
    struct job_list list = { .count = 0 };
    sim_sometimes_each(job_list_add, &list);
    sim_sometimes_clear();
    record.hash = result->hash;
    record.order = result->order;
    record.steps = result->steps;
    record.time_ns = result->time_ns;
    record.choices = (uint32_t)result->schedule.count;
    record.sometimes = list.count;
    record.failed = result->failed;
    job_put(file, &record, sizeof(record));
    job_put(file, list.all, list.count * sizeof(list.all[0]));
    job_put(file, result->schedule.choices,
            result->schedule.count * sizeof(result->schedule.choices[0]));
    if (result->failed)
        job_put(file, result, sizeof(*result));
}

static void worker_run(const struct sim_campaign *from, const struct sim_jobs_options *options,
                       unsigned index, FILE *results)
{
    struct sim_campaign campaign = *from;
    double flushed = sim_seconds();
    sim_crash_campaign(&campaign);
    sim_sometimes_clear();
    while (campaign.runs < options->runs) {
        struct sim_plan plan;
        struct sim_result result;
        if (sim_campaign_lane(&campaign) % options->count != index) {
            sim_campaign_skip(&campaign);
            continue;
        }
        struct job_record record = { .number = campaign.runs };
        if (sim_campaign_next(&campaign, &plan, &result) != SP_OK)
            break;
        record.seed = plan.seed;
        record.kind = campaign.kind;
        record.differs = options->twice && !sim_detect_twin(&plan, &result, campaign.runs);
        worker_put(results, record, &result);
        sim_schedule_finish(&result.schedule);
        double now = sim_seconds();
        if ((record.failed || now - flushed > JOBS_FLUSH_SECONDS) && fflush(results) != 0)
            break;
        flushed = now - flushed > JOBS_FLUSH_SECONDS ? now : flushed;
    }
    (void)fflush(results);
}

/* What it compares with its twin it would tell, and the program tells it again. */
static void worker_mute(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0)
        (void)dup2(null, STDOUT_FILENO);
}

static void worker_main(const struct sim_campaign *campaign, const struct sim_jobs_options *options,
                        unsigned index, int fd)
{
    FILE *results = fdopen(fd, "w");
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (options->twice)
        worker_mute();
    if (results != NULL)
        worker_run(campaign, options, index, results);
    _exit(0);
}

/* ---- the program ---- */

static sp_err worker_start(struct sim_jobs *jobs, const struct sim_campaign *campaign,
                           const struct sim_jobs_options *options)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return SP_ERR_NOMEM;
    struct sim_worker *worker = &jobs->workers[jobs->count];
    pid_t pid = fork();
    if (pid == 0)
        worker_main(campaign, options, jobs->count, ends[1]);
    (void)close(ends[1]);
    *worker = (struct sim_worker){ .pid = pid, .results = pid < 0 ? NULL : fdopen(ends[0], "r") };
    if (pid < 0)
        (void)close(ends[0]);
    else
        jobs->count++;
    return pid < 0 || worker->results == NULL ? SP_ERR_NOMEM : SP_OK;
}

sp_err sim_jobs_start(struct sim_jobs *jobs, const struct sim_campaign *campaign,
                      const struct sim_jobs_options *options)
{
    struct sim_jobs_options mine = *options;
    sp_err err = SP_OK;
    mine.count = options->count < SIM_LANES ? options->count : SIM_LANES;
    *jobs = (struct sim_jobs){ .count = 0 };
    (void)fflush(NULL);
    while (err == SP_OK && jobs->count < mine.count)
        err = worker_start(jobs, campaign, &mine);
    if (err != SP_OK)
        sim_jobs_finish(jobs);
    return err;
}

static bool job_get(FILE *file, void *bytes, size_t size)
{
    return size == 0 || fread(bytes, size, 1, file) == 1;
}

static sp_err job_get_schedule(FILE *file, uint32_t count, struct sim_schedule *out)
{
    for (uint32_t i = 0; i < count; i++) {
        struct sim_choice choice;
        if (!job_get(file, &choice, sizeof(choice)))
            return SP_ERR_RESET;
        if (sim_schedule_add(out, choice) != SP_OK)
            return SP_ERR_NOMEM;
    }
    return SP_OK;
}

/* The parts of a result; its schedule is to be finished even where there is an error. */
static sp_err job_get_result(FILE *file, struct job_record *record, struct sim_result *out)
{
    *out = (struct sim_result){ .hash = 0 };
    if (!job_get(file, record, sizeof(*record)))
        return SP_ERR_RESET;
    for (uint32_t i = 0; i < record->sometimes; i++) {
        struct job_sometimes sometimes;
        if (!job_get(file, &sometimes, sizeof(sometimes)))
            return SP_ERR_RESET;
        sim_sometimes_add(sometimes.what, sometimes.count);
    }
    struct sim_schedule schedule = { .count = 0 };
    sp_err err = job_get_schedule(file, record->choices, &schedule);
    if (err == SP_OK && record->failed && !job_get(file, out, sizeof(*out)))
        err = SP_ERR_RESET;
    out->failed = record->failed;
    out->hash = record->hash;
    out->order = record->order;
    out->steps = record->steps;
    out->time_ns = record->time_ns;
    out->schedule = schedule;
    return err;
}

sp_err sim_jobs_next(struct sim_jobs *jobs, struct sim_campaign *campaign,
                     struct sim_plan *out_plan, struct sim_result *out_result)
{
    struct job_record record = { .number = 0 };
    struct sim_worker *worker = &jobs->workers[sim_campaign_lane(campaign) % jobs->count];
    sp_err err = job_get_result(worker->results, &record, out_result);
    if (err == SP_OK && record.number != campaign->runs)
        err = SP_ERR_RESET;
    if (err != SP_OK) {
        sim_schedule_finish(&out_result->schedule);
        if (err == SP_ERR_RESET && waitpid(worker->pid, &worker->status, 0) == worker->pid)
            worker->pid = 0;
        return err;
    }
    *out_plan = (struct sim_plan){ .test = campaign->options.test, .seed = record.seed };
    jobs->differs = record.differs;
    campaign->kind = record.kind;
    campaign->runs++;
    campaign->steps += out_result->steps;
    campaign->time_ns += out_result->time_ns;
    return SP_OK;
}

void sim_jobs_finish(struct sim_jobs *jobs)
{
    for (unsigned i = 0; i < jobs->count; i++) {
        struct sim_worker *worker = &jobs->workers[i];
        if (worker->results != NULL)
            (void)fclose(worker->results);
        if (worker->pid <= 0)
            continue;
        (void)kill(worker->pid, SIGKILL);
        (void)waitpid(worker->pid, NULL, 0);
    }
    jobs->count = 0;
}
