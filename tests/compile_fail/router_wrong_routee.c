/* A router takes servers of its own class. */
// expect: incompatible.pointer.type
// expect-gcc: passing argument 2 of .account_router_add. from incompatible pointer type
// expect-clang: passing 'teller_ref \*' (.*)to parameter of type 'const account_ref \*'
#include "spawned/router.h"

SP_SERVER(account, sp_empty);
SP_SERVER(teller, sp_empty);
SP_ROUTER(account);

#ifndef FIXED
sp_err add(account_router router, teller_ref routee);

sp_err add(account_router router, teller_ref routee)
#else
sp_err add(account_router router, account_ref routee);

sp_err add(account_router router, account_ref routee)
#endif
{
    return account_router_add(router, &routee, 1); // here
}
