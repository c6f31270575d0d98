/* Names: one per process, free again before anyone learns of its death.
 */
#ifndef SPAWNED_REGISTRY_H
#define SPAWNED_REGISTRY_H

#include "spawned/err.h"
#include "spawned/pid.h"

SP_EXTERN_C_BEGIN

/** Longest name, in bytes. */
#define SP_NAME_MAX 255

/** Give `pid` a name.
 *  Errors: EXISTS (the name is taken, or the process has one), NOPROC (dead), INVALID (empty,
 *  longer than SP_NAME_MAX, or the reserved "undefined"), NOMEM, NOTCONTEXT.
 *  Ownership: `name` is copied.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_register(const char *name, sp_pid pid);

/** Take a name away.
 *  Errors: NOTFOUND, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_unregister(const char *name);

/** Who holds `name`?
 *  Errors: NOTFOUND, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_whereis(const char *name, sp_pid *out_pid);

/** As sp_whereis(), and the holder must be a server of class `class_tag` (the address of its
 *  class object); the typed `NAME_whereis()` of SP_SERVER uses it.
 *  Errors: NOTFOUND, BADCALL (of another class), NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_whereis_class(const char *name, const void *class_tag,
                                                       sp_pid *out_pid);

/** Copy the name of `pid` into `name`.
 *  Errors: NOPROC, NOTFOUND (it has none), NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_name_of(sp_pid pid, char name[SP_NAME_MAX + 1]);

/** Number of names in use. Context: process. */
SP_API size_t sp_registered_count(void);

/** Called for each name by sp_registered_each(); may not suspend. False ends the walk. */
typedef bool (*sp_registered_fn)(const char *name, sp_pid pid, void *arg);

/** Call `fn` for a snapshot of the names, in order of registration.
 *  Errors: NOMEM, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err sp_registered_each(sp_registered_fn fn, void *arg);

SP_EXTERN_C_END

#endif
