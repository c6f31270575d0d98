/* Pids: the address of a process.
 *
 * A pid is a value of 16 bytes that may be copied, stored and compared at will. A slot
 * of the process table is used again only under a new serial number, so a stale pid
 * never means a stranger: every use of it says SP_ERR_NOPROC. The serial has 64 bits
 * and does not wrap.
 */
#ifndef SPAWNED_PID_H
#define SPAWNED_PID_H

#include "spawned/base.h"

SP_EXTERN_C_BEGIN

/** The address of a process. The zero value is "no process" and is never given out. */
typedef struct sp_pid {
    uint64_t serial; /**< counts the uses of the slot, from 1 */
    uint32_t slot;   /**< place in the node's process table */
    uint32_t node;   /**< 0: this node */
} sp_pid;

/** "No process". */
#define SP_PID_NONE ((sp_pid){ 0, 0, 0 })

/** Bytes that sp_pid_format() needs, the final zero included. */
#define SP_PID_TEXT_MAX 48

/** The same process? Context: any. */
static inline bool sp_pid_equal(sp_pid a, sp_pid b)
{
    return a.serial == b.serial && a.slot == b.slot && a.node == b.node;
}

/** Is it the zero pid? Context: any. */
static inline bool sp_pid_is_none(sp_pid pid)
{
    return pid.serial == 0;
}

/** A 64-bit key of `pid`, unique among the live processes of a node, fit for a hash table.
 *  Context: any. */
static inline uint64_t sp_pid_key(sp_pid pid)
{
    return (pid.serial << 32) ^ ((uint64_t)pid.node << 24) ^ pid.slot;
}

/** Write "<node.slot.serial>" to `text` and return `text`.
 *  Context: any. */
SP_API SP_NONNULL const char *sp_pid_format(sp_pid pid, char text[SP_PID_TEXT_MAX]);

SP_EXTERN_C_END

#endif
