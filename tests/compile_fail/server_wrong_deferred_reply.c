/* A reply that comes later has the type of its operation, too. */
// expect: incompatible.pointer.type
// expect-gcc: passing argument 2 of .account_deposit_reply
// expect-clang: passing 'int \*' to parameter of type 'const account_deposit__out_type \*'
#include "spawned/server.h"

struct balance {
    int64_t cents;
};
SP_SERVER(account, sp_empty);
SP_CALL(account, deposit, int, struct balance);

sp_err answer(sp_request request);

sp_err answer(sp_request request)
{
#ifndef FIXED
    int out = 100;
#else
    struct balance out = { 100 };
#endif
    return account_deposit_reply(request, &out); // here
}
