/* What a program under test prints. */
#ifndef SPAWNED_SIM_OUTPUT_H
#define SPAWNED_SIM_OUTPUT_H

#include "spawned/err.h"

#include <stdio.h>

/** A stream that takes everything and keeps nothing, with memory of its own: standard output
 *  while a run is inside. Errors: NOMEM. Context: the main thread, before the first run. */
SP_NODISCARD sp_err sim_output_start(void);

/** It. Context: the main thread. */
FILE *sim_output(void);

/** Free it. */
void sim_output_finish(void);

#endif
