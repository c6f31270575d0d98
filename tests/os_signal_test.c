/* SIGINT and SIGTERM as messages. Each case runs in a process of its own, so it may signal itself. */
#include "spawned/os_signal.h"
#include "support/supervision.h"
#include "support/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void raise_in_program(int signo)
{
    CHECK_INT(kill(getpid(), signo), 0);
}

/* The action of a signal as the system has it. */
static bool is_default(int signo)
{
    struct sigaction action;
    CHECK_INT(sigaction(signo, NULL, &action), 0);
    return action.sa_handler == SIG_DFL;
}

static int receive_signal(void)
{
    struct sp_message *message;
    CHECK_OK(sp_receive(sp_never(), &message));
    const struct sp_os_signal *signal = sp_os_signal_of(message);
    CHECK(signal != NULL);
    int signo = signal->signo;
    sp_message_free(message);
    return signo;
}

struct listener_args {
    int id;
    enum sp_os_signal_mode mode;
};

/* Records one signal, then leaves. */
static void listener_run(void *arg)
{
    const struct listener_args *args = arg;
    CHECK_OK(sp_os_signal_subscribe(args->mode, sp_never()));
    sv_record("ready");
    sv_record("%d:%d", args->id, receive_signal());
}

static void listen_as(int id, enum sp_os_signal_mode mode)
{
    struct listener_args args = { .id = id, .mode = mode };
    CHECK_OK(sp_spawn(listener_run, &args, &(struct sp_spawn_options){ .arg_size = sizeof(args) },
                      NULL));
}

TEST(os_signal_reaches_every_subscriber)
{
    sv_begin();
    size_t before = sv_processes();
    for (int i = 0; i < 5; i++)
        listen_as(i, SP_OS_SIGNAL_ONCE);
    sv_await("ready", 5);
    CHECK(!is_default(SIGTERM) && !is_default(SIGINT));
    raise_in_program(SIGTERM);
    for (int i = 0; i < 5; i++) {
        char event[16];
        snprintf(event, sizeof(event), "%d:%d", i, SIGTERM);
        sv_await(event, 1);
    }
    sv_await_processes(before); /* the server has gone with its last subscriber */
    CHECK(is_default(SIGTERM) && is_default(SIGINT));
    sv_end();
}

TEST(os_signal_sigint_and_a_thread_that_subscribes)
{
    sv_begin();
    CHECK_OK(sp_os_signal_subscribe(SP_OS_SIGNAL_ONCE, sp_never()));
    raise_in_program(SIGINT);
    CHECK_INT(receive_signal(), SIGINT);
    CHECK_OK(sp_os_signal_unsubscribe(sp_never()));
    CHECK_ERR(sp_os_signal_unsubscribe(sp_never()), SP_ERR_NOTFOUND);
    sv_end();
}

/* The next one would end the program. */
TEST(os_signal_once_has_its_default_action_again_after_the_first)
{
    sv_begin();
    CHECK_OK(sp_os_signal_subscribe(SP_OS_SIGNAL_ONCE, sp_never()));
    raise_in_program(SIGTERM);
    CHECK_INT(receive_signal(), SIGTERM);
    while (!is_default(SIGTERM) || !is_default(SIGINT))
        sp_yield();
    /* Subscribing again takes them anew. */
    CHECK_OK(sp_os_signal_subscribe(SP_OS_SIGNAL_KEEP, sp_never()));
    CHECK(!is_default(SIGTERM));
    raise_in_program(SIGTERM);
    CHECK_INT(receive_signal(), SIGTERM);
    sv_end();
}

TEST(os_signal_keep_delivers_each)
{
    sv_begin();
    CHECK_OK(sp_os_signal_subscribe(SP_OS_SIGNAL_KEEP, sp_never()));
    for (int i = 0; i < 20; i++) {
        int signo = i % 2 == 0 ? SIGINT : SIGTERM;
        raise_in_program(signo);
        CHECK_INT(receive_signal(), signo);
    }
    CHECK_OK(sp_os_signal_unsubscribe(sp_never()));
    sv_end();
}

