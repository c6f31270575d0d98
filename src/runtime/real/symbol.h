/* The name of the function that an address lies in, from the symbol table of its module's file: static
 * functions too, which the dynamic linker does not know.
 *
 * Threads: any that may block. Neighbours: probe.h (without files), process/crash.c.
 * Source: System V Application Binary Interface, chapter 4, "Object Files" (ELF).
 */
#ifndef SPAWNED_RUNTIME_REAL_SYMBOL_H
#define SPAWNED_RUNTIME_REAL_SYMBOL_H

#include "spawned/base.h"

#include <stddef.h>

/** "name+0x12 (module+0x3456)", or as much of it as is known; what addr2line wants is the last number.
 *  Reads the module's file. Context: any thread that may block. */
void sp__symbol_text(const void *address, char *out, size_t size) SP_NONNULL_ARGS(2);

#endif
