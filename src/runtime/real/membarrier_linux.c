/* membarrier(2) for runtime/epoch.c. */
#include "runtime/real/membarrier.h"

#include <assert.h>
#include <errno.h>
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
    /* The kernel may have no memory for a set of processors (ENOMEM). The barrier of the whole
     * machine needs none, and takes milliseconds; where there is none (EINVAL: processors without a
     * tick), memory comes back. Going on without a barrier would free what is in use. */
    while (membarrier_call(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 &&
           membarrier_call(MEMBARRIER_CMD_GLOBAL) != 0)
        assert(errno == ENOMEM || errno == EINVAL);
}