/* One that keeps them is enough. */
TEST(os_signal_kept_by_another)
{
    sv_begin();
    listen_as(1, SP_OS_SIGNAL_ONCE);
    sv_await("ready", 1);
    CHECK_OK(sp_os_signal_subscribe(SP_OS_SIGNAL_KEEP, sp_never()));
    raise_in_program(SIGTERM);
    CHECK_INT(receive_signal(), SIGTERM);
    raise_in_program(SIGTERM);
    CHECK_INT(receive_signal(), SIGTERM);
    CHECK_OK(sp_os_signal_unsubscribe(sp_never()));
    sv_end();
}

TEST(os_signal_unsubscribed_hears_nothing)
{
    sv_begin();
    struct sp_message *message;
    CHECK_ERR(sp_os_signal_unsubscribe(sp_never()), SP_ERR_NOTFOUND);
    CHECK_OK(sp_os_signal_subscribe(SP_OS_SIGNAL_KEEP, sp_never()));
    listen_as(7, SP_OS_SIGNAL_ONCE);
    sv_await("ready", 1);
    CHECK_OK(sp_os_signal_unsubscribe(sp_never()));
    raise_in_program(SIGINT);
    char event[16];
    snprintf(event, sizeof(event), "7:%d", SIGINT);
    sv_await(event, 1);
    CHECK_ERR(sp_receive(sp_nowait(), &message), SP_ERR_TIMEOUT);
    sv_end();
}

TEST(os_signal_wrong_mode)
{
    sv_begin();
    CHECK_ERR(sp_os_signal_subscribe((enum sp_os_signal_mode)2, sp_never()), SP_ERR_INVALID);
    sv_end();
}

/* Subscribing and leaving at the same time, over and over: the server comes and goes. */
static void flicker_run(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        CHECK_OK(sp_os_signal_subscribe(SP_OS_SIGNAL_KEEP, sp_never()));
        CHECK_OK(sp_os_signal_unsubscribe(sp_never()));
    }
    sv_record("done");
}

TEST(os_signal_subscribers_that_come_and_go)
{
    sv_begin();
    size_t before = sv_processes();
    for (int i = 0; i < 4; i++)
        CHECK_OK(sp_spawn(flicker_run, NULL, NULL, NULL));
    sv_await("done", 4);
    sv_await_processes(before);
    CHECK(is_default(SIGTERM) && is_default(SIGINT));
    sv_end();
}

/* A program has one set of signals: the first runtime keeps them as long as somebody listens. */
static void foreign_run(void *arg)
{
    struct sp_runtime *other = arg;
    CHECK_OK(sp_thread_attach(other));
    sv_record("%s", sp_err_name(sp_os_signal_subscribe(SP_OS_SIGNAL_KEEP, sp_never())));
    sp_thread_detach();
}

static void *foreign_thread(void *arg)
{
    foreign_run(arg);
    return NULL;
}

static void attach_elsewhere(struct sp_runtime *other)
{
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, foreign_thread, other), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
}

TEST(os_signal_second_runtime_waits_for_the_first)
{
    struct sp_runtime *other;
    sv_begin();
    CHECK_OK(sp_runtime_create(&(struct sp_runtime_options){ .workers = 1 }, &other));
    CHECK_OK(sp_os_signal_subscribe(SP_OS_SIGNAL_KEEP, sp_never()));
    attach_elsewhere(other);
    CHECK_EVENTS("LIMIT");
    CHECK_OK(sp_os_signal_unsubscribe(sp_never()));
    while (!is_default(SIGTERM))
        sp_yield();
    attach_elsewhere(other);
    CHECK_EVENTS("LIMIT OK");
    CHECK_OK(sp_runtime_destroy(other, sp_after_sec(60), NULL));
    CHECK(is_default(SIGTERM) && is_default(SIGINT));
    sv_end();
}
