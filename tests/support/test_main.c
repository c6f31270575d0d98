/* Runs the registered cases: one forked child each, up to --jobs at a time.
 *
 * The runner is single-threaded (a fork from it is safe under every sanitizer) and waits
 * in sigtimedwait() for a child to end or for the nearest watchdog to be due. A child has
 * its own process group, which is killed as a whole when the case is over, so programs that
 * a case started do not outlive it; it dies with the runner. Its output goes to a file in
 * memory and is shown if the case fails.
 *
 * Neighbours: test.c (the checks).
 */
#include "support/test_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MAIN_JOBS_MAX = 64,
    MAIN_TIMEOUT_S = 120,
    MAIN_SLOW_FACTOR = 10,
    MAIN_ABORT_GRACE_S = 5, /**< between SIGABRT and SIGKILL */
};

struct main_options {
    const char *filter;
    int jobs;
    bool list;
    bool no_fork;
    bool verbose;
    double timeout; /**< seconds */
};

struct main_job {
    pid_t pid; /**< 0: this slot is free */
    int output;
    struct sp_test_case *one;
    struct sp_test_verdict *verdict; /**< shared with the child */
    double started;
    double due;   /**< when the watchdog acts */
    bool aborted; /**< it has acted */
};

struct main_counts {
    int passed;
    int failed;
    int skipped;
};

static struct main_options main_options = { .jobs = 1 };
static struct main_counts main_counts;
static struct main_job main_jobs[MAIN_JOBS_MAX];

static double main_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static SP_NORETURN void main_die(const char *what)
{
    perror(what);
    exit(2);
}

static void main_print_total(void)
{
    printf("%d passed, %d failed", main_counts.passed, main_counts.failed);
    if (main_counts.skipped > 0)
        printf(", %d skipped", main_counts.skipped);
    printf("\n");
    fflush(stdout);
}

static bool main_selected(const struct sp_test_case *one)
{
    return !main_options.filter || strstr(one->name, main_options.filter);
}

/* ---- the child ---- */

static SP_NORETURN void main_child(struct main_job *job)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(job->output, STDOUT_FILENO) < 0 ||
        dup2(job->output, STDERR_FILENO) < 0)
        main_die("test child");
    close(null);
    close(job->output);
    setvbuf(stdout, NULL, _IOLBF, 0);
    sp_test_current = job->verdict;
    job->one->run();
    job->verdict->state = SP_TEST_RETURNED;
    exit(0); /* not _exit: LeakSanitizer and gcov work at exit */
}

static void main_start(struct main_job *job, struct sp_test_case *one)
{
    job->one = one;
    job->aborted = false;
    job->verdict->state = SP_TEST_STARTED;
    job->verdict->reason[0] = '\0';
    job->output = memfd_create("sp-test-output", MFD_CLOEXEC);
    if (job->output < 0)
        main_die("memfd_create");
    fflush(NULL);
    job->started = main_now();
    job->due = job->started + main_options.timeout;
    job->pid = fork();
    if (job->pid < 0)
        main_die("fork");
    if (job->pid == 0)
        main_child(job);
    setpgid(job->pid, job->pid); /* in both, so that neither depends on who runs first */
}

/* ---- the verdict ---- */

/* Always ends a line: the total must stand on one of its own. */
static void main_show_output(const struct main_job *job)
{
    char chunk[4096];
    char last = '\n';
    lseek(job->output, 0, SEEK_SET);
    for (;;) {
        ssize_t n = read(job->output, chunk, sizeof chunk);
        if (n <= 0)
            break;
        fwrite(chunk, 1, (size_t)n, stdout);
        last = chunk[n - 1];
    }
    if (last != '\n')
        putchar('\n');
}

