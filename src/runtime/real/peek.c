/* Reading memory of our own through the system; see runtime/peek.h. */
#include "runtime/peek.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PEEK_PAGE = 4096 }; /* the smallest there is: what begins in one may end with it */

/* How many of the bytes are there. */
static size_t peek_copy(const void *from, void *to, size_t size)
{
    uintptr_t left = PEEK_PAGE - (uintptr_t)from % PEEK_PAGE;
    size_t first = size < left ? size : left;
    struct iovec here = { .iov_base = to, .iov_len = size };
    struct iovec there[2] = {
        { .iov_base = (void *)(uintptr_t)from, .iov_len = first },
        { .iov_base = (void *)((uintptr_t)from + first), .iov_len = size - first },
    };
    long count = syscall(SYS_process_vm_readv, getpid(), &here, 1UL, there, 2UL, 0UL);
    return count < 0 ? 0 : (size_t)count;
}

bool sp__peek(const struct sp_runtime *runtime, const void *from, void *to, size_t size)
{
    if (from == NULL)
        return false;
    if (runtime->real)
        return peek_copy(from, to, size) == size;
    memcpy(to, from, size);
    return true;
}

bool sp__peek_text(const struct sp_runtime *runtime, const char *from, char *to, size_t size)
{
    if (from == NULL || size < 2)
        return false;
    if (!runtime->real) {
        snprintf(to, size, "%s", from);
        return to[0] != '\0';
    }
    to[peek_copy(from, to, size - 1)] = '\0';
    for (size_t i = 0; to[i] != '\0'; i++)
        if (to[i] < ' ' || to[i] > '~')
            return false;
    return to[0] != '\0';
}
