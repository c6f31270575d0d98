/* What comes from the system: its signals, random bytes, faults in a process, the default number of
 * workers. */
#include "torture.h"

#include "spawned/os_signal.h"

#include <signal.h>
#include <unistd.h>

/* Faults by itself, not by a check that a sanitizer put there. */
#ifdef __clang__
#define NOINLINE __attribute__((noinline, no_sanitize("undefined")))
#else
#define NOINLINE __attribute__((noipa, no_sanitize("undefined")))
#endif

static void part_signal(void)
{
    struct sp_message *message;
    if (!DID(sp_os_signal_subscribe(SP_OS_SIGNAL_KEEP, TORTURE_PATIENCE)))
        return;
    MUST(kill(getpid(), SIGTERM) == 0);
    /* Without memory for the message it is lost. */
    sp_err err = sp_receive(sp_after_ms(torture_strict() ? 20000 : 100), &message);
    if (torture_strict() || err != SP_ERR_TIMEOUT)
        DID(err);
    if (err == SP_OK) {
        MUST(sp_os_signal_of(message) != NULL && sp_os_signal_of(message)->signo == SIGTERM);
        sp_message_free(message);
    }
    while ((err = sp_os_signal_unsubscribe(TORTURE_PATIENCE)) == SP_ERR_NOMEM)
        sp_yield();
    DID(err);
}

static int *volatile nowhere;

static NOINLINE void faults(void *arg)
{
    (void)arg;
    *nowhere = 1;
}

static void part_fault(void)
{
    sp_monitor_ref ref;
    sp_pid pid;
    struct sp_message *message;
    if (!DID(sp_spawn(faults, NULL, &(struct sp_spawn_options){ .out_monitor = &ref }, &pid)) ||
        !DID(sp_receive(TORTURE_PATIENCE, &message)))
        return;
    const struct sp_down *down = sp_message_down(message);
    MUST(down != NULL);
    MUST(sp_reason_kind(down->reason) == SP_REASON_FAULT || !torture_strict());
    sp_message_free(message);
}

void system_body(void *unused)
{
    (void)unused;
    uint64_t bytes[2] = { 0, 0 };
    if (DID(sp_random_bytes(bytes, sizeof(bytes))))
        MUST(bytes[0] != 0 || bytes[1] != 0);
    part_signal();
    part_fault();
}
