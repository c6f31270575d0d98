/* Whose code is at an address? The map of the program's modules, as it was at startup.
 *
 * Modules that are loaded later are not on the map.
 *
 * Threads: loaded and unloaded while no handler can ask; read by signal handlers.
 * Neighbours: fault.c, fault_stack.c. Source: dl_iterate_phdr(3).
 */
#ifndef SP_RUNTIME_REAL_FAULT_CODE_H
#define SP_RUNTIME_REAL_FAULT_CODE_H

#include "spawned/err.h"

enum sp__fault_code {
    SP__FAULT_CODE_UNKNOWN, /* no module of startup: loaded later, generated, or no code at all */
    SP__FAULT_CODE_USER,
    SP__FAULT_CODE_SYSTEM, /* C library, loader, unwinder, sanitizer, allocator */
    SP__FAULT_CODE_OURS,
};

/** Read the map. Errors: NOMEM. Context: startup. */
SP_NODISCARD sp_err sp__fault_code_load(void);

/** Forget it. Context: after the handlers are gone. */
void sp__fault_code_unload(void);

/** Whose is it? Context: any, signal handlers too. */
enum sp__fault_code sp__fault_code_of(uintptr_t pc);

#endif
