/* Tests of SIGINT and SIGTERM subscriptions, on a runtime that has nothing else. */
#include "runtime/real/os_signal.h"

#include "support/test.h"

#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void runtime_start(struct sp_runtime *runtime)
{
    *runtime = (struct sp_runtime){ 0 };
    sp__epoch_init(&runtime->epoch, true);
    sp__msg_pool_init(&runtime->messages, NULL);
    sp__list_init(&runtime->contexts);
    CHECK_OK(sp__fiber_pool_create(NULL, &runtime->fibers));
}

static void runtime_stop(struct sp_runtime *runtime)
{
    sp__os_signals_forget(runtime);
    CHECK(sp__list_empty(&runtime->contexts)); /* no thread of it is left */
    sp__fiber_pool_destroy(runtime->fibers);
    sp__msg_pool_finish(&runtime->messages);
    sp__epoch_finish(&runtime->epoch);
}

/* What a subscriber saw. */
struct listener {
    struct sp_runtime *runtime;
    sem_t heard;
    _Atomic int interrupts;
    _Atomic int terminations;
    _Atomic bool ends_itself;
};

static void listener_init(struct listener *self, struct sp_runtime *runtime)
{
    *self = (struct listener){ .runtime = runtime };
    CHECK_INT(sem_init(&self->heard, 0, 0), 0);
}

static void listener_notify(void *arg, int signo)
{
    struct listener *self = arg;
    CHECK(sp__context() != NULL);
    CHECK_PTR(sp__context()->runtime, self->runtime);
    atomic_fetch_add(signo == SIGINT ? &self->interrupts : &self->terminations, 1);
    if (atomic_load(&self->ends_itself))
        CHECK_OK(sp__os_signals(self->runtime, NULL, NULL));
    sem_post(&self->heard);
}

static void listener_await(struct listener *self)
{
    while (sem_wait(&self->heard) != 0)
        continue;
}

TEST(os_signals_each_signal_is_told_with_its_number)
{
    struct sp_runtime runtime;
    runtime_start(&runtime);
    struct listener listener;
    listener_init(&listener, &runtime);
    CHECK_OK(sp__os_signals(&runtime, listener_notify, &listener));
    for (int i = 0; i < 100; i++) {
        CHECK_INT(kill(getpid(), SIGINT), 0);
        listener_await(&listener);
        CHECK_INT(kill(getpid(), SIGTERM), 0);
        listener_await(&listener);
    }
    CHECK_INT(listener.interrupts, 100);
    CHECK_INT(listener.terminations, 100);
    runtime_stop(&runtime);
}

TEST(os_signals_arrive_though_the_program_blocks_them)
{
    sp__threads_block_signals();
    struct sp_runtime runtime;
    runtime_start(&runtime);
    struct listener listener;
    listener_init(&listener, &runtime);
    CHECK_OK(sp__os_signals(&runtime, listener_notify, &listener));
    CHECK_INT(kill(getpid(), SIGTERM), 0);
    listener_await(&listener);
    CHECK_INT(listener.terminations, 1);
    runtime_stop(&runtime);
}

TEST(os_signals_second_subscriber_is_refused_until_the_first_ends)
{
    struct sp_runtime a;
    struct sp_runtime b;
    runtime_start(&a);
    runtime_start(&b);
    struct listener listener;
    listener_init(&listener, &a);
    CHECK_OK(sp__os_signals(&a, listener_notify, &listener));
    CHECK_ERR(sp__os_signals(&a, listener_notify, &listener), SP_ERR_EXISTS);
    CHECK_ERR(sp__os_signals(&b, listener_notify, &listener), SP_ERR_EXISTS);
    CHECK_OK(sp__os_signals(&b, NULL, NULL)); /* not its own: nothing happens */
    CHECK_INT(kill(getpid(), SIGINT), 0);
    listener_await(&listener);
    CHECK_OK(sp__os_signals(&a, NULL, NULL));
    listener.runtime = &b;
    CHECK_OK(sp__os_signals(&b, listener_notify, &listener));
    CHECK_INT(kill(getpid(), SIGINT), 0);
    listener_await(&listener);
    CHECK_INT(listener.interrupts, 2);
    runtime_stop(&b);
    runtime_stop(&a);
}

TEST(os_signals_ended_from_notify_can_be_subscribed_again)
{
    struct sp_runtime runtime;
    runtime_start(&runtime);
    struct listener listener;
    listener_init(&listener, &runtime);
    for (int i = 0; i < 50; i++) {
        atomic_store(&listener.ends_itself, true);
        CHECK_OK(sp__os_signals(&runtime, listener_notify, &listener));
        CHECK_INT(kill(getpid(), SIGINT), 0);
        listener_await(&listener);
    }
    CHECK_INT(listener.interrupts, 50);
    runtime_stop(&runtime);
}

/* How a child that runs `body` and then gets SIGTERM ends. */
static int status_of_child(void (*body)(void))
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        body();
        kill(getpid(), SIGTERM);
        for (;;)
            pause();
    }
    int status = 0;
    CHECK_INT(waitpid(child, &status, 0), child);
    return status;
}

static void body_unsubscribed(void)
{
    struct sp_runtime runtime;
    runtime_start(&runtime);
    struct listener listener;
    listener_init(&listener, &runtime);
    CHECK_OK(sp__os_signals(&runtime, listener_notify, &listener));
    CHECK_OK(sp__os_signals(&runtime, NULL, NULL));
    runtime_stop(&runtime);
}

TEST(os_signals_unsubscribed_program_dies_of_sigterm)
{
    int status = status_of_child(body_unsubscribed);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGTERM);
}

static void exit_quietly(int signo)
{
    (void)signo;
    _exit(42);
}

static void body_own_handler(void)
{
    struct sigaction action = { .sa_handler = exit_quietly };
    CHECK_INT(sigaction(SIGTERM, &action, NULL), 0);
    body_unsubscribed();
}

TEST(os_signals_unsubscribed_program_has_its_own_handler_back)
{
    int status = status_of_child(body_own_handler);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 42);
}
