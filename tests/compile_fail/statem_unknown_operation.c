/* A state has fields for the operations that were declared, under their names. */
// expect: door_pres
#include "spawned/statem.h"

SP_SERVER(door, sp_empty);
SP_CALL(door, press, int, bool);
struct door {
    int unused;
};
SP_STATEM(door, struct door);
struct door_state {
    SP_STATE_FIELDS(door);
#ifndef FIXED
    SP_STATE_CALL_FIELD(door, pres); // here
#else
    SP_STATE_CALL_FIELD(door, press);
#endif
};
