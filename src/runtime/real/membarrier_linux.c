/* membarrier(2) for runtime/epoch.c. */
#include "runtime/real/membarrier.h"

#include <assert.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static long membarrier_call(int command)
{
    return syscall(SYS_membarrier, command, 0, 0);
}

bool sp__membarrier_available(void)
{
    long commands = membarrier_call(MEMBARRIER_CMD_QUERY);
    if (commands < 0 || (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0)
        return false;
    return membarrier_call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

void sp__membarrier(void)
{
    /* Cannot fail once registered; going on without the barrier would free what is in use. */
    long result = membarrier_call(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    assert(result == 0);
    (void)result;
}
