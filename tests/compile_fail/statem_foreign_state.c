/* A machine goes to its own states only. */
// expect: incompatible.pointer.type
// expect-gcc: passing argument 1 of .lamp_next
// expect-clang: passing 'const struct door_state \*'
#include "spawned/statem.h"

SP_SERVER(door, sp_empty);
struct door {
    int unused;
};
SP_STATEM(door, struct door);
struct door_state {
    SP_STATE_FIELDS(door);
};

SP_SERVER(lamp, sp_empty);
struct lamp {
    int unused;
};
SP_STATEM(lamp, struct lamp);
struct lamp_state {
    SP_STATE_FIELDS(lamp);
};

void go(const struct door_state *door_open, const struct lamp_state *lamp_on);

void go(const struct door_state *door_open, const struct lamp_state *lamp_on)
{
#ifndef FIXED
    (void)lamp_on;
    lamp_next(door_open); // here
#else
    (void)door_open;
    lamp_next(lamp_on);
#endif
}
