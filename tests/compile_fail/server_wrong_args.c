/* A server is started with its own arguments. */
// expect: incompatible.pointer.type
// expect-gcc: passing argument 1 of .account_start
// expect-clang: passing 'int \*' to parameter of type 'const account__args_type \*'
#include "spawned/server.h"

struct account_args {
    int64_t cents;
};
SP_SERVER(account, struct account_args);

sp_err begin(account_ref *out);

sp_err begin(account_ref *out)
{
#ifndef FIXED
    int args = 100;
#else
    struct account_args args = { 100 };
#endif
    return account_start(&args, NULL, out); // here
}
