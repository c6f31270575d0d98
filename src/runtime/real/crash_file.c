#include "runtime/real/crash_file.h"

#include "base/text.h"
#include "runtime/log_format.h"
#include "runtime/real/symbol.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { CRASH_STACK = 8192 }; /* bytes of the frames; more are cut */

/* With the time in it: the same pid comes again, in a container with each start of the program. */
bool sp__crash_file_name(char *out, size_t size, const char *folder, int64_t wall_ns,
                         uint32_t number)
{
    char buffer[40];
    char when[40];
    size_t kept = 0;
    struct sp__text text;
    sp__text_init(&text, buffer, sizeof(buffer));
    sp__log_put_time(&text, wall_ns);
    for (const char *at = buffer; *at != '\0'; at++)
        if (*at != '-' && *at != ':') /* scp would take the part before a colon for a host */
            when[kept++] = *at;
    when[kept] = '\0';
    int length =
        snprintf(out, size, "%s/spawned-crash-%s-%d-%u.txt", folder, when, getpid(), number);
    return length >= 0 && (size_t)length < size;
}

static bool crash_write(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

/* A return address is looked up by the call before it. */
static void crash_frame(struct sp__text *text, const char *how, const void *at, bool returns)
{
    char frame[320];
    sp__symbol_text(returns ? (const char *)at - 1 : at, frame, sizeof(frame));
    sp__text_add(text, "  %s %p %s\n", how, at, frame);
}

static void crash_frames(const struct sp_fault *fault, struct sp__text *text)
{
    sp__text_add(text, "\nstack, innermost first\n");
    crash_frame(text, "at", fault->pc, false);
    for (int i = 0; i < fault->frame_count; i++)
        if (fault->frames[i] != fault->pc)
            crash_frame(text, "by", fault->frames[i], true);
}

int sp__crash_file_write(const char *path, const char *text, size_t size,
                         const struct sp_fault *fault)
{
    char buffer[CRASH_STACK];
    struct sp__text stack;
    sp__text_init(&stack, buffer, sizeof(buffer));
    crash_frames(fault, &stack);
    /* Nobody else's business; and never over what is there. */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    bool written = crash_write(fd, text, size) && crash_write(fd, buffer, stack.length);
    int error = written ? 0 : errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    return error;
}
