/* Every operation is handled in every state: what a state does not handle, S_on_op does. */
// expect-gcc: .door_on_press. undeclared
// expect-clang: use of undeclared identifier 'door_on_press'
#include "spawned/statem.h"

SP_SERVER(door, sp_empty);
SP_CALL(door, press, int, bool);
struct door {
    int unused;
};
SP_STATEM(door, struct door);
struct door_state {
    SP_STATE_FIELDS(door);
    SP_STATE_CALL_FIELD(door, press);
};
#ifdef FIXED
static sp_err door_on_press(struct door *self, const int *in, bool *out)
{
    (void)self;
    (void)in;
    (void)out;
    return SP_ERR_REFUSED;
}
#endif
SP_STATEM_ON_CALL(door, press); // here
