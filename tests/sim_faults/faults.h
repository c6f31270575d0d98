/* What the planted bugs of this folder share. Each needs a fault of one kind, and no other does it:
 * its test allows all kinds, and tests/sim_faults.c looks that it is found, shrinks to that one
 * fault, and is not found without that kind. NAME_fixed is its corrected twin.
 *
 * What would be on a disk is in static variables, which a crash leaves alone.
 */
#ifndef SPAWNED_TESTS_SIM_FAULTS_H
#define SPAWNED_TESTS_SIM_FAULTS_H

#include <spawned/sim.h>
#include <spawned/spawned.h>

/** The tests of the bug `name`: `program(s, fixed)`. */
#define FAULT_TESTS(name, program)                                                    \
    SP_SIM_TEST(name, .faults = SP_SIM_ALL, .virtual_time = { 600000000000 })         \
    {                                                                                 \
        program(s, false);                                                            \
    }                                                                                 \
    SP_SIM_TEST(name##_fixed, .faults = SP_SIM_ALL, .virtual_time = { 600000000000 }) \
    {                                                                                 \
        program(s, true);                                                             \
    }                                                                                 \
    struct name##_is_a_planted_bug

#endif
