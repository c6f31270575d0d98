/* The books of a runtime: every message sent was handled, or is queued, dead or dropped; every
 * process spawned has ended or lives.
 *
 * Threads: the case's; nothing else runs meanwhile.
 */
#ifndef SP_TEST_SUPPORT_ACCOUNTS_H
#define SP_TEST_SUPPORT_ACCOUNTS_H

#include "support/puppet.h"

/** The runtime's figures. */
struct sp_stats accounts(void);
/** They balance. */
void accounts_balance(void);
/** This process is the only one left, nothing is queued or armed, and they balance. */
void accounts_empty(void);

#endif
