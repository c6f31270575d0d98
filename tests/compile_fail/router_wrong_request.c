/* A routed operation takes its own request. */
// expect: incompatible.pointer.type
// expect-gcc: passing argument 2 of .account_route_deposit. from incompatible pointer type
// expect-clang: passing 'struct withdrawal \*' to parameter of type 'const account_deposit__in_type \*'
#include "spawned/router.h"

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
SP_ROUTER(account);
SP_ROUTED_CALL(account, deposit);

sp_err pay(account_router router, struct balance *out);

sp_err pay(account_router router, struct balance *out)
{
#ifndef FIXED
    struct withdrawal in = { .cents = 100 };
#else
    struct deposit in = { .cents = 100 };
#endif
    return account_route_deposit(router, &in, out, sp_after_ms(500)); // here
}
