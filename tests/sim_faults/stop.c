/* A program that marks its files as clean when it is told to stop, before it has written what it
 * holds; the next start believes the mark. Corrected: it writes first. A crash leaves no mark. */
#include "faults.h"

#include <spawned/os_signal.h>

static struct {
    bool fixed;
    bool clean;
    int logged;  /* items of the log */
    int indexed; /* items of the index, made from the log */
} files;

static bool told_to_stop(sp_deadline deadline)
{
    struct sp_message *message;
    if (sp_receive(deadline, &message) != SP_OK)
        return false;
    bool told = sp_os_signal_of(message) != NULL;
    sp_message_free(message);
    return told;
}

/* Without the mark the index is made anew. */
static void index_recover(void)
{
    sp_sleep(sp_ms(1));
    if (files.clean)
        sp_always(files.indexed == files.logged, "clean files are whole");
    files.clean = false;
    files.indexed = files.logged;
}

static void index_stop(void)
{
    if (files.fixed)
        files.indexed = files.logged;
    files.clean = true;
}

static void index_main(void *arg)
{
    (void)arg;
    bool stops = sp_os_signal_subscribe(SP_OS_SIGNAL_KEEP, (sp_deadline){ 0 }) == SP_OK;
    index_recover();
    while (stops && files.logged < 100) {
        files.logged++;
        if (told_to_stop(sp_after_ms(1))) {
            index_stop();
            return;
        }
    }
    files.indexed = files.logged;
}

static void stopped(sp_sim *s, bool fixed)
{
    files.fixed = fixed;
    files.clean = false;
    files.logged = 0;
    files.indexed = 0;
    sp_sim_start(s, "index", index_main, NULL);
    sp_sim_run(s);
}

FAULT_TESTS(stop, stopped);
