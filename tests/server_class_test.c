/* Classes of servers without an init: what their state begins with. */
#include "support/puppet.h"
#include "support/test.h"

SP_SERVER(sum, int);
SP_CALL(sum, add, int, int);

static sp_err sum_on_add(int *total, const int *in, int *out)
{
    *out = *total += *in;
    return SP_OK;
}

SP_STATE(sum, int);
SP_ON_CALL(sum, add);
SP_CLASS(sum);

struct pair_args {
    int left;
    int right;
};
SP_SERVER(pair, struct pair_args);
SP_CALL(pair, get, sp_empty, int);

static sp_err pair_on_get(int *sum, const sp_empty *in, int *out)
{
    (void)in;
    *out = *sum;
    return SP_OK;
}

SP_STATE(pair, int);
SP_ON_CALL(pair, get);
SP_CLASS(pair);

TEST(without_an_init_the_arguments_are_the_first_state)
{
    sum_ref from_five;
    sum_ref from_zero;
    pair_ref pair;
    int out;
    world_open(NULL);
    CHECK_OK(sum_start(&(int){ 5 }, NULL, &from_five));
    CHECK_OK(sum_add(from_five, &(int){ 2 }, &out, WORLD_PATIENCE));
    CHECK_INT(out, 7);
    CHECK_OK(sum_start(NULL, NULL, &from_zero));
    CHECK_OK(sum_add(from_zero, &(int){ 2 }, &out, WORLD_PATIENCE));
    CHECK_INT(out, 2);
    CHECK_OK(pair_start(&(struct pair_args){ 1, 2 }, NULL, &pair));
    CHECK_OK(pair_get(pair, &(sp_empty){ 0 }, &out, WORLD_PATIENCE));
    CHECK_INT(out, 0); /* nobody takes them */
    world_close();
}
