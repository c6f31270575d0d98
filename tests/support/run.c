/* Runs other programs with pipes on stdin, stdout and stderr.
 *
 * posix_spawn and not fork: the case may have started a runtime, and a fork of a process
 * with threads is not safe for what follows in the child. All pipes are served by one
 * poll loop, so neither side can block the other on a full pipe.
 */
#include "support/run.h"

#include "support/test.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    RUN_ARGS_MAX = 128,
    RUN_ENV_MAX = 1024,
    RUN_CHUNK = 65536,
};

struct run_buffer {
    char *bytes;
    size_t len;
    size_t room;
};

struct sp_test_program {
    pid_t pid;
    int in; /**< our ends of the pipes; -1 when closed */
    int out;
    int err;
    bool close_in; /**< close stdin once `input` is written */
    struct run_buffer input;
    size_t input_done;
    struct run_buffer output;
    struct run_buffer errors;
};

/* ---- buffers ---- */

static void run_append(struct run_buffer *buffer, const void *bytes, size_t len)
{
    if (buffer->len + len + 1 > buffer->room) {
        size_t room = (buffer->len + len + 1) * 2;
        char *grown = realloc(buffer->bytes, room);
        if (!grown)
            FAIL("out of memory for a program's output");
        buffer->bytes = grown;
        buffer->room = room;
    }
    if (len > 0)
        memcpy(buffer->bytes + buffer->len, bytes, len);
    buffer->len += len;
    buffer->bytes[buffer->len] = '\0';
}

/* ---- starting ---- */

#ifdef SP_TEST_EMULATOR
/* True if `path` is an executable for the processor this code was compiled for. */
static bool run_is_ours(const char *path)
{
    unsigned char self[sizeof(Elf64_Ehdr)];
    unsigned char other[sizeof(Elf64_Ehdr)];
    bool ours = false;
    int a = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int b = open(path, O_RDONLY | O_CLOEXEC);
    if (a >= 0 && b >= 0 && read(a, self, sizeof self) == (ssize_t)sizeof self &&
        read(b, other, sizeof other) == (ssize_t)sizeof other)
        ours = memcmp(self + offsetof(Elf64_Ehdr, e_machine),
                      other + offsetof(Elf64_Ehdr, e_machine), sizeof(Elf64_Half)) == 0;
    if (a >= 0)
        close(a);
    if (b >= 0)
        close(b);
    return ours;
}

static size_t run_add_emulator(const char *program, const char **argv)
{
    static const char *const emulator[] = { SP_TEST_EMULATOR };
    size_t n = 0;
    if (run_is_ours(program))
        for (; n < sizeof emulator / sizeof *emulator; n++)
            argv[n] = emulator[n];
    return n;
}
#else
static size_t run_add_emulator(const char *program, const char **argv)
{
    (void)program;
    (void)argv;
    return 0;
}
#endif

static void run_fill_argv(const struct sp_test_command *command, const char **argv)
{
    size_t n = run_add_emulator(command->program, argv);
    argv[n++] = command->program;
    for (size_t i = 0; command->args && command->args[i]; i++) {
        if (n + 1 >= RUN_ARGS_MAX)
            FAIL("more than %d arguments", RUN_ARGS_MAX);
        argv[n++] = command->args[i];
    }
    argv[n] = NULL;
}

static bool run_replaced(const char *variable, const char *const *added)
{
    for (size_t i = 0; added && added[i]; i++) {
        size_t name = strcspn(added[i], "=");
        if (strncmp(variable, added[i], name) == 0 && variable[name] == '=')
            return true;
    }
    return false;
}

static void run_fill_env(const struct sp_test_command *command, const char **envp)
{
    size_t n = 0;
    for (size_t i = 0; environ[i] && n + 1 < RUN_ENV_MAX; i++)
        if (!run_replaced(environ[i], command->env))
            envp[n++] = environ[i];
    for (size_t i = 0; command->env && command->env[i] && n + 1 < RUN_ENV_MAX; i++)
        envp[n++] = command->env[i];
    envp[n] = NULL;
}

static void run_pipe(int *out_read, int *out_write)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        FAIL("pipe: %s", strerror(errno));
    *out_read = ends[0];
    *out_write = ends[1];
}

