/* An operation gives its own reply. */
// expect: incompatible.pointer.type
// expect-gcc: passing argument 3 of .account_deposit. from incompatible pointer type
// expect-clang: passing 'int \*' to parameter of type 'account_deposit__out_type \*'
#include "spawned/server.h"

struct deposit {
    int64_t cents;
};
struct balance {
    int64_t cents;
};
SP_SERVER(account, sp_empty);
SP_CALL(account, deposit, struct deposit, struct balance);

sp_err pay(account_ref account);

sp_err pay(account_ref account)
{
#ifndef FIXED
    int out;
#else
    struct balance out;
#endif
    return account_deposit(account, &(struct deposit){ 100 }, &out, sp_after_ms(500)); // here
}
