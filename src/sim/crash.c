#include "sim/crash.h"

#include "sim/inside.h"
#include "sim/memory.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    CRASH_SECONDS = 5, /* for a file, in a program whose heap may be locked */
    CRASH_PATH_MAX = 512,
};

/* Not among the data that a reset takes back. */
static struct crash {
    const struct sim_options *options;
    const struct sim_campaign *campaign;
    bool came;
} * crash;

SP_PRINTF(1, 2)
static void crash_say(const char *format, ...)
{
    char line[2 * CRASH_PATH_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (length > 0)
        (void)!write(STDOUT_FILENO, line,
                     (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
}

/* What was printed so far is in the stream's buffer, which nobody writes any more. */
static void crash_tell(int signo)
{
    const struct sim_options *options = crash->options;
    const struct sim_plan *plan = sim_current->plan;
    const char *test = plan->test->name;
    char path[CRASH_PATH_MAX];
    crash_say("FAIL  %s (%s:%d): it kills the test program: %s\n", test, plan->test->file,
              plan->test->line, strsignal(signo));
    if (options->replay != NULL)
        return;
    if (crash->campaign != NULL)
        crash_say("again %s --filter %s --run %" PRIu64 ":%" PRIu64 "\n", options->program, test,
                  options->seed, crash->campaign->runs + 1);
    (void)snprintf(path, sizeof(path), "%s/%s-died.sim", options->output, test);
    if (sim_schedule_save(path, test, plan->seed, &sim_current->result->schedule) == SP_OK)
        crash_say("again %s --replay %s\n", options->program, path);
}

static void crash_handler(int signo)
{
    (void)signal(signo, SIG_DFL); /* the instruction faults again, and abort() goes on */
    if (crash->came || sim_current == NULL)
        return;
    crash->came = true;
    (void)alarm(CRASH_SECONDS);
    (void)sim_memory_switch(false);
    crash_tell(signo);
}

void sim_crash_start(const struct sim_options *options)
{
    static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    void *memory =
        mmap(NULL, sizeof(*crash), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return;
    crash = memory;
    crash->options = options;
    struct sigaction action = { .sa_handler = crash_handler, .sa_flags = SA_ONSTACK | SA_NODEFER };
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void)sigaction(signals[i], &action, NULL);
}

void sim_crash_campaign(const struct sim_campaign *campaign)
{
    if (crash != NULL)
        crash->campaign = campaign;
}
