/* How the command ends: its exit status, documented in spawned(1). */
#ifndef SPAWNED_TOOL_STATUS_H
#define SPAWNED_TOOL_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_NOTFOUND = 1, /* no such process, nothing recorded, not well */
    STATUS_USAGE = 2,
    STATUS_UNREACHABLE = 3,
    STATUS_REFUSED = 4, /* a token is missing or wrong, the endpoint only looks, and the like */
    STATUS_ANSWER = 5,  /* not a Spawned node, or what it says makes no sense */
    STATUS_LOCAL = 6,   /* here: a file, memory, the output */
};

#endif
