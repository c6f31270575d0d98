/* What the fragments of docs/tasks.md stand in; see tests/snippets/run.py. */
#include <spawned/spawned.h>
#include <stdio.h>

SP_TASK(square, int, int);

sp_err squares(const int *numbers, int count);
sp_err squares(const int *numbers, int count)
{
    sp_err err;
    int out;
    /* @1 */
    return err;
}

struct query {
    char words[64];
};
struct answer {
    char text[64];
};
struct search_args {
    const struct query *query;
    struct answer *answer;
};
SP_TASK(search, struct search_args, sp_empty);

/* @2 */

struct file {
    const char *path;
};
SP_TASK(word_count, struct file, long);
void show_progress(const struct sp_task_done *done, void *arg);

sp_err count_words(const struct file *files, size_t count, long *counts, sp_err *errs);
sp_err count_words(const struct file *files, size_t count, long *counts, sp_err *errs)
{
    sp_err err;
    /* @3 */
    return err;
}

SP_SERVER(store, sp_empty);
SP_CALL(store, release, int, bool);

sp_err put_in_order(store_ref store, int lock);
sp_err put_in_order(store_ref store, int lock)
{
    bool released;
    sp_err err;
    /* @4 */
    return err;
}
