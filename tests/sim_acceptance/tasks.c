/* Tasks and groups under every schedule: cases 81, 82, 84, and what their parts promise.
 *
 * Results and their destructors are counted, so that none is lost or taken twice; after each case
 * nobody is left.
 */
#include "accept.h"

static struct {
    int made;
    int destroyed;
    int taken;
    int commits;
} books;

struct token {
    int number; /* 0: none */
};

static void token_destroy(struct token *token)
{
    EXPECT(token->number != 0);
    token->number = 0;
    books.destroyed++;
}

/* Waits for `yields` turns, then makes a token. */
SP_TASK(makes, int, struct token);
static sp_err makes_run(const int *in, struct token *out)
{
    for (int i = 0; i < *in; i++)
        sp_yield();
    out->number = ++books.made;
    return SP_OK;
}
SP_ON_TASK_MOVED(makes, token_destroy);

static void token_take(struct token *token)
{
    EXPECT(token->number != 0);
    token->number = 0;
    books.taken++;
}

/* Under sanitizers static variables keep what the run before left. */
static void books_open(void)
{
    memset(&books, 0, sizeof(books));
}

static void books_close(void)
{
    EXPECT(books.made == books.taken + books.destroyed);
    EXPECT(accept_alone());
    accept_close();
}

/* ---- one task ---- */

static void joining(void *unused)
{
    (void)unused;
    books_open();
    makes_task task;
    struct token token = { 0 };
    const struct sp_reason *reason;
    if (makes_spawn(&(int){ 2 }, NULL, &task) != SP_OK)
        return;
    /* Too early, or not: in any case the next join has it, or this one had. */
    sp_err err = sp_task_join(task.task, &makes_task_type, &token, sp_after_ms(1), &reason);
    EXPECT(err == SP_OK || err == SP_ERR_TIMEOUT);
    if (err == SP_ERR_TIMEOUT) {
        EXPECT(token.number == 0);
        EXPECT(makes_join(task, &token, sp_never()) == SP_OK);
    }
    token_take(&token);
    EXPECT(makes_join(task, &token, sp_never()) == SP_ERR_NOPROC);
    EXPECT(accept_mail_now().others == 0);
    books_close();
}
ACCEPT(case_82_a_join_meets_its_deadline, joining, .abstract_time = true);

static void detaching(void *unused)
{
    (void)unused;
    books_open();
    makes_task task;
    if (makes_spawn(&(int){ 1 }, NULL, &task) != SP_OK)
        return;
    sp_yield();
    EXPECT(sp_task_detach(task.task) == SP_OK);
    accept_settle();
    EXPECT(books.destroyed == 1);
    books_close();
}
ACCEPT(a_detached_tasks_result_is_destroyed_once, detaching);

static void join_and_die(void *arg)
{
    makes_task *task = arg;
    struct token token = { 0 };
    sp_ignore(makes_join(*task, &token, sp_never()));
}

/* A joiner that is killed while the task ends; and the owner joins. */
static void joiner_dies(void *unused)
{
    (void)unused;
    books_open();
    makes_task task;
    struct token token = { 0 };
    if (makes_spawn(&(int){ 2 }, NULL, &task) != SP_OK)
        return;
    sp_pid joiner = accept_spawn("joiner", join_and_die, &task);
    sp_yield();
    sp_ignore(sp_kill(joiner));
    EXPECT(makes_join(task, &token, sp_never()) == SP_OK);
    token_take(&token);
    accept_join(joiner);
    books_close();
}
ACCEPT(a_joiner_dies_while_the_task_ends, joiner_dies);

static void own_and_wait(void *arg)
{
    (void)arg;
    makes_task tasks[2];
    for (int i = 0; i < 2; i++)
        EXPECT(makes_spawn(&(int){ 2 * i }, NULL, &tasks[i]) == SP_OK);
    accept_idle(NULL);
}

static void owner_dies(void *unused)
{
    (void)unused;
    books_open();
    sp_pid owner = accept_spawn("owner", own_and_wait, NULL);
    sp_yield();
    sp_ignore(sp_kill(owner));
    accept_join(owner);
    accept_settle();
    books_close();
}
ACCEPT(an_owner_dies_while_its_tasks_end, owner_dies);

/* ---- cancelling ---- */

