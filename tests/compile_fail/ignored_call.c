/* A call may fail, whatever its reply: its result must be looked at. */
// expect: ignoring return value of
// expect-gcc: account_deposit.*unused-result
// expect-clang: unused-result
#include "spawned/server.h"

SP_SERVER(account, sp_empty);
SP_CALL(account, deposit, int, int);

int pay(account_ref account);

int pay(account_ref account)
{
    int out = 0;
#ifndef FIXED
    account_deposit(account, &(int){ 100 }, &out, sp_after_ms(500)); // here
#else
    if (account_deposit(account, &(int){ 100 }, &out, sp_after_ms(500)) != SP_OK)
        return -1;
#endif
    return out;
}
