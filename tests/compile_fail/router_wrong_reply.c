/* A routed operation gives its own reply. */
// expect: incompatible.pointer.type
// expect-gcc: passing argument 3 of .account_route_deposit_first. from incompatible pointer type
// expect-clang: passing 'struct withdrawal \*' to parameter of type 'account_deposit__out_type \*'
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

sp_err pay(account_router router, const struct deposit *in);

sp_err pay(account_router router, const struct deposit *in)
{
#ifndef FIXED
    struct withdrawal out;
#else
    struct balance out;
#endif
    return account_route_deposit_first(router, in, &out, sp_after_ms(500)); // here
}