static void main_describe_end(const struct main_job *job, int status)
{
    if (job->aborted)
        printf("hung: aborted after %g s", main_options.timeout);
    else if (WIFSIGNALED(status))
        printf("killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (job->verdict->state == SP_TEST_FAILED)
        printf("%s", job->verdict->reason);
    else if (job->verdict->state == SP_TEST_RETURNED)
        printf("the case passed, then its process exited with status %d", WEXITSTATUS(status));
    else
        printf("exited with status %d before the case was over", WEXITSTATUS(status));
}

/* What stands in the line FAIL: a reason of several lines would not. */
static void main_flatten(char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\n')
            *text = ' ';
}

static void main_report(const struct main_job *job, int status)
{
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !job->aborted;
    double ms = (main_now() - job->started) * 1000;
    if (clean && job->verdict->state == SP_TEST_RETURNED) {
        main_counts.passed++;
        printf("ok   %s (%.1f ms)\n", job->one->name, ms);
        if (main_options.verbose)
            main_show_output(job);
    } else if (clean && job->verdict->state == SP_TEST_SKIPPED) {
        main_counts.skipped++;
        printf("skip %s: %s\n", job->one->name, job->verdict->reason);
    } else {
        main_counts.failed++;
        main_flatten(job->verdict->reason);
        printf("FAIL %s (%s:%d): ", job->one->name, job->one->file, job->one->line);
        main_describe_end(job, status);
        printf("\n");
        main_show_output(job);
    }
    fflush(stdout);
}

static void main_reap(struct main_job *job)
{
    int status = 0;
    if (waitpid(job->pid, &status, WNOHANG) != job->pid)
        return;
    kill(-job->pid, SIGKILL);
    main_report(job, status);
    close(job->output);
    job->pid = 0;
}

/* ---- the loop ---- */

/* SIGABRT leaves a core and a sanitizer's report; the code under test may catch it. */
static void main_watch(struct main_job *job, double now)
{
    if (now < job->due)
        return;
    kill(job->pid, job->aborted ? SIGKILL : SIGABRT);
    job->aborted = true;
    job->due = now + MAIN_ABORT_GRACE_S;
}

static void main_wait(void)
{
    double now = main_now();
    double due = now + main_options.timeout;
    for (int i = 0; i < main_options.jobs; i++)
        if (main_jobs[i].pid != 0 && main_jobs[i].due < due)
            due = main_jobs[i].due;
    double left = due > now ? due - now : 0;
    struct timespec timeout = { .tv_sec = (time_t)left };
    timeout.tv_nsec = (long)((left - (double)timeout.tv_sec) * 1e9);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigtimedwait(&child, NULL, &timeout);

    now = main_now();
    for (int i = 0; i < main_options.jobs; i++) {
        if (main_jobs[i].pid != 0)
            main_reap(&main_jobs[i]);
        if (main_jobs[i].pid != 0)
            main_watch(&main_jobs[i], now);
    }
}

static int main_busy(void)
{
    int busy = 0;
    for (int i = 0; i < main_options.jobs; i++)
        busy += main_jobs[i].pid != 0;
    return busy;
}

static struct main_job *main_free_slot(void)
{
    while (main_busy() == main_options.jobs)
        main_wait();
    for (int i = 0; i < main_options.jobs; i++)
        if (main_jobs[i].pid == 0)
            return &main_jobs[i];
    abort();
}

static void main_run_forked(void)
{
    struct sp_test_verdict *verdicts =
        mmap(NULL, sizeof *verdicts * MAIN_JOBS_MAX, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (verdicts == MAP_FAILED)
        main_die("mmap");
    for (int i = 0; i < MAIN_JOBS_MAX; i++)
        main_jobs[i].verdict = &verdicts[i];
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    for (struct sp_test_case *one = sp_test_cases(); one; one = one->next)
        if (main_selected(one))
            main_start(main_free_slot(), one);
    while (main_busy() > 0)
        main_wait();
}

/* --no-fork: a failed or skipped check cannot come back to the loop, so it ends the run. */
static void main_end_unforked(void)
{
    main_counts.failed += sp_test_current->state == SP_TEST_FAILED;
    main_counts.skipped += sp_test_current->state == SP_TEST_SKIPPED;
    main_print_total();
}

static void main_run_unforked(void)
{
    static struct sp_test_verdict verdict;
    sp_test_current = &verdict;
    sp_test_on_end = main_end_unforked;
    for (struct sp_test_case *one = sp_test_cases(); one; one = one->next) {
        if (!main_selected(one))
            continue;
        printf("run  %s\n", one->name);
        fflush(stdout);
        one->run();
        main_counts.passed++;
    }
}

static void main_list(void)
{
    for (struct sp_test_case *one = sp_test_cases(); one; one = one->next)
        if (main_selected(one))
            printf("%s\n", one->name);
}

/* ---- options ---- */

static SP_NORETURN void main_usage(const char *program, int status)
{
    fprintf(status ? stderr : stdout,
            "Usage: %s [--list] [--filter SUBSTRING] [--no-fork] [--jobs N] [--verbose]\n"
            "  --list      print the names of the cases\n"
            "  --filter S  only cases whose name contains S\n"
            "  --no-fork   run in this process, for a debugger; stops at the first failure\n"
            "  --jobs N    up to N cases at a time (1 to %d, default 1)\n"
            "  --verbose   show the output of cases that pass\n"
            "Environment: SP_TEST_TIMEOUT, seconds after which a case counts as hung.\n",
            program, MAIN_JOBS_MAX);
    exit(status);
}

static double main_default_timeout(void)
{
    const char *text = getenv("SP_TEST_TIMEOUT");
    if (text) {
        char *end = NULL;
        double seconds = strtod(text, &end);
        if (end == text || *end != '\0' || !(seconds > 0) || seconds > 1e6) {
            fprintf(stderr, "SP_TEST_TIMEOUT: not a number of seconds: %s\n", text);
            exit(2);
        }
        return seconds;
    }
    return sp_test_slow() ? MAIN_TIMEOUT_S * MAIN_SLOW_FACTOR : MAIN_TIMEOUT_S;
}

static int main_parse_jobs(const char *program, const char *text)
{
    char *end = NULL;
    long n = strtol(text, &end, 10);
    if (end == text || *end != '\0' || n < 1 || n > MAIN_JOBS_MAX)
        main_usage(program, 2);
    return (int)n;
}

static void main_parse(int argc, char **argv)
{
    main_options.timeout = main_default_timeout();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0)
            main_options.list = true;
        else if (strcmp(argv[i], "--no-fork") == 0)
            main_options.no_fork = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            main_options.verbose = true;
        else if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc)
            main_options.filter = argv[++i];
        else if (strcmp(argv[i], "--jobs") == 0 && i + 1 < argc)
            main_options.jobs = main_parse_jobs(argv[0], argv[++i]);
        else
            main_usage(argv[0], strcmp(argv[i], "--help") == 0 ? 0 : 2);
    }
}

int main(int argc, char **argv)
{
    main_parse(argc, argv);
    if (main_options.list) {
        main_list();
        return 0;
    }
    if (main_options.no_fork)
        main_run_unforked();
    else
        main_run_forked();
    main_print_total();
    if (main_counts.passed + main_counts.failed + main_counts.skipped == 0) {
        fprintf(stderr, "no case matches\n");
        return 2;
    }
    return main_counts.failed > 0 ? 1 : 0;
}
