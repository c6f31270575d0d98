/* A server that adds up, a client that calls it, and a bug that ends the server alone. */
#include <assert.h>
#include <spawned/spawned.h>
#include <stdio.h>

SP_SERVER(counter, int); /* the protocol: a server, and its one operation, counter_add() */
SP_CALL(counter, add, int, int);

static sp_err counter_on_add(int *total, const int *in, int *out)
{
    assert(*in >= 0); /* a bug ends this process, not the program */
    *out = *total += *in;
    return SP_OK;
}
SP_STATE(counter, int);
SP_ON_CALL(counter, add);
SP_CLASS(counter);

static int hello(void *zero) /* a client: a call looks like any function */
{
    counter_ref counter;
    int total = 0;
    sp_err err = counter_start(zero, NULL, &counter);
    for (int n = 2; n > -2 && err == SP_OK; n -= 3) {
        err = counter_add(counter, &n, &total, sp_after_ms(500));
        printf("add %d: %s\n", n, sp_err_text(err));
    }
    printf("total %d, and the program goes on\n", total);
    return err == SP_ERR_DIED ? 0 : 1;
}
int main(void)
{
    return sp_main(hello, &(int){ 0 }, NULL);
}
