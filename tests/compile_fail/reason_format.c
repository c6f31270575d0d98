/* The text of a reason is checked like that of printf. */
// expect: format
// expect-gcc: format .%s. expects argument of type .char \*
// expect-clang: format specifies type 'char \*' but the argument has type 'int'
#include "spawned/process.h"

void give_up(int round);

void give_up(int round)
{
#ifndef FIXED
    sp_exit_error(SP_ERR_TIMEOUT, "no answer in round %s", round); // here
#else
    sp_exit_error(SP_ERR_TIMEOUT, "no answer in round %d", round);
#endif
}
