/* What the checks (test.c) and the runner (test_main.c) share. */
#ifndef SP_TEST_SUPPORT_TEST_INTERNAL_H
#define SP_TEST_SUPPORT_TEST_INTERNAL_H

#include "support/test.h"

enum sp_test_state {
    SP_TEST_STARTED,
    SP_TEST_RETURNED, /**< the case's function came back */
    SP_TEST_FAILED,
    SP_TEST_SKIPPED,
};

/** How a case ended, in memory that the child shares with the runner: the exit status
 *  alone cannot tell a case that returned from one in which the code under test called
 *  exit(0). */
struct sp_test_verdict {
    enum sp_test_state state;
    char reason[512]; /**< of a skip or a failed check; may be cut */
};

/** The verdict of the case that runs in this process. Set by the runner. */
extern struct sp_test_verdict *sp_test_current;

/** Called by a failed or skipped case when it runs inside the runner (--no-fork). */
extern void (*sp_test_on_end)(void);

/** The registered cases, in order. */
struct sp_test_case *sp_test_cases(void);

#endif