static int run_spawn(const struct sp_test_command *command, const int fds[3], pid_t *out_pid)
{
    const char *argv[RUN_ARGS_MAX];
    const char *envp[RUN_ENV_MAX];
    run_fill_argv(command, argv);
    run_fill_env(command, envp);

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    for (int fd = 0; fd < 3; fd++)
        posix_spawn_file_actions_adddup2(&actions, fds[fd], fd);
    if (command->dir)
        posix_spawn_file_actions_addchdir_np(&actions, command->dir);
    int failed = posix_spawnp(out_pid, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv,
                              (char *const *)(uintptr_t)envp);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

struct sp_test_program *sp_test_program_start(const struct sp_test_command *command)
{
    struct sp_test_program *program = calloc(1, sizeof *program);
    if (!program)
        FAIL("out of memory");
    int fds[3];
    run_pipe(&fds[0], &program->in);
    run_pipe(&program->out, &fds[1]);
    run_pipe(&program->err, &fds[2]);
    int failed = run_spawn(command, fds, &program->pid);
    if (failed)
        FAIL("cannot run %s: %s", command->program, strerror(failed));
    for (int fd = 0; fd < 3; fd++)
        close(fds[fd]);
    fcntl(program->in, F_SETFL, O_NONBLOCK);
    run_append(&program->output, "", 0);
    run_append(&program->errors, "", 0);
    if (command->input_len > 0)
        run_append(&program->input, command->input, command->input_len);
    return program;
}

/* ---- the pipes ---- */

static void run_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void run_read(int *fd, struct run_buffer *buffer)
{
    static char chunk[RUN_CHUNK];
    ssize_t n = read(*fd, chunk, sizeof chunk);
    if (n > 0)
        run_append(buffer, chunk, (size_t)n);
    else if (n == 0 || errno != EINTR)
        run_close(fd);
}

/* write() whose SIGPIPE is swallowed. The signal is not ignored for the whole process,
 * because how the code under test deals with it is part of the test. */
static ssize_t run_write_quiet(int fd, const void *bytes, size_t len)
{
    sigset_t pipe_only;
    sigset_t before;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    ssize_t n = write(fd, bytes, len);
    int error = errno;
    if (n < 0 && error == EPIPE)
        sigtimedwait(&pipe_only, NULL, &(struct timespec){ 0 });
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return n;
}

/* A program need not read its input: EPIPE only closes our end. */
static void run_feed(struct sp_test_program *program)
{
    ssize_t n = run_write_quiet(program->in, program->input.bytes + program->input_done,
                                program->input.len - program->input_done);
    if (n > 0)
        program->input_done += (size_t)n;
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        run_close(&program->in);
}

/* Waits for something to happen on the pipes and serves it. */
static void run_step(struct sp_test_program *program)
{
    bool pending = program->input_done < program->input.len;
    if (!pending && program->close_in)
        run_close(&program->in);
    struct pollfd fds[3] = {
        { .fd = pending ? program->in : -1, .events = POLLOUT },
        { .fd = program->out, .events = POLLIN },
        { .fd = program->err, .events = POLLIN },
    };
    if (poll(fds, 3, -1) < 0)
        return;
    if (fds[0].revents)
        run_feed(program);
    if (fds[1].revents)
        run_read(&program->out, &program->output);
    if (fds[2].revents)
        run_read(&program->err, &program->errors);
}

void sp_test_program_await(struct sp_test_program *program, const char *part)
{
    while (!strstr(program->output.bytes, part) && !strstr(program->errors.bytes, part)) {
        if (program->out < 0 && program->err < 0)
            FAIL("the program ended before it said \"%s\"; stdout: %s; stderr: %s", part,
                 program->output.bytes, program->errors.bytes);
        run_step(program);
    }
}

const char *sp_test_program_out(const struct sp_test_program *program)
{
    return program->output.bytes;
}

void sp_test_program_write(struct sp_test_program *program, const void *bytes, size_t len)
{
    run_append(&program->input, bytes, len);
    while (program->in >= 0 && program->input_done < program->input.len)
        run_step(program);
}

void sp_test_program_signal(struct sp_test_program *program, int signal)
{
    if (kill(program->pid, signal) != 0)
        FAIL("kill: %s", strerror(errno));
}

int sp_test_program_pid(const struct sp_test_program *program)
{
    return program->pid;
}

/* ---- the end ---- */

void sp_test_program_finish(struct sp_test_program *program, struct sp_test_output *out_output)
{
    program->close_in = true;
    while (program->out >= 0 || program->err >= 0)
        run_step(program);
    run_close(&program->in);
    int status = 0;
    while (waitpid(program->pid, &status, 0) < 0)
        if (errno != EINTR)
            FAIL("waitpid: %s", strerror(errno));
    *out_output = (struct sp_test_output){
        .status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
        .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
        .out = program->output.bytes,
        .out_len = program->output.len,
        .err = program->errors.bytes,
        .err_len = program->errors.len,
    };
    free(program->input.bytes);
    free(program);
}

void sp_test_run(const struct sp_test_command *command, struct sp_test_output *out_output)
{
    sp_test_program_finish(sp_test_program_start(command), out_output);
}

void sp_test_output_free(struct sp_test_output *output)
{
    free(output->out);
    free(output->err);
    *output = (struct sp_test_output){ 0 };
}

void sp_test_drop_lines(char *text, const char *part)
{
    for (char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        length += line[length] == '\n';
        char *found = strstr(line, part);
        if (found != NULL && found < line + length)
            memmove(line, line + length, strlen(line + length) + 1);
        else
            line += length;
    }
}
