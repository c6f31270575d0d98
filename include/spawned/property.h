/* Properties of a program, said where they hold, and looked at where it is tested.
 *
 * In production each is a test of one pointer and its condition is not evaluated; in
 * simulation (sim.h) sp_always() fails the run, sp_sometimes() is counted over the campaign,
 * and sp_buggify() and sp_choose() are decisions that a failing run remembers.
 */
#ifndef SPAWNED_PROPERTY_H
#define SPAWNED_PROPERTY_H

#include "spawned/base.h"

SP_EXTERN_C_BEGIN

/** Who listens; set by the simulation. */
struct sp__property_ops {
    void (*always_failed)(const char *what, const char *file, int line);
    void (*sometimes)(const char *what, const char *file, int line);
    bool (*buggify)(const char *what);
    uint32_t (*choose)(uint32_t count);
};

SP_API extern const struct sp__property_ops *sp__properties;

/** `condition` is true whenever control comes here; if ever it is not, that is a bug.
 *  `what` names it. */
#define sp_always(condition, what)                                 \
    (sp__properties != NULL && !(condition)                        \
         ? sp__properties->always_failed(what, __FILE__, __LINE__) \
         : (void)0)

/** `condition` should be true at some time in some run: if never, the tests are weak. */
#define sp_sometimes(condition, what)                                                            \
    (sp__properties != NULL && (condition) ? sp__properties->sometimes(what, __FILE__, __LINE__) \
                                           : (void)0)

/** True now and then in simulation, so that rare paths are taken; never in production. */
#define sp_buggify(what) (sp__properties != NULL && sp__properties->buggify(what))

/** A number below `count` that the simulation chooses; 0 in production. */
#define sp_choose(count) (sp__properties != NULL ? sp__properties->choose(count) : 0)

SP_EXTERN_C_END

#endif
