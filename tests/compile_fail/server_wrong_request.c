/* An operation takes its own request. */
// expect: incompatible.pointer.type
// expect-gcc: passing argument 2 of .account_deposit. from incompatible pointer type
// expect-clang: passing 'struct withdrawal \*' to parameter of type 'const account_deposit__in_type \*'
#include "spawned/server.h"

struct deposit {
    int64_t cents;
};
struct withdrawal {
    int64_t cents;
};
struct balance {
    int64_t cents;
};
SP_SERVER(account, sp_empty);
SP_CALL(account, deposit, struct deposit, struct balance);

sp_err pay(account_ref account, struct balance *out);

sp_err pay(account_ref account, struct balance *out)
{
#ifndef FIXED
    struct withdrawal in = { .cents = 100 };
#else
    struct deposit in = { .cents = 100 };
#endif
    return account_deposit(account, &in, out, sp_after_ms(500)); // here
}
