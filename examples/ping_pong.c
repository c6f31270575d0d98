/* Two plain processes that send each other messages.
 *
 * A plain process is a function with a mailbox: it takes messages out one at a time, in
 * the order that it likes, and ends by returning. Servers (see name_server.c) are the better
 * choice for whatever answers questions; this is what is below them.
 */
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>

/* A message type: it declares ping_send() to send one, and ping_of() to recognise one. */
struct ball {
    int round;
};
SP_MESSAGE(ping, struct ball);
SP_MESSAGE(pong, struct ball);

enum { ROUNDS = 3 };

/** Returns every ping to whoever sent it: an address is a value, and comes with each message. */
static void ponger(void *arg)
{
    (void)arg;
    struct sp_message *message;
    while (sp_receive(sp_never(), &message) == SP_OK) {
        const struct ball *ball = ping_of(message);
        if (ball != NULL) { /* else it is no ping: read and dropped */
            printf("  ponger: ping %d\n", ball->round);
            sp_ignore(pong_send(sp_message_from(message), ball)); /* who has gone needs none */
        }
        sp_message_free(message);
    }
}

/** Plays ROUNDS rounds, then returns, which is a normal end. */
static void pinger(void *arg)
{
    sp_pid opponent = *(sp_pid *)arg;
    for (int round = 1; round <= ROUNDS; round++) {
        struct sp_message *message;
        sp_err err = ping_send(opponent, &(struct ball){ round });
        if (err == SP_OK)
            err = sp_receive(sp_after_sec(5), &message);
        if (err != SP_OK)
            sp_exit_error(err, "no answer in round %d", round); /* whoever watches us sees it */
        const struct ball *ball = pong_of(message);
        if (ball != NULL)
            printf("pinger: pong %d\n", ball->round);
        sp_message_free(message);
    }
}

static int run(void *arg)
{
    (void)arg;
    sp_pid ponger_pid;
    sp_monitor_ref monitor;
    struct sp_message *message;
    /* arg_size: the new process gets a copy, so that it does not need our stack. out_monitor: it
     * is watched from the start, so that its end comes as a message, however soon. */
    const struct sp_spawn_options watched = { .arg_size = sizeof(ponger_pid),
                                              .out_monitor = &monitor };
    if (sp_spawn(ponger, NULL, NULL, &ponger_pid) != SP_OK ||
        sp_spawn(pinger, &ponger_pid, &watched, NULL) != SP_OK ||
        sp_receive(sp_after_sec(60), &message) != SP_OK)
        return EXIT_FAILURE;
    const struct sp_down *down = sp_message_down(message);
    printf("pinger ended: %s\n", down == NULL ? "?" : sp_reason_text(down->reason));
    sp_message_free(message);

    /* The ponger waits for messages without end. A stop wakes it, and it does not come back. */
    if (sp_stop(ponger_pid, NULL, sp_after_sec(5)) != SP_OK)
        return EXIT_FAILURE;
    printf("ponger is %s\n", sp_is_alive(ponger_pid) ? "alive" : "gone");
    return EXIT_SUCCESS;
}

int main(void)
{
    return sp_main(run, NULL, NULL);
}
