/* A bare pid is no reference of a server: S_whereis() or S_start() gives one. */
// expect-gcc: incompatible type for argument 1 of .account_close
// expect-clang: passing 'sp_pid'.* to parameter of incompatible type 'account_ref'
#include "spawned/server.h"

SP_SERVER(account, sp_empty);
SP_CAST(account, close, sp_empty);

sp_err close_account(void);

sp_err close_account(void)
{
#ifndef FIXED
    sp_pid account;
    sp_err err = sp_whereis("account", &account);
#else
    account_ref account;
    sp_err err = account_whereis("account", &account);
#endif
    return err == SP_OK ? account_close(account, &(sp_empty){ 0 }) : err; // here
}
