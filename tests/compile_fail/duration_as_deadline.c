/* A length of time is no deadline: it may count from now, or be an instant. */
// expect-gcc: incompatible type for argument 4 of .account_deposit
// expect-clang: passing 'sp_duration'.* to parameter of incompatible type 'sp_deadline'
#include "spawned/server.h"

SP_SERVER(account, sp_empty);
SP_CALL(account, deposit, int, int);

sp_err pay(account_ref account, int *out);

sp_err pay(account_ref account, int *out)
{
#ifndef FIXED
    return account_deposit(account, &(int){ 100 }, out, sp_ms(500)); // here
#else
    return account_deposit(account, &(int){ 100 }, out, sp_after(sp_ms(500)));
#endif
}
