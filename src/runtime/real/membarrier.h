/* A barrier that every core of this program executes, paid by the one who asks.
 *
 * Neighbours: runtime/epoch.c, the only user. Source: membarrier(2).
 */
#ifndef SP_RUNTIME_REAL_MEMBARRIER_H
#define SP_RUNTIME_REAL_MEMBARRIER_H

#include "spawned/base.h"

/** Announces the use, once per program or more. False: the kernel (or an emulator) does not have it.
 *  Context: any. */
bool sp__membarrier_available(void);

/** Returns after every running thread of the program has executed a full memory barrier.
 *  Only after sp__membarrier_available() said yes. Units: about 2 us.
 *  Context: any. */
void sp__membarrier(void);

#endif
