/* Of two tasks the first to succeed cancels the other, which may have done its work by then.
 * Corrected: a task asks before it does what cannot be undone. */
#include "suite.h"

SP_MESSAGE(race_done, int);

SP_SERVER(referee, sp_empty);
SP_CALL(referee, may_commit, sp_empty, bool);

static struct {
    struct suite suite;
    referee_ref referee;
    int commits;
    int numbers[2];
} race;

static sp_err referee_on_may_commit(bool *given, const sp_empty *in, bool *out)
{
    (void)in;
    *out = !*given;
    *given = true;
    return SP_OK;
}

SP_STATE(referee, bool);
SP_ON_CALL(referee, may_commit);
SP_CLASS(referee, .init = NULL);

static void task_main(void *arg)
{
    const int *number = arg;
    bool may = true;
    suite_steps(*number == 0 ? race.suite.skew : 0);
    if (race.suite.fixed)
        sp_ignore(referee_may_commit(race.referee, &(sp_empty){ 0 }, &may, sp_never()));
    if (!may)
        return;
    race.commits++;
    sp_ignore(race_done_send(suite_pid("starter"), number));
}

static void starter_main(void *arg)
{
    (void)arg;
    sp_pid tasks[2];
    struct sp_message *message;
    static const char *const names[] = { "task1", "task2" };
    for (int i = 0; i < 2; i++) {
        race.numbers[i] = i;
        sp_ignore(sp_spawn(task_main, &race.numbers[i],
                           &(struct sp_spawn_options){ .name = names[i] }, &tasks[i]));
    }
    if (sp_receive(sp_never(), &message) != SP_OK)
        return;
    int winner = *race_done_of(message);
    sp_message_free(message);
    sp_ignore(sp_kill(tasks[1 - winner]));
}

static void race_main(void *arg)
{
    (void)arg;
    sp_ignore(referee_start(&(sp_empty){ 0 }, NULL, &race.referee));
    suite_run(&race.suite,
              (const struct suite_actor[]){ { .name = "starter", .fn = starter_main } }, 1);
    suite_settle();
}

static void race_ok_run(sp_sim *s, const struct suite *suite)
{
    race.suite = *suite;
    race.commits = 0;
    sp_sim_start(s, "node", race_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, race.commits <= 1, "%d commits", race.commits);
}

SUITE_TESTS(race_ok, race_ok_run);