SP_TASK(receives, int, int);
static sp_err receives_run(const int *in, int *out)
{
    struct sp_message *message;
    *out = *in;
    sp_err err = sp_receive(sp_never(), &message);
    if (err != SP_OK)
        return err;
    sp_message_free(message);
    return sp_receive(sp_nowait(), &message) == SP_ERR_CANCELLED ? SP_OK : SP_ERR_INVALID;
}
SP_ON_TASK(receives);

SP_MESSAGE(word, int);

static void cancelling(void *unused)
{
    (void)unused;
    books_open();
    receives_task task;
    int out;
    if (receives_spawn(&(int){ 1 }, NULL, &task) != SP_OK)
        return;
    sp_pid pid = sp_task_pid(task.task);
    sp_ignore(word_send(pid, &(int){ 1 }));
    EXPECT(sp_task_cancel(task.task) == SP_OK);
    sp_err err = receives_join(task, &out, sp_never());
    /* It took the message before, and was cancelled after; or before, or it ended in between. */
    EXPECT(err == SP_OK || err == SP_ERR_CANCELLED || err == SP_ERR_INVALID);
    books_close();
}
ACCEPT(a_cancellation_races_with_a_message, cancelling);

/* ---- groups ---- */

SP_TASK(commits, int, int);
static sp_err commits_run(const int *in, int *out)
{
    *out = *in;
    sp_yield();
    if (sp_cancelled())
        return SP_ERR_CANCELLED;
    books.commits++;
    return *in == 0 ? SP_ERR_IO : SP_OK;
}
SP_ON_TASK(commits);

static void racing(void *unused)
{
    (void)unused;
    books_open();
    sp_task_group group;
    struct sp_stats before;
    struct sp_stats after;
    int out = 0;
    if (sp_task_group_open(NULL, &group) != SP_OK)
        return;
    sp_runtime_stats(sp_runtime_current(), &before);
    for (int i = 0; i < 3; i++)
        EXPECT(commits_add(group, &i) == SP_OK);
    EXPECT(commits_race(group, &out, NULL, sp_never()) == SP_OK);
    int commits = books.commits;
    sp_runtime_stats(sp_runtime_current(), &after);
    EXPECT(out == 1 || out == 2);
    EXPECT(after.processes == before.processes); /* the losers are dead, */
    accept_settle();
    EXPECT(books.commits == commits); /* and do nothing any more */
    sp_task_group_close(group);
    books_close();
}
ACCEPT(of_a_race_the_losers_are_dead, racing);

static void taking(void *unused)
{
    (void)unused;
    books_open();
    sp_task_group group;
    struct sp_task_done done;
    struct token token = { 0 };
    unsigned seen = 0;
    if (sp_task_group_open(&(struct sp_task_group_options){ .running_max = 2 }, &group) != SP_OK)
        return;
    for (int i = 0; i < 4; i++)
        EXPECT(makes_add(group, &(int){ 3 - i }) == SP_OK);
    for (int i = 0; i < 3; i++) {
        EXPECT(makes_next(group, &token, &done, sp_never()) == SP_OK);
        EXPECT(done.err == SP_OK && done.number < 4 && !(seen & (1U << done.number)));
        seen |= 1U << done.number;
        token_take(&token);
    }
    sp_task_group_close(group); /* with one that nobody takes */
    EXPECT(sp_task_group_cancel(group) == SP_ERR_NOPROC);
    books_close();
}
ACCEPT(each_result_is_taken_once, taking);

static void cancel_it(void *arg)
{
    sp_ignore(sp_task_group_cancel(*(sp_task_group *)arg));
}

SP_TASK(nests, int, int);
static sp_err nests_run(const int *in, int *out)
{
    SP_SCOPE(inner, NULL);
    *out = 0;
    sp_err err = receives_add(inner, in);
    if (err == SP_OK)
        err = sp_task_group_join_all(inner, NULL, sp_never());
    return err;
}
SP_ON_TASK(nests);

