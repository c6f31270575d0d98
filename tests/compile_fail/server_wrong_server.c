/* An operation goes to a server that has it: references are not interchangeable. */
// expect-gcc: incompatible type for argument 1 of .account_close
// expect-gcc: expected .account_ref. but argument is of type .printer_ref
// expect-clang: passing 'printer_ref'.* to parameter of incompatible type 'account_ref'
#include "spawned/server.h"

SP_SERVER(printer, sp_empty);
SP_SERVER(account, sp_empty);
SP_CAST(account, close, sp_empty);

sp_err close_account(printer_ref printer, account_ref account);

sp_err close_account(printer_ref printer, account_ref account)
{
#ifndef FIXED
    (void)account;
    return account_close(printer, &(sp_empty){ 0 }); // here
#else
    (void)printer;
    return account_close(account, &(sp_empty){ 0 });
#endif
}
