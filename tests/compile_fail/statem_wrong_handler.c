/* A state's function has the types of the operation it handles. */
// expect: incompatible.*pointer
// expect-gcc: sp_err \(\*\)\(struct door \*, .*const int \*
// expect-clang: 'sp_err \(struct door \*, const long \*,
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

#ifndef FIXED
static sp_err door_locked_press(struct door *self, const long *in, bool *out)
#else
static sp_err door_locked_press(struct door *self, const int *in, bool *out)
#endif
{
    (void)self;
    (void)in;
    (void)out;
    return SP_OK;
}

extern const struct door_state door_locked;
const struct door_state door_locked = {
    .name = "locked",
    .press = door_locked_press // here
};