/* Whoever is spawned while the group is being cancelled is cancelled, too: nothing hangs. */
static void cancelling_a_tree(void *unused)
{
    (void)unused;
    books_open();
    sp_task_group group;
    struct sp_task_done failed;
    if (sp_task_group_open(NULL, &group) != SP_OK)
        return;
    accept_spawn("canceller", cancel_it, &group);
    for (int i = 0; i < 2; i++) {
        sp_err err = nests_add(group, &i);
        EXPECT(err == SP_OK || err == SP_ERR_CANCELLED);
    }
    sp_err err = sp_task_group_join_all(group, &failed, sp_never());
    EXPECT(err == SP_OK || err == SP_ERR_CANCELLED || err == SP_ERR_NOPROC);
    sp_reason_unref(failed.reason);
    accept_settle();
    sp_task_group_close(group);
    books_close();
}
ACCEPT(a_tree_of_groups_is_cancelled_while_it_grows, cancelling_a_tree);

static void kill_it(void *arg)
{
    sp_ignore(sp_kill(*(sp_pid *)arg));
}

static void killing_a_group(void *unused)
{
    (void)unused;
    books_open();
    sp_task_group group;
    struct sp_task_group_info info;
    struct sp_task_done done;
    if (sp_task_group_open(NULL, &group) != SP_OK)
        return;
    EXPECT(sp_task_group_info(group, &info) == SP_OK);
    sp_pid pid = info.pid;
    accept_spawn("killer", kill_it, &pid);
    for (int i = 0; i < 3; i++) {
        sp_err err = receives_add(group, &i);
        EXPECT(err == SP_OK || err == SP_ERR_CANCELLED);
    }
    sp_err err;
    while ((err = sp_task_group_next(group, NULL, NULL, &done, sp_never())) == SP_OK)
        sp_reason_unref(done.reason);
    EXPECT(err == SP_ERR_NOTFOUND);
    sp_task_group_close(group);
    accept_settle();
    books_close();
}
ACCEPT(a_group_is_killed_while_tasks_start, killing_a_group);

/* ---- scopes ---- */

static struct {
    bool frame; /* is there */
} borrowed;

SP_TASK(borrows, int, int);
static sp_err borrows_run(const int *in, int *out)
{
    *out = *in;
    for (int i = 0; i < *in; i++) {
        sp_yield();
        EXPECT(borrowed.frame); /* else this would write to a stack that is gone */
    }
    return SP_OK;
}
SP_ON_TASK(borrows);

static void frame_is_gone(void *unused)
{
    (void)unused;
    borrowed.frame = false;
}

static void borrow(void *arg)
{
    (void)arg;
    EXPECT(sp_defer(frame_is_gone, NULL) == SP_OK); /* first in, last out */
    borrowed.frame = true;
    SP_SCOPE(scope, NULL);
    for (int i = 0; i < 2; i++)
        EXPECT(borrows_add(scope, &(int){ 3 }) == SP_OK);
    if (sp_choose(2) == 1)
        sp_exit_error(SP_OK, "on purpose");
}

static void killing_a_scope(void *unused)
{
    (void)unused;
    books_open();
    sp_pid owner = accept_spawn("owner", borrow, NULL);
    sp_yield();
    sp_ignore(sp_kill(owner));
    sp_yield();
    sp_ignore(sp_kill(owner)); /* a second time, in the middle of its exit */
    accept_join(owner);
    EXPECT(!borrowed.frame);
    accept_settle(); /* what runs now finds no frame */
    books_close();
}
ACCEPT(case_84_a_scopes_owner_is_killed, killing_a_scope);

/* ---- many inputs ---- */

static void map_and_die(void *unused)
{
    (void)unused;
    int ins[4] = { 1, 2, 3, 4 };
    struct token outs[4];
    sp_err errs[4];
    struct sp_task_map_options how = { .running_max = 2 };
    sp_err err = makes_map(ins, 4, outs, errs, &how, sp_after_ms(1));
    EXPECT(err == SP_OK || err == SP_ERR_TIMEOUT || err == SP_ERR_CANCELLED);
    for (int i = 0; i < 4; i++) {
        EXPECT((errs[i] == SP_OK) == (outs[i].number != 0));
        if (errs[i] == SP_OK)
            token_take(&outs[i]);
    }
}

static void mapping(void *unused)
{
    (void)unused;
    books_open();
    sp_pid mapper = accept_spawn("mapper", map_and_die, NULL);
    sp_yield();
    sp_ignore(sp_cancel(mapper));
    accept_join(mapper);
    /* A group whose start was cancelled may still be about to end: abstract time does not wait. */
    accept_close();
    EXPECT(books.made == books.taken + books.destroyed);
}
ACCEPT(a_map_is_cancelled_or_comes_too_late, mapping, .abstract_time = true);
